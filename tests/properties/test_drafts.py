"""Draft orders never change what is said of the record, and never make a card where there was none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service import pipeline, wire
from cds_service.cli import day
from cds_service.config import Settings
from cds_service.fetch import from_bundle

ROOT = Path(__file__).resolve().parents[2]
AS_OF = day("2026-11-01").toordinal()
UUID = "6bc883b2-b795-4dcb-b661-34884a31d472"
FIXTURES = ("rmn-possible", "bcma-ln-candidate", "aav-candidate", "other-disease", "sle-child-candidate")


@pytest.fixture(scope="module")
def rules():
    return pipeline.load_rules(Settings.from_environment({}))


@pytest.fixture(scope="module")
def records():
    return {name: from_bundle(json.loads((ROOT / "fixtures" / f"{name}.json").read_text(encoding="utf-8"))) for name in FIXTURES}


DRUGS = st.sampled_from(
    ["rituximab", "prednisone 20 mg", "mycophenolate mofetil", "cyclophosphamide", "filgrastim", "tisagenlecleucel", "ramipril", "salt"]
)
DRAFT = st.fixed_dictionaries(
    {
        "resourceType": st.just("MedicationRequest"),
        "id": st.text("abc123", min_size=1, max_size=3),
        "status": st.sampled_from(["draft", "active", "completed", "cancelled", "nonsense"]),
        "intent": st.sampled_from(["order", "proposal", "plan"]),
        "medicationCodeableConcept": st.one_of(st.builds(lambda text: {"text": text}, DRUGS), st.none(), st.integers()),
    },
    optional={
        "authoredOn": st.sampled_from(["2020-01-01", "2026-11-01", "2030", "x"]),
        "doNotPerform": st.booleans(),
        "dosageInstruction": st.just([{"x": 1}]),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FIXTURES), drafts=st.lists(DRAFT, max_size=5), about=st.sampled_from(["mine", "another"]))
def test_drafts_never_change_the_assessment_of_the_record(rules, records, name, drafts, about):
    record = records[name]
    whose = record.patient_id if about == "mine" else "another"
    sent = [{**d, "subject": {"reference": f"Patient/{whose}"}} for d in drafts]
    context = {"userId": "Practitioner/u1", "patientId": record.patient_id}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": d} for d in sent]}
    chart = wire.read_request({"hook": "patient-view", "hookInstance": UUID, "context": context})
    order = wire.read_request({"hook": "order-sign", "hookInstance": UUID, "context": {**context, "draftOrders": bundle}})
    plain = Settings.from_environment({})
    as_is, shown = pipeline.decide(chart, rules, lambda *_: record, AS_OF, plain)
    at_order, made = pipeline.decide(order, rules, lambda *_: record, AS_OF, plain)
    if at_order.assessments:
        assert wire.assessment_json(at_order)["assessments"] == wire.assessment_json(as_is)["assessments"]
    assert {c.topic for c in made} in (set(), {c.topic for c in shown})
    assert all("drafted" not in card.detail for card in made)
    if about == "another":
        assert made == ()
