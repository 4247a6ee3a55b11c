"""One JSON line an event: what the service does on stderr, who asked about whom (the audit) on stdout.

Carries ids of calls and kinds of faults: never a patient's data, never a token. Whatever is bound with `call` stands in each
further line of that call.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import PurePath
from typing import Any

import orjson
import structlog

_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")


class _Stream:
    """Looks up the stream at each line: a server, or a test, may have replaced it since."""

    def __init__(self, name: str) -> None:
        self._name = name

    def msg(self, line: str) -> None:
        stream = getattr(sys, self._name)
        with suppress(OSError, ValueError):  # a log that nobody reads any more must not cost a patient the answer
            stream.write(line + "\n")
            stream.flush()

    debug = info = warning = error = critical = msg


def _render(_: object, __: str, line: MutableMapping[str, Any]) -> str:
    """Event first. What is no JSON is named by its type: its text could hold anything."""
    ordered = {"event": line.pop("event"), **line}
    return orjson.dumps(ordered, default=lambda value: type(value).__name__).decode()


def _logger(stream: str) -> Any:
    return structlog.wrap_logger(
        _Stream(stream),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _STAMP,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    ).bind()


_operation = _logger("stderr")
_audit = _logger("stdout")


def call(**members: str) -> None:
    """What each further line of this call carries, such as hookInstance. Empty members are left out."""
    structlog.contextvars.bind_contextvars(**{key: value for key, value in members.items() if value})


def forget() -> None:
    """A new call on this thread."""
    structlog.contextvars.clear_contextvars()


def event(name: str, level: int = logging.INFO, /, **members: object) -> None:
    _operation.log(level, name, **{key: value for key, value in members.items() if value not in (None, "", ())})


def audit(name: str, /, **members: object) -> None:
    """A line for the one who must answer who looked at whom. People only as keyed hashes."""
    _audit.info(name, **{key: value for key, value in members.items() if value not in (None, "", ())})


def frames(fault: BaseException) -> tuple[str, ...]:
    """Where it happened: file, line and function. No source text, no message: both can hold values."""
    return tuple(f"{'/'.join(PurePath(f.filename).parts[-2:])}:{f.lineno} {f.name}" for f in traceback.extract_tb(fault.__traceback__)[-12:])


class Line(logging.Formatter):
    """A line of gunicorn or a library in the same shape.

    gunicorn's arbiter never sees a request, so it may speak. Where requests are answered only the place and the kind of fault are
    said: the words may quote a header, an address or a body.
    """

    answering = False  #: set in each worker once it is forked

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"event": "library", "logger": record.name, "where": f"{record.filename}:{record.lineno} {record.funcName}"}
        if record.name == "gunicorn.error":
            line = {"event": "server"} if self.answering else {"event": "server", "message": record.getMessage().split("\n", 1)[0]}
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": type(record.exc_info[1]).__name__, "frames": frames(record.exc_info[1])}
        stamped = _STAMP(None, "", line | {"process": record.process, "level": record.levelname.lower()})
        return orjson.dumps(stamped).decode()
