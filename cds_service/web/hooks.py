"""CDS Hooks over HTTP: discovery, the service, health. Reads a body, calls the pipeline, writes the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

from flask import Blueprint, Response, g, request

from cds_service import __version__, wire
from cds_service.config import Settings
from cds_service.errors import BadRequest, NotFound, TooLarge, UnreadableBody
from cds_service.model.cards import Card
from cds_service.model.facts import Record
from cds_service.model.hooks import HookRequest
from cds_service.model.outcomes import Answer
from cds_service.pipeline import Rules
from cds_service.web import log
from cds_service.web.faults import json_response

Gather = Callable[[HookRequest, Mapping[str, str]], Record]
Decide = Callable[[HookRequest, Rules, Gather, int, Settings], tuple[Answer, tuple[Card, ...]]]

#: Every status that each route can answer with; the manual and the tests read this.
STATUSES: Mapping[str, tuple[int, ...]] = {
    "GET /cds-services": (200, 401, 405, 429),
    "POST /cds-services/{id}": (200, 400, 401, 404, 405, 412, 413, 415, 422, 429, 500),
    "GET /health": (200, 405),
    "GET /ready": (200, 405, 503),
    "GET /metrics": (200, 405),
    "GET /openapi.json": (200, 405),
    "GET /about": (200, 405),
    "GET /about.json": (200, 405),
}

_JSON = re.compile(r"application/([a-z0-9.-]+\+)?json", re.ASCII)


def blueprint(rules: Rules, settings: Settings, decide: Decide, gather: Gather, today: Callable[[], date]) -> Blueprint:
    routes = Blueprint("hooks", __name__)
    discovery = wire.discovery(rules.templates)
    read_body = wire.body_reader(rules.templates)

    @routes.get("/cds-services", strict_slashes=False)
    def discover() -> Response:
        return json_response(discovery)

    @routes.post("/cds-services/<service>", strict_slashes=False)
    def call(service: str) -> Response:
        if service not in wire.SERVICES:
            raise NotFound(f"No such service. There are {', '.join(wire.SERVICES)}.")
        asked = g.asked = replace(wire.read_request(_body(read_body), sandbox=settings.sandbox, service=service), client=g.client)
        g.watch.mark("parse")
        as_of = asked.as_of or settings.as_of or today()
        answer, cards = decide(asked, rules, gather, as_of.toordinal(), settings)
        g.watch.mark("compose")
        said = wire.response(answer, cards, sandbox=settings.sandbox)
        response = json_response(said)
        g.served = (answer, cards)
        g.watch.mark("respond")
        _log_answer(asked.trigger, answer, said)
        return response

    @routes.get("/health", strict_slashes=False)
    def health() -> Response:
        return json_response({"status": "ok", "version": __version__, "trials": len(rules.trials)})

    return routes


def _body(read: Callable[[bytes], object]) -> object:
    if request.mimetype and not _JSON.fullmatch(request.mimetype):
        raise UnreadableBody("The body must be JSON: send it with Content-Type: application/json.")
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnreadableBody("A compressed body is not read: send it without Content-Encoding.")
    raw = _data()
    body = read(raw)
    g.instance = wire.instance_of(body)
    log.call(hookInstance=g.instance)
    if twice := wire.repeated(raw):
        raise BadRequest(f"{twice} stands twice in the request: send it once.")
    return body


def _data() -> bytes:
    """The bytes of the body, at most MAX_CONTENT_LENGTH.

    Where the length is announced it is read in one go: the counting reader that werkzeug puts before an
    announced body, too, copies it several times, which took longer than parsing it.
    """
    length, most = request.content_length, request.max_content_length
    if length is not None and most is not None:
        if length > most:
            raise TooLarge("The body is too large (CDS_MAX_BODY).")
        announced: bytes = request.environ["wsgi.input"].read(length)
        return announced
    raw = request.get_data(cache=False)
    if len(raw) == most:  # sent in chunks and cut off there, which Werkzeug does not say
        raise TooLarge("The body is too large (CDS_MAX_BODY).")
    return raw


def _log_answer(trigger: str, answer: Answer, said: Mapping[str, object]) -> None:
    """Ids of the cards served, for the share that is ignored; not which trials they name."""
    cards = said["cards"]
    log.event(
        "answered",
        trigger=trigger,
        cards=[card["uuid"] for card in cards] if isinstance(cards, list) else None,
        incomplete=[name for name, _ in answer.incomplete],
        milliseconds=round(g.watch.seconds() * 1000, 1),
    )
