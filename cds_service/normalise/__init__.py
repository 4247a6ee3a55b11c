"""FHIR R4 resources → facts about one patient. The only package that knows the names of FHIR fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from cds_service import codes, dates
from cds_service.model.facts import Facts, Fault, Observation, Record, Unmapped
from cds_service.model.vocabulary import Vocabulary
from cds_service.normalise import condition, event, medication, observation
from cds_service.normalise import patient as person
from cds_service.normalise.computed import compute
from cds_service.normalise.desk import UNREADABLE, Desk, Json, Nameless
from cds_service.normalise.doubtful import raise_question, relevant
from cds_service.normalise.plain import left_over
from cds_service.normalise.unreadable import why

__all__ = ["normalise"]

_READERS: dict[str, Callable[[Desk, Json, str], None]] = {
    "Observation": observation.read,
    "Condition": condition.read,
    "MedicationRequest": medication.read_request,
    "MedicationStatement": medication.read_statement,
    "MedicationAdministration": medication.read_administration,
    "MedicationDispense": medication.read_dispense,
    "Procedure": event.read_procedure,
    "DiagnosticReport": event.read_report,
    "ServiceRequest": event.read_request,
    "AllergyIntolerance": condition.read_allergy,
    "Immunization": event.read_immunization,
}
_instant = lru_cache(maxsize=8192)(dates.instant)
_COUNTED = frozenset({codes.LOINC, codes.SNOMED, codes.ICD10, codes.ICD10CM, codes.RXNORM})
_MOST_UNMAPPED = 50
_COMMONEST = itemgetter(0, 1, 2)
_LAST: Callable[[Observation], int] = attrgetter("last")

Fact = TypeVar("Fact")


def normalise(record: Record, vocabulary: Vocabulary, as_of: int) -> Facts:
    """All that `record` says about its patient on the day `as_of`. Never raises, whatever the resources look like."""
    faults = list(record.faults)
    resources, nameless = (record.resources, {}) if record.distinct else _once(record.resources, faults)
    reference = f"Patient/{record.patient_id}"
    patient = person.read(_patient(resources, record.patient_id), reference, as_of, faults)
    desk = Desk(vocabulary, patient, as_of, resources, record.base)
    desk.faults = faults
    for resource in chain(left_over(desk, record.sent), resources):
        _read(desk, resource, f"{resource['resourceType']}/{resource['id']}")
    for name, resource in nameless.items():
        _read(desk, resource, name)
    rates, clearances = compute(patient, desk.observations)
    if rates:
        desk.observations.setdefault("egfr", []).extend(rates)
    if clearances:
        desk.observations.setdefault("creatinine_clearance", []).extend(clearances)
    return _facts(record, desk)


def _read(desk: Desk, resource: Json, name: str) -> None:
    reader = _READERS.get(resource["resourceType"])
    if reader is not None:
        try:
            reader(desk, resource, name)
        except UNREADABLE as fault:
            _report(desk, resource, name, told=isinstance(fault, Nameless))


def _patient(resources: Iterable[Json], identity: str) -> Json | None:
    return next((each for each in resources if each["resourceType"] == "Patient" and each["id"] == identity), None)


def _once(resources: list[Any], faults: list[Fault]) -> tuple[list[Json], dict[str, Json]]:
    """Each resource once, in its latest version, and those without an id once by content, by the names they get.

    In most records no id stands twice, which is quickly seen.
    """
    try:
        ids = {resource["id"] for resource in resources}
        kinds = {resource["resourceType"] for resource in resources}
        if len(ids) == len(resources) and {*map(type, ids), *map(type, kinds)} <= {str} and "" not in ids:
            return resources, {}
    except UNREADABLE:
        return _latest(resources, faults)  # something there is no resource or has no id
    return _latest(resources, faults)


def _latest(resources: Iterable[Any], faults: list[Fault]) -> tuple[list[Json], dict[str, Json]]:
    found: dict[str, Json] = {}
    nameless: dict[str, Json] = {}
    for resource in resources:
        try:
            identity = resource.get("id")
            kind = resource["resourceType"]
            if type(kind) is not str:
                raise TypeError("resourceType is not a text")
            if not identity or type(identity) is not str:
                if kind in _READERS:
                    nameless[_content(resource)] = resource
                continue
            name = f"{kind}/{identity}"
            other = found.get(name)
            if other is None or _version(resource) > _version(other):
                found[name] = resource
        except UNREADABLE:
            faults.append(Fault("", "an entry that is no FHIR resource"))
    named = {f"{nameless[content]['resourceType']} without id {place + 1}": nameless[content] for place, content in enumerate(sorted(nameless))}
    return list(found.values()), named


def _content(resource: Json) -> str:
    return json.dumps(resource, sort_keys=True, default=str)


def _version(resource: Json) -> tuple[int, float, str]:
    """Later versions compare higher; where versions say nothing, content decides, so that order never does."""
    meta = resource.get("meta")
    version, updated = 0, 0.0
    if isinstance(meta, dict):
        text, stamp = meta.get("versionId"), meta.get("lastUpdated")
        version = int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 19 else 0
        try:
            updated = (dates.instant(stamp) or 0.0) if isinstance(stamp, str) else 0.0
        except ValueError:
            updated = 0.0
    return version, updated, _content(resource)


def _report(desk: Desk, resource: Json, reference: str, told: bool) -> None:
    """A resource that could not be read is named, with the reason, unless it was `told`; and the question that it raises stays.

    An irrelevant result is left alone. Readers of other things look at nothing else before they know that a resource is relevant.
    """
    if resource["resourceType"] == "Observation" and not relevant(desk, resource):
        return
    if not told:
        desk.faults.append(Fault(reference, why(resource)))
    try:
        if resource["resourceType"] == "Observation":
            observation.salvage(desk, resource, reference)
        else:
            raise_question(desk, resource, reference)
    except UNREADABLE:
        return  # not even what it is can be read: the fault says so


def _facts(record: Record, desk: Desk) -> Facts:
    return Facts(
        desk.patient,
        desk.as_of,
        _sorted(desk.observations, _newest_observation, _LAST),
        _sorted(desk.conditions, lambda row: (-row.last, -row.first, row.reference)),
        _sorted(desk.events, lambda row: (-row.last, -row.first, row.reference)),
        _sorted(desk.exposures, lambda row: (-row.start_last, -row.start_first, row.reference, row.kind)),
        {**desk.incomplete, **record.incomplete} if desk.incomplete else record.incomplete,
        tuple(sorted(dict.fromkeys(desk.faults))),
        _unmapped(desk),
    )


def _sorted(facts: dict[str, list[Fact]], key: Callable[[Fact], Any], last: Callable[[Fact], int] | None = None) -> dict[str, list[Fact]]:
    """Newest first. Where every row has a `last` day of its own, that alone is the order."""
    for rows in facts.values():
        if len(rows) > 1:
            if last is not None and len(set(map(last, rows))) == len(rows):
                rows.sort(key=last, reverse=True)
            else:
                rows.sort(key=key)
    return facts


def _newest_observation(row: Observation) -> tuple[int, int, float, str, bool, str]:
    return -row.last, -row.first, -(_instant(row.time) or 0.0) if row.time else 0.0, row.reference, row.computed, row.value


def _unmapped(desk: Desk) -> tuple[Unmapped, ...]:
    """Codes of the great terminologies that no concept names, the commonest first."""
    counted = [
        (-count, uri, code, system, place)
        for (system, code), (count, place) in desk.unmapped.items()
        if type(system) is type(code) is str and (uri := codes.normalise_system(system)) in _COUNTED
    ]
    counted.sort(key=_COMMONEST)
    return tuple([Unmapped(uri, code, _display(place, system, code), -count) for count, uri, code, system, place in counted[:_MOST_UNMAPPED]])


def _display(codeable: Json, system: str, code: str) -> str:
    words = ""
    for coding in codeable["coding"]:
        if coding.get("code") == code and coding.get("system") == system:
            words = coding.get("display")
            break
    return str(words or codeable.get("text") or "")
