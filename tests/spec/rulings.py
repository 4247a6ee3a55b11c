"""The rulings: ages, undated events, persistence, lasting positives, hepatitis B, remission."""

from __future__ import annotations

from cds_service.model.predicates import Age, All, Any, ConditionIs, Doubt, Limit, Not, ObservationIs, Persistent, Trend

from .language import NO, YES, Section, above, asks, at_least, below, born, cut, days, diagnosis, excludes, lab, months, row, unknown, unread, years

HYPERTENSION = ObservationIs(("bp_systolic",), above(160.0), persistent=Persistent(2, within=days(90)))
NEPHROTIC = ObservationIs(("urine_protein_24h",), at_least(3.5), persistent=Persistent(2, over=months(6)))
HIGH_TITRE = ObservationIs(("anti_pla2r",), above(20.0), persistent=Persistent(2, apart=months(3)))
DNA = ObservationIs(("hbv_dna",), result="detected")
HEPATITIS_B = All((Any((ObservationIs(("hbsag",), result="positive"), ObservationIs(("anti_hbc",), result="positive"))), DNA))
PROTEIN = "urine_protein_24h"
PARTIAL = All((ObservationIs((PROTEIN,), below(3.5)), Trend(PROTEIN, "fall", Limit("ge", 50.0), "peak")))
NOT_IN_REMISSION = Not(Any((ObservationIs((PROTEIN,), below(0.3)), PARTIAL)))


def bp(value: float, day: str):
    return lab("bp_systolic", value, day)


def protein(value: float, day: str):
    return lab(PROTEIN, value, day)


def pla2r(value: float, day: str):
    return lab("anti_pla2r", value, day)


