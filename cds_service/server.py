"""The service under gunicorn: loads, binds, serves. Behind the command line only; how gunicorn runs stands in gunicorn_conf."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import click
from flask import Flask
from gunicorn.app.base import BaseApplication

from cds_service import __version__, app, pipeline
from cds_service.config import LOOPBACK, Settings
from cds_service.errors import BadSetting
from cds_service.store import open_store


def run(settings: Settings, host: str, port: int, workers: int, without_authentication: bool = False) -> int:
    """Serve until told to stop. Every fault of ours is found before the first connection."""
    guard(settings, host, without_authentication)
    rules = pipeline.load_rules(settings)
    _bindable(host, port)
    chosen = options(host, port, workers)  # before the application: it decides how is counted
    served, said = application(settings, rules)  # nothing is announced before all is found to be in order
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}/cds-services"
    mode = f", sandbox as of {settings.as_of or 'today'}" if settings.sandbox else ""
    mode += "" if settings.clients else ", open to all who reach it"
    click.echo(f"cds-service {__version__} on {where}: {len(rules.trials)} trials, {workers} worker{'s'[: workers > 1]}{mode}", err=True)
    if host not in LOOPBACK:
        click.echo("plain HTTP beyond loopback: put a TLS proxy before it, EHRs require https", err=True)
    for line in said:
        click.echo(f"cds-service: {line}", err=True)
    Service(served, chosen).run()
    return 0


def application(settings: Settings, rules: pipeline.Rules) -> tuple[Flask, tuple[str, ...]]:
    """What every way to start serves, and what whoever starts it must be told: what is kept, what is not shown. Raises BadSetting."""
    store, remembered = open_store(settings)
    silent = ("SILENT: every patient is evaluated and recorded, and no card is shown to anybody (CDS_SILENT or --silent)",) if settings.silent else ()
    if settings.silent and store is None:
        raise BadSetting("silent mode is for recording what would be shown, and there is no store: set CDS_DATABASE_URL")
    return app.create_app(rules, settings, store=store), (remembered, *silent)


def options(host: str, port: int, workers: int) -> Mapping[str, object]:
    """gunicorn's settings: those of gunicorn_conf, with where and how many."""
    from cds_service import gunicorn_conf  # here: reading it makes the directory where workers count together

    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return vars(gunicorn_conf) | {"bind": where, "workers": workers, "on_starting": lambda server: None}  # `run` has asked who may listen there


def guard(settings: Settings, host: str, without_authentication: bool) -> None:
    """Open to anyone on loopback only, unless told so by name. Raises BadSetting."""
    if settings.clients and without_authentication:
        raise BadSetting("--without-authentication and CDS_CLIENTS contradict each other: leave one out")
    if host in LOOPBACK:
        return
    if not settings.clients and not without_authentication:
        raise BadSetting(
            f"{host} can be reached by others, and no client is named: give CDS_CLIENTS (docs/security.md), "
            "or start `cds-service serve --without-authentication` if a gateway checks every caller"
        )
    if settings.clients and not settings.public_url:
        raise BadSetting("CDS_PUBLIC_URL: must be given with CDS_CLIENTS: a token is for an address, and the caller's Host header proves none")


class Service(BaseApplication):
    """An application that is built before the workers are forked, so that they share its memory."""

    def __init__(self, application: Flask, chosen: Mapping[str, object]) -> None:
        self.application = application
        self.chosen = chosen
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.chosen.items():
            if name in self.cfg.settings:  # what else stands in the file, and what older gunicorns do not know
                self.cfg.set(name, value)

    def load(self) -> Any:  # gunicorn's own type for an application is private
        return self.application


def _bindable(host: str, port: int) -> None:
    """A taken port is said in one line; gunicorn would try five times and then print a page."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as fault:
        raise BadSetting(f"cannot listen on {host}:{port}: {fault.strerror or fault}; choose another --port or --host") from None
