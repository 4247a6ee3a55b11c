"""Values and limits in words: a value as recorded, what a criterion asks of it. The caller's `Ink` sets the type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cds_service.dates import NBSP
from cds_service.model.facts import Evidence
from cds_service.model.outcomes import Outcome
from cds_service.words import BLANK, clean, date_words
from cds_service.words.asked import Need, asked, need_of

#: A note on a value. An upper limit without its unit is not shown: the value beside it may be in another.
BARE = re.compile(r"upper limit \d[\d.e+-]*")
_COMPARED = {"<": "below", ">": "above", "<=": "at most", "≤": "at most", ">=": "at least", "≥": "at least"}
_GROUPED, _PLAIN = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?"), re.compile(r"\d+(\.\d+)?")
_AMOUNT = re.compile(r"(?P<sign>[<>]=?|[≤≥])?\s*(?P<number>\d+(?:[.,]\d+)*)(?P<unit>(?:\s|[^\d\s:.,/-]).*)?")


class Ink(NamedTuple):
    """How the words are set: words from a record, a value that should stand out, and words of the rules, which alone may be kept."""

    text: Callable[[str], str]
    strong: Callable[[str], str]
    own: Callable[[str], str] = clean


class Amount(NamedTuple):
    """A value as recorded, taken apart: `> 60 mL/min` is above, 60, mL/min."""

    sign: str
    digits: str
    unit: str

    @property
    def words(self) -> str:
        return f"{_COMPARED[self.sign]}{NBSP}{self.digits}" if self.sign else self.digits

    @property
    def number(self) -> float | None:
        plain = self.digits.replace(",", "") if _GROUPED.fullmatch(self.digits) else self.digits
        return float(plain) if _PLAIN.fullmatch(plain) else None


def amount(value: str) -> Amount | None:
    """None for a value that is no number with a unit: `positive`, `1:160`, `III`."""
    found = _AMOUNT.fullmatch(clean(value, 60))
    if not found:
        return None
    sign, digits, unit = found.groups("")
    return Amount(sign, digits, unit.strip(BLANK).replace(" ", NBSP) if unit else "")


def is_amount(value: str) -> bool:
    return _AMOUNT.fullmatch(clean(value, 60)) is not None


def is_result(evidence: Evidence) -> bool:
    return "Observation/" in evidence.reference


def value_words(ink: Ink, evidence: Evidence) -> str:
    found = amount(evidence.value)
    if found is None:
        return ink.strong(clean(evidence.value, 60)) if evidence.value else "no value"
    return _amount_words(ink, found)


def _amount_words(ink: Ink, found: Amount) -> str:
    return ink.strong(found.words) + (NBSP + ink.text(found.unit) if found.unit else "")


def dated(ink: Ink, evidence: Evidence, computed: bool = False) -> str:
    said = day_words(ink, evidence.date) if evidence.date else "no date"
    return f" ({said}, computed)" if computed else f" ({said})"


def day_words(ink: Ink, text: str) -> str:
    """A date as it was recorded, in words; what is no date stays as it is, and needs care."""
    return date_words(text) or ink.text(clean(text, 40))


_KIND = re.compile(r" \((?:order|statement|administration|dispense)\)$")
_VERBS = {
    "MedicationRequest/": "prescribed",
    "MedicationStatement/": "listed",
    "MedicationAdministration/": "given",
    "MedicationDispense/": "dispensed",
}


def shown(ink: Ink, evidence: Evidence, computed: bool = False) -> str:
    """One fact: value and date. An order is said to be prescribed, never taken. Nothing about the person."""
    if "Patient/" in evidence.reference:  # age and sex are on the screen; a birth date must not be on a card
        return ""
    if is_result(evidence):
        return value_words(ink, evidence) + dated(ink, evidence, computed)
    text = ink.text(_KIND.sub("", clean(evidence.value, 60)))  # the verb says what kind of entry it is
    for kind, verb in _VERBS.items():
        if kind in evidence.reference:
            when = f" {day_words(ink, evidence.date)}" if evidence.date else ""
            how = f" ({ink.text(clean(evidence.note, 80))})" if evidence.note not in ("", verb) else ""
            return f"{text}{when}{how}" if verb in text else f"{text}, {verb}{when}{how}"
    return text + (f" ({day_words(ink, evidence.date)})" if evidence.date else "")


def fact_words(ink: Ink, outcome: Outcome, names: Mapping[str, str], most: int = 3) -> str:
    """What decided a criterion: `eGFR **52** mL/min/1.73 m² (18 Oct 2026); needs at least 45`. Empty when nothing on record did."""
    used = [e for e in outcome.finding.evidence if e.used and "Patient/" not in e.reference]
    if not used:
        return ""
    criterion, computed = outcome.criterion, outcome.finding.basis == "computed"
    name = ink.own(asked(criterion).start)
    first = used[0]
    if len(used) > 1 or not is_result(first):
        return f"{name}: {'; '.join([test_name(ink, e, names) + shown(ink, e, computed) for e in used[:most]])}"
    found = amount(first.value)
    alone = need_of(outcome)  # the criterion asks one thing of one test, so its name is the test's name
    need = (need_of(outcome, first.concept) if first.concept else alone) if found else None
    value = (_amount_words(ink, found) if found else value_words(ink, first)) + dated(ink, first, computed)
    tail = f"; needs {needs_words(ink, need, found.unit, first.note)}" if found and need else ""
    test = test_name(ink, first, names) if asked(criterion).several or (alone is None and found) else ""
    if test or (alone is None and found):
        return f"{name}: {test}{value}{tail}"
    return f"{name} {value}{tail}" if criterion.short else f"{name}: {value}"  # a label names the limit itself


def needs_words(ink: Ink, need: Need, beside: str, note: str = "") -> str:
    """An upper limit is a value of the record; without one the words are the trial's."""
    return (ink.text if need.times else ink.own)(need.words(beside, note))


def test_name(ink: Ink, evidence: Evidence, names: Mapping[str, str]) -> str:
    """`eGFR `: what was measured, where the evidence says so and it has a name."""
    return f"{ink.own(names[evidence.concept])} " if is_result(evidence) and evidence.concept in names else ""
