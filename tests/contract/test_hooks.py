"""Our routes as an EHR meets them: every documented status, every body against its schema, nothing about a patient in log or error."""

import gc
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import callers
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.test import EnvironBuilder, run_wsgi_app

import cds_service
from cds_service import app as app_module
from cds_service import wire
from cds_service.config import Settings
from cds_service.errors import PreconditionFailed
from cds_service.model.cards import Card, Draft, Link, Suggestion
from cds_service.model.facts import Evidence, Record
from cds_service.model.outcomes import TRUE, UNKNOWN, Answer, Assessment, Finding, Outcome
from cds_service.model.predicates import Age
from cds_service.model.trials import Cohort, Criterion, Trial
from cds_service.model.vocabulary import Coding, Concept, Mapped, Vocabulary
from cds_service.web.hooks import STATUSES

SCHEMAS = Path(cds_service.__file__).parent / "wire" / "schemas"
UUID = "6bc883b2-b795-4dcb-b661-34884a31d472"
PATIENT = "pat-7731"
HUSH = "bearer-hush"
SERVICE = "/cds-services/cell-therapy-trials"
DAY = date(2026, 11, 1)


def schema(path):
    return Draft202012Validator(json.loads(path.read_text()), format_checker=FormatChecker())


DISCOVERY, RESPONSE, ERROR = (schema(SCHEMAS / f"{name}.json") for name in ("discovery", "response", "error"))
ASSESSMENT = schema(Path(cds_service.__file__).parent / "assessment.schema.json")

CRITERIA = (
    Criterion("inc-age", "inclusion", "Inclusion 1", "Age", Age(18)),
    Criterion("inc-egfr", "inclusion", "Inclusion 2", "eGFR", Age(), pivotal=True),
)
TRIAL = Trial(
    id="NCT07266181",
    title="A trial",
    product="CD19 CAR-T",
    status="recruiting",
    phase="Phase 1",
    sponsor="A hospital",
    url="https://clinicaltrials.gov/study/NCT07266181",
    sites=(),
    topic="nct07266181",
    last_update=None,
    verified_on=DAY,
    completion=None,
    cohorts=(Cohort("rmn", "membranous nephropathy", "MN", Age()),),
    criteria=CRITERIA,
    outline=(),
)
OUTCOMES = (
    Outcome(CRITERIA[0], "met", Finding(TRUE, basis="recorded", evidence=(Evidence(f"Patient/{PATIENT}", "1980", "46 years"),))),
    Outcome(CRITERIA[1], "unknown", Finding(UNKNOWN, reason="no-data")),
)
POSSIBLE = Assessment(TRIAL, TRIAL.cohorts[0], "possible", OUTCOMES)
CARD = Card(
    "Trial may fit: CD19 CAR-T for MN. Nothing on record rules it out; missing: eGFR.",
    "**Trial:** NCT07266181",
    "ClinicalTrials.gov",
    "https://clinicaltrials.gov",
    "nct07266181",
    "CD19 CAR-T for MN",
    (
        Suggestion("Draft order: creatinine", Draft("order", "creatinine", Coding("http://loinc.org", "2160-0", "Creatinine"))),
        Suggestion("Draft referral to the trial coordinator", Draft("referral", "Referral", url=TRIAL.url)),
    ),
    (Link("Registry record", TRIAL.url), Link("See every criterion", "https://cds.example/launch", "smart")),
    (POSSIBLE,),
)
VOCABULARY = Vocabulary(
    {"egfr": Concept("egfr", "observation", "eGFR", results="results-kidney")}, {("http://loinc.org", "98979-8"): (Mapped("egfr", {}),)}, {}
)
RULES = SimpleNamespace(trials=(TRIAL,), vocabulary=VOCABULARY, templates=wire.templates(VOCABULARY, ["egfr"]))


