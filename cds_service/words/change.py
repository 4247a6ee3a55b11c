"""What would change an answer, in words: facts that decide, questions, days to look again. Knows no layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service.model.outcomes import Assessment, Decider, LookAgain
from cds_service.model.vocabulary import LISTS
from cds_service.words import at_start, clean, day, listed, name_of

_OTHERS: Mapping[str, str] = {"birth_date": "date of birth", "sex": "sex", **LISTS}
_MOST_NAMES = 6  #: beyond, the rest are counted
_YEAR = 365
_ENDS = {
    "excluded": "can rule the trial out",
    "either": "decides it, whatever it shows",
    "candidate": "leaves nothing open where all of it fits",
}
_OUTCOMES = {"met": "met", "not-met": "not met", "unknown": "unknown", "manual": "for the investigator", "not-applicable": "no longer asked"}


def deciders(assessment: Assessment, names: Mapping[str, str]) -> list[str]:
    """`HIV test (blood): can rule the trial out`: each set of facts once, best first. `names`: words of the concepts."""
    ends: dict[tuple[str, ...], list[Decider]] = {}
    for found in assessment.decides:
        ends.setdefault(found.facts, []).append(found)
    return [f"{at_start(_facts(facts, names))} ({same[0].cost}): {listed([_ENDS[d.settles] for d in same], 'or')}" for facts, same in ends.items()]


def _facts(facts: Iterable[str], names: Mapping[str, str]) -> str:
    said = [clean(names.get(f) or _OTHERS.get(f) or f.replace("_", " ")) for f in facts]
    if len(said) > _MOST_NAMES:
        said = [*said[: _MOST_NAMES - 1], f"{len(said) - _MOST_NAMES + 1} more"]
    return listed(said)


def questions(assessment: Assessment) -> list[str]:
    """What somebody has to judge, or to ask the study team."""
    labels = {o.criterion.id: clean(o.criterion.label) for o in assessment.outcomes}
    return [f"{labels[q.criterion]}: {clean(q.ask)}" for q in assessment.questions]


def look_again(assessment: Assessment) -> list[str]:
    """One line a day and kind of change: first what changes by itself within the year, then all others, each from the nearest day."""
    groups: dict[tuple[bool, int, str], list[str]] = {}
    labels = {o.criterion.id: name_of(o.criterion) for o in assessment.outcomes}
    soon = min((one.day for one in assessment.look_again), default=0) + _YEAR
    places = {criterion: place for place, criterion in enumerate(labels)}
    for one in sorted(assessment.look_again, key=lambda one: places[one.criterion]):  # in the order of the trial record
        groups.setdefault((one.aged or one.day > soon, one.day, _change(one)), []).append(labels[one.criterion])
    return [f"{day(when)}: {'; '.join(dict.fromkeys(said))} ({change})" for (_, when, change), said in sorted(groups.items())]


def _change(one: LookAgain) -> str:
    if one.aged and one.now == "met":
        return "too old from then on, unless repeated"
    if (one.now, one.then) == ("not-met", "met"):
        return "no longer rules the patient out"
    return f"{_OUTCOMES[one.now]} now, {_OUTCOMES[one.then]} from then on"
