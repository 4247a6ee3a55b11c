"""Conditions, procedures, reports, vaccines, orders and allergies: status, certainty, time."""

from __future__ import annotations

import pytest
from normalise_words import LOINC, PATIENT, RXNORM, SNOMED, TODAY, about, code, day, facts_of, one

from cds_service.model.facts import Unmapped

MN = code(SNOMED, "77182004", display="Membranous glomerulonephritis")


def status(value):
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/x", "code": value}]}


def condition(**fields):
    return about("Condition", **{"code": MN, **fields})


def read(**fields):
    rows = facts_of(condition(**fields)).conditions.get("membranous_nephropathy", [])
    assert len(rows) <= 1
    return rows[0] if rows else None


# --- status and certainty ----------------------------------------------------------------------------------


def test_one_resource_may_name_several_concepts():
    facts = facts_of(condition(clinicalStatus=status("active")))
    assert set(facts.conditions) == {"membranous_nephropathy", "mn_any"}
    row = facts.conditions["mn_any"][0]
    assert (row.reference, row.value, row.listed, row.certain) == ("Condition/1", "Membranous glomerulonephritis", "problem", True)


@pytest.mark.parametrize("value", ["active", "recurrence", "relapse", "remission", "resolved", "inactive"])
def test_clinical_status_is_kept(value):
    assert read(clinicalStatus=status(value)).status == value
    assert read(clinicalStatus=value).status == value  # a plain string is tolerated


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, "active"),
        ({"abatementDateTime": "2020-01-01"}, "resolved"),
        ({"abatementString": "long ago"}, "resolved"),
        ({"abatementBoolean": True}, "resolved"),
        ({"abatementDateTime": "2027-01-01"}, "active"),
        ({"clinicalStatus": status("resolved"), "abatementDateTime": "2027-01-01"}, "active"),
    ],
)
def test_absent_status_follows_abatement(fields, found):
    assert read(**fields).status == found


@pytest.mark.parametrize("value", ["refuted", "entered-in-error"])
def test_refuted_conditions_do_not_exist(value):
    facts = facts_of(condition(verificationStatus=status(value)))
    assert not facts.conditions and not facts.faults


@pytest.mark.parametrize(
    ("fields", "certain"),
    [
        ({}, True),
        ({"verificationStatus": status("confirmed")}, True),
        ({"verificationStatus": status("provisional")}, False),
        ({"verificationStatus": status("differential")}, False),
        ({"verificationStatus": status("unconfirmed")}, False),
        ({"verificationStatus": "provisional"}, False),
        ({"verificationStatus": {"text": "maybe"}}, False),
        ({"clinicalStatus": status("smouldering")}, False),
    ],
)
def test_certainty(fields, certain):
    assert read(**fields).certain is certain


@pytest.mark.parametrize(
    ("categories", "listed"),
    [
        (["encounter-diagnosis"], "encounter"),
        (["problem-list-item"], "problem"),
        (["health-concern"], "problem"),
        (["encounter-diagnosis", "problem-list-item"], "problem"),
        ([], "problem"),
    ],
)
def test_which_list_it_is_on(categories, listed):
    assert read(category=[status(c) for c in categories]).listed == listed


def test_a_diagnosis_in_words_alone_only_raises_the_question():
    assert read(code={"text": "Membranous Nephropathy"}).certain is False
    assert read(code={"text": "Membranous nephropathy, excluded"}) is None
    assert read(code={"text": "Membranous nephropathy", "coding": [{"system": "urn:local", "code": "1"}]}) is None


