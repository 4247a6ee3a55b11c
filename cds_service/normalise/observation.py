"""Observation → facts: one per concept its code or its components name."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cds_service import codes, dates, units
from cds_service.model.facts import Fault, Observation
from cds_service.model.vocabulary import Concept, Mapped
from cds_service.normalise.desk import UNREADABLE, Desk, Json, many, readable_codings
from cds_service.normalise.results import UNREADABLE_VALUE, Result, plain_number, read_result
from cds_service.normalise.unreadable import why
from cds_service.normalise.values import Number

_DECIDING = frozenset({"final", "amended", "corrected"})
_OTHER_STATUSES = frozenset({"registered", "preliminary", "cancelled", "entered-in-error", "unknown"})
_OXYGEN, _SATURATION, _ROOM_AIR = "inspired_oxygen", "spo2", "room-air"
_AIR = 21  #: % oxygen

Target = tuple[Concept, Mapped]
When = tuple[int, int, str, str]  #: first day, last day, date and time as written
_plain_text = lru_cache(maxsize=4096)(codes.plain_text)
_NO_FACTORS = Mapped("", {})


def read(desk: Desk, resource: Json, reference: str) -> None:
    code = resource["code"]
    targets = targets_of(desk, code)
    components = resource.get("component")
    parts = parts_of(desk, components) if components else ()
    if not targets and not parts:
        desk.note_unmapped(code)
        return
    status = resource["status"]
    if status not in _DECIDING:
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
        for concept, mapped in hits:
            try:
                fact = make(desk, element, reference, concept, mapped, when)
            except UNREADABLE:
                broken, fact = True, _unreadable(reference, concept, mapped, when)
            if fact is not None and fact not in made:
                made.append(fact)
    if broken:
        desk.faults.append(Fault(reference, why(resource)))
    if parts and _on_oxygen(made):
        made = [fact._replace(on_oxygen=True) if fact.concept == _SATURATION else fact for fact in made]
    for fact in made:
        desk.observations.setdefault(fact.concept, []).append(fact)


def targets_of(desk: Desk, code: Json) -> tuple[Target, ...]:
    """What an analyte code stands for: the first coding that names an observation decides."""
    known = desk.targets
    for coding in code.get("coding") or ():
        key = (coding.get("system"), coding.get("code"))
        found = known.get(key)
        if found is None:
            found = known[key] = _targets(desk, *key)
        if found:
            return found
    text = code.get("text")
    if text:
        concept = desk.concepts.get(desk.vocabulary.synonyms.get(_plain_text(text), ""))
        if concept is not None and concept.kind == "observation":
            return ((concept, _NO_FACTORS),)
    return ()


def _targets(desk: Desk, system: Any, code: Any) -> tuple[Target, ...]:
    """The observation concepts of one code, each once."""
    found: dict[str, Target] = {}
    for hit in codes.lookup(desk.vocabulary, system, code):
        concept = desk.concepts.get(hit.concept)
        if concept is not None and concept.kind == "observation":
            found.setdefault(concept.id, (concept, hit))
    return tuple(found.values())


def parts_of(desk: Desk, components: Any) -> list[tuple[Json, tuple[Target, ...]]]:
    parts = []
    for component in many(components):
        hits = targets_of(desk, component["code"])
        if hits:
            parts.append((component, hits))
    return parts


def make(desk: Desk, element: Json, reference: str, concept: Concept, mapped: Mapped, when: When) -> Observation | None:
    """The fact that a result is, or None when nothing was measured."""
    first, last, date, time = when
    quantity = element.get("valueQuantity")
    if quantity is not None and "referenceRange" not in element:
        plain = plain_number(concept, mapped, quantity)
        if plain is not None:
            value, text = plain
            return Observation(
                concept.id, reference, first, last, value, value, False, False, None, None, None, mapped.formula,
                None, False, None, False, time, date, text,
            )  # fmt: skip
    result = read_result(desk, element, concept, mapped, last)
    if result is None:
        return None
    number, code = result.number, result.code
    if concept.id == _OXYGEN and number is not None:
        code = _breathing(mapped, result, number)
    if number is None or result.factor is None or result.problem is not None:
        low, high, low_open, high_open = None, None, False, False
    else:
        low, high, low_open, high_open = number
    return Observation(
        concept.id, reference, first, last, low, high, low_open, high_open, result.verdict, code, result.upper, mapped.formula,
        None, False, result.problem, False, time, date, result.value, result.note,
    )  # fmt: skip


def day_of(desk: Desk, resource: Json) -> When | None:
    """First and last day, date and time as written; None for what does not exist yet. `issued` is when someone typed it."""
    text = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    if text is not None:
        first, last = dates.interval(text)
        date, time = text[:10], text if len(text) > 10 else ""
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


def _breathing(mapped: Mapped, result: Result, number: Number) -> str:
    """Room air is no flow, or no more oxygen than air holds; what cannot be read cannot be called room air."""
    high, unit = number[1], units.tidy(result.unit)
    if mapped.formula == "flow" or unit == "L/min":
        return _ROOM_AIR if high == 0 else "oxygen"
    share = high * 100 if unit == "1" or (not unit and high <= 1) else high
    return _ROOM_AIR if unit in ("", "1", "%") and share <= _AIR else "oxygen"


def _on_oxygen(made: list[Observation]) -> bool:
    return any(fact.concept == _OXYGEN and fact.code != _ROOM_AIR for fact in made)


def _unreadable(reference: str, concept: Concept, mapped: Mapped, when: When) -> Observation:
    return Observation(
        concept.id, reference, when[0], when[1], formula=mapped.formula, problem=UNREADABLE_VALUE, time=when[3], date=when[2], value="unreadable"
    )


def salvage(desk: Desk, resource: Json, reference: str) -> None:
    """A result whose code is partly broken: where what it is and when are known, a reader must see that there is a newer one."""
    if resource["status"] not in _DECIDING or not desk.about(resource, reference):
        return
    when = day_of(desk, resource)
    if when is None or not when[0]:
        return
    for concept, mapped in targets_of(desk, {"coding": readable_codings(resource)}):
        desk.observations.setdefault(concept.id, []).append(_unreadable(reference, concept, mapped, when))
