"""Concepts in use → prefetch templates. Keeps to the query subset that CDS Hooks recommends to EHRs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cds_service.codes import LOINC
from cds_service.model.vocabulary import LISTS, Vocabulary

PATIENT = "{{context.patientId}}"
#: Servers, and proxies in front of them, refuse addresses from about 2,000 characters on.
LONGEST = 1900

_WHOLE = {
    "patient": f"Patient/{PATIENT}",
    "conditions": f"Condition?patient={PATIENT}&_count=200",
    "medication-requests": f"MedicationRequest?patient={PATIENT}&_count=200",
    "medication-statements": f"MedicationStatement?patient={PATIENT}&_count=200",
    "medication-administrations": f"MedicationAdministration?patient={PATIENT}&_count=200",
    "medication-dispenses": f"MedicationDispense?patient={PATIENT}&_count=200",
    "procedures": f"Procedure?patient={PATIENT}&_count=200",
    "allergies": f"AllergyIntolerance?patient={PATIENT}&_count=200",
    "immunizations": f"Immunization?patient={PATIENT}&_count=200",
}

#: A concept that is computed from, or read with, others needs those too.
_COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "egfr": ("serum_creatinine", "body_height"),
    "creatinine_clearance": ("serum_creatinine", "body_weight"),
    "spo2": ("inspired_oxygen",),
    "glucocorticoid": ("body_weight",),
}

#: Panels whose members may stand in `component`: the member's own code does not find such a resource.
_PANELS: Mapping[str, tuple[str, ...]] = {
    "85354-9": ("bp_systolic", "bp_diastolic"),
    "58410-2": ("wbc", "neutrophils", "lymphocytes", "hemoglobin", "platelets"),
    "57021-8": ("wbc", "neutrophils", "lymphocytes", "hemoglobin", "platelets"),
    "24323-8": ("serum_creatinine", "serum_albumin", "alt", "ast", "bilirubin_total"),
}

#: Concepts that a DiagnosticReport's code may name.
_REPORTED = frozenset({"pathology_report", "proc_renal_biopsy", "spec_renal_biopsy"})


def templates(vocabulary: Vocabulary, concepts: Iterable[str]) -> dict[str, str]:
    """One template a list, in the order of LISTS; a list too long for one address goes on under numbered keys.

    `concepts` are those that the criteria name; what they are computed from is added here. A list
    that no concept is read by is left out.
    """
    used = set(concepts)
    for concept in tuple(used):
        used.update(_COMPANIONS.get(concept, ()))
    codes = _codes(vocabulary, used)
    found: dict[str, str] = {}
    for key in LISTS:
        if key in _WHOLE:
            found[key] = _WHOLE[key]
            continue
        kind = "DiagnosticReport" if key == "reports" else "Observation"
        sort = "_sort=-date&_count=500" if kind == "Observation" else "_count=100"
        frame = f"{kind}?patient={PATIENT}&code=%s&{sort}"
        for number, chunk in enumerate(_chunks(sorted(codes.get(key, ())), LONGEST - len(frame)), start=1):
            found[key if number == 1 else f"{key}-{number}"] = frame % chunk
    return found


def systems(vocabulary: Vocabulary) -> dict[str, tuple[str, ...]]:
    """The systems of each code that a template may name: some servers find nothing by the bare code."""
    found: dict[str, set[str]] = {panel: {LOINC} for panel in _PANELS}
    for system, code in vocabulary.exact:
        found.setdefault(code, set()).add(system)
    return {code: tuple(sorted(names)) for code, names in found.items()}


def _codes(vocabulary: Vocabulary, used: set[str]) -> dict[str, set[str]]:
    """Bare codes per list. Without their system: `|` is left unencoded by some EHRs and then matches nothing."""
    codes: dict[str, set[str]] = {}
    for (_, code), meanings in vocabulary.exact.items():
        for mapped in meanings:
            concept = vocabulary.concepts.get(mapped.concept)
            if concept is None or concept.id not in used:
                continue
            if concept.kind == "observation" and concept.results:
                codes.setdefault(concept.results, set()).add(code)
            elif concept.id in _REPORTED:
                codes.setdefault("reports", set()).add(code)
    for panel, members in _PANELS.items():
        for member in members:
            if member in used and member in vocabulary.concepts:
                codes.setdefault(vocabulary.concepts[member].results or "results-other", set()).add(panel)
    return codes


def _chunks(codes: list[str], room: int) -> Iterator[str]:
    chunk = ""
    for code in codes:
        if chunk and len(chunk) + 1 + len(code) > room:
            yield chunk
            chunk = code
        else:
            chunk = f"{chunk},{code}" if chunk else code
    if chunk:
        yield chunk
