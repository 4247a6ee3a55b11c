"""A met value that comes close to its limit: facts only, no forecast."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from cds_service.model.facts import Evidence
from cds_service.model.outcomes import Outcome
from cds_service.words.asked import Need, asked, need_of, same_unit
from cds_service.words.gaps import EARLIER
from cds_service.words.values import Amount, Ink, amount, dated, day_words, is_result, needs_words, test_name

_CLOSE = 0.2
_YEARS = re.compile(r"(\d{1,3}) years?\b")
_BY_DATE = attrgetter("date")


class Near(NamedTuple):
    criterion: str
    text: str


class _Pair(NamedTuple):
    """A value and the one before it. `distance`: from the limit, as a share of it."""

    outcome: Outcome
    need: Need
    now: Evidence
    before: Evidence
    last: Amount
    first: Amount
    distance: float


def watch(ink: Ink, met: Sequence[Outcome], names: Mapping[str, str]) -> Near | None:
    """The value nearest to its limit and moving towards it; no such value: an age in its last year."""
    nearest: _Pair | None = None
    for outcome in met:
        if len(outcome.finding.evidence) > 1:
            pair = _pair(outcome)
            if pair and (nearest is None or pair.distance < nearest.distance):
                nearest = pair
    if nearest:
        return _worded(ink, nearest, names)
    return next(filter(None, [_age(ink, outcome) for outcome in met if asked(outcome.criterion).oldest is not None]), None)


def _pair(outcome: Outcome) -> _Pair | None:
    """What costs least comes first: hardly a value has an earlier one beside it, and only the nearest to a limit is worded."""
    now, before = _newest_two(outcome.finding.evidence)
    if now is None or before is None:
        return None
    need, last, first = need_of(outcome, now.concept), amount(now.value), amount(before.value)
    if need is None or last is None or first is None or need.times or need.titre or len(need.limits) != 1:
        return None
    distance = _closing_in(need, last, first)
    return None if distance is None else _Pair(outcome, need, now, before, last, first, distance)


def _newest_two(evidence: Sequence[Evidence]) -> tuple[Evidence | None, Evidence | None]:
    """The value that decided, and the newest one before it of the same test."""
    now, earlier = None, []
    for one in evidence:
        if one.used:
            now = one if now is None and is_result(one) else now
        elif one.note in ("", EARLIER) and one.date and is_result(one):
            earlier.append(one)
    if now is None or not earlier:
        return None, None
    return now, max([e for e in earlier if e.concept == now.concept and e.date[:10] < now.date[:10]], key=_BY_DATE, default=None)


def _closing_in(need: Need, last: Amount, first: Amount) -> float | None:
    """How far the value is from its limit, when that is near and it was farther; both must be in the limit's own unit."""
    limit = need.limits[0]
    now, was = last.number, first.number
    if last.sign or first.sign or now is None or was is None:
        return None
    if not limit.value or abs(now - limit.value) > _CLOSE * abs(limit.value):
        return None
    if last.unit != first.unit or not (same_unit(last.unit, need.unit) or (not last.unit and need.unit in ("", "1"))):
        return None
    towards = now < was if limit.op in ("ge", "gt") else now > was
    return abs(now - limit.value) / abs(limit.value) if towards else None


def _worded(ink: Ink, near: _Pair, names: Mapping[str, str]) -> Near:
    criterion, _, finding = near.outcome
    # the unit once, with the limit; a long one not at all: the value's own row shows it
    limit = needs_words(ink, near.need, near.last.unit)
    test = test_name(ink, near.now, names) if asked(criterion).several else ""
    name = ink.own(asked(criterion).start if criterion.short else asked(criterion).name)
    name += ":" if test or not criterion.short else ""  # the value is not the criterion's own, or a label is a sentence
    said = f"{name} {test}{ink.strong(near.last.digits)}{dated(ink, near.now, finding.basis == 'computed')}"
    was = f"was {ink.text(near.first.digits)} on {day_words(ink, near.before.date)}"
    return Near(criterion.id, f"{said}; needs {limit}; {was}")


def _age(ink: Ink, outcome: Outcome) -> Near | None:
    """Completed years at the upper end: the next birthday passes the limit."""
    top = asked(outcome.criterion).oldest
    for evidence in outcome.finding.evidence:
        found = _YEARS.match(evidence.value)
        if found and int(found[1]) == top:
            return Near(outcome.criterion.id, f"age {ink.strong(found[1])}; needs at most {top}")
    return None
