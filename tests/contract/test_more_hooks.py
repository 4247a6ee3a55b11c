"""encounter-start, order-select, order-sign and problem-list-item-create over HTTP, with the shipped trials and patients."""

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from cds_service import cli, pipeline, wire
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.fetch import gather

ROOT = Path(__file__).resolve().parents[2]
UUID = "6bc883b2-b795-4dcb-b661-34884a31d472"
RXNORM, SNOMED, ICD = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm"
ASSESSMENT = "org.cds-service.assessment"
HUSH = "s3cret"
ID = {hook: service for service, hook in wire.SERVICES.items()}
RESPONSE = Draft202012Validator(json.loads((Path(wire.__file__).parent / "schemas" / "response.json").read_text(encoding="utf-8")))
MEDICATION = {"resourceType": "Medication", "code": {"coding": [{"system": RXNORM, "code": "121191", "display": "rituximab"}]}}
KEYS = {
    "Condition": "conditions", "MedicationRequest": "medication-requests", "MedicationStatement": "medication-statements",
    "MedicationAdministration": "medication-administrations", "MedicationDispense": "medication-dispenses", "Procedure": "procedures",
    "DiagnosticReport": "reports", "AllergyIntolerance": "allergies", "Immunization": "immunizations", "Observation": "results-kidney",
    "Medication": "medication-requests", "ServiceRequest": "procedures",
}  # fmt: skip


@pytest.fixture(scope="module")
def rules():
    return pipeline.load_rules(Settings.from_environment({}))


@pytest.fixture(scope="module")
def house(rules):
    """A client in the sandbox and one in production, both as of the fixtures' day; `asked`: what they had to fetch."""
    return House(rules)


class House:
    def __init__(self, rules):
        self.rules = rules
        self.asked = []
        day = cli.day("2026-11-01")
        self.sandbox = create_app(rules, Settings.from_environment({}, sandbox=True, as_of=day), gather=self.gather).test_client()
        self.client = create_app(rules, Settings.from_environment({}), gather=self.gather, today=lambda: day).test_client()
        self.server = create_app(rules, Settings.from_environment({})).extensions["fhir_server"]

    def gather(self, request, templates):
        self.asked.append(request)
        return gather(request, templates, self.server)

    def post(self, hook, fixture="rmn-possible", *, service=None, sandbox=False, prefetch=None, **context):
        given = prefetch if prefetch is not None else self.prefetch(fixture)
        patient = given["patient"]["id"] if given else "p1"
        body = {"hook": hook, "hookInstance": UUID, "context": {"userId": "Practitioner/u1", "patientId": patient, **context}, "prefetch": given}
        return (self.sandbox if sandbox else self.client).post(f"/cds-services/{service or ID[hook]}", json=body)

    def cards(self, *given, **context):
        answer = self.post(*given, **context)
        assert answer.status_code == 200, answer.json
        RESPONSE.validate(answer.json)
        return answer.json["cards"]

    def prefetch(self, fixture):
        """Every key: what the fixture has, null for the rest."""
        bundle = json.loads((ROOT / "fixtures" / f"{fixture}.json").read_text(encoding="utf-8"))
        found = dict.fromkeys(self.rules.templates)
        for resource in (entry["resource"] for entry in bundle["entry"]):
            if resource["resourceType"] == "Patient":
                found["patient"] = resource
            elif (key := KEYS.get(resource["resourceType"])) is not None:
                page = found[key] = found[key] or {"resourceType": "Bundle", "type": "searchset", "entry": []}
                page["entry"].append({"resource": resource})
        return found

    def patient(self, fixture="rmn-possible"):
        return self.prefetch(fixture)["patient"]["id"]


def bundle(*resources):
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


def draft(patient, code="121191", display="rituximab", identity="d1", **members):
    """A draft order; rituximab unless told otherwise."""
    return {
        "resourceType": "MedicationRequest", "id": identity, "status": "draft", "intent": "order", "subject": {"reference": f"Patient/{patient}"},
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": code, "display": display}]}, **members,
    }  # fmt: skip


def problem(patient, code, system=SNOMED, identity="new1", **members):
    return {
        "resourceType": "Condition", "id": identity, "subject": {"reference": f"Patient/{patient}"},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}]}],
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]},
        "code": {"coding": [{"system": system, "code": code}]}, **members,
    }  # fmt: skip


def without_uuids(value):
    if isinstance(value, dict):
        return {k: without_uuids(v) for k, v in value.items() if k != "uuid"}
    return [without_uuids(v) for v in value] if isinstance(value, list) else value


# --- which hooks, at which address -----------------------------------------------------------------


