"""Observations: values in every shape, units, ranges, whose, when."""

from __future__ import annotations

import math

import pytest
from normalise_words import LOINC, PATIENT, SCORES, SNOMED, TODAY, UCUM, about, amount, code, day, facts_of, lab, one

V3 = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"


def value_of(loinc, **fields):
    return one(facts_of(lab(loinc, **fields)), next(iter(facts_of(lab(loinc, **fields)).observations)))


# --- numbers and units -------------------------------------------------------------------------------------


def test_a_simple_number_is_shown_with_its_own_digits():
    row = value_of("98979-8", valueQuantity=amount(52, "mL/min/{1.73_m2}"))
    assert (row.low, row.high, row.formula, row.value) == (52, 52, "ckd-epi-2021", "52 mL/min/1.73 m²")
    assert (row.reference, row.date, row.time, row.first, row.last) == ("Observation/1", "2026-10-18", "", day("2026-10-18"), day("2026-10-18"))


@pytest.mark.parametrize(
    ("comparator", "interval", "shown"),
    [
        (">", (60, math.inf, True, True), "> 60 mL/min/1.73 m²"),
        (">=", (60, math.inf, False, True), ">= 60 mL/min/1.73 m²"),
        ("<", (0, 60, False, True), "< 60 mL/min/1.73 m²"),
        ("<=", (0, 60, False, False), "<= 60 mL/min/1.73 m²"),
    ],
)
def test_comparators_are_intervals(comparator, interval, shown):
    row = value_of("98979-8", valueQuantity=amount(60, "mL/min/{1.73_m2}", comparator=comparator))
    assert (row.low, row.high, row.low_open, row.high_open) == interval
    assert row.value == shown


def test_a_converted_value_stands_beside_the_recorded_one():
    row = value_of("2160-0", valueQuantity=amount(145, "umol/L"))
    assert row.low == pytest.approx(145 * 0.0113096)
    assert row.value == "145 µmol/L (1.64 mg/dL)"


@pytest.mark.parametrize(
    ("quantity", "low"),
    [
        ({"value": 9.1, "unit": "gm/dl"}, 91),
        ({"value": 9.1, "unit": "g/dL", "system": "http://snomed.info/sct", "code": "258795003"}, 91),
        ({"value": 91, "unit": "whatever", "system": UCUM, "code": "g/L"}, 91),
    ],
)
def test_the_coded_unit_wins_and_a_printed_one_is_read(quantity, low):
    assert value_of("718-7", valueQuantity=quantity).low == pytest.approx(low)


@pytest.mark.parametrize(
    ("loinc", "quantity"),
    [
        ("69405-9", amount(52, "mL/min")),  # not indexed
        ("718-7", {"value": 9.1}),  # unit missing
        ("4548-4", {"value": 5.1}),  # a percentage may as well be mmol/mol
        ("73737-9", amount(60, "U/mL")),
        ("5048-4", amount(80, "U/mL")),  # units never become titres
        ("6690-2", amount(60, "%")),  # a share is no count
    ],
)
def test_a_unit_that_does_not_convert_is_a_problem_never_a_guess(loinc, quantity):
    row = value_of(loinc, valueQuantity=quantity)
    assert (row.problem, row.low, row.high) == ("unit", None, None)
    assert row.value.startswith(str(quantity["value"]))


@pytest.mark.parametrize(("loinc", "value"), [("6301-6", 1.2), ("5048-4", 80), ("89247-1", 1)])
def test_a_pure_number_needs_no_unit(loinc, value):
    row = value_of(loinc, valueQuantity={"value": value})
    assert (row.problem, row.low) == (None, value)


def test_a_share_of_one_is_a_percentage():
    assert value_of("10230-1", valueQuantity=amount(0.55, "1")).low == pytest.approx(55)


def test_hba1c_in_mmol_per_mol_is_converted_by_its_equation():
    row = value_of("4548-4", valueQuantity=amount(64, "mmol/mol"))
    assert (row.low, row.value) == (8.0, "64 mmol/mol (8 %)")


