"""Settings → an open store with a current schema. The only place that knows where the SQLite file lies by default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cds_service.config import Settings
from cds_service.errors import BadSetting
from cds_service.keyed import Keys
from cds_service.store import schema
from cds_service.store.engine import SQLITE, address, engine
from cds_service.store.keys import key_beside
from cds_service.store.store import PATIENCE, Store
from cds_service.store.trouble import passing

NONE = "none"


def open_store(settings: Settings, environ: Mapping[str, str] = os.environ, *, create: bool = True) -> tuple[Store | None, str]:
    """The store, or None where nothing is to be kept; and one line about it for the operator. `create`: a SQLite file that is not there.

    Raises BadSetting for what must be mended by hand. What passes by itself, a database that is away, locked or full, is no
    reason not to start: cards are answered without it, and the schema is brought up to date when it is back.
    """
    url = _url(settings, environ)
    if url is None:
        return None, "nothing is recorded, no card is muted, feedback is refused"
    if not create and url.get_backend_name() == SQLITE and not Path(str(url.database)).is_file():
        raise BadSetting(f"no store {url.database}: set CDS_DATABASE_URL to what the service has, or nothing has been served yet")
    keys = Keys(_key(settings, url))
    try:
        _upgrade(url)
    except DBAPIError as fault:
        trouble = passing(fault)
        if not trouble or not create:
            raise _unusable(url, fault) from None
        return Store(url, keys, prepare=schema.upgrade), f"store {_named(url)} {trouble}: cards are answered, nothing is recorded until it can be"
    return Store(url, keys), f"store {_named(url)}"


def _unusable(url: URL, fault: DBAPIError) -> BadSetting:
    kind = type(fault).__name__
    mend = "is it a database, in a writable folder?" if url.get_backend_name() == SQLITE else "may this role use it?"
    return BadSetting(f"cannot open the store {_named(url)}: {passing(fault) or f'{kind}; {mend}'}")


def upgrade_store(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """For `cds-service store upgrade`: what was done, in one line. Raises BadSetting."""
    url = _url(settings, environ)
    if url is None:
        return "no store: CDS_DATABASE_URL is none"
    try:
        changed = _upgrade(url)
    except DBAPIError as fault:
        raise _unusable(url, fault) from None
    return f"store {_named(url)}: {'schema brought up to date' if changed else 'schema is current'}"


def _url(settings: Settings, environ: Mapping[str, str]) -> URL | None:
    if settings.database_url == NONE or (settings.sandbox and not settings.database_url):
        return None  # what is tried out is not to be found again in a report
    if settings.database_url:
        return address(settings.database_url)
    return address("sqlite:///x").set(database=str(_state(environ) / "store.sqlite3"))


def _state(environ: Mapping[str, str]) -> Path:
    """systemd's StateDirectory, else where programs of this user keep what must last (XDG)."""
    if found := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(found)
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "cds-service"


def _key(settings: Settings, url: URL) -> bytes:
    if settings.hash_key:
        return settings.hash_key.encode()
    if url.get_backend_name() != SQLITE:
        raise BadSetting("CDS_HASH_KEY must be set with PostgreSQL, the same on every host; make one with: openssl rand -hex 32")
    path = Path(str(url.database))
    _folder(path)
    return key_beside(path)


def _folder(path: Path) -> None:
    """What is made here is for the owner alone; what is there already is left as it is."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as fault:
        raise BadSetting(f"cannot write the store {path}: {fault.strerror}; set CDS_DATABASE_URL to another place, or to none") from None


def _upgrade(url: URL) -> bool:
    if url.get_backend_name() == SQLITE:
        _folder(Path(str(url.database)))
    made = engine(url, PATIENCE)
    try:
        return schema.upgrade(made)
    except SQLAlchemyError as fault:
        if isinstance(fault, DBAPIError):
            raise
        raise BadSetting(f"CDS_DATABASE_URL: {type(fault).__name__}") from None
    finally:
        made.dispose()


def _named(url: URL) -> str:
    return str(url.database) if url.get_backend_name() == SQLITE else f"{url.host or 'PostgreSQL'}/{url.database}"
