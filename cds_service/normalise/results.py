"""value[x] of one result → number in the concept's unit, verdict or class, and the words to show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from cds_service import codes
from cds_service.model.vocabulary import Concept, Mapped
from cds_service.normalise.desk import Desk, Json
from cds_service.normalise.ranges import against, answer, interpretation, unit_of, upper_limit
from cds_service.normalise.values import (
    CLASSED,
    NEGATIVE,
    POSITIVE,
    VIRAL,
    Number,
    Written,
    as_float,
    bounded,
    class_order,
    conversion,
    is_assay,
    is_ifcc,
    ngsp,
    read_class,
    read_grade,
    read_text,
    within,
)
from cds_service.normalise.wording import digits, shown, shown_unit

UNIT, UNREADABLE_VALUE = "unit", "unreadable"
_MAX_SHOWN = 120


class Result(NamedTuple):
    """`number` is in the concept's unit unless `factor` is None: then it is as written and cannot be compared."""

    number: Number | None = None
    unit: str = ""
    factor: float | None = None
    verdict: str | None = None
    code: str | None = None
    problem: str | None = None
    value: str = ""
    note: str = ""
    upper: float | None = None
    upper_text: str = ""


def read_result(desk: Desk, element: Json, concept: Concept, mapped: Mapped, day: int) -> Result | None:
    """One result; None when nothing was measured."""
    quantity = element.get("valueQuantity")
    if quantity is not None and quantity.get("value") is not None:
        if concept.id in CLASSED:
            return _classed(desk, concept, str(quantity["value"]).removesuffix(".0"))
        value, unit, comparator = quantity["value"], unit_of(quantity), quantity.get("comparator")
        floor = min(0.0, concept.plausible[0]) if concept.plausible else 0.0
        found = _measured(concept, mapped, bounded(as_float(value), comparator, floor), unit, shown(value, unit, comparator))
    else:
        other = _other(desk, element, concept, mapped)
        if other is None:
            return None
        found = other
    return _judged(desk, element, concept, mapped, found, day)


def _measured(concept: Concept, mapped: Mapped, number: Number, unit: str, text: str, verdict: str | None = None) -> Result:
    factor = conversion(concept, mapped, unit)
    if factor is None:
        if not is_ifcc(concept, unit):
            return Result(number, unit, None, verdict, None, UNIT, text)
        number = ngsp(number)
        result = Result(number, unit, 1.0, verdict, None, None, f"{text} ({_converted(number)} %)")
    elif factor != 1.0:
        low, high, low_open, high_open = number
        number = low * factor, high * factor, low_open, high_open
        result = Result(number, unit, factor, verdict, None, None, f"{text} ({_converted(number)} {shown_unit(concept.unit)})")
    else:
        result = Result(number, unit, factor, verdict, None, None, text)
    if not within(number, concept.plausible):
        return result._replace(problem=UNREADABLE_VALUE, note="implausible")
    return result


def _converted(number: Number) -> str:
    low, high, low_open, high_open = number
    if low == high:
        return digits(low)
    if high == math.inf:
        return f"{'>' if low_open else '>='} {digits(low)}"
    return f"{'<' if high_open else '<='} {digits(high)}" if low <= 0 else f"{digits(low)}–{digits(high)}"


def _other(desk: Desk, element: Json, concept: Concept, mapped: Mapped) -> Result | None:
    """Every shape of a value but the commonest, in the order of what says most."""
    if mapped.code is not None:  # the code itself names the class; a value can only deny it
        return None if _denied(desk, element) else _named(concept, mapped.code, "")
    for field, reader in _SHAPES:
        value = element.get(field)
        if value is not None:
            return reader(desk, concept, mapped, value)
    if element.get("interpretation") is not None and is_assay(concept.unit):
        verdict = interpretation(desk, element, False)
        return Result(verdict=verdict, value=verdict.capitalize()) if verdict else None
    if any(field.startswith("value") and field != "valueQuantity" for field in element):
        return Result(problem=UNREADABLE_VALUE, value="a value of an unusual type")
    return None