def test_discovery_advertises_every_hook_under_an_id_of_its_own(house):
    services = house.client.get("/cds-services").json["services"]
    assert [s["hook"] for s in services] == ["patient-view", "encounter-start", "order-select", "order-sign", "problem-list-item-create"]
    assert services[0]["id"] == "cell-therapy-trials"
    assert len({s["id"] for s in services}) == len(services)
    assert len({s["description"] for s in services}) == len(services)


@pytest.mark.parametrize("service", wire.SERVICES)
@pytest.mark.parametrize("hook", wire.HOOKS)
def test_an_id_answers_its_own_hook_and_the_first_id_answers_all(house, service, hook):
    patient = house.patient()
    context = {"encounterId": "e1", "draftOrders": bundle(draft(patient)), "selections": ["MedicationRequest/d1"], "conditions": bundle()}
    answer = house.post(hook, service=service, **context)
    assert answer.status_code == (200 if service == "cell-therapy-trials" or wire.SERVICES[service] == hook else 422)
    assert ("cards" in answer.json) is (answer.status_code == 200)


# --- a visit starts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["rmn-possible", "two-trials", "excluded-by-lab"])
def test_a_visit_gets_the_answer_of_an_opened_chart(house, fixture):
    start = house.cards("encounter-start", fixture, encounterId="e1")
    assert without_uuids(start) == without_uuids(house.cards("patient-view", fixture))


@pytest.mark.parametrize("trigger", ["6", 7, "26", 60, "x" * 400, None, {"a": 1}, True])
def test_what_an_ehr_sends_as_patient_view_for_want_of_a_hook_is_patient_view(house, trigger, capsys):
    body = {
        "hook": "patient-view", "hookInstance": UUID, "context": {"userId": "PractitionerRole/u1", "patientId": house.patient()},
        "prefetch": {**house.prefetch("rmn-possible"), "conditions-user": None},
        "extension": {"com.epic.cdshooks.request.bpa-trigger-action": trigger, "com.epic.cdshooks.request.epic-version": "10.9"},
    }  # fmt: skip
    answer = house.client.post("/cds-services/cell-therapy-trials", json=body)
    assert without_uuids(answer.json["cards"]) == without_uuids(house.cards("patient-view"))
    line = json.loads(capsys.readouterr().err.splitlines()[0])
    assert line.get("trigger") == (str(trigger) if trigger in ("6", 7, "26", 60) else None)


# --- an order ---------------------------------------------------------------------------------------


def order(house, *drafts, fixture="rmn-possible", hook="order-sign", **more):
    return house.cards(hook, fixture, draftOrders=bundle(*drafts), **more)


def test_a_new_biologic_shows_the_trials_before_it_is_signed(house):
    shown = order(house, draft(house.patient()))
    assert [c["source"]["topic"]["code"] for c in shown] == [c["source"]["topic"]["code"] for c in house.cards("patient-view")]
    for card in shown:
        assert card["detail"].startswith("**Before escalating:** this trial may fit. The record is read without the draft order for rituximab.\n\n")
        assert card["indicator"] == "info"
        assert len([line for line in card["detail"].split("\n") if line.strip()]) <= 12


def test_the_card_is_otherwise_that_of_the_record_as_it_is(house):
    for card, plain in zip(order(house, draft(house.patient())), house.cards("patient-view"), strict=True):
        assert card["detail"].endswith(plain["detail"])
        assert card["summary"] == plain["summary"]
        assert card["extension"] == plain["extension"]


def test_what_would_have_to_be_arranged_around_the_draft_is_said(house):
    patient = house.patient("bcma-ln-candidate")
    (card,) = order(house, draft(patient), fixture="bcma-ln-candidate")
    caution = card["detail"].split("\n\n")[1]
    assert caution.startswith("**Caution:** with rituximab started today, to be arranged: ")
    assert "immunosuppressants" in caution