@pytest.mark.parametrize("quantity", [amount(9.1, "g/L"), amount(900, "g/L")])
def test_an_impossible_value_is_unreadable(quantity):
    row = value_of("718-7", valueQuantity=quantity)
    assert (row.problem, row.note) == ("unreadable", "implausible")


def test_24_hour_protein_in_mg():
    assert value_of("2889-4", valueQuantity=amount(4200, "mg/(24.h)")).low == pytest.approx(4.2)


# --- other shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loinc", "fields", "expected"),
    [
        ("718-7", {"valueString": "15.0 gm/dl"}, {"low": 150, "problem": None}),
        ("718-7", {"valueString": "Blank"}, {"low": None, "problem": "unreadable", "value": "Blank"}),
        ("718-7", {"valueString": "15.0"}, {"low": None, "problem": "unit"}),
        ("718-7", {"valueRange": {"low": amount(90, "g/L"), "high": amount(110, "g/L")}}, {"low": 90, "high": 110, "value": "90–110 g/L"}),
        (
            "718-7",
            {"valueRange": {"low": amount(9, "g/dL"), "high": amount(11, "g/dL")}},
            {"low": 90, "high": 110, "value": "9–11 g/dL (90–110 g/L)"},
        ),
        ("718-7", {"valueRange": {"low": amount(90, "g/L")}}, {"low": 90, "high": math.inf}),
        ("718-7", {"valueRange": {"high": amount(90, "g/L")}}, {"low": 0, "high": 90}),
        ("718-7", {"valueString": "1:160"}, {"low": None, "problem": "unreadable"}),
        ("718-7", {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 80}}}, {"low": None, "problem": "unit"}),
        ("718-7", {"valueRatio": {"numerator": amount(9, "g"), "denominator": amount(1, "dL")}}, {"low": 90, "value": "9 g/dL (90 g/L)"}),
        ("718-7", {"valueQuantity": amount(9.123456789123, "g/dL")}, {"value": "9.1235 g/dL (91.2 g/L)"}),
        ("2160-0", {"valueQuantity": amount(80, "umol/L", comparator="<")}, {"value": "< 80 µmol/L (< 0.905 mg/dL)"}),
        ("2160-0", {"valueQuantity": amount(80, "umol/L", comparator=">=")}, {"value": ">= 80 µmol/L (>= 0.905 mg/dL)"}),
        ("4548-4", {"valueQuantity": amount(130, "mmol/mol", comparator=">")}, {"low": 14.0, "high": math.inf, "value": "> 130 mmol/mol (> 14 %)"}),
        ("6301-6", {"valueQuantity": amount(1.2, "s")}, {"problem": "unit"}),
        ("5048-4", {"valueQuantity": amount(80, "titer")}, {"low": 80, "problem": None}),
        ("73737-9", {"valueString": "1:100"}, {"low": None, "result": "positive", "problem": "unit"}),
        ("89247-1", {"valueString": "good"}, {"problem": "unreadable"}),
        ("89247-1", {"valueCodeableConcept": code("urn:x", "1", display="ECOG 1")}, {"low": 1}),
        ("89247-1", {"valueCodeableConcept": {"coding": []}}, {"problem": "unreadable", "value": "a code without words"}),
        ("88020-3", {"valueCodeableConcept": code(SNOMED, "421704003") | {"text": "moderate"}}, {"code": "II", "value": "moderate"}),
        ("5196-1", {"valueCodeableConcept": code("urn:x", "1", display="Negative")}, {"result": "negative"}),
        ("89247-1", {"valueInteger": 2}, {"low": 2}),
        ("89247-1", {"valueCodeableConcept": code(LOINC, "LA9623-5", display="Restricted")}, {"low": 1, "value": "Restricted"}),
        ("89247-1", {"valueString": "ECOG 1"}, {"low": 1}),
        ("89247-1", {"valueString": "0-1"}, {"low": 0, "high": 1}),
        ("5048-4", {"valueString": "1:160"}, {"low": 160, "value": "1:160"}),
        ("5048-4", {"valueString": "<1:40"}, {"low": 0, "high": 40, "high_open": True, "result": "negative"}),
        ("5048-4", {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 80}}}, {"low": 80, "value": "1:80"}),
        ("5048-4", {"valueRatio": {"numerator": {"value": 1, "comparator": ">"}, "denominator": {"value": 80}}}, {"low": 80, "low_open": True}),
        ("5048-4", {"valueString": "Negative"}, {"low": None, "result": "negative"}),
        ("22590-4", {"valueString": "1:8"}, {"result": "positive"}),
        ("22590-4", {"valueQuantity": amount(8, "{titer}")}, {"result": "positive"}),
        ("5196-1", {"valueString": "阳性"}, {"result": "positive"}),
        ("5196-1", {"valueBoolean": False}, {"result": "negative"}),
        ("5196-1", {"valueCodeableConcept": code(SNOMED, "260385009", display="Negative")}, {"result": "negative", "value": "Negative"}),
        ("5196-1", {"valueCodeableConcept": {"text": "Reactive"}}, {"result": "positive"}),
        ("5196-1", {"valueCodeableConcept": code("urn:x", "17")}, {"result": None, "problem": "unreadable"}),
        ("5196-1", {"valueCodeableConcept": code(SNOMED, "419984006")}, {"result": "indeterminate"}),
        ("5196-1", {"interpretation": [code(V3, "NEG")]}, {"result": "negative", "value": "Negative"}),
        ("5196-1", {"valueDateTime": "2026-10-18"}, {"problem": "unreadable"}),
        ("8116-6", {"valueString": "Not detected"}, {"low": None, "result": "negative", "problem": None}),
        ("88020-3", {"valueCodeableConcept": code(SNOMED, "421704003")}, {"code": "II"}),
        ("88020-3", {"valueString": "NYHA class III"}, {"code": "III"}),
        ("88020-3", {"valueInteger": 1}, {"code": "I"}),
        ("88020-3", {"valueQuantity": {"value": 4.0}}, {"code": "IV"}),
        ("88020-3", {"valueString": "II-III"}, {"code": None, "problem": "unreadable"}),
    ],
)
def test_every_shape_of_a_value(loinc, fields, expected):
    row = value_of(loinc, **fields)
    assert {name: getattr(row, name) for name in expected} == expected


