"""Exposure episodes: courses of drugs joined over their gaps. Days are ordinals; known minimum, never a guess."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from cds_service.model.facts import Exposure, Facts
from cds_service.model.vocabulary import Vocabulary


class Episode(NamedTuple):
    """Continuous treatment, from the latest possible start to the earliest possible end."""

    start: int
    end: int
    exposures: tuple[Exposure, ...]


def drugs_of(names: Iterable[str], vocabulary: Vocabulary) -> frozenset[str]:
    """Drug ids of classes and drugs."""
    found: set[str] = set()
    for name in names:
        found |= vocabulary.classes[name].drugs if name in vocabulary.classes else {name}
    return frozenset(found)


def exposures_of(facts: Facts, drugs: Collection[str]) -> list[Exposure]:
    """All exposures to these drugs, oldest first, each once. A patient has few drugs, a class may have sixty."""
    found = [e for drug, exposures in facts.exposures.items() if drug in drugs for e in exposures]
    if len(found) > 1:
        found = sorted(dict.fromkeys(found), key=lambda e: (e.start_last, e.end_last, e.reference, e.drug))
    return found


def given_between(facts: Facts, drugs: Collection[str], first: int, last: int) -> bool:
    """Whether any of these drugs may have been given between two days."""
    return any(e.start_last and e.start_first <= last and e.end_last >= first for e in exposures_of(facts, drugs))


def given_undated(facts: Facts, drugs: Collection[str]) -> bool:
    """Whether any of these drugs stands on record without a date."""
    return any(not e.start_last for e in exposures_of(facts, drugs))


def episodes(facts: Facts, drugs: Collection[str], vocabulary: Vocabulary, grace: int | None = None) -> list[Episode]:
    """Courses joined where the gap is within the drugs' grace. Undated exposures belong to none.

    A drug with a `course` (rituximab) counts as treatment for so many days after each dose.
    """
    joined: list[Episode] = []
    bridge = 0
    for e in exposures_of(facts, drugs):
        if not e.start_last:
            continue
        drug = vocabulary.drugs.get(e.drug)
        course = drug.course if drug and e.kind != "order" else 0  # an order is not a dose that was given
        end = min(max(e.end_first, e.start_last) + course, facts.as_of)
        gap = grace if grace is not None else max(bridge, drug.grace if drug else 0)
        if joined and e.start_last <= joined[-1].end + gap + 1:
            head = joined[-1]
            joined[-1] = Episode(head.start, max(head.end, end), (*head.exposures, e))
        else:
            joined.append(Episode(e.start_last, end, (e,)))
        bridge = drug.grace if drug else 0
    return joined


def overlap(groups: Sequence[Sequence[Episode]]) -> list[Episode]:
    """Where every group was being given at once, with what was given then."""
    shared = list(groups[0]) if groups else []
    for group in groups[1:]:
        shared = [_shared(a, b) for a in shared for b in group if max(a.start, b.start) <= min(a.end, b.end)]
    return shared


def _shared(a: Episode, b: Episode) -> Episode:
    start, end = max(a.start, b.start), min(a.end, b.end)
    return Episode(start, end, tuple(e for e in (*a.exposures, *b.exposures) if e.start_last <= end and max(e.end_last, e.start_last) >= start))
