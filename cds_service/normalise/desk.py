"""What the readers of one record share: whose it is, as of when, and the facts found so far."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from cds_service import codes, dates
from cds_service.model.facts import Condition, Event, Exposure, Fault, Observation, Patient
from cds_service.model.references import names_patient
from cds_service.model.vocabulary import Concept, Mapped, Vocabulary
from cds_service.normalise.analytes import analytes_of

Json = dict[str, Any]  #: a FHIR element as parsed; its types are checked by using them

#: What using an element of the wrong shape raises: the resource is then examined by the full models.
UNREADABLE = (AttributeError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError)


class Nameless(ValueError):
    """A relevant resource does not say whose it is: whoever sent it for this patient may mean this one."""


#: Before anyone alive was born: the start of a period that has none.
LONG_AGO = datetime.date(1900, 1, 1).toordinal()

_MALE = frozenset({"m", "male", "248153007", "männlich", "男"})
_FEMALE = frozenset({"f", "female", "248152002", "weiblich", "女"})


class Desk:
    """One record being read."""

    __slots__ = (
        "_medications", "analytes", "answers", "as_of", "base", "concepts", "conditions", "events", "exposures", "faults", "incomplete", "mine",
        "observations", "patient", "resources", "unmapped", "vocabulary",
    )  # fmt: skip

    def __init__(self, vocabulary: Vocabulary, patient: Patient, as_of: int, resources: Sequence[Json], base: str = "") -> None:
        self.vocabulary = vocabulary
        self.concepts = vocabulary.concepts
        self.analytes = analytes_of(vocabulary)
        self.answers = vocabulary.answers
        self.patient = patient
        self.as_of = as_of
        self.resources = resources
        self._medications: dict[str, Json] | None = None
        identity = patient.reference.partition("/")[2]
        #: References that mean this patient, as they were found so far.
        self.mine: dict[str, bool] = {patient.reference: True, f"urn:uuid:{identity}": True, identity: True}
        self.base = base  #: the FHIR server whose patient this is; "" where none is known
        self.observations: dict[str, list[Observation]] = {}
        self.conditions: dict[str, list[Condition]] = {}
        self.events: dict[str, list[Event]] = {}
        self.exposures: dict[str, list[Exposure]] = {}
        self.faults: list[Fault] = []
        self.incomplete: dict[str, str] = {}  #: lists with an entry that may be anything -> truncated
        #: (system, code) as written that names nothing -> how often, and one place where it stands
        self.unmapped: dict[tuple[Any, Any], tuple[int, Json]] = {}

    # --- whose -----------------------------------------------------------------------------------------------

    def about(self, resource: Json, reference: str, field: str = "subject") -> bool:
        """Whether a relevant resource is about this patient; if not, that is a fault. Raises Nameless where it does not say."""
        if resource.get("focus"):
            self.faults.append(Fault(reference, "is about somebody or something else than the patient (focus)"))
            return False
        subject = resource.get(field)
        named = subject.get("reference") if subject is not None else None
        if named is None:
            self.faults.append(Fault(reference, "names no patient"))
            raise Nameless
        known = self.is_mine(named)
        if not known:
            self.faults.append(Fault(reference, "is about another patient"))
        return known

    def is_mine(self, named: str) -> bool:
        known = self.mine.get(named)
        if known is None:
            known = self.mine[named] = names_patient(named, self.patient.reference.partition("/")[2], self.base)
        return known

    def sex_in(self, words: set[str]) -> bool:
        """Whether a population described in words or codes is this patient's sex."""
        return bool(words & (_MALE if self.patient.sex == "male" else _FEMALE if self.patient.sex == "female" else frozenset()))

    # --- what ------------------------------------------------------------------------------------------------

    def mapped(self, codeable: Json, *kinds: str) -> list[tuple[Concept, Mapped, Json]]:
        """Every concept of these kinds that the codings of a CodeableConcept name, each once, with the coding."""
        found: dict[tuple[str, str | None], tuple[Concept, Mapped, Json]] = {}
        for coding in codeable.get("coding") or ():
            for hit in codes.lookup(self.vocabulary, coding.get("system"), coding.get("code")):
                concept = self.concepts.get(hit.concept)
                if concept is not None and concept.kind in kinds:
                    found.setdefault((concept.id, hit.code), (concept, hit, coding))
        return list(found.values())

    def medication(self, identity: str) -> Json | None:
        """The Medication of this id, if it is in the record. Few records have any, so they are looked for when one is first asked for."""
        if self._medications is None:
            self._medications = {each["id"]: each for each in self.resources if each["resourceType"] == "Medication"}
        return self._medications.get(identity)

    def note_unmapped(self, codeable: Json, times: int = 1) -> None:
        for coding in codeable.get("coding") or ():
            pair = coding.get("system"), coding.get("code")
            count, place = self.unmapped.get(pair, (0, codeable))
            self.unmapped[pair] = count + times, place

    # --- when ------------------------------------------------------------------------------------------------

    def period(self, period: Json) -> tuple[int, int]:
        """First and last day of a Period. One without an end goes on; one without a start began at some time."""
        start, end = period.get("start"), period.get("end")
        first = dates.interval(start)[0] if start is not None else 0
        last = dates.interval(end)[1] if end is not None else 0
        if first and last and last < first:
            raise ValueError("period ends before it starts")
        if first and not last:
            return first, max(first, self.as_of)
        return (LONG_AGO if last and not first else first), last

    def at_age(self, low: Json | None, high: Json | None) -> tuple[int, int]:
        """Days at which the patient was of an age, or between two; 0, 0 where the birth date is unknown."""
        born = self.patient
        if not born.born_first:
            return 0, 0
        first = _later(born.born_first, low, 0) if low is not None else born.born_first
        last = _later(born.born_last, high, 1) - 1 if high is not None else self.as_of
        return first, max(first, last)


