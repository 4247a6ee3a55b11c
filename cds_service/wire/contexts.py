"""What each hook brings in its context: the ids of our services, and the only home of the hooks' own member names.

One id a hook: some clients keep services by address, and of several under one id they would know the last
one only. The first id answers every hook as well, for EHRs that register a single address by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cds_service.errors import BadRequest
from cds_service.model.hooks import ENCOUNTER_START, NOTHING_UNSAVED, ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, PROBLEM_CREATE, Unsaved

SERVICE = "cell-therapy-trials"
#: id -> the hook it is advertised for, in the order of discovery. A client that keeps but one sees patient-view.
SERVICES: Mapping[str, str] = {
    SERVICE: PATIENT_VIEW,
    f"{SERVICE}-{ENCOUNTER_START}": ENCOUNTER_START,
    f"{SERVICE}-{ORDER_SELECT}": ORDER_SELECT,
    f"{SERVICE}-{ORDER_SIGN}": ORDER_SIGN,
    f"{SERVICE}-{PROBLEM_CREATE}": PROBLEM_CREATE,
}
HOOKS = tuple(SERVICES.values())
#: Epic sends several of its own triggers as patient-view and tells them apart by this number.
TRIGGER = "com.epic.cdshooks.request.bpa-trigger-action"
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)

Resource = dict[str, object]


class _Entry(NamedTuple):
    """A resource of a context Bundle, with an id, and the names by which others may point to it."""

    resource: Resource
    names: frozenset[str]


def answered_by(service: str) -> tuple[str, ...]:
    """The hooks that a service id answers; none for an id that is not ours."""
    return HOOKS if service == SERVICE else (SERVICES[service],) if service in SERVICES else ()


def read(hook: str, context: Mapping[str, object]) -> tuple[str, Unsaved]:
    """The encounter's id (empty if none) and what is not on the record yet. Raises BadRequest, naming the member and never its value."""
    encounter = context.get("encounterId")
    if encounter is None and hook != ENCOUNTER_START:
        encounter = ""
    elif encounter is None or encounter == "":
        raise BadRequest("context.encounterId is required.")
    elif not isinstance(encounter, str):
        raise BadRequest("context.encounterId must be a string.")
    if hook in (ORDER_SELECT, ORDER_SIGN):
        return encounter, _orders(hook, context)
    if hook == PROBLEM_CREATE:
        return encounter, Unsaved(conditions=tuple(entry.resource for entry in _bundle(context, "conditions")))
    return encounter, NOTHING_UNSAVED


def trigger(extension: Mapping[str, object]) -> str:
    """The number of the EHR's own trigger, sent as a number or as a text; empty for anything else, which is nobody's business."""
    value = extension.get(TRIGGER)
    text = str(value) if isinstance(value, int | str) else ""
    return text if _NUMBER.fullmatch(text) else ""


def _orders(hook: str, context: Mapping[str, object]) -> Unsaved:
    entries = tuple(_bundle(context, "draftOrders"))
    # A draft may point to its Medication by id or by the address of the entry.
    medications = (e for e in entries if e.resource["resourceType"] == "Medication")
    beside = tuple({**e.resource, "id": name} for e in medications for name in sorted(e.names) if "/" not in name)
    if hook == ORDER_SIGN:
        return Unsaved(orders=tuple(e.resource for e in entries), beside=beside)
    chosen = _selections(context)
    known = frozenset().union(*(e.names for e in entries))
    if not chosen <= known:
        raise BadRequest("context.selections names an order that is not in context.draftOrders.")
    return Unsaved(orders=tuple(e.resource for e in entries if e.names & chosen), beside=beside)


def _selections(context: Mapping[str, object]) -> frozenset[str]:
    given = context.get("selections")
    if given is None:
        raise BadRequest("context.selections is required.")
    if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
        raise BadRequest("context.selections must be a list of references, like MedicationRequest/abc.")
    return frozenset(map(_plain, given))


def _bundle(context: Mapping[str, object], name: str) -> Iterator[_Entry]:
    """The resources of a Bundle, each with an id: its own, else one made from the entry's address or its place."""
    bundle = context.get(name)
    if bundle is None:
        raise BadRequest(f"context.{name} is required.")
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise BadRequest(f"context.{name} must be a FHIR Bundle.")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise BadRequest(f"context.{name}.entry must be a list.")
    for place, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(resource, dict) or not isinstance(kind, str) or not kind:
            raise BadRequest(f"context.{name}.entry[{place}] must hold a FHIR resource.")
        yield _named(resource, kind, entry.get("fullUrl"), place)


def _named(resource: Resource, kind: str, url: object, place: int) -> _Entry:
    identity = resource.get("id")
    names = {_plain(url)} if isinstance(url, str) and url else set()
    if not isinstance(identity, str) or not identity:
        identity = next(iter(names), f"unsaved-{place + 1}").rpartition("/")[2]
        resource = {**resource, "id": identity}
    return _Entry(resource, frozenset(names | {identity, f"{kind}/{identity}"}))


def _plain(reference: str) -> str:
    """`https://ehr/fhir/MedicationRequest/1/_history/2` and `MedicationRequest/1` are the same order; a urn is its UUID."""
    parts = reference.partition("/_history/")[0].removeprefix("urn:uuid:").split("/")
    return "/".join(parts[-2:])
