"""Facts that a decider names, made up: every value that a criterion could tell apart, in each history it could ask for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import prod

from cds_service.dates import completed_years, iso, shift
from cds_service.model.facts import Condition, Event, Exposure, Facts, Observation
from cds_service.model.predicates import (
    Age,
    ConditionIs,
    EventIs,
    Limit,
    ObservationIs,
    Predicate,
    Relapse,
    Therapy,
    Trend,
    concepts_of,
    parts_of,
)
from cds_service.model.vocabulary import LISTS, Vocabulary

Grant = Callable[[Facts], Facts]
MOST = 200  #: ways tried one by one


def leaves(p: Predicate) -> Iterator[Predicate]:
    parts = parts_of(p)
    if not parts or isinstance(p, Therapy):
        yield p
    if not isinstance(p, Therapy):
        for part in parts:
            yield from leaves(part)


def choices(facts: Facts, named: Sequence[str], needs: Sequence[Predicate], vocabulary: Vocabulary) -> list[list[Grant]]:
    """For each named fact what it could turn out to be. Drugs are one choice, and the first: they are looked up together."""
    asked = [leaf for need in needs for leaf in leaves(need)]
    drugs = [name for name in named if name in vocabulary.drugs or name in vocabulary.classes]
    found = [list(grants(facts, name, asked, vocabulary)) for name in named if name not in drugs]
    return [*([list(_courses(facts, drugs, vocabulary))] if drugs else []), *found]


def every_way(facts: Facts, choices: Sequence[Sequence[Grant]]) -> Iterator[Facts]:
    """Every combination where they are few, else as many drawn by lot (always the same)."""
    lot = random.Random(1)  # noqa: S311 -- no secret
    few = prod(len(c) for c in choices) <= MOST
    for chosen in product(*choices) if few else ([lot.choice(c) for c in choices] for _ in range(MOST)):
        yield granted(facts, chosen)


def granted(facts: Facts, chosen: Sequence[Grant]) -> Facts:
    for grant in chosen:
        facts = grant(facts)
    return facts


def best(facts: Facts, choices: Sequence[Sequence[Grant]], score: Callable[[Facts], float]) -> Facts:
    """The way with the least score. Where they are many: from one drawn by lot, changed fact by fact for the better."""
    if prod(len(c) for c in choices) <= MOST:
        return min(every_way(facts, choices), key=score)
    lot = random.Random(1)  # noqa: S311 -- no secret
    ends = []
    for _ in range(4):
        chosen = min(([lot.choice(c) for c in choices] for _ in range(MOST // 4)), key=lambda way: score(granted(facts, way)))
        for _ in range(2):
            for i, options in enumerate(choices):
                chosen[i] = min([chosen[i], *options], key=lambda grant: score(granted(facts, [*chosen[:i], grant, *chosen[i + 1 :]])))
        ends.append(granted(facts, chosen))
    return min(ends, key=score)


def grants(facts: Facts, name: str, asked: Sequence[Predicate], vocabulary: Vocabulary) -> Iterator[Grant]:
    if name in LISTS:
        yield lambda f: replace(f, incomplete={k: v for k, v in f.incomplete.items() if k != name})
    elif name == "sex":
        yield from (lambda f, sex=sex: replace(f, patient=replace(f.patient, sex=sex)) for sex in ("female", "male"))
    elif name == "birth_date":
        for years in sorted({bound + more for p in asked if isinstance(p, Age) for bound in (p.ge, p.le) if bound is not None for more in (-1, 1)}):
            born = shift(facts.as_of, -years, "years") - 100
            yield lambda f, born=born: replace(f, patient=replace(f.patient, born_first=born, born_last=born))
    elif vocabulary.concepts[name].kind == "observation":
        yield from _values(facts, name, [p for p in asked if name in concepts_of(p)])
    else:
        yield from _findings(facts, name, asked)


def _findings(facts: Facts, name: str, asked: Sequence[Predicate]) -> Iterator[Grant]:
    """It is there, dated; or what was there is dated long ago. A report may name each diagnosis that is asked of reports."""
    old, new = facts.as_of - 30 * 365, facts.as_of - 3
    for day, status in ((new, "active"), (old, "resolved")):
        events, rows = [Event(name, "Granted/e", day, day)], [Condition(name, "Granted/c", status, True, "problem", day, day, True, day, day)]
        if any(isinstance(p, EventIs) and name in (*p.concepts, *p.maybe) for p in asked):
            without = {concept: found for concept, found in facts.conditions.items() if concept != name}
            yield lambda f, events=events, without=without: replace(f, events=f.events | {name: events}, conditions=without)
        else:
            yield lambda f, rows=rows: replace(f, conditions=f.conditions | {name: rows})
    if name == "pathology_report":
        for told in [p.concepts[0] for p in asked if isinstance(p, ConditionIs) and p.reported]:
            row = Condition(told, "Granted/r", "active", True, "report", new, new, True)
            yield lambda f, row=row: replace(f, conditions=f.conditions | {row.concept: [row, *f.conditions.get(row.concept, ())]})


def _courses(facts: Facts, names: Sequence[str], vocabulary: Vocabulary) -> Iterator[Grant]:
    """Two drugs of every name, going on for years or since a day on which something was measured."""
    days = sorted({row.first for rows in facts.observations.values() for row in rows if 0 < row.first < facts.as_of}, reverse=True)
    drugs = {drug for name in names for drug in (sorted(vocabulary.classes[name].drugs)[:2] if name in vocabulary.classes else [name])}
    for start in [facts.as_of - 3 * 365, facts.as_of - 250, *days[:15]]:
        given = {d: [Exposure(d, "Granted/x", "statement", start, start, facts.as_of, facts.as_of, True, _daily(d, vocabulary))] for d in drugs}
        yield lambda f, given=given: replace(f, exposures=dict(f.exposures) | given)


def _daily(drug: str, vocabulary: Vocabulary) -> float:
    """As much as 100 mg of prednisone, which is a high dose and no pulse."""
    return 100.0 / (vocabulary.drugs[drug].prednisone or 1.0)


def _values(facts: Facts, name: str, asked: Sequence[Predicate]) -> Iterator[Grant]:
    """Each telling value today, alone or after others; in the units and words of the criteria that ask."""
    numbers = sorted({value for p in asked for value in _numbers(p)}) or [60.0 if name == "body_weight" else None]
    results = ("positive", "negative") if any(isinstance(p, ObservationIs) and p.result for p in asked) else (None,)
    codes = sorted({code for p in asked if isinstance(p, ObservationIs) for code in p.codes})
    codes += [f"{code} ({mark})" for code, mark in product(codes, "AC") if code not in ("A", "C") and "A" in codes]
    upper = 1.0 if any(isinstance(p, ObservationIs) and p.times for p in asked) else None
    adult = facts.patient.born_last and completed_years(facts.patient.born_last, facts.as_of) >= 18
    formula = ("ckd-epi-2021" if adult else "schwartz") if name == "egfr" and facts.patient.born_last else None

    def row(day: int, number: float | None, result: str | None, code: str | None) -> Observation:
        number = (5.0 if result == "positive" else 0.0) if number is None and result else number
        return Observation(
            name, f"Granted/{day}", day, day, number, number, result=result, code=code, upper=upper, formula=formula, date=iso(day), value="granted"
        )

    for number, result, code in product(numbers, results, [*codes, "none of them"] if codes else [None]):

        def rows(f: Facts, number: float | None = number, result: str | None = result, code: str | None = code, back: int = 0) -> list[Observation]:
            today = row(f.as_of, number, result, code)
            if not back:
                return [today]
            if back == 1:
                return [today, row(f.as_of - 80, number, result, code), row(f.as_of - 300, number, result, code)]
            starts = {e.start_last for courses in f.exposures.values() for e in courses if e.start_last}
            before = numbers[0] if back == 2 else numbers[-1]
            return [today, *(row(day, before, result, code) for day in {f.as_of - 60, *starts} if day < f.as_of)]

        for back in range(4 if _looks_back(asked) else 1):
            yield lambda f, rows=rows, back=back: _with(f, name, rows(f, back=back))


def _with(f: Facts, name: str, rows: Sequence[Observation]) -> Facts:
    kept = [old for old in f.observations.get(name, ()) if old.last < f.as_of and not any(old.last == new.last for new in rows)]
    return replace(f, observations=f.observations | {name: sorted([*rows, *kept], key=lambda r: -r.last)})


def _looks_back(asked: Iterable[Predicate]) -> bool:
    return any(isinstance(p, Trend | Relapse) or (isinstance(p, ObservationIs) and p.persistent is not None) for p in asked)


def _numbers(p: Predicate) -> Iterator[float]:
    limits: list[Limit] = []
    if isinstance(p, ObservationIs):
        limits = list(p.limits)
    elif isinstance(p, Relapse):
        limits = [p.then, Limit("lt", p.complete)]
    elif isinstance(p, Trend):
        yield from (0.01, 1000.0)
    for limit in limits:
        yield from (limit.value * 0.5, limit.value * 1.2) if limit.value else (0.0, 5.0)
