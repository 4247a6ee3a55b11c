"""What an open leaf can come to, and the facts that would tell. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from cds_service.explain.therapies import by_weight, drug_names
from cds_service.model.facts import Facts
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN, Finding, Reasoning
from cds_service.model.predicates import Age, ConditionIs, EventIs, ObservationIs, Relapse, Response, Sex, Therapy, Trend
from cds_service.model.vocabulary import MEDICATION_LISTS

#: What no result can settle: somebody has to judge, or ask the study team.
QUESTIONS = frozenset({"needs-judgement", "ambiguous-record"})
_UNREAD = frozenset({"unavailable", "truncated"})
_TESTS: Mapping[str, Callable[[float, float], bool]] = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}
_REPORT = "pathology_report"  #: what has to be found where only a diagnosis that a report names will do
_POSITIVE, _NEGATIVE = 1.0, 0.0


class Known(NamedTuple):
    """One fact that has to be known, and the values of it that would do. `of`: number, result, class, or a leaf of its own."""

    fact: str
    of: str
    values: frozenset[float | str]


#: verdict -> ways to it. With UNKNOWN: knowing the facts may still leave it open.
Leaf = Mapping[int, frozenset[frozenset[Known]]]
_QUESTION: Leaf = {UNKNOWN: frozenset((frozenset(),))}


class Told(NamedTuple):
    """What holds for the whole tree. `points`: of each concept, numbers on both sides of every limit that is set to it,
    since one value has to serve all limits. `recorded`: diagnoses and events on record. `weighed`: a body weight is."""

    points: Mapping[str, frozenset[float]]
    recorded: frozenset[str]
    weighed: bool


def told(tree: Reasoning, facts: Facts) -> Told:
    limits: dict[str, set[float]] = {}
    _collect(tree, limits)
    weights = facts.observations.get("body_weight") or ()
    points = {name: frozenset(_around(sorted(found))) for name, found in limits.items()}
    return Told(points, frozenset((*facts.conditions, *facts.events)), any(w.low and not w.problem for w in weights))


def _collect(tree: Reasoning, limits: dict[str, set[float]]) -> None:
    p = tree.predicate
    if isinstance(p, ObservationIs):
        for name in p.concepts:
            limits.setdefault(_dimension(name, p), set()).update(limit.value for limit in p.limits)
            if p.result in ("detected", "not-detected"):
                limits[_dimension(name, p)].add(0.0)
    for part in tree.parts:
        _collect(part, limits)


def _dimension(name: str, p: ObservationIs) -> str:
    return f"{name} × upper limit" if p.times else name


def _around(limits: Sequence[float]) -> Iterable[float]:
    if limits:
        yield limits[0] - 1.0 if limits[0] <= 0 else limits[0] / 2
        yield limits[-1] + 1.0 + abs(limits[-1])
    yield from limits
    yield from ((a + b) / 2 for a, b in pairwise(limits))


def leaf_of(tree: Reasoning, then: Sequence[Finding], whole: Told) -> Leaf:
    """`then`: its findings on suppositions about earlier therapy."""
    p, finding = tree.predicate, tree.finding
    if finding.reason in QUESTIONS:
        return _QUESTION
    if finding.reason in _UNREAD or finding.lists:  # read the list again
        return _by(finding.lists or MEDICATION_LISTS, TRUE, FALSE, UNKNOWN)
    match p:
        case ObservationIs():
            return _observation(p, finding, whole)
        case ConditionIs() | EventIs():
            return _diagnosis(p, whole)
        case Trend():
            return _by((p.concept,), TRUE, FALSE)
        case Relapse():
            return _by((p.concept,), TRUE, FALSE, UNKNOWN)
        case Therapy():
            return _therapy(p, finding, whole)
        case Response():
            return _response(p, finding, then, whole)
        case Age() | Sex():  # they also tell which other criteria apply
            return _by(("birth_date" if isinstance(p, Age) else "sex",), TRUE, FALSE, UNKNOWN)
        case _:
            return _QUESTION


def _by(facts: Iterable[str], *ends: int) -> Leaf:
    """Each end by itself: what these facts say here says nothing of another leaf."""
    named = frozenset(facts)
    return {end: frozenset((frozenset(Known(name, "history", frozenset((end, UNKNOWN))) for name in named),)) for end in ends}


def _observation(p: ObservationIs, finding: Finding, whole: Told) -> Leaf:
    """A new value decides. Of several that count, one that cannot be read may still be the one that matters."""
    concept = next(iter(finding.concepts), p.concepts[0])
    if p.persistent is not None:  # one value over the limit starts no run, and an earlier one that is not may stand against it
        return _by((concept,), FALSE, UNKNOWN, *((TRUE,) if finding.reason == "no-data" else ()))
    if p.pick != "newest" and finding.reason not in ("no-data", "stale"):
        return _by((concept,), TRUE if p.pick == "any" else FALSE, UNKNOWN)
    of, every, good = _values(p, whole.points.get(_dimension(concept, p), frozenset()))
    ends = {TRUE: good, FALSE: every - good}
    return {end: frozenset((frozenset((Known(concept, of, values),)),)) for end, values in ends.items() if values}


def _values(p: ObservationIs, points: frozenset[float]) -> tuple[str, frozenset[float | str], frozenset[float | str]]:
    """What is looked at, the values it may have, and those that hold."""
    if p.limits:
        held = [x for x in points if all(_TESTS[limit.op](x, limit.value) for limit in p.limits)]
        return "times" if p.times else "number", frozenset(points), frozenset(held)
    if p.codes:
        return f"one of {sorted(p.codes)}", frozenset(("another", *p.codes)), frozenset(p.codes)  # a class may have several marks: IV (A)
    if p.result in ("detected", "not-detected"):
        positive = frozenset(x for x in points if x > 0)
        return "number", frozenset(points), positive if p.result == "detected" else frozenset(points) - positive
    wanted = _NEGATIVE if p.result == "negative" else _POSITIVE
    return "result", frozenset((_POSITIVE, _NEGATIVE)), frozenset((wanted,))


def _diagnosis(p: ConditionIs | EventIs, whole: Told) -> Leaf:
    """What is on record without a clear date has to be dated; what is not on record has to be found."""
    certain = not (isinstance(p, ConditionIs) and p.mild)
    reported = isinstance(p, ConditionIs) and p.reported
    named = (_REPORT,) if reported else [c for c in p.concepts if c in whole.recorded] or p.concepts[:1]
    return _by(named, *((TRUE,) if certain else ()), UNKNOWN if p.absent == "unknown" or not certain else FALSE)


def _therapy(p: Therapy, finding: Finding, whole: Told) -> Leaf:
    """What is not on record may have been given elsewhere: a therapy can be found, hardly ever ruled out."""
    certain = finding.reason == "imprecise-date" and (p.off_for is not None or (p.within is not None and p.absent == "no"))
    return _by(_treatment(p, whole), TRUE, FALSE if certain else UNKNOWN)


def _response(p: Response, finding: Finding, then: Sequence[Finding], whole: Told) -> Leaf:
    """Where the therapy is on record, a measurement is missing; else the therapy, and what it did as far as that can be seen."""
    if finding.concepts:
        return _by(finding.concepts, TRUE, FALSE, UNKNOWN)
    drugs = _treatment(p.therapy, whole)
    found: dict[int, set[frozenset[Known]]] = {}
    for supposed in then:
        if supposed.verdict != UNKNOWN:
            more, ends = drugs, [supposed.verdict, UNKNOWN]
        elif supposed.reason not in QUESTIONS and (supposed.concepts or supposed.lists):
            more, ends = drugs.union(supposed.lists or supposed.concepts), [TRUE, FALSE, UNKNOWN]
        else:
            more, ends = drugs, [UNKNOWN]
        for end, sets in _by(more, *ends).items():
            found.setdefault(end, set()).update(sets)
    return {end: frozenset(sets) for end, sets in found.items()} or _by(drugs, UNKNOWN)


def _treatment(p: Therapy, whole: Told) -> frozenset[str]:
    """The drugs, and the weight where a dose is asked for by weight."""
    return frozenset((*drug_names(p), *(("body_weight",) if by_weight(p) and not whole.weighed else ())))