def _denied(desk: Desk, element: Json) -> bool:
    if element.get("valueBoolean") is False:
        return True
    text, coded = element.get("valueString"), element.get("valueCodeableConcept")
    if text is not None:
        return read_text(text).result == NEGATIVE
    return coded is not None and any(answer(desk, coding) == NEGATIVE for coding in coded.get("coding") or ())


def _named(concept: Concept, code: str, text: str) -> Result:
    """A class or grade that a code names."""
    if code.isdecimal() and concept.id not in CLASSED:
        grade = float(code)
        return Result((grade, grade, False, False), "", 1.0, value=text or code)
    return Result(code=code, value=text or code)


def _classed(desk: Desk, concept: Concept, text: str) -> Result:
    code = read_class(concept.id, text)
    return Result(code=code, problem=None if code else UNREADABLE_VALUE, value=text.strip()[:_MAX_SHOWN])


def _ratio(desk: Desk, concept: Concept, mapped: Mapped, ratio: Any) -> Result:
    top, bottom = ratio["numerator"], ratio["denominator"]
    above, below = as_float(top["value"]), as_float(bottom["value"])
    comparator = top.get("comparator") or bottom.get("comparator")
    units_given = unit_of(top), unit_of(bottom)
    if above == 1 and is_assay(concept.unit) and all(unit in ("", "1", "{titer}") for unit in units_given):
        sign = f"{comparator} " if comparator else ""
        return _dilution(concept, bounded(below, comparator), f"{sign}1:{bottom['value']}".removesuffix(".0"), None)
    value = above / below
    unit = "/".join(units_given) if all(units_given) else ""
    return _measured(concept, mapped, bounded(value, comparator), unit, shown(digits(value), unit, comparator))


def _dilution(concept: Concept, number: Number, text: str, verdict: str | None) -> Result:
    if not is_assay(concept.unit):
        return Result(problem=UNREADABLE_VALUE, value=text)
    if verdict is None and number[0] == 0:
        verdict = NEGATIVE  # "<1:40": not found at the lowest dilution that was tried
    if concept.unit == "{titer}":
        return Result(number, "{titer}", 1.0, verdict, value=text)
    # Where the question is presence, any dilution at which something reacts is a reaction.
    return Result(verdict=verdict or POSITIVE, problem=None if not concept.unit else UNIT, value=text)


def _integer(desk: Desk, concept: Concept, mapped: Mapped, value: Any) -> Result:
    if concept.id in CLASSED:
        return _classed(desk, concept, str(value))
    return _measured(concept, mapped, bounded(as_float(value), None), "", str(value))


def _text(desk: Desk, concept: Concept, mapped: Mapped, value: Any) -> Result:
    if concept.id in CLASSED:
        return _classed(desk, concept, value)
    shown_text = " ".join(value.split())[:_MAX_SHOWN]
    written = read_text(value)
    if concept.unit == "{score}":
        return _score(concept, mapped, written, shown_text)
    if written.number is not None and written.titre and is_assay(concept.unit):
        return _dilution(concept, written.number, shown_text, written.result)
    if written.number is not None and not written.titre:
        return _measured(concept, mapped, written.number, written.unit, shown_text, written.result)
    if written.result is not None:
        return Result(verdict=written.result, value=shown_text)
    return Result(problem=UNREADABLE_VALUE, value=shown_text)


def _score(concept: Concept, mapped: Mapped, written: Written, text: str) -> Result:
    if written.number is not None and not written.titre:
        result = _measured(concept, mapped, written.number, written.unit, text)
        if result.problem != UNIT:
            return result
    grade = read_grade(text)
    if grade is None:
        return Result(problem=UNREADABLE_VALUE, value=text)
    return _measured(concept, mapped, (grade, grade, False, False), "", text)


