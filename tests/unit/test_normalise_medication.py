"""Medication resources: which drug, from when to when, how much a day, and in which words."""

from __future__ import annotations

import pytest
from normalise_words import ATC, RXNORM, TODAY, about, code, day, facts_of

from cds_service.normalise.doses import mg_per_day

TACROLIMUS = code(RXNORM, "42316", display="tacrolimus")


def order(**fields):
    return about(
        "MedicationRequest", **{"status": "active", "intent": "order", "medicationCodeableConcept": TACROLIMUS, "authoredOn": "2026-03-01", **fields}
    )


def statement(**fields):
    return about("MedicationStatement", **{"status": "active", "medicationCodeableConcept": TACROLIMUS, **fields})


def given(**fields):
    return about("MedicationAdministration", **{"status": "completed", "medicationCodeableConcept": TACROLIMUS, **fields})


def dispensed(**fields):
    return about("MedicationDispense", **{"status": "completed", "medicationCodeableConcept": TACROLIMUS, **fields})


def rows(resource, *others):
    return facts_of(resource, *others).exposures.get("tacrolimus", [])


def span(row):
    """Start and end as recorded days; None where there is none."""
    return (row.start_first, row.start_last, row.end_first, row.end_last)


def days(*texts):
    return tuple(day(text) if text else 0 for text in texts)


# --- orders ------------------------------------------------------------------------------------------------


def test_an_active_order_without_an_end_runs_to_the_day_and_is_shown_as_prescribed():
    (row,) = rows(order())
    assert span(row) == (day("2026-03-01"), day("2026-03-01"), TODAY, TODAY)
    assert (row.kind, row.ongoing, row.value, row.date) == ("order", True, "tacrolimus prescribed", "2026-03-01")


@pytest.mark.parametrize("value", ["completed", "stopped", "on-hold"])
def test_an_order_that_ended_nobody_knows_when_is_a_point(value):
    (row,) = rows(order(status=value))
    assert span(row) == days(*["2026-03-01"] * 4) and not row.ongoing


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "cancelled"},
        {"status": "draft"},
        {"status": "entered-in-error"},
        {"status": "unknown"},
        {"intent": "plan"},
        {"intent": "proposal"},
        {"intent": "option"},
        {"doNotPerform": True},
        {"authoredOn": "2026-11-02"},
    ],
)
def test_orders_that_are_no_evidence(fields):
    facts = facts_of(order(**fields))
    assert not facts.exposures and not facts.faults


@pytest.mark.parametrize("intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"])
def test_intents_that_count(intent):
    assert rows(order(intent=intent))


@pytest.mark.parametrize(
    ("fields", "end", "ongoing"),
    [
        ({"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": {"start": "2026-03-01", "end": "2026-06-30"}}}}]}, "2026-06-30", False),
        ({"dosageInstruction": [{"timing": {"repeat": {"boundsDuration": {"value": 3, "code": "mo"}}}}]}, "2026-06-01", False),
        ({"dispenseRequest": {"validityPeriod": {"start": "2026-03-01", "end": "2026-08-31"}}}, "2026-08-31", False),
        (
            {"dosageInstruction": [{}, {"timing": {"repeat": {"boundsRange": {"high": {"value": 2, "unit": "wk"}}}}}], "status": "completed"},
            "2026-03-15",
            False,
        ),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "d"}, "numberOfRepeatsAllowed": 2}}, "2026-05-30", False),
        ({"dispenseRequest": {"validityPeriod": {"start": "2026-03-01", "end": "2027-02-28"}}}, "2026-11-01", True),
        ({"dispenseRequest": {"validityPeriod": {"start": "2026-03-01"}}}, "2026-11-01", True),
    ],
)
def test_the_end_of_an_order(fields, end, ongoing):
    (row,) = rows(order(**fields))
    assert (row.end_last, row.ongoing) == (day(end), ongoing)


def test_an_order_stopped_before_its_planned_end_ended_some_time_until_then():
    (row,) = rows(order(status="stopped", dispenseRequest={"validityPeriod": {"end": "2026-08-31"}}))
    assert span(row) == days("2026-03-01", "2026-03-01", "2026-03-01", "2026-08-31")


def test_partial_dates_are_intervals():
    (row,) = rows(order(status="completed", authoredOn="2026-03"))
    assert span(row) == days("2026-03-01", "2026-03-31", "2026-03-01", "2026-03-31")


def test_an_undated_order():
    (row,) = rows(order(authoredOn=None))
    assert (row.start_first, row.start_last, row.ongoing) == (0, 0, True)


