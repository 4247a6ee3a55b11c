"""Rows → what was served by cohort and what clinicians did with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from cds_service.model.served import ACCEPTED, KNOWN, SHOWN, Tally
from cds_service.store.questions import SAME_CARD
from cds_service.store.tables import feedback, served


class _Word(NamedTuple):
    """The word that counts for one card."""

    trial: str
    cohort: str
    outcome: str
    reason: str
    criteria: tuple[str, ...]  #: that missed what the clinician knew, or may have


def tallies(connection: Connection, since: int) -> tuple[tuple[Tally, ...], int]:
    """By cohort; and how many entries since then are about cards of which there is no row."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    grouped = select(served.c.trial, served.c.cohort, served.c.shown, func.count()).where(served.c.at >= since)
    for trial, cohort, shown, number in connection.execute(grouped.group_by(served.c.trial, served.c.cohort, served.c.shown)):
        counts[trial, cohort][shown] = number
    words = _words(connection, since)
    found = [_tally(key, shown, [w for w in words if (w.trial, w.cohort) == key]) for key, shown in sorted(counts.items())]
    strangers = select(func.count()).select_from(feedback.outerjoin(served, SAME_CARD)).where(served.c.card.is_(None), feedback.c.received >= since)
    return tuple(found), connection.execute(strangers).scalar_one()


def _words(connection: Connection, since: int) -> list[_Word]:
    """One a card: accepted if it ever was, else the newest override."""
    asked = (
        select(served.c.card, served.c.trial, served.c.cohort, served.c.open_criteria, feedback.c.outcome, feedback.c.reason, feedback.c.criterion)
        .join(feedback, SAME_CARD)
        .where(served.c.at >= since, served.c.shown == SHOWN)
        .order_by(feedback.c.at, feedback.c.id)
    )
    newest: dict[str, _Word] = {}
    for card, trial, cohort, left_open, outcome, reason, criterion in connection.execute(asked):
        if card not in newest or newest[card].outcome != ACCEPTED:
            newest[card] = _Word(trial, cohort, outcome, reason, (criterion,) if criterion else tuple(left_open.split()))
    return list(newest.values())


def _tally(cohort: tuple[str, str], shown: Counter[str], words: Iterable[_Word]) -> Tally:
    accepted = 0
    reasons: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for word in words:
        if word.outcome == ACCEPTED:
            accepted += 1
            continue
        reasons[word.reason] += 1
        if word.reason == KNOWN:
            known.update(word.criteria)
    return Tally(*cohort, shown.total(), shown[SHOWN], accepted, _most(reasons), _most(known))


def _most(counted: Counter[str]) -> tuple[tuple[str, int], ...]:
    """Most first, then by name."""
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
