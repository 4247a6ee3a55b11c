"""MedicationRequest, -Statement, -Administration and -Dispense → exposures. An order is never called taken."""

from __future__ import annotations

from typing import Any

from cds_service import dates
from cds_service.model.facts import Exposure, Fault
from cds_service.normalise.desk import LONG_AGO, Desk, Json, many, period_unit
from cds_service.normalise.doses import mg_per_day
from cds_service.normalise.drugs import drugs_in, local_route, names_of
from cds_service.normalise.event import ORDERS
from cds_service.normalise.values import as_float

_ORDERED = frozenset({"active", "completed", "stopped", "on-hold"})
_NOT_ORDERED = frozenset({"cancelled", "draft", "entered-in-error", "unknown"})
_DRAFTED = frozenset({"draft", "active"})
_INTENTS = ORDERS | {"proposal", "plan", "option"}
_TAKEN = frozenset({"active", "completed", "stopped", "on-hold"})
_NOT_TAKEN = frozenset({"intended", "not-taken", "entered-in-error", "unknown"})
_GIVEN = frozenset({"completed", "in-progress", "stopped"})
_NOT_GIVEN = frozenset({"not-done", "on-hold", "entered-in-error", "unknown"})
_HANDED = frozenset({"completed"})
_NOT_HANDED = frozenset({"preparation", "in-progress", "cancelled", "on-hold", "entered-in-error", "stopped", "declined", "unknown"})

Days = tuple[int, int]
#: Start, end, still going on, date as written. An end of (0, 0) is not known.
Course = tuple[Days, Days, bool, str]


def read_request(desk: Desk, resource: Json, reference: str) -> None:
    drugs = _drugs(desk, resource, reference)
    if not drugs or not _counts(resource, _ORDERED, _NOT_ORDERED):
        return
    if resource["intent"] not in ORDERS:
        if resource["intent"] in _INTENTS:
            return
        raise ValueError("not an intent")
    if resource.get("doNotPerform") is True:
        return
    _add(desk, resource, reference, drugs, "order", "prescribed", _ordered(desk, resource), resource.get("dosageInstruction"))


def read_draft(desk: Desk, resource: Json, reference: str) -> None:
    """An order that nobody has signed, as if it began on the day in question: its own dates lie ahead."""
    drugs = _drugs(desk, resource, reference)
    if drugs and resource["status"] in _DRAFTED and resource.get("doNotPerform") is not True:
        today = desk.as_of
        course = (today, today), (0, 0), True, dates.iso(today)
        _add(desk, resource, reference, drugs, "order", "drafted", course, resource.get("dosageInstruction"))


def read_statement(desk: Desk, resource: Json, reference: str) -> None:
    drugs = _drugs(desk, resource, reference)
    if drugs and _counts(resource, _TAKEN, _NOT_TAKEN):
        active = resource["status"] == "active"
        course = _effective(desk, resource, active)
        asserted = resource.get("dateAsserted")
        if course[0] == (0, 0) and asserted is not None and active:
            # In use on the day it was asserted, and for nobody knows how long before.
            course = (LONG_AGO, dates.interval(asserted)[1]), (0, 0), True, asserted[:10]
        _add(desk, resource, reference, drugs, "statement", "(statement)", course, resource.get("dosage"))


def read_administration(desk: Desk, resource: Json, reference: str) -> None:
    drugs = _drugs(desk, resource, reference)
    if drugs and _counts(resource, _GIVEN, _NOT_GIVEN):
        # The dose of one administration is not the dose of its day, so none is given.
        course = _effective(desk, resource, resource["status"] == "in-progress")
        _add(desk, resource, reference, drugs, "administration", "administered", course, None)