def test_a_class_as_coding_as_text_and_as_two_codes():
    def read(**fields):
        return one(
            facts_of(about("Observation", status="final", code=code(SCORES, "isn-rps-class"), effectiveDateTime="2026-05-01", **fields)),
            "isn_rps_class",
        ).code

    assert read(valueString="IV-S (A/C)") == "IV-S (A/C)"
    assert read(valueInteger=4) == "IV"
    assert read(valueCodeableConcept=code(SNOMED, "36402006")) == "IV"
    two = {"coding": [{"system": SNOMED, "code": "52042003"}, {"system": SNOMED, "code": "36402006"}]}
    assert read(valueCodeableConcept=two) == "IV+V"
    assert read(valueCodeableConcept=two | {"text": "Class IV-G (A) + V"}) == "IV-G (A)+V"


def test_a_code_that_names_a_class_needs_no_value_and_can_be_denied():
    finding = about("Observation", status="final", code=code(SNOMED, "421704003"), effectiveDateTime="2026-05-01")
    assert one(facts_of(finding), "nyha_class").code == "II"
    assert not facts_of(finding | {"valueBoolean": False}).observations
    assert not facts_of(finding | {"valueString": "absent"}).observations
    assert not facts_of(finding | {"valueCodeableConcept": code(SNOMED, "260385009")}).observations
    assert one(facts_of(finding | {"valueBoolean": True}), "nyha_class").code == "II"


@pytest.mark.parametrize("text", ["SLEDAI-2K", "sledai 2k"])
def test_a_score_without_a_code_is_found_by_its_exact_name(text):
    assert (
        one(facts_of(about("Observation", status="final", code={"text": text}, valueInteger=12, effectiveDateTime="2026-05-01")), "sledai_2k").low
        == 12
    )


@pytest.mark.parametrize("text", ["SELENA-SLEDAI", "SLEDAI", "SLEDAI-2K previous"])
def test_a_score_of_another_name_is_another_score(text):
    assert not facts_of(about("Observation", status="final", code={"text": text}, valueInteger=12)).observations


def test_chronicity_index_of_twelve():
    row = about("Observation", status="final", code=code(SCORES, "nih-chronicity-index"), valueString="4/12", effectiveDateTime="2026-05-01")
    assert one(facts_of(row), "chronicity_index").low == 4


def test_an_interpretation_that_says_nothing_is_no_result():
    assert not facts_of(lab("5196-1", interpretation=[code(V3, "A")])).observations


def test_a_withdrawn_result_stays_withdrawn_however_broken():
    broken = {"coding": [None, {"system": LOINC, "code": "718-7"}]}
    assert not facts_of(lab("718-7", status="cancelled", code=broken, valueQuantity=amount(90, "g/L"))).observations
    assert not facts_of(lab("718-7", effectiveDateTime="2027-01-01", code=broken, valueQuantity=amount(90, "g/L"))).observations


@pytest.mark.parametrize("fields", [{}, {"dataAbsentReason": code("http://x", "not-performed")}, {"valueQuantity": {"unit": "g/L"}}])
def test_what_was_not_measured_is_no_fact(fields):
    facts = facts_of(lab("718-7", **fields))
    assert not facts.observations and not facts.faults


# --- verdicts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loinc", "fields", "result"),
    [
        ("46266-3", {"valueQuantity": amount(12, "[arb'U]/mL"), "referenceRange": [{"high": amount(5, "[arb'U]/mL")}]}, "positive"),
        ("46266-3", {"valueQuantity": amount(3, "[arb'U]/mL"), "referenceRange": [{"text": "<5"}]}, "negative"),
        ("46266-3", {"valueQuantity": amount(3, "[arb'U]/mL"), "referenceRange": [{"high": amount(5, "{Index_val}")}]}, None),
        ("46266-3", {"valueQuantity": amount(3, "[arb'U]/mL", comparator="<"), "referenceRange": [{"high": {"value": 5}}]}, "negative"),
        ("46266-3", {"valueQuantity": amount(12, "[arb'U]/mL"), "interpretation": [code(V3, "H")]}, "positive"),
        ("46266-3", {"valueQuantity": amount(12, "[arb'U]/mL"), "interpretation": [code(V3, "A")]}, None),
        ("46266-3", {"valueQuantity": amount(12, "[arb'U]/mL"), "interpretation": [code(V3, "POS")]}, "positive"),
        ("46266-3", {"valueQuantity": amount(12, "[arb'U]/mL"), "interpretation": {"text": "Positive"}}, "positive"),
        ("46266-3", {"valueQuantity": amount(12, "[arb'U]/mL"), "interpretation": [code(V3, "POS"), code(V3, "NEG")]}, None),
        ("42595-9", {"valueQuantity": amount(2000, "[IU]/mL")}, "positive"),
        ("42595-9", {"valueQuantity": amount(0, "[IU]/mL")}, "negative"),
        ("42595-9", {"valueQuantity": amount(20, "[IU]/mL", comparator="<")}, None),
        ("42595-9", {"valueQuantity": amount(20, "[IU]/mL", comparator="<"), "interpretation": [code(V3, "ND")]}, "negative"),
        ("42595-9", {"valueString": "<20 IU/mL, not detected"}, "negative"),
        ("42595-9", {"valueString": "<20 IU/mL detected"}, "positive"),
        ("42595-9", {"valueString": "Not detected"}, "negative"),
        ("29615-2", {"valueQuantity": amount(500, "{copies}/mL")}, "positive"),
        ("13955-0", {"interpretation": [code(V3, "RR")]}, "positive"),
        ("13955-0", {"interpretation": [{"text": "unclear"}], "valueString": "see comment"}, None),
        ("5196-1", {"valueQuantity": amount(0.2, "{Index_val}"), "referenceRange": [{"high": amount(1, "{Index_val}")}]}, "negative"),
        ("46266-3", {"valueQuantity": amount(3, "[arb'U]/mL", comparator=">"), "referenceRange": [{"high": {"value": 3}}]}, "positive"),
        ("46266-3", {"valueQuantity": amount(3, "[arb'U]/mL", comparator=">"), "referenceRange": [{"high": {"value": 5}}]}, None),
        ("13955-0", {"interpretation": [code(V3, "A")], "valueString": "see comment"}, None),
    ],
)
def test_positive_or_negative(loinc, fields, result):
    assert value_of(loinc, **fields).result == result


