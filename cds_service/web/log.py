"""One JSON line an event on stderr. Carries ids of calls and kinds of faults: never a patient's data, never a token."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import PurePath

import orjson

_log = logging.getLogger("cds_service")


class _Stderr(logging.Handler):
    """Looks up stderr at each line: a server may have replaced it since."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def start() -> None:
    """Let events be seen. Twice does no harm."""
    _log.setLevel(logging.INFO)
    if not any(isinstance(h, _Stderr) for h in _log.handlers):
        _log.addHandler(_Stderr())


def event(name: str, level: int = logging.INFO, /, **members: object) -> None:
    line = {"event": name} | {key: value for key, value in members.items() if value not in (None, "", ())}
    _log.log(level, "%s", orjson.dumps(line).decode())


def frames(fault: BaseException) -> tuple[str, ...]:
    """Where it happened: file, line and function. No source text, no message: both can hold values."""
    return tuple(f"{'/'.join(PurePath(f.filename).parts[-2:])}:{f.lineno} {f.name}" for f in traceback.extract_tb(fault.__traceback__)[-12:])
