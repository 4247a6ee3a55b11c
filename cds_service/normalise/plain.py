"""The commonest results, read in one go. Whatever is not plain is left, untouched, to the full reader in `observation`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from cds_service import dates
from cds_service.model.facts import Observation
from cds_service.normalise.analytes import OXYGEN, Analyte, Scale, Worded
from cds_service.normalise.desk import UNREADABLE, Desk, Json
from cds_service.normalise.ranges import UCUM, unit_of, upper_limit
from cds_service.normalise.results import Result, read_result
from cds_service.normalise.values import NEGATIVE, POSITIVE

DECIDING = frozenset({"final", "amended", "corrected"})
#: Fields that an answer in words is read by: it is plain when it has one of them alone.
_SAYING = frozenset(
    {"valueQuantity", "valueRatio", "valueInteger", "valueString", "valueCodeableConcept", "valueBoolean", "valueRange"}
    | {"interpretation", "referenceRange"}
)
_STRING, _CODED = {"valueString"}, {"valueCodeableConcept"}
_FOR_ALL = frozenset({"high", "low", "text"})  #: parts of a range that is not for some patients only
_LONG = 80  #: characters; a narrative is written once, so there is no use in remembering it

When = tuple[int, int, str, str]  #: first day, last day, date and time as written
#: The facts of a record are thousands of tuples; the named constructor takes twice as long as the plain one.
_made = tuple.__new__


def left_over(desk: Desk, resources: Iterable[Json]) -> Iterator[Json]:
    """Reads the plain ones among the resources and yields the others, in their order.

    Two thirds of a record name nothing that we know: for a code met before in it, that costs one look-up.
    Never decides that something is wrong.
    """
    single, silent, idle = desk.analytes.single, desk.analytes.silent, desk.idle
    for resource in resources:
        taken = False
        try:
            if resource["resourceType"] == "Observation":
                code = resource["code"]
                codings = code["coding"]
                coding = codings[0]
                met = idle.get(coding["code"])
                if met is None:
                    analyte = single.get((coding["system"], coding["code"]))
                    taken = analyte is not None and _read(desk, analyte, resource)
                elif met[0] == coding["system"] and len(codings) == 1 and "component" not in resource:
                    text = code.get("text")
                    if text == met[1] or text in silent:
                        met[2].append(code)
                        taken = True
        except UNREADABLE:
            taken = False  # the full reader finds out what is wrong
        if not taken:
            yield resource


def _read(desk: Desk, analyte: Analyte, resource: Json) -> bool:
    if resource["status"] not in DECIDING or not desk.mine.get(resource["subject"]["reference"]) or "component" in resource or "focus" in resource:
        return False
    when = written(resource["effectiveDateTime"])
    if when[1] > desk.as_of:
        return False
    reference = f"Observation/{resource['id']}"
    fact = measured(desk, analyte, resource, reference, when) if "valueQuantity" in resource else _answered(desk, analyte, resource, reference, when)
    if fact is None:
        return False
    rows = desk.observations.get(analyte.id)
    if rows is None:
        desk.observations[analyte.id] = [fact]
    else:
        rows.append(fact)
    return True


@lru_cache(maxsize=8192)
def written(text: str) -> When:
    """A FHIR date or dateTime: its days, the date and the time as written. Raises ValueError."""
    first, last = dates.interval(text)
    return first, last, text[:10], text if len(text) > 10 else ""


def measured(desk: Desk, analyte: Analyte, element: Json, reference: str, when: When) -> Observation | None:
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
        limit = _limit(ranges, unit, scale) or upper_limit(desk, element, analyte.concept, analyte.mapped, unit, scale.factor, when[1])
        if limit is not None:
            if analyte.assay:  # its verdict is the side of the limit on which the value lies
                result = POSITIVE if number > limit[0] else NEGATIVE
            if analyte.keeps_limit:
                upper, upper_text = limit
    if analyte.assay and result is None:
        return None
    return _made(
        Observation,
        (
            analyte.id, reference, when[0], when[1], number, number, False, False, result, None, upper, analyte.formula,
            None, False, None, False, when[3], when[2], text, "", upper_text,
        ),
    )  # fmt: skip


def _limit(ranges: list[Json], unit: str, scale: Scale) -> Worded | None:
    """The upper limit where there is one range, for everybody, in the unit of the value."""
    if len(ranges) > 1:
        return None
    part = ranges[0]
    high = part.get("high")
    if high is None or (len(part) > 1 and not part.keys() <= _FOR_ALL):
        return None
    if (high.get("code") != unit or high.get("system") != UCUM) and unit_of(high) not in ("", unit):
        return None
    value = high["value"]
    met = scale.limits.get(type(value))
    return None if met is None else met.get(value) or scale.limit(value)


def _answered(desk: Desk, analyte: Analyte, resource: Json, reference: str, when: When) -> Observation | None:
    """An answer in words or as a code that was met before, or is now remembered."""
    if analyte.id == OXYGEN:
        return None
    saying = resource.keys() & _SAYING
    key: tuple[str | None, ...]
    if saying == _STRING:
        key = (resource["valueString"],)
    elif saying == _CODED:
        value = resource["valueCodeableConcept"]
        key = "coded", value.get("text"), *[coding.get(part) for coding in value.get("coding") or () for part in ("system", "code", "display")]
    else:
        return None
    result = analyte.answers.get(key)
    if result is None:
        result = read_result(desk, resource, analyte.concept, analyte.mapped, when[1])
        if result is None or any(word is not None and len(word) > _LONG for word in key):
            return None
        analyte.remember(key, result)
    return stated(analyte, result, reference, when, result.code)


def stated(analyte: Analyte, result: Result, reference: str, when: When, code: str | None) -> Observation:
    """The fact that a result is; a number that cannot be compared is not held."""
    first, last, date, time = when
    number = result.number
    if number is None or result.factor is None or result.problem is not None:
        low, high, low_open, high_open = None, None, False, False
    else:
        low, high, low_open, high_open = number
    return Observation(
        analyte.id, reference, first, last, low, high, low_open, high_open, result.verdict, code, result.upper, analyte.formula,
        None, False, result.problem, False, time, date, result.value, result.note, result.upper_text,
    )  # fmt: skip
