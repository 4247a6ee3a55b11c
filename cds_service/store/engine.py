"""A database address → a SQLAlchemy engine that gives up in time. SQLite in WAL mode, or PostgreSQL by psycopg."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from cds_service.errors import BadSetting

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_WANTED = "must be like sqlite:////var/lib/cds-service/store.sqlite3 or postgresql://user:password@host/database, or none"


def address(text: str) -> URL:
    """Raises BadSetting, and never repeats the text: it may hold a password."""
    try:
        url = make_url(text.replace("postgres://", "postgresql://", 1) if text.startswith("postgres://") else text)
    except ArgumentError:
        raise BadSetting(f"CDS_DATABASE_URL: {_WANTED}") from None
    kind = url.get_backend_name()
    if kind == SQLITE and url.database not in (None, "", ":memory:"):
        return url.set(drivername="sqlite+pysqlite")
    if kind == POSTGRESQL:
        return url.set(drivername="postgresql+psycopg")
    raise BadSetting(f"CDS_DATABASE_URL: {_WANTED}")


def engine(url: URL, wait: float) -> Engine:
    """`wait`: seconds that a statement may wait for a lock. Nothing is opened yet."""
    if url.get_backend_name() == SQLITE:
        made = create_engine(url, connect_args={"timeout": wait})
        event.listen(made, "connect", _relaxed)
        _watch_file(made, str(url.database))
        return made
    milliseconds = int(wait * 1000)
    limits = {
        "connect_timeout": max(2, int(wait)),  # seconds; libpq takes no less than 2
        "tcp_user_timeout": milliseconds,
        "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
    }
    try:
        return create_engine(url, connect_args=limits, pool_timeout=wait, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise BadSetting("CDS_DATABASE_URL: PostgreSQL needs psycopg; install cds-service[postgresql]") from None


def _watch_file(made: Engine, path: str) -> None:
    """A file that was removed or replaced: SQLite would go on writing into the one that nobody can find any more, and a new
    connection would make an empty one in its place. Both are refused as a database that cannot be opened."""

    def there() -> tuple[int, int] | None:
        try:
            found = os.stat(path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @event.listens_for(made, "do_connect")
    def connecting(dialect: Any, record: ConnectionPoolEntry, arguments: Any, named: Any) -> None:
        record.info["file"] = there()
        if record.info["file"] is None:
            raise sqlite3.OperationalError("the file is not there")

    @event.listens_for(made, "checkout")
    def taken(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if record.info["file"] != there():
            raise DisconnectionError


def _relaxed(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """WAL with NORMAL: a power cut may lose the last commits, and never harms the file. A commit then costs no disk flush."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
