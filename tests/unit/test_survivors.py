"""What `make mutate` showed that no other test would notice: each a patient who would have got another answer, or a wrong word beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from normalise_words import LOINC, PATIENT, RXNORM, SNOMED, TODAY, VOCABULARY, about, amount, code, day, facts_of, lab, one

from cds_service.evaluate.compile import compile_predicate
from cds_service.evaluate.context import Scope
from cds_service.model.facts import UNAVAILABLE, Condition, Facts, Observation, Patient
from cds_service.model.outcomes import TRUE, UNKNOWN, Finding
from cds_service.model.predicates import ConditionIs, Limit, ObservationIs, Period, Persistent
from cds_service.normalise.doses import mg_per_day
from cds_service.normalise.values import read_number
from cds_service.units import factor

EGFR_30 = ObservationIs(("egfr",), (Limit("ge", 30),), "mL/min/{1.73_m2}")


def found(predicate, *rows, site=None, incomplete=None) -> Finding:
    """What the predicate comes to, with these observations and conditions on record."""
    observations: dict[str, list[Observation]] = {}
    conditions: dict[str, list[Condition]] = {}
    for row in rows:
        kept = observations if isinstance(row, Observation) else conditions
        kept.setdefault(row.concept, []).append(row)
    facts = Facts(Patient("Patient/p", sex="female"), TODAY, observations, conditions, incomplete=incomplete or {})
    vocabulary = replace(VOCABULARY, upper_limits=site or {})
    return compile_predicate(predicate, Scope(vocabulary))(facts, None)


def value(concept, number, on="2026-10-18", **more) -> Observation:
    when = day(on) if on else 0
    return Observation(concept, f"Observation/{on}-{number}", when, when, number, number, date=on, value=f"{number}", **more)


# --- whose record, and whether the patient lives -------------------------------------------------


def test_a_death_known_to_the_year_is_a_death():
    assert facts_of(patient={**PATIENT, "deceasedDateTime": "2026"}).patient.deceased
    assert not facts_of(patient={**PATIENT, "deceasedDateTime": "2027"}).patient.deceased


@pytest.mark.parametrize(
    ("reference", "ours"),
    [
        ("https://ehr.example/fhir/Patient/p", True),
        ("https://ehr.example/fhir/Patient/p/_history/3", True),
        ("https://ehr.example/fhir/Patient/p2/_history/3", False),
        ("https://ehr.example/fhir/Patient/p2", False),
    ],
)
def test_a_reference_to_one_version_of_the_patient_is_to_the_patient(reference, ours):
    read = facts_of(lab("718-7", subject={"reference": reference}, valueQuantity=amount(12, "g/dL")))
    assert bool(read.observations) is ours


def test_a_diagnosis_of_which_only_the_end_of_the_onset_is_known_began_no_later():
    lupus = about("Condition", code=code(SNOMED, "68815009"), onsetPeriod={"end": "2020-05-01"}, recordedDate="2026-01-01")
    (row,) = facts_of(lupus).conditions["lupus_nephritis"]
    assert row.dated and row.last == day("2020-05-01") and row.first < day("2000-01-01")


# --- drugs: how much, until when -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("repeat", "mg"),
    [
        ({"period": 1, "periodUnit": "d"}, 10),  # a period without a frequency is once in it
        ({"period": 2, "periodUnit": "d"}, 5),
        ({"frequency": 1, "period": 720, "periodUnit": "min"}, 20),
    ],
)
def test_a_dose_a_day_from_its_period(repeat, mg):
    dosage = {"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": {"value": 10, "unit": "mg"}}]}
    assert mg_per_day([dosage]) == mg


def statement(**fields):
    tacrolimus = code(RXNORM, "42316", display="tacrolimus")
    (row,) = facts_of(about("MedicationStatement", **{"status": "active", "medicationCodeableConcept": tacrolimus, **fields})).exposures["tacrolimus"]
    return row


def test_an_active_statement_whose_period_is_over_does_not_go_on():
    row = statement(effectivePeriod={"start": "2025-01-01", "end": "2025-06-30"})
    assert not row.ongoing and row.end_last == day("2025-06-30")


def test_a_finished_statement_whose_period_ends_later_does_not_go_on():
    assert not statement(status="stopped", effectivePeriod={"start": "2026-01-01", "end": "2026-12-31"}).ongoing


def test_a_supply_from_a_month_ends_within_a_month():
    dispensed = about(
        "MedicationDispense",
        status="completed",
        medicationCodeableConcept=code(RXNORM, "42316", display="tacrolimus"),
        whenHandedOver="2026-03",
        daysSupply=amount(30, "d"),
    )
    (row,) = facts_of(dispensed).exposures["tacrolimus"]
    assert (row.start_first, row.start_last) == (day("2026-03-01"), day("2026-03-31"))
    assert row.end_last - row.end_first == 30


# --- results: what was measured, and what it says -------------------------------------------------


def test_oxygen_by_a_flow_without_a_unit_is_oxygen():
    assert one(facts_of(lab("3151-8", valueQuantity=amount(2))), "inspired_oxygen").code == "oxygen"
    assert one(facts_of(lab("3151-8", valueQuantity=amount(0))), "inspired_oxygen").code == "room-air"


def test_only_inspired_oxygen_is_read_as_room_air_or_oxygen():
    assert one(facts_of(lab("10230-1", valueString="60 %")), "lvef").code is None


def test_one_copy_of_a_virus_is_a_virus():
    assert one(facts_of(lab("42595-9", valueQuantity=amount(1, "[IU]/mL"))), "hbv_dna").result == "positive"
    assert one(facts_of(lab("42595-9", valueQuantity=amount(0, "[IU]/mL"))), "hbv_dna").result == "negative"


def test_the_class_of_another_score_is_no_class_of_this_one():
    answer = {"coding": [{"system": LOINC, "code": "LA9623-5", "display": "able to do light work"}]}
    assert one(facts_of(lab("88020-3", valueCodeableConcept=answer)), "nyha_class").code is None
    assert one(facts_of(lab("88020-3", valueCodeableConcept=code(SNOMED, "421704003"))), "nyha_class").code == "II"


def test_a_span_the_wrong_way_round_is_no_number():
    assert read_number("5-10 g/L") == ((5, 10, False, False), "g/L")
    assert read_number("10-5 g/L") is None


@pytest.mark.parametrize(
    ("unit", "canonical", "times"),
    [("kU/L", "U/L", 1000), ("cm[H2O]", "kPa", 0.0980665), ("mm", "cm", 0.1), ("[in_us]", "cm", 2.54), ("kU/L", "ukat/L", 1000 / 60)],
)
def test_rare_units_convert_by_their_definition(unit, canonical, times):
    assert factor(unit, canonical) == pytest.approx(times, rel=1e-9)


# --- what decides ---------------------------------------------------------------------------------


def test_an_undated_value_does_not_show_that_proteinuria_has_lasted():
    lasting = ObservationIs(("urine_protein_24h",), (Limit("gt", 3.5),), "g/d", persistent=Persistent(2, over=Period(6, "months")))
    assert found(lasting, value("urine_protein_24h", 5.0), value("urine_protein_24h", 6.0, on="2026-01-10")).verdict == TRUE
    assert found(lasting, value("urine_protein_24h", 5.0), value("urine_protein_24h", 6.0, on="")).verdict == UNKNOWN


def test_a_conflict_stays_a_conflict_where_the_list_could_not_be_fetched():
    rows = value("egfr", 25.0), value("egfr", 35.0)
    assert found(EGFR_30, *rows).reason == "conflicting"
    assert found(EGFR_30, *rows, incomplete={VOCABULARY.concepts["egfr"].results: UNAVAILABLE}).reason == "conflicting"


# --- what the reader is told beside it --------------------------------------------------------------


def test_an_upper_limit_from_the_sites_settings_is_said_to_be_one():
    alt = ObservationIs(("alt",), (Limit("le", 3),), times=True)
    assumed = found(alt, value("alt", 24.0), site={"alt": 50.0})
    assert (assumed.verdict, assumed.basis, assumed.evidence[0].note) == (TRUE, "assumed", "upper limit from site settings")
    own = found(alt, value("alt", 24.0, upper=40.0, upper_text="40 U/L"), site={"alt": 50.0})
    assert (own.basis, own.evidence[0].note) == ("recorded", "upper limit 40 U/L")


def test_only_a_diagnosis_of_an_encounter_is_called_one():
    (evidence,) = found(ConditionIs(("lupus_nephritis",)), Condition("lupus_nephritis", "Condition/1", "active", listed="allergy")).evidence
    assert "encounter" not in evidence.note
    (evidence,) = found(ConditionIs(("lupus_nephritis",)), Condition("lupus_nephritis", "Condition/1", "active", listed="encounter")).evidence
    assert evidence.note == "encounter diagnosis"


@pytest.mark.parametrize(
    ("earlier", "shown"),
    [
        (value("egfr", 45.0, on="2026-02-10"), "2026-02-10"),
        (value("egfr", 45.0, on=""), None),
        (value("egfr", 45.0, on="2026-02-10", problem="unit"), None),
        (value("egfr", 45.0, on="2026-02-10")._replace(low=None, high=None), None),
        (value("egfr", 31.0, on="2026-02-10"), None),  # it has not come closer
    ],
)
def test_near_its_limit_a_value_is_shown_with_a_usable_one_before_it(earlier, shown):
    evidence = found(EGFR_30, value("egfr", 32.0), earlier).evidence
    assert [e.date for e in evidence] == (["2026-10-18"] if shown is None else ["2026-10-18", shown])


def test_an_interval_is_not_called_near_its_limit():
    assert found(EGFR_30, value("egfr", 31.0)).near is not None
    assert found(EGFR_30, value("egfr", 31.0)._replace(high=float("inf"))).near is None
