"""A hook body of a chosen number of resources: one patient with membranous nephropathy and years of results, a third of them relevant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from itertools import cycle, islice

import orjson

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
PATIENT = "bench"

#: code, display, value, unit, upper limit: what the criteria ask for.
RELEVANT = (
    ("2889-4", "Protein [Mass/time] in 24 hour Urine", 9.1, "g/(24.h)", None),
    ("14682-9", "Creatinine [Moles/volume] in Serum or Plasma", 145, "umol/L", None),
    ("98979-8", "Glomerular filtration rate/1.73 sq M.predicted (CKD-EPI 2021)", 52, "mL/min/{1.73_m2}", None),
    ("1751-7", "Albumin [Mass/volume] in Serum or Plasma", 22, "g/L", None),
    ("73737-9", "PLA2R Ab, ELISA", 168, "{RU}/mL", 20),
    ("1742-6", "Alanine aminotransferase in Serum or Plasma", 24, "U/L", 50),
    ("1920-8", "Aspartate aminotransferase in Serum or Plasma", 22, "U/L", 40),
    ("14631-6", "Bilirubin.total [Moles/volume] in Serum or Plasma", 9, "umol/L", 21),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", 6.8, "10*9/L", None),
    ("751-8", "Neutrophils [#/volume] in Blood by Automated count", 4.1, "10*9/L", None),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 118, "g/L", None),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", 262, "10*9/L", None),
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", 5.4, "%", None),
    ("14749-6", "Glucose [Moles/volume] in Serum or Plasma", 5.6, "mmol/L", None),
    ("59410-1", "Oxygen saturation by Pulse oximetry --on room air", 97, "%", None),
)
#: What a laboratory sends besides, and no criterion reads.
IRRELEVANT = (
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", 139, "mmol/L", 145),
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", 4.2, "mmol/L", 5.1),
    ("2075-0", "Chloride [Moles/volume] in Serum or Plasma", 103, "mmol/L", 107),
    ("2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma", 25, "mmol/L", 29),
    ("17861-6", "Calcium [Mass/volume] in Serum or Plasma", 9.2, "mg/dL", 10.2),
    ("2777-1", "Phosphate [Mass/volume] in Serum or Plasma", 3.4, "mg/dL", 4.5),
    ("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", 18, "mg/dL", 20),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", 231, "mg/dL", 200),
    ("787-2", "MCV [Entitic volume] by Automated count", 88, "fL", 100),
    ("789-8", "Erythrocytes [#/volume] in Blood by Automated count", 4.3, "10*12/L", 5.4),
    ("2532-0", "Lactate dehydrogenase in Serum or Plasma", 190, "U/L", 240),
)


def hook_body(resources: int, templates: Mapping[str, str], today: date) -> bytes:
    """A patient-view with everything prefetched; keys and their codes as the service publishes them."""
    lists: dict[str, list[object]] = {key: [] for key in templates if key != "patient"}
    lists["conditions"] = [_condition(today)]
    lists["procedures"] = [_biopsy(today)]
    lists["medication-requests"] = [_order(today)]
    lists["medication-statements"] = [_statement(today)]
    fixed = 1 + sum(map(len, lists.values()))
    labs = [key for key in lists if key.startswith("results-")]
    home = {code: next((k for k in labs if code in templates[k]), labs[0]) for code, *_ in RELEVANT}
    spread = cycle(labs)
    for number, lab in enumerate(islice(_labs(), resources - fixed)):
        key = home.get(lab[0]) or next(spread)
        lists[key].append(_observation(number, today - timedelta(days=3 + number // 24 * 7), lab))
    prefetch: dict[str, object] = {key: _searchset(found) for key, found in lists.items()}
    prefetch["patient"] = _patient(today)
    context = {"userId": "Practitioner/bench", "patientId": PATIENT}
    return orjson.dumps({"hook": "patient-view", "hookInstance": "11111111-2222-4333-8444-555555555555", "context": context, "prefetch": prefetch})


def _labs() -> Iterator[tuple[str, str, float, str, float | None]]:
    """One relevant result, then two that nobody asks for, for ever."""
    relevant, irrelevant = cycle(RELEVANT), cycle(IRRELEVANT)
    while True:
        yield next(relevant)
        yield next(irrelevant)
        yield next(irrelevant)


def _searchset(resources: list[object]) -> object:
    base = "https://ehr.example/fhir"
    entries = [
        {"fullUrl": f"{base}/{r['resourceType']}/{r['id']}", "resource": r, "search": {"mode": "match"}} for r in resources if isinstance(r, dict)
    ]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "link": [{"relation": "self", "url": base}], "entry": entries}


def _observation(number: int, day: date, lab: tuple[str, str, float, str, float | None]) -> object:
    code, display, value, unit, high = lab
    said = f"{display}: {value} {unit}"
    found: dict[str, object] = {
        "resourceType": "Observation",
        "id": f"bench-{number:05d}",
        "meta": {"versionId": "1", "lastUpdated": f"{day}T11:02:13.417+08:00"},
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{said}</div>'},
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": LOINC, "code": code, "display": display}], "text": display},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "effectiveDateTime": f"{day}T08:30:00+08:00",
        "issued": f"{day}T11:02:13.417+08:00",
        "valueQuantity": {"value": round(value * (1 + number % 7 / 100), 2), "unit": unit, "system": UCUM, "code": unit},
    }
    if high is not None:
        found["referenceRange"] = [{"high": {"value": high, "unit": unit, "system": UCUM, "code": unit}}]
    return found


def _patient(today: date) -> object:
    return {
        "resourceType": "Patient",
        "id": PATIENT,
        "name": [{"family": "Bench", "given": ["Patient"]}],
        "gender": "male",
        "birthDate": f"{today.year - 46}-03-14",
    }


def _condition(today: date) -> object:
    return {
        "resourceType": "Condition",
        "id": "bench-mn",
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}]}],
        "code": {"coding": [{"system": SNOMED, "code": "722119002", "display": "Idiopathic membranous glomerulonephritis"}]},
        "subject": {"reference": f"Patient/{PATIENT}"},
        "onsetDateTime": str(today - timedelta(days=800)),
    }


def _biopsy(today: date) -> object:
    code = {"coding": [{"system": SNOMED, "code": "7246002", "display": "Kidney biopsy"}]}
    done = str(today - timedelta(days=790))
    return {
        "resourceType": "Procedure",
        "id": "bench-biopsy",
        "status": "completed",
        "code": code,
        "subject": {"reference": f"Patient/{PATIENT}"},
        "performedDateTime": done,
    }


def _order(today: date) -> object:
    drug = {"coding": [{"system": RXNORM, "code": "198189", "display": "ramipril 5 MG Oral Capsule"}]}
    found = {"resourceType": "MedicationRequest", "id": "bench-ramipril", "status": "active", "intent": "order", "medicationCodeableConcept": drug}
    return found | {"subject": {"reference": f"Patient/{PATIENT}"}, "authoredOn": str(today - timedelta(days=700))}


def _statement(today: date) -> object:
    drug = {"coding": [{"system": RXNORM, "code": "198377", "display": "tacrolimus 1 MG Oral Capsule"}]}
    period = {"start": str(today - timedelta(days=420)), "end": str(today - timedelta(days=80))}
    found = {"resourceType": "MedicationStatement", "id": "bench-tacrolimus", "status": "completed", "medicationCodeableConcept": drug}
    return found | {"subject": {"reference": f"Patient/{PATIENT}"}, "effectivePeriod": period}