def read_dispense(desk: Desk, resource: Json, reference: str) -> None:
    drugs = _drugs(desk, resource, reference)
    if not drugs or not _counts(resource, _HANDED, _NOT_HANDED):
        return
    text = resource.get("whenHandedOver") or resource.get("whenPrepared")
    start = dates.interval(text) if text is not None else (0, 0)
    supply = resource.get("daysSupply")
    end = _after(start, supply, 1) if supply is not None and start[0] else start
    _add(desk, resource, reference, drugs, "dispense", "dispensed", (start, end, False, (text or "")[:10]), resource.get("dosageInstruction"))


# --- which drug --------------------------------------------------------------------------------------------


def _drugs(desk: Desk, resource: Json, reference: str) -> dict[str, str]:
    """Drug concept → the words it is named by; nothing for a drug meant for one place only."""
    found = _named(desk, resource, reference)
    return {} if found and local_route(resource.get("dosageInstruction") or resource.get("dosage")) else found


def _named(desk: Desk, resource: Json, reference: str) -> dict[str, str]:
    codeable = resource.get("medicationCodeableConcept")
    if codeable is not None:
        drugs = {drug: _words(desk, codeable, drug) for drug in drugs_in(desk, codeable)}
        if not drugs:
            desk.note_unmapped(codeable)
        return drugs
    pointer = resource.get("medicationReference")
    if pointer is None:
        return {}
    medication = _medication(desk, resource, pointer.get("reference"))
    display = pointer.get("display")
    if medication is not None:
        found = _ingredients(desk, medication)
        return found or _by_display(desk, display)
    found = _by_display(desk, display)
    if not found and not display and desk.about(resource, reference):
        desk.faults.append(Fault(reference, "its Medication was not in the data"))
    return found


def _by_display(desk: Desk, display: str | None) -> dict[str, str]:
    return {drug: display for drug in names_of(desk.vocabulary).find(display)} if display else {}


def _medication(desk: Desk, resource: Json, named: str | None) -> Json | None:
    if named is None:
        return None
    if named.startswith("#"):
        for inner in many(resource.get("contained")):
            if inner.get("id") == named[1:] and inner.get("resourceType") == "Medication":
                return inner  # type: ignore[no-any-return]  # JSON: an object, since it has an id
        return None
    identity = named.partition("/_history/")[0].rpartition("/")[2].removeprefix("urn:uuid:")
    return desk.medication(identity)


def _ingredients(desk: Desk, medication: Json) -> dict[str, str]:
    """The drugs of a Medication: by its own code, and by each active ingredient."""
    code = medication.get("code")
    found = {drug: _words(desk, code, drug) for drug in drugs_in(desk, code)} if code is not None else {}
    form = medication.get("form")
    if form is not None and local_route([{"route": form}]):
        return {}
    for ingredient in many(medication.get("ingredient")):
        item = ingredient.get("itemCodeableConcept")
        pointer = ingredient.get("itemReference")
        if item is None and pointer is not None:
            inner = _medication(desk, medication, pointer.get("reference"))
            item = inner.get("code") if inner is not None else None
        if item is not None and ingredient.get("isActive") is not False:
            for drug in drugs_in(desk, item):
                found.setdefault(drug, _words(desk, code if code is not None else item, drug))
    return found


def _words(desk: Desk, codeable: Json, drug: str) -> str:
    text = codeable.get("text")
    for coding in codeable.get("coding") or ():
        text = text or coding.get("display")
    known = desk.vocabulary.drugs.get(drug)
    return text or (known.name if known is not None else drug)


def _counts(resource: Json, counted: frozenset[str], other: frozenset[str]) -> bool:
    status = resource["status"]
    if status in counted:
        return True
    if status in other:
        return False
    raise ValueError("not a status")


# --- from when to when -------------------------------------------------------------------------------------