def test_copies_do_not_convert_and_still_are_a_virus():
    row = value_of("29615-2", valueQuantity=amount(500, "{copies}/mL"))
    assert (row.low, row.problem, row.result) == (None, None, "positive")


def test_a_number_in_other_units_keeps_its_problem_beside_its_verdict():
    row = value_of("73737-9", valueQuantity=amount(60, "U/mL"), referenceRange=[{"high": amount(20, "U/mL")}])
    assert (row.low, row.problem, row.result) == (None, "unit", "positive")


# --- upper limit of normal ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranges", "upper"),
    [
        ([{"high": amount(40, "U/L")}], 40),
        ([{"high": {"value": 40}}], 40),
        ([{"high": amount(1, "ukat/L")}], 60),
        ([{"text": "<40"}], 40),
        ([{"text": "0 - 40 U/L"}], 40),
        ([{"text": "see report"}], None),
        ([{"low": amount(5, "U/L")}], None),
        ([{"high": amount(40, "g/L")}], None),
        (
            [
                {"type": {"coding": [{"code": "normal"}]}, "high": amount(40, "U/L")},
                {"type": {"coding": [{"code": "critical"}]}, "high": amount(400, "U/L")},
            ],
            40,
        ),
        ([{"appliesTo": [{"text": "Male"}], "high": amount(50, "U/L")}, {"appliesTo": [code(SNOMED, "248152002")], "high": amount(35, "U/L")}], 35),
        (
            [
                {"age": {"high": {"value": 18, "unit": "years"}}, "high": amount(30, "U/L")},
                {"age": {"low": {"value": 18, "code": "a"}}, "high": amount(40, "U/L")},
            ],
            40,
        ),
        ([{"high": amount(40, "U/L")}, {"high": amount(45, "U/L")}], None),
    ],
)
def test_upper_limit_is_the_one_that_fits_the_patient(ranges, upper):
    assert value_of("1742-6", valueQuantity=amount(20, "U/L"), referenceRange=ranges).upper == upper


def test_a_range_for_an_age_fits_nobody_whose_age_is_unknown():
    ranges = [{"age": {"low": {"value": 18, "unit": "years"}}, "high": amount(40, "U/L")}]
    facts = facts_of(lab("1742-6", valueQuantity=amount(20, "U/L"), referenceRange=ranges), patient={"resourceType": "Patient", "id": "p"})
    assert one(facts, "alt").upper is None


def test_upper_limit_follows_the_conversion_of_its_value():
    row = value_of("1742-6", valueQuantity=amount(1, "ukat/L"), referenceRange=[{"high": amount(0.7, "ukat/L")}])
    assert row.low == pytest.approx(60) and row.upper == pytest.approx(42)


# --- whose, when, which status -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["final", "amended", "corrected"])
def test_statuses_that_decide(status):
    assert facts_of(lab("718-7", status=status, valueQuantity=amount(90, "g/L"))).observations


@pytest.mark.parametrize("status", ["registered", "preliminary", "cancelled", "entered-in-error", "unknown"])
def test_statuses_that_never_become_facts(status):
    facts = facts_of(lab("718-7", status=status, valueQuantity=amount(90, "g/L")))
    assert not facts.observations and not facts.faults


