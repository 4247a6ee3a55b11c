"""One Bundle that is the whole record → Record. Resolves the Bundle's own addresses (`urn:uuid:…`) to `Type/id`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cds_service.errors import BadInput
from cds_service.fetch.bundles import Resource, distinct, next_link, says_error, unique
from cds_service.model.facts import TRUNCATED, UNAVAILABLE, Fault, Record
from cds_service.model.vocabulary import LISTS

_READ = ("collection", "searchset", "transaction", "batch-response")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)


class _Reading:
    """What a walk through the Bundle, and the Bundles that a batch-response holds, has met."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, Resource]] = []
        self.faults: list[Fault] = []
        self.state: str | None = None

    def worsen(self, state: str) -> None:
        self.state = UNAVAILABLE if UNAVAILABLE in (state, self.state) else state


def from_bundle(bundle: object) -> Record:
    """Raises BadInput, one line, where this is no record of one patient."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise BadInput("not a FHIR Bundle")
    if bundle.get("type") not in _READ:
        raise BadInput(f"a Bundle of this type is not read: give {', '.join(_READ[:-1])} or {_READ[-1]}")
    if not isinstance(bundle.get("entry", []), list):
        raise BadInput("not a FHIR Bundle: entry is not a list")
    reading = _Reading()
    _walk(bundle, "Bundle", reading)
    named = [(url, _named(url, resource)) for url, resource in reading.entries]
    alias = {url: f"{r['resourceType']}/{r['id']}" for url, r in named if url and isinstance(r.get("id"), str)}
    resources = [_resolved(resource, alias) for _, resource in named]
    once = distinct(resources)
    if not once:
        resources = unique(resources)
    return Record(
        patient_id=_the_patient(resources),
        resources=resources,
        incomplete={name: reading.state for name in LISTS if name != "patient"} if reading.state else {},
        faults=tuple(reading.faults),
        distinct=once,
    )


def _walk(bundle: Resource, path: str, reading: _Reading) -> None:
    """A batch-response to a batch of searches holds searchsets: one level of Bundles in the Bundle is read."""
    following, broken = next_link(bundle)
    if (following or broken) and bundle.get("type") == "searchset":
        reading.worsen(TRUNCATED)
    listed = bundle.get("entry")
    for number, entry in enumerate(listed if isinstance(listed, list) else ()):
        place = f"{path}.entry[{number}]"
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(entry, dict) and bundle.get("type") == "batch-response" and not _succeeded(entry):
            reading.faults.append(Fault(place, "this part of the batch failed"))
            reading.worsen(UNAVAILABLE)
        elif isinstance(entry, dict) and resource is None and bundle.get("type") in ("transaction", "batch-response"):
            continue  # a DELETE, or an answer without a body
        elif not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            reading.faults.append(Fault(place, "not a resource"))
            reading.worsen(TRUNCATED)
        elif resource["resourceType"] == "OperationOutcome":
            if says_error(resource):
                reading.faults.append(Fault(place, "an error in place of a resource"))
                reading.worsen(TRUNCATED)
        elif resource["resourceType"] == "Bundle" and path == "Bundle":
            _walk(resource, place, reading)
        else:
            url = entry.get("fullUrl")
            reading.entries.append((url if isinstance(url, str) else "", resource))


def _succeeded(entry: Mapping[str, object]) -> bool:
    response = entry.get("response")
    status = response.get("status") if isinstance(response, dict) else None
    return status is None or str(status).startswith("2")


def _named(url: str, resource: Resource) -> Resource:
    """With an id: its own, else the end of its full address."""
    if isinstance(resource.get("id"), str) or not url:
        return resource
    tail = re.split(r"[/:]", url)[-1]
    return {**resource, "id": tail} if _ID.fullmatch(tail) else resource


def _resolved(resource: Resource, alias: Mapping[str, str]) -> Resource:
    """With references to other entries as `Type/id`. Looks at the resource's own members only: subject, patient, medication, results."""
    changed = {name: found for name, value in resource.items() if (found := _pointed(value, alias)) is not None}
    return {**resource, **changed} if changed else resource


def _pointed(value: object, alias: Mapping[str, str]) -> object | None:
    if isinstance(value, dict):
        target = alias.get(value["reference"]) if isinstance(value.get("reference"), str) else None
        return None if target is None else {**value, "reference": target}
    if isinstance(value, list):
        items = [_pointed(item, alias) if isinstance(item, dict) else None for item in value]
        return None if all(i is None for i in items) else [old if new is None else new for old, new in zip(value, items, strict=True)]
    return None


def _patients(resources: list[Resource]) -> Iterator[Resource]:
    return (r for r in resources if r["resourceType"] == "Patient")


def _the_patient(resources: list[Resource]) -> str:
    patients = list(_patients(resources))
    if not patients:
        raise BadInput("the Bundle holds no Patient")
    if len(patients) > 1:
        raise BadInput("the Bundle holds more than one Patient: give one Bundle a patient")
    identity = patients[0].get("id")
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise BadInput("the Patient has no usable id, so no entry can be said to be about this patient")
    return identity
