"""The two questions that a card waits for, built and written as SQL once: SQLAlchemy's own way through a statement takes longer than the answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, Select, bindparam, or_, select
from sqlalchemy.engine.interfaces import Dialect

from cds_service.model.served import ACCEPTED, NOT_NOW, SHOWN
from cds_service.store.tables import feedback, served

Question = Select[Any]

_ABOUT = (served.c.trial, served.c.version, served.c.fingerprint, served.c.status)

#: Another client's word about a card does not count.
SAME_CARD = (feedback.c.card == served.c.card) & (feedback.c.client == served.c.client)
MUTES = or_(feedback.c.outcome == ACCEPTED, feedback.c.reason != NOT_NOW)

#: By our clock, not the EHR's: a card is muted from when we heard of it. Only what the client that asks was shown and has said counts:
#: another could name its FHIR server and its patient, and silence a card there.
HEARD: Question = (
    select(*_ABOUT)
    .join(feedback, SAME_CARD)
    .where(
        served.c.patient == bindparam("patient"),
        served.c.client == bindparam("client"),
        feedback.c.received >= bindparam("since"),
        MUTES,
    )
)

REPEATED: Question = select(*_ABOUT).where(
    served.c.patient == bindparam("patient"),
    served.c.clinician == bindparam("clinician"),
    served.c.client == bindparam("client"),
    served.c.at >= bindparam("since"),
    served.c.shown == SHOWN,
)


def rows(engine: Engine, question: Question, given: Mapping[str, str | int]) -> frozenset[tuple[Any, ...]]:
    """The answer to one question. Raises what the database's driver raises."""
    sql, order, fixed = _written(question, engine.dialect)
    values = {**fixed, **given}
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(sql, values if order is None else [values[name] for name in order])
        return frozenset(cursor.fetchall())
    finally:
        connection.close()  # back to the pool


@lru_cache(maxsize=8)
def _written(question: Question, dialect: Dialect) -> tuple[str, list[str] | None, Mapping[str, Any]]:
    """For one kind of database: the SQL, the order of its parameters (None: by name), and those that are always the same."""
    compiled = question.compile(dialect=dialect)
    positions: list[str] | None = getattr(compiled, "positiontup", None)
    return str(compiled), positions, compiled.params
