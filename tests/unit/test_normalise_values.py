"""Results as text, and classes: what is read, and what is left alone."""

from __future__ import annotations

import math

import pytest

from cds_service.normalise.ranges import read_range
from cds_service.normalise.values import read_class, read_grade, read_text

INF = math.inf


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("15.0 gm/L", (15, 15, False, False), "gm/L"),
        ("4.0", (4, 4, False, False), ""),
        ("<20", (0, 20, False, True), ""),
        ("< 20 IU/mL", (0, 20, False, True), "IU/mL"),
        (">60 mL/min/1.73m2", (60, INF, True, True), "mL/min/1.73m2"),
        ("≥ 3,5 g/d", (3.5, INF, False, True), "g/d"),
        ("≤40", (0, 40, False, False), ""),
        ("12 U/L H", (12, 12, False, False), "U/L"),
        ("1.2 mmol/L", (1.2, 1.2, False, False), "mmol/L"),
        ("1,234,567 copies/mL", (1234567, 1234567, False, False), "copies/mL"),
        ("1.2 x 10^5 IU/mL", (120000, 120000, False, False), "IU/mL"),
        ("2.3E5 IU/mL", (230000, 230000, False, False), "IU/mL"),
        ("5.2 x10^9/L", (5.2, 5.2, False, False), "10^9/L"),
        ("10 - 20 U/L", (10, 20, False, False), "U/L"),
    ],
)
def test_numbers_in_text(text, number, unit):
    written = read_text(text)
    assert written.number == pytest.approx(number)
    assert (written.unit, written.titre) == (unit, False)


@pytest.mark.parametrize("text", ["Blank", "see comment", "", "1,234", "n/a", "sample haemolysed", "1.2.3"])
def test_no_number_where_none_can_be_read(text):
    """1,234 is one and a bit in one country and a thousand in another."""
    assert read_text(text).number is None and read_text(text).result is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1:160", (160, 160, False, False)),
        ("1/80", (80, 80, False, False)),
        ("1 : 80 (homogeneous)", (80, 80, False, False)),
        (">=1:80", (80, INF, False, True)),
        (">= 1:80", (80, INF, False, True)),
        ("<1:40", (0, 40, False, True)),
        ("Positive 1:320", (320, 320, False, False)),
    ],
)
def test_titres(text, number):
    written = read_text(text)
    assert written.titre and written.number == number


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Positive", "positive"),
        ("POS", "positive"),
        ("reactive", "positive"),
        ("Weakly positive", "positive"),
        ("阳性", "positive"),
        ("弱阳性", "positive"),
        ("++", "positive"),
        ("Detected <20 IU/mL", "positive"),
        ("Negative", "negative"),
        ("NEGATIVE (<0.9)", "negative"),
        ("Non-reactive", "negative"),
        ("nonreactive", "negative"),
        ("Not detected", "negative"),
        ("Target not detected", "negative"),
        ("<20, not detected", "negative"),
        ("阴性", "negative"),
        ("未检出", "negative"),
        ("Trace", "indeterminate"),
        ("Equivocal", "indeterminate"),
        ("±", "indeterminate"),
        ("Negative, previously positive", None),
        ("Positive? repeat", None),
        ("not positive", None),
        ("positive control failed", None),
        ("Patient was HBsAg positive in 2010 according to a letter from the referring hospital; not repeated here", None),
    ],
)
def test_verdicts_in_text(text, result):
    assert read_text(text).result == result


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("<40", (40, "")),
        ("<=200", (200, "")),
        ("0 - 40 U/L", (40, "U/L")),
        ("Normal Range: 0-99 pg/mL", (99, "pg/mL")),
        ("[4.8-10.8 K/mm3]", (10.8, "K/mm3")),
        (">60", None),
        ("see report", None),
        ("negative", None),
    ],
)
def test_text_only_ranges(text, limit):
    assert read_range(text) == limit


def test_a_range_below_a_dilution_calls_that_dilution_abnormal():
    limit = read_range("<1:80")
    assert limit is not None and 79 < limit[0] < 80 and limit[1] == "{titer}"


@pytest.mark.parametrize(
    ("concept", "text", "found"),
    [
        ("isn_rps_class", "III", "III"),
        ("isn_rps_class", "Class IV-S (A/C)", "IV-S (A/C)"),
        ("isn_rps_class", "ISN/RPS class IV-S(A/C)", "IV-S (A/C)"),
        ("isn_rps_class", "IV-G (C)", "IV-G (C)"),
        ("isn_rps_class", "III + V", "III+V"),
        ("isn_rps_class", "V+III (A)", "III (A)+V"),
        ("isn_rps_class", "class 3", "III"),
        ("isn_rps_class", "IV型", "IV"),
        ("isn_rps_class", "Lupus nephritis, class V", "V"),
        ("isn_rps_class", "Lupus nephritis", None),
        ("isn_rps_class", "III or IV", None),
        ("isn_rps_class", "crescents in 3 of 12", None),
        ("nyha_class", "NYHA Class II", "II"),
        ("nyha_class", "2", "II"),
        ("nyha_class", "class iii", "III"),
        ("nyha_class", "II-III", None),
        ("who_fc", "WHO FC 3", "III"),
        ("who_fc", "functional class not assessed", None),
    ],
)
def test_classes(concept, text, found):
    assert read_class(concept, text) == found


@pytest.mark.parametrize(
    ("text", "grade"), [("ECOG 1", 1), ("1 - restricted", 1), ("4/12", 4), ("0-1", None), ("SLEDAI-2K: 8", 8), ("1.5", None), ("good", None)]
)
def test_grades(text, grade):
    assert read_grade(text) == grade
