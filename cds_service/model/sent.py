"""An Observation as it was sent, each member as JSON that is not decoded until somebody asks for it.

Most results of a chart are none of our business, and of the others most were met before: building
Python objects for them, and throwing those away again, took longer than all the rest of a call.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import orjson
from msgspec import UNSET, Raw, Struct, UnsetType

Json = dict[str, object]
Unread = Raw | UnsetType

#: http://hl7.org/fhir/R4/valueset-observation-status.html
Status = Literal["registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"]


class SentObservation(Struct, gc=False, tag_field="resourceType", tag="Observation"):
    """Only the members that anybody here reads. Not tracked by the garbage collector: nothing in it can point back."""

    id: str
    status: Status | UnsetType = UNSET
    code: Unread = UNSET
    subject: Unread = UNSET
    focus: Unread = UNSET
    effectiveDateTime: str | UnsetType | None = UNSET
    effectiveInstant: Unread = UNSET
    effectivePeriod: Unread = UNSET
    effectiveTiming: Unread = UNSET
    valueQuantity: Unread = UNSET
    valueCodeableConcept: Unread = UNSET
    valueString: Unread = UNSET
    valueBoolean: Unread = UNSET
    valueInteger: Unread = UNSET
    valueRange: Unread = UNSET
    valueRatio: Unread = UNSET
    valueSampledData: Unread = UNSET
    valueTime: Unread = UNSET
    valueDateTime: Unread = UNSET
    valuePeriod: Unread = UNSET
    dataAbsentReason: Unread = UNSET
    interpretation: Unread = UNSET
    referenceRange: Unread = UNSET
    component: Unread = UNSET
    hasMember: Unread = UNSET
    contained: Unread = UNSET


MEMBERS = SentObservation.__struct_fields__
_SAYING = tuple(name for name in MEMBERS if name.startswith("value") or name in ("dataAbsentReason", "interpretation", "component", "hasMember"))


def as_json(sent: SentObservation | SentOutcome) -> Json:
    """The resource with these members alone, decoded."""
    if isinstance(sent, SentOutcome):
        return {"resourceType": "OperationOutcome", "issue": sent.issue}
    found: Json = {"resourceType": "Observation"}
    for name in MEMBERS:
        value = getattr(sent, name)
        if value is not UNSET:
            found[name] = decoded(value) if type(value) is Raw else value
    return found


def decoded(member: Raw) -> object:
    """What stands there; for a number beyond all numbers something that no reader can read, so that it is reported."""
    try:
        return orjson.loads(bytes(member))
    except orjson.JSONDecodeError:
        return math.nan


def says_nothing(sent: SentObservation) -> bool:
    """No value that FHIR knows: it may have one under another name, which nobody here would see."""
    return all(getattr(sent, name) is UNSET for name in _SAYING)


class SentOutcome(Struct, tag_field="resourceType", tag="OperationOutcome"):
    """A word of the server's among the results."""

    issue: Any = UNSET


class Search(Struct, gc=False):
    mode: Literal["match", "include", "outcome"] | UnsetType = UNSET


class SentEntry(Struct, gc=False):
    resource: SentObservation | SentOutcome
    search: Search | UnsetType = UNSET


class SentBundle(Struct):
    """A page of results. Only one that holds nothing else is read as this."""

    resourceType: Literal["Bundle"]  # a member, not a tag: a tag that stands alone may be missing
    type: Any = UNSET
    total: Any = UNSET
    link: Any = UNSET
    entry: list[SentEntry] | UnsetType | None = UNSET


def odd(bundle: SentBundle) -> bool:
    """Holds a result without any value that FHIR knows: such a page is parsed in full."""
    results = [entry.resource for entry in bundle.entry or ()]
    return any([says_nothing(each) for each in results if type(each) is SentObservation and each.valueQuantity is UNSET])


def page_as_json(bundle: SentBundle) -> Json:
    """The page with its resources as `as_json` gives them."""
    found: Json = {"resourceType": "Bundle"}
    for name in ("type", "total", "link"):
        if getattr(bundle, name) is not UNSET:
            found[name] = getattr(bundle, name)
    entries = [(entry, as_json(entry.resource)) for entry in bundle.entry or ()]
    found["entry"] = [{"resource": each, "search": {"mode": e.search.mode} if e.search else {}} for e, each in entries]
    return found