def _coded(desk: Desk, concept: Concept, mapped: Mapped, value: Any) -> Result:
    text = value.get("text") or ""
    words = [text] if text else []
    codings = value.get("coding") or ()
    classes: dict[str, str] = {}
    for coding in codings:
        for hit in codes.lookup(desk.vocabulary, coding.get("system"), coding.get("code")):
            if hit.concept == concept.id and hit.code is not None:
                classes[hit.code] = coding.get("display") or ""
    if concept.id in CLASSED and text:
        found = _classed(desk, concept, text)  # words may say more than the code: "IV-S (A/C)"
        if found.code is not None:
            return found
    if classes:  # a mixed class is coded as two
        return _named(concept, "+".join(sorted(classes, key=class_order)), text or " + ".join(filter(None, classes.values())))
    for coding in codings:
        verdict = answer(desk, coding)
        if verdict is not None:
            return Result(verdict=verdict, value=(text or coding.get("display") or verdict.capitalize())[:_MAX_SHOWN])
        if coding.get("display"):
            words.append(coding["display"])
    for word in words:
        result = _text(desk, concept, mapped, word)
        if result.problem != UNREADABLE_VALUE:
            return result
    return Result(problem=UNREADABLE_VALUE, value=(words[0] if words else "a code without words")[:_MAX_SHOWN])


def _flag(desk: Desk, concept: Concept, mapped: Mapped, value: Any) -> Result:
    if not isinstance(value, bool):
        raise TypeError("not true or false")
    return Result(verdict=POSITIVE if value else NEGATIVE, value="Yes" if value else "No")


def _span(desk: Desk, concept: Concept, mapped: Mapped, value: Any) -> Result:
    low, high = value.get("low"), value.get("high")
    bottom = as_float(low["value"]) if low is not None else 0.0
    top = as_float(high["value"]) if high is not None else math.inf
    own = {unit_of(end) for end in (low, high) if end is not None}
    if len(own) != 1 or bottom > top:
        raise ValueError("not a range")
    unit = own.pop()
    text = shown(f"{low['value'] if low is not None else '<='}–{high['value'] if high is not None else '…'}", unit)
    return _measured(concept, mapped, (bottom, top, False, top == math.inf), unit, text)


_SHAPES: tuple[tuple[str, Callable[..., Result]], ...] = (
    ("valueRatio", _ratio),
    ("valueInteger", _integer),
    ("valueString", _text),
    ("valueCodeableConcept", _coded),
    ("valueBoolean", _flag),
    ("valueRange", _span),
)


def _judged(desk: Desk, element: Json, concept: Concept, mapped: Mapped, found: Result, day: int) -> Result:
    """The result with its upper limit and, for an assay, its verdict."""
    upper, upper_text = None, ""
    if found.number is not None and "referenceRange" in element:
        limit = upper_limit(desk, element, concept, mapped, found.unit, found.factor, day)
        if limit is not None:
            upper, upper_text = limit
    if not is_assay(concept.unit):
        return found if upper is None or found.factor is None else found._replace(upper=upper, upper_text=upper_text)
    verdict, problem = found.verdict, found.problem
    if concept.id in VIRAL and found.number is not None:
        verdict = _viral(desk, element, found, found.number)
    elif verdict is None and found.number is not None:
        verdict = against(found.number, upper) if upper is not None else _reacts(concept, found, found.number)
    if verdict is None and "interpretation" in element:
        verdict = interpretation(desk, element, found.number is not None and not concept.unit)
    if problem == UNIT and verdict is not None and (concept.id in VIRAL or not mapped.factors):
        problem = None  # copies do not convert to units and are copies all the same; a test for presence has no unit to be wrong
    if concept.unit in ("", "{titer}") or found.factor is None:
        upper, upper_text = None, ""
    return found._replace(verdict=verdict, problem=problem, upper=upper, upper_text=upper_text)


def _reacts(concept: Concept, found: Result, number: Number) -> str | None:
    """Where the question is presence, a titre is a reaction."""
    if concept.unit or found.unit.strip("{}").lower() not in ("titer", "titre"):
        return None
    return POSITIVE if number[0] > 0 else None


def _viral(desk: Desk, element: Json, found: Result, number: Number) -> str | None:
    """Any number above zero is a virus; "<20" is none only where the laboratory says so."""
    low, high, low_open, _ = number
    if low > 0 or (low_open and low >= 0):
        return POSITIVE
    if high == 0:
        return NEGATIVE
    return found.verdict or (interpretation(desk, element, False) if "interpretation" in element else None)
