"""The vignettes against the criteria: one for every outcome and every reason that a criterion can have, and both sides of every limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import pytest
from patients import values, words
from patients.words import Vignette

from cds_service import criteria, logic, mappings
from cds_service.config import Settings
from cds_service.dates import completed_years, interval
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, REASONS, TRUE, UNKNOWN
from cds_service.model.predicates import (
    Age,
    All,
    Any,
    AtLeast,
    ConditionIs,
    Doubt,
    EventIs,
    Limit,
    Manual,
    Not,
    ObservationIs,
    Predicate,
    Relapse,
    Response,
    Sex,
    Therapy,
    Trend,
    Unless,
    When,
    concepts_of,
    parts_of,
)
from cds_service.model.trials import Criterion, Trial
from cds_service.model.vocabulary import Vocabulary

VIGNETTES = words.load(Path(__file__).parent / "vignettes")
SETTINGS = Settings.from_environment({})
VOCABULARY: Vocabulary = mappings.load(SETTINGS.mappings_dir)
TRIALS: tuple[Trial, ...] = criteria.load(SETTINGS.criteria_dir, VOCABULARY)
WRITTEN = {v.file.removesuffix(".yaml") for v in VIGNETTES}
CASES = [pytest.param(trial.id, c, id=f"{trial.id} {c.id}") for trial in TRIALS if trial.id in WRITTEN for c in trial.criteria]

#: What the shape of a predicate allows and no patient can bring about, with why. A line that is no longer needed fails.
UNREACHABLE = {
    ("NCT06469190", "inc-cd19", "not-met"): "what is not positive is zero, and zero is open",
    ("NCT06904729", "inc-cd19", "not-met"): "what is not positive is zero, and zero is open",
    ("NCT06947460", "inc-ln-cd19", "not-met"): "what is not positive is zero, and zero is open",
}
WORDS = {TRUE: "met", FALSE: "not-met", UNKNOWN: "unknown", MANUAL: "manual", NOT_APPLICABLE: "not-applicable"}


# --- what can come out --------------------------------------------------------------------------------------


def verdicts(p: Predicate) -> set[int]:
    """Every verdict that a predicate can have, its parts taken as independent of each other."""
    match p:
        case Manual():
            return {MANUAL}
        case Age() | Sex() | Trend() | Relapse():
            return {TRUE, FALSE, UNKNOWN}
        case ConditionIs():
            return {UNKNOWN} | (set() if p.mild else {TRUE}) | ({FALSE} if p.absent == "no" else set())
        case ObservationIs():
            return {TRUE, FALSE, UNKNOWN} | ({MANUAL} if p.absent == "manual" else set())
        case EventIs() | Therapy():
            return {TRUE, UNKNOWN} | ({FALSE} if p.absent == "no" else set())
        case Response(therapy, shows):  # too little therapy on record decides nothing
            return verdicts(shows) | {UNKNOWN} | ({FALSE} if therapy.absent == "no" else set())
        case All(parts):
            return folded(parts, logic.all_of)
        case Any(parts):
            return folded(parts, logic.any_of)
        case AtLeast(count, parts):
            return {TRUE, FALSE, UNKNOWN} if count and parts else {TRUE}
        case Not(part):
            return {logic.negate(v) for v in verdicts(part)}
        case Doubt(part, _):
            return {UNKNOWN if v == TRUE else v for v in verdicts(part)}
        case When(guard, part):
            asked, body = verdicts(guard), verdicts(part)
            return ({NOT_APPLICABLE} if FALSE in asked else set()) | ({UNKNOWN} if UNKNOWN in asked else set()) | body
        case Unless(part, excuse, _):
            return verdicts(part) | ({TRUE, UNKNOWN} & verdicts(excuse))
    raise AssertionError(f"a predicate without a line here: {p!r}")


def folded(parts: Iterable[Predicate], combine: object) -> set[int]:
    found = {NOT_APPLICABLE}
    for part in parts:
        found = {combine([a, b]) for a in found for b in verdicts(part)}
    return found


def outcomes(criterion: Criterion) -> set[str]:
    """In the reader's direction: an exclusion that holds is `not-met`."""
    found = verdicts(criterion.needs)
    return {WORDS[logic.negate(v) if criterion.kind == "exclusion" else v] for v in found}


