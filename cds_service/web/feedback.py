"""Feedback over HTTP: what clinicians did with the cards. Reads a body, keeps the entries, says which it could not keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response

from cds_service import metrics, wire
from cds_service.errors import NotFound, StoreDown, Unavailable
from cds_service.model.served import ACCEPTED, Feedback
from cds_service.pipeline import Rules
from cds_service.web import log
from cds_service.web.bodies import body
from cds_service.web.faults import json_response
from cds_service.web.memory import client_name, now

if TYPE_CHECKING:
    from cds_service.store import Store

RETRY_AFTER = 60  #: seconds


def blueprint(rules: Rules, store: Store | None) -> Blueprint:
    routes = Blueprint("feedback", __name__)
    criteria = frozenset(c.id for t in rules.trials for c in t.criteria)

    @routes.post("/cds-services/<service>/feedback", strict_slashes=False)
    def feedback(service: str) -> Response:
        if service not in wire.SERVICES:
            raise NotFound(f"No such service. There are {', '.join(wire.SERVICES)}.")
        if store is None:
            raise NotFound("This service keeps no feedback (CDS_DATABASE_URL is none, or it is a sandbox).")
        entries, refused = wire.read_feedback(body(), criteria)
        if entries:
            _keep(store, entries)
        accepted = [e.outcome for e in entries].count(ACCEPTED)
        for entry in entries:
            metrics.feedback(entry.outcome)
        for _ in refused:
            metrics.feedback("refused")
        log.event("feedback", client=client_name(), accepted=accepted, overridden=len(entries) - accepted, refused=len(refused), why=_whys(refused))
        return json_response(wire.feedback_answer(len(entries), refused), 200 if entries else 400)

    return routes


def _whys(refused: tuple[wire.Refused, ...]) -> tuple[str, ...]:
    """For whoever connects the EHR: what was wrong, once each."""
    return tuple(dict.fromkeys(one.why for one in refused))[:5]


def _keep(store: Store, entries: tuple[Feedback, ...]) -> None:
    try:
        store.hear(entries, client_name(), now())
    except StoreDown:
        raise Unavailable(
            "Feedback cannot be kept at the moment. Nothing of this request was kept: send it again.", retry_after=RETRY_AFTER
        ) from None
