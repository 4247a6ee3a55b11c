"""Reference ranges and interpretations of one result → its upper limit of normal, its verdict."""

from __future__ import annotations

import math
from functools import lru_cache

from cds_service import codes, dates, units
from cds_service.model.vocabulary import Concept, Mapped
from cds_service.normalise.analytes import Worded
from cds_service.normalise.desk import Desk, Json, many, period_unit, words_of
from cds_service.normalise.values import INDETERMINATE, NEGATIVE, POSITIVE, Number, as_float, conversion, read_range, read_text
from cds_service.normalise.wording import shown

#: v3 ObservationInterpretation. A ("abnormal") says nothing of what was found.
_VERDICTS = (
    dict.fromkeys(("POS", "DET", "RR", "WR"), POSITIVE) | dict.fromkeys(("NEG", "ND", "NR"), NEGATIVE) | dict.fromkeys(("IND", "E"), INDETERMINATE)
)
_AGAINST_RANGE = {"H": POSITIVE, "HH": POSITIVE, "HU": POSITIVE, "N": NEGATIVE}


UCUM = "http://unitsofmeasure.org"


def unit_of(quantity: Json) -> str:
    """The coded unit if it is UCUM, else the printed one; "" when there is none."""
    code = quantity.get("code")
    if code is not None and quantity.get("system", UCUM) == UCUM:
        unit = code
    else:
        unit = quantity.get("unit") or ""
    if type(unit) is not str:
        raise TypeError("unit is not a text")
    return unit


@lru_cache(maxsize=1024)
def same_unit(one: str, other: str) -> bool:
    return one == other or units.tidy(one) == units.tidy(other)


def upper_limit(desk: Desk, element: Json, concept: Concept, mapped: Mapped, unit: str, factor: float | None, day: int) -> Worded | None:
    """The upper limit of normal that came with a result, in its unit and as recorded.

    None without one, and where several that fit the patient differ.
    """
    ranges = element.get("referenceRange")
    if not ranges:
        return None
    highs: dict[float, tuple[object, str]] = {}
    for part in many(ranges):
        if len(part) > 1 and not _fits(desk, part, day):
            continue
        high = part.get("high")
        if high is not None and high.get("value") is not None:
            written, limit, own = high["value"], as_float(high["value"]), unit_of(high)
        elif high is None and part.get("low") is None and part.get("text"):
            found = read_range(part["text"])
            if found is None:
                continue
            limit, own = found
            written = int(limit) if limit.is_integer() else limit
        else:
            continue
        if own and not same_unit(own, unit):
            scale = conversion(concept, mapped, own) if concept.unit and factor is not None else None
            if scale is None:
                continue
            limit *= scale
        elif factor is not None:
            limit *= factor
        highs.setdefault(limit, (written, own or unit))
    if len(highs) != 1:
        return None
    ((limit, as_recorded),) = highs.items()
    return limit, shown(*as_recorded)


def _fits(desk: Desk, part: Json, day: int) -> bool:
    """Whether a range is the normal one, for someone like this patient."""
    kind = part.get("type")
    if kind is not None and "normal" not in set(words_of(kind)):
        return False
    groups = part.get("appliesTo")
    if groups and not desk.sex_in({word for group in many(groups) for word in words_of(group)}):
        return False
    age = part.get("age")
    if age is None:
        return True
    born = desk.patient
    if not born.born_first or not day:
        return False
    low, high = age.get("low"), age.get("high")
    oldest_start = _birthday(born.born_last, low) if low is not None else 0
    youngest_end = _birthday(born.born_first, high) if high is not None else day
    return oldest_start <= day <= youngest_end


def _birthday(born: int, age: Json) -> int:
    return dates.shift(born, int(as_float(age["value"])), period_unit(age))


def interpretation(desk: Desk, element: Json, numeric: bool) -> str | None:
    """The verdict in `interpretation`; H and N are one only beside a number that has no unit of its own to judge by."""
    found: set[str] = set()
    for concept in many(element.get("interpretation")):
        before = len(found)
        for coding in concept.get("coding") or ():
            verdict = answer(desk, coding) or _VERDICTS.get(coding.get("code"))
            if verdict is None and numeric:
                verdict = _AGAINST_RANGE.get(coding.get("code"))
            if verdict is not None:
                found.add(verdict)
        if len(found) == before and concept.get("text"):
            verdict = read_text(concept["text"]).result
            if verdict is not None:
                found.add(verdict)
    return found.pop() if len(found) == 1 else None


def answer(desk: Desk, coding: Json) -> str | None:
    """The verdict that one coded answer stands for."""
    system, code = coding.get("system"), coding.get("code")
    if not system or not code:
        return None
    return desk.answers.get((codes.normalise_system(system), code))


def against(number: Number, limit: float) -> str | None:
    """A value wholly on one side of its upper limit."""
    low, high, low_open, _ = number
    if low > limit or (low_open and low >= limit):
        return POSITIVE
    return NEGATIVE if high <= limit and high < math.inf else None
