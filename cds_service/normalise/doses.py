"""Dosage → mg of the drug a day, where the record says it outright; tablets, tapers and "as directed" say it not."""

from __future__ import annotations

import re
from typing import Any

from cds_service.normalise.desk import Json, many
from cds_service.normalise.values import as_float

_MG = {"mg": 1.0, "g": 1000.0, "ug": 0.001, "mcg": 0.001, "µg": 0.001, "milligram": 1.0, "milligrams": 1.0, "毫克": 1.0}
_HOURS = {"h": 1.0, "d": 24.0, "wk": 168.0, "mo": 730.5, "min": 1 / 60}
#: Codes of v3-GTSAbbreviation: times a day.
_TIMES = dict.fromkeys(("QD", "AM", "PM", "BED"), 1.0) | {"BID": 2.0, "TID": 3.0, "QID": 4.0, "QOD": 0.5, "WK": 1 / 7}
_TIMES |= {"Q4H": 6.0, "Q6H": 4.0, "Q8H": 3.0, "Q12H": 2.0}
_UNSURE = re.compile(r"taper|as directed|as needed|\bprn\b|\bsos\b|titrat|decreas|reduce|then\b|wean|减量|遵医嘱|必要时", re.I)


def mg_per_day(dosages: Any) -> float | None:
    """Several dosages add up only where they are marked as given together; a sequence is a taper."""
    lines = list(many(dosages))
    if not lines or (len(lines) > 1 and len({line.get("sequence") for line in lines} | {None}) != 2):
        return None
    if len(lines) > 1 and any(line.get("sequence") is None for line in lines):
        return None
    total = 0.0
    for line in lines:
        amount = _line(line)
        if amount is None:
            return None
        total += amount
    return round(total, 6)


def _line(dosage: Json) -> float | None:
    if dosage.get("asNeededBoolean") is True or dosage.get("asNeededCodeableConcept") is not None:
        return None
    if any(_UNSURE.search(dosage.get(field) or "") for field in ("text", "patientInstruction")):
        return None
    rates = many(dosage.get("doseAndRate"))
    dose = _dose(rates[0]) if len(rates) == 1 else None
    times = _times(dosage.get("timing"))
    return None if dose is None or times is None else dose * times


def _dose(rate: Json) -> float | None:
    quantity = rate.get("doseQuantity")
    if quantity is None or quantity.get("value") is None:
        return None
    factor = _MG.get((quantity.get("code") or quantity.get("unit") or "").lower()) or _MG.get((quantity.get("unit") or "").lower())
    value = as_float(quantity["value"])
    return None if factor is None or value < 0 else value * factor


def _times(timing: Json | None) -> float | None:
    """Doses a day."""
    if timing is None:
        return None
    repeat = timing.get("repeat") or {}
    code = timing.get("code")
    if repeat.get("period") is None:
        codes = {coding.get("code") for coding in code.get("coding") or ()} if code is not None else set()
        known = {_TIMES[name] for name in codes if name in _TIMES}
        return known.pop() if len(known) == 1 else None
    if any(repeat.get(name) is not None for name in ("dayOfWeek", "when", "count", "countMax", "periodMax")):
        return None
    often = repeat.get("frequency", 1)
    if repeat.get("frequencyMax", often) != often:
        return None
    hours = _HOURS.get(repeat.get("periodUnit") or "")
    period = as_float(repeat["period"])
    return None if hours is None or period <= 0 else as_float(often) * 24 / (period * hours)
