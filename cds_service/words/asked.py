"""What a criterion asks, in words that no patient changes: its name, its tests, their limits. Worded once a criterion."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from cds_service.dates import NBSP
from cds_service.model.outcomes import Outcome
from cds_service.model.predicates import Age, All, Any, AtLeast, Doubt, Limit, Not, ObservationIs, Predicate, Relapse, Response, Trend, Unless, When
from cds_service.model.trials import Criterion
from cds_service.units import pretty, tidy
from cds_service.words import at_start, clean, name_of, number
from cds_service.words.kept import once_for_each

#: Notes on a value that is held against an upper limit.
UPPER, SITE = re.compile(r"upper limit \d[\d.e+-]* \S.*"), "upper limit from site settings"
_AT = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "below"}
_OPPOSITE = {"ge": "lt", "gt": "le", "le": "gt", "lt": "ge"}


class Need(NamedTuple):
    """What a criterion asks of one test, in the reader's direction.

    `said`: each limit in words; `shown`: the unit, led by a space; `whole`: all of it.
    """

    limits: tuple[Limit, ...]
    unit: str
    times: bool
    titre: bool
    said: tuple[str, ...]
    shown: str
    whole: str

    def words(self, beside: str = "", note: str = "") -> str:
        """`at least 45`; the unit is not repeated when it is long and `beside` already shows it."""
        text = self.whole
        if self.times and UPPER.fullmatch(note):
            text = self._joined(f" ({clean(note.removeprefix('upper limit '))})")
        elif len(self.shown) > 7 and same_unit(beside, self.unit):  # its space and more than six characters
            text = self._joined("")
        return f"{text}, {note}" if note == SITE else text

    def _joined(self, after: str) -> str:
        return " and ".join([limit + after for limit in self.said])


def same_unit(recorded: str, ucum: str) -> bool:
    plain = recorded.replace(NBSP, " ")
    return bool(plain) and (plain == pretty(ucum) or tidy(plain) == tidy(ucum))


class Asked(NamedTuple):
    """`name` as it stands, `start` at the start of a line, `key` to tell names apart.

    `tests`: every test that is asked for. `needs`: of each its concepts and its limits (None: not in short words).
    `several`: they are tests of more than one thing. `oldest`: the last year of age that the criterion allows.
    """

    name: str
    start: str
    key: str
    tests: tuple[ObservationIs, ...]
    needs: tuple[tuple[frozenset[str], Need | None], ...]
    several: bool
    oldest: int | None


@once_for_each
def asked(criterion: Criterion) -> Asked:
    name = name_of(criterion)
    tests = tuple(leaves(criterion.needs, criterion.kind != "exclusion"))
    return Asked(
        name,
        at_start(name),
        name.casefold(),
        tuple(leaf for leaf, _ in tests),
        tuple((frozenset(leaf.concepts), _need(leaf, wanted)) for leaf, wanted in tests),
        len({concept for leaf, _ in tests for concept in leaf.concepts}) > 1,
        None if criterion.kind == "exclusion" else next(_ages(criterion.needs), None),
    )


def _ages(p: Predicate) -> Iterator[int]:
    if isinstance(p, Age) and p.le is not None:
        yield p.le
    elif isinstance(p, All):
        for part in p.parts:
            yield from _ages(part)


def leaves(p: Predicate, wanted: bool) -> Iterator[tuple[ObservationIs, bool]]:
    """The tests a predicate asks for, each with whether it is wanted. A course has a test but no one limit to hold a value against."""
    match p:
        case ObservationIs():
            yield p, wanted
        case Not():
            yield from leaves(p.part, not wanted)
        case All() | Any() | AtLeast():
            for part in p.parts:
                yield from leaves(part, wanted)
        case When() | Unless():
            yield from leaves(p.part, wanted)
        case Response():
            yield from leaves(p.shows, wanted)
        case Trend() | Relapse():
            yield ObservationIs((p.concept,)), wanted
        case Doubt():  # its limit raises a question, it is not what the trial asks for
            yield from ((ObservationIs(leaf.concepts), kept) for leaf, kept in leaves(p.part, wanted))


def _need(leaf: ObservationIs, wanted: bool) -> Need | None:
    limits = leaf.limits if wanted else tuple(Limit(_OPPOSITE[limit.op], limit.value) for limit in leaf.limits)
    if not limits or (not wanted and len(limits) > 1):  # outside a range has no short words
        return None
    unit = "" if leaf.titre or leaf.times or not leaf.unit else pretty(leaf.unit)
    shown = NBSP + unit.replace(" ", NBSP) if unit not in ("", "1") else ""
    said = tuple(_limit(leaf, limit) for limit in limits)
    return Need(limits, leaf.unit, leaf.times, leaf.titre, said, shown, " and ".join(limit + shown for limit in said))


def _limit(leaf: ObservationIs, limit: Limit) -> str:
    value = f"1:{number(limit.value)}" if leaf.titre else number(limit.value)
    return f"{_AT[limit.op]} {value}" + (f"{NBSP}×{NBSP}upper limit" if leaf.times and not leaf.titre else "")


def need_of(outcome: Outcome, concept: str = "") -> Need | None:
    """The one limit that the outcome's tests (or one of them) are held against; None when there is none or more than one."""
    concepts: Collection[str] = (concept,) if concept else outcome.finding.concepts
    found: Need | None = None
    for tested, need in asked(outcome.criterion).needs:
        if concepts and tested.isdisjoint(concepts):
            continue
        if need is None or (found is not None and need != found):
            return None
        found = need
    return found
