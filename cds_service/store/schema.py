"""Brings the schema up to this version of the program, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from cds_service.errors import BadSetting
from cds_service.store.engine import POSTGRESQL, SQLITE
from cds_service.store.trouble import passing

#: Any number, the same in all our processes: only one of them changes the schema at a time.
_LOCK = 7_266_181


def upgrade(engine: Engine) -> bool:
    """True if something was changed. Raises BadSetting for a schema of a newer version, or one that this role may not change;
    OperationalError where the database cannot be reached, is locked or is full: what was begun is taken back."""
    if engine.dialect.name == SQLITE:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    with engine.begin() as connection:
        if engine.dialect.name == POSTGRESQL:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        return _upgrade(connection)


def _upgrade(connection: Connection) -> bool:
    here = MigrationContext.configure(connection).get_current_revision()
    chosen = config(connection)
    script = ScriptDirectory.from_config(chosen)
    if here == script.get_current_head():
        return False
    if here is not None and here not in {found.revision for found in script.walk_revisions()}:
        raise BadSetting(f"the store has schema {here}, which this version of cds-service does not know: install the newer version again")
    try:
        command.upgrade(chosen, "head")
    except SQLAlchemyError as fault:
        if passing(fault):
            raise
        raise BadSetting(
            f"the store's schema could not be brought up to date ({type(fault).__name__}): run `cds-service store upgrade` "
            "with a CDS_DATABASE_URL that may create tables"
        ) from None
    return True


def config(connection: Connection) -> Config:
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    found.set_main_option("path_separator", "os")
    found.attributes["connection"] = connection
    return found
