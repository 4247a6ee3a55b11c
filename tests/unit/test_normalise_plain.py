"""What is remembered from result to result and from record to record: it saves time and never shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from normalise_words import LOINC, PATIENT, TODAY, UCUM, VOCABULARY, about, amount, code, facts_of, lab, one

from cds_service import mappings
from cds_service.model.facts import Record
from cds_service.normalise import normalise

ROOT = Path(__file__).parents[2]


def hemoglobin(*values):
    rows = [lab("718-7", id=f"{n}", valueQuantity=value if isinstance(value, dict) else amount(value, "g/L")) for n, value in enumerate(values)]
    return sorted(facts_of(*rows).observations["hemoglobin"], key=lambda row: row.reference)


# --- values ------------------------------------------------------------------------------------------------


def test_equal_numbers_keep_the_digits_they_were_written_with():
    for values in ([90, 90.0, 90], [90.0, 90, 90.0]):
        assert [row.value for row in hemoglobin(*values)] == [f"{value} g/L" for value in values]
    found = facts_of(lab("1742-6", id="a", valueQuantity=amount(-0.0, "U/L")), lab("1742-6", id="b", valueQuantity=amount(0.0, "U/L")))
    assert sorted(row.value for row in found.observations["alt"]) == ["-0.0 U/L", "0.0 U/L"]


def test_true_is_no_number_even_after_one():
    found = facts_of(lab("1742-6", id="a", valueQuantity=amount(1, "U/L")), lab("1742-6", id="b", valueQuantity=amount(True, "U/L")))
    assert [row.problem for row in found.observations["alt"]] == [None, "unreadable"]


def test_a_value_in_two_units_is_two_values():
    rows = hemoglobin(amount(9.5, "g/dL"), amount(95.0, "g/L"), amount(9.5, "g/dL"), {"value": 9.5, "unit": "gm/dl"})
    assert [row.value for row in rows] == ["9.5 g/dL (95 g/L)", "95.0 g/L", "9.5 g/dL (95 g/L)", "9.5 g/dL (95 g/L)"]
    assert [row.low for row in rows] == pytest.approx([95] * 4)


def test_a_code_of_another_system_is_no_unit():
    creatinine = {"value": 20, "unit": "mg/dL", "system": "urn:local", "code": "umol/L"}
    assert one(facts_of(lab("2160-0", valueQuantity=creatinine)), "serum_creatinine").low == 20


def test_an_impossible_value_stays_impossible():
    rows = hemoglobin(9000, 90, 9000)
    assert [(row.problem, row.note) for row in rows] == [("unreadable", "implausible"), (None, ""), ("unreadable", "implausible")]


def test_the_same_words_mean_something_else_for_another_test():
    word = {"valueString": "1:80"}
    found = facts_of(lab("5048-4", id="a", **word), lab("22590-4", id="b", **word), lab("718-7", id="c", **word), lab("5048-4", id="d", **word))
    assert [row.low for row in found.observations["ana_titre"]] == [80, 80]
    assert one(found, "syphilis_treponemal").result == "positive"
    assert one(found, "hemoglobin").problem == "unreadable"


def said(words):
    return {"coding": [{"system": "urn:x", "code": "1", "display": words}]}


def test_the_same_words_as_text_and_beside_a_code_are_two_answers():
    found = facts_of(
        lab("88020-3", id="a", valueString="class II"),
        lab("88020-3", id="b", valueCodeableConcept={"text": "class II"}),
        lab("5196-1", id="c", valueCodeableConcept=said("not detected")),
        lab("5196-1", id="d", valueCodeableConcept=said("detected")),
    )
    assert [row.code for row in found.observations["nyha_class"]] == ["II", "II"]
    assert [row.result for row in found.observations["hbsag"]] == ["negative", "positive"]


def test_a_text_and_the_words_of_a_code_are_remembered_apart():
    """A text that says nothing is shown tidied; the words of a code as they stand."""
    word = " see  comment "
    text, coded = lab("5196-1", id="a", valueString=word), lab("5196-1", id="b", valueCodeableConcept={"text": word})
    for record in ([text, coded], [coded, text]):
        assert [row.value for row in facts_of(*record).observations["hbsag"]] == ["see comment", word]


def test_any_virus_is_positive_whatever_the_range_says():
    row = one(facts_of(lab("42595-9", valueQuantity=amount(15, "[IU]/mL"), referenceRange=[{"high": amount(20, "[IU]/mL")}])), "hbv_dna")
    assert (row.low, row.result, row.upper) == (15, "positive", 20)


@pytest.mark.parametrize(("value", "result"), [(19, "negative"), (20, "negative"), (20.0, "negative"), (20.1, "positive")])
def test_the_limit_itself_is_still_normal(value, result):
    row = one(facts_of(lab("73737-9", valueQuantity=amount(value, "{RU}/mL"), referenceRange=[{"high": amount(20, "{RU}/mL")}])), "anti_pla2r")
    assert row.result == result


@pytest.mark.parametrize("fields", [{"valueString": "21 %"}, {"valueQuantity": amount(21, "%"), "referenceRange": [{"high": amount(21, "%")}]}])
def test_oxygen_is_room_air_or_not_however_it_is_written(fields):
    found = facts_of(lab("3150-0", id="a", **fields), lab("3150-0", id="b", **fields))
    assert [row.code for row in found.observations["inspired_oxygen"]] == ["room-air", "room-air"]


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400])
def test_a_limit_without_end_makes_its_result_unreadable(value):
    found = facts_of(lab("1742-6", valueQuantity=amount(24, "U/L"), referenceRange=[{"high": amount(value, "U/L")}]))
    assert one(found, "alt").problem == "unreadable" and len(found.faults) == 1


def test_an_interpretation_beside_remembered_words_is_read():
    words = {"valueString": "see comment"}
    found = facts_of(lab("5196-1", id="a", **words), lab("5196-1", id="b", **words, interpretation=[{"coding": [{"code": "POS"}]}]))
    assert [row.result for row in found.observations["hbsag"]] == [None, "positive"]


def test_another_vocabulary_starts_anew():
    result = lab("718-7", valueQuantity=amount(90, "g/L"))
    assert one(facts_of(result), "hemoglobin").low == 90
    bare = type(VOCABULARY)(VOCABULARY.concepts, {}, {})
    assert normalise(Record("p", [PATIENT, result]), bare, TODAY).observations == {}
    assert one(facts_of(result), "hemoglobin").low == 90


# --- codes that name nothing -------------------------------------------------------------------------------


def unknown(identity, **fields):
    return lab("2951-2", id=identity, **fields)


def test_every_result_of_an_unknown_code_is_counted():
    record = [unknown("a"), unknown("b"), unknown("c", status="preliminary"), lab("9999-9", id="d")]
    assert [(entry.code, entry.count) for entry in facts_of(*record).unmapped] == [("2951-2", 3), ("9999-9", 1)]


def test_what_comes_after_an_unknown_code_is_still_looked_at():
    named = {"coding": [{"system": LOINC, "code": "2951-2"}], "text": "SLEDAI-2K"}
    known_too = {"coding": [{"system": LOINC, "code": "2951-2"}, {"system": LOINC, "code": "718-7"}]}
    elsewhere = {"coding": [{"system": "urn:other", "code": "2951-2"}]}
    found = facts_of(
        unknown("a"),
        unknown("b", code=named, valueInteger=4),
        unknown("c", code=known_too, valueQuantity=amount(90, "g/L")),
        unknown("d", component=[{"code": code(LOINC, "8480-6"), "valueQuantity": amount(120, "mm[Hg]")}]),
        unknown("e", code=elsewhere),
    )
    assert one(found, "sledai_2k").low == 4
    assert one(found, "hemoglobin").low == 90
    assert one(found, "bp_systolic").low == 120
    assert [(entry.code, entry.count) for entry in found.unmapped] == [("2951-2", 1)]


def test_a_name_beside_an_unknown_diagnosis_may_still_name_a_result():
    named = {"coding": [{"system": "http://snomed.info/sct", "code": "1"}], "text": "SLEDAI-2K"}
    found = facts_of(about("Condition", id="a", code=named), unknown("b", code=named, valueInteger=4))
    assert one(found, "sledai_2k").low == 4


def test_an_unknown_code_is_reported_with_the_first_words_that_came_with_it():
    def words(**found):
        return {"coding": [{"system": LOINC, "code": "2951-2", **found}]}

    found = facts_of(unknown("a", code=words(display="Sodium")), unknown("b", code=words(display="Natrium")), unknown("c", code=words()))
    assert [(entry.display, entry.count) for entry in found.unmapped] == [("Sodium", 3)]
    assert facts_of(unknown("a", code=words() | {"text": "sodium"})).unmapped[0].display == "sodium"


# --- upper limits as recorded ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loinc", "quantity", "part", "upper", "text"),
    [
        ("1742-6", amount(24, "U/L"), {"high": amount(50, "U/L")}, 50, "50 U/L"),
        ("1742-6", amount(24, "U/L"), {"high": {"value": 50}}, 50, "50 U/L"),
        ("1742-6", amount(24, "U/L"), {"high": amount(0.7, "ukat/L")}, 42, "0.7 µkat/L"),
        ("1742-6", amount(24, "U/L"), {"low": amount(5, "U/L"), "high": amount(50.5, "U/L"), "text": "5-50.5"}, 50.5, "50.5 U/L"),
        ("1742-6", amount(24, "U/L", comparator="<"), {"high": amount(50, "U/L")}, 50, "50 U/L"),
        ("1742-6", amount(24, "U/L"), {"text": "0 - 40 U/L"}, 40, "40 U/L"),
        ("1742-6", amount(24, "U/L"), {"text": "<40.5"}, 40.5, "40.5 U/L"),
        ("2160-0", amount(145, "umol/L"), {"high": amount(104, "umol/L")}, 104 * 0.0113096, "104 µmol/L"),
        ("73737-9", amount(168, "{RU}/mL"), {"high": amount(20, "{RU}/mL")}, 20, "20 RU/mL"),
        ("718-7", {"value": 9.1, "unit": "gm/dl"}, {"high": {"value": 15.5, "unit": "gm/dl"}}, 155, "15.5 g/dL"),
    ],
)
def test_the_upper_limit_is_kept_as_recorded(loinc, quantity, part, upper, text):
    rows = next(iter(facts_of(lab(loinc, valueQuantity=quantity, referenceRange=[part])).observations.values()))
    assert rows[0].upper == pytest.approx(upper) and rows[0].upper_text == text


@pytest.mark.parametrize(
    ("loinc", "fields"),
    [
        ("1742-6", {"valueQuantity": amount(24, "U/L")}),
        ("1742-6", {"valueQuantity": amount(24, "U/L"), "referenceRange": [{"high": amount(5, "mg/dL")}]}),
        ("1742-6", {"valueQuantity": amount(24, "U/L"), "referenceRange": [{"high": amount(50, "U/L")}, {"high": amount(60, "U/L")}]}),
        ("1742-6", {"valueQuantity": amount(24, "mg/dL"), "referenceRange": [{"high": amount(50, "mg/dL")}]}),
        ("5048-4", {"valueQuantity": amount(80, "{titer}"), "referenceRange": [{"high": amount(40, "{titer}")}]}),
        ("46266-3", {"valueQuantity": amount(12, "[arb'U]/mL"), "referenceRange": [{"high": amount(5, "[arb'U]/mL")}]}),
        ("73737-9", {"valueQuantity": amount(60, "U/mL"), "referenceRange": [{"high": amount(20, "U/mL")}]}),
    ],
)
def test_no_upper_limit_has_no_words(loinc, fields):
    (rows,) = facts_of(lab(loinc, **fields)).observations.values()
    assert (rows[0].upper, rows[0].upper_text) == (None, "")


# --- thousands per mL --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    return mappings.load(ROOT / "mappings")


COUNTS = {"wbc": "6690-2", "neutrophils": "751-8", "lymphocytes": "731-0", "platelets": "777-3"}


@pytest.mark.parametrize("unit", ["10*3/mL", "10^3/mL", "x10E3/mL"])
@pytest.mark.parametrize("concept", COUNTS)
def test_a_blood_count_in_thousands_per_ml_never_converts(shipped, concept, unit):
    """A sandbox sends 6.5 10*3/mL for a healthy count: taken at its word, a patient without white cells."""
    count = lab(COUNTS[concept], valueQuantity={"value": 6.5, "unit": unit, "system": UCUM, "code": unit})
    row = one(normalise(Record("p", [PATIENT, count]), shipped, TODAY), concept)
    assert (row.low, row.high, row.problem, row.value) == (None, None, "unit", "6.5 × 10³/mL")


def test_nor_does_its_upper_limit_nor_one_whose_code_a_site_mapped_without_units():
    wrong = amount(11, "10*3/mL")
    found = facts_of(
        lab("6690-2", id="a", valueQuantity=amount(6.5, "10*9/L"), referenceRange=[{"high": wrong}]), lab("6690-2", id="b", valueQuantity=wrong)
    )
    assert [(row.low, row.problem, row.upper) for row in found.observations["wbc"]] == [(6.5, None, None), (None, "unit", None)]


def test_every_code_of_a_blood_count_says_so(shipped):
    rows = [row for found in shipped.exact.values() for row in found if row.concept in COUNTS]
    assert len(rows) >= 17
    assert all("10*3/mL" in row.factors and row.factors["10*3/mL"] is None for row in rows)


# --- ranges that are not for everybody -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "only",
    [{"appliesTo": [{"text": "female"}]}, {"age": {"low": {"value": 40, "code": "a"}}}],
)
def test_a_range_for_some_is_not_remembered_for_others(only):
    """The same result of two patients: the limit of one must not become that of the other."""
    result = lab("1742-6", valueQuantity=amount(24, "U/L"), referenceRange=[{"high": amount(35, "U/L"), **only}])
    boy = PATIENT | {"gender": "male", "birthDate": "2012-01-01"}
    assert [one(facts_of(result, patient=patient), "alt").upper for patient in (PATIENT, boy, PATIENT)] == [35, None, 35]
