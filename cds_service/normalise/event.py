"""Procedure, DiagnosticReport, Immunization and ServiceRequest → facts: what was done, found, given or planned."""

from __future__ import annotations

from cds_service import dates
from cds_service.model.facts import Condition, Event, Exposure
from cds_service.normalise.condition import class_of
from cds_service.normalise.desk import Desk, Json, label, many
from cds_service.normalise.observation import day_of

_PROCEDURES = frozenset({"preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown"})
_REPORTED = frozenset({"final", "amended", "corrected", "appended"})
_UNREPORTED = frozenset({"registered", "partial", "preliminary", "cancelled", "entered-in-error", "unknown"})
_IMMUNIZATIONS = frozenset({"completed", "entered-in-error", "not-done"})
_REQUESTS = frozenset({"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"})
ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})

Days = tuple[int, int]


def read_procedure(desk: Desk, resource: Json, reference: str) -> None:
    code = resource.get("code")
    hits = desk.mapped(code, "procedure", "drug") if code is not None else ()
    if code is not None and not hits:
        desk.note_unmapped(code)
    if code is None or not hits or not _is(resource, "completed", _PROCEDURES) or not desk.about(resource, reference):
        return
    days, date = _performed(desk, resource, "performed")
    if days is None:
        return
    for concept, _, coding in hits:
        value = label(code, coding, concept.name)
        if concept.kind == "procedure":
            desk.events.setdefault(concept.id, []).append(Event(concept.id, reference, days[0], days[1], False, date, value))
        else:  # an infusion is often charted as a procedure
            given = Exposure(concept.id, reference, "administration", *days, *days, date=date, value=f"{value} administered")
            desk.exposures.setdefault(concept.id, []).append(given)


def read_report(desk: Desk, resource: Json, reference: str) -> None:
    code, conclusions = resource.get("code"), many(resource.get("conclusionCode"))
    hits = desk.mapped(code, "procedure") if code is not None else []
    found = [(codeable, desk.mapped(codeable, "condition")) for codeable in conclusions]
    coded = [codeable for codeable, diagnoses in found if diagnoses or desk.mapped(codeable, "observation")]
    if not hits and not coded:
        return
    if resource["status"] not in _REPORTED:
        if resource["status"] in _UNREPORTED:
            return
        raise ValueError("not a status")
    if not desk.about(resource, reference):
        return
    when = day_of(desk, resource)
    if when is None:
        return
    days, date = (when[0], when[1]), when[2]
    for concept, _, coding in hits:
        value = label(code or {}, coding, concept.name)
        desk.events.setdefault(concept.id, []).append(Event(concept.id, reference, *days, False, date, value))
    for codeable, diagnoses in found:
        for concept, _, coding in diagnoses:
            value = label(codeable, coding, concept.name)
            fact = Condition(concept.id, reference, "active", True, "report", *days, bool(days[1]), date=date, value=value)
            desk.conditions.setdefault(concept.id, []).append(fact)
        lupus = any(concept.id.startswith(("lupus_nephritis", "ln_")) for concept, _, _ in diagnoses)
        class_of(desk, codeable, reference, lupus, days, date)


def read_immunization(desk: Desk, resource: Json, reference: str) -> None:
    code = resource.get("vaccineCode")
    hits = desk.mapped(code, "immunization") if code is not None else ()
    if code is not None and not hits:
        desk.note_unmapped(code)
    if code is None or not hits or not _is(resource, "completed", _IMMUNIZATIONS) or not desk.about(resource, reference, "patient"):
        return
    days, date = _performed(desk, resource, "occurrence")
    if days is None:
        return
    for concept, _, coding in hits:
        desk.events.setdefault(concept.id, []).append(Event(concept.id, reference, *days, False, date, label(code, coding, concept.name)))


def read_request(desk: Desk, resource: Json, reference: str) -> None:
    """A procedure that was ordered and not done: planned. Its day may lie ahead; the order itself may not."""
    code = resource.get("code")
    hits = desk.mapped(code, "procedure") if code is not None else ()
    if code is None or not hits or not _is(resource, "active", _REQUESTS) or resource["intent"] not in ORDERS:
        return
    if resource.get("doNotPerform") is True or not desk.about(resource, reference):
        return
    authored = resource.get("authoredOn")
    if authored is not None and dates.interval(authored)[0] > desk.as_of:
        return
    text, period = resource.get("occurrenceDateTime"), resource.get("occurrencePeriod")
    days, date = (0, 0), (authored or "")[:10]
    if text is not None:
        days, date = dates.interval(text), text[:10]
    elif period is not None:
        days, date = desk.period(period), (period.get("start") or "")[:10]
    for concept, _, coding in hits:
        desk.events.setdefault(concept.id, []).append(Event(concept.id, reference, *days, True, date, label(code, coding, concept.name)))


def _is(resource: Json, wanted: str, known: frozenset[str]) -> bool:
    """Whether the status is the one that counts; a status that is none at all is unreadable."""
    status = resource["status"]
    if status not in known:
        raise ValueError("not a status")
    return bool(status == wanted)


def _performed(desk: Desk, resource: Json, name: str) -> tuple[Days | None, str]:
    """performed[x] or occurrence[x] as days; (0, 0) when undated, None for what does not exist yet."""
    text, period = resource.get(f"{name}DateTime"), resource.get(f"{name}Period")
    age, span = resource.get(f"{name}Age"), resource.get(f"{name}Range")
    days, date = (0, 0), ""
    if text is not None:
        days, date = dates.interval(text), text[:10]
    elif period is not None:
        days, date = desk.period(period), (period.get("start") or period.get("end") or "")[:10]
    elif age is not None:
        days = desk.at_age(age, age)
    elif span is not None:
        days = desk.at_age(span.get("low"), span.get("high"))
    elif (words := resource.get(f"{name}String")) is not None:
        try:
            days, date = dates.interval(words), words
        except ValueError:
            days = (0, 0)
    if days[0] > desk.as_of:
        return None, ""
    return (days[0], min(days[1], desk.as_of)), date