@pytest.mark.parametrize(
    ("why", "members"),
    [
        ("no immunosuppressant", {"code": "197361", "display": "amlodipine 5 MG Oral Tablet"}),
        ("of no mapping", {"code": "0", "display": "zzz"}),
        ("uncoded and unknown", {"medicationCodeableConcept": {"text": "something new"}}),
        ("without a drug", {"medicationCodeableConcept": None}),
        ("not to be given", {"doNotPerform": True}),
        ("cancelled", {"status": "cancelled"}),
        ("entered in error", {"status": "entered-in-error"}),
        ("for the skin", {"dosageInstruction": [{"route": {"text": "topical"}}]}),
        ("about another patient", {"subject": {"reference": f"Patient/{HUSH}"}}),
        ("of no patient", {"subject": None}),
        ("of a shape of its own", {"medicationCodeableConcept": 7}),
        ("of a status of its own", {"status": None}),
        ("pointing nowhere", {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/none"}}),
    ],
)
def test_a_draft_that_does_not_concern_us_is_answered_at_once_with_nothing(house, why, members):
    made = {k: v for k, v in draft(house.patient(), **members).items() if v is not None}
    house.asked.clear()
    assert order(house, made) == []
    assert not house.asked, why


def test_an_order_for_a_test_or_a_device_is_answered_at_once_with_nothing(house):
    house.asked.clear()
    patient = {"reference": f"Patient/{house.patient()}"}
    others = [
        {"resourceType": kind, "id": "s1", "status": "draft", "intent": "order", "subject": patient} for kind in ("ServiceRequest", "DeviceRequest")
    ]
    assert order(house, *others) == []
    assert order(house) == []
    assert not house.asked


def test_no_server_is_asked_and_nothing_is_required_where_no_draft_concerns_us(house):
    answer = house.post("order-sign", prefetch={}, draftOrders=bundle(draft("p1", "0", "zzz")))
    assert (answer.status_code, answer.json) == (200, {"cards": []})
    assert house.post("order-sign", prefetch={}, draftOrders=bundle(draft("p1"))).status_code == 412


def test_a_draft_that_repeats_what_the_patient_has_is_not_new(house):
    patient = house.patient("bcma-ln-candidate")  # mycophenolate and prednisone go on
    assert order(house, draft(patient, "68149", "mycophenolate mofetil"), fixture="bcma-ln-candidate") == []
    assert order(house, draft(patient, "8638", "prednisolone"), fixture="bcma-ln-candidate") == []  # one glucocorticoid for another
    assert len(order(house, draft(patient, "121191", "rituximab"), fixture="bcma-ln-candidate")) == 1
    both = order(house, draft(patient, "68149", "mycophenolate mofetil"), draft(patient, identity="d2"), fixture="bcma-ln-candidate")
    assert "without the draft order for rituximab." in both[0]["detail"]


@pytest.mark.parametrize("url", ["", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "https://ehr.example/fhir/Medication/m1"])
def test_a_draft_may_point_to_a_medication_of_its_bundle(house, url):
    medication = MEDICATION | {"id": "m1"}
    made = draft(house.patient(), medicationReference={"reference": url or "Medication/m1"})
    del made["medicationCodeableConcept"]
    sent = bundle(made, medication)
    if url:
        sent["entry"][1]["fullUrl"] = url
    assert house.cards("order-sign", draftOrders=sent)
    if url:
        del medication["id"]
        assert house.cards("order-sign", draftOrders=sent)


@pytest.mark.parametrize(
    "members",
    [
        {"contained": [MEDICATION | {"id": "c"}], "medicationReference": {"reference": "#c"}},
        {"medicationReference": {"reference": "Medication/elsewhere", "display": "RITUXIMAB 10 MG/ML IV SOLN"}},
        {"medicationCodeableConcept": {"text": "Rituximab 1 g IV"}},
    ],
    ids=["contained", "by its display", "in words"],
)
def test_a_draft_may_name_its_drug_in_other_ways(house, members):
    made = draft(house.patient())
    del made["medicationCodeableConcept"]
    assert order(house, made | members)


def test_of_an_order_selection_only_what_was_just_selected_counts(house):
    patient = house.patient()
    drafts = [draft(patient), draft(patient, "197361", "amlodipine", identity="d2")]
    assert order(house, *drafts, hook="order-select", selections=["MedicationRequest/d1"])
    assert order(house, *drafts, hook="order-select", selections=["https://ehr.example/fhir/MedicationRequest/d1/_history/2"])
    assert order(house, *drafts, hook="order-select", selections=["d1"])
    assert order(house, *drafts, hook="order-select", selections=["MedicationRequest/d2"]) == []
    assert order(house, *drafts, hook="order-select", selections=[]) == []


def test_a_patient_for_whom_no_trial_fits_gets_no_card_at_an_order_either(house):
    assert order(house, draft(house.patient("other-disease")), fixture="other-disease") == []
    assert order(house, draft(house.patient("excluded-by-lab")), fixture="excluded-by-lab") == []


def test_a_draft_is_no_therapy_on_record_and_the_sandbox_shows_the_record_as_it_is(house):
    patient = house.patient()
    plain = house.post("patient-view", sandbox=True).json["extension"]
    for made in (draft(patient), draft(patient, "197361", "amlodipine")):
        said = house.post("order-sign", sandbox=True, draftOrders=bundle(made)).json
        assert said["extension"] == plain
        assert "MedicationRequest/d1" not in json.dumps(said)
    quiet = house.post("order-sign", sandbox=True, prefetch={}, draftOrders=bundle(draft("p1", "0", "zzz"))).json
    assert quiet == {"cards": []}


def test_a_draft_about_another_patient_is_named_in_the_faults(house):
    patient = house.patient()
    other = draft("p-other", identity="d2")
    said = house.post("order-sign", sandbox=True, draftOrders=bundle(draft(patient), other)).json
    faults = said["extension"][ASSESSMENT]["faults"]
    assert {"reference": "MedicationRequest/d2", "why": "is about another patient"} in faults
    assert said["cards"]


def test_thousands_of_drafts_are_read(house):
    patient = house.patient()
    many = [draft(patient, "197361", "amlodipine", identity=f"a{n}") for n in range(5000)]
    assert order(house, *many) == []
    assert order(house, *many, draft(patient))
    bad = [draft(patient, identity=f"b{n}") | {"dosageInstruction": ["x"]} for n in range(3000)]
    assert order(house, *bad) == []


def test_a_draft_that_cannot_be_read_is_named_in_the_faults(house):
    patient = house.patient()
    said = house.post(
        "order-sign", sandbox=True, draftOrders=bundle(draft(patient), draft(patient, identity="b1") | {"dosageInstruction": ["x"]})
    ).json
    assert {"MedicationRequest/b1": "cannot be read: its fields are not as FHIR R4 has them"} == {
        f["reference"]: f["why"] for f in said["extension"][ASSESSMENT]["faults"] if f["reference"].startswith("MedicationRequest/b")
    }


# --- a new problem ----------------------------------------------------------------------------------


def new_problem(house, *problems, fixture="rmn-possible", **more):
    return house.post("problem-list-item-create", fixture, conditions=bundle(*problems), **more)


def test_a_new_problem_that_opens_a_trial_makes_its_card(house):
    record = house.prefetch("rmn-candidate") | {"reports": None}  # its biopsy report names the disease too
    diagnosis = [e["resource"] for e in record["conditions"]["entry"]]
    bare = {**record, "conditions": None}
    assert house.cards("patient-view", prefetch=bare) == []
    new = [copy.deepcopy(d) | {"id": f"n{i}"} for i, d in enumerate(diagnosis)]
    shown = house.cards("problem-list-item-create", prefetch=bare, conditions=bundle(*new))
    assert [c["source"]["topic"]["code"] for c in shown] == [c["source"]["topic"]["code"] for c in house.cards("patient-view", prefetch=record)]
    said = json.dumps(shown)
    assert "Condition/n0" in said and "(new in this call)" in said


def test_a_new_problem_that_is_evidence_for_a_criterion_of_the_cohort_makes_its_card(house):
    patient = house.patient()
    plain = house.cards("patient-view")
    shown = new_problem(house, problem(patient, "F32.9", ICD)).json["cards"]  # a depression may be mild: a criterion becomes open
    assert shown and len(shown) <= len(plain)
    assert all("Condition/new1" in json.dumps(card) for card in shown)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"verificationStatus": {"coding": [{"code": "refuted"}]}},
        {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}},
        {"subject": {"reference": f"Patient/{HUSH}"}},
        {"subject": None},
        {"code": None},
        {"code": 5},
    ],
)
def test_a_new_problem_that_does_not_matter_is_answered_at_once_with_nothing(house, members):
    code = "77182004" if members else "zzz"  # membranous glomerulonephritis, or nothing known to us
    made = {k: v for k, v in (problem(house.patient(), code) | members).items() if v is not None}
    house.asked.clear()
    assert new_problem(house, made).json == {"cards": []}
    assert not house.asked


