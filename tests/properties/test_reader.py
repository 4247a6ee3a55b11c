"""The reader against the full FHIR models: what is valid is read as they read it, and nothing at all makes it raise."""

from __future__ import annotations

import copy
import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.observation import Observation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.model.facts import Record
from cds_service.model.vocabulary import Concept, Drug, Mapped, Vocabulary
from cds_service.normalise import normalise

LOINC, SNOMED, RXNORM, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm", "http://unitsofmeasure.org"
TODAY = date(2026, 11, 1)
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1976-05-04"}
VOCABULARY = Vocabulary(
    {
        "hemoglobin": Concept("hemoglobin", "observation", "haemoglobin", "g/L", plausible=(20, 250)),
        "serum_creatinine": Concept("serum_creatinine", "observation", "creatinine", "mg/dL", plausible=(0.1, 30)),
        "hbsag": Concept("hbsag", "observation", "HBsAg"),
        "mn": Concept("mn", "condition", "membranous nephropathy"),
        "biopsy": Concept("biopsy", "procedure", "kidney biopsy"),
        "prednisone": Concept("prednisone", "drug", "prednisone"),
    },
    {
        (LOINC, "718-7"): (Mapped("hemoglobin", {"g/L": 1.0, "g/dL": 10.0}),),
        (LOINC, "2160-0"): (Mapped("serum_creatinine", {"mg/dL": 1.0}),),
        (LOINC, "5196-1"): (Mapped("hbsag", {}),),
        (SNOMED, "77182004"): (Mapped("mn", {}),),
        (SNOMED, "7246002"): (Mapped("biopsy", {}),),
        (RXNORM, "8640"): (Mapped("prednisone", {}),),
    },
    {},
    {"prednisone": Drug("prednisone", "prednisone", 1.0)},
    {},
    {(SNOMED, "10828004"): "positive", (SNOMED, "260385009"): "negative"},
)
BROAD = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

moments = st.dates(date(1990, 1, 1), TODAY).flatmap(
    lambda day: st.sampled_from(
        [day.isoformat(), f"{day:%Y-%m}", f"{day:%Y}", f"{day.isoformat()}T10:30:00Z", f"{day.isoformat()}T23:59:59.123+08:00"]
    )
)
texts = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12)


def facts(*resources: Any):
    return normalise(Record("p", [PATIENT, *resources]), VOCABULARY, TODAY.toordinal())