_AGE_UNITS = {
    "a": "years", "year": "years", "years": "years", "yr": "years", "y": "years", "mo": "months", "month": "months", "months": "months",
    "wk": "weeks", "week": "weeks", "weeks": "weeks", "d": "days", "day": "days", "days": "days",
}  # fmt: skip


def period_unit(quantity: Json) -> str:
    """The calendar unit of an Age or Duration."""
    return _AGE_UNITS[str(quantity.get("code") or quantity.get("unit") or "").lower()]


def _later(day: int, age: Json, more: int) -> int:
    value = age["value"]
    if isinstance(value, bool):
        raise ValueError("not a number")
    return dates.shift(day, int(value) + more, period_unit(age))


def words_of(codeable: Any) -> Iterator[str]:
    """Codes, displays and text of a CodeableConcept in lower case; a plain string is taken for a code."""
    if isinstance(codeable, str):
        yield codeable.lower()
        return
    for coding in codeable.get("coding") or ():
        for field in ("code", "display"):
            word = coding.get(field)
            if word is not None:
                yield word.lower()
    if codeable.get("text") is not None:
        yield codeable["text"].lower()


def many(element: Any) -> Any:
    """A repeating element; some systems send one where a list belongs."""
    return () if element is None else element if isinstance(element, list) else (element,)


def label(codeable: Json, coding: Json, fallback: str) -> str:
    """Words for the reader: the record's own before ours."""
    text = codeable.get("text") or coding.get("display") or fallback
    return " ".join(str(text).replace("\u200b", "").split())[:160]


def readable_codings(resource: Json) -> list[Json]:
    """Every well-formed coding of what a resource is about, however broken the rest: what makes it relevant."""
    found: list[Json] = []
    for field in ("code", "vaccineCode", "medicationCodeableConcept", "component", "conclusionCode", "contained"):
        for element in many(resource.get(field)):
            codeable = element.get("code") if field in ("component", "contained") and isinstance(element, dict) else element
            if not isinstance(codeable, dict):
                continue
            for coding in many(codeable.get("coding")):
                if isinstance(coding, dict) and isinstance(coding.get("system"), str) and isinstance(coding.get("code"), str):
                    found.append(coding)
    return found
