"""Promises about what would change an answer: the days named change it and no day before them does; the facts named decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from patients import fhir, words
from patients.codings import Codings

from cds_service import pipeline
from cds_service.config import Settings
from cds_service.dates import iso
from cds_service.fetch import from_bundle
from cds_service.model.facts import Facts, Record
from cds_service.model.outcomes import Answer, Assessment, Decider
from cds_service.pipeline import Rules
from properties.granting import best, choices, every_way

TESTS = Path(__file__).resolve().parents[1]
FIXTURES = sorted(p.stem for p in (TESTS.parent / "fixtures").glob("*.json"))
AS_OF = 739_921  #: 2026-11-01
STEP, REACH = 9, 400  #: days
Key = tuple[str, str, str]


class Case(NamedTuple):
    record: Record
    answer: Answer
    facts: Facts


@cache
def rules() -> Rules:
    return pipeline.load_rules(Settings.from_environment({}))


@cache
def case(name: str) -> Case:
    bundle = json.loads((TESTS.parent / "fixtures" / f"{name}.json").read_text(encoding="utf-8"))
    return made(from_bundle(bundle))


def made(record: Record) -> Case:
    return Case(record, *pipeline.explained(record, rules(), AS_OF))


def vignettes() -> list[words.Vignette]:
    """One in so many, and those about time: windows, ages and dates that are not exact."""
    found = [v for v in words.load(TESTS / "vignettes") if v.as_of == AS_OF and not any(_future(e) for e in v.patient.entries)]
    telling = ("year", "month", "week", "birthday", "window", "dated only")
    return [v for i, v in enumerate(found) if i % 40 == 0 or (i % 4 == 0 and any(word in v.name for word in telling))]


def _future(entry: words.Entry) -> bool:
    written = [entry.option(name) for name in ("date", "from", "onset", "recorded", "abated")]
    return any(text[:10] > iso(AS_OF)[: len(text[:10])] for text in written if text and text != "none")


def reader(record: Record) -> Callable[[int], Mapping[Key, str]]:
    """The outcomes when the same record is read on another day, read anew from its resources."""

    @cache
    def on(day: int) -> Mapping[Key, str]:
        answer = pipeline.assess(record, rules(), day)
        return {(a.trial.id, a.cohort.id, o.criterion.id): o.outcome for a in answer.assessments for o in a.outcomes}

    return on


def of_interest(answer: Answer) -> list[Assessment]:
    return [a for a in answer.assessments if a.status != "not-applicable"]


# --- when to look again -----------------------------------------------------------------------


def check_days(case: Case) -> None:
    on = reader(case.record)
    now = on(AS_OF)
    for assessment in of_interest(case.answer):
        for named in assessment.look_again:
            key = (assessment.trial.id, assessment.cohort.id, named.criterion)
            said = f"{key} on {iso(named.day)}"
            assert on(named.day)[key] != now[key], f"{said}: nothing changes"
            assert on(named.day)[key] == named.then and now[key] == named.now, said
            assert on(named.day - 1)[key] == now[key], f"{said}: changed before"


def check_before(case: Case) -> None:
    on = reader(case.record)
    now = on(AS_OF)
    for assessment in of_interest(case.answer):
        named = {a.criterion: a.day for a in assessment.look_again}
        for day in range(AS_OF + 1, AS_OF + REACH, STEP):
            for outcome in assessment.outcomes:
                key = (assessment.trial.id, assessment.cohort.id, outcome.criterion.id)
                if day < named.get(outcome.criterion.id, AS_OF + REACH):
                    assert on(day)[key] == now[key], f"{key} changes by {iso(day)}, unnamed"


@pytest.mark.parametrize("name", FIXTURES)
def test_each_day_named_changes_its_criterion_and_the_day_before_does_not(name: str) -> None:
    check_days(case(name))


@pytest.mark.parametrize("name", FIXTURES)
def test_no_outcome_changes_before_its_day_is_named(name: str) -> None:
    check_before(case(name))


@pytest.mark.parametrize("vignette", vignettes(), ids=lambda v: v.name)
def test_days_of_patients_in_words(vignette: words.Vignette) -> None:
    found = made(from_bundle(fhir.bundle(vignette.patient, Codings(rules().vocabulary), AS_OF)))
    check_days(found)
    check_before(found)


# --- what would decide it ---------------------------------------------------------------------


class Told(NamedTuple):
    status: str
    failed: frozenset[str]
    unknown: frozenset[str]


def told(assessment: Assessment, facts: Facts) -> Told:
    found: dict[str, set[str]] = {}
    for outcome in assessment.outcomes:
        found.setdefault(rules().evaluator.outcome_on(outcome.criterion, facts), set()).add(outcome.criterion.id)
    status = "excluded" if "not-met" in found else "possible" if "unknown" in found else "candidate"
    return Told(status, frozenset(found.get("not-met", ())), frozenset(found.get("unknown", ())))


def check_decider(assessment: Assessment, decider: Decider, facts: Facts) -> None:
    needs = [o.criterion.needs for o in assessment.outcomes]
    options = choices(facts, decider.facts, needs, rules().vocabulary)
    said = f"{assessment.trial.id}/{assessment.cohort.id} {decider}"
    match decider.settles:
        case "excluded":
            worst = best(facts, options, lambda f: -len(told(assessment, f).failed & set(decider.criteria)))
            after = told(assessment, worst)
            assert after.status == "excluded" and after.failed & set(decider.criteria), said
        case "candidate":
            after = told(assessment, best(facts, options, lambda f: 10 * len((t := told(assessment, f)).failed) + len(t.unknown)))
            assert after.status == "candidate", f"{said}: {after}"
        case _:
            ends = {told(assessment, way).status for way in every_way(facts, options)}
            assert "excluded" in ends and "possible" not in ends, f"{said}: {ends}"


def possible(case: Case) -> list[Assessment]:
    return [a for a in case.answer.assessments if a.status == "possible"]


@pytest.mark.parametrize("name", [name for name in FIXTURES if possible(case(name))])
def test_granting_the_facts_named_decides_the_cohort(name: str) -> None:
    for assessment in possible(case(name)):
        for decider in assessment.decides:
            check_decider(assessment, decider, case(name).facts)


@pytest.mark.parametrize("vignette", vignettes()[::4], ids=lambda v: v.name)
def test_deciders_of_patients_in_words(vignette: words.Vignette) -> None:
    found = made(from_bundle(fhir.bundle(vignette.patient, Codings(rules().vocabulary), AS_OF)))
    for assessment in possible(found):
        for decider in assessment.decides:
            check_decider(assessment, decider, found.facts)


@pytest.mark.parametrize("name", FIXTURES)
def test_every_open_cohort_says_what_would_decide_it_or_what_to_ask(name: str) -> None:
    for assessment in of_interest(case(name).answer):
        assert bool(assessment.decides or assessment.questions) == (assessment.status == "possible")
        unknown = {o.criterion.id for o in assessment.of("unknown")}
        assert {q.criterion for q in assessment.questions} <= unknown
        assert {c for d in assessment.decides for c in d.criteria} <= unknown
        if assessment.status == "possible" and not assessment.questions:  # facts alone can decide it: one set covers everything open
            assert any(set(d.criteria) == unknown for d in assessment.decides if d.settles != "excluded")


@pytest.mark.parametrize("name", FIXTURES)
def test_no_smaller_set_rules_out_before_a_larger_and_cheap_ones_come_first(name: str) -> None:
    order = ("chart", "blood", "urine", "imaging", "biopsy")
    for assessment in possible(case(name)):
        ruling = [d for d in assessment.decides if d.settles == "excluded"]
        for i, first in enumerate(ruling):
            assert not any(set(later.facts) < set(first.facts) for later in ruling[i + 1 :])
        single = [d for d in ruling if len(d.facts) == len(d.criteria) == 1]
        costs = [order.index(d.cost) for d in single]
        assert costs == sorted(costs)
        assert [d.settles for d in assessment.decides] == ["excluded"] * len(ruling) + [d.settles for d in assessment.decides[len(ruling) :]]