def reasons(p: Predicate) -> set[str]:
    """Why a predicate can be unknown, as its own words tell."""
    found: set[str] = set().union(*(reasons(part) for part in parts_of(p) if not isinstance(p, When) or part is p.part))
    match p:
        case Age():
            found |= {"no-data", "imprecise-date"}
        case ObservationIs():
            found |= {"unavailable"} | ({"no-data"} if p.absent == "unknown" else set())
            ages = p.within or (p.fresh and any(VOCABULARY.concepts[c].fresh for c in p.concepts))
            found |= {"stale"} if ages and p.absent == "unknown" else set()
            found |= {"no-reference-range"} if p.times else set()
            found |= {"method"} if p.void_if or p.room_air or p.formula else set()
            found |= {"conflicting"} if p.formula else set()
        case ConditionIs():
            found |= {"needs-judgement"} | ({"imprecise-date"} if p.within and not p.recorded else set())
        case EventIs():
            found |= ({"imprecise-date"} if p.within else set()) | ({"no-data"} if p.absent == "unknown" else set())
        case Therapy():
            found |= {"unavailable"}
        case Response():  # what it shows is judged from the therapy on, however long ago that was
            found = (found - {"stale"}) | {"no-data"}
        case Trend():
            found |= {"no-data"}
        case Doubt():
            found = {p.reason if v == "" else v for v in found} | {p.reason}
        case _:
            pass
    return found


# --- what the vignettes expect ------------------------------------------------------------------------------


class Expected(NamedTuple):
    vignette: Vignette
    outcome: str
    detail: str  #: reason or basis; "" where the vignette names none


def expected(trial: str, criterion: str) -> list[Expected]:
    found = []
    for vignette in VIGNETTES:
        for cohort, said in vignette.expect.items():
            if cohort.startswith(f"{trial}/") and criterion in said:
                outcome, _, detail = said[criterion].partition("/")
                found.append(Expected(vignette, outcome, detail))
    return found


def test_every_trial_has_its_vignettes() -> None:
    missing = [f"tests/vignettes/{trial.id}.yaml" for trial in TRIALS if trial.id not in WRITTEN]
    assert not missing, f"trials without patients in words; write {', '.join(missing)}"


@pytest.mark.parametrize(("trial", "criterion"), CASES)
def test_every_outcome_that_a_criterion_can_have_has_its_patient(trial: str, criterion: Criterion) -> None:
    possible = outcomes(criterion)
    excused = {outcome for t, c, outcome in UNREACHABLE if (t, c) == (trial, criterion.id)}
    assert excused <= possible, f"{trial} {criterion.id}: UNREACHABLE names {excused - possible}, which is not possible anyway; take it out"
    shown = {e.outcome for e in expected(trial, criterion.id)}
    missing = sorted(possible - excused - shown)
    assert not missing, f"{trial} {criterion.id} ({criterion.label}): no vignette expects {', '.join(missing)}"
    assert shown <= possible - excused, f"{trial} {criterion.id}: {shown - possible} is expected, and the predicate cannot give it"


@pytest.mark.parametrize(("trial", "criterion"), CASES)
def test_every_reason_why_a_criterion_can_be_open_has_its_patient(trial: str, criterion: Criterion) -> None:
    shown = {e.detail for e in expected(trial, criterion.id) if e.outcome == "unknown"}
    missing = sorted(reasons(criterion.needs) - shown)
    assert not missing, f"{trial} {criterion.id} ({criterion.label}): no vignette expects unknown/{', unknown/'.join(missing)}"


@pytest.mark.parametrize("trial", sorted(WRITTEN))
def test_every_reason_of_the_fixed_table_occurs(trial: str) -> None:
    shown = {e.detail for c in next(t for t in TRIALS if t.id == trial).criteria for e in expected(trial, c.id) if e.outcome == "unknown"}
    assert sorted(set(REASONS) - shown) == [], f"{trial}: reasons that no vignette shows"


def test_every_status_occurs_in_every_cohort() -> None:
    for trial in (trial for trial in TRIALS if trial.id in WRITTEN):
        for cohort in trial.cohorts:
            shown = {v.expect[f"{trial.id}/{cohort.id}"].get("status") for v in VIGNETTES if f"{trial.id}/{cohort.id}" in v.expect}
            missing = {"not-applicable", "excluded", "possible", "candidate"} - shown
            assert not missing, f"{trial.id}/{cohort.id}: no vignette expects the status {', '.join(sorted(missing))}"


# --- both sides of every limit ------------------------------------------------------------------------------


class Threshold(NamedTuple):
    """A limit on a quantity: a measured value, a multiple of an upper limit, an age, or a fall in percent."""

    quantity: str  #: value | times | age | fall | rise
    concepts: tuple[str, ...]
    limit: Limit

    def __str__(self) -> str:
        of = {"value": "", "times": " × upper limit", "age": " years", "fall": " % fall", "rise": " % rise"}[self.quantity]
        return f"{', '.join(self.concepts) or 'age'} {self.limit.op} {self.limit.value:g}{of}"


def thresholds(p: Predicate) -> Iterator[Threshold]:
    match p:
        case Age():
            yield from (Threshold("age", (), Limit(op, value)) for op, value in (("ge", p.ge), ("le", p.le)) if value is not None)
        case ObservationIs():
            yield from (Threshold("times" if p.times else "value", p.concepts, limit) for limit in p.limits)
        case Trend():
            yield Threshold(p.direction, (p.concept,), p.limit)
        case Relapse():
            yield from (Threshold("value", (p.concept,), limit) for limit in (Limit("lt", p.complete), Limit("lt", p.partial), p.then))
            yield Threshold("fall", (p.concept,), Limit("ge", p.fall))
        case _:
            pass
    for part in parts_of(p):
        yield from thresholds(part)


