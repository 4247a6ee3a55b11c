"""The commonest results, read in one go from what was sent. Whatever is not plain is left to the full reader in `observation`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

import orjson
from msgspec import UNSET, Raw, UnsetType

from cds_service import dates
from cds_service.model.facts import Observation
from cds_service.model.sent import SentObservation, as_json, decoded
from cds_service.normalise.analytes import OXYGEN, Analyte, Outcome, Scale, Worded
from cds_service.normalise.desk import UNREADABLE, Desk, Json
from cds_service.normalise.ranges import UCUM, unit_of, upper_limit
from cds_service.normalise.results import Result, read_result
from cds_service.normalise.values import NEGATIVE, POSITIVE

DECIDING = frozenset({"final", "amended", "corrected"})
_FOR_ALL = frozenset({"high", "low", "text"})  #: parts of a range that is not for some patients only
_MOST_CODES = 65_536
_LONGEST_CODE = 2_000  #: bytes

When = tuple[int, int, str, str]  #: first day, last day, date and time as written
#: The facts of a record are thousands of tuples; the named constructor takes twice as long as the plain one.
_made = tuple.__new__


def left_over(desk: Desk, results: Iterable[SentObservation]) -> Iterator[Json]:
    """Reads the plain ones among the results and yields the others as JSON, in their order.

    Two thirds of a record name nothing that we know: for a code met before, that costs one look-up.
    Never decides that something is wrong.
    """
    known = desk.analytes.sent
    mine: dict[bytes, bool] = {}
    idle: list[bytes] = []
    for each in results:
        taken = False
        try:
            code = bytes(each.code)  # type: ignore[arg-type]  # one without a code is no such thing, and goes the long way
            named = known.get(code)
            if named is None:
                named = _learn(desk, code)
            if each.component is UNSET:
                if not named:
                    idle.append(code)
                    taken = True
                elif len(named) == 1:
                    taken = _read(desk, named[0], each, mine)
        except UNREADABLE:
            taken = False  # the full reader finds out what is wrong
        if not taken:
            yield as_json(each)
    for code, times in Counter(idle).items():
        desk.note_unmapped(orjson.loads(code), times)


def _learn(desk: Desk, code: bytes) -> tuple[Analyte, ...]:
    """What a code stands for, remembered as it was sent: a laboratory writes each test in one way. Raises what using a wrong shape raises."""
    codeable: Json = orjson.loads(code)
    named = targets_of(desk, codeable)
    known = desk.analytes.sent
    if len(known) >= _MOST_CODES:
        known.clear()
    if len(code) <= _LONGEST_CODE:
        known[code] = named
    return named


def targets_of(desk: Desk, code: Json) -> tuple[Analyte, ...]:
    """What an analyte code stands for: the first coding that names an observation decides."""
    analytes = desk.analytes
    for coding in code.get("coding") or ():
        found = analytes.of_code(coding.get("system"), coding.get("code"))
        if found:
            return found
    text = code.get("text")
    return analytes.of_text(text) if text else ()


def _read(desk: Desk, analyte: Analyte, sent: SentObservation, mine: dict[bytes, bool]) -> bool:
    if sent.status not in DECIDING or sent.focus is not UNSET or type(sent.effectiveDateTime) is not str:
        return False
    subject = bytes(sent.subject)  # type: ignore[arg-type]  # without one: the long way
    known = mine.get(subject)
    if known is None:
        mine[subject] = known = desk.is_mine(orjson.loads(subject)["reference"])
    first, last, date, time = written(sent.effectiveDateTime)
    if not known or last > desk.as_of:
        return False
    value_sent, limits = sent.valueQuantity, sent.referenceRange
    if value_sent is UNSET:
        outcome = _answered(desk, analyte, sent, last)
    else:
        key = bytes(value_sent) if limits is UNSET else b"%b %b" % (value_sent, limits)
        outcome = analyte.results.get(key) or _number(desk, analyte, sent, key, last)
    if outcome is None:
        return False
    low, high, low_open, high_open, result, code, upper, problem, value, note, upper_text = outcome
    fact = _made(
        Observation,
        (
            analyte.id, f"Observation/{sent.id}", first, last, low, high, low_open, high_open, result, code, upper, analyte.formula,
            None, False, problem, False, time, date, value, note, upper_text,
        ),
    )  # fmt: skip
    rows = desk.observations.get(analyte.id)
    if rows is None:
        desk.observations[analyte.id] = [fact]
    else:
        rows.append(fact)
    return True


def _number(desk: Desk, analyte: Analyte, sent: SentObservation, key: bytes, day: int) -> Outcome | None:
    """What value and range come to, remembered where it is the same for every patient."""
    element: Json = {"valueQuantity": decoded(sent.valueQuantity)}  # type: ignore[arg-type]  # it is there
    limits = sent.referenceRange
    if limits is not UNSET:
        element["referenceRange"] = decoded(limits)
    outcome = _measured(desk, analyte, element, day)
    if outcome is not None and (limits is UNSET or _for_all(element["referenceRange"])):
        analyte.remember(key, outcome)
    return outcome


def _for_all(ranges: list[Json]) -> bool:
    return not ranges or (len(ranges) == 1 and ranges[0].keys() <= _FOR_ALL)


@lru_cache(maxsize=8192)
def written(text: str) -> When:
    """A FHIR date or dateTime: its days, the date and the time as written. Raises ValueError."""
    first, last = dates.interval(text)
    return first, last, text[:10], text if len(text) > 10 else ""


def measured(desk: Desk, analyte: Analyte, element: Json, reference: str, when: When) -> Observation | None:
    """The fact that `_measured` finds, if any."""
    outcome = _measured(desk, analyte, element, when[1])
    return None if outcome is None else fact_of(analyte, outcome, reference, when)


def _measured(desk: Desk, analyte: Analyte, element: Json, day: int) -> Outcome | None:
    """A possible number in a unit that converts, of which nothing else needs to be asked.

    None, or any fault at all, for every other, not only for bad ones: then `read_result` has the word.
    """
    quantity = element["valueQuantity"]
    unit = quantity.get("code")
    if unit is None or quantity.get("system") != UCUM:
        unit = unit_of(quantity)
    scale = analyte.scales.get(unit) or analyte.scale(unit)
    if scale is None or "comparator" in quantity or not analyte.number:
        return None
    value = quantity["value"]
    met = scale.numbers.get(type(value))
    found = None if met is None else met.get(value) or scale.number(value)
    if found is None:
        return None
    number, text = found
    result = upper = None
    upper_text = ""
    ranges = element.get("referenceRange")
    if ranges:
        limit = _limit(ranges, unit, scale) or upper_limit(desk, element, analyte.concept, analyte.mapped, unit, scale.factor, day)
        if limit is not None:
            if analyte.assay:  # its verdict is the side of the limit on which the value lies
                result = POSITIVE if number > limit[0] else NEGATIVE
            if analyte.keeps_limit:
                upper, upper_text = limit
    if analyte.assay and result is None:
        return None
    return number, number, False, False, result, None, upper, None, text, "", upper_text


def _limit(ranges: list[Json], unit: str, scale: Scale) -> Worded | None:
    """The upper limit where there is one range, for everybody, in the unit of the value."""
    if not _for_all(ranges):
        return None
    high = ranges[0].get("high")
    if high is None:
        return None
    if (high.get("code") != unit or high.get("system") != UCUM) and unit_of(high) not in ("", unit):
        return None
    value = high["value"]
    met = scale.limits.get(type(value))
    return None if met is None else met.get(value) or scale.limit(value)


def _answered(desk: Desk, analyte: Analyte, sent: SentObservation, day: int) -> Outcome | None:
    """An answer in words or as a code, when nothing stands beside it that could change it."""
    if analyte.id == OXYGEN or sent.interpretation is not UNSET or sent.referenceRange is not UNSET or sent.valueBoolean is not UNSET:
        return None
    value: Raw | UnsetType
    if sent.valueString is not UNSET and sent.valueCodeableConcept is UNSET:
        field, value = "valueString", sent.valueString
    elif sent.valueCodeableConcept is not UNSET and sent.valueString is UNSET:
        field, value = "valueCodeableConcept", sent.valueCodeableConcept
    else:
        return None
    if _others(sent):
        return None
    key = b"answer " + bytes(value)  # no quantity begins so
    outcome = analyte.results.get(key)
    if outcome is None:
        result = read_result(desk, {field: decoded(value)}, analyte.concept, analyte.mapped, day)
        if result is None:
            return None
        outcome = outcome_of(result, result.code)
        analyte.remember(key, outcome)
    return outcome


def _others(sent: SentObservation) -> bool:
    """Whether a value of a rarer kind stands there, too."""
    return any(value is not UNSET for value in (sent.valueInteger, sent.valueRange, sent.valueRatio))


def outcome_of(result: Result, code: str | None) -> Outcome:
    """What a result says of itself; a number that cannot be compared is not held. Raises TypeError where its words are none."""
    if type(result.value) is not str:
        raise TypeError("a list in place of a text")  # evidence is looked up by its words
    number = result.number
    if number is None or result.factor is None or result.problem is not None:
        low, high, low_open, high_open = None, None, False, False
    else:
        low, high, low_open, high_open = number
    return low, high, low_open, high_open, result.verdict, code, result.upper, result.problem, result.value, result.note, result.upper_text


def fact_of(analyte: Analyte, outcome: Outcome, reference: str, when: When) -> Observation:
    """The fact that a result of one analyte is."""
    low, high, low_open, high_open, result, code, upper, problem, value, note, upper_text = outcome
    first, last, date, time = when
    return Observation(
        analyte.id, reference, first, last, low, high, low_open, high_open, result, code, upper, analyte.formula,
        None, False, problem, False, time, date, value, note, upper_text,
    )  # fmt: skip
