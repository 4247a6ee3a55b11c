"""Where an entry stands: its list in the record, its resource, its reference."""

from __future__ import annotations

from cds_service.model.vocabulary import Vocabulary
from patients.words import Entry

MEDICATION_LIST = {
    "prescribed": "medication-requests",
    "stated": "medication-statements",
    "given": "medication-administrations",
    "dispensed": "medication-dispenses",
}
MEDICATIONS = {
    "prescribed": "MedicationRequest",
    "stated": "MedicationStatement",
    "given": "MedicationAdministration",
    "dispensed": "MedicationDispense",
}
RESOURCES = {"conditions": "Condition", "observations": "Observation", "allergies": "AllergyIntolerance", "immunizations": "Immunization"}


def list_of(entry: Entry, vocabulary: Vocabulary) -> str:
    """The list of the record on which an entry stands."""
    match entry.kind:
        case "conditions":
            return "reports" if entry.option("category") == "report" else "conditions"
        case "observations":
            return vocabulary.concepts[entry.concept].results
        case "therapies":
            return MEDICATION_LIST[entry.value]
        case "events":
            return "reports" if is_report(entry.concept) else "procedures"
        case _:
            return entry.kind


def is_report(concept: str) -> bool:
    return concept == "pathology_report" or concept.startswith("spec_")


def reference_of(entry: Entry) -> str:
    """The same in both ways, so that a failure names the same resource."""
    kind = RESOURCES.get(entry.kind, "")
    if entry.kind == "therapies":
        kind = MEDICATIONS[entry.value]
    elif entry.kind == "events" or entry.option("category") == "report":
        kind = "DiagnosticReport" if entry.kind == "conditions" or is_report(entry.concept) else "Procedure"
    return f"{kind}/e{entry.number}"