def quantities(threshold: Threshold, vignette: Vignette) -> Iterator[float]:
    """The quantities that a patient in words brings for a threshold."""
    if threshold.quantity == "age":
        born = vignette.patient.born(vignette.as_of)
        if born:
            yield completed_years(interval(born)[1], vignette.as_of)
        return
    numbers: list[float] = []
    for entry in vignette.patient.entries:
        value = values.read(entry.value) if entry.concept in threshold.concepts else None
        number = None if value is None or value.comparator or "unit" in entry.options else value.number or value.titre
        if number is not None and threshold.quantity != "times":
            numbers.append(number)
        elif number is not None and "upper" in entry.options:
            yield number / float(entry.options["upper"])
    if threshold.quantity == "value":
        yield from numbers
    elif threshold.quantity == "fall":
        yield from ((1 - after / before) * 100 for before, after in permutations(numbers, 2) if before)
    elif threshold.quantity == "rise":
        yield from ((after / before - 1) * 100 for before, after in permutations(numbers, 2) if before)


def on(limit: Limit, quantity: float) -> bool:
    return abs(quantity - limit.value) <= 1e-9 * max(1.0, abs(limit.value))


def just_off(limit: Limit, quantity: float, near: float) -> bool:
    """Close to the limit, on the side where the limit itself is not."""
    if on(limit, quantity):
        return False
    room = quantity - limit.value if limit.op in ("gt", "le") else limit.value - quantity
    return 0 < room <= near


@pytest.mark.parametrize(("trial", "criterion"), CASES)
def test_both_sides_of_every_limit_have_their_patients(trial: str, criterion: Criterion) -> None:
    cases = expected(trial, criterion.id)
    missing = []
    for threshold in dict.fromkeys(thresholds(criterion.needs)):
        limit = threshold.limit
        near = {"age": 1.0, "fall": 2.0, "rise": 2.0}.get(threshold.quantity, max(0.05 * abs(limit.value), 0.011))
        at = [e for e in cases if any(on(limit, q) for q in quantities(threshold, e.vignette))]
        off = [e for e in cases if any(just_off(limit, q, near) for q in quantities(threshold, e.vignette))]
        if not at or not off:
            missing.append(f"{threshold}: no vignette {'on' if not at else 'just off'} the limit")
        elif not any(a.outcome != b.outcome for a in at for b in off):
            missing.append(f"{threshold}: the vignettes on and just off the limit expect the same")
    assert not missing, f"{trial} {criterion.id} ({criterion.label}):\n" + "\n".join(missing)


# --- every concept ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trial", "criterion"), CASES)
def test_every_concept_that_a_criterion_names_has_its_patient(trial: str, criterion: Criterion) -> None:
    """A diagnosis that fell out of a list of ten would otherwise be missed by nobody."""
    carried = {entry.concept for e in expected(trial, criterion.id) for entry in e.vignette.patient.entries}
    carried |= {drugs.id for drugs in VOCABULARY.classes.values() if drugs.drugs & carried}
    missing = sorted(concepts_of(criterion.needs) - carried)
    assert not missing, f"{trial} {criterion.id} ({criterion.label}): no vignette's patient has {', '.join(missing)}"


# --- the measure itself -------------------------------------------------------------------------------------


def test_what_can_come_out_is_derived_from_the_predicate() -> None:
    measured = ObservationIs(("lvef",), limits=(Limit("ge", 50.0),))
    assert verdicts(Manual("Ask.")) == {MANUAL}
    assert verdicts(measured) == {TRUE, FALSE, UNKNOWN}
    assert verdicts(Doubt(measured, "needs-judgement")) == {FALSE, UNKNOWN}
    assert verdicts(ConditionIs(("arrhythmia",), mild=True)) == {FALSE, UNKNOWN}
    assert verdicts(ConditionIs(("mn_primary",), absent="unknown")) == {TRUE, UNKNOWN}
    assert verdicts(When(Sex("female"), Manual("Ask."))) == {NOT_APPLICABLE, UNKNOWN, MANUAL}
    assert verdicts(All((measured, Manual("Ask.")))) == {FALSE, UNKNOWN, MANUAL}
    assert verdicts(Any((measured, Manual("Ask.")))) == {TRUE, UNKNOWN, MANUAL}


def test_a_limit_has_two_sides() -> None:
    assert on(Limit("ge", 30.0), 30.0) and just_off(Limit("ge", 30.0), 29.9, 1.5) and not just_off(Limit("ge", 30.0), 30.1, 1.5)
    assert just_off(Limit("gt", 92.0), 93.0, 4.6) and not just_off(Limit("gt", 92.0), 91.0, 4.6)
