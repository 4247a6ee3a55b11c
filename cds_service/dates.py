"""Days as ordinals, FHIR partial dates as intervals, calendar periods, dates in words.

A day is `date.toordinal()`; 0 means unknown. Periods are calendar periods: six months before
31 August is 28 February, not 180 days earlier.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime
from functools import lru_cache

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NBSP = "\u00a0"
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?", re.ASCII)  # fromisoformat and int read more shapes than FHIR has


@lru_cache(maxsize=8192)
def interval(text: str) -> tuple[int, int]:
    """First and last day of a FHIR date, dateTime or instant: `2026`, `2026-10`, `2026-10-18`, `2026-10-18T…`.

    The day is the one written: a result of 23:30+08:00 belongs to that local day.
    Raises ValueError when the text is not a FHIR date.
    """
    if len(text) > 10:
        if text[10] != "T":
            raise ValueError("not a FHIR date")
        datetime.fromisoformat(text)  # the time, too, must be readable
    head = text[:10]
    if not _DATE.fullmatch(head):
        raise ValueError("not a FHIR date")
    if len(head) == 10:
        day = date.fromisoformat(head).toordinal()
        return day, day
    if len(head) == 7 and head[4] == "-":
        year, month = int(head[:4]), int(head[5:])
        return date(year, month, 1).toordinal(), date(year, month, monthrange(year, month)[1]).toordinal()
    if len(head) == 4:
        year = int(head)
        return date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
    raise ValueError("not a FHIR date")


def instant(text: str) -> float | None:
    """Seconds since the epoch of a dateTime with a time; None for a date alone."""
    if len(text) <= 10:
        return None
    moment = datetime.fromisoformat(text)
    return moment.timestamp() if moment.tzinfo else datetime.fromisoformat(text + "+00:00").timestamp()


def shift(day: int, count: int, unit: str) -> int:
    """`day` moved by a calendar period; negative counts go back. Ends of months are kept inside the month."""
    if unit == "days":
        return day + count
    if unit == "weeks":
        return day + 7 * count
    start = date.fromordinal(day)
    months = count * 12 if unit == "years" else count
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1])).toordinal()


def completed_years(born: int, day: int) -> int:
    """Completed years of age. Someone born on 29 February turns a year older on 1 March."""
    b, d = date.fromordinal(born), date.fromordinal(day)
    return d.year - b.year - ((d.month, d.day) < (b.month, b.day))


def iso(day: int) -> str:
    return date.fromordinal(day).isoformat()


def in_words(text: str) -> str:
    """`2026-10-18` as `18 Oct 2026` with no-break spaces; a partial date as far as it is known."""
    parts = text[:10].split("-")
    if len(parts) == 3:
        return f"{int(parts[2])}{NBSP}{MONTHS[int(parts[1]) - 1]}{NBSP}{parts[0]}"
    if len(parts) == 2:
        return f"{MONTHS[int(parts[1]) - 1]}{NBSP}{parts[0]}"
    return parts[0]