# --- time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "first", "last", "dated"),
    [
        ({"onsetDateTime": "2024-03-02"}, "2024-03-02", "2024-03-02", True),
        ({"onsetDateTime": "2026"}, "2026-01-01", "2026-11-01", True),
        ({"onsetDateTime": "2026", "recordedDate": "2026-03-05"}, "2026-01-01", "2026-03-05", True),
        ({"onsetPeriod": {"start": "2024-01-01", "end": "2024-02-01"}}, "2024-01-01", "2024-02-01", True),
        ({"onsetPeriod": {"start": "2024-01-01"}}, "2024-01-01", "2026-11-01", True),
        ({"onsetAge": {"value": 40, "code": "a"}}, "2016-05-04", "2017-05-03", True),
        ({"onsetRange": {"low": {"value": 40, "unit": "years"}, "high": {"value": 41, "unit": "years"}}}, "2016-05-04", "2018-05-03", True),
        ({"onsetString": "2024-05"}, "2024-05-01", "2024-05-31", True),
        ({"onsetString": "in childhood", "recordedDate": "2024-05-01"}, None, "2024-05-01", False),
        ({"recordedDate": "2024-05-01T10:00:00Z"}, None, "2024-05-01", False),
        ({}, None, None, False),
    ],
)
def test_onset_is_an_interval_and_recorded_date_its_latest_end(fields, first, last, dated):
    row = read(**fields)
    assert (row.first, row.last, row.dated) == (day(first) if first else 0, day(last) if last else 0, dated)


def test_onset_at_an_age_is_unknown_without_a_birth_date():
    facts = facts_of(condition(onsetAge={"value": 40, "code": "a"}, recordedDate="2024-05-01"), patient={"resourceType": "Patient", "id": "p"})
    row = facts.conditions["mn_any"][0]
    assert (row.first, row.last, row.dated) == (0, day("2024-05-01"), False)


@pytest.mark.parametrize("fields", [{"onsetDateTime": "2026-11-02"}, {"recordedDate": "2026-12-01"}])
def test_what_begins_later_does_not_exist_yet(fields):
    assert read(**fields) is None
    assert facts_of(condition(**fields), as_of=TODAY + 60).conditions


def test_abatement_is_kept():
    row = read(clinicalStatus=status("resolved"), onsetDateTime="2020", abatementDateTime="2021-06")
    assert (row.ended_first, row.ended_last) == (day("2021-06-01"), day("2021-06-30"))


# --- classes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"code": code(SNOMED, "36402006")}, "IV"),
        ({"code": code(SNOMED, "68815009"), "stage": [{"summary": {"text": "Class IV-S (A/C)"}}]}, "IV-S (A/C)"),
        ({"code": code(SNOMED, "68815009"), "stage": [{"summary": code(SNOMED, "52042003")}]}, "V"),
        ({"code": MN, "stage": [{"summary": {"text": "Stage III"}}]}, None),
        ({"code": code(SNOMED, "36402006"), "verificationStatus": status("provisional")}, None),
        ({"code": code(SNOMED, "36402006"), "clinicalStatus": status("resolved")}, None),
    ],
)
def test_lupus_nephritis_class_of_a_condition(fields, found):
    rows = facts_of(condition(onsetDateTime="2026-05-01", **fields)).observations.get("isn_rps_class", [])
    assert [row.code for row in rows] == ([found] if found else [])
    assert all(row.first == row.last == day("2026-05-01") for row in rows)


def test_a_class_that_was_only_typed_on_a_day_may_be_older():
    row = one(facts_of(condition(code=code(SNOMED, "36402006"), recordedDate="2026-05-01")), "isn_rps_class")
    assert row.first < row.last == day("2026-05-01")


def test_a_stage_of_heart_failure_names_a_functional_class():
    assert one(facts_of(condition(stage=[{"summary": code(SNOMED, "421704003")}], recordedDate="2026-05-01")), "nyha_class").code == "II"


# --- procedures, reports, vaccines, orders -----------------------------------------------------------------

BIOPSY = code(SNOMED, "7246002", display="Kidney biopsy")


