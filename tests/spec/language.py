"""What the tables are written in: facts in words, questions, rows. Hand-made facts only: no FHIR, no mappings, no YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from cds_service import dates
from cds_service.evaluate.compile import compile_predicate
from cds_service.evaluate.context import Scope
from cds_service.model.facts import TRUNCATED, UNAVAILABLE, Condition, Event, Exposure, Facts, Observation, Patient
from cds_service.model.outcomes import FALSE, MANUAL, REASONS, TRUE, UNKNOWN, Finding
from cds_service.model.predicates import Limit, Period, Predicate
from cds_service.model.vocabulary import LISTS
from cds_service.units import pretty

from .answers import ANSWERS, ASK, NO, OUT, REASON_WORDS, YES, unknown
from .vocabulary import VOCABULARY

__all__ = ["ASK", "NO", "OUT", "REASON_WORDS", "YES", "unknown"]  # the tables take every word from here

AS_OF = date(2026, 11, 1).toordinal()
RECENT = "2026-10-18"

# --- what is on record ---------------------------------------------------------------------------


class Given(NamedTuple):
    """One thing on record: the facts it gives, and the words for it."""

    words: str
    facts: tuple[Observation | Condition | Event | Exposure, ...] = ()
    patient: dict[str, object] = {}  # noqa: RUF012 - a named tuple's default, never changed
    incomplete: tuple[str, str] | None = None


_COMPARED = re.compile(r"(<=|>=|<|>)?\s*(?:1:)?(\d+(?:\.\d+)?)")
_QUALITATIVE = ("positive", "negative", "indeterminate")


def _number(value: str | float) -> tuple[float, float, bool, bool] | None:
    """Low, high, and which end is open."""
    found = _COMPARED.fullmatch(str(value))
    if found is None:
        return None
    sign, number = found[1], float(found[2])
    if sign is None:
        return number, number, False, False
    if sign[0] == ">":
        return number, float("inf"), sign == ">", False
    return 0.0, number, False, sign == "<"


def day_words(text: str) -> str:
    if not text:
        return "no date"
    return dates.in_words(text).replace(dates.NBSP, " ") + (f" at {text[11:16]} (UTC{text[19:] or ', no zone'})" if len(text) > 10 else "")


def _days(text: str) -> tuple[int, int]:
    """A date as an interval; what would lie after the as-of day is cut off, as it is when a record is read."""
    first, last = dates.interval(text) if text else (0, 0)
    return first, min(last, AS_OF)


def lab(concept: str, value: str | float = "", day: str = RECENT, **more: object) -> Given:
    """A result: a number, `>60`, `1:160`, `positive`, or a class. `more`: fields of Observation."""
    known = VOCABULARY.concepts[concept]
    number, first_last = _number(value), _days(day)
    row = Observation(concept, "", *first_last, date=day[:10], time=day if len(day) > 10 else "", value=f"{value} {pretty(known.unit)}".strip())
    if number is not None:
        row = row._replace(low=number[0], high=number[1], low_open=number[2], high_open=number[3])
    elif value in _QUALITATIVE:
        row = row._replace(result=str(value))
    elif value:
        row = row._replace(code=str(value))
    row = row._replace(**more)
    said = [text for key, text in _LAB_WORDS if more.get(key)]
    said += [text for key, value_, text in _LAB_VALUES if more.get(key) == value_]
    if more.get("upper"):
        said.append(f"upper limit {more['upper']:g}")
    if more.get("formula"):
        said.append(_FORMULAS[str(more["formula"])])
    if more.get("alternate"):
        said.append(f"{more['alternate']:g} by the 2009 equation")
    shown = _shown(str(value))
    unit = "" if value == "" or more.get("problem") == "unit" else pretty(known.unit)
    return Given(", ".join([f"{known.name} {shown} {unit}".strip(), *said, day_words(day)]), (row,))


def _shown(value: str) -> str:
    return value.replace("<=", "≤ ").replace(">=", "≥ ").replace("<", "< ").replace(">", "> ") if value else "without a value"


_LAB_WORDS = (("computed", "computed from creatinine"), ("on_oxygen", "on oxygen"))
_LAB_VALUES = (("problem", "unit", "in a unit nobody knows"), ("problem", "unreadable", "unreadable"), ("problem", "method", "by another method"))
_FORMULAS = {
    "ckd-epi-2021": "by CKD-EPI 2021", "ckd-epi-2009": "by CKD-EPI 2009", "mdrd": "by MDRD", "schwartz": "by bedside Schwartz",
    "cockcroft-gault": "by Cockcroft-Gault", "cystatin-c": "by cystatin C", "measured": "measured",
}  # fmt: skip


def diagnosis(
    concepts: str | tuple[str, ...], status: str = "active", onset: str = "", written: str = "", ended: str = "", listed: str = "problem",
    sure: bool = True, severe: bool = False,
) -> Given:  # fmt: skip
    """A diagnosis. `onset` is when it began; `written` only when someone typed it. One resource may give several concepts."""
    names = (concepts,) if isinstance(concepts, str) else concepts
    first, last = _days(onset) if onset else (0, _days(written)[1])
    over = _days(ended)
    rows = tuple(
        Condition(c, "", status, sure, listed, first, last, bool(onset), *over, severe, (onset or written)[:10], VOCABULARY.concepts[c].name)
        for c in names
    )
    said = [" and ".join(VOCABULARY.concepts[c].name for c in names), status]
    said += ["provisional"] * (not sure) + [{"encounter": "of an encounter", "report": "in a report", "allergy": "allergy list"}.get(listed, "")]
    said += ["severe"] * severe + [f"since {day_words(onset)}" if onset else f"written down {day_words(written)}" if written else "no date"]
    said += [f"ended {day_words(ended)}"] * bool(ended)
    return Given(", ".join(s for s in said if s), rows)


def done(concept: str, day: str = "", planned: bool = False) -> Given:
    """A procedure, a biopsy report, an immunisation."""
    name = VOCABULARY.concepts[concept].name
    return Given(f"{name}{' planned' if planned else ''}, {day_words(day)}", (Event(concept, "", *_days(day), planned, day[:10], name),))


def drug(name: str, start: str = "", end: str = "", ongoing: bool = False, mg: float | None = None, kind: str = "order") -> Given:
    """A course of a drug. Ongoing runs to the as-of day; without an end it is a point in time."""
    known = VOCABULARY.drugs[name]
    began = _days(start)
    over = (AS_OF, AS_OF) if ongoing else _days(end) if end else began
    verb = {"order": "prescribed", "statement": "on the medication list", "administration": "given", "dispense": "dispensed"}[kind]
    words = f"{known.name}{f' {mg:g} mg a day' if mg else ''} {verb}"
    when = f" from {day_words(start)}" if (end or ongoing) and start else f", {day_words(start)}"
    until = " and still running" if ongoing else f" to {day_words(end)}" if end else ""
    return Given(words + when + until, (Exposure(name, "", kind, *began, *over, ongoing, mg, start[:10], words),))


def born(text: str) -> Given:
    first, last = _days(text)
    return Given(f"born {day_words(text)}", patient={"born_first": first, "born_last": last})


def sex(text: str) -> Given:
    return Given(text, patient={"sex": text})


DECEASED = Given("the patient has died", patient={"deceased": True})


def unread(name: str) -> Given:
    return Given(f"the {LISTS[name]} could not be fetched", incomplete=(name, UNAVAILABLE))


def cut(name: str) -> Given:
    were = "were" if LISTS[name].endswith("s") else "was"
    return Given(f"the {LISTS[name]} {were} not read to {'their' if were == 'were' else 'its'} end", incomplete=(name, TRUNCATED))


def facts_of(given: Sequence[Given], numbered: bool = True) -> Facts:
    """All that is given as the evaluator sees it: newest first."""
    patient: dict[str, object] = {}
    incomplete: dict[str, str] = {}
    rows: list[Observation | Condition | Event | Exposure] = []
    for i, item in enumerate(given, start=1):
        patient.update(item.patient)
        incomplete.update([item.incomplete] if item.incomplete else [])
        rows += [fact._replace(reference=f"{type(fact).__name__}/{i}") if numbered else fact for fact in item.facts]
    return Facts(
        Patient("Patient/1", **patient),
        AS_OF,
        _grouped(rows, Observation, lambda row: (-row.last, -row.first, -(dates.instant(row.time) or 0.0) if row.time else 0.0, row.reference)),
        _grouped(rows, Condition, lambda row: (-row.last, -row.first, row.reference)),
        _grouped(rows, Event, lambda row: (-row.last, -row.first, row.reference)),
        _grouped(rows, Exposure, lambda row: (-row.start_last, -row.start_first, row.reference, row.kind)),
        incomplete,
    )


def _grouped(rows, kind, newest_first):
    found = {}
    for row in rows:
        if isinstance(row, kind):
            found.setdefault(row.drug if kind is Exposure else row.concept, []).append(row)
    return {name: sorted(group, key=newest_first) for name, group in found.items()}


# --- the questions -------------------------------------------------------------------------------


class Row(NamedTuple):
    """`sentence`: the rule that this row shows, for a clinician."""

    answer: str
    sentence: str
    given: tuple[Given, ...]
    basis: str | None = None

    @property
    def on_record(self) -> str:
        return " · ".join(item.words for item in self.given) or "nothing"


def row(answer: str, sentence: str, *given: Given, basis: str | None = None) -> Row:
    return Row(answer, sentence, given, basis)


@dataclass(frozen=True)
class Question:
    """One question and what different records answer to it. `decide` gives the answer and its basis."""

    words: str
    decide: Callable[[Sequence[Given]], tuple[str, str | None]]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Section:
    """One part of the semantics."""

    title: str
    intro: str
    questions: tuple[Question, ...] = field(default_factory=tuple)


def find(predicate: Predicate, facts: Facts, excluding: bool = False) -> Finding:
    """The finding of a criterion that needs (or, excluding, must not have) `predicate`."""
    return compile_predicate(predicate, Scope(VOCABULARY, excluding, FALSE if excluding else TRUE))(facts, None)


def _checked(finding: Finding) -> Finding:
    """What holds of every finding, whatever is asked."""
    if finding.verdict == UNKNOWN:
        assert finding.reason in REASONS, "an unknown says why"
    else:
        assert finding.reason is None, "what is decided has no reason to be unknown"
    if finding.verdict in (TRUE, FALSE):
        assert finding.basis in ("recorded", "computed", "no-record", "assumed"), "a decision says how it was known"
        assert any(e.used for e in finding.evidence) or finding.basis == "no-record", "a decision shows what decided"
    if finding.verdict == MANUAL:
        assert finding.ask, "what a person has to say is asked"
    return finding


def asks(words: str, predicate: Predicate, *rows: Row, excluding: bool = False) -> Question:
    def decide(given: Sequence[Given]) -> tuple[str, str | None]:
        found = _checked(find(predicate, facts_of(given), excluding))
        return (unknown(found.reason or "") if found.verdict == UNKNOWN else ANSWERS[found.verdict]), found.basis

    return Question(f"Excluded by: {words}" if excluding else words, decide, rows)


def excludes(words: str, predicate: Predicate, *rows: Row) -> Question:
    """A predicate that states the excluded state: `yes` rules the patient out."""
    return asks(words, predicate, *rows, excluding=True)


def months(count: int) -> Period:
    return Period(count, "months")


def days(count: int) -> Period:
    return Period(count, "days")


def years(count: int) -> Period:
    return Period(count, "years")


def at_least(value: float) -> tuple[Limit, ...]:
    return (Limit("ge", value),)


def at_most(value: float) -> tuple[Limit, ...]:
    return (Limit("le", value),)


def above(value: float) -> tuple[Limit, ...]:
    return (Limit("gt", value),)


def below(value: float) -> tuple[Limit, ...]:
    return (Limit("lt", value),)
