"""Semantics 15: a reading that does not decide, and a code that leaves a judgement."""

from __future__ import annotations

from cds_service.model.predicates import All, Any, ConditionIs, Doubt, Limit, Not, ObservationIs

from .language import NO, YES, Section, asks, at_least, cut, diagnosis, excludes, lab, row, unknown, unread

GAP = Doubt(ObservationIs(("egfr",), (Limit("ge", 60.0), Limit("lt", 90.0))), "ambiguous-record")
NORMAL = ObservationIs(("egfr",), at_least(90.0))

SECTION = Section(
    "Unclear trial records",
    "Where the trial's own record has a gap and its readings differ for this patient, the answer is open. Where they agree, it is not.",
    (
        asks(
            "“Normal eGFR”: 90 and over is; 60 to 89 is the gap",
            Any((NORMAL, GAP)),
            row(YES, "Normal by every reading.", lab("egfr", 90)),
            row(unknown("ambiguous-record"), "In the gap the readings differ.", lab("egfr", 89)),
            row(unknown("ambiguous-record"), "The gap begins at 60.", lab("egfr", 60)),
            row(NO, "Below it no reading calls it normal.", lab("egfr", 59)),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "The results could not be fetched.", unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", cut("results-kidney")),
        ),
        excludes(
            "HBsAg positive as a cause (a person has to judge)",
            Doubt(ObservationIs(("hbsag",), result="positive"), "needs-judgement"),
            row(unknown("needs-judgement"), "What would hold is only a question.", lab("hbsag", "positive")),
            row(NO, "What does not hold is no question.", lab("hbsag", "negative")),
            row(unknown("no-data"), "What is missing is missing."),
            row(unknown("stale"), "A result that is too old is too old.", lab("hbsag", "positive", "2025-10-31")),
        ),
        asks(
            "Not: in doubt",
            Not(GAP),
            row(unknown("ambiguous-record"), "A doubt turned round is a doubt.", lab("egfr", 75)),
            row(YES, "Outside the gap there is none.", lab("egfr", 95)),
        ),
        excludes(
            "heart failure and a low LVEF, in doubt",
            Doubt(All((ConditionIs(("heart_failure",)), ObservationIs(("lvef",), (Limit("lt", 50.0),)))), "needs-judgement"),
            row(unknown("needs-judgement"), "Both hold.", diagnosis("heart_failure"), lab("lvef", 40)),
            row(NO, "One fails.", diagnosis("heart_failure"), lab("lvef", 60)),
            row(unknown("no-data"), "One is missing.", diagnosis("heart_failure")),
        ),
    ),
)
