"""The yardstick: Flask and orjson that parse the same body and answer one card, under the same server with the same collector settings."""

from __future__ import annotations

import sys

import orjson
from flask import Flask, Response, request

from cds_service.server import Service, options

CARD = {
    "uuid": "11111111-2222-4333-8444-555555555555",
    "summary": "A card",
    "indicator": "info",
    "detail": "One line.",
    "source": {"label": "bench", "url": "https://example.org/"},
}


def application() -> Flask:
    app = Flask("bare")

    @app.get("/cds-services")
    def discovery() -> Response:
        return Response(orjson.dumps({"services": []}), mimetype="application/json")

    @app.post("/cds-services/bare")
    def hook() -> Response:
        body = orjson.loads(request.get_data())
        if body["hook"] != "patient-view":
            return Response(status=422)
        return Response(orjson.dumps({"cards": [CARD]}), mimetype="application/json")

    return app


if __name__ == "__main__":
    Service(application(), options("127.0.0.1", int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)).run()
