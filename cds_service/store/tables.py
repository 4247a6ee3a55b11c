"""The tables. Times are whole numbers since 1970 (UTC), the same on SQLite and PostgreSQL. A change here needs a migration."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

#: One row a trial that was worth a card, whether or not it was shown. `at` in seconds.
served = Table(
    "served",
    metadata,
    Column("card", String(36), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("patient", String(32), nullable=False),
    Column("clinician", String(32), nullable=False),
    Column("client", String(100), nullable=False),
    Column("hook", String(64), nullable=False),
    Column("trial", String(16), nullable=False),
    Column("cohort", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("version", String(16), nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("shown", String(8), nullable=False),
    Column("open_criteria", Text, nullable=False),
    Index("served_by_patient", "patient", "at"),
    Index("served_by_time", "at"),
)

#: `at` in milliseconds as the EHR says it, `received` in seconds by our clock. `card` is no foreign key:
#: feedback may come before the card's own row is written, or for a card of another service.
feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("card", String(36), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("client", String(100), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("criterion", String(64), nullable=False),
    Column("comment", Boolean, nullable=False),
    UniqueConstraint("card", "outcome", "at", "client", name="feedback_once"),
)

#: Tokens that were used, until they expire (seconds). `token` is a hash of issuer and id: neither has a largest length.
seen_tokens = Table(
    "seen_tokens",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("expires", BigInteger, nullable=False),
    Index("seen_tokens_by_expiry", "expires"),
)