def concept(system: str, code: str) -> st.SearchStrategy[dict[str, Any]]:
    local = st.builds(lambda c: {"system": "urn:local", "code": c}, texts)
    return st.builds(
        lambda before, display, text: {"coding": [*before, {"system": system, "code": code, **display}], **text},
        st.lists(local, max_size=2),
        st.one_of(st.just({}), st.builds(lambda t: {"display": t}, texts)),
        st.one_of(st.just({}), st.builds(lambda t: {"text": t}, texts)),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    fields: dict[str, Any] = {
        "resourceType": "Observation",
        "id": "o",
        "status": draw(st.sampled_from(["final", "amended", "corrected", "preliminary", "registered", "cancelled", "entered-in-error", "unknown"])),
        "code": draw(concept(LOINC, "718-7")),
        "subject": {"reference": "Patient/p"},
    }
    when = draw(st.sampled_from(["effectiveDateTime", None]))
    if when:
        fields[when] = draw(moments)
    value = draw(st.decimals(Decimal("20"), Decimal("250"), places=2))
    quantity = {"value": value, "unit": "g/L", "system": UCUM, "code": "g/L"}
    if comparator := draw(st.sampled_from([None, "<", "<=", ">", ">="])):
        quantity["comparator"] = comparator
    fields["valueQuantity"] = quantity
    if draw(st.booleans()):
        fields["referenceRange"] = [{"high": {"value": draw(st.integers(100, 180)), "unit": "g/L"}, "text": draw(texts)}]
    if draw(st.booleans()):
        fields["interpretation"] = [{"coding": [{"system": "urn:x", "code": draw(st.sampled_from(["H", "L", "N", "A"]))}]}]
    if draw(st.booleans()):
        fields["note"] = [{"text": draw(texts)}]
    return Observation.model_validate(fields)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    fields: dict[str, Any] = {
        "resourceType": "Condition",
        "id": "c",
        "code": draw(concept(SNOMED, "77182004")),
        "subject": {"reference": "Patient/p"},
    }
    clinical = draw(st.sampled_from([None, "active", "recurrence", "relapse", "inactive", "remission", "resolved"]))
    if clinical:
        fields["clinicalStatus"] = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": clinical}]}
    verification = draw(st.sampled_from([None, "unconfirmed", "provisional", "differential", "confirmed", "refuted"]))
    if verification:
        fields["verificationStatus"] = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": verification}]}
    onset = draw(st.sampled_from(["DateTime", "Age", "String", None]))
    if onset == "DateTime":
        fields["onsetDateTime"] = draw(moments)
    elif onset == "Age":
        fields["onsetAge"] = {"value": draw(st.integers(0, 49)), "unit": "years", "system": UCUM, "code": "a"}
    elif onset == "String":
        fields["onsetString"] = draw(texts)
    if draw(st.booleans()):
        fields["recordedDate"] = draw(moments)
    return Condition.model_validate(fields)


@BROAD
@given(observations())
def test_a_valid_observation_is_read_as_the_full_model_reads_it(model):
    found = facts(json.loads(model.model_dump_json()))
    assert not found.faults
    rows = found.observations.get("hemoglobin", [])
    if model.status not in ("final", "amended", "corrected"):
        assert not rows
        return
    (row,) = rows
    value, comparator = float(model.valueQuantity.value), model.valueQuantity.comparator
    assert row.problem is None and str(row.reference) == "Observation/o"
    assert (row.low if comparator in (None, ">", ">=") else row.high) == value
    assert (row.low == row.high) is (comparator is None)
    assert row.upper == (float(model.referenceRange[0].high.value) if model.referenceRange else None)
    when = model.effectiveDateTime
    if when is None:
        assert (row.first, row.last) == (0, 0)
    else:
        assert row.date == str(when)[: len(row.date)] and len(row.date) >= 4
        first, last = date.fromordinal(row.first).isoformat(), date.fromordinal(row.last).isoformat()
        assert first.startswith(row.date) and (last.startswith(row.date) or row.last == TODAY.toordinal())


@BROAD
@given(conditions())
def test_a_valid_condition_is_read_as_the_full_model_reads_it(model):
    found = facts(json.loads(model.model_dump_json()))
    assert not found.faults
    rows = found.conditions.get("mn", [])
    verification = model.verificationStatus.coding[0].code if model.verificationStatus else None
    if verification == "refuted":
        assert not rows
        return
    (row,) = rows
    assert row.status == (model.clinicalStatus.coding[0].code if model.clinicalStatus else "active")
    assert row.certain is (verification in (None, "confirmed"))
    assert row.last <= TODAY.toordinal()
    if model.onsetAge is not None:
        expected = date(1976 + int(model.onsetAge.value), 5, 4)
        assert row.dated and date.fromordinal(row.first) == expected


def test_values_on_both_sides_of_the_common_path_agree():
    """The short cut for plain numbers gives what the long way gives."""
    quantity = {"value": 92.5, "unit": "g/L", "system": UCUM, "code": "g/L"}
    plain = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"coding": [{"system": LOINC, "code": "718-7"}]}}
    plain |= {"subject": {"reference": "Patient/p"}, "effectiveDateTime": "2026-10-18", "valueQuantity": quantity}
    assert facts(plain).observations == facts(plain | {"referenceRange": []}).observations


