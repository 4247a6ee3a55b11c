"""Predicates → closures over facts. What does not depend on the patient is settled here, once, at start-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from cds_service import logic
from cds_service.dates import completed_years
from cds_service.evaluate.change import compile_relapse, compile_trend
from cds_service.evaluate.condition import compile_condition, compile_event
from cds_service.evaluate.context import Anchor, Node, Scope, merge
from cds_service.evaluate.exposure import drugs_of, exposures_of
from cds_service.evaluate.observation import compile_observation
from cds_service.evaluate.therapy import compile_response, compile_therapy
from cds_service.model.facts import Evidence, Facts
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Finding, Reasoning
from cds_service.model.predicates import (
    Age,
    All,
    Any,
    AtLeast,
    ConditionIs,
    Doubt,
    EventIs,
    Manual,
    Not,
    ObservationIs,
    Predicate,
    Relapse,
    Response,
    Sex,
    Therapy,
    Trend,
    Unless,
    When,
)


def compile_predicate(p: Predicate, scope: Scope) -> Node:
    """The closure for one predicate."""
    match p:
        case ObservationIs():
            return compile_observation(p, scope)
        case ConditionIs():
            return compile_condition(p, scope)
        case EventIs():
            return compile_event(p, scope)
        case Therapy():
            return compile_therapy(p, scope)
        case Trend():
            return compile_trend(p, scope)
        case Relapse():
            return compile_relapse(p, scope)
        case Response():
            return compile_response(p, compile_predicate(p.shows, replace(scope, holds=None)), scope)
        case Age():
            return _age(p)
        case Sex():
            return _sex(p)
        case Manual():
            return _manual(p, scope)
        case _:
            return _compile_combinator(p, scope)


def parts_in_scope(p: Predicate, scope: Scope) -> tuple[tuple[Predicate, Scope], ...]:
    """The parts of a combinator, each with the scope it is compiled in; nothing for a leaf or a response."""
    plain = replace(scope, holds=None)
    match p:
        case All(parts):
            inner = replace(scope, holds=TRUE if scope.holds == TRUE else None)
            return tuple((part, inner) for part in parts)
        case Any(parts):
            inner = replace(scope, holds=FALSE if scope.holds == FALSE else None)
            return tuple((part, inner) for part in parts)
        case AtLeast(_, parts):
            return tuple((part, plain) for part in parts)
        case Not(part):
            flipped = None if scope.holds is None else logic.negate(scope.holds)
            return ((part, Scope(scope.vocabulary, not scope.excluding, flipped)),)
        case When(guard, part):
            return (guard, replace(plain, excluding=False)), (part, scope)
        case Unless(part, excuse, _):
            return (part, plain), (excuse, replace(plain, excluding=False))
        case Doubt(part, _):
            return ((part, replace(plain, excluding=False)),)
        case _:
            return ()


def _compile_combinator(p: All | Any | AtLeast | Not | When | Unless | Doubt, scope: Scope) -> Node:
    nodes = [compile_predicate(part, inner) for part, inner in parts_in_scope(p, scope)]
    match p:
        case All():
            return _all(nodes)
        case Any():
            return _any(nodes)
        case AtLeast(count, _):
            return _at_least(count, nodes)
        case Not():
            return _not(nodes[0])
        case When():
            return _when(nodes[0], nodes[1], scope.holds)
        case Unless(_, _, then):
            return _unless(nodes[0], nodes[1], then)
        case Doubt(_, reason):
            return _doubt(nodes[0], reason)


class Tree(NamedTuple):
    """A compiled predicate that keeps its parts, for a reader who wants to know which part said what."""

    predicate: Predicate
    node: Node
    parts: tuple[Tree, ...]

    def reason(self, facts: Facts) -> Reasoning:
        return Reasoning(self.predicate, self.node(facts, None), tuple(part.reason(facts) for part in self.parts))


def compile_tree(p: Predicate, scope: Scope) -> Tree:
    return Tree(p, compile_predicate(p, scope), tuple(compile_tree(part, inner) for part, inner in parts_in_scope(p, scope)))


def _all(parts: Sequence[Node]) -> Node:
    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        findings = []
        for part in parts:
            found = part(facts, anchor)
            if found.verdict == FALSE:  # nothing can change it: this part is the evidence
                return found
            findings.append(found)
        verdict = logic.all_of([f.verdict for f in findings])
        # beside what is open, what already holds: the reader sees how far the criterion got
        also = [f for f in findings if f.verdict == TRUE] if verdict in (UNKNOWN, MANUAL) else ()
        return merge(verdict, findings, also)

    return run


def _any(parts: Sequence[Node]) -> Node:
    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        findings = []
        for part in parts:
            found = part(facts, anchor)
            if found.verdict == TRUE:
                return found
            findings.append(found)
        return merge(logic.any_of([f.verdict for f in findings]), findings)

    return run


def _at_least(count: int, parts: Sequence[Node]) -> Node:
    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        findings = [part(facts, anchor) for part in parts]
        return merge(logic.at_least(count, [f.verdict for f in findings]), findings)

    return run


def _not(part: Node) -> Node:
    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        found = part(facts, anchor)
        return found._replace(verdict=logic.negate(found.verdict))

    return run


def _when(guard: Node, part: Node, holds: int | None) -> Node:
    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        asked = guard(facts, anchor)
        if asked.verdict in (FALSE, NOT_APPLICABLE):
            return Finding(NOT_APPLICABLE, evidence=asked.evidence)
        found = part(facts, anchor)
        return found if logic.when(asked.verdict, found.verdict, holds) == found.verdict else asked

    return run


def _unless(part: Node, excuse: Node, then: str) -> Node:
    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        found = part(facts, anchor)
        if found.verdict in (TRUE, NOT_APPLICABLE):
            return found
        excused = excuse(facts, anchor)
        if excused.verdict == TRUE and then == "met":
            return excused._replace(evidence=(*excused.evidence, *found.evidence))
        if excused.verdict in (FALSE, NOT_APPLICABLE) or (
            found.verdict != FALSE and (found.verdict, excused.verdict, then) != (MANUAL, UNKNOWN, "met")
        ):
            return found
        if excused.verdict == TRUE:
            return Finding(UNKNOWN, "needs-judgement", "recorded", (*found.evidence, *excused.evidence))
        return excused._replace(evidence=(*found.evidence, *excused.evidence))

    return run


def _doubt(part: Node, reason: str) -> Node:
    def run(facts: Facts, anchor: Anchor | None) -> Finding:
        found = part(facts, anchor)
        return Finding(UNKNOWN, reason, found.basis, found.evidence) if found.verdict == TRUE else found

    return run


def _age(p: Age) -> Node:
    def run(facts: Facts, _: Anchor | None) -> Finding:
        patient = facts.patient
        if not patient.born_last:
            return Finding(UNKNOWN, "no-data")
        youngest = completed_years(min(patient.born_last, facts.as_of), facts.as_of)
        oldest = completed_years(min(patient.born_first, facts.as_of), facts.as_of)
        words = f"{youngest} years" if youngest == oldest else f"{youngest} to {oldest} years"
        evidence = (Evidence(patient.reference, "", words),)
        verdicts = {(p.ge is None or years >= p.ge) and (p.le is None or years <= p.le) for years in range(youngest, oldest + 1)}
        if len(verdicts) > 1:
            return Finding(UNKNOWN, "imprecise-date", None, evidence)
        return Finding(TRUE if verdicts.pop() else FALSE, None, "recorded", evidence)

    return run


def _sex(p: Sex) -> Node:
    def run(facts: Facts, _: Anchor | None) -> Finding:
        if facts.patient.sex is None:
            return Finding(UNKNOWN, "no-data")
        verdict = TRUE if facts.patient.sex == p.sex else FALSE
        return Finding(verdict, None, "recorded", (Evidence(facts.patient.reference, "", facts.patient.sex),))

    return run


def _manual(p: Manual, scope: Scope) -> Node:
    drugs = drugs_of(p.see, scope.vocabulary)

    def run(facts: Facts, _: Anchor | None) -> Finding:
        shown: list[Evidence] = []
        for concept in p.see:
            shown += [row.evidence(False) for row in (facts.observations.get(concept) or ())[:1]]
            shown += [row.evidence(False) for row in facts.conditions.get(concept) or ()]
            shown += [row.evidence(False) for row in facts.events.get(concept) or ()]
        shown += [course.evidence(False) for course in exposures_of(facts, drugs)]
        return Finding(MANUAL, evidence=tuple(shown), ask=p.ask)

    return run
