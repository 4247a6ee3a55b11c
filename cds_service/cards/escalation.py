"""The lines that a draft order adds to a card: that it is not counted, and which criteria it would break. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from cds_service.cards.markdown import escape
from cds_service.model.cards import Card
from cds_service.model.trials import Criterion
from cds_service.words import clean, in_sentence, listed

_LINES = 12
_SHOWN = 2  #: criteria named of one kind
#: What gives way where the lines would be too many, first to last.
_GIVES_WAY = ("**You may know:**", "**Watch:**", "**Open")


class Worse(NamedTuple):
    """Criteria that would come out worse with the draft orders started today, and those that would have to be arranged around them."""

    broken: Sequence[Criterion] = ()  #: would be not met
    opened: Sequence[Criterion] = ()  #: would be unknown
    arranged: Sequence[Criterion] = ()  #: only a person can say; the drafted drug is what they ask about


def before_escalating(card: Card, drugs: Sequence[str], worse: Worse) -> Card:
    """`drugs`: names of what is newly drafted. The card is the one of the record as it is."""
    named = escape(listed([clean(drug) for drug in drugs]))
    lines = [f"**Before escalating:** this trial may fit. The record is read without the draft order for {named}."]
    told = [
        _kind("not met", worse.broken),
        _kind("no longer known", worse.opened),
        _kind("to be arranged", worse.arranged),
    ]
    if any(told):
        lines.append(f"**Caution:** with {named} started today, {'; '.join(part for part in told if part)}.")
    blocks = card.detail.split("\n\n")
    for start in _GIVES_WAY:
        if len(lines) + sum(block.count("\n") + 1 for block in blocks) > _LINES:
            blocks = [block for block in blocks if not block.startswith(start)]
    return replace(card, detail="\n\n".join([*lines, *blocks]))


def _kind(heading: str, criteria: Sequence[Criterion]) -> str:
    """`not met: no biologic within 4 weeks`; the label is always in the direction of met."""
    if not criteria:
        return ""
    names = list(dict.fromkeys(escape(in_sentence(clean(c.label).rstrip("."))) for c in criteria))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{heading}: {', '.join(names[:_SHOWN])}{more}"
