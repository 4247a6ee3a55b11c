"""For whoever runs the service or reviews it: readiness, metrics, the OpenAPI document, what this is. Nothing about a patient."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from flask import Blueprint, Response, request

from cds_service import about, metrics, wire
from cds_service.pipeline import Rules
from cds_service.web import log
from cds_service.web.faults import json_response
from cds_service.web.hooks import STATUSES

#: Name → raises when that part is not ready. Each must give up by itself within a second or two.
Checks = Mapping[str, Callable[[], object]]


def blueprint(rules: Rules, checks: Checks, today: Callable[[], date]) -> Blueprint:
    routes = Blueprint("operation", __name__)
    document = wire.openapi(STATUSES)
    all_checks: Checks = {"criteria": lambda: _some(rules.trials), **checks}

    @routes.get("/ready", strict_slashes=False)
    def ready() -> Response:
        failed = [name for name, check in all_checks.items() if not _passes(name, check)]
        return json_response({"status": "not-ready", "failed": failed}, 503) if failed else json_response({"status": "ready"})

    @routes.get("/metrics", strict_slashes=False)
    def measured() -> Response:
        body, media = metrics.exposition(os.environ)
        return Response(body, headers={"Cache-Control": "no-store", "Content-Type": media})

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return json_response(document)

    @routes.get("/about")
    def about_page() -> Response:
        """HTML for a browser; JSON for whoever prefers it by Accept."""
        accepted = request.accept_mimetypes
        if accepted["application/json"] > accepted["text/html"]:
            return about_json()
        answer = Response(about.as_html(_described()), mimetype="text/html")
        answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        answer.headers["Vary"] = "Accept"
        return answer

    @routes.get("/about.json")
    def about_json() -> Response:
        answer = json_response(_described())
        answer.headers["Vary"] = "Accept"
        return answer

    def _described() -> dict[str, Any]:
        return about.describe(rules.trials, rules.templates, today())

    return routes


def _some(found: tuple[object, ...]) -> None:
    if not found:
        raise LookupError


def _passes(name: str, check: Callable[[], object]) -> bool:
    """What failed is said by name only; where it failed stands in the log."""
    try:
        check()
    except Exception as fault:  # whatever a check stumbles over, the answer is: not ready
        log.event("not ready", logging.WARNING, check=name, error=type(fault).__name__, frames=log.frames(fault))
        return False
    return True
