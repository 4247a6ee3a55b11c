"""What a hook brings that is not on the record → facts kept apart from it: draft orders, and new problems of this patient."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.model.facts import Exposure, Fault, Patient
from cds_service.model.hooks import Unsaved
from cds_service.model.vocabulary import Vocabulary
from cds_service.normalise import condition
from cds_service.normalise.desk import UNREADABLE, Desk, Json
from cds_service.normalise.medication import read_draft

#: In fixed words: the full models that could say why take a second to load, and a Bundle may hold thousands.
_UNREAD = "cannot be read: its fields are not as FHIR R4 has them"


def drafted(unsaved: Unsaved, patient_id: str, vocabulary: Vocabulary, as_of: int) -> tuple[tuple[Exposure, ...], tuple[Fault, ...]]:
    """The drugs of the draft orders as exposures that begin on `as_of`. Never to be put among the facts of the record.

    A draft for a drug of no mapping, for one place of the body only, or about another patient gives none.
    """
    desk = Desk(vocabulary, Patient(f"Patient/{patient_id}"), as_of, unsaved.beside)
    for resource in unsaved.orders:
        if resource["resourceType"] == "MedicationRequest":
            reference = f"MedicationRequest/{resource['id']}"
            try:
                read_draft(desk, resource, reference)
            except UNREADABLE:
                desk.faults.append(Fault(reference, _UNREAD))
    return tuple(e for courses in desk.exposures.values() for e in courses), tuple(dict.fromkeys(desk.faults))


def problems(conditions: Iterable[Json], patient_id: str, vocabulary: Vocabulary, as_of: int) -> tuple[tuple[Json, ...], bool, tuple[Fault, ...]]:
    """The new problems of this patient as they were sent, and whether any of them tells us anything; those of another patient are faults."""
    desk = Desk(vocabulary, Patient(f"Patient/{patient_id}"), as_of, ())
    mine = tuple(c for c in conditions if c["resourceType"] == "Condition" and _mine(desk, c))
    return mine, bool(desk.conditions or desk.observations), tuple(dict.fromkeys(desk.faults))


def _mine(desk: Desk, problem: Json) -> bool:
    reference = f"Condition/{problem['id']}"
    try:
        if not desk.about(problem, reference):
            return False
        condition.read(desk, problem, reference)
    except UNREADABLE:
        desk.faults.append(Fault(reference, _UNREAD))
    return True
