"""Who may call: each call under /cds-services brings a token where the site names its clients. The Flask side of `trust`."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Flask, g, request

from cds_service import certificates, trust
from cds_service.config import LOOPBACK, Settings
from cds_service.errors import Unauthorized
from cds_service.model.clients import OPEN, Client
from cds_service.web import log
from cds_service.web.rate import Rate

PROTECTED = "/cds-services"


def require(app: Flask, settings: Settings, replay: trust.Replay | None = None) -> None:
    """Sets `flask.g.client` before each call under /cds-services: one of CDS_CLIENTS, or OPEN where there are none.

    Raises BadData where the client file has a fault. A browser's preflight carries no token and is let
    through. /health, /ready and /metrics ask for none: they are for the gateway, which hides them.
    """
    clients = trust.load(settings.clients) if settings.clients else ()
    checker = _checker(clients, settings, replay) if clients else None
    rate = Rate(settings.rate_limit)

    @app.before_request
    def authenticate() -> None:
        if request.path != PROTECTED and not request.path.startswith(f"{PROTECTED}/"):
            return
        if checker is None:
            g.client = OPEN
        elif request.method != "OPTIONS":
            g.client = checker.check(request.headers.get("Authorization", ""), _endpoint(settings.public_url))
            rate.spend(g.client)


def _checker(clients: tuple[Client, ...], settings: Settings, replay: trust.Replay | None) -> trust.Checker:
    def failed(address: str, why: str) -> None:
        log.event("keys not fetched", logging.WARNING, address=address, why=why)

    sets = trust.KeySets(frozenset(address for client in clients for address in client.key_sets), failed, certificates.trusting(settings.fhir_ca))
    terms = trust.Terms(settings.clock_skew, settings.token_lifetime)
    return trust.Checker(clients, sets, _Shared(replay) if replay is not None else trust.Seen(), terms)


class _Shared:
    """The store's memory; while it fails, this process's own: a store that is down must not shut the door."""

    def __init__(self, shared: trust.Replay) -> None:
        self._shared = shared
        self._own = trust.Seen()

    def first_use(self, issuer: str, jti: str, expires: int) -> bool:
        own = self._own.first_use(issuer, jti, expires)
        try:
            return self._shared.first_use(issuer, jti, expires)
        except Exception as fault:  # whatever the store raises, its own memory goes on
            log.event("replay not shared", logging.WARNING, error=type(fault).__name__)
            return own


def _endpoint(public_url: str) -> str:
    """The address that a token must be for. The caller writes the Host header, so it counts on loopback only."""
    if public_url:
        return public_url + request.path
    try:
        host = urlsplit(request.host_url).hostname
    except ValueError:
        host = None
    if host not in LOOPBACK:
        raise Unauthorized("audience")
    return request.host_url.rstrip("/") + request.path
