"""Observation → facts: one per concept its code or its components name."""

from __future__ import annotations

from typing import Any

from cds_service import dates, units
from cds_service.model.facts import Fault, Observation
from cds_service.normalise.analytes import OXYGEN, Analyte
from cds_service.normalise.desk import UNREADABLE, Desk, Json, many, readable_codings
from cds_service.normalise.plain import DECIDING, When, fact_of, measured, outcome_of, targets_of, written
from cds_service.normalise.results import UNREADABLE_VALUE, Result, read_result
from cds_service.normalise.unreadable import why
from cds_service.normalise.values import Number

_OTHER_STATUSES = frozenset({"registered", "preliminary", "cancelled", "entered-in-error", "unknown"})
_SATURATION, _ROOM_AIR = "spo2", "room-air"
_AIR = 21  #: % oxygen


def read(desk: Desk, resource: Json, reference: str) -> None:
    code = resource["code"]
    targets = targets_of(desk, code)
    components = resource.get("component")
    parts = parts_of(desk, components) if components else ()
    if not targets and not parts:
        desk.note_unmapped(code)
        return
    status = resource["status"]
    if status not in DECIDING:
        if status in _OTHER_STATUSES:
            return
        raise ValueError("not a status")
    if not desk.about(resource, reference):
        return
    when = day_of(desk, resource)
    if when is None:
        return
    made: list[Observation] = []
    broken = False
    for element, hits in ((resource, targets), *parts):
        for analyte in hits:
            try:
                fact = make(desk, element, reference, analyte, when)
            except UNREADABLE:
                broken, fact = True, _unreadable(reference, analyte, when)
            if fact is not None and fact not in made:
                made.append(fact)
    if broken:
        desk.faults.append(Fault(reference, why(resource)))
    if parts and _on_oxygen(made):
        made = [fact._replace(on_oxygen=True) if fact.concept == _SATURATION else fact for fact in made]
    for fact in made:
        desk.observations.setdefault(fact.concept, []).append(fact)


def parts_of(desk: Desk, components: Any) -> list[tuple[Json, tuple[Analyte, ...]]]:
    parts = []
    for component in many(components):
        hits = targets_of(desk, component["code"])
        if hits:
            parts.append((component, hits))
    return parts


def make(desk: Desk, element: Json, reference: str, analyte: Analyte, when: When) -> Observation | None:
    """The fact that a result is, or None when nothing was measured."""
    if element.get("valueQuantity") is not None:
        try:
            fact = measured(desk, analyte, element, reference, when)
        except UNREADABLE:
            fact = None  # not plain; what it is, if anything, is found out next
        if fact is not None:
            return fact
    result = read_result(desk, element, analyte.concept, analyte.mapped, when[1])
    if result is None:
        return None
    code = result.code
    if analyte.id == OXYGEN and result.number is not None:
        code = _breathing(analyte, result, result.number)
    return fact_of(analyte, outcome_of(result, code), reference, when)


def day_of(desk: Desk, resource: Json) -> When | None:
    """First and last day, date and time as written; None for what does not exist yet. `issued` is when someone typed it."""
    text = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    if text is not None:
        first, last, date, time = written(text)
    elif (period := resource.get("effectivePeriod")) is not None:
        first, last = desk.period(period)
        date, time = (period.get("end") or period.get("start") or "")[:10], ""
    elif (timing := resource.get("effectiveTiming")) is not None:
        first, last, date = _timing(desk, timing)
        time = ""
    else:
        return 0, 0, "", ""
    if first > desk.as_of:
        return None
    return first, min(last, desk.as_of), date, time


def _timing(desk: Desk, timing: Json) -> tuple[int, int, str]:
    events = [event for event in timing.get("event") or ()]
    if events:
        days = [dates.interval(event) for event in events]
        return min(first for first, _ in days), max(last for _, last in days), max(events)[:10]
    bounds = (timing.get("repeat") or {}).get("boundsPeriod")
    if bounds is None:
        return 0, 0, ""
    first, last = desk.period(bounds)
    return first, last, (bounds.get("end") or bounds.get("start") or "")[:10]


def _breathing(analyte: Analyte, result: Result, number: Number) -> str:
    """Room air is no flow, or no more oxygen than air holds; what cannot be read cannot be called room air."""
    high, unit = number[1], units.tidy(result.unit)
    if analyte.formula == "flow" or unit == "L/min":
        return _ROOM_AIR if high == 0 else "oxygen"
    share = high * 100 if unit == "1" or (not unit and high <= 1) else high
    return _ROOM_AIR if unit in ("", "1", "%") and share <= _AIR else "oxygen"


def _on_oxygen(made: list[Observation]) -> bool:
    return any(fact.concept == OXYGEN and fact.code != _ROOM_AIR for fact in made)


def _unreadable(reference: str, analyte: Analyte, when: When) -> Observation:
    return Observation(
        analyte.id, reference, when[0], when[1], formula=analyte.formula, problem=UNREADABLE_VALUE, time=when[3], date=when[2], value="unreadable"
    )


def salvage(desk: Desk, resource: Json, reference: str) -> None:
    """A result that is broken: where what it is can be read, a reader must see that it is there, and may be the newest."""
    status = resource.get("status")
    if (isinstance(status, str) and status in _OTHER_STATUSES) or not _maybe_mine(desk, resource):
        return
    try:
        when = day_of(desk, resource)
    except UNREADABLE:
        when = 0, 0, "", ""
    if when is None:
        return
    for analyte in targets_of(desk, {"coding": readable_codings(resource)}):
        desk.observations.setdefault(analyte.id, []).append(_unreadable(reference, analyte, when))


def _maybe_mine(desk: Desk, resource: Json) -> bool:
    subject = resource.get("subject")
    named = subject.get("reference") if isinstance(subject, dict) else None
    return not resource.get("focus") and (not isinstance(named, str) or desk.is_mine(named))
