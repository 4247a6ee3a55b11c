"""Semantics 8: reported and computed eGFR, formulas a criterion demands, children."""

from __future__ import annotations

from cds_service.model.predicates import ObservationIs

from .language import NO, YES, Section, asks, at_least, born, cut, excludes, lab, row, unknown, unread

ADULT, CHILD = born("1980-05-01"), born("2014-05-01")
SOME = ObservationIs(("egfr",), at_least(45.0))
CKD_EPI = ObservationIs(("egfr",), at_least(45.0), formula="ckd-epi")
SCHWARTZ = ObservationIs(("egfr",), at_least(45.0), formula="schwartz")
CLEARANCE = ObservationIs(("creatinine_clearance",), at_least(45.0), formula="cockcroft-gault")


def computed(value: float, day: str = "2026-10-18", alternate: float | None = None, formula: str = "ckd-epi-2021"):
    return lab("egfr", value, day, computed=True, formula=formula, alternate=alternate)


SECTION = Section(
    "eGFR",
    "A reported eGFR and one computed from creatinine compete by date; of one day the reported one counts. Where a trial demands CKD-EPI, the 2021 "
    "and 2009 equations are both good.",
    (
        asks(
            "eGFR at least 45, no formula demanded",
            SOME,
            row(YES, "Reported.", ADULT, lab("egfr", 52), basis="recorded"),
            row(YES, "Computed from creatinine, and said to be.", ADULT, computed(52), basis="computed"),
            row(YES, "Of one day the reported value counts.", ADULT, lab("egfr", 52), computed(40), basis="recorded"),
            row(NO, "For and against.", ADULT, lab("egfr", 40), computed(52), basis="recorded"),
            row(
                NO,
                "A newer computed value counts before an older reported one.",
                ADULT,
                lab("egfr", 52, "2026-10-17"),
                computed(40),
                basis="computed",
            ),
            row(
                YES,
                "A newer reported value counts before an older computed one.",
                ADULT,
                lab("egfr", 52),
                computed(40, "2026-10-17"),
                basis="recorded",
            ),
            row(YES, "A reported value in an unusable unit gives way to the computed one.", ADULT, lab("egfr", 52, problem="unit"), computed(52)),
            row(YES, "MDRD is good enough where no formula is demanded.", ADULT, lab("egfr", 52, formula="mdrd")),
            row(YES, "The 2009 equation does not matter where no formula is demanded.", ADULT, computed(46, alternate=44.0), basis="computed"),
            row(unknown("no-data"), "Neither eGFR nor creatinine.", ADULT),
            row(unknown("unavailable"), "The results could not be fetched.", ADULT, unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", ADULT, cut("results-kidney")),
        ),
        asks(
            "eGFR at least 45 by CKD-EPI",
            CKD_EPI,
            row(YES, "CKD-EPI 2021.", ADULT, lab("egfr", 45, formula="ckd-epi-2021")),
            row(YES, "CKD-EPI 2009.", ADULT, lab("egfr", 45, formula="ckd-epi-2009")),
            row(YES, "A value that names no formula is accepted.", ADULT, lab("egfr", 45)),
            row(unknown("method"), "MDRD is another formula.", ADULT, lab("egfr", 60, formula="mdrd")),
            row(unknown("method"), "Even one far below the limit decides nothing.", ADULT, lab("egfr", 10, formula="mdrd")),
            row(
                YES,
                "Beside MDRD, the creatinine is computed anew and decides.",
                ADULT,
                lab("egfr", 40, formula="mdrd"),
                computed(52),
                basis="computed",
            ),
            row(YES, "Both equations above the limit.", ADULT, computed(52, alternate=55.0), basis="computed"),
            row(NO, "Both equations below the limit.", ADULT, computed(40, alternate=42.0), basis="computed"),
            row(unknown("conflicting"), "The equations fall on different sides.", ADULT, computed(46, alternate=44.0)),
            row(unknown("conflicting"), "In either order.", ADULT, computed(44, alternate=46.0)),
            row(YES, "Both exactly on the limit.", ADULT, computed(45, alternate=45.0)),
            row(unknown("no-data"), "Nothing on record.", ADULT),
            row(unknown("unavailable"), "The results could not be fetched.", ADULT, unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", ADULT, cut("results-kidney")),
        ),
        asks(
            "eGFR at least 45 by CKD-EPI, in a child",
            CKD_EPI,
            row(YES, "Under 18, CKD-EPI is read as bedside Schwartz.", CHILD, lab("egfr", 60, formula="schwartz")),
            row(unknown("method"), "A reported CKD-EPI value does not decide under 18.", CHILD, lab("egfr", 60, formula="ckd-epi-2021")),
            row(unknown("method"), "Nor does MDRD.", CHILD, lab("egfr", 60, formula="mdrd")),
            row(YES, "A value that names no formula is accepted.", CHILD, lab("egfr", 60)),
            row(YES, "Computed by Schwartz.", CHILD, computed(60, formula="schwartz"), basis="computed"),
            row(unknown("method"), "The day before the 18th birthday is under 18.", born("2008-10-19"), lab("egfr", 60, formula="ckd-epi-2021")),
            row(YES, "On the 18th birthday the adult formula holds.", born("2008-10-18"), lab("egfr", 60, formula="ckd-epi-2021")),
            row(unknown("method"), "Where only the birth year is known, perhaps a child.", born("2008"), lab("egfr", 60, formula="ckd-epi-2021")),
            row(unknown("method"), "Where no birth date is known, too.", lab("egfr", 60, formula="ckd-epi-2021")),
        ),
        asks(
            "eGFR at least 45, no formula demanded, in a child",
            SOME,
            row(unknown("method"), "A CKD-EPI value does not decide under 18.", CHILD, lab("egfr", 60, formula="ckd-epi-2021")),
            row(YES, "A Schwartz value does.", CHILD, lab("egfr", 60, formula="schwartz")),
        ),
        asks(
            "eGFR at least 45 by bedside Schwartz",
            SCHWARTZ,
            row(YES, "A child.", CHILD, lab("egfr", 60, formula="schwartz")),
            row(unknown("method"), "CKD-EPI in a child.", CHILD, lab("egfr", 60, formula="ckd-epi-2021")),
            row(YES, "At 18, CKD-EPI is accepted, too.", born("2008-01-01"), lab("egfr", 60, formula="ckd-epi-2021")),
            row(unknown("method"), "At 18, MDRD is not.", born("2008-01-01"), lab("egfr", 60, formula="mdrd")),
        ),
        asks(
            "Creatinine clearance at least 45 mL/min",
            CLEARANCE,
            row(YES, "Measured.", ADULT, lab("creatinine_clearance", 50, formula="measured"), basis="recorded"),
            row(
                YES,
                "Else by Cockcroft-Gault, and said to be computed.",
                ADULT,
                lab("creatinine_clearance", 50, formula="cockcroft-gault", computed=True),
                basis="computed",
            ),
            row(unknown("no-data"), "An eGFR is another measure.", ADULT, lab("egfr", 90)),
        ),
        excludes(
            "eGFR below 45 by CKD-EPI",
            ObservationIs(("egfr",), (SOME.limits[0]._replace(op="lt"),), formula="ckd-epi"),
            row(YES, "Below: excluded.", ADULT, lab("egfr", 44, formula="ckd-epi-2021")),
            row(NO, "Exactly on it: not excluded.", ADULT, lab("egfr", 45, formula="ckd-epi-2021")),
            row(unknown("method"), "MDRD excludes nobody.", ADULT, lab("egfr", 20, formula="mdrd")),
            row(unknown("conflicting"), "Nor do equations that disagree.", ADULT, computed(46, alternate=44.0)),
        ),
    ),
)