@pytest.mark.parametrize(
    ("fields", "first", "last"),
    [
        ({"performedDateTime": "2026-05"}, "2026-05-01", "2026-05-31"),
        ({"performedPeriod": {"start": "2026-05-01T10:00:00Z", "end": "2026-05-01T11:00:00Z"}}, "2026-05-01", "2026-05-01"),
        ({"performedAge": {"value": 40, "unit": "a"}}, "2016-05-04", "2017-05-03"),
        ({"performedRange": {"low": {"value": 40, "unit": "a"}, "high": {"value": 41, "unit": "a"}}}, "2016-05-04", "2018-05-03"),
        ({"performedString": "2020"}, "2020-01-01", "2020-12-31"),
        ({"performedString": "years ago"}, None, None),
        ({}, None, None),
    ],
)
def test_a_procedure_that_was_done(fields, first, last):
    (row,) = facts_of(about("Procedure", status="completed", code=BIOPSY, **fields)).events["proc_renal_biopsy"]
    assert (row.first, row.last, row.planned) == (day(first) if first else 0, day(last) if last else 0, False)
    assert row.value == "Kidney biopsy"


@pytest.mark.parametrize("value", ["not-done", "preparation", "in-progress", "entered-in-error", "stopped", "unknown"])
def test_a_procedure_that_was_not_completed(value):
    facts = facts_of(about("Procedure", status=value, code=BIOPSY, performedDateTime="2026-05-01"))
    assert not facts.events and not facts.faults


def test_a_procedure_without_status_is_a_fault_and_raises_its_question():
    facts = facts_of(about("Procedure", code=BIOPSY, performedDateTime="2026-05-01"))
    assert facts.faults[0].why == "cannot be read: status is missing"
    assert {(row.told_by, row.last) for rows in facts.events.values() for row in rows} == {("not confirmed", 0)}


@pytest.mark.parametrize("fields", [{"verificationStatus": status("refuted")}, {"subject": {"reference": "Patient/q"}}])
def test_what_is_void_or_about_somebody_else_raises_no_question(fields):
    facts = facts_of(condition(**{"onsetDateTime": "yesterday", **fields}))
    assert not facts.conditions and not facts.incomplete


def test_a_procedure_of_tomorrow_was_not_done_yet():
    assert not facts_of(about("Procedure", status="completed", code=BIOPSY, performedDateTime="2026-11-02")).events


def test_an_infusion_charted_as_a_procedure_is_an_exposure():
    (row,) = facts_of(about("Procedure", status="completed", code=code(RXNORM, "121191"), performedDateTime="2026-05-01")).exposures["rituximab"]
    assert (row.kind, row.start_first, row.end_last) == ("administration", day("2026-05-01"), day("2026-05-01"))


def test_a_pathology_report_is_an_event_and_its_conclusion_a_diagnosis():
    conclusion = code(SNOMED, "36402006", display="Lupus nephritis class IV") | {"text": "Lupus nephritis, class IV-G (A)"}
    report = about("DiagnosticReport", status="final", code=code(LOINC, "11529-5"), effectiveDateTime="2026-05-01", conclusionCode=[conclusion])
    facts = facts_of(report)
    assert facts.events["pathology_report"][0].first == day("2026-05-01")
    assert (facts.conditions["lupus_nephritis"][0].listed, facts.conditions["lupus_nephritis"][0].reference) == ("report", "DiagnosticReport/1")
    assert one(facts, "isn_rps_class").code == "IV-G (A)"
    assert not facts_of(report | {"status": "preliminary"}).events
    assert facts_of(report | {"status": "done"}).faults
    other = facts_of(report | {"subject": {"reference": "Patient/q"}})
    assert not other.events and not other.conditions and other.faults
    assert not facts_of(report | {"effectiveDateTime": "2027-01-01"}).events
    assert not facts_of(report | {"code": None, "conclusionCode": None}).events


