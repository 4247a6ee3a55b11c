"""Compiled observation leaves: which value decides, and what it decides."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.dates import shift
from cds_service.evaluate.context import Anchor, Node, Scope, cutoff, unread, without_data
from cds_service.evaluate.exposure import drugs_of, given_between, given_undated
from cds_service.evaluate.rows import earlier_if_close, latest_of_day, reported_first, same_day
from cds_service.evaluate.values import accepted, value_test
from cds_service.model.facts import Evidence, Facts, Observation
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN, Finding, NearMiss
from cds_service.model.predicates import ObservationIs, Persistent
from cds_service.model.vocabulary import MEDICATION_LISTS, Vocabulary
from cds_service.units import pretty

_new = tuple.__new__  # a named tuple without the detour through its own constructor: hundreds are made a call

_CLOSE, _NEAR = 0.2, 0.1  #: of the limit: close enough to show where a value came from; near enough to name the miss
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def _limit_words(p: ObservationIs) -> str:
    if len(p.limits) != 1 or p.titre or not p.limits[0].value:
        return ""
    unit = "× upper limit" if p.times else pretty(p.unit)
    return f"{_BOUNDS[p.limits[0].op]} {p.limits[0].value:g} {unit}".rstrip()


class _Leaf:
    """One observation leaf with everything that can be settled ahead of the patient."""

    __slots__ = (
        "close",
        "concepts",
        "formula",
        "fresh",
        "lasting",
        "limit_words",
        "lists",
        "noted",
        "numeric",
        "p",
        "plain",
        "site",
        "sound",
        "test",
        "void",
    )

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
        self.numeric = bool(p.limits) and not p.times and p.limits[0].value != 0
        self.close = _CLOSE * abs(p.limits[0].value) if p.limits else 0.0
        self.site = {c: vocabulary.upper_limits[c] for c in p.concepts if c in vocabulary.upper_limits}
        self.limit_words = _limit_words(p)
        self.void = drugs_of(p.void_if.drugs, vocabulary) if p.void_if else frozenset()
        self.sound = not p.void_if and not p.room_air  #: a value without a problem of its own can decide
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
        if row.problem or self.sound:
            return row.problem
        if self.p.room_air and row.on_oxygen:
            return "method"
        void = self.p.void_if
        if void is not None:
            start = shift(row.first, -void.within.count, void.within.unit)
            if given_between(facts, self.void, start, row.last):
                return "method"
            if given_undated(facts, self.void):
                return "imprecise-date"
            missing = unread(facts, MEDICATION_LISTS)
            if missing is not None:
                return missing.reason
        return None

    # --- how they decide --------------------------------------------------------------------

    def __call__(self, facts: Facts, anchor: Anchor | None) -> Finding:
        rows = self.rows(facts, anchor)
        others: list[Observation] = []
        if self.formula and rows:
            rows, others = accepted(rows, facts, self.p.formula, self.p.pick == "newest" and self.p.persistent is None)
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
        return head.first == head.last > 0 and (len(rows) == 1 or (rows[1].last < head.first and rows[-1].last > 0))

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
        shown = self.shown(row, rows)
        return _new(Finding, (verdict, None, basis or ("computed" if row.computed else "recorded"), shown, None, (), (), self.near(row, shown)))

    def shown(self, row: Observation, rows: Sequence[Observation]) -> tuple[Evidence, ...]:
        """The deciding value; beside it an earlier one where the value is close to its limit."""
        evidence = _new(Evidence, (row.reference, row.date, row.value, True, self.note(row) if self.noted else row.note, row.concept))
        if self.numeric and len(rows) > 1 and row.low is not None and abs(row.low - self.p.limits[0].value) <= self.close:
            earlier = earlier_if_close(self.p.limits[0], row, rows)
            if earlier:
                return evidence, earlier
        return (evidence,)

    def near(self, row: Observation, shown: Sequence[Evidence]) -> NearMiss | None:
        """Within a tenth of the limit, on either side."""
        if not self.limit_words or row.low is None or row.low != row.high:
            return None
        scale = 1.0
        if self.p.times:
            upper = row.upper if row.upper is not None else self.site.get(row.concept)
            if upper is None:
                return None
            scale = upper
        limit = self.p.limits[0].value * scale
        if abs(row.low - limit) > _NEAR * abs(limit):
            return None
        value = f"{row.low / scale:.3g} × upper limit" if self.p.times else row.value
        trend = f"was {shown[1].value} on {shown[1].date}" if len(shown) > 1 else ""
        return NearMiss(f"{value} on {row.date}" if row.date else value, self.limit_words, trend)

    def note(self, row: Observation) -> str:
        if self.p.times and row.upper is not None:
            return f"upper limit {row.upper_text}" if row.upper_text else ""
        if self.p.times:
            return "upper limit from site settings" if row.concept in self.site else ""
        if self.p.formula and row.formula is None and row.concept == "egfr":
            return "formula not named"
        return row.note

    def newest(self, facts: Facts, rows: Sequence[Observation], anchor: Anchor | None) -> Finding:
        dated = [row for row in rows if row.last > 0]
        if not dated:
            return self.unknown(facts, "imprecise-date", rows[:1])
        newest_first = max([row.first for row in dated])
        heads = [row for row in dated if row.last >= newest_first]
        usable = [row for row in heads if self.fault(facts, row) is None]
        barred = None
        if len(usable) < len(heads):
            barred = next((row for row in heads if self.fault(facts, row) is not None and not any(same_day(row, good) for good in usable)), None)
        if barred is not None:
            return self.unknown(facts, self.fault(facts, barred) or "unreadable", (barred,))
        heads = latest_of_day(reported_first(usable))
        undated = [row for row in rows if row.last == 0 and (self.fault(facts, row) or self.test(row)[0] != self.test(heads[0])[0])]
        if undated:  # it may be the newest of all, and says otherwise, or nobody knows what
            return self.unknown(facts, "imprecise-date", [heads[0], *undated])
        if len(heads) == 1:
            beside = tuple(row.evidence(False, "computed, beside a reported value") for row in usable if row.computed and not heads[0].computed)
            found = self.decide_one(facts, heads[0], anchor, rows)
            return found._replace(evidence=(*found.evidence, *beside)) if beside else found
        each = [self.decide_one(facts, row, anchor, rows) for row in heads]
        if len({f.verdict for f in each}) == 1:
            return each[0]
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
        for row in rows:  # one that cannot be used, or may lie in the period, may be the one that decides
            old = self.age(facts, row, anchor) if row.last else None
            why = (self.fault(facts, row) if row.last else None) if old is None else (old if old == "imprecise-date" else None)
            if why:
                return self.unknown(facts, why, (row,))
        missing = unread(facts, self.lists)
        return missing or found[0]

    def persistent(self, facts: Facts, rows: Sequence[Observation], rule: Persistent, anchor: Anchor | None) -> Finding:
        """All values over the limit: several days within a period, or for longer than a period.

        In a response the newest value must follow the therapy; the earlier ones may be from before.
        """
        usable = [row for row in rows if row.first == row.last > 0 and self.fault(facts, row) is None]
        if not usable or rows[0].first > usable[0].last:  # the newest value of all must be one that can decide
            found = self.newest(facts, rows, anchor)  # alone it can tell that nothing persists, never that something does
            return found if found.verdict != TRUE else self.unknown(facts, "imprecise-date", rows[:1])
        head = usable[0]
        if self.age(facts, head, anchor):
            return self.unknown(facts, "stale", (head,))
        window = rule.within or rule.over or rule.apart
        assert window is not None  # the loader demands one of the three
        start = shift(head.first, -window.count, window.unit) + (1 if rule.apart else 0)
        judged = [(row, self.test(row)) for row in usable if row.first >= start]
        vague = [row for row in rows if start <= row.first < row.last <= head.first and self.fault(facts, row) is None]
        against = next((row for row, (verdict, _, _) in [*judged, *((row, self.test(row)) for row in vague)] if verdict == FALSE), None)
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


def compile_observation(p: ObservationIs, scope: Scope) -> Node:
    """The leaf, with a short way for its commonest case: the newest value stands alone, is usable and young enough."""
    leaf = _Leaf(p, scope.vocabulary)
    if not leaf.plain or leaf.formula or p.within is not None:
        return leaf
    concept, test, noted = p.concepts[0], leaf.test, leaf.noted
    limited, times, limit, close = bool(p.limits), p.times, p.limits[0].value if p.limits else 0.0, leaf.close
    days = leaf.fresh[concept]

    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        rows = facts.observations.get(concept)
        if not rows or anchor is not None:
            return leaf(facts, anchor)
        row = rows[0]
        first = row.first
        alone = first == row.last > 0 and (len(rows) == 1 or (rows[1].last < first and rows[-1].last > 0))
        if not alone or row.problem is not None or (days is not None and first < facts.as_of - days):
            return leaf(facts, anchor)
        verdict, _, basis = test(row)
        if verdict == UNKNOWN:
            return leaf(facts, anchor)
        if limited and row.low is not None:
            scale = (row.upper if row.upper is not None else leaf.site.get(concept, 0.0)) if times else 1.0
            if abs(row.low - limit * scale) <= close * scale:
                return leaf.decide_one(facts, row, anchor, rows)
        shown = (_new(Evidence, (row.reference, row.date, row.value, True, leaf.note(row) if noted else row.note, concept)),)
        return _new(Finding, (verdict, None, basis or ("computed" if row.computed else "recorded"), shown, None, (), (), None))

    return run
