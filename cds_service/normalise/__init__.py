"""FHIR R4 resources → facts about one patient. The only package that knows the names of FHIR fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from cds_service import codes, dates
from cds_service.model.facts import Facts, Fault, Observation, Record, Unmapped
from cds_service.model.vocabulary import Vocabulary
from cds_service.normalise import condition, event, medication, observation
from cds_service.normalise import patient as person
from cds_service.normalise.computed import compute
from cds_service.normalise.desk import UNREADABLE, Desk, Json, readable_codings
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


def normalise(record: Record, vocabulary: Vocabulary, as_of: int) -> Facts:
    """All that `record` says about its patient on the day `as_of`. Never raises, whatever the resources look like."""
    faults = list(record.faults)
    resources = _latest(record.resources, faults)
    reference = f"Patient/{record.patient_id}"
    patient = person.read(resources.get(reference), reference, as_of, faults)
    medications = {name[11:]: resource for name, resource in resources.items() if name.startswith("Medication/")}
    desk = Desk(vocabulary, patient, as_of, medications)
    desk.faults = faults
    for name, resource in resources.items():
        reader = _READERS.get(resource["resourceType"])
        if reader is not None:
            try:
                reader(desk, resource, name)
            except UNREADABLE:
                _report(desk, resource, name)
    rates, clearances = compute(patient, desk.observations)
    if rates:
        desk.observations.setdefault("egfr", []).extend(rates)
    if clearances:
        desk.observations.setdefault("creatinine_clearance", []).extend(clearances)
    return _facts(record, desk)


def _latest(resources: Iterable[Any], faults: list[Fault]) -> dict[str, Json]:
    """Each resource once, by its reference, in its latest version; those without an id once by content."""
    found: dict[str, Json] = {}
    nameless: dict[str, Json] = {}
    for resource in resources:
        try:
            identity = resource.get("id")
            kind = resource["resourceType"]
            if type(kind) is not str:
                raise TypeError("resourceType is not a text")
            name = f"{kind}/{identity}"
            other = None
            if identity and type(identity) is str:
                other = found.get(name)
            elif kind in _READERS:
                nameless[_content(resource)] = resource
                continue
            if other is None or _version(resource) > _version(other):
                found[name] = resource
        except UNREADABLE:
            faults.append(Fault("", "an entry that is no FHIR resource"))
    for place, content in enumerate(sorted(nameless)):
        found[f"{nameless[content]['resourceType']} without id {place + 1}"] = nameless[content]
    return found


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


def _report(desk: Desk, resource: Json, reference: str) -> None:
    """A relevant resource that could not be read is named, with the reason; an irrelevant one is left alone."""
    codings = readable_codings(resource)
    if not any(codes.lookup(desk.vocabulary, coding["system"], coding["code"]) for coding in codings):
        return
    desk.faults.append(Fault(reference, why(resource)))
    if resource["resourceType"] == "Observation":
        try:
            observation.salvage(desk, resource, reference)
        except UNREADABLE:
            return  # not even what and when can be read: the fault says so


def _facts(record: Record, desk: Desk) -> Facts:
    return Facts(
        desk.patient,
        desk.as_of,
        {concept: sorted(rows, key=_newest_observation) for concept, rows in desk.observations.items()},
        {concept: sorted(rows, key=lambda row: (-row.last, -row.first, row.reference)) for concept, rows in desk.conditions.items()},
        {concept: sorted(rows, key=lambda row: (-row.last, -row.first, row.reference)) for concept, rows in desk.events.items()},
        {drug: sorted(rows, key=lambda row: (-row.start_last, -row.start_first, row.reference, row.kind)) for drug, rows in desk.exposures.items()},
        record.incomplete,
        tuple(sorted(dict.fromkeys(desk.faults))),
        _unmapped(desk),
    )


def _newest_observation(row: Observation) -> tuple[int, int, float, str, bool, str]:
    return -row.last, -row.first, -(_instant(row.time) or 0.0) if row.time else 0.0, row.reference, row.computed, row.value


def _unmapped(desk: Desk) -> tuple[Unmapped, ...]:
    """Codes of the great terminologies that no concept names, the commonest first."""
    found: list[Unmapped] = []
    for (system, code), (count, display) in desk.unmapped.items():
        if isinstance(system, str) and isinstance(code, str):
            uri = codes.normalise_system(system)
            if uri in _COUNTED:
                found.append(Unmapped(uri, code, str(display), count))
    return tuple(sorted(found, key=lambda entry: (-entry.count, entry.system, entry.code))[:_MOST_UNMAPPED])
