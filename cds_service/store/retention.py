"""Removes what is older than a site wants to keep, but for feedback that still mutes a trial, and the card it is about."""

from __future__ import annotations

import time
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, delete, exists, func, not_, select
from sqlalchemy.exc import SQLAlchemyError

from cds_service.config import Settings
from cds_service.errors import BadSetting, StoreDown
from cds_service.store.opening import open_store
from cds_service.store.questions import MUTES, SAME_CARD
from cds_service.store.tables import feedback, seen_tokens, served

_AT_ONCE = 2_000  #: rows in one transaction, so that the service never waits long to write
_DAY = 86_400


class Pruned(NamedTuple):
    """Rows. `kept`: feedback that is old enough, and still mutes."""

    served: int
    feedback: int
    tokens: int
    kept: int


def prune_store(settings: Settings, before: date, mutes_too: bool, count_only: bool) -> Pruned:
    """For `cds-service store prune`: rows from before that midnight. Raises BadSetting or StoreDown."""
    store, about = open_store(settings, create=False)
    if store is None:
        raise BadSetting(f"nothing to prune: {about}")
    now = int(time.time())
    limit = int(datetime(before.year, before.month, before.day).astimezone().timestamp())  # midnight here
    try:
        return prune(store.engine, limit, None if mutes_too else now - settings.mute_days * _DAY, now, count_only)
    except SQLAlchemyError as fault:
        raise StoreDown(f"the store cannot be used at the moment ({type(fault).__name__})") from None
    finally:
        store.close()


def prune(engine: Engine, before: int, muted_since: int | None, now: int, count_only: bool = False) -> Pruned:
    """All in seconds since 1970. `muted_since`: feedback heard from then on still mutes; None: no mute is spared."""
    old = feedback.c.received < before
    about = served.alias()  # by a name of its own: the question may stand inside one about cards
    its_card = exists().where(feedback.c.card == about.c.card, feedback.c.client == about.c.client)
    mutes = and_(MUTES, feedback.c.received >= (muted_since or 0), its_card)
    goes = old if muted_since is None else and_(old, not_(mutes))
    unheard = and_(served.c.at < before, not_(exists().where(SAME_CARD, not_(goes))))  # a card goes with its last feedback
    expired = seen_tokens.c.expires < now
    with engine.connect() as connection:
        kept = 0 if muted_since is None else _count(connection, feedback, and_(old, mutes))
        if count_only:
            return Pruned(_count(connection, served, unheard), _count(connection, feedback, goes), _count(connection, seen_tokens, expired), kept)
    # cards first: which feedback goes does not depend on a card that goes with it
    return Pruned(_remove(engine, served, unheard), _remove(engine, feedback, goes), _remove(engine, seen_tokens, expired), kept)


def _count(connection: Connection, table: Table, which: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(which)).scalar_one())


def _remove(engine: Engine, table: Table, which: ColumnElement[bool]) -> int:
    key = next(iter(table.primary_key.columns))
    removed = 0
    while True:
        with engine.begin() as connection:
            found = connection.execute(delete(table).where(key.in_(select(key).where(which).limit(_AT_ONCE)))).rowcount
        removed += found
        if found < _AT_ONCE:
            return removed
