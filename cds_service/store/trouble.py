"""A database's fault → whether it may pass by itself, and the words for whoever runs the service."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

#: What SQLite says of trouble that passes. Disk faults are those of a quota, or of a disk with no room for the files beside.
_PASSING = {"SQLITE_BUSY": "IS LOCKED by another program", "SQLITE_FULL": "HAS NO ROOM on its disk", "SQLITE_IOERR": "CANNOT BE WRITTEN (disk fault)"}


def passing(fault: SQLAlchemyError) -> str:
    """In words, if it may pass by itself; empty if somebody must mend it."""
    if not isinstance(fault, OperationalError | InterfaceError):
        return ""
    if isinstance(fault.orig, sqlite3.Error):
        name = getattr(fault.orig, "sqlite_errorname", "")  # none where Python itself refuses
        return next((words for start, words in _PASSING.items() if name.startswith(start)), "")
    return f"CANNOT BE REACHED ({type(fault).__name__})"
