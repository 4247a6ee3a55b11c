"""CDS Hooks over HTTP: discovery, the service, health. Reads a body, calls the pipeline, writes the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial

import orjson
from flask import Blueprint, Response, g, request

from cds_service import __version__, wire
from cds_service.config import Settings
from cds_service.errors import BadRequest, NotFound
from cds_service.model.cards import Card
from cds_service.model.facts import Record
from cds_service.model.hooks import HookRequest
from cds_service.model.outcomes import Answer
from cds_service.pipeline import Rules
from cds_service.web import log
from cds_service.web.faults import json_response
from cds_service.web.memory import Memory, topics

Gather = Callable[[HookRequest, Mapping[str, str]], Record]
#: `pipeline.decide`; with a store it is also given `quiet`.
Decide = Callable[..., tuple[Answer, tuple[Card, ...]]]

#: Every status that each route can answer with; the manual and the tests read this.
STATUSES: Mapping[str, tuple[int, ...]] = {
    "GET /cds-services": (200, 405),
    "POST /cds-services/{id}": (200, 400, 404, 405, 412, 413, 422, 500),
    "GET /health": (200, 405),
}


def blueprint(rules: Rules, settings: Settings, decide: Decide, gather: Gather, today: Callable[[], date], memory: Memory | None = None) -> Blueprint:
    routes = Blueprint("hooks", __name__)
    discovery = wire.discovery(rules.templates)

    @routes.get("/cds-services", strict_slashes=False)
    def discover() -> Response:
        return json_response(discovery)

    @routes.post("/cds-services/<service>", strict_slashes=False)
    def call(service: str) -> Response:
        if service != wire.SERVICE:
            raise NotFound(f"No such service. There is {wire.SERVICE}.")
        started = time.perf_counter()
        asked = wire.read_request(body(), sandbox=settings.sandbox)
        as_of = asked.as_of or settings.as_of or today()
        visit = None if memory is None else memory.visit(asked)
        chosen = decide if visit is None else partial(decide, quiet=visit.quiet)
        answer, cards = chosen(asked, rules, gather, as_of.toordinal(), settings)
        said = wire.response(answer, cards, sandbox=settings.sandbox)
        if visit is not None:
            visit.served(topics(said))
        if settings.silent:
            said["cards"] = []
        response = json_response(said)
        _log_answer(asked, answer, said, started)
        return response

    @routes.get("/health", strict_slashes=False)
    def health() -> Response:
        return json_response({"status": "ok", "version": __version__, "trials": len(rules.trials)})

    return routes


def body() -> object:
    """The body as JSON. orjson refuses NaN, Infinity, bytes that are no UTF-8 and more than 1,024 levels."""
    try:
        found: object = orjson.loads(request.get_data(cache=False))
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON (UTF-8, no NaN or Infinity, at most 1,024 levels deep).") from None
    g.instance = wire.instance_of(found)
    return found


def _log_answer(asked: HookRequest, answer: Answer, said: Mapping[str, object], started: float) -> None:
    """Ids of the cards served, for the share that is ignored; not which trials they name."""
    cards = said["cards"]
    log.event(
        "answered",
        hookInstance=asked.instance,
        cards=[card["uuid"] for card in cards] if isinstance(cards, list) else None,
        incomplete=[name for name, _ in answer.incomplete],
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
    )
