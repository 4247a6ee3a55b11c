"""CDS Hooks JSON ⇄ nouns: templates, requests that are fine, cards, drafts, assessments."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import UUID

import orjson
import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task
from jsonschema import Draft202012Validator, FormatChecker

import cds_service
from cds_service import wire
from cds_service.model.cards import Card, Draft, Link, Suggestion
from cds_service.model.facts import Evidence, Fault
from cds_service.model.hooks import Access
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Answer, Assessment, Finding, Outcome
from cds_service.model.predicates import Age, Manual
from cds_service.model.trials import Cohort, Criterion, Interpretation, Site, Trial
from cds_service.model.vocabulary import LISTS, Coding, Concept, Mapped, Vocabulary
from cds_service.wire import assessments

SCHEMA = Draft202012Validator(json.loads((Path(cds_service.__file__).parent / "assessment.schema.json").read_text()), format_checker=FormatChecker())
UUID_TEXT = "6bc883b2-b795-4dcb-b661-34884a31d472"

# --- templates -----------------------------------------------------------------------------------


def vocabulary(concepts, codes):
    """concepts: id → (kind, list); codes: code → ids of concepts."""
    return Vocabulary(
        {name: Concept(name, kind, name, results=results) for name, (kind, results) in concepts.items()},
        {("http://loinc.org", code): tuple(Mapped(c, {}) for c in names) for code, names in codes.items()},
        {},
    )


SMALL = vocabulary(
    {
        "egfr": ("observation", "results-kidney"),
        "serum_creatinine": ("observation", "results-kidney"),
        "body_height": ("observation", "results-other"),
        "body_weight": ("observation", "results-other"),
        "hbsag": ("observation", "results-infection"),
        "bp_systolic": ("observation", "results-other"),
        "proc_renal_biopsy": ("procedure", ""),
        "pathology_report": ("procedure", ""),
        "proc_dialysis": ("procedure", ""),
        "sle": ("condition", ""),
    },
    {
        "98979-8": ["egfr"],
        "2160-0": ["serum_creatinine"],
        "8302-2": ["body_height"],
        "29463-7": ["body_weight"],
        "5196-1": ["hbsag"],
        "8480-6": ["bp_systolic"],
        "7246002": ["proc_renal_biopsy"],
        "11529-5": ["pathology_report"],
        "108241001": ["proc_dialysis"],
        "55464009": ["sle"],
        "1-1": ["unheard_of"],
    },
)
NO_RESULTS = [key for key in LISTS if not key.startswith("results-")]


def test_lists_without_codes_are_read_whole():
    assert wire.templates(SMALL, []) == {
        "patient": "Patient/{{context.patientId}}",
        "conditions": "Condition?patient={{context.patientId}}&_count=200",
        "medication-requests": "MedicationRequest?patient={{context.patientId}}&_count=200",
        "medication-statements": "MedicationStatement?patient={{context.patientId}}&_count=200",
        "medication-administrations": "MedicationAdministration?patient={{context.patientId}}&_count=200",
        "medication-dispenses": "MedicationDispense?patient={{context.patientId}}&_count=200",
        "procedures": "Procedure?patient={{context.patientId}}&_count=200",
        "allergies": "AllergyIntolerance?patient={{context.patientId}}&_count=200",
        "immunizations": "Immunization?patient={{context.patientId}}&_count=200",
    }
    assert list(wire.templates(SMALL, ["pathology_report"])) == NO_RESULTS


def test_results_are_asked_for_by_the_bare_codes_of_the_concepts_in_use_and_of_what_they_are_computed_from():
    found = wire.templates(SMALL, ["egfr", "sle"])
    assert found["results-kidney"] == "Observation?patient={{context.patientId}}&code=2160-0,24323-8,98979-8&_sort=-date&_count=500"
    assert found["results-other"] == "Observation?patient={{context.patientId}}&code=8302-2&_sort=-date&_count=500"
    assert "results-infection" not in found
    assert "29463-7" in wire.templates(SMALL, ["glucocorticoid"])["results-other"], "a dose per kilogram needs the weight"


def test_panels_and_biopsy_codes_are_asked_for_too():
    found = wire.templates(SMALL, ["bp_systolic", "proc_renal_biopsy", "pathology_report", "proc_dialysis"])
    assert "code=8480-6,85354-9&" in found["results-other"]
    assert found["reports"] == "DiagnosticReport?patient={{context.patientId}}&code=11529-5,7246002&_count=100"
    assert "108241001" not in str(found)


def test_a_list_too_long_for_one_address_goes_on_under_numbered_keys():
    codes = [f"{n}-{n % 10}" for n in range(10_000, 10_700)]
    many = vocabulary({"hbsag": ("observation", "results-infection")}, {code: ["hbsag"] for code in codes})
    found = wire.templates(many, ["hbsag"])
    keys = [k for k in found if k.startswith("results-infection")]
    assert keys == ["results-infection", "results-infection-2", "results-infection-3", "results-infection-4"]
    assert all(len(url) <= 1900 for url in found.values())
    assert sorted(c for k in keys for c in found[k].split("code=")[1].split("&")[0].split(",")) == sorted(codes)


# --- requests ------------------------------------------------------------------------------------


def body(**members):
    return {"hook": "patient-view", "hookInstance": UUID_TEXT, "context": {"patientId": "123", "userId": "Practitioner/abc"}, **members}


def test_a_whole_request_is_read():
    asked = wire.read_request(
        body(
            context={"patientId": "Patient/a.b-1", "userId": "PractitionerRole/x", "encounterId": "e1", "odd": [1]},
            fhirServer="https://fhir.example:8443/r4/",
            fhirAuthorization={"access_token": "tok.en_1~", "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "y"},
            prefetch={"conditions": None, "patient": {"resourceType": "Patient"}, "reports": "<html>"},
            extension={"com.epic.cdshooks.request.bpa-trigger-action": 60},
            more="members",
        )
    )
    assert (asked.hook, asked.instance, asked.patient_id, asked.user_id, asked.encounter_id) == (
        "patient-view",
        UUID_TEXT,
        "a.b-1",
        "PractitionerRole/x",
        "e1",
    )
    assert asked.access == Access("https://fhir.example:8443/r4", "tok.en_1~")
    assert asked.prefetch == {"conditions": None, "patient": {"resourceType": "Patient"}, "reports": "<html>"}
    assert asked.as_of is None
    assert "tok.en_1" not in repr(asked) and "html" not in repr(asked)


def test_the_least_request_is_read():
    asked = wire.read_request(body(prefetch=None, fhirServer=None, fhirAuthorization=None, extension=None))
    assert (asked.prefetch, asked.access, asked.encounter_id, asked.as_of) == ({}, None, "", None)
    assert wire.read_request(body(fhirServer="http://127.0.0.1:8080/fhir")).access == Access("http://127.0.0.1:8080/fhir", "")


def test_a_uuid_of_version_1_and_capitals_will_do():
    assert wire.read_request(body(hookInstance="D1577C69-DFBE-11AD-BA6D-3E05E953B2EA")).instance == "D1577C69-DFBE-11AD-BA6D-3E05E953B2EA"


def test_the_sandbox_takes_a_date():
    extension = {"org.cds-service.as-of": "2026-11-01"}
    assert wire.read_request(body(extension=extension), sandbox=True).as_of == date(2026, 11, 1)
    assert wire.read_request(body(extension={}), sandbox=True).as_of is None


@pytest.mark.parametrize(
    ("given", "said"), [({"hookInstance": UUID_TEXT}, UUID_TEXT), ({"hookInstance": "Ann"}, ""), ({"hookInstance": 5}, ""), ([], "")]
)
def test_only_a_uuid_is_taken_for_the_log(given, said):
    assert wire.instance_of(given) == said


# --- assessments ---------------------------------------------------------------------------------

READING = Interpretation("read as at least 30", "the sign is lost", (), True, "unreviewed")
CRITERIA = (
    Criterion("inc-age", "inclusion", "Inclusion 1", "Age at least 18", Age(18)),
    Criterion("inc-egfr", "inclusion", "Inclusion 2", "eGFR at least 30", Age(), pivotal=True, interpretation=READING),
    Criterion("inc-consent", "inclusion", "Inclusion 3", "Consent", Manual("consent")),
    Criterion("exc-hiv", "exclusion", "Exclusion 1", "No HIV", Age()),
    Criterion("exc-tb", "exclusion", "Exclusion 2", "No tuberculosis", Age()),
    Criterion("exc-hcg", "exclusion", "Exclusion 3", "Not pregnant", Age(), interpretation=replace(READING, alternatives=("at most 30",))),
)
TRIAL = Trial(
    id="NCT07266181",
    title="A trial",
    product="CD19 CAR-T",
    status="recruiting",
    phase="Phase 1",
    sponsor="A hospital",
    url="https://clinicaltrials.gov/study/NCT07266181",
    sites=(Site("A hospital", "Xi'an", "China"),),
    topic="nct07266181",
    last_update=None,
    verified_on=date(2026, 1, 1),
    completion=None,
    cohorts=(Cohort("rmn", "membranous nephropathy", "MN", Age()),),
    criteria=CRITERIA,
    outline=(),
)
OLD = (Evidence("Observation/1", "2020-01-01", "52 mL/min", False, "older than 6 months"), Evidence("Observation/2", "", "5"))
FINDINGS = (
    ("met", Finding(TRUE, basis="recorded", evidence=(Evidence("Patient/1", "1980", "46 years"),))),
    ("unknown", Finding(UNKNOWN, reason="stale", evidence=OLD)),
    ("manual", Finding(MANUAL, reason="no-data", ask="ask for consent")),
    ("met", Finding(FALSE, basis="no-record", reason="no-data", ask="not shown")),
    ("not-met", Finding(TRUE, basis="recorded")),
    ("not-applicable", Finding(NOT_APPLICABLE)),
)
ASSESSMENT = Assessment(TRIAL, TRIAL.cohorts[0], "excluded", tuple(Outcome(c, o, f) for c, (o, f) in zip(CRITERIA, FINDINGS, strict=True)))
OTHER = Assessment(replace(TRIAL, id="NCT06222853", status="active-not-recruiting"), TRIAL.cohorts[0], "not-applicable", ())
ANSWER = Answer(
    date(2026, 11, 1).toordinal(), "Patient/1", (ASSESSMENT, OTHER), (("conditions", "truncated"),), (Fault("Observation/9", "unreadable date"),)
)


def test_an_assessment_is_written_as_its_schema_says():
    said = wire.assessment_json(ANSWER)
    SCHEMA.validate(said)
    assert {k: v for k, v in said.items() if k != "assessments"} == {
        "asOf": "2026-11-01",
        "patient": "Patient/1",
        "faults": [{"reference": "Observation/9", "why": "unreadable date"}],
        "incomplete": [{"list": "conditions", "reason": "truncated"}],
    }
    first, second = said["assessments"]
    assert first["counts"] == {"met": 2, "noRecord": 1, "notMet": 1, "unknown": 1, "manual": 1, "notApplicable": 1}
    assert (first["trial"], first["cohort"], first["status"], first["recruiting"]) == ("NCT07266181", "rmn", "excluded", True)
    assert (second["trial"], second["recruiting"], second["criteria"]) == ("NCT06222853", False, [])
    reading = {"reading": "read as at least 30", "why": "the sign is lost", "decides": True, "review": "unreviewed"}
    assert first["criteria"] == [
        {
            "id": "inc-age",
            "kind": "inclusion",
            "label": "Age at least 18",
            "ref": "Inclusion 1",
            "outcome": "met",
            "basis": "recorded",
            "evidence": [{"reference": "Patient/1", "date": "1980", "value": "46 years"}],
        },
        {
            "id": "inc-egfr",
            "kind": "inclusion",
            "label": "eGFR at least 30",
            "ref": "Inclusion 2",
            "pivotal": True,
            "outcome": "unknown",
            "reason": "stale",
            "evidence": [
                {"reference": "Observation/1", "date": "2020-01-01", "value": "52 mL/min", "used": False, "note": "older than 6 months"},
                {"reference": "Observation/2", "value": "5"},
            ],
            "interpretation": reading,
        },
        {"id": "inc-consent", "kind": "inclusion", "label": "Consent", "ref": "Inclusion 3", "outcome": "manual", "ask": "ask for consent"},
        {"id": "exc-hiv", "kind": "exclusion", "label": "No HIV", "ref": "Exclusion 1", "outcome": "met", "basis": "no-record"},
        {"id": "exc-tb", "kind": "exclusion", "label": "No tuberculosis", "ref": "Exclusion 2", "outcome": "not-met", "basis": "recorded"},
        {
            "id": "exc-hcg",
            "kind": "exclusion",
            "label": "Not pregnant",
            "ref": "Exclusion 3",
            "outcome": "not-applicable",
            "interpretation": reading | {"alternatives": ["at most 30"]},
        },
    ]


def test_what_is_absent_is_omitted():
    said = wire.assessment_json(replace(ANSWER, faults=(), incomplete=()), "NCT06222853")
    assert sorted(said) == ["asOf", "assessments", "patient"]
    assert [a["trial"] for a in said["assessments"]] == ["NCT06222853"]


def test_writing_twice_says_the_same_and_what_was_said_may_be_changed():
    first = wire.assessment_json(ANSWER)
    again = wire.assessment_json(ANSWER)
    assert first == again
    again["assessments"][0]["criteria"][0]["label"] = "changed"
    assert wire.assessment_json(ANSWER) == first


def test_what_is_remembered_of_criteria_is_bounded(monkeypatch):
    monkeypatch.setattr(assessments, "_heads", {})
    monkeypatch.setattr(assessments, "_MOST_HEADS", 4)
    first = wire.assessment_json(ANSWER)
    assert len(assessments._heads) <= 4
    assert wire.assessment_json(ANSWER) == first


# --- cards ---------------------------------------------------------------------------------------

INR = Coding("http://loinc.org", "6301-6", "INR in Platelet poor plasma by Coagulation assay")
CARD = Card(
    "Trial may fit: CD19 CAR-T for MN. Nothing on record rules it out; missing: INR.",
    "**Trial:** NCT07266181",
    "ClinicalTrials.gov",
    "https://clinicaltrials.gov",
    "nct07266181",
    "CD19 CAR-T for MN",
    (
        Suggestion("Draft order: INR", Draft("order", "INR", INR)),
        Suggestion("Draft order: flow cytometry", Draft("order", "flow cytometry", Coding("", "", ""))),
        Suggestion("Draft order: urine", Draft("order", "urine")),
        Suggestion("Draft referral to the trial coordinator", Draft("referral", "Referral to the coordinator", url=TRIAL.url)),
        Suggestion("Draft referral to the trial coordinator", Draft("referral", "Referral to the coordinator")),
    ),
    (Link("Registry record", TRIAL.url), Link("See every criterion", "https://cds.example/launch", "smart")),
    (ASSESSMENT,),
)


def sent(said):
    """As it is sent: parts of it are JSON already."""
    return orjson.loads(orjson.dumps(said))


def test_a_card_is_written_whole():
    (card,) = sent(wire.response(ANSWER, (CARD,)))["cards"]
    UUID(card["uuid"])
    assert (card["summary"], card["detail"], card["indicator"], card["selectionBehavior"]) == (CARD.summary, CARD.detail, "info", "any")
    assert card["source"] == {
        "label": "ClinicalTrials.gov",
        "url": "https://clinicaltrials.gov",
        "topic": {"system": "urn:cds-service:topics", "code": "nct07266181", "display": "CD19 CAR-T for MN"},
    }
    assert card["links"] == [
        {"label": "Registry record", "url": TRIAL.url, "type": "absolute"},
        {"label": "See every criterion", "url": "https://cds.example/launch", "type": "smart"},
    ]
    assert [r["display"] for r in card["overrideReasons"]] == [
        "Not suitable, in my judgement",
        "Already known not eligible",
        "Already discussed",
        "Patient does not want a trial",
        "Already in another trial",
        "Cannot reach the site",
        "Something on this card is wrong",
        "Not now",
    ]
    assert {r["system"] for r in card["overrideReasons"]} == {"urn:cds-service:override-reasons"}
    assert card["extension"] == {"org.cds-service.assessment": wire.assessment_json(ANSWER, "NCT07266181")}


def test_each_suggestion_has_one_action_that_creates_a_draft_for_this_patient():
    (card,) = sent(wire.response(ANSWER, (CARD,)))["cards"]
    actions = [a for s in card["suggestions"] for a in s["actions"]]
    assert len(actions) == len(CARD.suggestions)
    assert [(a["type"], a["description"]) for a in actions] == [("create", s.label) for s in CARD.suggestions]
    assert len({s["uuid"] for s in card["suggestions"]} | {card["uuid"]}) == 6
    orders, referrals = [a["resource"] for a in actions[:3]], [a["resource"] for a in actions[3:]]
    assert orders == [
        {
            "resourceType": "ServiceRequest",
            "status": "draft",
            "intent": "order",
            "code": {"text": text} | ({"coding": [INR._asdict()]} if text == "INR" else {}),
            "subject": {"reference": "Patient/1"},
        }
        for text in ("INR", "flow cytometry", "urine")
    ]
    task = {
        "resourceType": "Task",
        "status": "draft",
        "intent": "proposal",
        "description": "Referral to the coordinator",
        "for": {"reference": "Patient/1"},
    }
    assert referrals == [task | {"instantiatesUri": TRIAL.url}, task]
    for order in orders:
        ServiceRequest.model_validate(order)
    for referral in referrals:
        Task.model_validate(referral)


def test_a_draft_is_for_the_patient_of_its_own_call():
    wire.response(ANSWER, (CARD,))
    (card,) = wire.response(replace(ANSWER, patient="Patient/2"), (CARD,))["cards"]
    resources = [a["resource"] for s in card["suggestions"] for a in s["actions"]]
    assert [(r.get("subject") or r["for"])["reference"] for r in resources] == ["Patient/2"] * 5


def test_a_card_without_suggestions_or_links_omits_them():
    (card,) = wire.response(ANSWER, (replace(CARD, suggestions=(), links=()),))["cards"]
    assert not {"suggestions", "selectionBehavior", "links"} & set(card)


def test_only_the_sandbox_carries_the_whole_assessment_in_the_response():
    assert wire.response(ANSWER, ()) == {"cards": []}
    assert wire.response(ANSWER, (), sandbox=True) == {"cards": [], "extension": {"org.cds-service.assessment": wire.assessment_json(ANSWER)}}


# --- errors and discovery ------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "code"), [(400, "invalid"), (404, "not-found"), (412, "required"), (500, "exception"), (418, "processing")])
def test_an_error_is_an_operation_outcome(status, code):
    said = wire.error(status, "one", "two")
    OperationOutcome.model_validate(said)
    assert said == {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": "one"}, {"severity": "error", "code": code, "diagnostics": "two"}],
    }


def test_discovery_without_templates_omits_them():
    assert "prefetch" not in wire.discovery({})["services"][0]
    assert wire.discovery({"patient": "Patient/{{context.patientId}}"})["services"][0]["prefetch"] == {"patient": "Patient/{{context.patientId}}"}


def test_the_models_are_ready_after_prepare():
    wire.prepare()


def test_the_systems_of_codes_and_panels_are_known():
    vocabulary = Vocabulary({}, {("http://loinc.org", "2160-0"): (), ("urn:b", "2160-0"): (), ("urn:a", "x"): ()}, {})
    found = wire.systems(vocabulary)
    assert (found["2160-0"], found["x"], found["85354-9"]) == (("http://loinc.org", "urn:b"), ("urn:a",), ("http://loinc.org",))