# --- statements, administrations, dispenses ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected", "ongoing"),
    [
        (
            {"effectivePeriod": {"start": "2025-01-01", "end": "2025-06-30"}, "status": "completed"},
            ("2025-01-01", "2025-01-01", "2025-06-30", "2025-06-30"),
            False,
        ),
        ({"effectivePeriod": {"start": "2025-01"}}, ("2025-01-01", "2025-01-31", "2026-11-01", "2026-11-01"), True),
        ({"effectivePeriod": {"start": "2025-01-01"}, "status": "stopped"}, ("2025-01-01",) * 4, False),
        ({"effectiveDateTime": "2025-01-01"}, ("2025-01-01", "2025-01-01", "2026-11-01", "2026-11-01"), True),
        ({"effectivePeriod": {"end": "2025-06-30"}, "status": "completed"}, ("1900-01-01", "2025-06-30", "2025-06-30", "2025-06-30"), False),
        ({"dateAsserted": "2026-02-02"}, ("1900-01-01", "2026-02-02", "2026-11-01", "2026-11-01"), True),
    ],
)
def test_statements(fields, expected, ongoing):
    (row,) = rows(statement(**fields))
    assert span(row) == days(*expected)
    assert (row.ongoing, row.kind, row.value) == (ongoing, "statement", "tacrolimus (statement)")


@pytest.mark.parametrize("value", ["intended", "not-taken", "entered-in-error", "unknown"])
def test_statements_that_something_was_not_taken(value):
    assert not rows(statement(status=value, effectiveDateTime="2025-01-01"))


@pytest.mark.parametrize(("value", "count"), [("completed", 1), ("in-progress", 1), ("stopped", 1), ("not-done", 0), ("entered-in-error", 0)])
def test_administrations(value, count):
    found = rows(given(status=value, effectiveDateTime="2026-05-01"))
    assert len(found) == count
    assert all(row.value == "tacrolimus administered" and row.start_first == day("2026-05-01") for row in found)


def test_an_administration_is_a_point_or_a_period():
    assert span(rows(given(effectiveDateTime="2026-05-01"))[0]) == days(*["2026-05-01"] * 4)
    assert span(rows(given(effectivePeriod={"start": "2026-05-01", "end": "2026-05-03"}))[0]) == days(
        "2026-05-01", "2026-05-01", "2026-05-03", "2026-05-03"
    )


@pytest.mark.parametrize(
    ("fields", "end"),
    [({"daysSupply": {"value": 90, "unit": "days"}}, "2026-05-30"), ({"daysSupply": {"value": 90}}, "2026-05-30"), ({}, "2026-03-01")],
)
def test_a_dispense_lasts_as_long_as_its_supply(fields, end):
    (row,) = rows(dispensed(whenHandedOver="2026-03-01T10:00:00Z", **fields))
    assert (row.start_first, row.end_last, row.value) == (day("2026-03-01"), day(end), "tacrolimus dispensed")


@pytest.mark.parametrize("value", ["preparation", "cancelled", "declined", "stopped"])
def test_what_was_not_handed_over(value):
    assert not rows(dispensed(status=value, whenHandedOver="2026-03-01"))


# --- which drug --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("medication", "found"),
    [
        (code("urn:oid:2.16.840.1.113883.6.88", "42316"), {"tacrolimus"}),
        (code(ATC, "L04AD02"), {"tacrolimus"}),
        (code(ATC, "L04AD01"), {"cni_class"}),
        ({"coding": [*code(RXNORM, "42316")["coding"], *code(ATC, "L04AD99")["coding"]]}, {"tacrolimus"}),
        ({"text": "Tacrolimus 1 mg capsule"}, {"tacrolimus"}),
        ({"text": "他克莫司胶囊"}, {"tacrolimus"}),
        (code("urn:local", "7", display="TACROLIMUS caps"), {"tacrolimus"}),
        ({"text": "Tacrolimus 0.1% ointment"}, set()),
        ({"text": "他克莫司软膏"}, set()),
        ({"text": "prednisone eye drops"}, set()),
        ({"text": "Tacrolimusol"}, set()),
        (code(RXNORM, "313782", display="Acetaminophen"), set()),
        ({"text": "prednisone and mycophenolate pack"}, {"prednisone", "mycophenolate"}),
    ],
)
def test_the_drug_by_code_else_by_name(medication, found):
    assert set(facts_of(order(medicationCodeableConcept=medication)).exposures) == found


@pytest.mark.parametrize(("route", "count"), [({"text": "PO"}, 1), ({"text": "Topical"}, 0), (code("http://snomed.info/sct", "54485002"), 0)])
def test_a_route_to_one_place_is_no_systemic_treatment(route, count):
    assert len(rows(order(dosageInstruction=[{"route": route}]))) == count


