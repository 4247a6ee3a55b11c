"""One store, as the rest of the service sees it: quick questions never fail and never wait, feedback is kept whole or refused."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from sqlalchemy import URL, Connection, Dialect, Engine, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from cds_service.errors import BadSetting, StoreDown
from cds_service.keyed import Keys
from cds_service.model.outcomes import Assessment
from cds_service.model.served import Feedback, Look, Served, Tally
from cds_service.store import questions, tables
from cds_service.store.deadline import DEADLINE, Deadline
from cds_service.store.engine import POSTGRESQL, engine
from cds_service.store.fingerprint import look
from cds_service.store.patience import within
from cds_service.store.report import tallies
from cds_service.store.writer import Notice, Row, Writer

PATIENCE = 3.0  #: seconds that feedback and the writer may wait for a lock, or for a connection
LONGEST = 4.0  #: seconds that feedback may take, whatever the database does
_SWEEP = 500  #: used tokens between two removals of those that expired
_MOST_LOCAL = 50_000
_FLUSH = 0.5  #: seconds; a writer that is in trouble does not hold feedback up for longer


def _untold(what: str, count: int, kind: str) -> None:
    """Where nobody listens; the store counts all the same."""


class Store:
    """Opened before gunicorn forks: connections, queue and threads are made in the process that uses them."""

    def __init__(self, url: URL, keys: Keys, notice: Notice = _untold, prepare: Callable[[Engine], object] | None = None) -> None:
        """`prepare` is still to be done before the first write: it could not be at the start."""
        self.keys = keys
        self._prepare = prepare
        self._preparing = threading.Lock()
        self.notice = notice  #: may be set later: the log is above this floor
        self.losses: dict[str, int] = {}
        self._url = url
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._quick_engine = engine(self._url, DEADLINE)
        self._engine = engine(self._url, PATIENCE)
        apart = self._url.get_backend_name() == POSTGRESQL
        self._quick = Deadline(self._lost, apart)
        self._quick_write = Deadline(self._lost, apart)  # of its own: a store that can only be read still knows what is muted
        self._writer: Writer | None = None
        self._tokens: dict[str, int] = {}
        self._since_sweep = 0

    def _here(self) -> None:
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    for parents in (self._engine, self._quick_engine):
                        parents.dispose(close=False)  # closing would hang up on the parent
                    self._begin()

    def _lost(self, what: str, count: int, kind: str) -> None:
        with self._lock:
            self.losses[what] = self.losses.get(what, 0) + count
        self.notice(what, count, kind)

    # --- who, and on what ---

    def person(self, kind: str, tenant: str, ident: str) -> str:
        """The keyed hash of a patient or clinician. `tenant`: the FHIR base, so that the same id in two hospitals is two people."""
        return self.keys.of(kind, tenant, ident)

    def look(self, assessment: Assessment, patient: str) -> Look:
        return look(assessment, patient, self.keys)

    # --- quick questions ---

    def heard(self, patient: str, client: str, since: int) -> frozenset[tuple[str, str, str, str]]:
        """Trials that somebody at this client accepted or dismissed for the patient since then: trial, version, fingerprint, status.

        Empty when in trouble.
        """
        self._here()
        return self._quick.ask("mute lookup", lambda: self._rows(questions.HEARD, patient=patient, client=client, since=since), frozenset())

    def repeated(self, patient: str, clinician: str, client: str, since: int) -> frozenset[tuple[str, str, str, str]]:
        """As `heard`: what this clinician was shown of the patient since then."""
        self._here()
        given = {"patient": patient, "clinician": clinician, "client": client}
        return self._quick.ask("repeat lookup", lambda: self._rows(questions.REPEATED, since=since, **given), frozenset())

    def _rows(self, statement: questions.Question, **given: str | int) -> frozenset[tuple[str, str, str, str]]:
        return questions.rows(self._quick_engine, statement, given)

    def first_use(self, issuer: str, jti: str, expires: int) -> bool:
        """Whether a token id is new. `expires`: seconds since 1970. With the store in trouble only this process's own memory tells."""
        self._here()
        token = hashlib.sha256(f"{issuer}\x1f{jti}".encode("utf-8", "surrogatepass")).hexdigest()
        with self._lock:
            if token in self._tokens:
                return False
            if len(self._tokens) >= _MOST_LOCAL:
                now = int(time.time())
                self._tokens = {t: e for t, e in self._tokens.items() if e >= now}
            self._tokens[token] = expires
        return self._quick_write.ask("token", lambda: self._use(token, expires), True)

    def _use(self, token: str, expires: int) -> bool:
        with self._quick_engine.begin() as connection:
            statement = _once(connection.dialect, tables.seen_tokens).returning(tables.seen_tokens.c.token)
            new = connection.execute(statement, {"token": token, "expires": expires}).first() is not None
            self._since_sweep += 1
            if self._since_sweep >= _SWEEP:
                self._since_sweep = 0
                connection.execute(delete(tables.seen_tokens).where(tables.seen_tokens.c.expires < int(time.time())))
        return new

    # --- writing ---

    def serve(self, rows: Sequence[Row]) -> None:
        """Rows, or how to make them, put behind the request; never waits and never fails."""
        if not rows:
            return
        self._here()
        if self._writer is None:
            with self._lock:
                self._writer = self._writer or Writer(self._write, self._lost)
        self._writer.put(rows)

    def _write(self, rows: Sequence[Served]) -> None:
        self._prepared()
        with self._engine.begin() as connection:
            connection.execute(_once(connection.dialect, tables.served), [row._asdict() for row in rows])

    def hear(self, entries: Sequence[Feedback], client: str, received: int) -> None:
        """Keep all entries or none; those that are there already stay as they are. Raises StoreDown. A card's own row may come later, or never."""
        self._here()
        if self._writer is not None:
            self._writer.flush(_FLUSH)  # a mute holds from the next call on: what was served is written first
        rows = [entry._asdict() | {"client": client, "received": received} for entry in entries]

        def keep(connection: Connection) -> None:
            self._prepared()
            connection.execute(_once(connection.dialect, tables.feedback), rows)

        try:
            within(LONGEST, self._engine, keep)
        except (SQLAlchemyError, TimeoutError, BadSetting) as fault:
            self._down("feedback", len(rows), fault)

    def _prepared(self) -> None:
        if self._prepare is None:
            return
        with self._preparing:
            if self._prepare is not None:
                self._prepare(self._engine)
                self._prepare = None

    # --- reading ---

    def report(self, since: int = 0) -> tuple[tuple[Tally, ...], int]:
        """By cohort, and how many entries are about cards that no row knows. `since`: seconds. Raises StoreDown."""
        self._here()
        try:
            with self._engine.connect() as connection:
                return tallies(connection, since)
        except SQLAlchemyError as fault:
            self._down("report", 1, fault)

    def ready(self) -> bool:
        """Whether a question is answered now; within the deadline."""
        self._here()
        return self._quick.ask("ready", self._answers, False)

    def warm(self) -> None:
        """Open the first connection now, in the process that serves: to a database far away it may take longer than a card waits."""
        self._here()
        with suppress(SQLAlchemyError):  # the first question will say so
            self._answers()

    def _answers(self) -> bool:
        with self._quick_engine.connect() as connection:
            connection.execute(select(tables.served.c.card).limit(1))
        return True

    def flush(self) -> bool:
        """Wait until what was served is written or lost."""
        return self._writer is None or self._writer.flush()

    def close(self) -> None:
        if self._pid == os.getpid():
            if self._writer is not None:
                self._writer.close()
            self._quick.close()
            self._quick_write.close()
            self.dispose()

    def dispose(self) -> None:
        """Give back all connections, as before a fork. The store goes on being usable."""
        for one in (self._engine, self._quick_engine):
            one.dispose()

    @property
    def engine(self) -> Engine:
        return self._engine

    def _down(self, what: str, count: int, fault: Exception) -> NoReturn:
        self._lost(what, count, type(fault).__name__)
        raise StoreDown(f"the store cannot be used at the moment ({type(fault).__name__})") from None


def _once(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that lets a row be that is there already."""
    if dialect.name == POSTGRESQL:
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
