"""Kidney function from creatinine: eGFR (CKD-EPI, in children bedside Schwartz) and Cockcroft-Gault clearance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service import dates, formulas
from cds_service.model.facts import Observation, Patient
from cds_service.normalise.wording import digits

_ADULT = 18  #: CKD-EPI is not valid below
_HEIGHT_DAYS, _WEIGHT_DAYS = 90, 180
_EGFR_UNIT = "mL/min/1.73 m²"


def compute(patient: Patient, observations: Mapping[str, list[Observation]]) -> tuple[list[Observation], list[Observation]]:
    """eGFR and creatinine clearance for every usable creatinine; none where age or sex leaves the formula open."""
    rates: list[Observation] = []
    clearances: list[Observation] = []
    heights = [row for row in observations.get("body_height", ()) if _usable(row)]
    weights = [row for row in observations.get("body_weight", ()) if _usable(row)]
    for row in observations.get("serum_creatinine", ()):
        if not patient.born_first or not _usable(row) or not row.low:
            continue
        youngest = oldest = dates.completed_years(patient.born_last, row.first)
        if row.first != row.last or patient.born_first != patient.born_last:
            oldest = dates.completed_years(patient.born_first, row.last)
        if youngest < 0 or youngest < _ADULT <= oldest:
            continue
        if oldest < _ADULT:
            height = _nearest(heights, row, _HEIGHT_DAYS)
            if height is not None:
                rates.append(_schwartz(row, height))
            continue
        if patient.sex is None:
            continue
        female = patient.sex == "female"
        rates.append(_ckd_epi(row, youngest, oldest, female))
        weight = _nearest(weights, row, _WEIGHT_DAYS)
        if weight is not None and oldest < 140:
            clearances.append(_cockcroft_gault(row, weight, youngest, oldest, female))
    return rates, clearances


def _usable(row: Observation) -> bool:
    return row.problem is None and row.low is not None and row.low > 0 and row.low == row.high and row.first > 0


def _nearest(rows: Iterable[Observation], to: Observation, limit: int) -> Observation | None:
    """The measurement nearest in time; its greatest possible distance must be within the limit."""
    near = [(max(abs(row.first - to.last), abs(row.last - to.first)), row.reference, row.low or 0.0, row) for row in rows]
    near = [entry for entry in near if entry[0] <= limit]
    return min(near)[3] if near else None


def _fact(row: Observation, concept: str, formula: str, low: float, high: float, unit: str, note: str, alternate: float | None = None) -> Observation:
    text = f"{low:.1f}"
    if low != high and text != f"{high:.1f}":
        text = f"{text}–{high:.1f}"
    return Observation(
        concept, row.reference, row.first, row.last, low, high, False, False, None, None, None, formula,
        alternate, True, None, False, row.time, row.date, f"{text} {unit}", note,
    )  # fmt: skip


def _ckd_epi(row: Observation, youngest: int, oldest: int, female: bool) -> Observation:
    creatinine = row.low or 0.0
    note = f"computed by CKD-EPI 2021 from creatinine {digits(creatinine)} mg/dL"
    low = high = formulas.ckd_epi_2021(creatinine, oldest, female)
    if youngest != oldest:
        high = formulas.ckd_epi_2021(creatinine, youngest, female)
    return _fact(row, "egfr", "ckd-epi-2021", low, high, _EGFR_UNIT, note, formulas.ckd_epi_2009(creatinine, oldest, female))


def _schwartz(row: Observation, height: Observation) -> Observation:
    creatinine, tall = row.low or 0.0, height.low or 0.0
    value = formulas.bedside_schwartz(tall, creatinine)
    note = f"computed by bedside Schwartz from creatinine {digits(creatinine)} mg/dL and height {digits(tall)} cm"
    return _fact(row, "egfr", "schwartz", value, value, _EGFR_UNIT, note)


def _cockcroft_gault(row: Observation, weight: Observation, youngest: int, oldest: int, female: bool) -> Observation:
    creatinine, mass = row.low or 0.0, weight.low or 0.0
    low = formulas.cockcroft_gault(creatinine, oldest, mass, female)
    high = formulas.cockcroft_gault(creatinine, youngest, mass, female)
    note = f"computed by Cockcroft-Gault from creatinine {digits(creatinine)} mg/dL and weight {digits(mass)} kg"
    return _fact(row, "creatinine_clearance", "cockcroft-gault", low, high, "mL/min", note)
