"""Days on which the passing of time alone can change what a predicate says. Pure."""

from __future__ import annotations

from cds_service.dates import shift
from cds_service.model.facts import Facts
from cds_service.model.predicates import Age, ConditionIs, EventIs, ObservationIs, Period, Predicate, Therapy, parts_of
from cds_service.model.vocabulary import Vocabulary


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