# --- anything at all ---------------------------------------------------------------------------------------

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Patient/p", "final", "718-7", LOINC, "2026-10-18", "9999-12-31"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["coding", "code", "system", "value", "unit", "reference", "start", "end", "text"]), inner)
    ),
    max_leaves=8,
)


def _codeable(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": "words"}], "text": "words"}


_SUBJECT = {"subject": {"reference": "Patient/p"}}
_PREDNISONE = _codeable(RXNORM, "8640")
_REPEAT = {"frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": "2026-01-01", "end": "2026-02-01"}}
_DOSAGE = {
    "timing": {"repeat": _REPEAT, "code": _codeable("x", "QD")},
    "route": _codeable("x", "y"),
    "doseAndRate": [{"doseQuantity": {"value": 5, "unit": "mg"}}],
}
_QUANTITY = {"value": 92.5, "unit": "g/L", "system": UCUM, "code": "g/L", "comparator": "<"}
_RANGE = {
    "high": {"value": 150, "unit": "g/L"},
    "type": _codeable("x", "normal"),
    "age": {"low": {"value": 18, "unit": "years"}},
    "appliesTo": [_codeable("x", "female")],
}
SEEDS: list[dict[str, Any]] = [
    PATIENT | {"deceasedDateTime": "2027-01-01"},
    {
        "resourceType": "Observation",
        "id": "1",
        "meta": {"versionId": "1"},
        "status": "final",
        "code": _codeable(LOINC, "718-7"),
        **_SUBJECT,
        "effectivePeriod": {"start": "2026-01-01", "end": "2026-01-02"},
        "valueQuantity": _QUANTITY,
        "referenceRange": [_RANGE],
        "interpretation": [_codeable("x", "H")],
        "component": [
            {"code": _codeable(LOINC, "2160-0"), "valueRange": {"low": {"value": 1, "unit": "mg/dL"}, "high": {"value": 2, "unit": "mg/dL"}}}
        ],
    },
    {
        "resourceType": "Observation",
        "id": "2",
        "status": "final",
        "code": _codeable(LOINC, "5196-1"),
        **_SUBJECT,
        "effectiveDateTime": "2026-01-01",
        "valueString": "<20",
    },
    {
        "resourceType": "Observation",
        "id": "3",
        "status": "final",
        "code": _codeable(LOINC, "5196-1"),
        **_SUBJECT,
        "effectiveTiming": {"event": ["2026-01-01"]},
        "valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 80}},
    },
    {
        "resourceType": "Observation",
        "id": "4",
        "status": "final",
        "code": _codeable(LOINC, "5196-1"),
        **_SUBJECT,
        "valueCodeableConcept": _codeable(SNOMED, "10828004"),
    },
    {
        "resourceType": "Condition",
        "id": "5",
        "code": _codeable(SNOMED, "77182004"),
        **_SUBJECT,
        "clinicalStatus": _codeable("x", "active"),
        "onsetAge": {"value": 40, "unit": "a"},
        "verificationStatus": _codeable("x", "confirmed"),
        "category": [_codeable("x", "problem-list-item")],
        "stage": [{"summary": _codeable("x", "III")}],
        "abatementPeriod": {"start": "2026-01-01"},
        "recordedDate": "2026-01-01",
    },
    {
        "resourceType": "Procedure",
        "id": "6",
        "status": "completed",
        "code": _codeable(SNOMED, "7246002"),
        **_SUBJECT,
        "performedPeriod": {"start": "2026-01-01"},
    },
    {
        "resourceType": "DiagnosticReport",
        "id": "7",
        "status": "final",
        "code": _codeable(SNOMED, "7246002"),
        **_SUBJECT,
        "conclusionCode": [_codeable(SNOMED, "77182004")],
        "effectiveDateTime": "2026-01-01",
    },
    {
        "resourceType": "MedicationRequest",
        "id": "8",
        "status": "stopped",
        "intent": "order",
        "medicationCodeableConcept": _PREDNISONE,
        **_SUBJECT,
        "authoredOn": "2026-01-01",
        "dosageInstruction": [_DOSAGE],
        "dispenseRequest": {
            "validityPeriod": {"start": "2026-01-01"},
            "expectedSupplyDuration": {"value": 30, "unit": "d"},
            "numberOfRepeatsAllowed": 1,
        },
    },
    {
        "resourceType": "MedicationStatement",
        "id": "9",
        "status": "active",
        "medicationReference": {"reference": "#m"},
        "effectivePeriod": {"start": "2026-01-01"},
        **_SUBJECT,
        "contained": [{"resourceType": "Medication", "id": "m", "code": _PREDNISONE, "ingredient": [{"itemCodeableConcept": _PREDNISONE}]}],
        "dosage": [_DOSAGE],
    },
    {
        "resourceType": "MedicationAdministration",
        "id": "10",
        "status": "completed",
        "medicationReference": {"reference": "Medication/m"},
        **_SUBJECT,
        "effectiveDateTime": "2026-01-01",
    },
    {
        "resourceType": "MedicationDispense",
        "id": "11",
        "status": "completed",
        "medicationCodeableConcept": _PREDNISONE,
        **_SUBJECT,
        "whenHandedOver": "2026-01-01",
        "daysSupply": {"value": 30},
    },
    {"resourceType": "Medication", "id": "m", "code": _PREDNISONE, "form": {"text": "tablet"}},
    {
        "resourceType": "AllergyIntolerance",
        "id": "12",
        "code": _PREDNISONE,
        "patient": {"reference": "Patient/p"},
        "reaction": [{"substance": _PREDNISONE, "severity": "severe"}],
        "recordedDate": "2026-01-01",
    },
    {
        "resourceType": "ServiceRequest",
        "id": "13",
        "status": "active",
        "intent": "order",
        "code": _codeable(SNOMED, "7246002"),
        **_SUBJECT,
        "occurrencePeriod": {"start": "2026-12-01"},
    },
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found += places(child, (*path, key))
    return found


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_nothing_makes_the_reader_raise(data):
    record = copy.deepcopy(SEEDS)
    for _ in range(data.draw(st.integers(1, 4))):
        victim = data.draw(st.integers(0, len(record) - 1))
        path = data.draw(st.sampled_from(places(record[victim]) or [()]))
        if not path:
            continue
        target: Any = record[victim]
        for step in path[:-1]:
            target = target[step]
        if data.draw(st.booleans()):
            target[path[-1]] = data.draw(junk)
        else:
            del target[path[-1]]
    normalise(Record("p", record), VOCABULARY, TODAY.toordinal())


@settings(deadline=None, max_examples=200)
@given(st.lists(junk, max_size=4))
def test_a_record_of_anything_is_read(resources):
    normalise(Record("p", resources), VOCABULARY, TODAY.toordinal())


@pytest.mark.parametrize("seed", range(1, len(SEEDS)), ids=lambda n: f"{SEEDS[n]['resourceType']}-{n}")
def test_the_seeds_themselves_are_read(seed):
    """Else the mutations would test nothing."""
    assert not facts(*SEEDS[1:]).faults
    if SEEDS[seed]["resourceType"] == "Medication":
        return
    found = facts(SEEDS[seed], *[resource for resource in SEEDS if resource["resourceType"] == "Medication"])
    assert found.observations or found.conditions or found.events or found.exposures


@BROAD
@given(st.integers(0, 400))
def test_a_later_day_never_hides_what_an_earlier_one_showed(days):
    early = normalise(Record("p", [PATIENT, *SEEDS[1:6]]), VOCABULARY, TODAY.toordinal())
    late = normalise(Record("p", [PATIENT, *SEEDS[1:6]]), VOCABULARY, (TODAY + timedelta(days)).toordinal())
    assert set(early.observations) <= set(late.observations) and set(early.conditions) <= set(late.conditions)