def test_a_vaccine_or_procedure_of_somebody_else_or_of_tomorrow():
    vaccine = {"resourceType": "Immunization", "id": "v", "status": "completed", "vaccineCode": code("http://hl7.org/fhir/sid/cvx", "03")}
    assert not facts_of(vaccine | {"patient": {"reference": "Patient/q"}}).events
    assert not facts_of(vaccine | {"patient": {"reference": "Patient/p"}, "occurrenceDateTime": "2026-11-02"}).events
    assert not facts_of(about("ServiceRequest", status="active", intent="order", code=BIOPSY, subject={"reference": "Patient/q"})).events


def test_an_order_for_some_time_and_an_order_for_no_time():
    order = about("ServiceRequest", status="active", intent="order", code=BIOPSY, authoredOn="2026-10-01")
    (row,) = facts_of(order | {"occurrencePeriod": {"start": "2026-12-01", "end": "2026-12-31"}}).events["proc_renal_biopsy"]
    assert (row.first, row.last) == (day("2026-12-01"), day("2026-12-31"))
    (row,) = facts_of(order).events["proc_renal_biopsy"]
    assert (row.first, row.planned, row.date) == (0, True, "2026-10-01")


@pytest.mark.parametrize(("value", "found"), [("completed", True), ("not-done", False), ("entered-in-error", False)])
def test_a_vaccine_counts_when_it_was_given(value, found):
    vaccine = {
        "resourceType": "Immunization",
        "id": "v",
        "status": value,
        "patient": {"reference": "Patient/p"},
        "vaccineCode": code("urn:oid:2.16.840.1.113883.12.292", "3"),
        "occurrenceDateTime": "2026-10-20",
    }
    assert bool(facts_of(vaccine).events.get("vaccine_live")) is found


@pytest.mark.parametrize(
    ("fields", "planned"),
    [
        ({}, True),
        ({"status": "completed"}, False),
        ({"status": "revoked"}, False),
        ({"intent": "proposal"}, False),
        ({"doNotPerform": True}, False),
        ({"authoredOn": "2026-11-02"}, False),
    ],
)
def test_an_active_order_of_a_procedure_is_planned(fields, planned):
    order = about("ServiceRequest", **{"status": "active", "intent": "order", "code": BIOPSY, "occurrenceDateTime": "2026-12-01", **fields})
    rows = facts_of(order).events.get("proc_renal_biopsy", [])
    assert [(row.planned, row.first) for row in rows] == ([(True, day("2026-12-01"))] if planned else [])


# --- allergies ---------------------------------------------------------------------------------------------


def allergy(**fields):
    base = {
        "resourceType": "AllergyIntolerance",
        "id": "a",
        "patient": {"reference": "Patient/p"},
        "code": code(RXNORM, "3002", display="cyclophosphamide"),
    }
    return facts_of(base | fields).conditions.get("cyclophosphamide", [])


def test_an_allergy_counts_under_its_drug():
    (row,) = allergy(recordedDate="2020-01-01")
    assert (row.listed, row.status, row.severe, row.certain, row.last) == ("allergy", "active", False, True, day("2020-01-01"))


@pytest.mark.parametrize("fields", [{"criticality": "high"}, {"reaction": [{"severity": "severe"}]}])
def test_a_severe_allergy(fields):
    assert allergy(**fields)[0].severe


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"verificationStatus": status("refuted")}, 0),
        ({"verificationStatus": status("entered-in-error")}, 0),
        ({"type": "intolerance"}, 0),
        ({"type": "intolerance", "criticality": "high"}, 1),
        ({"code": {"text": "Cyclophosphamide"}}, 1),
        ({"code": {"text": "No known allergy to cyclophosphamide"}}, 0),
        ({"code": code(SNOMED, "716186003", display="No known allergy")}, 0),
        ({"code": {"text": "chemotherapy"}, "reaction": [{"substance": code(RXNORM, "3002")}]}, 1),
        ({"patient": {"reference": "Patient/q"}}, 0),
    ],
)
def test_what_counts_as_an_allergy(fields, count):
    assert len(allergy(**fields)) == count


