"""Around every request: counted, timed, and, where it was about a patient, written into the audit. Decides nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Callable

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
#: Asked every few seconds by machines: counted, not logged.
PROBES = frozenset({"/health", "/ready", "/metrics"})


def register(app: Flask, pseudonym: Hash) -> None:
    """First of all that acts before a request, so that a refusal is counted as well."""

    @app.before_request
    def begin() -> None:
        g.watch = metrics.Stopwatch()
        log.forget()

    @app.after_request
    def end(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule is not None else "none"
        metrics.request(route, response.status_code)
        asked: HookRequest | None = g.get("asked")
        if asked is not None:
            metrics.hook(g.watch, response.status_code)
            _audit(asked, response.status_code, pseudonym)
        elif response.status_code < 400 and route not in PROBES and request.method != "OPTIONS":
            log.event("request", route=route, status=response.status_code, milliseconds=round(g.watch.seconds() * 1000, 1))
        return response


def timed(
    asked: HookRequest, rules: Rules, gather: Gather, as_of: int, settings: Settings, quiet: Quiet | None = None
) -> tuple[Answer, tuple[Card, ...]]:
    """The sentence, with this call's stopwatch."""
    return pipeline.decide(asked, rules, gather, as_of, settings, g.watch.mark, quiet)


def keyed(key: bytes = b"") -> Hash:
    """HMAC-SHA-256 by a key, 128 bits in hex. Without a key: by one that dies with the process, so lines of two runs do not match."""
    secret = key or secrets.token_bytes(32)

    def pseudonym(kind: str, tenant: str, identifier: str) -> str:
        return hmac.digest(secret, "\x1f".join((kind, tenant, identifier)).encode(), hashlib.sha256)[:16].hex()

    return pseudonym


def _audit(asked: HookRequest, status: int, pseudonym: Hash) -> None:
    """Who asked about whom, and how many of what was answered; not which trials."""
    answer, cards = g.get("served", (None, ()))
    for card in cards:
        metrics.card(card.assessments[0].trial.id if card.assessments else metrics.OTHER)
    where = tenant(asked)
    log.audit(
        "asked",
        client=client_name(),
        user=pseudonym("clinician", where, asked.user_id),
        patient=pseudonym("patient", where, asked.patient_id),
        hook=asked.hook,
        status=status,
        cards=len(cards) if answer is not None else None,
        cohorts=dict(Counter(a.status for a in answer.assessments)) if answer is not None else None,
    )