def request(**members):
    return {
        "hook": "patient-view",
        "hookInstance": UUID,
        "context": {"patientId": PATIENT, "userId": "Practitioner/abc"},
        "fhirServer": "https://fhir.example",
        "fhirAuthorization": {"access_token": HUSH, "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "y"},
        **members,
    }


def two_cards(asked, rules, gather, as_of, settings):
    return Answer(as_of, f"Patient/{asked.patient_id}", (POSSIBLE,), (("reports", "unavailable"),)), (CARD, CARD)


def client_of(decide=two_cards, *, sandbox=False, as_of=None, environ=None, gather=None, **more):
    settings = Settings.from_environment(environ or {}, sandbox=sandbox, as_of=as_of)
    return app_module.create_app(RULES, settings, decide, gather, lambda: DAY, **more).test_client()


@pytest.fixture
def client():
    return client_of()


def lines(capsys):
    """What was logged, without when and how loud."""
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all(line.pop("time") and line.pop("level") for line in found)
    return found


def no_empties(value, path=""):
    """CDS Hooks: no null, empty string, list or object but for `cards` and `services`."""
    assert value not in (None, "", [], {}) or path in ("/cards", "/services"), path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        no_empties(inner, f"{path}/{key}")


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/"])
def test_discovery_names_the_service_and_what_to_prefetch(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    DISCOVERY.validate(answer.json)
    no_empties(answer.json)
    service, *others = answer.json["services"]
    assert (service["id"], service["hook"], service["prefetch"]) == ("cell-therapy-trials", "patient-view", RULES.templates)
    assert all(other["prefetch"] == RULES.templates for other in others)


def test_cards_are_answered_as_the_standard_says(client):
    answer = client.post(SERVICE, json=request())
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "application/json", "no-store")
    RESPONSE.validate(answer.json)
    no_empties(answer.json)
    assert len(answer.json["cards"]) == 2
    for card in answer.json["cards"]:
        ASSESSMENT.validate(card["extension"]["org.cds-service.assessment"])
        assert len(card["suggestions"]) == sum(len(s["actions"]) for s in card["suggestions"])
    uuids = [card["uuid"] for card in answer.json["cards"]] + [s["uuid"] for card in answer.json["cards"] for s in card["suggestions"]]
    assert len(set(uuids)) == 6


def test_no_card_is_an_empty_list(client):
    answer = client_of(lambda asked, *rest: (Answer(1, "Patient/1", ()), ())).post(SERVICE, json=request())
    assert (answer.status_code, answer.json) == (200, {"cards": []})
    RESPONSE.validate(answer.json)


def test_the_sandbox_answers_the_whole_assessment_too():
    answer = client_of(sandbox=True).post(SERVICE, json=request())
    RESPONSE.validate(answer.json)
    said = answer.json["extension"]["org.cds-service.assessment"]
    ASSESSMENT.validate(said)
    assert said["incomplete"] == [{"list": "reports", "reason": "unavailable"}]


def test_the_pipeline_is_given_what_was_asked(client):
    seen = []

    def decide(asked, rules, gather, as_of, settings):
        seen.append((asked.instance, asked.patient_id, rules, gather, settings.max_cards))
        return two_cards(asked, rules, gather, as_of, settings)

    def gather(asked, templates):
        raise AssertionError

    client_of(decide, gather=gather, environ={"CDS_MAX_CARDS": "1"}).post(SERVICE, json=request())
    assert seen == [(UUID, PATIENT, RULES, gather, 1)]


@pytest.mark.parametrize(
    ("chosen", "asked", "day"),
    [
        (None, None, DAY),
        (date(2026, 5, 1), None, date(2026, 5, 1)),
        (date(2026, 5, 1), "2026-06-02", date(2026, 6, 2)),
        (None, "2026-06-02", date(2026, 6, 2)),
    ],
)
def test_the_day_is_the_requests_or_the_command_lines_or_today(chosen, asked, day):
    extension = {"org.cds-service.as-of": asked} if asked else {}
    answer = client_of(sandbox=True, as_of=chosen).post(SERVICE, json=request(extension=extension))
    assert answer.json["extension"]["org.cds-service.assessment"]["asOf"] == day.isoformat()


def test_without_a_clock_today_is_today(monkeypatch):
    days = []

    def decide(asked, rules, gather, as_of, settings):
        days.append(as_of)
        return Answer(as_of, "Patient/1", ()), ()

    monkeypatch.setattr(app_module, "_today", lambda: DAY)
    app_module.create_app(RULES, Settings.from_environment({}), decide).test_client().post(SERVICE, json=request())
    assert days == [DAY.toordinal()]


def test_the_clock_gives_a_day():
    assert abs((app_module._today() - datetime.now(UTC).date()).days) <= 1


def test_unless_told_otherwise_the_prefetch_is_read():
    def decide(asked, rules, gather, as_of, settings):
        record = gather(asked, rules.templates)
        assert isinstance(record, Record)
        return Answer(as_of, f"Patient/{record.patient_id}", (), tuple(record.incomplete.items())), (CARD,)

    client = client_of(decide)
    prefetch = {"patient": {"resourceType": "Patient", "id": PATIENT}, "conditions": None}
    answer = client.post(SERVICE, json=request(prefetch=prefetch))
    assert answer.status_code == 200
    assert {"list": "results-kidney", "reason": "unavailable"} in answer.json["cards"][0]["extension"]["org.cds-service.assessment"]["incomplete"]
    answer = client.post(SERVICE, json=request(prefetch={}))
    assert answer.status_code == 412
    assert "patient: not in the prefetch, and the FHIR server is not named in CDS_FHIR_HOSTS" in answer.json["issue"][0]["diagnostics"]
    client.application.extensions["fhir_server"].close()


def test_health_says_what_is_loaded(client):
    assert client.get("/health").json == {"status": "ok", "version": cds_service.__version__, "trials": 1}


# --- every documented status ---------------------------------------------------------------------


def refuses(*rest):
    raise PreconditionFailed("Required data cannot be had. conditions: the server answers HTTP 401.", missing=("conditions",))


def crashes(asked, *rest):
    raise ValueError(f"Mrs Ann {asked.patient_id} {HUSH}")


def locked(**members):
    """A service that asks for tokens."""
    with TemporaryDirectory() as folder:
        path = callers.client_file(Path(folder))
        return client_of(environ={"CDS_CLIENTS": str(path), "CDS_PUBLIC_URL": callers.PUBLIC, **members})


def busy():
    """One that has been asked as often as a minute allows."""
    client = locked(CDS_RATE_LIMIT="1")
    assert client.get("/cds-services", headers=callers.bearer(aud=callers.DISCOVERY)).status_code == 200
    return client


SHOWN = {
    ("GET /cds-services", 200): lambda: client_of().get("/cds-services"),
    ("GET /cds-services", 405): lambda: client_of().post("/cds-services", json={}),
    ("POST /cds-services/{id}", 200): lambda: client_of().post(SERVICE, json=request()),
    ("POST /cds-services/{id}", 400): lambda: client_of().post(SERVICE, json=request(context={"patientId": PATIENT})),
    ("POST /cds-services/{id}", 404): lambda: client_of().post("/cds-services/other", json=request()),
    ("POST /cds-services/{id}", 405): lambda: client_of().get(SERVICE),
    ("POST /cds-services/{id}", 412): lambda: client_of(refuses).post(SERVICE, json=request()),
    ("POST /cds-services/{id}", 413): lambda: client_of(environ={"CDS_MAX_BODY": "1024"}).post(SERVICE, json=request(padding="x" * 1024)),
    ("POST /cds-services/{id}", 422): lambda: client_of().post(SERVICE, json=request(hook="encounter-discharge")),
    ("GET /cds-services", 401): lambda: locked().get("/cds-services"),
    ("GET /cds-services", 429): lambda: busy().get("/cds-services", headers=callers.bearer(aud=callers.DISCOVERY)),
    ("POST /cds-services/{id}", 401): lambda: locked().post(SERVICE, json=request()),
    ("POST /cds-services/{id}", 415): lambda: client_of().post(SERVICE, data="hook", content_type="text/plain"),
    ("POST /cds-services/{id}", 429): lambda: busy().post(SERVICE, json=request(), headers=callers.bearer()),
    ("POST /cds-services/{id}", 500): lambda: client_of(crashes).post(SERVICE, json=request()),
    ("GET /health", 200): lambda: client_of().get("/health"),
    ("GET /health", 405): lambda: client_of().delete("/health"),
    ("GET /ready", 503): lambda: client_of(checks={"store": refuses}).get("/ready"),
} | {
    (f"GET {path}", status): lambda path=path, method=method: client_of().open(path, method=method)
    for path in ("/ready", "/metrics", "/openapi.json", "/about", "/about.json")
    for status, method in ((200, "GET"), (405, "POST"))
}


MEDIA = {"GET /about": "text/html", "GET /metrics": "text/plain"}


def test_every_documented_status_is_shown_here():
    """But for feedback, which has a file of its own."""
    told = {(route, status) for route, statuses in STATUSES.items() for status in statuses if not route.endswith("/feedback")}
    assert set(SHOWN) == told


def test_every_route_is_documented():
    ours = {
        f"{m} {r.rule}".replace("<service>", "{id}") for r in client_of().application.url_map.iter_rules() for m in r.methods - {"HEAD", "OPTIONS"}
    }
    assert ours == set(STATUSES)


@pytest.mark.parametrize(("route", "status"), SHOWN)
def test_a_route_shows_its_status_as_json_that_a_browser_may_read(route, status, capsys):
    answer = SHOWN[route, status]()
    assert (answer.status_code, answer.mimetype) == (status, MEDIA.get(route, "application/json") if status == 200 else "application/json")
    assert answer.headers.get("Access-Control-Allow-Origin") == ("*" if route.split()[1].startswith(("/cds-services", "/health")) else None)
    if status >= 400 and status != 503:
        ERROR.validate(answer.json)
        assert "cards" not in answer.json
    said = answer.get_data(as_text=True) if status >= 400 else ""
    for text in (said, *capsys.readouterr()):
        assert PATIENT not in text and HUSH not in text and "Ann" not in text


def test_a_wrong_method_is_told_the_right_one(client):
    assert set(client.get(SERVICE).headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_an_address_that_is_none_is_404_in_json(client):
    answer = client.get("/nowhere")
    assert (answer.status_code, answer.mimetype) == (404, "application/json")
    ERROR.validate(answer.json)


def test_a_redirect_is_left_a_redirect():
    app = client_of().application
    app.add_url_rule("/there/", "there", lambda: "x")
    answer = app.test_client().get("/there")
    assert (answer.status_code, answer.headers["Location"].endswith("/there/")) == (308, True)


# --- malformed bodies ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"hook=patient-view",
        b"<html>",
        b'{"hook": NaN}',
        b'{"hook": Infinity}',
        b'{"hook": "patient-view",}',
        b'{"hook": "\xff"}',
        b"\xef\xbb\xbf{}",
        '{"hook": "patient-view"}'.encode("utf-16"),
        b"[" * 5000 + b"]" * 5000,
        b'{"hook": "patient-view"} {}',
    ],
)
def test_a_body_that_is_no_json_is_400(client, raw):
    answer = client.post(SERVICE, data=raw, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json["issue"][0]["diagnostics"] == "The body is not JSON (UTF-8, no NaN or Infinity, at most 1,024 levels deep)."


@pytest.mark.parametrize("given", [[], "x", 5, None, {}])
def test_json_of_another_shape_is_400(client, given):
    assert client.post(SERVICE, json=given).status_code == 400


def test_what_is_nested_too_deeply_to_work_on_is_the_senders_fault(capsys):
    def decide(asked, *rest):
        return decide(asked, *rest)

    answer = client_of(decide).post(SERVICE, json=request())
    assert (answer.status_code, answer.json["issue"][0]["diagnostics"]) == (400, "The body is nested too deeply.")
    assert lines(capsys)[0]["error"] == "RecursionError"


@pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=utf-8", "application/fhir+json", "Application/JSON"])
def test_json_is_read_by_any_of_its_names(client, kind):
    assert client.post(SERVICE, data=json.dumps(request()), content_type=kind).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/html", "application/jsonp", "x"])
def test_a_body_that_is_called_something_else_is_415(client, kind):
    answer = client.post(SERVICE, data=json.dumps(request()), content_type=kind)
    assert answer.status_code == 415
    assert answer.json["issue"][0]["diagnostics"] == "The body must be JSON: send it with Content-Type: application/json."


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("br", 415), ("gzip, identity", 415), ("identity", 200), ("Identity", 200)])
def test_a_compressed_body_is_not_read(client, coding, status):
    answer = client.post(SERVICE, data=json.dumps(request()), content_type="application/json", headers={"Content-Encoding": coding})
    assert answer.status_code == status


