"""Compiled condition and event leaves: what a diagnosis code or a procedure can and cannot decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cds_service.evaluate.context import Anchor, Node, Scope, cutoff, unread
from cds_service.model.facts import Condition, Event, Facts
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN, Finding
from cds_service.model.predicates import ConditionIs, EventIs

_PRESENT = frozenset({"active", "recurrence", "relapse"})
_GATE = _PRESENT | {"remission"}
_LISTS = frozenset({"problem", "encounter"})
_COUNTS = {"now": _PRESENT, "gate": _GATE}  #: where a past one does not matter
_JUDGEMENT = (UNKNOWN, "needs-judgement")
_IMPRECISE = (UNKNOWN, "imprecise-date")
Judged = tuple[int, str | None]


class _Leaf:
    """One condition leaf."""

    __slots__ = ("excluding", "lists", "named", "nothing", "p")

    def __init__(self, p: ConditionIs, scope: Scope) -> None:
        self.p = p
        self.excluding = scope.excluding
        self.named = frozenset((*p.concepts, *p.maybe))
        self.nothing = Finding(UNKNOWN, "no-data") if p.absent == "unknown" else Finding(FALSE, None, "no-record")
        kinds = {scope.vocabulary.concepts[c].kind for c in p.concepts if c in scope.vocabulary.concepts}
        self.lists = (("conditions",) if "condition" in kinds else ()) + (("allergies",) if "drug" in kinds else ())

    def __call__(self, facts: Facts, _: Anchor | None) -> Finding:
        by_concept = facts.conditions
        if self.named.isdisjoint(by_concept):  # of most diagnoses a record says nothing
            return unread(facts, self.lists) or self.nothing
        rows = [row for c in self.p.concepts if c in by_concept for row in by_concept[c]]
        maybe = [row for c in self.p.maybe if c in by_concept for row in by_concept[c]]
        if self.p.but_not and (rows or maybe):
            excused = {row.reference for c in self.p.but_not for row in by_concept.get(c) or ()}
            rows = [row for row in rows if row.reference not in excused]
            maybe = [row for row in maybe if row.reference not in excused]
        if self.p.reported:
            rows = [row for row in rows if row.listed == "report"]
        elif self.p.status != "ever" and any(row.listed in _LISTS for row in rows):
            # what the problem list says now stands before what a pathology report said then
            rows = [row for row in rows if row.listed != "report"]
        if self.p.severe:
            rows = [row for row in rows if row.severe or row.listed != "allergy"]
        if not rows and not maybe:
            return unread(facts, self.lists) or self.nothing
        judged = [(row, self.judge(facts, row)) for row in rows]
        judged = self.weigh_encounters(judged)
        direct = {row.reference for row in rows}
        judged += [(row, self.doubt(facts, row)) for row in maybe if row.reference not in direct]
        return self.decide(facts, judged)

    def decide(self, facts: Facts, judged: Sequence[tuple[Condition, Judged]]) -> Finding:
        for verdict in (TRUE, UNKNOWN):
            chosen = [(row, reason) for row, (v, reason) in judged if v == verdict]
            if chosen:
                evidence = tuple(dict.fromkeys(row.evidence(verdict == TRUE, _status_note(row)) for row, _ in chosen))
                return Finding(verdict, chosen[0][1], "recorded", evidence)
        missing = unread(facts, self.lists)
        if missing is not None:
            return missing
        evidence = tuple(dict.fromkeys(row.evidence(True, _status_note(row)) for row, _ in judged))
        if self.p.absent == "unknown":
            return Finding(UNKNOWN, "no-data", None, evidence)
        return Finding(FALSE, None, "recorded", evidence)

    # --- one diagnosis ----------------------------------------------------------------------

    def judge(self, facts: Facts, row: Condition) -> Judged:
        found = self.windowed(facts, row) if self.p.within else self.by_status(row)
        if found[0] != TRUE:
            return found
        if self.closed(facts, row):
            return FALSE, None
        if not row.certain or self.p.mild:
            return _JUDGEMENT
        return found

    def by_status(self, row: Condition) -> Judged:
        status = self.p.status
        if status == "ever":
            return TRUE, None
        if status == "gate":
            return (TRUE if row.status in _GATE else FALSE), None
        if row.status in _PRESENT:
            return TRUE, None
        # A past diagnosis where the record names no window: how far past is for a person to judge.
        return _JUDGEMENT if status == "active" and self.excluding and row.certain else (FALSE, None)

    def windowed(self, facts: Facts, row: Condition) -> Judged:
        """Onset inside the period. Undated: any instant up to `last` may be it; an active one is present now."""
        assert self.p.within is not None
        start = cutoff(facts, self.p.within)
        present = row.status in _PRESENT
        if self.p.status == "now" and not present:
            return FALSE, None
        if row.last and (row.dated or self.p.recorded):
            first = row.first if row.dated else row.last
            if first >= start:
                return TRUE, None
            if row.last >= start:
                return (TRUE, None) if present and self.p.lasting else _IMPRECISE
            if not self.p.lasting or not (present or row.ended_last >= start):
                return FALSE, None
            if self.p.lasting == "asks":
                return _JUDGEMENT
            return (TRUE, None) if present or row.ended_first >= start else _IMPRECISE
        if present:
            return TRUE, None
        if row.last and row.last < start:
            return FALSE, None
        return _IMPRECISE

    def doubt(self, facts: Facts, row: Condition) -> Judged:
        """A code that only raises the question: a history-of code, a symptom, an unspecific infection."""
        if self.p.within and row.last and row.last < cutoff(facts, self.p.within):
            return FALSE, None
        if row.status not in _COUNTS.get(self.p.status, (row.status,)):
            return FALSE, None
        return FALSE if self.closed(facts, row) else UNKNOWN, "needs-judgement"

    def weigh_encounters(self, judged: list[tuple[Condition, Judged]]) -> list[tuple[Condition, Judged]]:
        """A patient is not ruled out on one encounter diagnosis alone: that may be a question, not an answer."""
        if not self.excluding:
            return judged
        true = [row for row, (verdict, _) in judged if verdict == TRUE]
        if any(row.listed != "encounter" for row in true) or len({row.last for row in true if row.last}) > 1:
            return judged
        return [(row, _JUDGEMENT if verdict == TRUE else (verdict, reason)) for row, (verdict, reason) in judged]

    def closed(self, facts: Facts, row: Condition) -> bool:
        """Ended by a later event (delivery) or a newer negative result."""
        if not (self.p.closed_by or self.p.closed_by_result):
            return False
        for concept in self.p.closed_by:
            ends: Iterable[Event | Condition] = (*(facts.events.get(concept) or ()), *(facts.conditions.get(concept) or ()))
            if any(end.last and end.last >= row.last for end in ends):
                return True
        for concept in self.p.closed_by_result:
            if any(r.result == "negative" and r.first > row.last for r in facts.observations.get(concept) or ()):
                return True
        return False


def _status_note(row: Condition) -> str:
    words = [] if row.status in _PRESENT else [row.status]
    if not row.certain:
        words.append("not confirmed")
    if row.listed == "encounter":
        words.append("encounter diagnosis")
    return ", ".join(words)


def compile_condition(p: ConditionIs, scope: Scope) -> Node:
    return _Leaf(p, scope)


_EVENT_LISTS = {"procedure": ("procedures", "reports"), "immunization": ("immunizations",), "condition": ("conditions",)}


def compile_event(p: EventIs, scope: Scope) -> Node:
    """A dated thing that was done; also told by a status code on the problem list (transplant status)."""
    kinds = [scope.vocabulary.concepts[c].kind for c in (*p.concepts, *p.maybe) if c in scope.vocabulary.concepts]
    lists = tuple(dict.fromkeys(name for kind in kinds for name in _EVENT_LISTS.get(kind, ("procedures",))))

    def rows(facts: Facts, concepts: tuple[str, ...]) -> list[Event]:
        found = [e for c in concepts for e in facts.events.get(c) or () if e.planned == p.planned]
        if not p.planned:
            found += [_as_event(row) for c in concepts for row in facts.conditions.get(c) or ()]
        return found

    def judge(facts: Facts, event: Event) -> int:
        if p.within is None:
            return TRUE
        start = cutoff(facts, p.within)
        if event.last and event.last < start:
            return FALSE
        return TRUE if event.first and event.first >= start else UNKNOWN

    def run(facts: Facts, _: Anchor | None) -> Finding:
        judged = [(e, judge(facts, e)) for e in rows(facts, p.concepts)]
        for verdict, reason in ((TRUE, None), (UNKNOWN, "imprecise-date")):
            chosen = [e for e, v in judged if v == verdict]
            if chosen and verdict == TRUE and not _firm(chosen, scope.excluding):
                return Finding(UNKNOWN, "needs-judgement", "recorded", tuple(e.evidence(False, e.told_by) for e in chosen))
            if chosen:
                return Finding(verdict, reason, "recorded", tuple(e.evidence(verdict == TRUE) for e in chosen))
        raised = [e for e in rows(facts, p.maybe) if judge(facts, e) != FALSE]
        if raised:
            return Finding(UNKNOWN, "needs-judgement", None, tuple(e.evidence(False) for e in raised))
        missing = unread(facts, lists)
        if missing is not None:
            return missing
        evidence = tuple(e.evidence(True, "outside the period") for e, _ in judged)
        if p.absent == "unknown":
            return Finding(UNKNOWN, "stale" if judged else "no-data", None, evidence)
        return Finding(FALSE, None, "recorded" if judged else "no-record", evidence)

    return run


def _as_event(row: Condition) -> Event:
    """A status code tells that it happened, at the latest when it was written down."""
    told_by = "not confirmed" if not row.certain else "encounter diagnosis" if row.listed == "encounter" else ""
    return Event(row.concept, row.reference, row.first if row.dated else 0, row.last, False, row.date, row.value, told_by)


def _firm(events: Sequence[Event], excluding: bool) -> bool:
    """Whether these tell for sure. Nobody is ruled out on one encounter diagnosis alone."""
    if any(not e.told_by for e in events):
        return True
    seen = [e for e in events if e.told_by != "not confirmed"]
    return bool(seen) and (not excluding or len({e.last for e in seen if e.last}) > 1)