AGES = asks(
    "Age from 18 to 70",
    Age(18, 70),
    row(YES, "On the 18th birthday.", born("2008-11-01")),
    row(NO, "The day before it.", born("2008-11-02")),
    row(YES, "70 years and 364 days are 70.", born("1955-11-02")),
    row(NO, "On the 71st birthday.", born("1955-11-01")),
    row(YES, "A year of birth that is enough.", born("1980")),
    row(unknown("imprecise-date"), "A year of birth that may be either side of 18.", born("2008")),
    row(unknown("imprecise-date"), "A month of birth that may be either side of 18.", born("2008-11")),
    row(YES, "October 2008 is 18 in any case.", born("2008-10")),
    row(unknown("imprecise-date"), "A year of birth that may be either side of 71.", born("1955")),
    row(unknown("no-data"), "No date of birth."),
)
CHILDREN = asks(
    "Age from 6 to 18",
    Age(6, 18),
    row(YES, "18 years and 364 days are 18.", born("2007-11-02")),
    row(NO, "On the 19th birthday.", born("2007-11-01")),
    row(YES, "On the 6th birthday.", born("2020-11-01")),
    row(NO, "The day before it.", born("2020-11-02")),
)
UNDATED = excludes(
    "serious infection within 3 months",
    ConditionIs(("infection",), within=months(3)),
    row(YES, "Begun on the first day of the period.", diagnosis("infection", "resolved", onset="2026-08-01")),
    row(NO, "Begun the day before it.", diagnosis("infection", "resolved", onset="2026-07-31")),
    row(YES, "Any day of September lies inside.", diagnosis("infection", "resolved", onset="2026-09")),
    row(unknown("imprecise-date"), "The year alone may be before or inside.", diagnosis("infection", "resolved", onset="2026")),
    row(unknown("imprecise-date"), "Written down inside: it may have been long before.", diagnosis("infection", "resolved", written="2026-10-01")),
    row(NO, "Written down before the period: it was before.", diagnosis("infection", "resolved", written="2026-07-31")),
    row(unknown("imprecise-date"), "Written down on the first day of the period.", diagnosis("infection", "resolved", written="2026-08-01")),
    row(unknown("imprecise-date"), "No date at all.", diagnosis("infection", "resolved")),
    row(YES, "Active without a beginning: it is present now.", diagnosis("infection", written="2026-02-01")),
    row(YES, "Active without any date: it is present now.", diagnosis("infection")),
    row(unknown("needs-judgement"), "A single encounter.", diagnosis("infection", onset="2026-10-01", listed="encounter")),
    row(unknown("needs-judgement"), "Provisional.", diagnosis("infection", onset="2026-10-01", sure=False)),
    row(NO, "Provisional and outside.", diagnosis("infection", onset="2026-01-01", sure=False)),
    row(NO, "Nothing on record.", basis="no-record"),
    row(
        unknown("unavailable"), "The problem list could not be fetched.", diagnosis("infection", "resolved", onset="2026-07-31"), unread("conditions")
    ),
    row(unknown("truncated"), "The problem list was not read to its end.", cut("conditions")),
)
RECURRENT = excludes(
    "serious infection within 3 months, present now",
    ConditionIs(("infection",), within=months(3), status="now"),
    row(YES, "Active, begun inside.", diagnosis("infection", onset="2026-10-01")),
    row(NO, "Over, begun inside.", diagnosis("infection", "resolved", onset="2026-10-01")),
)
BLOOD_PRESSURE = excludes(
    "systolic pressure above 160 on two days within 90 days",
    HYPERTENSION,
    row(YES, "Two readings on different days, both above.", bp(165, "2026-10-18"), bp(170, "2026-09-20")),
    row(YES, "90 days apart.", bp(165, "2026-10-18"), bp(170, "2026-07-20")),
    row(unknown("no-data"), "91 days apart is one reading in the period.", bp(165, "2026-10-18"), bp(170, "2026-07-19")),
    row(unknown("no-data"), "One reading is not persistent.", bp(165, "2026-10-18")),
    row(unknown("no-data"), "Two readings of one day are one.", bp(165, "2026-10-18"), bp(170, "2026-10-18")),
    row(NO, "One of them exactly on the limit.", bp(165, "2026-10-18"), bp(160, "2026-09-20")),
    row(NO, "The newest below.", bp(150, "2026-10-18"), bp(170, "2026-09-20"), bp(170, "2026-09-19")),
    row(NO, "One between them below.", bp(165, "2026-10-18"), bp(150, "2026-10-01"), bp(170, "2026-09-20")),
    row(NO, "One of some day in September below.", bp(165, "2026-10-18"), bp(150, "2026-09"), bp(170, "2026-09-20")),
    row(YES, "A reading before the period does not matter.", bp(165, "2026-10-18"), bp(170, "2026-09-20"), bp(120, "2026-07-01")),
    row(unknown("stale"), "Both too old.", bp(165, "2026-05-04"), bp(170, "2026-04-20")),
    row(unknown("no-data"), "Nothing on record."),
    row(unknown("unavailable"), "The results could not be fetched.", bp(165, "2026-10-18"), unread("results-other")),
    row(unknown("truncated"), "The results were not read to their end.", bp(165, "2026-10-18"), cut("results-other")),
)
PROTEINURIA = asks(
    "24-hour protein at least 3.5 g for more than 6 months",
    NEPHROTIC,
    row(YES, "Two values six months and a day apart.", protein(5, "2026-10-18"), protein(4, "2026-04-17")),
    row(unknown("no-data"), "Exactly six months apart are not more.", protein(5, "2026-10-18"), protein(4, "2026-04-18")),
    row(NO, "One between them below.", protein(5, "2026-10-18"), protein(3.4, "2026-07-01"), protein(4, "2026-04-17")),
    row(YES, "All between them at or above.", protein(5, "2026-10-18"), protein(3.5, "2026-07-01"), protein(4, "2026-04-17")),
    row(
        unknown("no-data"), "The value before the six months was below: it may have been shorter.", protein(5, "2026-10-18"), protein(3, "2026-04-01")
    ),
    row(NO, "The newest below.", protein(3, "2026-10-18"), protein(4, "2026-04-17")),
    row(unknown("no-data"), "One value is not persistent.", protein(5, "2026-10-18")),
    row(unknown("imprecise-date"), "Nor is one of some day in October.", protein(5, "2026-10")),
    row(unknown("stale"), "The newest too old.", protein(5, "2026-05-04"), protein(5, "2025-05-04")),
    row(unknown("no-data"), "Nothing on record."),
    row(unknown("unavailable"), "The results could not be fetched.", protein(5, "2026-10-18"), unread("results-kidney")),
    row(unknown("truncated"), "The results were not read to their end.", protein(5, "2026-10-18"), cut("results-kidney")),
)
PLA2R = asks(
    "Persistent anti-PLA2R: above 20 on samples at least 3 months apart, the newest above 50",
    Any((All((HIGH_TITRE, ObservationIs(("anti_pla2r",), above(50.0)))), Doubt(HIGH_TITRE, "ambiguous-record"))),
    row(YES, "Exactly three months apart.", pla2r(51, "2026-10-18"), pla2r(30, "2026-07-18")),
    row(unknown("no-data"), "A day less.", pla2r(51, "2026-10-18"), pla2r(30, "2026-07-19")),
    row(unknown("ambiguous-record"), "Positive and lower.", pla2r(50, "2026-10-18"), pla2r(30, "2026-07-18")),
    row(NO, "Negative.", pla2r(10, "2026-10-18"), pla2r(90, "2026-07-18")),
    row(unknown("no-data"), "One sample.", pla2r(90, "2026-10-18")),
)
LASTING = excludes(
    "anti-HBc positive",
    ObservationIs(("anti_hbc",), result="positive"),
    row(YES, "Once positive, always positive: it does not age.", lab("anti_hbc", "positive", "2009-02-01")),
    row(YES, "Even without an exact date.", lab("anti_hbc", "positive", "2009")),
    row(unknown("stale"), "A negative one ages.", lab("anti_hbc", "negative", "2025-10-31")),
    row(NO, "A newer negative one decides.", lab("anti_hbc", "positive", "2009-02-01"), lab("anti_hbc", "negative")),
    row(unknown("no-data"), "Nothing on record."),
    row(unknown("unavailable"), "The results could not be fetched.", unread("results-infection")),
    row(unknown("truncated"), "The results were not read to their end.", cut("results-infection")),
)
SURFACE = excludes(
    "HBsAg positive",
    ObservationIs(("hbsag",), result="positive"),
    row(YES, "365 days old.", lab("hbsag", "positive", "2025-11-01")),
    row(unknown("stale"), "An old positive HBsAg may have cleared.", lab("hbsag", "positive", "2025-10-31")),
)
VIRUS = excludes(
    "hepatitis B: (HBsAg or anti-HBc positive) and HBV DNA detectable",
    HEPATITIS_B,
    row(YES, "Antibody and virus.", lab("anti_hbc", "positive"), lab("hbsag", "negative"), lab("hbv_dna", 300)),
    row(YES, "Antigen and virus; the antibody was not measured.", lab("hbsag", "positive"), lab("hbv_dna", "positive")),
    row(NO, "Virus not detectable: not excluded.", lab("anti_hbc", "positive"), lab("hbsag", "negative"), lab("hbv_dna", "negative")),
    row(unknown("no-data"), "Virus not measured.", lab("anti_hbc", "positive"), lab("hbsag", "negative")),
    row(NO, "Neither antigen nor antibody.", lab("anti_hbc", "negative"), lab("hbsag", "negative")),
    row(unknown("no-data"), "One negative, the other not measured, nor the virus.", lab("hbsag", "negative")),
)
REMISSION = asks(
    "Not in remission (complete below 0.3 g, partial below 3.5 g and half of the peak)",
    NOT_IN_REMISSION,
    row(NO, "Complete.", protein(8, "2025-01-01"), protein(0.2, "2026-10-18")),
    row(NO, "Partial.", protein(8, "2025-01-01"), protein(3.4, "2026-10-18")),
    row(YES, "Below 3.5 g, but not half of the peak.", protein(6, "2025-01-01"), protein(3.4, "2026-10-18")),
    row(YES, "3.5 g.", protein(8, "2025-01-01"), protein(3.5, "2026-10-18")),
    row(unknown("no-data"), "Below 3.5 g, and no earlier value.", protein(3.4, "2026-10-18")),
    row(unknown("no-data"), "Nothing on record."),
    row(unknown("unavailable"), "The results could not be fetched.", unread("results-kidney")),
    row(unknown("truncated"), "The results were not read to their end.", cut("results-kidney")),
)
B_CELLS = asks(
    "CD19 B cells found; none may come back",
    Any((ObservationIs(("cd19_b_cells",), result="detected"), Doubt(ObservationIs(("cd19_b_cells",), result="not-detected"), "needs-judgement"))),
    row(YES, "Any above zero.", lab("cd19_b_cells", 1)),
    row(unknown("needs-judgement"), "None, as after rituximab: repeat later.", lab("cd19_b_cells", 0)),
    row(unknown("no-data"), "Not measured."),
)
CANCER = excludes(
    "cancer within 5 years",
    ConditionIs(("cancer",), within=years(5)),
    row(NO, "Dated outside the window that the trial states.", diagnosis("cancer", "resolved", onset="2019-05-01")),
    row(YES, "Dated inside.", diagnosis("cancer", "resolved", onset="2024-05-01")),
)

SECTION = Section(
    "Rulings",
    "The trial records leave these open. We read them so, everywhere, until a clinician says otherwise.",
    (
        AGES, CHILDREN, UNDATED, RECURRENT, BLOOD_PRESSURE, PROTEINURIA, PLA2R, LASTING, SURFACE, VIRUS, REMISSION, B_CELLS, CANCER,
    ),
)  # fmt: skip