def test_a_new_problem_beside_the_criteria_stays_quiet(house):
    """One that is mapped, but neither opens the cohort nor answers one of its criteria."""
    patient = house.patient()
    assert new_problem(house, problem(patient, "31996006")).json == {"cards": []}  # vasculitis of no kind: another trial's gate is not opened


@pytest.mark.parametrize("code", ["77182004", "zzz"])
def test_a_problem_of_another_patient_is_ignored_and_named(house, code):
    patient = house.patient()
    mine, other = problem(patient, "F32.9", ICD), problem("p-other", code, identity="o1")
    said = new_problem(house, mine, other, sandbox=True).json
    whole = said["extension"][ASSESSMENT]
    assert {"reference": "Condition/o1", "why": "is about another patient"} in whole["faults"]
    assert "Condition/o1" not in json.dumps(whole["assessments"])


def test_a_new_problem_without_an_id_or_that_is_saved_already_counts_once(house):
    patient = house.patient()
    bare = problem(patient, "F32.9", ICD)
    del bare["id"]
    assert "Condition/unsaved-1" in json.dumps(new_problem(house, bare).json["cards"])
    record = house.prefetch("rmn-possible")
    saved = problem(patient, "F32.9", ICD)
    record["conditions"]["entry"].append({"resource": saved})
    said = json.dumps(house.cards("problem-list-item-create", prefetch=record, conditions=bundle(saved)))
    assert said.count('"reference": "Condition/new1"') == json.dumps(new_problem(house, saved).json["cards"]).count('"reference": "Condition/new1"')


