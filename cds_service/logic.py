"""Kleene logic with `manual` as a fourth value, and "does not apply" that drops out. Verdicts only; no facts.

all:  false > unknown > manual > true        any:  true > unknown > manual > false
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN

_ANY_ORDER = (TRUE, UNKNOWN, MANUAL, FALSE)


def all_of(verdicts: Iterable[int]) -> int:
    """The first of false, unknown, manual, true that occurs; NOT_APPLICABLE when nothing applies."""
    return min(verdicts, default=NOT_APPLICABLE)


def any_of(verdicts: Sequence[int]) -> int:
    """The first of true, unknown, manual, false that occurs; NOT_APPLICABLE when nothing applies."""
    for verdict in _ANY_ORDER:
        if verdict in verdicts:
            return verdict
    return NOT_APPLICABLE


def at_least(count: int, verdicts: Sequence[int]) -> int:
    """True when `count` hold; false when even the open ones could not make up the count."""
    if verdicts and all(v == NOT_APPLICABLE for v in verdicts):
        return NOT_APPLICABLE
    certain = sum(v == TRUE for v in verdicts)
    if certain >= count:
        return TRUE
    open_ = sum(v == UNKNOWN for v in verdicts)
    manual = sum(v == MANUAL for v in verdicts)
    if certain + open_ + manual < count:
        return FALSE
    return UNKNOWN if open_ else MANUAL


def negate(verdict: int) -> int:
    """True and false change places; the others stay."""
    return {TRUE: FALSE, FALSE: TRUE}.get(verdict, verdict)


def when(guard: int, body: int, holds: int | None) -> int:
    """`body` where `guard` holds. `holds` is the verdict of the body that stands whatever the guard says.

    In an inclusion a true body is good whether or not the criterion applies, in an exclusion a false
    one is. Inside `any` neither is safe (None): what drops out there could reverse a decision.
    """
    if guard == TRUE:
        return body
    if guard in (FALSE, NOT_APPLICABLE):
        return NOT_APPLICABLE
    if body == holds or body == NOT_APPLICABLE:
        return body
    return UNKNOWN if UNKNOWN in (guard, body) else guard
