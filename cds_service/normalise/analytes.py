"""What a code stands for among what is measured, and what was learnt of it before, from record to record."""

from __future__ import annotations

import math
import sys
from typing import Any

from cds_service import codes
from cds_service.model.vocabulary import Concept, Mapped, Vocabulary
from cds_service.normalise.values import CLASSED, VIRAL, conversion, is_assay
from cds_service.normalise.wording import digits, in_digits, shown_unit

OXYGEN = "inspired_oxygen"
#: Look-ups kept: records hold hundreds of codes, texts and units, and an endless stream of unknown ones must not fill the memory.
_MEMO_LIMIT = 65_536
_UNITS_LIMIT = 256
_VALUES_LIMIT = 512
_RESULTS_LIMIT = 1024
_LONG = 400  #: bytes; a narrative is written once, so there is no use in remembering it
_NO_FACTORS = Mapped("", {})

#: Of a fact: low, high, low_open, high_open, result, code, upper, problem, value, note, upper_text.
Outcome = tuple[float | None, float | None, bool, bool, str | None, str | None, float | None, str | None, str, str, str]
Worded = tuple[float, str]  #: a value in the concept's unit, and the words for it


class Scale:
    """One unit in which results of one analyte come.

    Laboratories give two or three digits, so the same few hundred values come again and again: what they come to is kept.
    Kept by type, as 5 and 5.0 are equal and written differently; what is of neither type is no number.
    """

    __slots__ = ("_analyte", "_words", "factor", "limits", "numbers")

    def __init__(self, analyte: Analyte, factor: float, words: str) -> None:
        self._analyte = analyte
        self._words = f" {words}" if words else ""
        self.factor = factor
        self.numbers: dict[type, dict[float, Worded]] = {float: {}, int: {}}
        self.limits: dict[type, dict[float, Worded]] = {float: {}, int: {}}

    def number(self, value: float) -> Worded | None:
        """A value in the concept's unit, and the words for it; None when it is impossible in a person."""
        number = value * self.factor
        if not self._analyte.low <= number <= self._analyte.high:
            return None
        text = f"{in_digits(value)}{self._words}"
        if self.factor != 1.0:
            text = f"{text} ({digits(number)} {shown_unit(self._analyte.concept.unit)})"
        return _keep(self.numbers[type(value)], value, (number, text))

    def limit(self, value: float) -> Worded | None:
        """An upper limit in the concept's unit, and as sent."""
        if not math.isfinite(value):
            return None
        return _keep(self.limits[type(value)], value, (value * self.factor, f"{in_digits(value)}{self._words}"))


def _keep(memo: dict[float, Worded], value: float, found: Worded) -> Worded:
    if value and len(memo) < _VALUES_LIMIT:
        memo[value] = found  # but for zero: 0.0 and -0.0 are equal, too
    return found


class Analyte:
    """One observation concept as one code names it: what reading its results needs, worked out once."""

    __slots__ = ("assay", "concept", "formula", "high", "id", "keeps_limit", "low", "mapped", "number", "results", "scales")

    def __init__(self, concept: Concept, mapped: Mapped) -> None:
        self.concept = concept
        self.mapped = mapped
        self.id = concept.id
        self.formula = mapped.formula
        self.low, self.high = concept.plausible or (-sys.float_info.max, sys.float_info.max)
        #: A number is all there is to ask: no class, no verdict of its own, no share of oxygen.
        self.number = concept.id not in CLASSED and concept.id not in VIRAL and concept.id != OXYGEN
        self.assay = is_assay(concept.unit)
        self.keeps_limit = concept.unit not in ("", "{titer}")
        #: unit as sent -> what it is worth
        self.scales: dict[str, Scale] = {}
        #: value and range as sent -> what they come to, where that is the same for every patient
        self.results: dict[bytes, Outcome] = {}

    def scale(self, unit: object) -> Scale | None:
        """What a unit is worth in the concept's own; None when it does not convert."""
        if type(unit) is not str:
            return None
        found = self.scales.get(unit)
        if found is None:
            factor = conversion(self.concept, self.mapped, unit)
            if factor is None:
                return None
            found = Scale(self, factor, shown_unit(unit))
            if len(self.scales) < _UNITS_LIMIT:
                self.scales[unit] = found
        return found

    def remember(self, result: bytes, outcome: Outcome) -> None:
        if len(self.results) >= _RESULTS_LIMIT:
            self.results.clear()
        if len(result) <= _LONG:
            self.results[result] = outcome


class Analytes:
    """Those of one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._coded: dict[tuple[Any, Any], tuple[Analyte, ...]] = {}
        #: Texts that name nothing that is measured.
        self._silent: set[str] = {""}
        #: Observation.code as sent -> the analytes that it names
        self.sent: dict[bytes, tuple[Analyte, ...]] = {}
        self._named: dict[str, tuple[Analyte, ...]] = {}

    def of_code(self, system: Any, code: Any) -> tuple[Analyte, ...]:
        """The observation concepts of one code, each once."""
        found = self._coded.get((system, code))
        if found is None:
            hits: dict[str, Analyte] = {}
            for mapped in codes.lookup(self.vocabulary, system, code):
                concept = self.vocabulary.concepts.get(mapped.concept)
                if concept is not None and concept.kind == "observation" and concept.id not in hits:
                    hits[concept.id] = Analyte(concept, mapped)
            found = tuple(hits.values())
            if len(self._coded) >= _MEMO_LIMIT:
                self._coded.clear()
            self._coded[system, code] = found
        return found

    def of_text(self, text: str) -> tuple[Analyte, ...]:
        """The observation concept that a name stands for."""
        if text in self._silent:
            return ()
        found = self._named.get(text)
        if found is None:
            concept = self.vocabulary.concepts.get(self.vocabulary.synonyms.get(codes.plain_text(text), ""))
            if concept is None or concept.kind != "observation":
                if len(self._silent) >= _MEMO_LIMIT:
                    self._silent.clear()
                self._silent.add(text)
                return ()
            if len(self._named) >= _MEMO_LIMIT:
                self._named.clear()
            found = self._named[text] = (Analyte(concept, _NO_FACTORS),)
        return found


_kept: list[Analytes] = []


def analytes_of(vocabulary: Vocabulary) -> Analytes:
    """The analytes of the vocabulary in use; a process has one vocabulary, so one is kept."""
    kept = _kept[0] if _kept else None
    if kept is None or kept.vocabulary is not vocabulary:
        kept = Analytes(vocabulary)
        _kept[:] = [kept]
    return kept
