"""Around every request: counted, timed, and, where it was about a patient, written into the audit. Decides nothing."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from flask import Flask, Response, g, request

from cds_service import metrics, pipeline
from cds_service.config import Settings
from cds_service.model.cards import Card
from cds_service.model.hooks import HookRequest
from cds_service.model.outcomes import Answer
from cds_service.pipeline import Gather, Quiet, Rules
from cds_service.web import log
from cds_service.web.memory import client_name, tenant

#: patient or clinician, where the id is from, the id → what may stand in a log: keyed, so that nobody without the key can try out ids.
Hash = Callable[[str, str, str], str]
#: Asked every few seconds by machines: counted, not logged. Feedback has a line of its own.
TOLD = frozenset({"/health", "/ready", "/metrics", "/cds-services/<service>/feedback"})


def register(app: Flask, pseudonym: Hash) -> None:
    """First of all that acts before a request, so that a refusal is counted as well."""

    @app.before_request
    def begin() -> None:
        g.watch = metrics.Stopwatch()
        log.forget()

    @app.after_request
    def end(response: Response) -> Response:
        """What is told of a call is told, and what it held is given back, when its answer has been sent: nobody waits for the books."""
        asked: HookRequest | None = g.get("asked")
        seen = _Seen(
            request.url_rule.rule if request.url_rule is not None else "none",
            request.method,
            response.status_code,
            g.watch,
            g.watch.seconds(),
            client_name(),
            asked,
            tenant(asked) if asked is not None else "",
            g.get("served"),
            g.get("behind"),
        )
        response.call_on_close(partial(_told, seen, pseudonym))
        return response


class _Seen(NamedTuple):
    """One call, as far as it is told of. `behind`: what its own route has left to do."""

    route: str
    method: str
    status: int
    watch: metrics.Stopwatch
    seconds: float
    client: str
    asked: HookRequest | None
    tenant: str
    served: tuple[Answer, tuple[Card, ...]] | None
    behind: Callable[[], None] | None


def _told(seen: _Seen, pseudonym: Hash) -> None:
    try:
        metrics.request(seen.route, seen.status)
        if seen.behind is not None:
            seen.behind()
        if seen.asked is not None:
            metrics.hook(seen.watch, seen.seconds, seen.status)
            _audit(seen, seen.asked, pseudonym)
        elif seen.status < 400 and seen.route not in TOLD and seen.method != "OPTIONS":
            log.event("request", route=seen.route, status=seen.status, milliseconds=round(seen.seconds * 1000, 1))
    except Exception as fault:  # the answer is with the caller already: what is left is to say so
        log.event("failed", logging.ERROR, error=type(fault).__name__, frames=log.frames(fault))


def timed(
    asked: HookRequest, rules: Rules, gather: Gather, as_of: int, settings: Settings, quiet: Quiet | None = None
) -> tuple[Answer, tuple[Card, ...]]:
    """The sentence, with this call's stopwatch."""
    return pipeline.decide(asked, rules, gather, as_of, settings, g.watch.mark, quiet)


def _audit(seen: _Seen, asked: HookRequest, pseudonym: Hash) -> None:
    """Who asked about whom, and how many of what was answered; not which trials."""
    answer, cards = seen.served or (None, ())
    for card in cards:
        metrics.card(card.assessments[0].trial.id if card.assessments else metrics.OTHER)
    log.audit(
        "asked",
        client=seen.client,
        user=pseudonym("clinician", seen.tenant, asked.user_id),
        patient=pseudonym("patient", seen.tenant, asked.patient_id),
        hook=asked.hook,
        status=seen.status,
        cards=len(cards) if answer is not None else None,
        cohorts=dict(Counter(a.status for a in answer.assessments)) if answer is not None else None,
    )
