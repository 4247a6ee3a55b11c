"""Which sets of facts can bring an open predicate to which verdict. Kleene logic over sets; knows no patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cds_service import logic
from cds_service.explain.leaves import Known, Leaf, Told, leaf_of, told
from cds_service.model.facts import Facts
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Reasoning
from cds_service.model.predicates import All, Any, AtLeast, Doubt, Not, Unless, When

Way = frozenset[Known]  #: what has to be known, each fact once, and what it may then be
Ways = Mapping[int, frozenset[Way]]  #: verdict -> the smallest ways to it
Sets = frozenset[frozenset[str]]  #: names of facts; no set inside another
_AT_ONCE: frozenset[Way] = frozenset((frozenset(),))
_MOST = 64  #: ways kept to one verdict, the smallest


def ways(tree: Reasoning, then: Sequence[Reasoning], facts: Facts) -> Mapping[int, Sets]:
    """The smallest sets of facts for every verdict that can be reached, all other facts staying as open as they are.

    `then`: the same predicate on suppositions about earlier therapy (see therapies.suppositions).
    """

    def open_(leaf: Leaf) -> Ways:
        return {UNKNOWN: _AT_ONCE} | {v: found for v, found in leaf.items() if v != UNKNOWN}

    return {v: least(frozenset(k.fact for k in way) for way in found) for v, found in _fold(tree, then, open_, told(tree, facts)).items()}


def verdicts(tree: Reasoning, then: Sequence[Reasoning], facts: Facts) -> tuple[frozenset[int], frozenset[str]]:
    """What the predicate can come to once every open fact in it is known, and those facts."""
    asked: set[str] = set()

    def known(leaf: Leaf) -> Ways:
        asked.update(k.fact for found in leaf.values() for way in found for k in way)
        return leaf

    return frozenset(_fold(tree, then, known, told(tree, facts))), frozenset(asked)


def least(sets: Iterable[frozenset[str]]) -> Sets:
    """Without those that hold another."""
    kept: list[frozenset[str]] = []
    for one in sorted(set(sets), key=lambda s: (len(s), sorted(s))):
        if not any(small <= one for small in kept):
            kept.append(one)
    return frozenset(kept)


# --- both at once -----------------------------------------------------------------------------


def _both(a: Way, b: Way) -> Way | None:
    """What has to be known for both; None where they ask one fact to be two things."""
    if not a or not b:
        return a or b
    merged = {(k.fact, k.of): k for k in a}
    for k in b:
        held = merged.get((k.fact, k.of))
        shared = k.values & held.values if held else k.values
        if not shared:
            return None
        merged[k.fact, k.of] = Known(k.fact, k.of, shared)
    return frozenset(merged.values())


def _inside(a: Way, b: Way) -> bool:
    """Whether whoever knows `b` knows enough for `a`."""
    held = {(k.fact, k.of): k.values for k in b}
    return all(held.get((k.fact, k.of), frozenset()) <= k.values and (k.fact, k.of) in held for k in a)


def _smallest(found: Iterable[Way]) -> frozenset[Way]:
    kept: list[Way] = []
    for one in sorted(set(found), key=_order):
        if len(kept) < _MOST and not any(_inside(small, one) for small in kept):
            kept.append(one)
    return frozenset(kept)


def _order(way: Way) -> tuple[int, int, list[tuple[str, str, list[str]]]]:
    return len(way), -sum(len(k.values) for k in way), sorted((k.fact, k.of, sorted(map(str, k.values))) for k in way)


# --- up the tree ------------------------------------------------------------------------------


def _fold(tree: Reasoning, then: Sequence[Reasoning], leaf: Callable[[Leaf], Ways], whole: Told) -> Ways:
    predicate, finding, parts = tree
    if finding.verdict != UNKNOWN:
        return {finding.verdict: _AT_ONCE}
    if not parts:
        return leaf(leaf_of(tree, [other.finding for other in then], whole))
    each = [_fold(part, [other.parts[i] for other in then], leaf, whole) for i, part in enumerate(parts)]
    match predicate:
        case All():
            return _joined(each, logic.all_of)
        case Any():
            return _joined(each, logic.any_of)
        case AtLeast(count, _):
            return _joined(each, lambda found: logic.at_least(count, found), ordered=True)
        case Not():
            return _renamed(each[0], logic.negate)
        case Doubt():
            return _renamed(each[0], lambda verdict: UNKNOWN if verdict == TRUE else verdict)
        case When():
            return _joined(each, lambda found: logic.when(found[0], found[1], None), ordered=True)
        case Unless(_, _, otherwise):
            return _joined(each, lambda found: _unless(found[0], found[1], otherwise), ordered=True)
        case _:
            return {UNKNOWN: _AT_ONCE}


def _joined(each: Sequence[Ways], rule: Callable[[tuple[int, ...]], int], ordered: bool = False) -> Ways:
    """Part by part; unless it matters which part said what, verdicts are merged at once: twelve parts would be half a million ways."""
    states: dict[tuple[int, ...], frozenset[Way]] = {(): _AT_ONCE}
    for part in each:
        grown: dict[tuple[int, ...], set[Way]] = {}
        for so_far, before in states.items():
            for verdict, found in part.items():
                key = (*so_far, verdict) if ordered else (rule((*so_far, verdict)),)
                grown.setdefault(key, set()).update(both for a in before for b in found if (both := _both(a, b)) is not None)
        states = {key: _smallest(found) for key, found in grown.items() if found}
    return _renamed(states, rule)


def _renamed(found: Mapping[int, frozenset[Way]] | Mapping[tuple[int, ...], frozenset[Way]], rule: Callable[..., int]) -> Ways:
    named: dict[int, set[Way]] = {}
    for key, sets in found.items():
        named.setdefault(rule(key), set()).update(sets)
    return {verdict: _smallest(sets) for verdict, sets in named.items()}


def _unless(part: int, excuse: int, then: str) -> int:
    """As the evaluator does it."""
    if part in (TRUE, NOT_APPLICABLE):
        return part
    if excuse == TRUE and then == "met":
        return TRUE
    if excuse in (FALSE, NOT_APPLICABLE) or (part != FALSE and (part, excuse, then) != (MANUAL, UNKNOWN, "met")):
        return part
    return UNKNOWN if excuse == TRUE else excuse
