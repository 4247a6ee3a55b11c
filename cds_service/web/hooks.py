"""CDS Hooks over HTTP: discovery, the service, health. Reads a body, calls the pipeline, writes the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial

from flask import Blueprint, Response, g

from cds_service import __version__, wire
from cds_service.config import Settings
from cds_service.errors import NotFound
from cds_service.model.cards import Card
from cds_service.model.facts import Record
from cds_service.model.hooks import HookRequest
from cds_service.model.outcomes import Answer
from cds_service.pipeline import Rules
from cds_service.web import log
from cds_service.web.bodies import body
from cds_service.web.faults import json_response
from cds_service.web.memory import Memory, Visit

Gather = Callable[[HookRequest, Mapping[str, str]], Record]
#: `pipeline.decide`; with a store it is also given `quiet`.
Decide = Callable[..., tuple[Answer, tuple[Card, ...]]]

#: Every status that each route can answer with; the manual and the tests read this.
STATUSES: Mapping[str, tuple[int, ...]] = {
    "GET /cds-services": (200, 401, 405, 429),
    "POST /cds-services/{id}": (200, 400, 401, 404, 405, 412, 413, 415, 422, 429, 500),
    "POST /cds-services/{id}/feedback": (200, 400, 401, 404, 405, 413, 415, 429, 503),
    "GET /health": (200, 405),
    "GET /ready": (200, 405, 503),
    "GET /metrics": (200, 405),
    "GET /openapi.json": (200, 405),
    "GET /about": (200, 405),
    "GET /about.json": (200, 405),
}


def blueprint(rules: Rules, settings: Settings, decide: Decide, gather: Gather, today: Callable[[], date], memory: Memory | None = None) -> Blueprint:
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
        asked = g.asked = wire.read_request(body(read_body), sandbox=settings.sandbox, service=service, client=g.client)
        g.watch.mark("parse")
        as_of = asked.as_of or settings.as_of or today()
        visit = None if memory is None else memory.visit(asked)
        chosen = decide if visit is None else partial(decide, quiet=visit.quiet)
        answer, cards = chosen(asked, rules, gather, as_of.toordinal(), settings)
        g.watch.mark("compose")
        said = wire.response(answer, cards, sandbox=settings.sandbox)
        response = json_response(wire.silenced(said) if settings.silent else said)
        g.watch.mark("respond")
        g.served = (answer, cards)
        g.behind = partial(_remember, visit, said, asked, answer, g.watch.seconds(), silent=settings.silent)
        return response

    @routes.get("/health", strict_slashes=False)
    def health() -> Response:
        return json_response({"status": "ok", "version": __version__, "trials": len(rules.trials)})

    return routes


def _remember(visit: Visit | None, said: Mapping[str, object], asked: HookRequest, answer: Answer, seconds: float, *, silent: bool) -> None:
    """Behind the answer. The log has the ids of the cards served, for the share that is ignored; not which trials they name."""
    shown = wire.shown(said)
    if visit is not None:
        visit.served(shown)
    log.event(
        "answered",
        trigger=asked.trigger,
        cards=[] if silent else [uuid for _, uuid in shown],
        incomplete=[name for name, _ in answer.incomplete],
        milliseconds=round(seconds * 1000, 1),
    )
