"""Outcomes → what would change them: which facts decide a cohort, and on which days to look again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from math import prod
from typing import NamedTuple

from cds_service.dates import shift
from cds_service.explain.days import turning_days
from cds_service.explain.leaves import QUESTIONS
from cds_service.explain.therapies import suppositions
from cds_service.explain.ways import Sets, least, verdicts, ways
from cds_service.model.facts import Facts
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Assessment, Decider, LookAgain, Outcome, Question, Reasoning
from cds_service.model.predicates import concepts_of
from cds_service.model.trials import Criterion
from cds_service.model.vocabulary import Vocabulary

__all__ = ["COSTS", "turning_days", "with_deciders", "with_look_again"]

COSTS = ("chart", "blood", "urine", "imaging", "biopsy")  #: from the cheapest
_HORIZON = 10  #: years ahead
_MOST_WAYS = 256  #: combinations tried in full for the smallest set; beyond, each criterion's own best
_NONE: Sets = frozenset()
_OPENS_MORE = frozenset(("birth_date", "sex"))  #: once known, criteria that did not apply may be open


class _Need(NamedTuple):
    """Of one open criterion, the smallest sets of facts that can fail it, that can settle it for good;
    the facts that settle it whatever they are (None: no facts do)."""

    fails: Sets
    passes: Sets
    settled: frozenset[str] | None


def with_deciders(assessment: Assessment, facts: Facts, reasoning: Callable[[Criterion, Facts], Reasoning], vocabulary: Vocabulary) -> Assessment:
    """Add the smallest sets of facts that would settle the cohort, and the questions apart.

    `reasoning`: how a criterion comes to its finding on given facts.
    """
    if assessment.status != "possible":
        return assessment
    needs: dict[str, _Need] = {}
    questions: list[Question] = []
    for outcome in assessment.of("unknown"):
        need = _need(outcome.criterion, facts, reasoning, vocabulary)
        if not need.passes:
            questions.append(Question(outcome.criterion.id, _ask(outcome)))
        needs[outcome.criterion.id] = need
    elsewhere = frozenset().union(*(concepts_of(o.criterion.needs) for o in assessment.outcomes if o.criterion.id not in needs))
    return replace(assessment, decides=tuple(_deciders(needs, bool(questions), elsewhere, vocabulary)), questions=tuple(questions))


def _need(criterion: Criterion, facts: Facts, reasoning: Callable[[Criterion, Facts], Reasoning], vocabulary: Vocabulary) -> _Need:
    tree = reasoning(criterion, facts)
    then = [reasoning(criterion, supposed) for supposed in suppositions(criterion.needs, facts, vocabulary)]
    bad, good = (TRUE, FALSE) if criterion.kind == "exclusion" else (FALSE, TRUE)
    found = ways(tree, then, facts)
    ends, whole = verdicts(tree, then, facts)
    # what only hands the question on to a person, or takes it away, often needs a value that another criterion cannot use
    passes = found.get(good) or least(frozenset().union(*(found.get(v, _NONE) for v in (MANUAL, NOT_APPLICABLE))))
    return _Need(found.get(bad, _NONE), passes, None if UNKNOWN in ends else whole)


def _ask(outcome: Outcome) -> str:
    criterion = outcome.criterion
    what = criterion.short or criterion.label
    if outcome.finding.reason == "ambiguous-record" and criterion.interpretation is not None:
        return f"Ask the study team how the record is meant. We read: {criterion.interpretation.reading}"
    return f"{'Judge' if outcome.finding.reason in QUESTIONS else 'Clarify'}: {what}."


# --- what would decide it ---------------------------------------------------------------------


def _deciders(needs: Mapping[str, _Need], questions: bool, elsewhere: frozenset[str], vocabulary: Vocabulary) -> list[Decider]:
    """What can rule the cohort out: the smallest sets first, by the number of criteria that they can fail, then by cost.

    Last what leaves nothing open.
    """
    final = _final(needs, questions, elsewhere, vocabulary)
    every = frozenset().union(*(need.fails for need in needs.values()))
    either = {s.facts_set for s in final if s.ends == "either"}
    found = [_Set(facts, "excluded") for facts in every - either]
    found.sort(key=lambda s: (any(other < s.facts_set for other in every), -_power(s.facts_set, needs), *_price(s.facts_set, vocabulary)))
    return [
        Decider(tuple(sorted(s.facts_set)), tuple(c for c, n in needs.items() if _touches(s, n)), s.ends, COSTS[_price(s.facts_set, vocabulary)[0]])
        for s in [*found, *final]
    ]


class _Set(NamedTuple):
    facts_set: frozenset[str]
    ends: str


def _touches(found: _Set, need: _Need) -> bool:
    if found.ends != "excluded":
        return True
    return (need.settled is not None and need.settled <= found.facts_set) or any(way <= found.facts_set for way in need.fails)


def _power(facts: frozenset[str], needs: Mapping[str, _Need]) -> int:
    """How many criteria these facts can fail."""
    return sum(any(way <= facts for way in need.fails) for need in needs.values())


def _final(needs: Mapping[str, _Need], questions: bool, elsewhere: frozenset[str], vocabulary: Vocabulary) -> list[_Set]:
    """The smallest set that can leave nothing open, and the one that decides whatever it shows. None where a question stays.

    `elsewhere`: what decided criteria rest on; a new value of it may open them again.
    """
    if questions or not needs:
        return []
    smallest = _smallest([need.passes for need in needs.values()], vocabulary)
    if smallest & _OPENS_MORE:
        return []
    found = [_Set(smallest, "candidate")]
    settled = [need.settled for need in needs.values() if need.settled is not None]
    if len(settled) == len(needs) and any(need.fails for need in needs.values()):
        whole = frozenset().union(*settled)
        if whole.isdisjoint(elsewhere):
            found = [s for s in found if s.facts_set != whole] + [_Set(whole, "either")]
    return found


def _smallest(choices: Iterable[Sets], vocabulary: Vocabulary) -> frozenset[str]:
    """One way for each criterion, so that together they ask for least."""
    lists = [sorted(choice, key=lambda way: _price(way, vocabulary)) for choice in choices]
    if prod(len(found) for found in lists) > _MOST_WAYS:
        lists = [found[:1] for found in lists]
    return min((frozenset().union(*chosen) for chosen in product(*lists)), key=lambda way: (len(way), _price(way, vocabulary)))


def _price(facts: frozenset[str], vocabulary: Vocabulary) -> tuple[int, int, list[str]]:
    """The dearest of them, how many they are, and a fixed order."""
    dearest = max((COSTS.index(vocabulary.concepts[f].cost) if f in vocabulary.concepts else 0 for f in facts), default=0)
    return dearest, len(facts), sorted(facts)


# --- when to look again -----------------------------------------------------------------------


def with_look_again(
    assessment: Assessment,
    facts: Facts,
    on: Callable[[int], Facts],
    outcome: Callable[[Criterion, Facts], str],
    reasoning: Callable[[Criterion, Facts], Reasoning],
    vocabulary: Vocabulary,
) -> Assessment:
    """Add, for each criterion, the first day on which its outcome changes by time alone. `on`: the record read on a later day."""
    if assessment.status == "not-applicable":
        return assessment
    last = shift(facts.as_of, _HORIZON, "years")
    far = on(last)  # there every vague date has reached its end
    found = []
    for now in assessment.outcomes:
        needs = now.criterion.needs
        days = turning_days(needs, facts, vocabulary) | turning_days(needs, far, vocabulary)
        for day in sorted(d for d in days if facts.as_of < d <= last):
            then = outcome(now.criterion, on(day))
            if then != now.outcome:
                aged = reasoning(now.criterion, on(day)).finding.reason == "stale"
                found.append(LookAgain(day, now.criterion.id, _why(now.outcome, then, aged), now.outcome, then, aged))
                break
    return replace(assessment, look_again=tuple(sorted(found)))


def _why(now: str, then: str, aged: bool) -> str:
    change = f"{now} now, {then} from this day if nothing new is recorded"
    return f"the result grows too old: {change}" if aged else change