def chunked(client, body):
    """The status for a body without Content-Length, as gunicorn hands it on. (The test client would add one.)"""
    builder = EnvironBuilder(SERVICE, method="POST", input_stream=io.BytesIO(body), content_type="application/json")
    environ = builder.get_environ() | {"wsgi.input_terminated": True}
    environ.pop("CONTENT_LENGTH", None)
    _, status, _ = run_wsgi_app(client.application, environ)
    return int(status.split()[0])


def test_a_body_without_a_length_has_the_same_limit():
    small = client_of(environ={"CDS_MAX_BODY": "4096"})
    fine = json.dumps(request()).encode()
    padded = fine + b" " * (4095 - len(fine))
    assert [chunked(small, body) for body in (fine, padded, padded + b" ", padded + b"  ", padded * 9)] == [200, 200, 413, 413, 413]
    assert small.post(SERVICE, data=padded + b" ", content_type="application/json").status_code == 200, "as large as is allowed"


TWICE = [
    ("patientId", lambda text: text.replace('"patientId":', '"patientId": "another", "patientId":', 1)),
    ("context", lambda text: text.replace('"context":', '"context": {"patientId": "another", "userId": "Practitioner/1"}, "context":', 1)),
    ("fhirServer", lambda text: text.replace('"fhirServer":', '"fhirServer": "https://evil.example", "fhirServer":', 1)),
]