@pytest.mark.parametrize("reference", ["Patient/p", "https://ehr.example/fhir/Patient/p", "urn:uuid:p", "Patient/p/_history/3"])
def test_references_that_mean_this_patient(reference):
    assert facts_of(lab("718-7", valueQuantity=amount(90, "g/L"), subject={"reference": reference})).observations


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ({"reference": "Patient/q"}, "is about another patient"),
        ({"reference": "#p"}, "is about another patient"),
        ({"reference": "Group/p"}, "is about another patient"),
        ({"reference": "https://ehr.example/fhir/Patient/xp"}, "is about another patient"),
    ],
)
def test_what_is_not_about_this_patient_is_named_and_left_out(subject, why):
    facts = facts_of(lab("718-7", valueQuantity=amount(90, "g/L"), subject=subject))
    assert not facts.observations
    assert [(fault.reference, fault.why) for fault in facts.faults] == [("Observation/1", why)]


@pytest.mark.parametrize("subject", [{"display": "somebody"}, None])
def test_what_names_no_patient_may_be_about_this_one(subject):
    facts = facts_of(lab("718-7", valueQuantity=amount(90, "g/L"), subject=subject))
    assert one(facts, "hemoglobin").problem == "unreadable"
    assert [(fault.reference, fault.why) for fault in facts.faults] == [("Observation/1", "names no patient")]


@pytest.mark.parametrize(
    ("fields", "first", "last", "date", "time"),
    [
        ({"effectiveDateTime": "2026"}, "2026-01-01", "2026-11-01", "2026", ""),
        ({"effectiveDateTime": "2026-10"}, "2026-10-01", "2026-10-31", "2026-10", ""),
        ({"effectiveDateTime": "2026-10-18T23:30:00+08:00"}, "2026-10-18", "2026-10-18", "2026-10-18", "2026-10-18T23:30:00+08:00"),
        ({"effectiveInstant": "2026-10-18T01:00:00Z"}, "2026-10-18", "2026-10-18", "2026-10-18", "2026-10-18T01:00:00Z"),
        ({"effectivePeriod": {"start": "2026-10-01", "end": "2026-10-02"}}, "2026-10-01", "2026-10-02", "2026-10-02", ""),
        ({"effectivePeriod": {"start": "2026-10-01"}}, "2026-10-01", "2026-11-01", "2026-10-01", ""),
        ({"effectivePeriod": {"end": "2026-10-02"}}, "1900-01-01", "2026-10-02", "2026-10-02", ""),
        (
            {"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2026-10-01", "end": "2026-10-03"}}}},
            "2026-10-01",
            "2026-10-03",
            "2026-10-03",
            "",
        ),
        ({"effectiveTiming": {"event": ["2026-10-01", "2026-10-03"]}}, "2026-10-01", "2026-10-03", "2026-10-03", ""),
    ],
)
def test_the_day_is_an_interval(fields, first, last, date, time):
    row = one(facts_of(lab("718-7", **{"effectiveDateTime": None, **fields}, valueQuantity=amount(90, "g/L"))), "hemoglobin")
    assert (row.first, row.last, row.date, row.time) == (day(first), day(last), date, time)


def test_issued_is_no_date_of_a_result():
    row = one(facts_of(lab("718-7", effectiveDateTime=None, issued="2026-10-18T10:00:00Z", valueQuantity=amount(90, "g/L"))), "hemoglobin")
    assert (row.first, row.last) == (0, 0)


def test_what_is_dated_later_does_not_exist_yet():
    later = lab("718-7", effectiveDateTime="2026-11-02", valueQuantity=amount(90, "g/L"))
    assert not facts_of(later).observations
    assert facts_of(later, as_of=TODAY + 1).observations


# --- panels and oxygen -------------------------------------------------------------------------------------


def panel(*components, loinc="85354-9", **fields):
    return lab(loinc, component=list(components), **fields)


def part(loinc, **fields):
    return {"code": code(LOINC, loinc), **fields}


