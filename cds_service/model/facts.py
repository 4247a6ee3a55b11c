"""What is known about one patient on one day. Days are proleptic ordinals (`date.toordinal()`).

Facts are named tuples, not dataclasses: a hook call builds hundreds of them and a frozen
dataclass costs four times as much to make (docs/decisions/0003-facts-are-tuples.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from cds_service.dates import interval, iso
from cds_service.model.sent import SentObservation

#: Why a list could not be read whole.
UNAVAILABLE = "unavailable"
TRUNCATED = "truncated"

_made = tuple.__new__  # the named constructor takes twice as long, and hundreds of these are made a call


class Evidence(NamedTuple):
    """One fact as the reader sees it: where it stands, when, and the value as it was recorded."""

    reference: str
    date: str
    value: str
    used: bool = True
    note: str = ""
    concept: str = ""  #: what was measured, where the reader must be told which of several tests this is


class Observation(NamedTuple):
    """One measured or scored value.

    `low`..`high` is the value in the concept's canonical unit; a comparator makes it an interval
    (`>60` is 60..inf, open at 60). No number: both None. `first`..`last` is the day as an
    interval (a partial date is wide); an undated value has `first` = `last` = 0.
    """

    concept: str
    reference: str
    first: int
    last: int
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    result: str | None = None  #: positive | negative | indeterminate
    code: str | None = None  #: a class: "III", "IV-S (A/C)", NYHA "II"
    upper: float | None = None  #: upper limit of normal given with this value, canonical unit
    formula: str | None = None  #: ckd-epi-2021, ckd-epi-2009, ckd-epi-cr-cys, mdrd, schwartz, cockcroft-gault, measured
    alternate: float | None = None  #: computed eGFR only: the same creatinine by CKD-EPI 2009
    computed: bool = False
    problem: str | None = None  #: unit | unreadable | method: recorded, but cannot decide
    on_oxygen: bool = False
    time: str = ""  #: the instant as recorded, "" if only a day is known
    date: str = ""  #: the day as recorded: 2026-10-18, 2026-10, 2026
    value: str = ""  #: as recorded, for the reader: "52 mL/min/1.73 m²"
    note: str = ""
    upper_text: str = ""  #: the upper limit of normal as recorded: "21 µmol/L"

    def evidence(self, used: bool = True, note: str = "") -> Evidence:
        return _made(Evidence, (self.reference, self.date, self.value, used, note or self.note, self.concept))


class Condition(NamedTuple):
    """One diagnosis, allergy or status code. One resource may give several (one a concept)."""

    concept: str
    reference: str
    status: str  #: active | recurrence | relapse | remission | resolved | inactive
    certain: bool = True  #: False for provisional, differential, unconfirmed
    listed: str = "problem"  #: problem | encounter | report | allergy
    first: int = 0  #: onset, earliest day; 0: unknown, any time before `last`
    last: int = 0  #: onset, latest day; 0: undated altogether
    dated: bool = False  #: an onset was recorded (recordedDate alone is not one)
    ended_first: int = 0  #: abatement, earliest day; 0: none recorded
    ended_last: int = 0
    severe: bool = False  #: allergy: criticality high or a severe reaction
    date: str = ""
    value: str = ""

    def evidence(self, used: bool = True, note: str = "") -> Evidence:
        return _made(Evidence, (self.reference, self.date, self.value, used, note, ""))


class Event(NamedTuple):
    """Something that was done: a procedure, a biopsy report, an immunisation."""

    concept: str
    reference: str
    first: int = 0  #: 0: undated
    last: int = 0
    planned: bool = False
    date: str = ""
    value: str = ""
    told_by: str = ""  #: a diagnosis that tells it less than surely: "encounter diagnosis", "not confirmed"

    def evidence(self, used: bool = True, note: str = "") -> Evidence:
        return _made(Evidence, (self.reference, self.date, self.value, used, note, ""))


class Exposure(NamedTuple):
    """One course of one drug as one resource tells it. Ends are known minimum .. possible maximum."""

    drug: str
    reference: str
    kind: str  #: order | statement | administration | dispense
    start_first: int = 0  #: 0: undated
    start_last: int = 0
    end_first: int = 0
    end_last: int = 0
    ongoing: bool = False  #: active without an end: runs to the as-of date
    mg_per_day: float | None = None
    date: str = ""
    value: str = ""
    planned_first: int = 0  #: an end after the as-of day, as planned; 0: none
    planned_last: int = 0

    def evidence(self, used: bool = True, note: str = "") -> Evidence:
        return _made(Evidence, (self.reference, self.date, self.value, used, note, ""))


class Fault(NamedTuple):
    """A resource that could not be used: reference and why, never its values."""

    reference: str
    why: str


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A code on record that no concept names, with how often it stands there."""

    system: str
    code: str
    display: str
    count: int


