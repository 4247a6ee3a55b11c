"""Compiled observation leaves: which value decides, and what it decides."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.dates import instant, shift
from cds_service.evaluate.context import Anchor, Node, Scope, cutoff, unread, without_data
from cds_service.evaluate.exposure import given_between
from cds_service.evaluate.values import accepted, value_test
from cds_service.model.facts import Evidence, Facts, Observation
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN, Finding
from cds_service.model.predicates import ObservationIs, Persistent
from cds_service.model.vocabulary import MEDICATION_LISTS, Vocabulary


class _Leaf:
    """One observation leaf with everything that can be settled ahead of the patient."""

    __slots__ = ("concepts", "formula", "fresh", "lasting", "lists", "noted", "numeric", "p", "plain", "test")

    def __init__(self, p: ObservationIs, vocabulary: Vocabulary) -> None:
        known = [vocabulary.concepts[c] for c in p.concepts]
        self.p = p
        self.concepts = p.concepts
        self.test = value_test(p, vocabulary)
        self.fresh = {c.id: c.fresh for c in known} if p.fresh and not p.within else dict.fromkeys(p.concepts)
        self.lasting = {c.id for c in known if c.lasting}
        self.lists = tuple(dict.fromkeys(c.results for c in known))
        self.formula = "egfr" in p.concepts or p.formula is not None
        self.noted = p.times or p.formula is not None
        self.numeric = bool(p.limits) and not p.times
        self.plain = p.pick == "newest" and p.persistent is None and not p.void_if and not p.room_air and len(p.concepts) == 1

    # --- which values there are -------------------------------------------------------------

    def rows(self, facts: Facts, anchor: Anchor | None) -> list[Observation]:
        if len(self.concepts) == 1:
            found = facts.observations.get(self.concepts[0]) or []
        else:
            found = [row for c in self.concepts for row in facts.observations.get(c) or ()]
            found.sort(key=lambda row: (-row.last, row.reference))
        if anchor is not None:
            found = [row for row in found if row.last >= anchor.judged]
        return found

    def age(self, facts: Facts, row: Observation, anchor: Anchor | None) -> str | None:
        """None when the value is young enough to decide, else stale or imprecise-date."""
        if anchor is not None:
            return None if row.first >= anchor.judged else "imprecise-date"
        if self.p.within is not None:
            first_day = cutoff(facts, self.p.within)
        else:
            days = self.fresh[row.concept]
            if days is None or (row.result == "positive" and row.concept in self.lasting):
                return None
            first_day = facts.as_of - days
        if row.first >= first_day:
            return None
        return "stale" if row.last < first_day else "imprecise-date"

    def fault(self, facts: Facts, row: Observation) -> str | None:
        """Why this value cannot decide, whatever it says."""
        if row.problem:
            return row.problem
        if self.p.room_air and row.on_oxygen:
            return "method"
        void = self.p.void_if
        if void is not None:
            start = shift(row.first, -void.within.count, void.within.unit)
            if given_between(facts, void.drugs, start, row.last):
                return "method"
            missing = unread(facts, MEDICATION_LISTS)
            if missing is not None:
                return missing.reason
        return None

    # --- how they decide --------------------------------------------------------------------

    def __call__(self, facts: Facts, anchor: Anchor | None) -> Finding:
        rows = self.rows(facts, anchor)
        others: list[Observation] = []
        if self.formula and rows:
            rows, others = accepted(rows, facts, self.p.formula)
        if not rows:
            if others:
                return self.unknown(facts, "method", others[:1])
            return self.missing(facts)
        if self.plain and self._alone(rows):
            return self.decide_one(facts, rows[0], anchor, rows)
        if self.p.persistent is not None:
            return self.persistent(facts, self.rows(facts, None), self.p.persistent, anchor)
        if self.p.pick == "newest":
            return self.newest(facts, rows, anchor)
        return self.pooled(facts, rows, anchor)

    @staticmethod
    def _alone(rows: Sequence[Observation]) -> bool:
        """The newest value stands alone on an exact day: by far the most common case."""
        head = rows[0]
        return head.first == head.last > 0 and (len(rows) == 1 or rows[1].last < head.first)

    def decide_one(self, facts: Facts, row: Observation, anchor: Anchor | None, rows: Sequence[Observation]) -> Finding:
        fault = row.problem if self.plain else self.fault(facts, row)
        if fault:
            return self.unknown(facts, fault, (row,))
        old = self.age(facts, row, anchor)
        if old:
            return self.unknown(facts, old, (row,))
        verdict, reason, basis = self.test(row)
        if verdict == UNKNOWN:
            return self.unknown(facts, reason or "unreadable", (row,))
        return Finding(verdict, None, basis or ("computed" if row.computed else "recorded"), self.shown(row, rows))

    def shown(self, row: Observation, rows: Sequence[Observation]) -> tuple[Evidence, ...]:
        """The deciding value; beside it an earlier one where the value is close to its limit."""
        evidence = Evidence(row.reference, row.date, row.value, True, self.note(row) if self.noted else row.note, row.concept)
        if self.numeric and len(rows) > 1:
            earlier = _earlier_if_close(self.p, row, rows)
            if earlier:
                return evidence, earlier
        return (evidence,)

    def note(self, row: Observation) -> str:
        if self.p.times and row.upper is not None:
            return f"upper limit {row.upper_text}" if row.upper_text else ""
        if self.p.times:
            return "upper limit from site settings"
        if self.p.formula and row.formula is None and row.concept == "egfr":
            return "formula not named"
        return row.note

    def newest(self, facts: Facts, rows: Sequence[Observation], anchor: Anchor | None) -> Finding:
        dated = [row for row in rows if row.last > 0]
        if not dated:
            return self.unknown(facts, "imprecise-date", rows[:1])
        newest_first = max(row.first for row in dated)
        heads = [row for row in dated if row.last >= newest_first]
        usable = [row for row in heads if self.fault(facts, row) is None]
        if not usable:
            return self.unknown(facts, self.fault(facts, heads[0]) or "unreadable", heads[:1])
        heads = _latest_of_day(_reported_first(usable))
        if len(heads) == 1:
            return self.decide_one(facts, heads[0], anchor, rows)
        found = [self.decide_one(facts, row, anchor, rows) for row in heads]
        if len({f.verdict for f in found}) == 1:
            return found[0]
        one_day = len({(row.first, row.last) for row in heads}) == 1 and heads[0].first == heads[0].last
        return self.unknown(facts, "conflicting" if one_day else "imprecise-date", heads)

    def pooled(self, facts: Facts, rows: Sequence[Observation], anchor: Anchor | None) -> Finding:
        """any: one value that holds is enough. worst: one that does not is enough."""
        decisive = TRUE if self.p.pick == "any" else FALSE
        usable = [row for row in rows if row.last > 0 and self.fault(facts, row) is None and self.age(facts, row, anchor) is None]
        if not usable:
            return self.newest(facts, rows, anchor)
        found = [self.decide_one(facts, row, anchor, rows) for row in usable]
        for wanted in (decisive, UNKNOWN):
            for f in found:
                if f.verdict == wanted:
                    return f
        missing = unread(facts, self.lists)
        return missing or found[0]

    def persistent(self, facts: Facts, rows: Sequence[Observation], rule: Persistent, anchor: Anchor | None) -> Finding:
        """All values over the limit: several days within a period, or for longer than a period.

        In a response the newest value must follow the therapy; the earlier ones may be from before.
        """
        usable = [row for row in rows if row.first == row.last > 0 and self.fault(facts, row) is None]
        if not usable or rows[0].first > usable[0].last:  # the newest value of all must be one that can decide
            return self.newest(facts, rows, anchor)
        head = usable[0]
        if self.age(facts, head, anchor):
            return self.unknown(facts, "stale", (head,))
        window = rule.within or rule.over or rule.apart
        assert window is not None  # the loader demands one of the three
        start = shift(head.first, -window.count, window.unit) + (1 if rule.apart else 0)
        judged = [(row, self.test(row)) for row in usable if row.first >= start]
        against = next((row for row, (verdict, _, _) in judged if verdict == FALSE), None)
        if against is not None:
            return Finding(FALSE, None, "recorded", (against.evidence(),))
        long_enough = True
        if rule.within is None:  # the run must reach back to before the period
            judged += [(row, self.test(row)) for row in usable if row.first < start][:1]
            long_enough = judged[-1][0].first < start and judged[-1][1][0] == TRUE
        days = {row.first for row, (verdict, _, _) in judged if verdict == TRUE}
        evidence = tuple(row.evidence() for row, (verdict, _, _) in judged if verdict == TRUE)
        if long_enough and len(days) >= rule.readings:
            return Finding(TRUE, None, "recorded", evidence)
        unsure = next((reason for _, (verdict, reason, _) in judged if verdict == UNKNOWN), None)
        missing = unread(facts, self.lists)
        return Finding(UNKNOWN, unsure or (missing.reason if missing else "no-data"), evidence=evidence, concepts=self.concepts)

    # --- when it cannot be decided ----------------------------------------------------------

    def unknown(self, facts: Facts, reason: str, rows: Sequence[Observation]) -> Finding:
        lists: tuple[str, ...] = ()
        if reason == "stale":
            missing = unread(facts, self.lists)
            if missing is not None:
                reason, lists = missing.reason or reason, missing.lists
        evidence = tuple(row.evidence(False) for row in rows)
        if len(evidence) == 1 and (note := self.note(rows[0])):
            evidence = (evidence[0]._replace(note=note),)
        return without_data(self.p.absent, self.p.ask, Finding(UNKNOWN, reason, None, evidence, None, self.concepts, lists))

    def missing(self, facts: Facts) -> Finding:
        missing = unread(facts, self.lists)
        if missing is not None:
            return missing._replace(concepts=self.concepts)
        seen = tuple(row.evidence(False, "shown, does not decide") for c in self.p.see for row in (facts.observations.get(c) or ())[:1])
        return without_data(self.p.absent, self.p.ask, Finding(UNKNOWN, "no-data", None, seen, None, self.concepts))


def _reported_first(rows: list[Observation]) -> list[Observation]:
    """On one day a reported value stands before a computed one."""
    reported = {row.last for row in rows if not row.computed}
    return [row for row in rows if not (row.computed and row.last in reported)]


def _latest_of_day(rows: list[Observation]) -> list[Observation]:
    """Of values of one day that all carry a time, the latest."""
    if len(rows) < 2 or any(not row.time for row in rows) or len({row.last for row in rows}) > 1:
        return rows
    moments = [instant(row.time) or 0.0 for row in rows]
    latest = max(moments)
    return [row for row, moment in zip(rows, moments, strict=True) if moment == latest]


def _earlier_if_close(p: ObservationIs, row: Observation, rows: Sequence[Observation]) -> Evidence | None:
    """The value before this one, when this one is within 20 % of its limit and has moved towards it on the same side."""
    if p.times or not p.limits or row.low is None or row.low != row.high:
        return None
    limit = p.limits[0]
    if not limit.value or abs(row.low - limit.value) > 0.2 * abs(limit.value):
        return None
    for earlier in rows:
        if earlier.last and earlier.last < row.first and earlier.low is not None and earlier.low == earlier.high and not earlier.problem:
            before, now = earlier.low - limit.value, row.low - limit.value
            return earlier.evidence(False, "earlier") if before * now >= 0 and abs(before) > abs(now) else None
    return None


def compile_observation(p: ObservationIs, scope: Scope) -> Node:
    """The leaf, with a short way for its commonest case: the newest value stands alone, is usable and young enough."""
    leaf = _Leaf(p, scope.vocabulary)
    if not leaf.plain or leaf.formula:
        return leaf
    concept, test = p.concepts[0], leaf.test
    days = leaf.fresh[concept]
    if p.within is not None:
        return leaf

    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        rows = facts.observations.get(concept)
        if rows and anchor is None:
            row = rows[0]
            first = row.first
            alone = first == row.last > 0 and (len(rows) == 1 or rows[1].last < first)
            if alone and row.problem is None and (days is None or first >= facts.as_of - days):
                verdict, _, basis = test(row)
                if verdict != UNKNOWN:
                    return Finding(verdict, None, basis or ("computed" if row.computed else "recorded"), leaf.shown(row, rows))
        return leaf(facts, anchor)

    return run