@pytest.mark.parametrize(("name", "spoil"), TWICE, ids=[name for name, _ in TWICE])
def test_a_request_that_says_twice_who_or_where_is_refused(client, name, spoil):
    answer = client.post(SERVICE, data=spoil(json.dumps(request())), content_type="application/json")
    assert (answer.status_code, answer.json["issue"][0]["diagnostics"]) == (400, f"{name} stands twice in the request: send it once.")


def test_a_name_of_ours_inside_a_resource_is_no_repetition(client):
    prefetch = {"patient": {"resourceType": "Patient", "id": PATIENT, "extension": [{"url": "patientId"}, {"patientId": {}, "fhirServer": 1}]}}
    assert client.post(SERVICE, json=request(prefetch=prefetch)).status_code == 200


# --- crashes and the log -------------------------------------------------------------------------


def test_a_crash_answers_a_reference_and_logs_where_it_happened_without_what_it_said(capsys):
    answer = client_of(crashes).post(SERVICE, json=request())
    (line,) = lines(capsys)
    assert answer.json["issue"][0]["diagnostics"] == f"The check did not run. No trial has been looked at. Reference: {line['reference']}"
    assert (line["event"], line["hookInstance"], line["error"]) == ("failed", UUID, "ValueError")
    assert any(frame.startswith("contract/test_hooks.py:") and frame.endswith(" crashes") for frame in line["frames"])


