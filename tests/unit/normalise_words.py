"""A small vocabulary and short ways to write FHIR resources, for the tests of the reader."""

from __future__ import annotations

from datetime import date
from typing import Any

from sent import as_sent

from cds_service.model.facts import Facts, Observation, Record
from cds_service.model.vocabulary import Concept, Drug, DrugClass, Mapped, Vocabulary
from cds_service.normalise import normalise

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
RXNORM, ATC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://www.whocc.no/atc"
UCUM = "http://unitsofmeasure.org"
CVX = "http://hl7.org/fhir/sid/cvx"
SCORES = "urn:cds-service:scores"
TODAY = date(2026, 11, 1).toordinal()
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1976-05-04"}


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _o(name: str, unit: str = "", plausible: tuple[float, float] | None = None, molar_mass: float | None = None) -> Concept:
    return Concept(name, "observation", name, unit, plausible=plausible, molar_mass=molar_mass)


_OBSERVATIONS = [
    _o("egfr", "mL/min/{1.73_m2}", (1, 250)),
    _o("serum_creatinine", "mg/dL", (0.1, 30), 113.12),
    _o("body_height", "cm", (40, 230)),
    _o("body_weight", "kg", (2, 300)),
    _o("urine_protein_24h", "g/d", (0, 40)),
    _o("hemoglobin", "g/L", (20, 250)),
    _o("wbc", "10*9/L", (0, 500)),
    _o("alt", "U/L", (0, 20000)),
    _o("inr", "{INR}", (0.5, 20)),
    _o("lvef", "%", (5, 95)),
    _o("spo2", "%", (40, 100)),
    _o("inspired_oxygen"),
    _o("bp_systolic", "mm[Hg]", (40, 300)),
    _o("bp_diastolic", "mm[Hg]", (20, 200)),
    _o("hba1c", "%", (3, 25)),
    _o("hbsag", "[IU]/mL"),
    _o("anti_hcv"),
    _o("hbv_dna", "[IU]/mL", (0, 1e11)),
    _o("ana_titre", "{titer}", (10, 163840)),
    _o("syphilis_treponemal"),
    _o("anti_pla2r", "{RU}/mL", (0, 15000)),
    _o("mpo_anca"),
    _o("cd19_b_cells", "/uL", (0, 5000)),
    _o("ecog", "{score}", (0, 5)),
    _o("sledai_2k", "{score}", (0, 105)),
    _o("chronicity_index", "{score}", (0, 12)),
    _o("nyha_class"),
    _o("who_fc"),
    _o("isn_rps_class"),
]
_OTHERS = [
    Concept("membranous_nephropathy", "condition", "membranous nephropathy"),
    Concept("mn_any", "condition", "any membranous nephropathy"),
    Concept("lupus_nephritis", "condition", "lupus nephritis"),
    Concept("proc_renal_biopsy", "procedure", "kidney biopsy"),
    Concept("pathology_report", "procedure", "pathology report"),
    Concept("vaccine_live", "immunization", "live vaccine"),
    *(Concept(drug, "drug", drug) for drug in ("tacrolimus", "prednisone", "rituximab", "mycophenolate", "cyclophosphamide", "cni_class")),
]
_ROWS: list[tuple[str, str, Mapped]] = [
    (LOINC, "98979-8", Mapped("egfr", {"mL/min/{1.73_m2}": 1.0}, "ckd-epi-2021")),
    (LOINC, "69405-9", Mapped("egfr", {"mL/min/{1.73_m2}": 1.0, "mL/min": None})),
    (LOINC, "2160-0", Mapped("serum_creatinine", {"mg/dL": 1.0, "umol/L": 0.0113096})),
    (LOINC, "8302-2", Mapped("body_height", {"cm": 1.0, "m": 100.0})),
    (LOINC, "29463-7", Mapped("body_weight", {"kg": 1.0})),
    (LOINC, "2889-4", Mapped("urine_protein_24h", {"g/(24.h)": 1.0, "mg/(24.h)": 0.001, "g/d": 1.0})),
    (LOINC, "718-7", Mapped("hemoglobin", {"g/dL": 10.0, "g/L": 1.0})),
    (LOINC, "6690-2", Mapped("wbc", {"10*3/uL": 1.0, "10*9/L": 1.0})),
    (LOINC, "1742-6", Mapped("alt", {"U/L": 1.0, "ukat/L": 60.0})),
    (LOINC, "6301-6", Mapped("inr", {"{INR}": 1.0, "1": 1.0})),
    (LOINC, "10230-1", Mapped("lvef", {"%": 1.0})),
    (LOINC, "59408-5", Mapped("spo2", {"%": 1.0})),
    (LOINC, "3151-8", Mapped("inspired_oxygen", {"L/min": None}, "flow")),
    (LOINC, "3150-0", Mapped("inspired_oxygen", {"%": None}, "fraction")),
    (LOINC, "8480-6", Mapped("bp_systolic", {"mm[Hg]": 1.0})),
    (LOINC, "8462-4", Mapped("bp_diastolic", {"mm[Hg]": 1.0})),
    (LOINC, "4548-4", Mapped("hba1c", {"%": 1.0, "mmol/mol": None})),
    (LOINC, "5196-1", Mapped("hbsag", {})),
    (LOINC, "63557-3", Mapped("hbsag", {"[IU]/mL": 1.0})),
    (LOINC, "13955-0", Mapped("anti_hcv", {})),
    (LOINC, "42595-9", Mapped("hbv_dna", {"[IU]/mL": 1.0})),
    (LOINC, "29615-2", Mapped("hbv_dna", {"{copies}/mL": None})),
    (LOINC, "5048-4", Mapped("ana_titre", {"{titer}": 1.0})),
    (LOINC, "22590-4", Mapped("syphilis_treponemal", {"{titer}": 1.0})),
    (LOINC, "73737-9", Mapped("anti_pla2r", {"{RU}/mL": 1.0, "U/mL": None})),
    (LOINC, "46266-3", Mapped("mpo_anca", {"[arb'U]/mL": None})),
    (LOINC, "8116-6", Mapped("cd19_b_cells", {"/uL": 1.0})),
    (LOINC, "89247-1", Mapped("ecog", {"{score}": 1.0})),
    (LOINC, "LA9623-5", Mapped("ecog", {}, None, "1")),
    (LOINC, "88020-3", Mapped("nyha_class", {})),
    (SNOMED, "421704003", Mapped("nyha_class", {}, None, "II")),
    (SNOMED, "36402006", Mapped("lupus_nephritis", {})),
    (SNOMED, "36402006", Mapped("isn_rps_class", {}, None, "IV")),
    (SNOMED, "52042003", Mapped("isn_rps_class", {}, None, "V")),
    (SNOMED, "68815009", Mapped("lupus_nephritis", {})),
    (SCORES, "sledai-2k", Mapped("sledai_2k", {"{score}": 1.0})),
    (SCORES, "nih-chronicity-index", Mapped("chronicity_index", {"{score}": 1.0})),
    (SCORES, "isn-rps-class", Mapped("isn_rps_class", {})),
    (SCORES, "who-fc", Mapped("who_fc", {})),
    (SNOMED, "77182004", Mapped("membranous_nephropathy", {})),
    (SNOMED, "77182004", Mapped("mn_any", {})),
    (SNOMED, "7246002", Mapped("proc_renal_biopsy", {})),
    (LOINC, "11529-5", Mapped("pathology_report", {})),
    (CVX, "03", Mapped("vaccine_live", {})),
    (RXNORM, "42316", Mapped("tacrolimus", {})),
    (RXNORM, "8640", Mapped("prednisone", {})),
    (RXNORM, "121191", Mapped("rituximab", {})),
    (RXNORM, "3002", Mapped("cyclophosphamide", {})),
    (RXNORM, "68149", Mapped("mycophenolate", {})),
    (ATC, "L04AD02", Mapped("tacrolimus", {})),
]


