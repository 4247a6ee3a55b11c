"""Outcomes → what would change them: which facts decide a cohort, and on which days to look again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from cds_service import logic
from cds_service.dates import shift
from cds_service.model.facts import Facts
from cds_service.model.outcomes import FALSE, MANUAL, TRUE, UNKNOWN, Assessment, Decider, Finding, LookAgain, Outcome, Question, Reasoning
from cds_service.model.predicates import (
    Age,
    All,
    Any,
    AtLeast,
    ConditionIs,
    Doubt,
    EventIs,
    Not,
    ObservationIs,
    Period,
    Predicate,
    Relapse,
    Response,
    Sex,
    Therapy,
    Trend,
    Unless,
    When,
    parts_of,
)
from cds_service.model.trials import Criterion
from cds_service.model.vocabulary import Vocabulary

#: What no result can settle: somebody has to judge, or ask the study team.
_QUESTIONS = frozenset({"needs-judgement", "ambiguous-record"})
COSTS = ("chart", "blood", "urine", "imaging", "biopsy")  #: from the cheapest
_HORIZON = 10  #: years ahead


def with_deciders(assessment: Assessment, reasoning: Callable[[Criterion], Reasoning], vocabulary: Vocabulary) -> Assessment:
    """Add the smallest sets of facts that would settle the cohort, and the questions apart."""
    if assessment.status != "possible":
        return assessment
    needed: dict[str, _Need] = {}
    questions: list[Question] = []
    for outcome in assessment.of("unknown"):
        tree = reasoning(outcome.criterion)
        facts = needed_facts(tree)
        if facts is None:
            questions.append(Question(outcome.criterion.id, _ask(outcome)))
        else:
            ends = possible_verdicts(tree)
            bad = TRUE if outcome.criterion.kind == "exclusion" else FALSE
            needed[outcome.criterion.id] = _Need(facts, bad in ends, UNKNOWN not in ends)
    return replace(assessment, decides=tuple(_deciders(needed, bool(questions), vocabulary)), questions=tuple(questions))


class _Need(NamedTuple):
    """What settles one criterion; whether it can then fail; whether it is then decided, whatever was found."""

    facts: frozenset[str]
    can_fail: bool
    sure: bool


def possible_verdicts(tree: Reasoning) -> frozenset[int]:
    """What a predicate can come to once its open facts are known, whatever they turn out to be."""
    predicate, finding, parts = tree
    if finding.verdict != UNKNOWN:
        return frozenset((finding.verdict,))
    if not parts:
        return frozenset((TRUE, FALSE)) if finding.reason not in _QUESTIONS else frozenset((UNKNOWN,))
    ways = [possible_verdicts(part) for part in parts]
    match predicate:
        case All():
            return frozenset(logic.all_of(way) for way in product(*ways))
        case Any():
            return frozenset(logic.any_of(way) for way in product(*ways))
        case AtLeast(count, _):
            return frozenset(logic.at_least(count, way) for way in product(*ways))
        case Not():
            return frozenset(logic.negate(verdict) for verdict in ways[0])
        case Doubt():
            return frozenset(UNKNOWN if verdict == TRUE else verdict for verdict in ways[0])
        case When():
            return frozenset(logic.when(guard, body, None) for guard, body in product(*ways))
        case Unless(_, _, then):
            excused = TRUE if then == "met" else UNKNOWN
            return frozenset(excused if part == FALSE and excuse == TRUE else part for part, excuse in product(*ways))
        case _:
            return frozenset((TRUE, FALSE, UNKNOWN))


def needed_facts(tree: Reasoning) -> frozenset[str] | None:
    """The facts that, whatever they turn out to be, leave this open predicate decided. None: no result can.

    Every open part must be known: of `any`, one that holds would do, but it may turn out not to.
    """
    predicate, finding, parts = tree
    if finding.verdict not in (UNKNOWN, MANUAL):
        return frozenset()
    if not parts:
        return _leaf_facts(predicate, finding) if finding.verdict == UNKNOWN else frozenset()
    open_parts = [part for part in parts if part.finding.verdict == UNKNOWN]
    if not open_parts:  # a doubt about what holds
        return None if finding.verdict == UNKNOWN else frozenset()
    found: frozenset[str] = frozenset()
    for part in open_parts:
        facts = needed_facts(part)
        if facts is None:
            return None
        found |= facts
    return found


def _leaf_facts(predicate: Predicate, finding: Finding) -> frozenset[str] | None:
    if finding.reason in _QUESTIONS:
        return None
    if finding.lists:  # read the list again
        return frozenset(finding.lists)
    if finding.concepts:
        return frozenset(finding.concepts[:1])
    match predicate:
        case ObservationIs() | ConditionIs() | EventIs():
            return frozenset(predicate.concepts[:1])
        case Trend() | Relapse():
            return frozenset((predicate.concept,))
        case Therapy():
            return frozenset(_drug_names(predicate))
        case Response():
            return frozenset(_drug_names(predicate.therapy))
        case Age():
            return frozenset(("birth_date",))
        case Sex():
            return frozenset(("sex",))
        case _:
            return None


def _drug_names(therapy: Therapy) -> Iterable[str]:
    yield from therapy.any_of
    yield from therapy.all_of
    for regimen in therapy.regimens:
        yield from _drug_names(regimen)


def _deciders(needed: Mapping[str, _Need], questions: bool, vocabulary: Vocabulary) -> list[Decider]:
    """Each set of facts once, with all criteria it settles; those that settle most, and cost least, first."""
    found = []
    for facts in {need.facts for need in needed.values()}:
        settled = [criterion for criterion, need in needed.items() if need.facts <= facts]
        whole = not questions and len(settled) == len(needed)
        if whole and all(needed[c].sure for c in settled) and any(needed[c].can_fail for c in settled):
            ends = "either"
        else:
            ends = "excluded" if any(needed[c].can_fail for c in settled) else "candidate"
        found.append(Decider(tuple(sorted(facts)), tuple(settled), ends, _dearest(facts, vocabulary)))
    found.sort(key=lambda d: (d.settles == "candidate", -len(d.criteria), COSTS.index(d.cost), len(d.facts), d.facts))
    if not questions and len(found) > 1 and not any(len(d.criteria) == len(needed) for d in found):
        union = frozenset().union(*(need.facts for need in needed.values()))
        found.append(Decider(tuple(sorted(union)), tuple(needed), "candidate", _dearest(union, vocabulary)))
    return found


def _dearest(facts: Iterable[str], vocabulary: Vocabulary) -> str:
    costs = [vocabulary.concepts[f].cost if f in vocabulary.concepts else "chart" for f in facts]
    return max(costs, key=COSTS.index, default="chart")


def _ask(outcome: Outcome) -> str:
    criterion = outcome.criterion
    what = criterion.short or criterion.label
    if outcome.finding.reason == "ambiguous-record" and criterion.interpretation is not None:
        return f"Ask the study team how the record is meant. We read: {criterion.interpretation.reading}"
    return f"Judge: {what}."


def with_look_again(assessment: Assessment, facts: Facts, outcome_on: Callable[[Criterion, int], str], vocabulary: Vocabulary) -> Assessment:
    """Add, for each criterion, the first day on which its outcome changes by time alone."""
    if assessment.status == "not-applicable":
        return assessment
    last = shift(facts.as_of, _HORIZON, "years")
    found = []
    for outcome in assessment.outcomes:
        for day in sorted(d for d in turning_days(outcome.criterion.needs, facts, vocabulary) if facts.as_of < d <= last):
            then = outcome_on(outcome.criterion, day)
            if then != outcome.outcome:
                found.append(LookAgain(day, outcome.criterion.id, f"{outcome.outcome} now, {then} from this day if nothing new is recorded"))
                break
    return replace(assessment, look_again=tuple(sorted(found)))


def turning_days(p: Predicate, facts: Facts, vocabulary: Vocabulary) -> set[int]:
    """Every day on which the passing of time can change what `p` says."""
    days: set[int] = set()
    for part in parts_of(p):
        days |= turning_days(part, facts, vocabulary)
    match p:
        case Age():
            days |= _birthdays(p, facts)
        case ObservationIs():
            for concept in p.concepts:
                fresh = None if p.within or not p.fresh else vocabulary.concepts[concept].fresh
                for row in facts.observations.get(concept) or ():
                    for day in (row.first, row.last):
                        days |= _leaving(day, p.within)
                        if fresh is not None:
                            days.add(day + fresh + 1)
        case ConditionIs() if p.within:
            for concept in (*p.concepts, *p.maybe):
                for condition in facts.conditions.get(concept) or ():
                    for day in (condition.first, condition.last, condition.ended_last):
                        days |= _leaving(day, p.within)
        case EventIs() if p.within:
            for concept in (*p.concepts, *p.maybe):
                for item in (*(facts.events.get(concept) or ()), *(facts.conditions.get(concept) or ())):
                    days |= _leaving(item.first, p.within) | _leaving(item.last, p.within)
        case Therapy():
            days |= _courses(p, facts, vocabulary)
        case _:
            pass
    return days


def _leaving(day: int, period: Period | None) -> set[int]:
    """Days around the one on which `day` falls out of a period: months differ in length, so a few are tried."""
    if period is None or not day:
        return set()
    out = shift(day, period.count, period.unit)
    return set(range(out, out + 5))


def _birthdays(p: Age, facts: Facts) -> set[int]:
    patient = facts.patient
    if not patient.born_last:
        return set()
    ages = ([p.ge] if p.ge is not None else []) + ([p.le + 1] if p.le is not None else [])
    return {d for age in ages for born in (patient.born_first, patient.born_last) for d in _around(shift(born, age, "years"))}


def _around(day: int) -> tuple[int, int]:
    """Someone born on 29 February turns a year older a day later than a calendar shift says."""
    return day, day + 1


def _courses(p: Therapy, facts: Facts, vocabulary: Vocabulary) -> set[int]:
    """When a duration is reached, a course ends, or an exposure leaves a window."""
    names = set(p.any_of) | set(p.all_of)
    drugs = names.union(*(vocabulary.classes[n].drugs for n in names if n in vocabulary.classes))
    days: set[int] = set()
    for drug in drugs:
        course = vocabulary.drugs[drug].course if drug in vocabulary.drugs else 0
        for e in facts.exposures.get(drug) or ():
            ends = {e.end_first, e.end_last, e.planned_first, e.planned_last, e.start_last}
            days |= {end + extra for end in ends if end for extra in (0, 1, course, course + 1)}
            for period in (p.within, p.off_for, p.stable_for):
                for day in (*ends, e.start_first):
                    days |= _leaving(day, period)
            if p.duration:
                reached = shift(e.start_last, p.duration.count, p.duration.unit) if e.start_last else 0
                days |= {reached, reached + 1}
    return days