def test_blood_pressure_stands_in_components():
    facts = facts_of(panel(part("8480-6", valueQuantity=amount(150, "mm[Hg]")), part("8462-4", valueQuantity=amount(90, "mm[Hg]"))))
    assert (one(facts, "bp_systolic").low, one(facts, "bp_diastolic").low) == (150, 90)
    assert one(facts, "bp_systolic").reference == "Observation/1" and not facts.unmapped


@pytest.mark.parametrize(
    ("oxygen", "on_oxygen"),
    [
        (part("3151-8", valueQuantity=amount(2, "L/min")), True),
        (part("3151-8", valueQuantity=amount(0, "L/min")), False),
        (part("3150-0", valueQuantity=amount(40, "%")), True),
        (part("3150-0", valueQuantity=amount(21, "%")), False),
        (part("3150-0", valueQuantity=amount(0.21, "1")), False),
        (part("3150-0", valueQuantity=amount(0.4, "1")), True),
        (part("3151-8", valueString="nasal cannula"), True),
        (part("3151-8", dataAbsentReason={"text": "unknown"}), False),
    ],
)
def test_saturation_on_oxygen(oxygen, on_oxygen):
    main = lab("59408-5", valueQuantity=amount(96, "%"), component=[oxygen])
    assert one(facts_of(main), "spo2").on_oxygen is on_oxygen
    beside = panel(part("59408-5", valueQuantity=amount(96, "%")), oxygen)
    assert one(facts_of(beside), "spo2").on_oxygen is on_oxygen


def test_the_first_coding_that_names_something_decides():
    codings = {"coding": [{"system": "urn:local", "code": "HB"}, {"system": LOINC, "code": "718-7"}, {"system": LOINC, "code": "6690-2"}]}
    facts = facts_of(lab("x", code=codings, valueQuantity=amount(90, "g/L")))
    assert list(facts.observations) == ["hemoglobin"]


# --- computed kidney function ------------------------------------------------------------------------------

CREATININE = lab("2160-0", valueQuantity=amount(1.0, "mg/dL"))


def computed(facts, concept="egfr"):
    return [row for row in facts.observations.get(concept, []) if row.computed]


def test_egfr_of_an_adult():
    (row,) = computed(facts_of(CREATININE))  # a woman of 50
    assert row.low == row.high == pytest.approx(68.63, abs=0.005)
    assert row.alternate == pytest.approx(65.64, abs=0.005)
    assert (row.formula, row.value, row.reference) == ("ckd-epi-2021", "68.6 mL/min/1.73 m²", "Observation/1")
    assert row.note == "computed by CKD-EPI 2021 from creatinine 1 mg/dL"


@pytest.mark.parametrize(
    "patient",
    [
        PATIENT | {"gender": "unknown"},
        {k: v for k, v in PATIENT.items() if k != "birthDate"},
        PATIENT | {"birthDate": "2008"},  # adult or child
    ],
)
def test_egfr_is_not_computed_where_the_formula_is_open(patient):
    assert not computed(facts_of(CREATININE, patient=patient))


def test_egfr_of_somebody_born_in_a_year_is_an_interval():
    (row,) = computed(facts_of(CREATININE, patient=PATIENT | {"birthDate": "1976"}))
    assert row.low < row.high and row.high - row.low < 1


@pytest.mark.parametrize(("measured", "days"), [("2026-07-20", 90), ("2026-07-19", 91)])
def test_a_child_needs_a_height_of_the_last_three_months(measured, days):
    child = PATIENT | {"birthDate": "2015-01-01"}
    height = lab("8302-2", id="h", effectiveDateTime=measured, valueQuantity=amount(1.5, "m"))
    rows = computed(facts_of(lab("2160-0", valueQuantity=amount(0.8, "mg/dL")), height, patient=child))
    assert [round(row.low, 2) for row in rows] == ([77.44] if days <= 90 else [])
    assert all(row.formula == "schwartz" for row in rows)


