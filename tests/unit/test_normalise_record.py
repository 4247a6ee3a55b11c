"""A record as a whole: the patient, duplicates, versions, order, and whatever else may be in it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from normalise_words import LOINC, PATIENT, SNOMED, TODAY, UCUM, VOCABULARY, about, amount, code, day, facts_of, lab, one

from cds_service import mappings
from cds_service.model.facts import Facts, Fault, Patient, Record
from cds_service.normalise import normalise

HB = lab("718-7", valueQuantity=amount(90, "g/L"))


# --- the patient -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Patient("Patient/p", day("1976-05-04"), day("1976-05-04"), "female")),
        ({"birthDate": "1976"}, Patient("Patient/p", day("1976-01-01"), day("1976-12-31"), "female")),
        ({"birthDate": None, "_birthDate": {"extension": []}}, Patient("Patient/p", 0, 0, "female")),
        ({"birthDate": "2026"}, Patient("Patient/p", day("2026-01-01"), TODAY, "female")),
        ({"gender": "other"}, Patient("Patient/p", day("1976-05-04"), day("1976-05-04"))),
        ({"deceasedBoolean": False}, Patient("Patient/p", day("1976-05-04"), day("1976-05-04"), "female")),
        ({"deceasedBoolean": True}, Patient("Patient/p", day("1976-05-04"), day("1976-05-04"), "female", True)),
        ({"deceasedDateTime": "2026-10-01"}, Patient("Patient/p", day("1976-05-04"), day("1976-05-04"), "female", True)),
        ({"deceasedDateTime": "2026-11-02"}, Patient("Patient/p", day("1976-05-04"), day("1976-05-04"), "female")),
    ],
)
def test_the_patient(fields, expected):
    facts = facts_of(patient=PATIENT | fields)
    assert facts.patient == expected and not facts.faults


@pytest.mark.parametrize(
    "fields", [{"birthDate": "4 May"}, {"birthDate": 1976}, {"birthDate": "2030-01-01"}, {"deceasedDateTime": []}, {"deceasedBoolean": "no"}]
)
def test_a_patient_that_cannot_be_read_is_named(fields):
    facts = facts_of(patient=PATIENT | fields)
    assert facts.faults[0].reference == "Patient/p" and "cannot be read" in facts.faults[0].why


def test_somebody_elses_patient_resource_is_not_this_one():
    facts = normalise(Record("p", [PATIENT | {"id": "q"}]), VOCABULARY, TODAY)
    assert facts.patient == Patient("Patient/p")


# --- duplicates, versions, order ---------------------------------------------------------------------------


def test_the_same_resource_twice_is_one_fact():
    assert facts_of(HB, HB).observations == facts_of(HB).observations
    nameless = {k: v for k, v in HB.items() if k != "id"}
    assert len(facts_of(nameless, dict(nameless)).observations["hemoglobin"]) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"versionId": "9"}, {"versionId": "10"}),
        ({"lastUpdated": "2026-01-01T00:00:00Z"}, {"lastUpdated": "2026-01-01T00:00:00.5Z"}),
        ({"lastUpdated": "2026-01-01T10:00:00+08:00"}, {"lastUpdated": "2026-01-01T03:00:00Z"}),
        ({}, {"versionId": "1"}),
        ({"lastUpdated": "soon"}, {"lastUpdated": "2026-01-01T00:00:00Z"}),
    ],
)
def test_the_latest_version_is_the_resource(old, new):
    wrong, right = HB | {"meta": old, "valueQuantity": amount(60, "g/L")}, HB | {"meta": new}
    for pair in ((wrong, right), (right, wrong)):
        assert one(facts_of(*pair), "hemoglobin").low == 90


def test_a_newer_version_that_withdraws_a_result_withdraws_it():
    assert not facts_of(HB | {"meta": {"versionId": "1"}}, HB | {"meta": {"versionId": "2"}, "status": "entered-in-error"}).observations


def mixed_record():
    return [
        *(lab("718-7", id=f"h{n}", effectiveDateTime=f"2026-10-{10 + n % 3:02}T0{n}:00:00Z", valueQuantity=amount(80 + n, "g/L")) for n in range(6)),
        *(lab("2160-0", id=f"c{n}", effectiveDateTime="2026-10-10", valueQuantity=amount(1 + n, "mg/dL")) for n in range(4)),
        {k: v for k, v in HB.items() if k != "id"},
        {k: v for k, v in lab("718-7", valueQuantity=amount(99, "g/L")).items() if k != "id"},
        *(about("Condition", id=f"d{n}", code=code(SNOMED, "77182004"), onsetDateTime=f"202{n}") for n in range(4)),
        lab("718-7", id="x", subject={"reference": "Patient/q"}, valueQuantity=amount(1, "g/L")),
        lab("718-7", id="y", valueString=5),
        lab("718-7", id="z", meta={"versionId": "x"}, valueQuantity=amount(70, "g/L")),
        lab("718-7", id="z", meta={"versionId": "x"}, valueQuantity=amount(71, "g/L")),
    ]


def test_order_and_duplicates_change_nothing():
    record = mixed_record()
    expected = facts_of(*record)
    for seed in range(20):
        shuffled = [*record, *random.Random(seed).choices(record, k=5)]  # noqa: S311 -- order, not secrets
        random.Random(seed).shuffle(shuffled)  # noqa: S311 -- an order, no secret
        assert facts_of(*shuffled) == expected


def test_newest_first_then_by_time_then_by_reference():
    rows = [
        lab("718-7", id="b", valueQuantity=amount(90, "g/L")),
        lab("718-7", id="a", valueQuantity=amount(90, "g/L")),
        lab("718-7", id="late", effectiveDateTime="2026-10-18T09:00:00Z", valueQuantity=amount(90, "g/L")),
        lab("718-7", id="early", effectiveDateTime="2026-10-18T10:00:00+08:00", valueQuantity=amount(90, "g/L")),
        lab("718-7", id="new", effectiveDateTime="2026-10-19", valueQuantity=amount(90, "g/L")),
        lab("718-7", id="none", effectiveDateTime=None, valueQuantity=amount(90, "g/L")),
    ]
    assert [row.reference.partition("/")[2] for row in facts_of(*rows).observations["hemoglobin"]] == ["new", "late", "early", "a", "b", "none"]


def test_what_the_reading_met_is_handed_on():
    facts = normalise(Record("p", [PATIENT], {"conditions": "truncated"}, (Fault("Bundle", "a page was missing"),)), VOCABULARY, TODAY)
    assert facts.incomplete == {"conditions": "truncated"} and facts.faults == (Fault("Bundle", "a page was missing"),)
    assert facts.as_of == TODAY


@pytest.mark.parametrize("entry", [None, 5, "x", [], {}, {"resourceType": None}, {"resourceType": ["Observation"]}, {"resourceType": {}, "id": "1"}])
def test_entries_that_are_no_resources(entry):
    facts = facts_of(entry, HB)
    assert len(facts.observations["hemoglobin"]) == 1
    assert [fault.why for fault in facts.faults] == ["an entry that is no FHIR resource"]


@pytest.mark.parametrize("identity", ["", 5, None, True, ["x"]])
def test_a_resource_without_a_usable_id_is_read_once_under_a_name_of_ours(identity):
    row = one(facts_of(HB | {"id": identity}), "hemoglobin")
    assert (row.reference, row.low) == ("Observation without id 1", 90)


def test_a_kind_that_is_no_text_is_named():
    assert [fault.why for fault in facts_of(HB, {"resourceType": 5, "id": "2"}).faults] == ["an entry that is no FHIR resource"]


def test_unknown_kinds_are_left_alone():
    assert facts_of({"resourceType": "CarePlan"}) == facts_of()
    assert facts_of({"resourceType": "CarePlan", "id": "1", "subject": 5}) == facts_of()


# --- with the mappings that are shipped --------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped():
    return mappings.load(ROOT / "mappings")


def read(shipped, *resources) -> Facts:
    return normalise(Record("p", [PATIENT, *resources]), shipped, TODAY)


def test_the_shipped_mappings_read_common_results(shipped):
    facts = read(
        shipped,
        lab("33914-3", id="1", valueQuantity=amount(52, "mL/min/{1.73_m2}")),
        lab("33914-3", id="2", effectiveDateTime="2026-09-01", valueQuantity={"value": 52, "unit": "ml/min/1,73m2"}),
        lab("33914-3", id="3", effectiveDateTime="2026-08-01", valueQuantity=amount(52, "mL/min")),
        lab("6690-2", id="4", valueQuantity={"value": 8.7, "unit": "K/mm3", "system": UCUM, "code": "K/mm3"}),
        lab("5048-4", id="5", valueString="1:160"),
        lab("5196-1", id="6", valueCodeableConcept=code(SNOMED, "260385009")),
        lab("89247-1", id="7", valueCodeableConcept=code(LOINC, "LA9623-5")),
        lab("88020-3", id="8", valueCodeableConcept=code(LOINC, "LA28405-1")),
        about("Observation", id="9", status="final", code={"text": "SLEDAI-2K"}, valueInteger=9, effectiveDateTime="2026-10-18"),
        lab("4548-4", id="10", valueQuantity=amount(64, "mmol/mol")),
    )
    assert [(row.low, row.problem) for row in facts.observations["egfr"]] == [(52, None), (52, None), (None, "unit")]
    assert one(facts, "wbc").low == pytest.approx(8.7)
    assert one(facts, "ana_titre").low == 160
    assert one(facts, "hbsag").result == "negative"
    assert one(facts, "ecog").low == 1
    assert one(facts, "nyha_class").code == "II"
    assert one(facts, "sledai_2k").low == 9
    assert one(facts, "hba1c").low == 8.0
    assert not facts.faults


def test_the_shipped_mappings_read_oxygen_and_classes(shipped):
    oxygen = {"code": code(LOINC, "3151-8"), "valueQuantity": amount(2, "L/min")}
    facts = read(
        shipped,
        lab("59408-5", id="1", valueQuantity=amount(96, "%"), component=[oxygen]),
        about("Condition", id="2", code=code(SNOMED, "36402006"), onsetDateTime="2026-05-01"),
    )
    assert one(facts, "spo2").on_oxygen
    assert one(facts, "isn_rps_class").code == "IV"


def test_a_severe_allergy_to_a_drug_of_no_table_raises_the_question_of_a_drug_allergy(shipped):
    severe = {
        "resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p"}, "criticality": "high",
        "code": {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "7980"}], "text": "penicillin"},
    }  # fmt: skip
    assert "drug_allergy_status" in read(shipped, severe).conditions
    assert "drug_allergy_status" not in read(shipped, {**severe, "criticality": "low"}).conditions
    assert "drug_allergy_status" not in read(shipped, {**severe, "category": ["food"]}).conditions


def test_a_reaction_coded_as_anaphylaxis_is_one(shipped):
    shock = {
        "resourceType": "AllergyIntolerance", "id": "a1", "patient": {"reference": "Patient/p"}, "code": {"text": "penicillin"},
        "reaction": [{"manifestation": [{"coding": [{"system": "http://snomed.info/sct", "code": "39579001"}]}]}],
    }  # fmt: skip
    assert "anaphylaxis" in read(shipped, shock).conditions


@pytest.mark.parametrize(
    ("base", "subject", "mine"),
    [
        ("", "https://other.example/fhir/Patient/p", True),
        ("https://ehr.example/fhir", "Patient/p", True),
        ("https://ehr.example/fhir", "/Patient/p", True),
        ("https://ehr.example/fhir", "Patient/p/_history/3", True),
        ("https://ehr.example/fhir", "https://ehr.example/fhir/Patient/p", True),
        ("https://ehr.example/fhir", "https://EHR.example:443/fhir/Patient/p/_history/3", True),
        ("https://ehr.example/fhir", "https://other.example/fhir/Patient/p", False),
        ("https://ehr.example/fhir", "https://ehr.example/other/Patient/p", False),
        ("https://ehr.example/fhir", "https://ehr.example:8443/fhir/Patient/p", False),
        ("https://ehr.example/fhir", "http://ehr.example/fhir/Patient/p", False),
    ],
)
def test_the_same_id_at_another_server_is_another_patient(base, subject, mine):
    record = Record("p", [PATIENT, HB | {"subject": {"reference": subject}, "valueQuantity": amount(90, "g/L")}], base=base)
    facts = normalise(record, VOCABULARY, TODAY)
    assert bool(facts.observations) is mine
    assert facts.faults == (() if mine else (Fault("Observation/1", "is about another patient"),))