def _ordered(desk: Desk, resource: Json) -> Course:
    """The span of an order: its own bounds, else how long it may be filled, else how long its supply lasts."""
    authored = resource.get("authoredOn")
    start = dates.interval(authored) if authored is not None else (0, 0)
    date = (authored or "")[:10]
    request = resource.get("dispenseRequest") or {}
    planned: Days = (0, 0)
    bounds = _bounds(resource.get("dosageInstruction"))
    if "boundsPeriod" in bounds:
        start, planned, date = _span(bounds["boundsPeriod"], start, date)
    elif "boundsDuration" in bounds and start[0]:
        planned = _after(start, bounds["boundsDuration"], 1)
    elif "boundsRange" in bounds and start[0]:
        span = bounds["boundsRange"]
        low, high = span.get("low"), span.get("high")
        planned = (_after(start, low, 1)[0] if low is not None else start[0], _after(start, high, 1)[1] if high is not None else desk.as_of)
    period = request.get("validityPeriod")
    if not planned[1] and period is not None:
        start, planned, date = _span(period, start, date)
    supply = request.get("expectedSupplyDuration")
    if not planned[1] and supply is not None and start[0]:
        repeats = request.get("numberOfRepeatsAllowed") or 0
        planned = _after(start, supply, int(as_float(repeats)) + 1)
    status = resource["status"]
    if status == "active":
        return start, planned, not planned[1] or planned[1] >= desk.as_of, date
    if status == "completed" or not planned[1]:
        return start, planned if planned[1] else start, False, date
    # Stopped or on hold before its planned end, and no date says when.
    return start, (start[0], planned[1]), False, date


def _bounds(dosages: Any) -> Json:
    """The bounds of the first dosage that has any."""
    for dosage in many(dosages):
        repeat = (dosage.get("timing") or {}).get("repeat") or {}
        if any(name in repeat for name in ("boundsPeriod", "boundsDuration", "boundsRange")):
            return repeat
    return {}


def _span(period: Json, start: Days, date: str) -> tuple[Days, Days, str]:
    """Start, end and date of a Period that may lack either."""
    text, end = period.get("start"), period.get("end")
    if text is not None:
        start, date = dates.interval(text), text[:10]
    return start, dates.interval(end) if end is not None else (0, 0), date


def _after(start: Days, duration: Json, times: int) -> Days:
    count = as_float(duration["value"]) * times
    if not duration.get("code") and not duration.get("unit"):
        unit = "days"  # a supply is counted in days
    else:
        unit = period_unit(duration)
    return dates.shift(start[0], int(count), unit), dates.shift(start[1], int(count), unit)


def _effective(desk: Desk, resource: Json, ongoing: bool) -> Course:
    text, period = resource.get("effectiveDateTime"), resource.get("effectivePeriod")
    if period is not None:
        start, end, date = _span(period, (0, 0), "")
        if end[1] and not start[1]:
            start = LONG_AGO, end[1]
        if end[1]:
            return start, end, ongoing and end[1] >= desk.as_of, date or period["end"][:10]
        return start, (0, 0) if ongoing else start, ongoing, date
    if text is not None:
        start = dates.interval(text)
        return start, (0, 0) if ongoing else start, ongoing, text[:10]
    return (0, 0), (0, 0), ongoing, ""


def _add(desk: Desk, resource: Json, reference: str, drugs: dict[str, str], kind: str, verb: str, course: Course, dosages: Any) -> None:
    """One exposure a drug. What starts after the day in question does not exist yet; what goes on runs to that day."""
    (first, last), end, ongoing, date = course
    today = desk.as_of
    if first > today or not desk.about(resource, reference):
        return
    last = min(last, today)
    end_first, end_last = end if end[1] else (today, today) if ongoing else (first, last)
    if end_last and last and end_last < first:
        raise ValueError("ends before it starts")
    amount = mg_per_day(dosages) if dosages is not None and len(drugs) == 1 else None
    for drug, words in drugs.items():
        text = " ".join(str(words).split())[:160]
        fact = Exposure(drug, reference, kind, first, last, min(end_first, today), min(end_last, today), ongoing, amount, date, f"{text} {verb}")
        if end_last > today:  # a supply or an order that goes on after today
            fact = fact._replace(planned_first=end_first, planned_last=end_last)
        desk.exposures.setdefault(drug, []).append(fact)
