"""Wires rules, settings, fetch and routes into one Flask application, once. No logic."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask
from flask_cors import CORS

from cds_service import certificates, fetch, metrics, trust, wire
from cds_service.config import Settings
from cds_service.errors import StoreDown
from cds_service.keyed import Keys
from cds_service.model.facts import Record
from cds_service.model.hooks import HookRequest
from cds_service.pipeline import Rules
from cds_service.web import auth, faults, feedback, headers, hooks, memory, operation, watch

if TYPE_CHECKING:
    from cds_service.store import Store


def create_app(
    rules: Rules,
    settings: Settings,
    decide: hooks.Decide = watch.timed,
    gather: hooks.Gather | None = None,
    today: Callable[[], date] | None = None,
    store: Store | None = None,
    *,
    replay: trust.Replay | None = None,
    checks: operation.Checks | None = None,
) -> Flask:
    """Raises BadData (CDS_CLIENTS), BadSetting (CDS_FHIR_CA). Without a store nothing is recorded, no card muted, and feedback refused (404).

    `replay` remembers used tokens for all workers: the store, unless another is given; without either each
    worker remembers its own. `checks`: what /ready asks besides the store, by name.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    # By name: a wildcard never covers Authorization. After every answer, errors too, or a browser hides them.
    CORS(
        app,
        resources={r"/(cds-services|health).*": {"origins": "*"}},
        methods=["GET", "POST", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After", "WWW-Authenticate"],
        send_wildcard=True,  # no cookies are taken, so any page may call, and no page is named back
        always_send=False,  # an EHR's server names no page
        max_age=3600,
    )
    # without a lasting key by one that dies with the process: then the lines of two runs do not fit together
    watch.register(app, store.person if store is not None else Keys(settings.hash_key.encode() or secrets.token_bytes(32)).of)
    faults.register(app)
    headers.register(app)
    auth.require(app, settings, replay or store)
    remembered = None
    if store is not None:
        store.notice = memory.told
        remembered = memory.Memory(store, settings)
        checks = {"store": partial(_answers, store), **(checks or {})}
        app.extensions["store"] = store
    ask = gather or _gatherer(app, settings, rules)
    app.register_blueprint(hooks.blueprint(rules, settings, decide, ask, today or _today, remembered))
    app.register_blueprint(feedback.blueprint(rules, store))
    app.register_blueprint(operation.blueprint(rules, checks or {}, today or _today))
    wire.prepare()
    metrics.prepare()
    return app


def tune_collector() -> None:
    """Keep the cyclic collector away from what stays for ever, and let it run seldom.

    A hook call makes thousands of objects without cycles; collecting them made the slowest calls
    three to five times as slow. Call it where the process that answers has loaded everything.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)


def _gatherer(app: Flask, settings: Settings, rules: Rules) -> hooks.Gather:
    server = fetch.FhirServer(
        settings.fhir_hosts,
        settings.fetch_budget,
        settings.max_body,
        most_in_all=settings.fetch_bytes,
        networks=settings.fhir_private,
        systems=wire.systems(rules.vocabulary),
        failed=metrics.fetch_failure,
        trusted=certificates.trusting(settings.fhir_ca),
    )
    app.extensions["fhir_server"] = server

    def gather(request: HookRequest, templates: Mapping[str, str]) -> Record:
        return fetch.gather(request, templates, server)

    return gather


def _answers(store: Store) -> None:
    if not store.ready():
        raise StoreDown("the store does not answer")


def _today() -> date:
    """Where the server stands: a date for people."""
    return datetime.now().astimezone().date()
