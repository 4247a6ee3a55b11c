"""The service under gunicorn: loads, binds, tunes the garbage collector, serves. Behind the command line only."""

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
from cds_service.store import Store, open_store

#: Threads keep connections alive and let a slow FHIR server delay one caller instead of all.
THREADS = 4
KEEP_ALIVE = 75


def run(settings: Settings, host: str, port: int, workers: int) -> int:
    """Serve until told to stop. Every fault of ours is found before the first connection."""
    rules = pipeline.load_rules(settings)
    _bindable(host, port)
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}/cds-services"
    mode = f", sandbox as of {settings.as_of or 'today'}" if settings.sandbox else ""
    click.echo(f"cds-service {__version__} on {where}: {len(rules.trials)} trials, {workers} worker{'s'[: workers > 1]}{mode}", err=True)
    if host not in LOOPBACK:
        click.echo("plain HTTP beyond loopback: put a TLS proxy before it, EHRs require https", err=True)
    store, remembered = open_store(settings)
    click.echo(remembered, err=True)
    if settings.silent and store is None:
        raise BadSetting("silent mode is for recording what would be shown, and there is no store: set CDS_DATABASE_URL")
    if settings.silent:
        click.echo("SILENT: every patient is evaluated and recorded, and no card is shown to anybody (CDS_SILENT or --silent)", err=True)
    chosen = {**options(host, port, workers), "post_worker_init": lambda worker: _start(store)}
    Service(app.create_app(rules, settings, store=store), chosen).run()
    return 0


def options(host: str, port: int, workers: int) -> Mapping[str, object]:
    return {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": workers,
        "worker_class": "gthread",
        "threads": THREADS,
        "keepalive": KEEP_ALIVE,
        "graceful_timeout": 5,
        "loglevel": "warning",
        "control_socket_disable": True,  # no file in the home directory of whoever runs it
        "post_worker_init": lambda worker: app.tune_collector(),  # in the worker: what is loaded is frozen there
    }


def _start(store: Store | None) -> None:
    """In each worker, before its first call."""
    app.tune_collector()
    if store is not None:
        store.warm()


class Service(BaseApplication):
    """An application that is built before the workers are forked, so that they share its memory."""

    def __init__(self, application: Flask, chosen: Mapping[str, object]) -> None:
        self.application = application
        self.chosen = chosen
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.chosen.items():
            if name in self.cfg.settings:  # older gunicorns know fewer
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
