"""Errors → HTTP status and an OperationOutcome. The only place that maps one to the other."""

from __future__ import annotations

import logging
from uuid import uuid4

import orjson
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from cds_service import metrics, wire
from cds_service.errors import HookError, Unauthorized
from cds_service.web import log

#: What werkzeug raises by itself, in our words.
_WORDS = {
    404: "No such address.",
    405: "This address does not take this method.",
    413: "The body is too large (CDS_MAX_BODY).",
}


def register(app: Flask) -> None:
    app.register_error_handler(HookError, _refused)
    app.register_error_handler(RecursionError, _too_deep)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _failed)


def json_response(body: object, status: int = 200) -> Response:
    """Answers are about one patient at one moment: nobody between us and the EHR keeps them."""
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, mimetype="application/json")


def _refused(fault: HookError) -> Response:
    words = "" if isinstance(fault, Unauthorized) else str(fault)  # of a 401 the cause, which the answer does not say
    log.event("refused", logging.INFO, status=fault.status, missing=fault.missing, **{**_where(), "words": words, **fault.noted})
    if fault.status in (401, 429):
        metrics.auth_failure(str(fault.noted.get("why", "rate")))
    answer = json_response(wire.error(fault.status, str(fault)), fault.status)
    answer.headers.update(fault.headers)
    return answer


def _too_deep(fault: RecursionError) -> Response:
    log.event("refused", logging.WARNING, status=400, error="RecursionError", frames=log.frames(fault))
    return json_response(wire.error(400, "The body is nested too deeply."), 400)


def _http(fault: HTTPException) -> Response:
    status = fault.code or 500
    answer = json_response(wire.error(status, _WORDS.get(status, fault.name + ".")), status)
    answer.headers.extend((k, v) for k, v in fault.get_headers() if k == "Allow")
    log.event("refused", status=status, **_where())
    return answer


def _where() -> dict[str, str]:
    """Of our addresses which was called (never the address as it was written), and by whom where that is known."""
    rule = request.url_rule
    return {"route": "" if rule is None else rule.rule, "client": getattr(g.get("client"), "name", "")}


def _failed(fault: Exception) -> Response:
    """A crash must never look like "no trial fits": a status, a reference for the log, nothing else."""
    reference = str(uuid4())
    log.event("failed", logging.ERROR, reference=reference, **_where(), error=type(fault).__name__, frames=log.frames(fault))
    return json_response(wire.error(500, f"The check did not run. No trial has been looked at. Reference: {reference}"), 500)
