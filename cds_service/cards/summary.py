"""The one sentence of a card, under 140 characters. Plain text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from cds_service.cards.sides import Sides
from cds_service.model.facts import UNAVAILABLE
from cds_service.words import clean, count, in_sentence, lists_words
from cds_service.words.gaps import tally

LONGEST = 139


def summary(sides: Sides) -> str:
    """A list that was not read outranks missing results."""
    trial, cohort = sides.assessment.trial, sides.assessment.cohort
    tails = _incomplete(sides.lists) if sides.lists else _candidate(sides) if sides.assessment.status == "candidate" else _possible(sides)
    product, disease = clean(trial.product), clean(cohort.disease)
    text = f"Trial may fit: {product} for {disease}. {tails[0]}"
    if len(text) <= LONGEST:
        return text
    short, words = clean(cohort.short_disease or cohort.disease), product.split(" ")
    tries = chain(
        (f"Trial may fit: {product} for {short}. {tail}" for tail in tails),
        (f"Trial may fit: {' '.join(words[:n])} for {short}. {tails[-1]}" for n in range(len(words) - 1, 0, -1)),
        (f"Trial may fit: {trial.id}. {tails[-1]}",),
    )
    return next(text for text in tries if len(text) <= LONGEST)


def _candidate(sides: Sides) -> list[str]:
    met, manual = sides.met, len(sides.manual)
    ask = f"; {manual} {'needs' if manual == 1 else 'need'} a person" if manual else ""
    return [f"All {met} criteria the record can answer are met{ask}."]


def _possible(sides: Sides) -> list[str]:
    missing, points = sides.results, sides.points
    counted = f"Nothing on record rules it out; {tally(len(missing), len(points))}."
    if 1 <= len(missing) <= 2 and not points:
        return [f"Nothing on record rules it out; missing: {', '.join(in_sentence(gap.what) for gap in missing)}.", counted]
    if missing and points:
        return [counted, f"Nothing on record rules it out; {count(len(missing) + len(points), 'point is', 'points are')} open."]
    return [counted]


def _incomplete(lists: Mapping[str, str]) -> list[str]:
    """The longer wordings first; a list cut short is said to be so."""
    named = f"the {lists_words(lists)} could not be read"
    if UNAVAILABLE not in lists.values():
        named = f"only part of the {lists_words(lists)} arrived"
    return [f"Check incomplete: {named}.", f"Check incomplete: {count(len(lists), 'list', 'lists')} could not be read whole."]
