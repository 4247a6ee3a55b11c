"""The one sentence of a card, under 140 characters. Plain text."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from cds_service.model.facts import UNAVAILABLE
from cds_service.model.outcomes import Assessment
from cds_service.words import clean, count, in_sentence, lists_words
from cds_service.words.gaps import gaps, tally

LONGEST = 139


def summary(assessment: Assessment, lists: Mapping[str, str]) -> str:
    """`lists`: what was not read, list -> why; it outranks missing results."""
    trial, cohort = assessment.trial, assessment.cohort
    tails = _incomplete(lists) if lists else _candidate(assessment) if assessment.status == "candidate" else _possible(assessment)
    product, disease, short = clean(trial.product), clean(cohort.disease), clean(cohort.short_disease or cohort.disease)
    words = product.split(" ")
    tries = chain(
        (f"Trial may fit: {product} for {name}. {tails[0]}" for name in (disease, short)),
        (f"Trial may fit: {product} for {short}. {tail}" for tail in tails[1:]),
        (f"Trial may fit: {' '.join(words[:n])} for {short}. {tails[-1]}" for n in range(len(words) - 1, 0, -1)),
        (f"Trial may fit: {trial.id}. {tails[-1]}",),
    )
    return next(text for text in tries if len(text) <= LONGEST)


def _candidate(assessment: Assessment) -> list[str]:
    met, manual = len(assessment.of("met")), len(assessment.of("manual"))
    ask = f"; {manual} {'needs' if manual == 1 else 'need'} a person" if manual else ""
    return [f"All {met} criteria the record can answer are met{ask}."]


def _possible(assessment: Assessment) -> list[str]:
    unknown = assessment.of("unknown")
    missing, points = gaps(unknown, "result"), gaps(unknown, "point")
    counted = f"Nothing on record rules it out; {tally(unknown)}."
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