def _vocabulary() -> Vocabulary:
    exact: dict[tuple[str, str], tuple[Mapped, ...]] = {}
    for system, code, mapped in _ROWS:
        exact[system, code] = (*exact.get((system, code), ()), mapped)
    drugs = {c.id: Drug(c.id, c.id) for c in _OTHERS if c.kind == "drug"}
    return Vocabulary(
        {c.id: c for c in (*_OBSERVATIONS, *_OTHERS)},
        exact,
        {ATC: {"L04AD": (Mapped("cni_class", {}),)}},
        drugs,
        {"calcineurin_inhibitor": DrugClass("calcineurin_inhibitor", "CNI", frozenset({"tacrolimus"}))},
        {
            (SNOMED, "10828004"): "positive",
            (SNOMED, "260385009"): "negative",
            (SNOMED, "260415000"): "negative",
            (SNOMED, "419984006"): "indeterminate",
        },
        {"sledai 2k": "sledai_2k", "他克莫司": "tacrolimus", "membranous nephropathy": "membranous_nephropathy"},
    )


VOCABULARY = _vocabulary()


def facts_of(*resources: Any, patient: dict[str, Any] = PATIENT, as_of: int = TODAY) -> Facts:
    """Read both ways, parsed and as it was sent: there must be no difference."""
    found = normalise(Record("p", [patient, *resources]), VOCABULARY, as_of)
    sent = as_sent("p", [patient, *resources])
    assert sent is None or normalise(sent, VOCABULARY, as_of) == found
    return found


def code(system: str, value: str, **more: Any) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": value, **more}]}


def about(kind: str, **fields: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": "1", "subject": {"reference": "Patient/p"}, **fields}


def lab(loinc: str, **fields: Any) -> dict[str, Any]:
    return about("Observation", **{"status": "final", "code": code(LOINC, loinc), "effectiveDateTime": "2026-10-18", **fields})


def amount(value: Any, unit: str | None = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"value": value, **more}
    if unit is not None:
        found |= {"unit": unit, "system": UCUM, "code": unit}
    return found


def one(facts: Facts, concept: str) -> Observation:
    rows = [row for row in facts.observations.get(concept, []) if not row.computed]
    assert len(rows) == 1, rows
    return rows[0]
