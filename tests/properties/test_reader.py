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
from sent import as_sent

import cds_service.normalise as reader
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
        "anti_pla2r": Concept("anti_pla2r", "observation", "anti-PLA2R", "{RU}/mL"),
        "hbv_dna": Concept("hbv_dna", "observation", "HBV DNA", "[IU]/mL", plausible=(0, 1e11)),
        "ana_titre": Concept("ana_titre", "observation", "ANA", "{titer}", plausible=(10, 163840)),
        "ecog": Concept("ecog", "observation", "ECOG", "{score}", plausible=(0, 5)),
        "hba1c": Concept("hba1c", "observation", "HbA1c", "%", plausible=(3, 25)),
        "nyha_class": Concept("nyha_class", "observation", "NYHA class"),
        "inspired_oxygen": Concept("inspired_oxygen", "observation", "inspired oxygen"),
        "mn": Concept("mn", "condition", "membranous nephropathy"),
        "biopsy": Concept("biopsy", "procedure", "kidney biopsy"),
        "prednisone": Concept("prednisone", "drug", "prednisone"),
    },
    {
        (LOINC, "718-7"): (Mapped("hemoglobin", {"g/L": 1.0, "g/dL": 10.0}),),
        (LOINC, "2160-0"): (Mapped("serum_creatinine", {"mg/dL": 1.0}),),
        (LOINC, "5196-1"): (Mapped("hbsag", {}),),
        (LOINC, "73737-9"): (Mapped("anti_pla2r", {"{RU}/mL": 1.0, "U/mL": None}),),
        (LOINC, "42595-9"): (Mapped("hbv_dna", {"[IU]/mL": 1.0, "k[IU]/mL": 1000.0}),),
        (LOINC, "5048-4"): (Mapped("ana_titre", {"{titer}": 1.0}),),
        (LOINC, "89247-1"): (Mapped("ecog", {"{score}": 1.0}),),
        (LOINC, "LA9623-5"): (Mapped("ecog", {}, None, "1"),),
        (LOINC, "4548-4"): (Mapped("hba1c", {"%": 1.0, "mmol/mol": None}),),
        (LOINC, "88020-3"): (Mapped("nyha_class", {}),),
        (LOINC, "3150-0"): (Mapped("inspired_oxygen", {"%": None}, "fraction"),),
        (LOINC, "24357-6"): (Mapped("hbsag", {}), Mapped("hemoglobin", {"g/L": 1.0})),
        (SNOMED, "77182004"): (Mapped("mn", {}),),
        (SNOMED, "7246002"): (Mapped("biopsy", {}),),
        (RXNORM, "8640"): (Mapped("prednisone", {}),),
    },
    {},
    {"prednisone": Drug("prednisone", "prednisone", 1.0)},
    {},
    {(SNOMED, "10828004"): "positive", (SNOMED, "260385009"): "negative"},
    {"hb": "hemoglobin"},
)
BROAD = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

moments = st.dates(date(1990, 1, 1), TODAY).flatmap(
    lambda day: st.sampled_from(
        [day.isoformat(), f"{day:%Y-%m}", f"{day:%Y}", f"{day.isoformat()}T10:30:00Z", f"{day.isoformat()}T23:59:59.123+08:00"]
    )
)
texts = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12)


def facts(*resources: Any):
    """Read both ways, parsed and as it was sent: there must be no difference."""
    found = normalise(Record("p", [PATIENT, *resources]), VOCABULARY, TODAY.toordinal())
    sent = as_sent("p", [PATIENT, *resources])
    assert sent is None or repr(normalise(sent, VOCABULARY, TODAY.toordinal())) == repr(found)
    return found


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
    assert facts(plain).observations == facts(plain | {"referenceRange": []}).observations == the_long_way(plain).observations


