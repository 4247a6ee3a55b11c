"""Wires rules, settings, fetch and routes into one Flask application, once. No logic."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from datetime import date, datetime

from flask import Flask
from flask_cors import CORS

from cds_service import fetch, pipeline, wire
from cds_service.config import Settings
from cds_service.model.facts import Record
from cds_service.model.hooks import HookRequest
from cds_service.pipeline import Rules
from cds_service.web import faults, hooks, log


def create_app(
    rules: Rules,
    settings: Settings,
    decide: hooks.Decide = pipeline.decide,
    gather: hooks.Gather | None = None,
    today: Callable[[], date] | None = None,
) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    # By name: a wildcard never covers Authorization. After every answer, errors too, or a browser hides them.
    CORS(
        app,
        resources={r"/(cds-services|health).*": {"origins": "*"}},
        methods=["GET", "POST", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type"],
        send_wildcard=True,  # no cookies are taken, so any page may call, and no page is named back
        max_age=3600,
    )
    faults.register(app)
    app.register_blueprint(hooks.blueprint(rules, settings, decide, gather or _gatherer(app, settings, rules), today or _today))
    wire.prepare()
    log.start()
    return app


def tune_collector() -> None:
    """Keep the cyclic collector away from what stays for ever, and let it run seldom.

    A hook call makes thousands of objects without cycles; collecting them made the slowest calls
    three to five times as slow. Call it where the process that answers has loaded everything.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _gatherer(app: Flask, settings: Settings, rules: Rules) -> hooks.Gather:
    server = fetch.FhirServer(
        settings.fhir_hosts,
        settings.fetch_budget,
        settings.max_body,
        most_in_all=settings.fetch_bytes,
        networks=settings.fhir_private,
        systems=wire.systems(rules.vocabulary),
    )
    app.extensions["fhir_server"] = server

    def gather(request: HookRequest, templates: Mapping[str, str]) -> Record:
        return fetch.gather(request, templates, server)

    return gather


def _today() -> date:
    """Where the server stands: a date for people."""
    return datetime.now().astimezone().date()
