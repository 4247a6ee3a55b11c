"""Every error the service raises on purpose. Texts say what, where and how to mend it, never patient data.

CdsServiceError
├── BadData            a file of ours is wrong (criteria, mappings): carries every fault with its line
├── BadInput           a Bundle or file given on the command line cannot be used
├── BadSetting         a CDS_* setting is wrong
├── StoreDown          the store cannot be read or written; nothing was
└── HookError          a hook request cannot be answered: has an HTTP status
    ├── BadRequest         400 malformed
    ├── NotFound           404 no such service
    ├── TooLarge           413
    ├── Unprocessable      422 wrong hook, wrong type
    ├── PreconditionFailed 412 required data cannot be had
    └── Unavailable        503 try again later
"""

from __future__ import annotations

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
    status = 500

    def __init__(self, message: str, *, missing: tuple[str, ...] = ()) -> None:
        self.missing = missing
        super().__init__(message)


class BadRequest(HookError):
    status = 400


class NotFound(HookError):
    status = 404


class PreconditionFailed(HookError):
    status = 412


class TooLarge(HookError):
    status = 413


class Unprocessable(HookError):
    status = 422


class Unavailable(HookError):
    status = 503

    def __init__(self, message: str, *, retry_after: int) -> None:
        self.retry_after = retry_after  #: seconds
        super().__init__(message)
