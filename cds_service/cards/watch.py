"""A met value that comes close to its limit: facts only, no forecast."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from cds_service.model.facts import Evidence
from cds_service.model.outcomes import Outcome
from cds_service.model.predicates import Age, All, Predicate
from cds_service.words import at_start, clean, date_words, name_of
from cds_service.words.gaps import EARLIER
from cds_service.words.values import Ink, Need, amount, dated, is_result, need_of, same_unit

_CLOSE = 0.2


class Near(NamedTuple):
    criterion: str
    text: str
    distance: float  #: from the limit, as a share of it


def watch(ink: Ink, met: Iterable[Outcome]) -> Near | None:
    """The value nearest to its limit and moving towards it; no such value: an age in its last year."""
    met = list(met)
    found = [near for outcome in met if (near := _value(ink, outcome))] or [near for outcome in met if (near := _age(ink, outcome))]
    return min(found, key=lambda near: near.distance, default=None)


def _value(ink: Ink, outcome: Outcome) -> Near | None:
    results = [e for e in outcome.finding.evidence if is_result(e)]
    now = next((e for e in results if e.used), None)
    before = _before(now, results) if now else None
    need = need_of(outcome, now.concept) if now else None
    if now is None or before is None or need is None or need.times or need.titre or len(need.limits) != 1:
        return None
    distance = _closing_in(need, now, before)
    if distance is None:
        return None
    last, earlier = amount(now.value), amount(before.value)
    assert last is not None and earlier is not None  # _closing_in has read both
    # the unit once, with the limit; a long one not at all: the value's own row shows it
    limit = ink.text(need.words(last.unit))
    name = ink.text(at_start(clean(outcome.criterion.short))) if outcome.criterion.short else ink.text(name_of(outcome.criterion)) + ":"
    said = f"{name} {ink.strong(last.digits)}{dated(ink, now, outcome.finding.basis == 'computed')}"
    return Near(outcome.criterion.id, f"{said}; needs {limit}; was {ink.text(earlier.digits)} on {ink.text(date_words(before.date))}", distance)


def _before(now: Evidence, results: Iterable[Evidence]) -> Evidence | None:
    """The newest value before this one."""
    older = [e for e in results if not e.used and e.note in ("", EARLIER) and e.date and e.date[:10] < now.date[:10]]
    return max(older, key=lambda e: e.date, default=None)


def _closing_in(need: Need, now: Evidence, before: Evidence) -> float | None:
    """How far the value is from its limit, when that is near and it was farther; both must be in the limit's own unit."""
    last, earlier = amount(now.value), amount(before.value)
    if last is None or earlier is None or last.sign or earlier.sign or last.number is None or earlier.number is None:
        return None
    if last.unit != earlier.unit or not (same_unit(last.unit, need.unit) or (not last.unit and need.unit in ("", "1"))):
        return None
    limit = need.limits[0]
    if not limit.value or abs(last.number - limit.value) > _CLOSE * abs(limit.value):
        return None
    falling = limit.op in ("ge", "gt")
    towards = last.number < earlier.number if falling else last.number > earlier.number
    return abs(last.number - limit.value) / abs(limit.value) if towards else None


def _age(ink: Ink, outcome: Outcome) -> Near | None:
    """Completed years at the upper end: the next birthday passes the limit."""
    top = next((p.le for p in _parts(outcome.criterion.needs) if isinstance(p, Age) and p.le is not None), None)
    for evidence in outcome.finding.evidence:
        found = re.match(r"(\d{1,3}) years?\b", evidence.value)
        if found and top is not None and int(found[1]) == top and outcome.criterion.kind != "exclusion":
            return Near(outcome.criterion.id, f"age {ink.strong(found[1])}; needs at most {top}", 0.0)
    return None


def _parts(p: Predicate) -> tuple[Predicate, ...]:
    return tuple(q for part in p.parts for q in _parts(part)) if isinstance(p, All) else (p,)
