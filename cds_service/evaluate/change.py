"""Compiled trends and relapses: values against earlier values. They read the whole history."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.dates import instant, shift
from cds_service.evaluate.context import Anchor, Node, Scope, unread
from cds_service.evaluate.values import accepted, holds
from cds_service.model.facts import Facts, Observation
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN, Finding
from cds_service.model.predicates import Limit, Relapse, Trend

BASELINE_BEFORE, BASELINE_AFTER = 90, 14  #: days around the start of a therapy in which its baseline may lie


def measured(facts: Facts, concept: str) -> list[Observation]:
    """Dated numbers of a concept, newest first, one a day (a reported value before a computed one)."""
    rows = facts.observations.get(concept) or []
    if concept == "egfr":
        rows = accepted(rows, facts, None)[0]
    kept: dict[int, Observation] = {}
    for row in rows:
        if row.first == row.last > 0 and row.low is not None and not row.problem:
            held = kept.get(row.last)
            if (
                held is None
                or (held.computed and not row.computed)
                or ((instant(row.time) or 0.0) > (instant(held.time) or 0.0) and row.computed == held.computed)
            ):
                kept[row.last] = row
    return [kept[day] for day in sorted(kept, reverse=True)]


def barred(facts: Facts, concept: str, rows: Sequence[Observation]) -> Finding | None:
    """UNKNOWN when a value newer than every usable one cannot be used."""
    newest = next((row for row in facts.observations.get(concept) or () if row.problem and row.last), None)
    if newest is None or (rows and newest.last <= rows[0].last):
        return None
    return Finding(UNKNOWN, newest.problem, None, (newest.evidence(False),), concepts=(concept,))


def _rivals(facts: Facts, concept: str, row: Observation) -> list[Observation]:
    """Other usable values of that day which may as well be the later one."""
    found = facts.observations.get(concept) or []
    if concept == "egfr":
        found = accepted(found, facts, None)[0]
    return [
        other
        for other in found
        if (other.first, other.last) == (row.first, row.last)
        and other.low is not None
        and not other.problem
        and other.computed == row.computed
        and (not other.time or not row.time or instant(other.time) == instant(row.time))
    ]


def percent(direction: str, before: Observation, after: Observation) -> tuple[float, float] | None:
    """Least and greatest change in percent of `before`, as a fall or a rise; None when it cannot be said."""
    if before.low is None or before.high is None or after.low is None or after.high is None or before.low <= 0 or before.high == float("inf"):
        return None
    least, greatest = (1 - after.high / before.low) * 100, (1 - after.low / before.high) * 100
    return (least, greatest) if direction == "fall" else (-greatest, -least)


def compile_trend(p: Trend, scope: Scope) -> Node:
    lists = (scope.vocabulary.concepts[p.concept].results,)

    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        rows = measured(facts, p.concept)
        unusable = barred(facts, p.concept, rows)
        if unusable is not None:
            return unusable
        current = rows[0] if rows and (anchor is None or rows[0].first >= anchor.judged) else None
        before = _anchor_value(p, rows, current, anchor) if current else None
        if current is None or before is None:
            missing = unread(facts, lists)
            shown = tuple(row.evidence(False) for row in rows[:1])
            return (missing or Finding(UNKNOWN, "no-data"))._replace(evidence=shown, concepts=(p.concept,))
        verdicts = {
            holds(p.limit, *change) if (change := percent(p.direction, before, row)) else UNKNOWN for row in _rivals(facts, p.concept, current)
        }
        if len(verdicts) > 1:
            shown = tuple(row.evidence(False) for row in _rivals(facts, p.concept, current))
            return Finding(UNKNOWN, "conflicting", None, shown, concepts=(p.concept,))
        verdict = verdicts.pop()
        evidence = (before.evidence(True, p.anchor), current.evidence(True, "newest"))
        return Finding(
            verdict, "comparator" if verdict == UNKNOWN else None, "recorded", evidence, concepts=(p.concept,) if verdict == UNKNOWN else ()
        )

    return run


def _anchor_value(p: Trend, rows: Sequence[Observation], current: Observation, anchor: Anchor | None) -> Observation | None:
    earlier = [row for row in rows if row.last < current.first]
    if p.anchor == "baseline":
        start = anchor.start if anchor else 0
        earlier = [row for row in earlier if start - BASELINE_BEFORE <= row.first <= start + BASELINE_AFTER]
        return earlier[0] if earlier else None
    if p.over is not None:
        first_day = shift(current.first, -p.over.count, p.over.unit)
        earlier = [row for row in earlier if row.first >= first_day]
    if not earlier:
        return None
    pick = min if p.anchor == "lowest" else max
    return pick(earlier, key=lambda row: row.low or 0.0)


def compile_relapse(p: Relapse, scope: Scope) -> Node:
    lists = (scope.vocabulary.concepts[p.concept].results,)

    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        rows = measured(facts, p.concept)
        start = anchor.start if anchor else 0
        unusable = barred(facts, p.concept, rows)
        if unusable is not None:
            return unusable
        if not rows or rows[0].first < start:
            return (unread(facts, lists) or Finding(UNKNOWN, "no-data"))._replace(concepts=(p.concept,))
        newest = rows[0]
        nows = {holds(p.then, r.low or 0.0, r.high or 0.0, r.low_open, r.high_open) for r in _rivals(facts, p.concept, newest)}
        if len(nows) > 1:
            return Finding(UNKNOWN, "conflicting", None, (newest.evidence(False),), concepts=(p.concept,))
        now = nows.pop()
        if now != TRUE:
            evidence = (newest.evidence(now == FALSE),)
            if now == UNKNOWN:
                return Finding(UNKNOWN, "comparator", "recorded", evidence, concepts=(p.concept,))
            return Finding(FALSE, None, "recorded", evidence)
        for i, row in enumerate(rows[1:], start=1):
            if row.first >= start and _remitted(p, row, rows[i + 1 :]):
                return Finding(TRUE, None, "recorded", (row.evidence(True, "remission"), newest.evidence(True, "newest")))
        missing = unread(facts, lists)
        return (missing or Finding(UNKNOWN, "no-data"))._replace(evidence=(newest.evidence(False, "no remission on record before it"),))

    return run


def _remitted(p: Relapse, row: Observation, before: Sequence[Observation]) -> bool:
    """Complete, or partial: under the limit and fallen enough from the highest value before it."""
    assert row.low is not None and row.high is not None
    if holds(Limit("lt", p.complete), row.low, row.high, row.low_open, row.high_open) == TRUE:
        return True
    if holds(Limit("lt", p.partial), row.low, row.high, row.low_open, row.high_open) != TRUE or not before:
        return False
    change = percent("fall", max(before, key=lambda r: r.low or 0.0), row)
    return change is not None and holds(Limit("ge", p.fall), *change) == TRUE