def test_creatinine_clearance_with_a_weight():
    weight = lab("29463-7", id="w", effectiveDateTime="2026-09-01", valueQuantity=amount(80, "kg"))
    (row,) = computed(facts_of(CREATININE, weight), "creatinine_clearance")
    assert (row.low, row.formula, row.value) == (pytest.approx(85.0), "cockcroft-gault", "85.0 mL/min")
    assert not computed(facts_of(CREATININE), "creatinine_clearance")


@pytest.mark.parametrize("quantity", [amount(1.0), amount(1.0, "mg/dL", comparator="<"), amount(99, "mg/dL")])
def test_an_unusable_creatinine_gives_no_egfr(quantity):
    assert not computed(facts_of(lab("2160-0", valueQuantity=quantity)))


# --- what cannot be read -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"valueQuantity": {"value": "twelve", "unit": "g/L"}},
        {"valueQuantity": [1]},
        {"valueQuantity": amount(True, "g/L")},
        {"valueBoolean": "yes"},
        {"valueQuantity": {"value": 5, "code": 7}},
        {"valueQuantity": amount(float("nan"), "g/L")},
        {"valueQuantity": amount(5, "g/L", comparator="about")},
        {"valueString": 5},
        {"valueQuantity": amount(90, "g/L"), "referenceRange": ["x"]},
        {"valueRange": {"low": amount(3, "g/L"), "high": amount(2, "g/L")}},
        {"code": {"coding": [None, {"system": LOINC, "code": "718-7"}]}, "valueQuantity": amount(90, "g/L")},
    ],
)
def test_a_broken_result_is_named_and_stays_visible(fields):
    facts = facts_of(lab("718-7", **fields))
    row = one(facts, "hemoglobin")
    assert (row.problem, row.low, row.date) == ("unreadable", None, "2026-10-18")
    (fault,) = facts.faults
    assert fault.reference == "Observation/1" and fault.why.startswith("cannot be read")


@pytest.mark.parametrize(
    "fields", [{"status": None}, {"status": ["final"]}, {"status": "done"}, {"effectiveDateTime": "18.10.2026"}, {"subject": ["Patient/p"]}]
)
def test_a_result_without_status_day_or_patient_is_a_fault_and_may_be_the_newest(fields):
    facts = facts_of(lab("718-7", **{"valueQuantity": amount(90, "g/L"), **fields}))
    assert one(facts, "hemoglobin").problem == "unreadable"
    assert facts.faults[0].why.startswith("cannot be read")


def test_a_fault_says_which_field_and_never_its_value():
    facts = facts_of(lab("718-7", valueQuantity={"value": "Jane-Doe-secret"}))
    assert facts.faults[0].why == "cannot be read: valueQuantity.value is not a valid value"
    facts = facts_of(lab("718-7", valueString=5, JaneDoe="secret"))
    assert facts.faults[0].why == "cannot be read: valueString is not a text"
    facts = facts_of(
        about("Condition", code=5, JaneDoe="secret"), about("Condition", id="2", code=code(SNOMED, "77182004"), onsetDateTime=5, JaneDoe="secret")
    )
    assert "Jane" not in facts.faults[0].why and "unknown field" in facts.faults[0].why


def test_a_broken_component_leaves_its_siblings():
    facts = facts_of(panel(part("8480-6", valueQuantity={"value": "x"}), part("8462-4", valueQuantity=amount(90, "mm[Hg]"))))
    assert one(facts, "bp_systolic").problem == "unreadable"
    assert one(facts, "bp_diastolic").low == 90


def test_a_broken_resource_without_a_mapped_code_is_left_alone():
    assert not facts_of(lab("2823-3", status=5, valueQuantity="x")).faults


def test_an_answer_whose_words_are_a_list_cannot_be_read():
    """It was taken as it is, and whoever looked evidence up by its words failed: a 500."""
    facts = facts_of(lab("5196-1", valueCodeableConcept={"coding": [{"system": "http://snomed.info/sct", "code": "260385009"}], "text": ["x"]}))
    assert [row.problem for rows in facts.observations.values() for row in rows] == ["unreadable"]
