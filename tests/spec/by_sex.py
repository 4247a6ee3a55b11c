"""Semantics 13: criteria that concern one sex; the pregnancy ruling."""

from __future__ import annotations

from cds_service.model.predicates import Age, All, Any, ConditionIs, Manual, ObservationIs, Sex, Unless, When

from .language import ASK, NO, OUT, YES, Section, asks, born, cut, diagnosis, done, excludes, lab, months, row, sex, unknown, unread

CHILDBEARING = All((Sex("female"), Age(12, 55)))
PREGNANT = ConditionIs(
    ("pregnancy",), status="now", within=months(10), recorded=True, closed_by=("delivery", "delivered"), closed_by_result=("hcg",)
)  # fmt: skip
HCG = ObservationIs(("hcg",), result="positive", absent="manual", ask="Arrange an hCG.")
WOMAN, MAN = (sex("female"), born("1990-04-02")), (sex("male"), born("1990-04-02"))

SECTION = Section(
    "Women and men",
    "A criterion of one sex does not apply to the other. Pregnancy is asked of females from 12 to 55 years.",
    (
        asks(
            "Female",
            Sex("female"),
            row(YES, "As recorded for administration.", sex("female")),
            row(NO, "As recorded for administration.", sex("male")),
            row(unknown("no-data"), "Not recorded."),
        ),
        excludes(
            "pregnancy by hCG, in females from 12 to 55",
            When(CHILDBEARING, HCG),
            row(OUT, "A man is not asked.", *MAN),
            row(YES, "Positive.", *WOMAN, lab("hcg", "positive")),
            row(NO, "Negative.", *WOMAN, lab("hcg", "negative")),
            row(ASK, "No hCG: arrange one.", *WOMAN),
            row(ASK, "One that is too old: arrange one.", *WOMAN, lab("hcg", "negative", "2026-05-04")),
            row(unknown("unavailable"), "The results could not be fetched.", *WOMAN, unread("results-infection")),
            row(unknown("truncated"), "The results were not read to their end.", *WOMAN, cut("results-infection")),
            row(ASK, "From the 12th birthday.", sex("female"), born("2014-11-01")),
            row(OUT, "Not the day before.", sex("female"), born("2014-11-02")),
            row(ASK, "To the day before the 56th birthday.", sex("female"), born("1970-11-02")),
            row(OUT, "Not on the 56th birthday.", sex("female"), born("1970-11-01")),
            row(unknown("no-data"), "A patient of unknown sex.", born("1990-04-02")),
            row(NO, "Of unknown sex, and negative: not excluded either way.", born("1990-04-02"), lab("hcg", "negative")),
        ),
        excludes(
            "pregnancy by a code of the last 10 months",
            PREGNANT,
            row(YES, "On the problem list since June.", diagnosis("pregnancy", onset="2026-06-01")),
            row(YES, "Begun on the first day of the ten months.", diagnosis("pregnancy", onset="2026-01-01")),
            row(NO, "An older code alone is ignored.", diagnosis("pregnancy", onset="2025-12-31")),
            row(NO, "A pregnancy that is over.", diagnosis("pregnancy", "resolved", onset="2026-06-01")),
            row(unknown("needs-judgement"), "A single encounter code.", diagnosis("pregnancy", onset="2026-06-01", listed="encounter")),
            row(NO, "Ended by a delivery.", diagnosis("pregnancy", onset="2026-01-10"), done("delivery", "2026-09-30")),
            row(NO, "Ended by a delivery of the same day.", diagnosis("pregnancy", onset="2026-06-01"), done("delivery", "2026-06-01")),
            row(NO, "Ended by a code that says so.", diagnosis("pregnancy", onset="2026-01-10"), diagnosis("delivered", onset="2026-09-30")),
            row(YES, "A delivery before it does not end it.", diagnosis("pregnancy", onset="2026-06-01"), done("delivery", "2026-01-30")),
            row(NO, "Ended by a newer negative hCG.", diagnosis("pregnancy", onset="2026-06-01"), lab("hcg", "negative", "2026-06-02")),
            row(
                YES, "A negative hCG of the same day is not newer.", diagnosis("pregnancy", onset="2026-06-01"), lab("hcg", "negative", "2026-06-01")
            ),
            row(YES, "Written down inside the ten months, begun before it was.", diagnosis("pregnancy", written="2026-09-01")),
            row(NO, "Written down before the ten months.", diagnosis("pregnancy", written="2025-12-31")),
            row(NO, "Nothing on record.", basis="no-record"),
            row(unknown("unavailable"), "The problem list could not be fetched.", unread("conditions")),
            row(unknown("truncated"), "The problem list was not read to its end.", cut("conditions")),
        ),
        asks(
            "Contraception can be agreed, in women with a negative hCG",
            When(Sex("female"), Unless(ObservationIs(("hcg",), result="negative"), Manual("Is she beyond childbearing?"), "met")),
            row(YES, "Negative.", sex("female"), lab("hcg", "negative")),
            row(ASK, "Positive: the excuse has to be asked.", sex("female"), lab("hcg", "positive")),
            row(unknown("no-data"), "Not measured.", sex("female")),
            row(OUT, "A man.", sex("male")),
        ),
        excludes(
            "pregnancy by either sign",
            Any((HCG, PREGNANT)),
            row(YES, "A positive hCG is enough.", lab("hcg", "positive")),
            row(YES, "So is a code.", diagnosis("pregnancy", onset="2026-06-01")),
            row(ASK, "Neither: arrange an hCG."),
        ),
    ),
)
