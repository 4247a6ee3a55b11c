"""What a predicate asks of the record, in words. Knows no patient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cds_service.model.predicates import (
    Age,
    All,
    Any,
    AtLeast,
    ConditionIs,
    Doubt,
    EventIs,
    Limit,
    Manual,
    Not,
    ObservationIs,
    Period,
    Persistent,
    Predicate,
    Relapse,
    Response,
    Sex,
    Therapy,
    Trend,
    Unless,
    When,
)
from cds_service.units import pretty
from cds_service.words import listed, number

_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_FORMULAS = {"ckd-epi": "CKD-EPI", "schwartz": "bedside Schwartz", "cockcroft-gault": "Cockcroft-Gault"}
_STATUS = {"active": "active", "now": "at present", "ever": "ever", "gate": "active or in remission"}
_ANCHORS = {"baseline": "the value when the therapy began", "peak": "the highest value before it", "highest": "the highest", "lowest": "the lowest"}
_LASTING = {"": "", "yes": " or going on inside it", "asks": " (going on inside it raises the question)"}

Labels = Mapping[str, str]


def in_words(predicate: Predicate, labels: Labels, inside: bool = False) -> str:
    """What is asked of the record. `inside`: part of something larger, so that lists need brackets."""
    match predicate:
        case Age(low, high):
            return (
                f"age {low} to {high}" if low is not None and high is not None else f"age at least {low}" if high is None else f"age at most {high}"
            )
        case Sex(sex):
            return sex
        case ConditionIs():
            return _condition(predicate, labels)
        case ObservationIs():
            return _observation(predicate, labels)
        case Trend():
            return _trend(predicate, labels)
        case Relapse():
            return _relapse(predicate, labels)
        case Therapy():
            return _therapy(predicate, labels)
        case EventIs():
            return _event(predicate, labels)
        case Manual(ask, see):
            return f"for a person: {ask.rstrip('.')}" + (f" (shown beside it: {_names(see, labels, 'and')})" if see else "")
        case _:
            return _combined(predicate, labels, inside)


def _combined(predicate: All | Any | AtLeast | Not | When | Unless | Doubt | Response, labels: Labels, inside: bool) -> str:
    match predicate:
        case All(parts):
            return _joined(parts, "and", labels, inside)
        case Any(parts):
            return _joined(parts, "or", labels, inside)
        case AtLeast(count, parts):
            return f"at least {count} of ({'; '.join(in_words(part, labels, True) for part in parts)})"
        case Not(part):
            return f"not ({in_words(part, labels)})"
        case When(guard, part):
            return _bracket(f"where {in_words(guard, labels)}: {in_words(part, labels)}", inside)
        case Unless(part, excuse, then):
            means = "which is enough" if then == "met" else "which leaves it open"
            return _bracket(f"{in_words(part, labels, True)}, unless {in_words(excuse, labels, True)}, {means}", inside)
        case Doubt(part, reason):
            means = "a person has to judge" if reason == "needs-judgement" else "the record is open"
            return f"{means} where ({in_words(part, labels)})"
        case Response(therapy, shows):
            return _bracket(f"after {_therapy(therapy, labels)}: {in_words(shows, labels)}", inside)


def _joined(parts: Sequence[Predicate], word: str, labels: Labels, inside: bool) -> str:
    said = [in_words(part, labels, True) for part in parts]
    joint = "; " if any(mark in part for part in said for mark in (",", " or ", " and ")) else " "
    return _bracket(f"{joint}{word} ".join(said), inside and len(parts) > 1)


def _bracket(words: str, needed: bool) -> str:
    return f"({words})" if needed else words


def _names(ids: Iterable[str], labels: Labels, word: str = "or") -> str:
    return listed([labels.get(name, name.replace("_", " ")) for name in ids], word)


def _period(period: Period) -> str:
    return f"{period.count} {period.unit.removesuffix('s') if period.count == 1 else period.unit}"


def _condition(p: ConditionIs, labels: Labels) -> str:
    said = ("severe " if p.severe else "") + listed([labels.get(f"allergy:{name}") or _names([name], labels) for name in p.concepts], "or")
    if not p.within or p.status == "now":  # inside a period an ended one counts as well
        said += f", {_STATUS[p.status]}"
    if p.within:
        said += f", begun {'or recorded ' if p.recorded else ''}within the last {_period(p.within)}{_LASTING[p.lasting]}"
    if p.reported:
        said += ", named by a pathology report"
    if p.but_not:
        said += f", except {_names(p.but_not, labels)}"
    if p.closed_by or p.closed_by_result:
        ends = [
            *([_names(p.closed_by, labels)] if p.closed_by else []),
            *([f"a newer negative {_names(p.closed_by_result, labels)}"] if p.closed_by_result else []),
        ]
        said += f", until {' or '.join(ends)}"
    if p.maybe:
        said += f" ({_names(p.maybe, labels)} only raises the question)"
    if p.mild:
        said += " (may be mild: a person has to judge)"
    return said + (" (none recorded: unknown)" if p.absent == "unknown" else "")


def _limits(limits: Iterable[Limit], unit: str, *, times: bool = False, titre: bool = False) -> str:
    shown = "× upper limit of normal" if times else pretty(unit) if unit else ""
    return " and ".join(f"{_SIGNS[limit.op]} {'1:' if titre else ''}{number(limit.value)}{' ' + shown if shown else ''}" for limit in limits)


def _observation(p: ObservationIs, labels: Labels) -> str:
    said = _names(p.concepts, labels)
    said += f" {_limits(p.limits, p.unit, times=p.times, titre=p.titre)}" if p.limits else f" {p.result.replace('-', ' ')}" if p.result else ""
    said += f"{'' if said.endswith('class') else ' class'} {listed(p.codes, 'or')}" if p.codes else ""
    if p.formula:
        said += f" by {_FORMULAS[p.formula]}"
    if p.room_air:
        said += " on room air"
    if p.pick != "newest":
        said += f", {'worst value' if p.pick == 'worst' else 'any value'}"
    if p.persistent:
        said += f", {_persistent(p.persistent)}"
    if p.within:
        said += f", within the last {_period(p.within)}"
    if not p.fresh:
        said += ", however old"
    if p.void_if:
        said += f", not within {_period(p.void_if.within)} after {_names(p.void_if.drugs, labels)}"
    absent = {"unknown": "", "no": " (none recorded: no)", "manual": f" (none recorded: for a person: {p.ask.rstrip('.')})"}
    return said + absent[p.absent]


def _persistent(p: Persistent) -> str:
    if p.within:
        return f"on at least {p.readings} days within {_period(p.within)}"
    return f"on at least {p.readings} days {'more than ' + _period(p.over) if p.over else 'at least ' + _period(p.apart) if p.apart else ''} apart"


def _trend(p: Trend, labels: Labels) -> str:
    over = f" of the {_period(p.over)} before" if p.over else ""
    return (
        f"{_names([p.concept], labels)} {'fallen' if p.direction == 'fall' else 'risen'} by {_limits([p.limit], '%')} from {_ANCHORS[p.anchor]}{over}"
    )


def _relapse(p: Relapse, labels: Labels) -> str:
    complete, partial = _limits([Limit("lt", p.complete)], p.unit), _limits([Limit("lt", p.partial)], p.unit)
    remission = f"remission ({complete}, or {partial} and fallen by {number(p.fall)} % from its peak)"
    return f"{_names([p.concept], labels)} {_limits([p.then], p.unit)} after {remission}"


def _therapy(p: Therapy, labels: Labels) -> str:
    if p.regimens:
        return " or ".join(f"({_therapy(regimen, labels)})" for regimen in p.regimens)
    said = _names(p.all_of, labels, "with") if p.all_of else _names(p.any_of, labels)
    said = f"at least {p.distinct} different drugs of {said}" if p.distinct > 1 else said
    if p.dose:
        said += f" at {_limits([p.dose.limit], '')} {p.dose.unit.replace('/d', '/day')} prednisone equivalent"
    if p.duration:
        said += f" for {'more than' if p.strict else 'at least'} {_period(p.duration)}"
    said += " now" if p.when == "current" else ""
    said += f" within the last {_period(p.within)}" if p.within else ""
    said += f" unchanged for {_period(p.stable_for)}" if p.stable_for else ""
    return f"no {said} for {_period(p.off_for)}" if p.off_for else said


def _event(p: EventIs, labels: Labels) -> str:
    said = ("planned " if p.planned else "") + _names(p.concepts, labels)
    said += f" within the last {_period(p.within)}" if p.within else ""
    said += f" ({_names(p.maybe, labels)} only raises the question)" if p.maybe else ""
    return said + (" (none recorded: unknown)" if p.absent == "unknown" else "")