def the_long_way(*resources: Any):
    """The facts without any short cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader.observation, "measured", lambda *_: None)
        return normalise(Record("p", [PATIENT, *resources]), VOCABULARY, TODAY.toordinal())


#: Few, so that the same value comes twice: 5 after 5.0, 1 after True.
VALUES = st.sampled_from(
    [0, 0.0, -0.0, 1, 1.0, True, 5, 5.0, 5.2, 40, 92.5, 92, -3, 1e6, 1.23456789012, float("inf"), float("nan"), 10**400, "7", None]
)
WORDS = st.sampled_from([None, "", " ", "Negative", "<5", "> 60 g/L", "1:80", "<1:20", " II ", "ECOG 1", "12,5", "21 %", "x" * 90, "words", 5])
UNIT_OF = {
    "718-7": "g/L", "2160-0": "mg/dL", "5196-1": "", "73737-9": "{RU}/mL", "42595-9": "[IU]/mL", "5048-4": "{titer}", "89247-1": "{score}",
    "LA9623-5": "{score}", "4548-4": "%", "88020-3": "", "3150-0": "%", "24357-6": "g/L", "none": "g/L",
}  # fmt: skip
OTHER_UNITS = ["g/dL", "umol/L", "U/mL", "k[IU]/mL", "mmol/mol", "gm/dl", "1", "", None, 5]
ANSWERS = [
    {"system": SNOMED, "code": "10828004", "display": "Positive"},
    {"system": SNOMED, "code": "260385009"},
    {"system": LOINC, "code": "LA9623-5", "display": "x"},
    {"system": "urn:x", "code": "y", "display": "not detected"},
    {"system": "urn:x", "code": "y", "display": "detected"},
    {"system": "urn:x", "code": 5},
]
GONE = object()
#: Where a plain result may be odd, and how.
ODD: list[tuple[tuple[Any, ...], list[Any]]] = [
    (("status",), ["amended", "preliminary", "nonsense", None, GONE]),
    (("subject",), [{"reference": "urn:uuid:p"}, {"reference": "http://x/Patient/p"}, {"reference": "Patient/q"}, {}, GONE]),
    (("effectiveDateTime",), ["2026-10-18T10:00:00Z", "2026-11", "2026", "2027-01-01", "2026-10-18T25:00:00Z", 5, GONE]),
    (("code", "text"), ["hb", "nothing", "", 5]),
    (("code", "coding"), [[], {}, GONE]),
    (("code", "coding", 0), [{"system": LOINC}, {"code": "718-7"}, {"system": "urn:x", "code": "none"}]),
    (("code", "coding", 1), [{}, {"system": LOINC, "code": "718-7"}]),
    (("component",), [[], [{"code": {"coding": [{"system": LOINC, "code": "2160-0"}]}, "valueQuantity": {"value": 5, "code": "mg/dL"}}]]),
    (("interpretation",), [[{"coding": [{"code": "POS"}]}], [{"coding": [{"code": "N"}]}], []]),
    (("valueQuantity",), [None, [], "x", {"value": 5, "unit": "g/L"}, {"value": 5, "unit": "gm/dl", "code": "g/L", "system": "urn:x"}]),
    (("valueQuantity", "comparator"), ["<", ">=", "=", "", None, "~"]),
    (("valueQuantity", "code"), OTHER_UNITS),
    (("valueQuantity", "unit"), OTHER_UNITS),
    (("valueQuantity", "system"), ["urn:x", None, GONE]),
    (("valueInteger",), [1, True]),
    (("valueBoolean",), [False]),
    (("referenceRange",), [[], None, {"high": {"value": 7}}, [None], [{"low": {"value": 1}}], [{"text": "<40"}], [{"text": "<1:80"}]]),
    (("referenceRange", 0, "high", "value"), ["7", -5, None, GONE]),
    (("referenceRange", 0, "high", "code"), OTHER_UNITS),
    (("referenceRange", 0, "high", "system"), ["urn:x", GONE]),
    (("referenceRange", 0, "low"), [{"value": 1}]),
    (("referenceRange", 0, "text"), ["x", 5]),
    (("referenceRange", 0, "type"), [{"coding": [{"code": "therapeutic"}]}]),
    (("referenceRange", 0, "appliesTo"), [[{"text": "female"}], [{"text": "male"}]]),
    (("referenceRange", 0, "age"), [{"low": {"value": 18, "code": "a"}}, {"low": {"value": 70, "code": "a"}}]),
    (("referenceRange", 1), [{"high": {"value": 7}}, {}]),
]  # fmt: skip


def put(target: Any, path: tuple[Any, ...], value: Any) -> None:
    """Change, add or take away what stands at a path; nothing where the path leads nowhere."""
    *steps, last = path
    value = value if value is GONE else copy.deepcopy(value)
    for step in steps:
        if isinstance(target, dict):
            target = target.get(step)
        else:
            target = target[step] if isinstance(target, list) and isinstance(step, int) and step < len(target) else None
    if isinstance(target, dict):
        target[last] = value
        if value is GONE:
            del target[last]
    elif isinstance(target, list) and isinstance(last, int) and value is not GONE:
        target[last : last + 1] = [value]


@st.composite
def results(draw: st.DrawFn) -> dict[str, Any]:
    code = draw(st.sampled_from(sorted(UNIT_OF)))
    unit = {"system": UCUM, "unit": UNIT_OF[code], "code": UNIT_OF[code]} if UNIT_OF[code] else {}
    found: dict[str, Any] = {"resourceType": "Observation", "code": {"coding": [{"system": LOINC, "code": code}]}, "status": "final"}
    found |= {"subject": {"reference": "Patient/p"}, "effectiveDateTime": "2026-10-18"}
    kind = draw(st.sampled_from(["valueQuantity", "valueQuantity", "valueQuantity", "valueString", "valueCodeableConcept", "nothing"]))
    if kind == "valueQuantity":
        found[kind] = unit | {"value": draw(VALUES)}
        if draw(st.booleans()):
            found["referenceRange"] = [{"high": unit | {"value": draw(VALUES)}}]
    elif kind == "valueString":
        found[kind] = draw(WORDS)
    elif kind == "valueCodeableConcept":
        found[kind] = {"coding": draw(st.lists(st.sampled_from(ANSWERS), max_size=2)), "text": draw(WORDS)}
    for path, values in draw(st.lists(st.sampled_from(ODD), max_size=2)):
        put(found, path, draw(st.sampled_from(values)))
    return found


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(results(), min_size=1, max_size=6))
def test_the_short_cuts_give_what_the_long_way_gives(found):
    record = [result | {"id": f"o{place}"} for place, result in enumerate(found)]
    expected = the_long_way(*record)
    assert repr(facts(*record)) == repr(expected)
    assert repr(facts(*reversed(record))) == repr(the_long_way(*reversed(record))), "what was remembered does not show"


def test_the_short_cuts_are_taken(monkeypatch):
    """Else the comparison above would compare nothing."""
    monkeypatch.setattr(reader.observation, "read", lambda *_: pytest.fail("the long way"))
    codes = {"valueQuantity": "718-7", "valueString": "5196-1", "valueCodeableConcept": "5196-1"}
    values = {"valueQuantity": {"value": 92, "unit": "g/L"}, "valueString": "negative", "valueCodeableConcept": {"coding": [], "text": "positive"}}
    common = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2026-10-18"}
    named = {name: {"coding": [{"system": LOINC, "code": code}]} for name, code in codes.items()}
    record = as_sent("p", [PATIENT, *(common | {"id": name, "code": named[name], name: value} for name, value in values.items())])
    assert record is not None
    found = normalise(record, VOCABULARY, TODAY.toordinal())
    assert [row.low for row in found.observations["hemoglobin"]] == [92]
    assert sorted(str(row.result) for row in found.observations["hbsag"]) == ["negative", "positive"]


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
