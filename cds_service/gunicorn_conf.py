"""How gunicorn runs the service: `cds-service serve` and `gunicorn -c python:cds_service.gunicorn_conf cds_service.wsgi:application` read this.

Being read has one effect: worker processes are told where they count together, before the library that counts is loaded.
docs/operation.md says why each value is what it is.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from cds_service import app, metrics, wire
from cds_service.errors import BadSetting
from cds_service.web import log

#: Memory that looks like a directory: nothing is written to a disk, and a read-only container has it.
_MEMORY = next((str(d) for d in (Path("/dev/shm"),) if d.is_dir() and os.access(d, os.W_OK)), None)  # noqa: S108 -- mkdtemp makes the names

_STATUS = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
}


class Worker(ThreadWorker):
    """Threads, and one answer of our own shape to what is not HTTP: gunicorn would quote the header it could not read."""

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: BaseException) -> None:
        ours = not isinstance(exc, errors.ParseException)
        status = HTTPStatus.INTERNAL_SERVER_ERROR if ours else _STATUS.get(type(exc), HTTPStatus.BAD_REQUEST)
        frames = log.frames(exc) if ours else None
        log.forget()
        log.event("failed" if ours else "refused", status=status.value, error=type(exc).__name__, frames=frames)
        metrics.request("none", status)
        words = "The check did not run. No trial has been looked at." if ours else "The request is not HTTP that this server reads."
        body = orjson.dumps(wire.error(status, words))
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with suppress(OSError):  # the caller has gone
            util.write_nonblock(client, head.encode() + body)


def _share_counts() -> None:
    """Make a directory for it, unless the environment names one. It goes with the process that made it, not with a worker."""
    if os.environ.get(metrics.SHARED):
        return
    made = tempfile.mkdtemp(prefix="cds-service-metrics-", suffix=f"-{os.getpid()}", dir=_MEMORY)
    os.environ[metrics.SHARED] = made
    atexit.register(_remove, made, os.getpid())


def _remove(made: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(made, ignore_errors=True)


_share_counts()

bind = "127.0.0.1:8080"
worker_class = Worker
workers = 1
threads = 4  # keep connections alive, and let a slow FHIR server delay one caller instead of all
keepalive = 75
timeout = 30  # a worker that no longer says it lives: its threads may be busy, it may not
graceful_timeout = 5  # what is under way at a stop is finished: the longest call takes CDS_FETCH_BUDGET and a little
max_requests = 0  # no recycling: memory levels off (make load), and a recycled worker starts cold
preload_app = True  # faults are found before the first connection, and workers share what is loaded
limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 16_380  # a bearer token and a JWT
worker_tmp_dir = _MEMORY
control_socket_disable = True  # no file in the home directory of whoever runs it
accesslog = None  # its lines would quote addresses as they were called; ours say the route
loglevel = "info"
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "cds_service.web.log.Line"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": "ext://sys.stderr", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}


def on_starting(server: Any) -> None:
    """Started without `serve`: the same rule of who may listen where. A socket in the file system is of this machine."""
    from cds_service.config import Settings
    from cds_service.server import guard

    try:
        for address in server.cfg.address:
            guard(Settings.from_environment(os.environ), address[0] if isinstance(address, tuple) else "127.0.0.1", without_authentication=False)
    except BadSetting as fault:
        raise SystemExit(f"cds-service: {fault}") from None


def post_fork(server: Any, worker: Any) -> None:
    log.Line.answering = True


def post_worker_init(worker: Any) -> None:
    """In the worker, before its first call: what is loaded is frozen there, and the store is reached."""
    app.tune_collector()
    store = worker.wsgi.extensions.get("store")
    if store is not None:
        store.warm()


def child_exit(server: Any, worker: Any) -> None:
    metrics.worker_ended(worker.pid, os.environ)