def test_required_data_are_required_here_too(house):
    answer = house.post("problem-list-item-create", prefetch={}, conditions=bundle(problem("p1", "77182004")))
    assert answer.status_code == 412


# --- a zoo of bad contexts --------------------------------------------------------------------------

DRAFTS = {"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft("p1")}]}}
ZOO = [
    ("encounter-start", {}, "context.encounterId is required."),
    ("encounter-start", {"encounterId": None}, "context.encounterId is required."),
    ("encounter-start", {"encounterId": ""}, "context.encounterId is required."),
    ("encounter-start", {"encounterId": 5}, "context.encounterId must be a string."),
    ("patient-view", {"encounterId": [HUSH]}, "context.encounterId must be a string."),
    ("order-sign", {"encounterId": ""} | DRAFTS, "context.encounterId is required."),
    ("order-sign", {}, "context.draftOrders is required."),
    ("order-sign", {"draftOrders": None}, "context.draftOrders is required."),
    ("order-sign", {"draftOrders": [HUSH]}, "context.draftOrders must be a FHIR Bundle."),
    ("order-sign", {"draftOrders": HUSH}, "context.draftOrders must be a FHIR Bundle."),
    ("order-sign", {"draftOrders": {}}, "context.draftOrders must be a FHIR Bundle."),
    ("order-sign", {"draftOrders": draft("p1")}, "context.draftOrders must be a FHIR Bundle."),
    ("order-sign", {"draftOrders": {"resourceType": "Bundle", "entry": {}}}, "context.draftOrders.entry must be a list."),
    ("order-sign", {"draftOrders": {"resourceType": "Bundle", "entry": None}}, "context.draftOrders.entry must be a list."),
    ("order-sign", {"draftOrders": {"resourceType": "Bundle", "entry": [HUSH]}}, "context.draftOrders.entry[0] must hold a FHIR resource."),
    (
        "order-sign",
        {"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": {}}]}},
        "context.draftOrders.entry[0] must hold a FHIR resource.",
    ),
    (
        "order-sign",
        {"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft("p1")}, {"resource": {"resourceType": 5}}]}},
        "context.draftOrders.entry[1] must hold a FHIR resource.",
    ),
    ("order-select", {"selections": ["MedicationRequest/d1"]}, "context.draftOrders is required."),
    ("order-select", DRAFTS, "context.selections is required."),
    ("order-select", DRAFTS | {"selections": None}, "context.selections is required."),
    ("order-select", DRAFTS | {"selections": HUSH}, "context.selections must be a list of references, like MedicationRequest/abc."),
    ("order-select", DRAFTS | {"selections": [5]}, "context.selections must be a list of references, like MedicationRequest/abc."),
    ("order-select", DRAFTS | {"selections": [""]}, "context.selections must be a list of references, like MedicationRequest/abc."),
    ("order-select", DRAFTS | {"selections": [HUSH]}, "context.selections names an order that is not in context.draftOrders."),
    ("order-select", DRAFTS | {"selections": ["ServiceRequest/d1"]}, "context.selections names an order that is not in context.draftOrders."),
    ("problem-list-item-create", {}, "context.conditions is required."),
    ("problem-list-item-create", {"conditions": []}, "context.conditions must be a FHIR Bundle."),
    ("problem-list-item-create", {"conditions": {"resourceType": "Condition"}}, "context.conditions must be a FHIR Bundle."),
    (
        "problem-list-item-create",
        {"conditions": {"resourceType": "Bundle", "entry": [None]}},
        "context.conditions.entry[0] must hold a FHIR resource.",
    ),
]


@pytest.mark.parametrize(("hook", "context", "words"), ZOO)
def test_a_bad_context_is_told_what_is_wrong_and_not_what_it_said(house, hook, context, words, capsys):
    answer = house.post(hook, prefetch={}, **context)
    assert (answer.status_code, [issue["diagnostics"] for issue in answer.json["issue"]]) == (400, [words])
    assert HUSH not in answer.get_data(as_text=True) + capsys.readouterr().err
