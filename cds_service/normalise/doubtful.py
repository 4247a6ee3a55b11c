"""What a resource that cannot be read leaves behind: the question that it raises. Unknown is not no.

A diagnosis or a procedure whose code can be read becomes one that is not confirmed. A drug, or something that does not
even say what it is, leaves its list incomplete: it may be any entry, so nothing on that list proves an absence.
"""

from __future__ import annotations

from cds_service import codes
from cds_service.model.facts import TRUNCATED, Condition, Event
from cds_service.normalise.desk import UNREADABLE, Desk, Json, label, readable_codings, words_of
from cds_service.normalise.drugs import drugs_in

_LISTS = {
    "Condition": "conditions",
    "AllergyIntolerance": "allergies",
    "Procedure": "procedures",
    "DiagnosticReport": "reports",
    "Immunization": "immunizations",
    "MedicationRequest": "medication-requests",
    "MedicationStatement": "medication-statements",
    "MedicationAdministration": "medication-administrations",
    "MedicationDispense": "medication-dispenses",
}
_TOLD = {"Condition": "problem", "AllergyIntolerance": "allergy", "DiagnosticReport": "report"}
_VOID = frozenset({"refuted", "entered-in-error", "not-done", "cancelled", "revoked"})


def raise_question(desk: Desk, resource: Json, reference: str) -> None:
    """Does nothing for what is known to be void, or about somebody else."""
    kind = resource["resourceType"]
    if kind not in _LISTS or _void(resource) or not _mine(desk, resource):
        return
    if not (kind in ("Condition", "AllergyIntolerance", "Procedure", "DiagnosticReport", "Immunization") and _named(desk, resource, reference)):
        desk.incomplete.setdefault(_LISTS[kind], TRUNCATED)


def _named(desk: Desk, resource: Json, reference: str) -> bool:
    """Whether its codes say all that it may be about; then it stands there, unconfirmed."""
    kind = resource["resourceType"]
    codeable = {"coding": [{"system": c["system"], "code": c["code"]} for c in readable_codings(resource)]}  # its words may be broken, too
    hits = desk.mapped(codeable, "condition", "procedure", "immunization")
    drugs = drugs_in(desk, codeable)
    if drugs and kind != "AllergyIntolerance":
        return False
    for concept, _, coding in hits:
        value = label({}, coding, concept.name)
        if concept.kind == "condition":
            row = Condition(concept.id, reference, "active", False, _TOLD.get(kind, "problem"), severe=kind == "AllergyIntolerance", value=value)
            desk.conditions.setdefault(concept.id, []).append(row)
        else:
            desk.events.setdefault(concept.id, []).append(Event(concept.id, reference, value=value, told_by="not confirmed"))
    for drug in drugs:
        row = Condition(drug, reference, "active", False, "allergy", severe=True, value=label({}, codeable["coding"][0], drug))
        desk.conditions.setdefault(drug, []).append(row)
    return bool(hits or drugs)


def _void(resource: Json) -> bool:
    status = resource.get("status")
    try:
        verification = set(words_of(resource.get("verificationStatus") or {}))
    except UNREADABLE:
        verification = set()
    return bool(verification & _VOID) or (isinstance(status, str) and status in _VOID)


def _mine(desk: Desk, resource: Json) -> bool:
    """Unless it names somebody else."""
    subject = resource.get("subject") or resource.get("patient")
    named = subject.get("reference") if isinstance(subject, dict) else None
    return not isinstance(named, str) or desk.is_mine(named)


def relevant(desk: Desk, resource: Json) -> bool:
    return any(codes.lookup(desk.vocabulary, coding["system"], coding["code"]) for coding in readable_codings(resource))
