"""The OpenAPI document: it is one, it tells of every route and status, and what the service does under made-up calls is what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import CHECKS as CHECKED
from schemathesis.checks import load_all_checks
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_wsgi

from cds_service import cli, pipeline, wire
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.store import open_store
from cds_service.web.hooks import STATUSES
from cds_service.wire.openapi import _ROUTES

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "/cds-services/cell-therapy-trials"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    database = f"sqlite:///{tmp_path_factory.mktemp('store')}/store.sqlite3"
    chosen = Settings.from_environment({"CDS_DATABASE_URL": database}, sandbox=True, as_of=cli.day("2026-11-01"))
    return create_app(pipeline.load_rules(chosen), chosen, store=open_store(chosen)[0])


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, object]:
    found: dict[str, object] = app.test_client().get("/openapi.json").get_json()
    return found


@pytest.fixture(scope="module")
def api(app: Flask) -> schemathesis.BaseSchema:
    return from_wsgi("/openapi.json", app)


def test_it_tells_of_every_route_and_status_and_of_no_other(document: dict) -> None:
    told = {
        (f"{method.upper()} {path}", int(status))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
    }
    assert told == {(route, status) for route, statuses in STATUSES.items() for status in statuses if status != 405}
    assert set(_ROUTES) == set(STATUSES)


def test_it_tells_where_a_token_is_asked_for(document: dict) -> None:
    asks = {path for path, methods in document["paths"].items() for operation in methods.values() if "security" in operation}
    assert asks == {path for path in document["paths"] if path.startswith("/cds-services")}
    assert document["components"]["securitySchemes"]["clientToken"]["scheme"] == "bearer"


def test_a_route_without_words_is_a_fault() -> None:
    with pytest.raises(KeyError):
        wire.openapi({"GET /new": (200,)})


def test_every_schema_is_one_and_every_reference_leads_somewhere(document: dict) -> None:
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)

    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            return [v for k, v in value.items() if k == "$ref"] + [r for v in value.values() for r in references(v)]
        return [r for v in value for r in references(v)] if isinstance(value, list) else []

    assert {r.removeprefix("#/components/schemas/") for r in references(document)} <= set(schemas)


def test_a_real_answer_is_what_it_says(app: Flask, document: dict) -> None:
    """And its net is fine enough to refuse a card with a member too many, or an assessment that is none."""
    answer = app.test_client().post(SERVICE, data=(ROOT / "docs/examples/patient-view.json").read_bytes()).get_json()
    schema = Draft202012Validator({"$ref": "#/components/schemas/Response", "components": document["components"]})
    schema.validate(answer)
    assert answer["cards"]
    assert not schema.is_valid({"cards": [answer["cards"][0] | {"colour": "red"}]})
    assert not schema.is_valid({"cards": [], "extension": {"org.cds-service.assessment": {"asOf": 1}}})
    request = Draft202012Validator({"$ref": "#/components/schemas/Request", "components": document["components"]})
    assert request.is_valid(json.loads((ROOT / "docs/examples/patient-view.json").read_text()))
    assert not request.is_valid({"hook": "patient-view"})


# Not `positive_data_acceptance`: a well-formed call without a patient is 412. Not `negative_data_rejection`: members that are not
# read are left alone, whatever stands there.
load_all_checks()
CHECKS = CHECKED.get_by_names(["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"])


WAYS = [(route, GenerationMode.POSITIVE) for route in STATUSES] + [(route, GenerationMode.NEGATIVE) for route in STATUSES if "{id}" in route]


@pytest.mark.parametrize(("route", "mode"), WAYS)
def test_made_up_calls_are_answered_as_documented(route: str, mode: GenerationMode, api: schemathesis.BaseSchema) -> None:
    """Schemathesis without its pytest plugin, whose inner workings do not fit every pytest."""
    method, path = route.split()
    operation = api[path][method]
    seen: list[int] = []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def called(case: schemathesis.Case) -> None:
        answer = case.call()
        seen.append(answer.status_code)
        if answer.status_code == 405:  # a method that is not this operation's: it is the negative mode's own idea
            return
        case.validate_response(answer, checks=CHECKS)

    called()
    assert {400, 404} & set(seen) if mode is GenerationMode.NEGATIVE else {200, 412} & set(seen)