def test_an_allergy_code_of_the_problem_list_and_one_of_tomorrow():
    base = {"resourceType": "AllergyIntolerance", "id": "a", "patient": {"reference": "Patient/p"}, "code": MN}
    assert facts_of(base).conditions["mn_any"][0].listed == "allergy"
    assert not allergy(onsetDateTime="2027-01-01")


def test_an_unconfirmed_allergy_is_not_certain():
    assert allergy(verificationStatus=status("unconfirmed"))[0].certain is False


# --- what cannot be read, what is not known ----------------------------------------------------------------


BROKEN = {"clinicalStatus": 5, "code": {"coding": [{"system": SNOMED, "code": "77182004", "display": 5.5}]}}  # its words, too


#: Past or present, sure or not: nobody knows what it says of the diagnosis.
OF_NO_TABLE = {"verificationStatus": status("sort-of"), "clinicalStatus": status("resolved")}


@pytest.mark.parametrize(
    "fields", [{"clinicalStatus": 5}, {"onsetDateTime": "yesterday"}, {"category": [3]}, {"onsetAge": {"value": "old"}}, BROKEN, OF_NO_TABLE]
)
def test_a_broken_condition_is_a_fault_and_raises_its_question(fields):
    """Else a diagnosis that excludes would look like none."""
    facts = facts_of(condition(**fields))
    assert facts.faults[0].why.startswith("cannot be read")
    assert facts.conditions and all(not row.certain and not row.last for rows in facts.conditions.values() for row in rows)


def test_a_condition_that_names_nothing_is_left_alone():
    facts = facts_of(condition(code=None))
    assert not facts.conditions and not facts.faults and not facts.unmapped and not facts.incomplete


@pytest.mark.parametrize("code_", [["x"], {"coding": [3]}, {"coding": [{"system": SNOMED, "code": 7}]}])
def test_a_condition_whose_code_cannot_be_read_may_be_any(code_):
    facts = facts_of(condition(code=code_))
    assert not facts.conditions and facts.faults[0].why.startswith("cannot be read")
    assert facts.incomplete == {"conditions": "truncated"}


@pytest.mark.parametrize("fields", [{"onsetPeriod": {"start": "2024-02-01", "end": "2024-01-01"}}, {"onsetAge": {"value": True, "code": "a"}}])
def test_impossible_times_are_faults(fields):
    assert facts_of(condition(**fields)).faults


def test_a_class_named_twice_is_one_fact():
    twice = condition(code=code(SNOMED, "36402006"), stage=[{"summary": code(SNOMED, "36402006")}, {"type": MN}], onsetDateTime="2026-05-01")
    assert one(facts_of(twice), "isn_rps_class").code == "IV"


def test_a_broken_stage_leaves_the_diagnosis():
    facts = facts_of(condition(stage=[7]))
    assert facts.conditions and facts.faults[0].why.startswith("cannot be read: stage")


def test_codes_that_no_concept_names_are_counted():
    flu = about("Condition", code=code("https://snomed.info/sct/", "6142004", display="Influenza"))
    other = about("Observation", status="final", code=code(LOINC, "2823-3", display="Potassium"))
    local = about("Observation", status="final", code=code("urn:local", "K"))
    facts = facts_of(flu, flu | {"id": "2"}, flu | {"id": "2"}, other, local | {"id": "l"})
    assert facts.unmapped == (Unmapped(SNOMED, "6142004", "Influenza", 2), Unmapped(LOINC, "2823-3", "Potassium", 1))


def test_the_commonest_fifty_are_listed():
    many = [about("Condition", code=code(SNOMED, str(1000 + i))) | {"id": f"{i}-{n}"} for i in range(60) for n in range(1 + (i == 59))]
    facts = facts_of(*many)
    assert len(facts.unmapped) == 50 and facts.unmapped[0].code == "1059"


def test_patient_is_read_too():
    assert facts_of(patient=PATIENT).patient.born_first == day("1976-05-04")
