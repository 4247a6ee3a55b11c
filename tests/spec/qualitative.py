"""Semantics 7: positive, negative, detected; titres; classes."""

from __future__ import annotations

from cds_service.model.predicates import ObservationIs

from .language import NO, YES, Section, asks, at_least, below, cut, excludes, lab, row, unknown, unread

SECTION = Section(
    "Results in words, titres, classes",
    "However a laboratory writes it: positive, negative, a titre, a class. Titres compare by dilution.",
    (
        asks(
            "HBsAg negative",
            ObservationIs(("hbsag",), result="negative"),
            row(YES, "Negative.", lab("hbsag", "negative")),
            row(NO, "Positive.", lab("hbsag", "positive")),
            row(unknown("needs-judgement"), "Borderline is neither.", lab("hbsag", "indeterminate")),
            row(unknown("unreadable"), "A result nobody can read.", lab("hbsag", "", problem="unreadable")),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "The results could not be fetched.", unread("results-infection")),
            row(unknown("truncated"), "The results were not read to their end.", cut("results-infection")),
        ),
        excludes(
            "HBsAg positive",
            ObservationIs(("hbsag",), result="positive"),
            row(YES, "Positive excludes.", lab("hbsag", "positive")),
            row(NO, "Negative does not.", lab("hbsag", "negative")),
            row(unknown("needs-judgement"), "Borderline leaves it open.", lab("hbsag", "indeterminate")),
            row(unknown("unreadable"), "A number alone does not say positive.", lab("hbsag", 0.4)),
        ),
        excludes(
            "HBV DNA detectable",
            ObservationIs(("hbv_dna",), result="detected"),
            row(YES, "A number above zero is virus.", lab("hbv_dna", 15)),
            row(YES, "“Detected” in words.", lab("hbv_dna", "positive")),
            row(NO, "“Not detected” in words.", lab("hbv_dna", "negative")),
            row(unknown("comparator"), "“Below 20” may be none.", lab("hbv_dna", "<20")),
            row(unknown("no-data"), "Not measured."),
        ),
        asks(
            "HBV DNA not detectable",
            ObservationIs(("hbv_dna",), result="not-detected"),
            row(YES, "Not detected.", lab("hbv_dna", "negative")),
            row(NO, "Detected.", lab("hbv_dna", 15)),
            row(unknown("comparator"), "“Below 20” may be some.", lab("hbv_dna", "<20")),
        ),
        asks(
            "ANA at least 1:80",
            ObservationIs(("ana_titre",), at_least(80.0), titre=True),
            row(YES, "Exactly 1:80.", lab("ana_titre", "1:80")),
            row(YES, "1:160 is the higher titre.", lab("ana_titre", "1:160")),
            row(NO, "1:40 is the lower titre.", lab("ana_titre", "1:40")),
            row(NO, "“Below 1:80”.", lab("ana_titre", "<1:80")),
            row(YES, "“Above 1:80”.", lab("ana_titre", ">1:80")),
            row(unknown("comparator"), "“Below 1:160” may be 1:80.", lab("ana_titre", "<1:160")),
            row(NO, "“Negative” is under any titre.", lab("ana_titre", "negative")),
            row(unknown("method"), "“Positive” names no titre.", lab("ana_titre", "positive")),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "The results could not be fetched.", unread("results-other")),
            row(unknown("truncated"), "The results were not read to their end.", cut("results-other")),
        ),
        excludes(
            "ANA below 1:80",
            ObservationIs(("ana_titre",), below(80.0), titre=True),
            row(YES, "“Negative” is under any titre.", lab("ana_titre", "negative")),
            row(NO, "1:80 is not below 1:80.", lab("ana_titre", "1:80")),
        ),
        asks(
            "Anti-PLA2R above 50 RU/mL",
            ObservationIs(("anti_pla2r",), (below(50.0)[0]._replace(op="gt"),)),
            row(YES, "A number above.", lab("anti_pla2r", 51)),
            row(NO, "Exactly 50.", lab("anti_pla2r", 50)),
            row(NO, "“Negative” is not above 50.", lab("anti_pla2r", "negative")),
            row(unknown("method"), "“Positive” is no number.", lab("anti_pla2r", "positive")),
        ),
        asks(
            "Anti-PLA2R below 20 RU/mL",
            ObservationIs(("anti_pla2r",), below(20.0)),
            row(YES, "A number below.", lab("anti_pla2r", 19)),
            row(unknown("method"), "“Negative” does not say below what.", lab("anti_pla2r", "negative")),
        ),
        asks(
            "ISN/RPS class III or IV",
            ObservationIs(("isn_rps_class",), codes=("III", "IV", "IV-S (A/C)")),
            row(YES, "Class IV.", lab("isn_rps_class", "IV")),
            row(YES, "A class with its activity.", lab("isn_rps_class", "IV-S (A/C)")),
            row(NO, "Class V is another class.", lab("isn_rps_class", "V")),
            row(unknown("unreadable"), "A score without a class.", lab("isn_rps_class", 4)),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "The results could not be fetched.", unread("results-other")),
            row(unknown("truncated"), "The results were not read to their end.", cut("results-other")),
        ),
    ),
)
