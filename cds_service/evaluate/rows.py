"""Which of several values of one concept stands for them: the reported one, the latest of a day, the one before it."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.dates import instant
from cds_service.model.facts import Evidence, Observation
from cds_service.model.predicates import Limit


def reported_first(rows: list[Observation]) -> list[Observation]:
    """On one day a reported value stands before a computed one."""
    reported = {row.last for row in rows if not row.computed}
    return [row for row in rows if not (row.computed and row.last in reported)]


def same_day(a: Observation, b: Observation) -> bool:
    return a.first == a.last == b.first == b.last


def latest_of_day(rows: list[Observation]) -> list[Observation]:
    """Of values of one day that all carry a time, the latest."""
    if len(rows) < 2 or any(not row.time for row in rows) or len({row.last for row in rows}) > 1:
        return rows
    moments = [instant(row.time) or 0.0 for row in rows]
    latest = max(moments)
    return [row for row, moment in zip(rows, moments, strict=True) if moment == latest]


def earlier_if_close(limit: Limit, row: Observation, rows: Sequence[Observation]) -> Evidence | None:
    """The value before this one, when this one has moved towards the limit on the same side of it."""
    if row.low is None or row.low != row.high:
        return None
    for earlier in rows:
        if earlier.last and earlier.last < row.first and earlier.low is not None and earlier.low == earlier.high and not earlier.problem:
            if any(r.last == earlier.last and earlier.computed and not r.computed for r in rows):
                continue  # of one day the reported value stands before the computed one
            before, now = earlier.low - limit.value, row.low - limit.value
            return earlier.evidence(False, "earlier") if before * now >= 0 and abs(before) > abs(now) else None
    return None
