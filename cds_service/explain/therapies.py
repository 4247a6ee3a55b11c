"""Suppositions: the record as it would be if earlier therapies were on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cds_service.dates import shift
from cds_service.model.facts import Exposure, Facts
from cds_service.model.predicates import Predicate, Response, Therapy, concepts_of, parts_of
from cds_service.model.vocabulary import Vocabulary

_MOST_STARTS = 4
_DAYS = 60  #: for values of the last weeks to follow a therapy


def drug_names(therapy: Therapy) -> Iterator[str]:
    """Every drug or class that a therapy names."""
    yield from therapy.any_of
    yield from therapy.all_of
    for regimen in therapy.regimens:
        yield from drug_names(regimen)


def by_weight(therapy: Therapy) -> bool:
    return (therapy.dose is not None and therapy.dose.unit.startswith("mg/kg")) or any(by_weight(regimen) for regimen in therapy.regimens)


def suppositions(p: Predicate, facts: Facts, vocabulary: Vocabulary) -> list[Facts]:
    """One for each likely first day of the therapies whose effect `p` asks for; none where it asks for none."""
    asked = list(_responses(p))
    starts: set[int] = set()
    for response in asked:
        latest = min(_latest_start(t, facts.as_of) for t in _single(response.therapy))
        rows = [row.first for concept in concepts_of(response.shows) for row in facts.observations.get(concept) or ()]
        starts |= {latest, *sorted({day for day in rows if 0 < day < latest}, reverse=True)[: _MOST_STARTS - 1]}
    therapies = [t for response in asked for t in _single(response.therapy)]
    return [_treated(facts, therapies, start, vocabulary) for start in sorted(starts)]


def _responses(p: Predicate) -> Iterator[Response]:
    if isinstance(p, Response):
        yield p
    for part in parts_of(p):
        yield from _responses(part)


def _single(therapy: Therapy) -> list[Therapy]:
    return [t for regimen in therapy.regimens for t in _single(regimen)] or [therapy]


def _latest_start(therapy: Therapy, as_of: int) -> int:
    duration = therapy.duration
    return (shift(as_of, -duration.count, duration.unit) if duration else as_of) - _DAYS


def _treated(facts: Facts, therapies: Iterable[Therapy], start: int, vocabulary: Vocabulary) -> Facts:
    courses = {drug: list(found) for drug, found in facts.exposures.items()}
    for therapy in therapies:
        for drug in _drugs(therapy, vocabulary):
            given = Exposure(drug, "", "statement", start, start, facts.as_of, facts.as_of, True, _dose(therapy, drug, facts, vocabulary))
            courses.setdefault(drug, []).append(given)
    return replace(facts, exposures=courses)


def _drugs(therapy: Therapy, vocabulary: Vocabulary) -> Iterator[str]:
    """One drug of each name that is needed; of a class alone as many as are to be distinct."""
    names = therapy.all_of or (therapy.any_of[: therapy.distinct] if len(therapy.any_of) > 1 else therapy.any_of)
    for name in names:
        known = sorted(vocabulary.classes[name].drugs) if name in vocabulary.classes else [name]
        yield from known[: therapy.distinct if len(names) == 1 else 1]


def _dose(therapy: Therapy, drug: str, facts: Facts, vocabulary: Vocabulary) -> float | None:
    """mg a day on the right side of the dose that is asked for, and no further: a pulse would be no daily dose."""
    known = vocabulary.drugs.get(drug)
    if therapy.dose is None or known is None or not known.prednisone:
        return None
    kilograms = max((w.low or 0.0 for w in facts.observations.get("body_weight") or ()), default=0.0) if by_weight(therapy) else 1.0
    side = 1.1 if therapy.dose.limit.op in ("ge", "gt") else 0.9
    return therapy.dose.limit.value * kilograms * side / known.prednisone
