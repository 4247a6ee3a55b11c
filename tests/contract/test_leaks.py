"""Nothing of a patient, and no token, in any log line or error body: every fixture goes through every way to be answered or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import pipeline
from cds_service.app import create_app
from cds_service.config import Settings, shipped
from cds_service.model.vocabulary import LISTS

FIXTURES = sorted(shipped("fixtures").glob("*.json"))
SERVICE = "/cds-services/cell-therapy-trials"
INSTANCE = "3f2b8c1e-5d4a-4c6b-9e7f-0a1b2c3d4e5f"
TOKEN = ".".join(("eyJhbGciOiJSUzM4NCJ9", "c2VjcmV0LWNsYWltcw", "c2lnbmF0dXJl"))
ACCESS = "access-7f3a91c0ffee"
USER = "Practitioner/dr-okonkwo-5511"
DAY = date(2026, 11, 1)

#: Where a list's resources stand in a Bundle: by type is enough here, for every list is given whole.
TYPES = {
    "conditions": "Condition",
    "medication-requests": "MedicationRequest",
    "medication-statements": "MedicationStatement",
    "medication-administrations": "MedicationAdministration",
    "medication-dispenses": "MedicationDispense",
    "procedures": "Procedure",
    "reports": "DiagnosticReport",
    "allergies": "AllergyIntolerance",
    "immunizations": "Immunization",
}

#: Members whose text is about the patient.
SECRET = tuple(
    "id family given birthDate deceasedDateTime value valueString text line city reference effectiveDateTime onsetDateTime authoredOn "
    "performedDateTime recordedDate".split()
)
#: Texts that stand in a record and in no record: our own words, units of a dose, codes of a list.
_SAME_WORDS = frozenset({"patient", "condition", "observation", "procedure", "female", "male", "active", "final", "other"})


def resources(path: Path) -> list[dict[str, Any]]:
    return [e["resource"] for e in json.loads(path.read_text(encoding="utf-8"))["entry"]]


def secrets(found: list[dict[str, Any]]) -> set[str]:
    """Names, ids, dates, identifiers, texts, references, values with units: of everything in a record; and the tokens of the call."""
    said: set[str] = {TOKEN, ACCESS, USER, USER.split("/")[1]}
    for resource in found:
        said |= set(_texts(resource, SECRET))
        said |= {f"{q['value']} {q.get('unit', q.get('code', ''))}".strip() for q in _quantities(resource) if q.get("unit") or q.get("code")}
    return {s for s in said if len(s) > 3 and s.lower() not in _SAME_WORDS and not s.startswith("http")}


def _texts(value: object, names: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in names:
                yield from (text for text in (inner if isinstance(inner, list) else [inner]) if isinstance(text, str))
            yield from _texts(inner, names)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, names)


def _quantities(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("value"), int | float):
            yield value
        for inner in value.values():
            yield from _quantities(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _quantities(inner)


def call(path: Path, **members: object) -> dict[str, Any]:
    found = resources(path)
    (patient,) = [r for r in found if r["resourceType"] == "Patient"]
    prefetch: dict[str, object] = {"patient": patient}
    for name in LISTS:
        if name != "patient":
            kind = TYPES.get(name, "Observation")
            prefetch[name] = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in found if r["resourceType"] == kind]}
    return {
        "hook": "patient-view",
        "hookInstance": INSTANCE,
        "context": {"patientId": patient["id"], "userId": USER, "encounterId": f"enc-{patient['id']}"},
        "prefetch": prefetch,
        "fhirServer": "https://fhir.elsewhere.example/r4",
        "fhirAuthorization": {"access_token": ACCESS, "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "y"},
        **members,
    }


def crashing(at: str) -> Any:
    """A decider that fails late, with the whole record in its words."""

    def decide(asked: Any, rules: Any, gather: Any, as_of: int, settings: Settings) -> Any:
        record = gather(asked, rules.templates)
        raise ValueError(f"{at} {record!r} {asked.patient_id} {ACCESS}")

    return decide


@pytest.fixture(scope="module")
def clients() -> Iterator[Mapping[str, FlaskClient]]:
    settings = Settings.from_environment({})
    small = Settings.from_environment({"CDS_MAX_BODY": "1024"})
    rules = pipeline.load_rules(settings)
    found = {
        "whole": create_app(rules, settings, today=lambda: DAY),
        "sandbox": create_app(rules, Settings.from_environment({}, sandbox=True, as_of=DAY)),
        "small": create_app(rules, small, today=lambda: DAY),
        "crash": create_app(rules, settings, crashing("normalise"), today=lambda: DAY),
    }
    yield MappingProxyType({name: app.test_client() for name, app in found.items()})
    for app in found.values():
        app.extensions["fhir_server"].close()


def failed_query(text: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception", "diagnostics": text}]}


def someone_else(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"context": body["context"] | {"patientId": "someone-else-4471"}}


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return body | {"prefetch": {k: v for k, v in body["prefetch"].items() if k not in names}}


def replaced(body: dict[str, Any], name: str, given: object) -> dict[str, Any]:
    return body | {"prefetch": body["prefetch"] | {name: given}}


def name_of(body: dict[str, Any]) -> str:
    return json.dumps(body["prefetch"]["patient"].get("name", body["context"]["patientId"]))


def shuffled(body: dict[str, Any]) -> dict[str, Any]:
    """Every value of the wrong type: what is read is complained of."""
    entries = [{"resource": {k: ([v] if isinstance(v, str) and k not in ("resourceType", "id") else v) for k, v in e["resource"].items()}}
               for e in body["prefetch"]["conditions"]["entry"]]  # fmt: skip
    return replaced(body, "conditions", {"resourceType": "Bundle", "type": "searchset", "entry": entries})


#: Way → client, statuses it may have, body of the request.
WAYS: dict[str, tuple[str, set[int], Any]] = {
    "prefetch": ("whole", {200}, lambda b: b),
    "sandbox": ("sandbox", {200}, lambda b: b),
    "a list is missing and its server not allowed": ("whole", {200}, lambda b: without(b, "results-kidney")),
    "a failed query speaks": ("whole", {200}, lambda b: replaced(b, "procedures", failed_query(name_of(b)))),
    "values of wrong types": ("whole", {200, 412}, shuffled),
    "wrong patient": ("whole", {200, 412, 422, 400}, someone_else),
    "412 no patient": ("whole", {412}, lambda b: without(b, "patient", "conditions")),
    "412 failed patient": ("whole", {412}, lambda b: replaced(b, "patient", failed_query(name_of(b)))),
    "400 truncated JSON": ("whole", {400}, lambda b: json.dumps(b)[:-40]),
    "400 NaN": ("whole", {400}, lambda b: json.dumps(b).replace('"prefetch"', '"x": NaN, "prefetch"', 1)),
    "400 no UTF-8": ("whole", {400}, lambda b: json.dumps(b).encode() + b"\xff"),
    "400 name as an id": ("whole", {400}, lambda b: b | {"context": b["context"] | {"patientId": name_of(b)}}),
    "400 name as an instance": ("whole", {400}, lambda b: b | {"hookInstance": name_of(b)}),
    "400 name as a user": ("whole", {400}, lambda b: b | {"context": b["context"] | {"userId": name_of(b)}}),
    "400 a token of two lines": ("whole", {400}, lambda b: b | {"fhirAuthorization": b["fhirAuthorization"] | {"access_token": f"{ACCESS}\nX: y"}}),
    "400 a server with a user": ("whole", {400}, lambda b: b | {"fhirServer": f"https://{ACCESS}@fhir.example"}),
    "400 nested too deeply": ("whole", {400}, lambda b: json.dumps(b).replace('"prefetch"', f'"x": {"[" * 2000}{"]" * 2000}, "prefetch"', 1)),
    "422 another hook": ("whole", {422}, lambda b: b | {"hook": name_of(b)}),
    "413": ("small", {413}, lambda b: b),
    "500": ("crash", {500}, lambda b: b),
}


def leaked(secret: str, text: str) -> bool:
    """As a word of its own: an id that is `p1` stands in many a UUID."""
    return secret in text and re.search(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", text) is not None


@pytest.mark.parametrize("way", WAYS)
def test_no_log_line_and_no_error_body_tells_of_the_patient(way: str, clients: Mapping[str, FlaskClient], capsys: pytest.CaptureFixture[str]) -> None:
    name, statuses, make = WAYS[way]
    for path in FIXTURES:
        body = make(call(path))
        raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        answer = clients[name].post(SERVICE, data=raw, content_type="application/json", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code in statuses, path.name
        logged = "".join(capsys.readouterr())
        assert logged or name != "whole"
        said = answer.get_data(as_text=True) if answer.status_code != 200 else ""
        for secret in secrets(resources(path)):
            assert not leaked(secret, logged), f"{path.name}: {secret!r} is in the log: {logged}"
            assert not leaked(secret, said), f"{path.name}: {secret!r} is in the answer: {said}"


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("POST", "/cds-services/{}"),
        ("GET", "/{}"),
        ("DELETE", f"{SERVICE}?patient={{}}"),
        ("GET", "/cds-services?patient={}"),
        ("GET", "/about?x={}"),
    ],
)
def test_nor_do_addresses(method: str, route: str, clients: Mapping[str, FlaskClient], capsys: pytest.CaptureFixture[str]) -> None:
    answer = clients["whole"].open(route.format("Fixture-Example"), method=method, headers={"Authorization": f"Bearer {TOKEN}"})
    told = "".join(capsys.readouterr()) + answer.get_data(as_text=True)
    assert "Fixture-Example" not in told and TOKEN not in told


def test_nor_do_the_metrics_and_other_pages(clients: Mapping[str, FlaskClient]) -> None:
    client = clients["whole"]
    before = client.get("/about.json").data  # it names what the criteria are about, in words that stand in records as well
    client.post(SERVICE, json=call(FIXTURES[0]))
    for page in ("/metrics", "/ready", "/health", "/openapi.json"):
        text = client.get(page).get_data(as_text=True)
        assert not [s for s in secrets(resources(FIXTURES[0])) if leaked(s, text)]
    assert client.get("/about.json").data == before


def test_the_search_would_find_one() -> None:
    """The net has no holes: a name, an id, a date, a value of the first fixture each count."""
    for path in FIXTURES:
        found = resources(path)
        (patient,) = [r for r in found if r["resourceType"] == "Patient"]
        words = secrets(found)
        assert patient["id"] in words or len(patient["id"]) <= 3, path.name
        assert patient.get("birthDate", ACCESS) in words
        assert any(" " in w and w.split()[0].replace(".", "").isdigit() for w in words) or not list(_quantities(found)), path.name
        assert leaked(patient.get("birthDate", ACCESS), f'{{"x":"{patient.get("birthDate", ACCESS)}"}}')