@dataclass(frozen=True, slots=True)
class Patient:
    """Birth is an interval of days; 0..0 when unknown. Sex as recorded for administration."""

    reference: str
    born_first: int = 0
    born_last: int = 0
    sex: str | None = None  #: female | male | None
    deceased: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known about a patient as of a day. Lists are sorted newest first.

    `incomplete` names the lists that were not read whole: list name -> unavailable | truncated.
    """

    patient: Patient
    as_of: int
    observations: Mapping[str, list[Observation]] = field(default_factory=dict)
    conditions: Mapping[str, list[Condition]] = field(default_factory=dict)
    events: Mapping[str, list[Event]] = field(default_factory=dict)
    exposures: Mapping[str, list[Exposure]] = field(default_factory=dict)
    incomplete: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()


def later(facts: Facts, day: int) -> Facts:
    """The same record read on a later day, if nothing is added to it: what goes on, goes on, and "in 2026" may have been any day until then."""
    today = facts.as_of

    def course(e: Exposure) -> Exposure:
        e = e._replace(start_last=_until(e.start_first, e.start_last, e.date, today, day))
        if e.planned_last:
            return e._replace(end_first=min(e.planned_first, day), end_last=min(e.planned_last, day), ongoing=e.ongoing and e.planned_last >= day)
        return e._replace(end_first=day, end_last=day) if e.ongoing else e

    def diagnosis(c: Condition) -> Condition:
        ended = _until(c.ended_first, c.ended_last, _vague(c.ended_first, today), today, day)
        return c._replace(last=_until(c.first, c.last, c.date, today, day), ended_last=ended)

    def dated(row: _Dated) -> _Dated:
        return row._replace(last=_until(row.first, row.last, row.date, today, day))

    return replace(
        facts,
        as_of=day,
        observations={concept: [dated(row) for row in rows] for concept, rows in facts.observations.items()},
        conditions={concept: [diagnosis(row) for row in rows] for concept, rows in facts.conditions.items()},
        events={concept: [dated(row) for row in rows] for concept, rows in facts.events.items()},
        exposures={drug: [course(e) for e in courses] for drug, courses in facts.exposures.items()},
    )


_Dated = TypeVar("_Dated", Observation, Event)
_LONG_AGO = 693_596  #: 1900-01-01, where reading begins what is known only to be no later than another day


def _until(first: int, last: int, date: str, today: int, day: int) -> int:
    """The latest day of a date that reading cut at `today`: a year, a month, or a period without an end."""
    if last != today or not last:
        return last
    if len(date) in (4, 7):
        return min(max(interval(date)[1], last), day)
    return day if _LONG_AGO < first < last else last


def _vague(first: int, today: int) -> str:
    """The year or month that an interval from `first` to `today` was cut from; the words of an end are not kept."""
    if not 0 < first < today:
        return ""
    start, now = iso(first), iso(today)
    return start[:4] if start[5:] == "01-01" else start[:7] if start[8:] == "01" and start[:7] == now[:7] else start


@dataclass(frozen=True, slots=True)
class Record:
    """What was read about one patient, before any of it is understood.

    `resources` are FHIR resources as parsed JSON, the Patient among them. `incomplete` as in
    `Facts`. `faults` are those that reading itself met (an unresolvable page, an HTML answer).
    `distinct`: each resource has a type and an id, both texts, and no id stands twice; False: not known.
    `sent`: results that were left as they were sent, each with an id of its own. `base`: the FHIR server
    whose patient this is; "" where none is known.
    """

    patient_id: str
    resources: list[dict[str, object]]
    incomplete: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    distinct: bool = False
    sent: Sequence[SentObservation] = ()
    base: str = ""
