"""Served cards, feedback, used tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _served()
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("criterion", sa.String(64), nullable=False),
        sa.Column("comment", sa.Boolean, nullable=False),
        sa.UniqueConstraint("card", "outcome", "at", "client", name="feedback_once"),
    )
    op.create_table(
        "seen_tokens",
        sa.Column("token", sa.String(64), primary_key=True),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_index("seen_tokens_by_expiry", "seen_tokens", ["expires"])


def _served() -> None:
    op.create_table(
        "served",
        sa.Column("card", sa.String(36), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("patient", sa.String(32), nullable=False),
        sa.Column("clinician", sa.String(32), nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("hook", sa.String(64), nullable=False),
        sa.Column("trial", sa.String(16), nullable=False),
        sa.Column("cohort", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("shown", sa.String(8), nullable=False),
        sa.Column("open_criteria", sa.Text, nullable=False),
    )
    op.create_index("served_by_patient", "served", ["patient", "at"])
    op.create_index("served_by_time", "served", ["at"])


def downgrade() -> None:
    for table in ("seen_tokens", "feedback", "served"):
        op.drop_table(table)
