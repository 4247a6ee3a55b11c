"""The routes and their statuses → an OpenAPI 3.1 document. Made from what the routes answer with, so that it cannot fall behind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from cds_service import __version__
from cds_service.wire.contexts import HOOKS, SERVICES
from cds_service.wire.outgoing import ASSESSMENT

_SCHEMAS = Path(__file__).parent / "schemas"
_JSON, _HTML, _TEXT = "application/json", "text/html", "text/plain"


class _Words(NamedTuple):
    """Of one route. `says`: media type → schema of a good answer, "" for text. `asks`: schema of the body."""

    summary: str
    says: Mapping[str, str]
    asks: str = ""


#: Every route has its words here; a test compares.
_ROUTES: Mapping[str, _Words] = {
    "GET /cds-services": _Words("Discovery: the services, their hooks and what to prefetch.", {_JSON: "Discovery"}),
    "POST /cds-services/{id}": _Words("A hook call, answered with cards. An empty list of cards: nothing to say.", {_JSON: "Response"}, "Request"),
    "POST /cds-services/{id}/feedback": _Words(
        "What clinicians did with cards. Says how many entries were kept, and which were not.", {_JSON: "Feedback"}, "FeedbackRequest"
    ),
    "GET /health": _Words("The process is alive.", {_JSON: "State"}),
    "GET /ready": _Words("Criteria are loaded, and the store, where there is one, answers.", {_JSON: "State"}),
    "GET /metrics": _Words("Counts and times for Prometheus.", {_TEXT: ""}),
    "GET /openapi.json": _Words("This document.", {_JSON: "Object"}),
    "GET /about": _Words("Purpose, users, logic, data, versions, reviews and limits. JSON where Accept prefers it.", {_HTML: "", _JSON: "Object"}),
    "GET /about.json": _Words("The same as JSON.", {_JSON: "Object"}),
}
_STATUS = {
    200: "Answered.",
    400: "The body is malformed; says what and where.",
    401: "Not authenticated. One answer for every cause.",
    403: "Not allowed.",
    404: "No such service.",
    405: "This address does not take this method.",
    412: "Required data is neither in the prefetch nor to be had from the FHIR server; says what.",
    413: "The body is too large.",
    415: "The body is of another type.",
    422: "Another hook or type.",
    429: "Too many calls.",
    500: "The check did not run. Carries a reference that stands in the log.",
    503: "Not ready, or the store is down: try again later.",
}
_STATE = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"enum": ["ok", "ready", "not-ready"]}, "failed": {"type": "array", "minItems": 1, "items": {"type": "string"}}},
}


def openapi(statuses: Mapping[str, tuple[int, ...]]) -> dict[str, object]:
    """`statuses`: "METHOD /path" → what it can answer with. Raises KeyError for a route without words."""
    paths: dict[str, dict[str, object]] = {}
    for route, answers in statuses.items():
        method, _, path = route.partition(" ")
        paths.setdefault(path, {})[method.lower()] = _operation(route, answers)
    return {
        "openapi": "3.1.0",
        "info": {"title": "cds-service", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": _components()},
    }


def _operation(route: str, answers: tuple[int, ...]) -> dict[str, object]:
    words = _ROUTES[route]
    operation: dict[str, object] = {
        "operationId": re.sub(r"[^a-z]+", "-", route.lower()).strip("-"),
        "summary": words.summary,
        "responses": {str(status): _answer(words, status) for status in answers if status != 405},  # 405 belongs to the methods that are not here
    }
    if "{id}" in route:
        operation["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": {"enum": list(SERVICES)}}]
    if words.asks:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _ref(words.asks)}}}
    return operation


def _answer(words: _Words, status: int) -> dict[str, object]:
    content: dict[str, Any]
    if status < 300:
        content = {media: {"schema": _ref(name) if name else {"type": "string"}} for media, name in words.says.items()}
    else:
        content = {_JSON: {"schema": _refusal(words.says.get(_JSON, ""))}}
    return {"description": _STATUS[status], "content": content}


def _refusal(own: str) -> dict[str, Any]:
    """Of a state, and of feedback that was kept in part, the answer has the same shape when it is not good."""
    if own == "State":
        return _ref(own)
    return {"anyOf": [_ref("Error"), _ref(own)]} if own == "Feedback" else _ref("Error")


@cache
def _components() -> dict[str, Any]:
    found: dict[str, Any] = {"Object": {"type": "object"}, "State": _STATE}
    for name in ("request", "discovery", "response", "error", "feedback"):
        _add(found, name.capitalize(), orjson.loads((_SCHEMAS / f"{name}.json").read_bytes()))
    _add(found, "FeedbackRequest", orjson.loads((_SCHEMAS / "feedback_request.json").read_bytes()))
    _add(found, "Assessment", orjson.loads((_SCHEMAS.parents[1] / "assessment.schema.json").read_bytes()))
    found["Request"]["properties"]["hook"] = {"enum": list(HOOKS)}
    for holder in (found["Response"], found["Response.card"]):
        holder["properties"]["extension"] = {"type": "object", "properties": {ASSESSMENT: _ref("Assessment")}}
    return found


def _add(found: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    """A schema under its name, and each of its `$defs` as `name.definition`: within one document only such addresses hold."""
    moved = orjson.loads(orjson.dumps(schema).replace(b'"#/$defs/', f'"#/components/schemas/{name}.'.encode()))
    moved.pop("$schema", None)
    moved.pop("$id", None)
    found |= {f"{name}.{part}": definition for part, definition in moved.pop("$defs", {}).items()}
    found[name] = moved


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