def test_an_answer_that_cannot_be_written_is_a_crash_too():
    answer = client_of(lambda *all: (Answer(0, "Patient/1", ()), (None,))).post(SERVICE, json=request())
    assert answer.status_code == 500


def test_an_answer_is_logged_with_the_cards_that_were_served(client, capsys):
    served = [card["uuid"] for card in client.post(SERVICE, json=request()).json["cards"]]
    (line,) = lines(capsys)
    assert line.pop("milliseconds") >= 0
    assert line == {"event": "answered", "hookInstance": UUID, "cards": served, "incomplete": ["reports"]}


#: Whoever looks for the cause of a refusal sees what was called, by whom, and what the answer said.
CALLED = {"route": "/cds-services/<service>", "client": "open"}


def test_a_refusal_is_logged_with_the_lists_that_were_missing(capsys):
    client_of(refuses).post(SERVICE, json=request())
    (line,) = lines(capsys)
    assert line.pop("words").startswith("Required data cannot be had.")
    assert line == {"event": "refused", "status": 412, **CALLED, "hookInstance": UUID, "missing": ["conditions"]}


def test_what_is_no_uuid_never_reaches_the_log(client, capsys):
    client.post(SERVICE, json=request(hookInstance="Mrs Ann"))
    assert lines(capsys) == [{"event": "refused", "status": 400, **CALLED, "words": "hookInstance must be a UUID."}]


# --- browsers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "method"), [("/cds-services", "GET"), (SERVICE, "POST")])
def test_a_browsers_preflight_is_told_authorization_by_name(client, path, method):
    headers = {"Origin": "https://sandbox.cds-hooks.org", "Access-Control-Request-Method": method}
    answer = client.options(path, headers=headers | {"Access-Control-Request-Headers": "authorization,content-type"})
    assert answer.status_code == 200
    assert {h.strip().lower() for h in answer.headers["Access-Control-Allow-Headers"].split(",")} == {"authorization", "content-type"}
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


# --- the collector -------------------------------------------------------------------------------


def test_what_is_loaded_is_taken_out_of_the_collectors_sight():
    threshold = gc.get_threshold()
    try:
        app_module.tune_collector()
        assert gc.get_threshold() == (50_000, 20, 10)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
