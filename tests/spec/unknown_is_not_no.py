"""Semantics 1: Kleene logic with `manual`, and parts that do not apply."""

from __future__ import annotations

from cds_service.model.predicates import All, Any, AtLeast, ConditionIs, Manual, Not, ObservationIs, Sex, When

from .language import ASK, NO, OUT, YES, Section, asks, at_least, below, cut, diagnosis, excludes, lab, row, sex, unknown, unread

EGFR = ObservationIs(("egfr",), at_least(30.0))
LVEF = ObservationIs(("lvef",), at_least(50.0))
PLATELETS = ObservationIs(("platelets",), at_least(50.0))
CONSENT = Manual("Does the patient consent?")
GOOD, BAD = lab("egfr", 52), lab("egfr", 25)
STRONG, WEAK = lab("lvef", 60), lab("lvef", 40)

SECTION = Section(
    "Unknown is not no",
    "A question that the record cannot answer is neither met nor failed. A person's answer is a fourth value beside yes, no and unknown.",
    (
        asks(
            "All of: eGFR at least 30, LVEF at least 50 %",
            All((EGFR, LVEF)),
            row(YES, "All hold: yes.", GOOD, STRONG),
            row(NO, "One failure is enough, whatever is missing.", BAD),
            row(NO, "One failure is enough, whatever else holds.", BAD, STRONG),
            row(unknown("no-data"), "One holds, one is missing: unknown.", GOOD),
            row(unknown("no-data"), "Nothing is on record: unknown."),
            row(unknown("unavailable"), "The missing one might stand on a list that could not be fetched.", GOOD, unread("results-other")),
            row(unknown("truncated"), "The missing one might stand on the part that was not read.", GOOD, cut("results-other")),
            row(YES, "What was computed in one part is said of the whole.", lab("egfr", 52, computed=True), STRONG, basis="computed"),
        ),
        asks(
            "All of: eGFR at least 30, consent",
            All((EGFR, CONSENT)),
            row(ASK, "The record holds, the person is left to ask.", GOOD),
            row(unknown("no-data"), "What is missing comes before what has to be asked."),
            row(NO, "A failure comes before both.", BAD),
        ),
        asks(
            "Any of: eGFR at least 30, LVEF at least 50 %",
            Any((EGFR, LVEF)),
            row(YES, "One that holds is enough, whatever is missing.", GOOD),
            row(YES, "One that holds is enough, whatever fails.", GOOD, WEAK),
            row(NO, "All fail: no.", BAD, WEAK),
            row(unknown("no-data"), "One fails, the other is missing: it may still hold.", BAD),
            row(unknown("no-data"), "Nothing is on record: unknown."),
            row(unknown("unavailable"), "The other could not be fetched.", BAD, unread("results-other")),
            row(unknown("truncated"), "The other was not read to its end.", BAD, cut("results-other")),
        ),
        asks(
            "Any of: eGFR at least 30, consent",
            Any((EGFR, CONSENT)),
            row(YES, "The record alone is enough.", GOOD),
            row(ASK, "The record fails, the person may still say yes.", BAD),
            row(unknown("no-data"), "What is missing is looked for before a person is asked."),
        ),
        asks(
            "At least two of: eGFR at least 30, LVEF at least 50 %, platelets at least 50",
            AtLeast(2, (EGFR, LVEF, PLATELETS)),
            row(YES, "Two hold: the third does not matter.", GOOD, STRONG),
            row(YES, "Two hold and one fails.", GOOD, STRONG, lab("platelets", 20)),
            row(NO, "Two fail: the third cannot make up for them.", BAD, WEAK),
            row(unknown("no-data"), "One holds, two are missing.", GOOD),
            row(unknown("no-data"), "One holds, one fails, one is missing.", GOOD, WEAK),
            row(unknown("no-data"), "Nothing is on record."),
            row(unknown("unavailable"), "The third could not be fetched.", GOOD, WEAK, unread("results-blood")),
            row(unknown("truncated"), "The third was not read to its end.", GOOD, WEAK, cut("results-blood")),
        ),
        asks(
            "At least two of: eGFR at least 30, LVEF at least 50 %, consent",
            AtLeast(2, (EGFR, LVEF, CONSENT)),
            row(ASK, "One holds, one fails: the person decides.", GOOD, WEAK),
            row(unknown("no-data"), "One holds, one is missing: look for it first.", GOOD),
            row(NO, "Both fail: consent alone is not two.", BAD, WEAK),
        ),
        asks(
            "Not: eGFR at least 30",
            Not(EGFR),
            row(NO, "What holds is turned into no.", GOOD),
            row(YES, "What fails is turned into yes.", BAD),
            row(unknown("no-data"), "What is unknown stays unknown."),
            row(unknown("unavailable"), "A list that could not be fetched stays unknown.", unread("results-kidney")),
            row(unknown("truncated"), "A list not read to its end stays unknown.", cut("results-kidney")),
        ),
        asks("Not: consent", Not(CONSENT), row(ASK, "What only a person can say cannot be turned round by the program.")),
        asks(
            "In women: eGFR at least 30",
            When(Sex("female"), EGFR),
            row(YES, "Where the condition holds, its body decides.", sex("female"), GOOD),
            row(NO, "Where the condition holds, its body decides.", sex("female"), BAD),
            row(OUT, "Where it does not hold, the criterion does not apply.", sex("male"), BAD),
            row(YES, "Unknown sex, but the body holds: good either way.", GOOD),
            row(unknown("no-data"), "Unknown sex, and the body fails: it may not apply.", BAD),
            row(unknown("no-data"), "Unknown sex and nothing else: unknown."),
            row(unknown("unavailable"), "A woman whose results could not be fetched.", sex("female"), unread("results-kidney")),
            row(unknown("truncated"), "A woman whose results were not read to their end.", sex("female"), cut("results-kidney")),
        ),
        asks(
            "All of: in women, eGFR at least 30; LVEF at least 50 %",
            All((When(Sex("female"), EGFR), LVEF)),
            row(YES, "Unknown sex, but all hold either way.", GOOD, STRONG),
            row(NO, "The other part fails either way.", BAD, WEAK),
            row(unknown("no-data"), "Unknown sex, and the part for women fails.", BAD, STRONG),
            row(YES, "For a man the part drops out.", sex("male"), BAD, STRONG),
        ),
        excludes(
            "in women, eGFR below 30",
            When(Sex("female"), ObservationIs(("egfr",), below(30.0))),
            row(NO, "Unknown sex, but she would not be excluded either way.", GOOD),
            row(unknown("no-data"), "Unknown sex, and the body would exclude: it may not apply.", BAD),
            row(OUT, "A man is not asked.", sex("male"), BAD),
            row(YES, "A woman is excluded.", sex("female"), BAD),
        ),
        asks(
            "Any of: in women, eGFR at least 30; LVEF at least 50 %",
            Any((When(Sex("female"), EGFR), LVEF)),
            row(unknown("no-data"), "Inside “any”, a guard that is unknown leaves its body open: it may drop out.", GOOD, WEAK),
            row(YES, "The other part decides alone.", GOOD, STRONG),
            row(NO, "The part drops out for men; the other decides.", sex("male"), GOOD, WEAK),
        ),
        excludes(
            "all of: in women, LVEF below 50 %; eGFR below 30",
            All((When(Sex("female"), ObservationIs(("lvef",), below(50.0))), ObservationIs(("egfr",), below(30.0)))),
            row(unknown("no-data"), "A normal LVEF frees only a woman; with the sex unknown it decides nothing.", STRONG, BAD),
            row(YES, "For a man the part drops out.", sex("male"), STRONG, BAD),
            row(NO, "For a woman it decides.", sex("female"), STRONG, BAD),
        ),
        asks(
            "In heart failure, if its severity has been judged: eGFR at least 30",
            When(ConditionIs(("heart_failure",), mild=True), EGFR),
            row(unknown("needs-judgement"), "The reason is that of the guard.", diagnosis("heart_failure", onset="2020"), BAD),
            row(YES, "A body that holds stands whatever the guard says.", diagnosis("heart_failure", onset="2020"), GOOD),
            row(OUT, "No heart failure on record: not asked.", BAD),
        ),
    ),
)
