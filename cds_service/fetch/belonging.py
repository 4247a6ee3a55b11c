"""Whether a list that was read is the list that was asked for: the right kind of resource, about the right patient."""

from __future__ import annotations

import re

from cds_service.fetch.bundles import Part, Resource, unavailable
from cds_service.model.facts import TRUNCATED, UNAVAILABLE, Fault
from cds_service.model.references import names_patient

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
_NOT_OURS = "is about another patient"
#: Drugs may come along with the prescriptions that name them, marked as included or not.
_WITH = {f"Medication{kind}": "Medication" for kind in ("Request", "Statement", "Administration", "Dispense")}
#: In results an absence proves nothing, and there are many of them: those about somebody else are found when they are read.
_UNCOUNTED = "Observation"


def of_kind(part: Part, kind: str) -> Part:
    """A list of other things than were asked for is no answer. One with a few among them is, and says so."""
    if part.kinds <= {kind}:  # almost always
        return part
    known = (kind, _WITH.get(kind))
    right = sum(resource["resourceType"] in known for resource in part.resources)
    strange = part.matches - right  # what is included beside the matches is not counted there
    if strange <= 0:
        return part
    if not right:
        return unavailable("holds nothing of the type that was asked for")
    return part._replace(whys=(*part.whys, "holds entries of a type that was not asked for"))


def of_patient(part: Part, kind: str, patient_id: str, base: str) -> tuple[Part, list[Fault]]:
    """Without what is about another patient, which is named. A list that held such may lack some of ours; one of such alone is no answer."""
    if kind == _UNCOUNTED or kind == "Patient" or not part.resources:
        return part, []
    known: dict[str, bool] = {}
    ours: list[Resource] = []
    faults: list[Fault] = []
    for resource in part.resources:
        named = _subject(resource) if resource["resourceType"] == kind else None
        if named is None:  # none, or of a shape that the reader will complain about
            ours.append(resource)
            continue
        mine = known.get(named)
        if mine is None:
            mine = known[named] = names_patient(named, patient_id, base)
        if mine:
            ours.append(resource)
        else:
            faults.append(Fault(_name(resource), _NOT_OURS))
    if not faults:
        return part, []
    if not any(known.values()):
        return Part(state=UNAVAILABLE, whys=("every entry is about another patient",)), faults
    return part._replace(resources=ours, state=TRUNCATED, whys=(*part.whys, "holds entries about another patient")), faults


def _subject(resource: Resource) -> str | None:
    subject = resource.get("subject") or resource.get("patient")
    named = subject.get("reference") if isinstance(subject, dict) else None
    return named if isinstance(named, str) else None


def _name(resource: Resource) -> str:
    identity = resource.get("id")
    sound = isinstance(identity, str) and _ID.fullmatch(identity)  # any other text may say anything
    return f"{resource['resourceType']}/{identity}" if sound else f"{resource['resourceType']} without id"
