"""Numbers and units as a reader expects them. Knows no concept and no resource."""

from __future__ import annotations

from functools import lru_cache

from cds_service import units

_LONG = 9  #: characters of a number that somebody may have typed


@lru_cache(maxsize=512)
def shown_unit(unit: str) -> str:
    return units.pretty(units.tidy(unit)) if unit else ""


def shown(value: object, unit: str, comparator: object = None) -> str:
    """A value with its own digits, as a reader expects it: `> 60 mL/min/1.73 m²`."""
    sign = f"{comparator} " if comparator else ""
    words = shown_unit(unit)
    return f"{sign}{in_digits(value)} {words}" if words else f"{sign}{in_digits(value)}"


def in_digits(value: object) -> str:
    """A value as it was written, but for the tail of a calculation: those are no digits of a laboratory."""
    text = str(value)
    return f"{value:.5g}" if len(text) > _LONG and type(value) is float else text


def digits(value: float) -> str:
    """A converted number with as many digits as a reader can use."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
