"""Semantics 11: what a trial excepts: diagnoses that do not count, excuses that suffice, excuses that leave the question open."""

from __future__ import annotations

from cds_service.model.predicates import ConditionIs, Manual, ObservationIs, Unless

from .language import NO, YES, Section, asks, at_least, at_most, cut, diagnosis, excludes, lab, row, unknown, unread, years

ALT_OR_GILBERT = Unless(ObservationIs(("alt",), at_most(2.0), times=True), ConditionIs(("gilbert",)), "met")
EGFR_OR_LUPUS = Unless(ObservationIs(("egfr",), at_least(30.0)), ConditionIs(("lupus_nephritis",)), "unknown")
LOW, GOOD = lab("egfr", 20), lab("egfr", 52)
HIGH, NORMAL = lab("alt", 90, upper=40.0), lab("alt", 30, upper=40.0)

SECTION = Section(
    "Exceptions",
    "“Except …” is part of the question. An exception either suffices, or it leaves the question to a person.",
    (
        excludes(
            "cancer, except non-melanoma skin cancer",
            ConditionIs(("cancer",), but_not=("skin_cancer",), maybe=("cancer_history",)),
            row(YES, "Cancer.", diagnosis("cancer")),
            row(NO, "Skin cancer is coded as cancer, too, and is excepted.", diagnosis(("cancer", "skin_cancer")), basis="no-record"),
            row(YES, "Skin cancer does not excuse another one.", diagnosis(("cancer", "skin_cancer")), diagnosis("cancer")),
            row(unknown("needs-judgement"), "A history code does not say what is still there.", diagnosis("cancer_history")),
            row(unknown("needs-judgement"), "Resolved, and the record names no period.", diagnosis("cancer", "resolved", onset="2010")),
            row(NO, "Nothing on record.", basis="no-record"),
            row(unknown("unavailable"), "The problem list could not be fetched.", unread("conditions")),
            row(unknown("truncated"), "The problem list was not read to its end.", cut("conditions")),
        ),
        excludes(
            "cancer within 5 years, except non-melanoma skin cancer",
            ConditionIs(("cancer",), within=years(5), lasting="asks", but_not=("skin_cancer",), maybe=("cancer_history",)),
            row(YES, "Begun on the first day of the five years.", diagnosis("cancer", "resolved", onset="2021-11-01")),
            row(NO, "Begun the day before, and over.", diagnosis("cancer", "resolved", onset="2021-10-31", ended="2021-10-31")),
            row(unknown("needs-judgement"), "Begun before, and still active.", diagnosis("cancer", onset="2018-03-02")),
            row(
                unknown("needs-judgement"), "Begun before, and ended inside.", diagnosis("cancer", "resolved", onset="2018-03-02", ended="2023-01-01")
            ),
            row(unknown("imprecise-date"), "Begun some day in 2021, and over.", diagnosis("cancer", "resolved", onset="2021")),
            row(NO, "A history code written down before the five years.", diagnosis("cancer_history", written="2021-10-31")),
            row(unknown("needs-judgement"), "A history code written down inside.", diagnosis("cancer_history", written="2024-01-01")),
            row(unknown("needs-judgement"), "Written down on the first day of the five years.", diagnosis("cancer_history", written="2021-11-01")),
            row(
                unknown("needs-judgement"),
                "Begun before, and ended on the first day.",
                diagnosis("cancer", "resolved", onset="2018", ended="2021-11-01"),
            ),
        ),
        asks(
            "ALT at most 2 × the upper limit, or Gilbert syndrome",
            ALT_OR_GILBERT,
            row(YES, "The value is good.", NORMAL),
            row(YES, "The value is bad, the exception holds.", HIGH, diagnosis("gilbert")),
            row(NO, "The value is bad, and no exception is on record.", HIGH),
            row(YES, "No value, but the exception suffices.", diagnosis("gilbert")),
            row(unknown("no-data"), "No value, no exception."),
            row(unknown("needs-judgement"), "The value is bad, the exception is provisional.", HIGH, diagnosis("gilbert", sure=False)),
            row(unknown("unavailable"), "The exception may stand on a list that failed.", HIGH, unread("conditions")),
            row(unknown("truncated"), "Or on the part that was not read.", HIGH, cut("conditions")),
        ),
        asks(
            "A person finds the liver healthy, or Gilbert syndrome",
            Unless(Manual("Is the liver healthy?"), ConditionIs(("gilbert",), absent="unknown"), "met"),
            row(YES, "The exception suffices, nobody has to be asked.", diagnosis("gilbert")),
            row(unknown("no-data"), "The exception is looked for before a person is asked."),
            row(unknown("unavailable"), "The problem list could not be fetched.", unread("conditions")),
        ),
        asks(
            "eGFR at least 30, except when due to lupus",
            EGFR_OR_LUPUS,
            row(YES, "The value is good.", GOOD),
            row(YES, "A good value needs no exception.", GOOD, diagnosis("lupus_nephritis")),
            row(unknown("needs-judgement"), "The value is bad, and lupus may be why.", LOW, diagnosis("lupus_nephritis")),
            row(NO, "The value is bad, and there is no lupus nephritis.", LOW),
            row(unknown("no-data"), "No value: the exception does not make up for it.", diagnosis("lupus_nephritis")),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "The exception may stand on a list that failed.", LOW, unread("conditions")),
            row(unknown("truncated"), "Or on the part that was not read.", LOW, cut("conditions")),
            row(unknown("unavailable"), "The value could not be fetched.", unread("results-kidney")),
        ),
    ),
)