def test_medications_contained_in_the_record_and_by_ingredient():
    contained = {"contained": [{"resourceType": "Medication", "id": "m", "code": TACROLIMUS}], "medicationReference": {"reference": "#m"}}
    assert rows(order(medicationCodeableConcept=None, **contained))
    mixture = {"resourceType": "Medication", "id": "m1", "code": {"text": "house mixture"}, "ingredient": [{"itemCodeableConcept": TACROLIMUS}]}
    for reference in ("Medication/m1", "https://ehr.example/fhir/Medication/m1", "urn:uuid:m1", "Medication/m1/_history/2"):
        (row,) = rows(order(medicationCodeableConcept=None, medicationReference={"reference": reference}), mixture)
        assert row.value == "house mixture prescribed"
    other = {"resourceType": "Medication", "id": "m1", "ingredient": [{"itemCodeableConcept": TACROLIMUS, "isActive": False}]}
    assert not rows(order(medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"}), other)


def test_medications_that_lead_nowhere():
    base = order(medicationCodeableConcept=None)
    assert not facts_of(base).exposures and not facts_of(base).faults
    assert not rows(base | {"medicationReference": {"reference": "#none", "display": "x"}, "contained": [{"resourceType": "Medication", "id": "m"}]})
    assert not rows(base | {"medicationReference": {"display": "x"}})
    ointment = {"resourceType": "Medication", "id": "m", "code": TACROLIMUS, "form": {"text": "Ointment"}}
    assert not rows(base | {"medicationReference": {"reference": "Medication/m"}}, ointment)
    salt = {"resourceType": "Medication", "id": "s", "code": TACROLIMUS}
    mixture = {
        "resourceType": "Medication",
        "id": "m",
        "ingredient": [{"itemReference": {"reference": "Medication/s"}}, {"itemReference": {"reference": "Medication/t"}}],
    }
    assert rows(base | {"medicationReference": {"reference": "Medication/m"}}, salt, mixture)
    assert rows(base | {"medicationReference": {"reference": "Medication/m", "display": "Tacrolimus"}}, {"resourceType": "Medication", "id": "m"})


def test_a_medication_that_is_not_in_the_data_is_a_fault_unless_it_is_named():
    facts = facts_of(order(medicationCodeableConcept=None, medicationReference={"reference": "Medication/x"}))
    assert [(f.reference, f.why) for f in facts.faults] == [("MedicationRequest/1", "its Medication was not in the data")]
    named = order(medicationCodeableConcept=None, medicationReference={"reference": "Medication/x", "display": "Tacrolimus 1 mg"})
    assert rows(named) and not facts_of(named).faults


def test_whose_medication():
    facts = facts_of(order(subject={"reference": "Patient/q"}))
    assert not facts.exposures and facts.faults[0].why == "is about another patient"


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "paused"},
        {"intent": None},
        {"dosageInstruction": "daily"},
        {"authoredOn": 2026},
        {"dispenseRequest": {"validityPeriod": {"start": "2026-05-01", "end": "2026-04-01"}}},
    ],
)
def test_a_broken_order_is_a_fault(fields):
    facts = facts_of(order(**fields))
    assert not facts.exposures and facts.faults[0].why.startswith("cannot be read")


# --- doses -------------------------------------------------------------------------------------------------


def dosage(value=20, unit="mg", **fields):
    timing = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    return {"timing": timing, "doseAndRate": [{"doseQuantity": {"value": value, "unit": unit}}], **fields}


def every(**repeat):
    return {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", **repeat}}}


@pytest.mark.parametrize(
    ("lines", "amount"),
    [
        ([dosage()], 20),
        ([dosage(0.5, "g")], 500),
        ([dosage(**every(frequency=2))], 40),
        ([dosage(**every(period=2))], 10),
        ([dosage(**every(frequency=1, period=8, periodUnit="h"))], 60),
        ([dosage(timing={"code": {"coding": [{"code": "BID"}]}})], 40),
        ([dosage(sequence=1), dosage(10, sequence=1)], 30),
        ([dosage(sequence=1), dosage(10, sequence=2)], None),
        ([dosage(), dosage(10)], None),
        ([dosage(1, "tablet")], None),
        ([dosage(1, "mg/kg")], None),
        ([dosage(asNeededBoolean=True)], None),
        ([dosage(asNeededCodeableConcept={"text": "pain"})], None),
        ([dosage(text="taper over 6 weeks")], None),
        ([dosage(text="as directed")], None),
        ([dosage(text="20 mg daily")], 20),
        ([dosage(timing=None)], None),
        ([dosage(sequence=1), {"sequence": 1}], None),
        ([dosage(), dosage(sequence=1)], None),
        ([dosage(None)], None),
        ([dosage(**every(frequencyMax=3))], None),
        ([dosage(**every(dayOfWeek=["mon"]))], None),
        ([{"text": "20 mg daily"}], None),
        ([], None),
    ],
)
def test_milligrams_a_day_only_where_the_record_says_so(lines, amount):
    assert mg_per_day(lines) == amount


def test_a_dose_belongs_to_its_order():
    assert rows(order(dosageInstruction=[dosage(3)]))[0].mg_per_day == 3
    assert rows(given(effectiveDateTime="2026-05-01", dosage={"dose": {"value": 3, "unit": "mg"}}))[0].mg_per_day is None
