"""What every answer tells a browser. HSTS is not among it: we speak plain HTTP, where it has no effect; it belongs to the TLS proxy."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, Response

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",  # about one patient at one moment
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",  # no page embeds an answer; CORS is asked for by name
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # browsers that do not know frame-ancestors
}


def register(app: Flask) -> None:
    @app.after_request
    def harden(answer: Response) -> Response:
        """A page that needs more sets its own, which stays."""
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer
