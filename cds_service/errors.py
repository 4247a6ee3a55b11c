"""Every error the service raises on purpose. Texts say what, where and how to mend it, never patient data.

CdsServiceError
├── BadData            a file of ours is wrong (criteria, mappings): carries every fault with its line
├── BadInput           a Bundle or file given on the command line cannot be used
├── BadSetting         a CDS_* setting is wrong
├── StoreDown          the store cannot be read or written; nothing was
└── HookError          a hook request cannot be answered: has an HTTP status
    ├── BadRequest         400 malformed
    ├── Unauthorized       401 no valid token of a known client: one answer for every cause
    ├── NotFound           404 no such service
    ├── TooLarge           413
    ├── UnreadableBody     415 not JSON by its headers, or compressed
    ├── Unprocessable      422 wrong hook, wrong type
    ├── TooManyRequests    429 a client asks too often
    ├── PreconditionFailed 412 required data cannot be had
    └── Unavailable        503 try again later
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class DataFault(NamedTuple):
    """One fault in one of our files. `line` is 1-based; 0 when the file as a whole is meant."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


class CdsServiceError(Exception):
    """Base of all."""


class BadData(CdsServiceError):
    def __init__(self, faults: list[DataFault]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(f) for f in faults))


class BadInput(CdsServiceError):
    """One line, fit to print."""


class BadSetting(CdsServiceError):
    """One line: the setting, what is wrong with it, what it may be."""


class StoreDown(CdsServiceError):
    """One line, fit to print."""


class HookError(CdsServiceError):
    """`headers` go with the answer; `noted` goes into the log line only, and never holds a token or patient data."""

    status = 500
    headers: Mapping[str, str] = {}
    noted: Mapping[str, str] = {}

    def __init__(self, message: str, *, missing: tuple[str, ...] = ()) -> None:
        self.missing = missing
        super().__init__(message)


class BadRequest(HookError):
    status = 400


class Unauthorized(HookError):
    """`why` is a fixed word, for the log. The answer never says which check failed: it would help only to guess."""

    status = 401
    headers: Mapping[str, str] = {"WWW-Authenticate": "Bearer"}

    def __init__(self, why: str, issuer: str = "", jti: str = "") -> None:
        self.noted = {"why": why, "issuer": issuer, "jti": jti}
        super().__init__("Not authenticated. Each call needs its own valid JWT of a client that this service knows.")


class NotFound(HookError):
    status = 404


class PreconditionFailed(HookError):
    status = 412


class TooLarge(HookError):
    status = 413


class Unprocessable(HookError):
    status = 422


class UnreadableBody(HookError):
    status = 415


class TooManyRequests(HookError):
    status = 429

    def __init__(self, client: str, seconds: int) -> None:
        self.headers = {"Retry-After": str(seconds)}
        self.noted = {"client": client}
        super().__init__(f"Too many calls. Try again in {seconds} s.")


class Unavailable(HookError):
    status = 503

    def __init__(self, message: str, *, retry_after: int) -> None:
        self.headers = {"Retry-After": str(retry_after)}  # seconds
        super().__init__(message)
