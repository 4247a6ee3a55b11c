"""Promises about records: order, repetition and what a question does not concern change no answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from spec.language import AS_OF, Given, above, at_least, at_most, days, diagnosis, done, drug, facts_of, find, lab, months, years
from spec.trial_state import CONSENT, ENOUGH, EVERYONE, SPECIAL, WEAK_HEART, trial_of
from spec.vocabulary import VOCABULARY

from cds_service.evaluate import compile_rules
from cds_service.model.facts import Condition, Event, Exposure, Facts, Observation, Patient
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN
from cds_service.model.predicates import (
    All,
    Any,
    ConditionIs,
    Dose,
    EventIs,
    Limit,
    ObservationIs,
    Persistent,
    Predicate,
    Relapse,
    Response,
    Therapy,
    Trend,
    Voided,
)

STEADY = settings(max_examples=200, deadline=None, derandomize=True)
PROTEIN = "urine_protein_24h"
Row = Observation | Condition | Event | Exposure

QUESTIONS: tuple[Predicate, ...] = (
    ObservationIs(("egfr",), at_least(30.0)),
    ObservationIs(("egfr",), at_least(30.0), formula="ckd-epi"),
    ObservationIs(("egfr",), at_least(30.0), within=days(28)),
    ObservationIs(("egfr",), at_least(30.0), pick="any"),
    ObservationIs(("egfr",), at_least(30.0), pick="worst"),
    ObservationIs(("egfr",), above(30.0), persistent=Persistent(2, within=days(90))),
    ObservationIs(("egfr",), above(30.0), persistent=Persistent(2, over=months(3))),
    ObservationIs(("egfr", "urine_protein_24h"), at_least(3.5), fresh=False),
    ObservationIs(("egfr",), at_least(30.0), void_if=Voided(("prednisone",), days(14))),
    ObservationIs(("hbsag",), result="positive"),
    Trend(PROTEIN, "fall", Limit("ge", 50.0), "peak"),
    Response(Therapy(("glucocorticoid",), duration=months(3)), ObservationIs((PROTEIN,), at_least(3.5))),
    Response(Therapy(("glucocorticoid",), duration=months(3)), Trend(PROTEIN, "fall", Limit("le", 50.0), "baseline")),
    Response(Therapy(("glucocorticoid",)), Relapse(PROTEIN, 0.3, 3.5, 50.0, Limit("ge", 3.5))),
    ConditionIs(("heart_failure",)),
    ConditionIs(("heart_failure",), status="now"),
    ConditionIs(("cancer",), within=years(5), lasting=True, but_not=("skin_cancer",), maybe=("cancer_history",)),
    ConditionIs(("sle",), status="gate"),
    EventIs(("kidney_biopsy",), within=months(6)),
    EventIs(("surgery",), within=days(28), maybe=("minor_surgery",), absent="no"),
    Therapy(("glucocorticoid",), duration=months(6)),
    Therapy(all_of=("glucocorticoid", "cyclophosphamide"), duration=months(3)),
    Therapy(("immunosuppressant",), distinct=2, duration=months(3)),
    Therapy(("glucocorticoid",), when="current", dose=Dose(Limit("ge", 10.0), "mg/d")),
    Therapy(("glucocorticoid",), stable_for=months(3)),
    Therapy(("cyclophosphamide",), off_for=months(3)),
    Therapy(("cyclophosphamide",), within=months(3), absent="no"),
    Any((ObservationIs(("hbsag",), result="positive"), ConditionIs(("sle",)))),
    All((ObservationIs(("egfr",), at_most(90.0)), Therapy(("glucocorticoid",), duration=months(3)))),
)

full_days = ["2026-10-18", "2026-10-17", "2026-09-20", "2026-06-30", "2026-05-05", "2026-05-04", "2025-12-01", "2024-02-29", "2020-01-31"]
some_days = st.sampled_from(full_days)
any_days = st.sampled_from([*full_days, "2026-10", "2026-05", "2026", "2025", ""])
times = st.sampled_from(["", "T08:00:00Z", "T08:00:00+08:00", "T16:00:00Z"])

numbers = st.sampled_from([0.2, 3.4, 3.5, 8, 20, 30, 45, ">60", "<30", ">=30"])
labs = st.builds(
    lambda concept, value, day, time, problem: lab(concept, value, day + time if len(day) == 10 else day, problem=problem),
    st.sampled_from(["egfr", PROTEIN]), numbers, any_days, times, st.sampled_from([None, None, None, "unit", "unreadable"]),
)  # fmt: skip
rates = st.builds(
    lambda value, day, made, formula: lab("egfr", value, day, computed=made, formula=formula),
    st.sampled_from([20, 30, 45]), some_days, st.booleans(), st.sampled_from([None, "ckd-epi-2021", "mdrd", "schwartz"]),
)  # fmt: skip
serology = st.builds(lab, st.just("hbsag"), st.sampled_from(["positive", "negative", "indeterminate"]), any_days)
diagnoses = st.builds(
    lambda concepts, status, day, dated, listed, sure: diagnosis(concepts, status, day if dated else "", "" if dated else day, "", listed, sure),
    st.sampled_from(["heart_failure", "sle", "cancer", ("cancer", "skin_cancer"), "cancer_history", "membranous_nephropathy"]),
    st.sampled_from(["active", "relapse", "remission", "resolved"]), any_days, st.booleans(), st.sampled_from(["problem", "encounter"]),
    st.booleans(),
)  # fmt: skip
events = st.builds(done, st.sampled_from(["kidney_biopsy", "surgery", "minor_surgery"]), any_days, st.booleans())
courses = st.builds(
    lambda name, span, ongoing, mg, kind: drug(name, span[0], "" if ongoing else span[1], ongoing, mg, kind),
    st.sampled_from(["prednisone", "methylprednisolone", "cyclophosphamide", "tacrolimus"]),
    st.lists(some_days, min_size=2, max_size=2).map(sorted), st.booleans(), st.sampled_from([None, 5.0, 10.0, 60.0]),
    st.sampled_from(["order", "statement"]),
)  # fmt: skip
records = st.lists(st.one_of(labs, rates, serology, diagnoses, events, courses), max_size=8)
#: What none of the questions above is about.
strangers = st.lists(
    st.sampled_from([
        lab("lvef", 20), lab("upcr", 9, "2026-10-31"), lab("hbv_dna", 10**6), diagnosis("epilepsy"), diagnosis("diabetes", "resolved"),
        done("delivery", "2026-10-30"), done("vaccine_live", "2026-10-30"), drug("losartan", "2020-01-01", ongoing=True),
        drug("filgrastim", "2026-10-17"),
    ]),
    min_size=1, max_size=6,
)  # fmt: skip
chances = st.randoms(use_true_random=False)


def rows_of(record: Sequence[Given]) -> list[Row]:
    return [fact._replace(reference=f"R/{i}") for i, item in enumerate(record) for fact in item.facts]


def as_facts(rows: Iterable[Row]) -> Facts:
    """Newest first, and otherwise as they come: more disorder than reading a record ever leaves."""
    groups: dict[type, dict[str, list[Row]]] = {Observation: {}, Condition: {}, Event: {}, Exposure: {}}
    for row in rows:
        groups[type(row)].setdefault(row.drug if isinstance(row, Exposure) else row.concept, []).append(row)
    for group in (groups[Observation], groups[Event]):
        for found in group.values():
            found.sort(key=lambda row: -row.last)
    return Facts(Patient("Patient/1"), AS_OF, *(groups[kind] for kind in (Observation, Condition, Event, Exposure)))


def answer(predicate: Predicate, facts: Facts, excluding: bool) -> tuple[int, str | None, str | None]:
    found = find(predicate, facts, excluding)
    return found.verdict, found.reason, found.basis


@STEADY
@given(records, chances, st.booleans())
def test_the_order_of_a_record_changes_no_answer(record, chance, excluding):
    rows = rows_of(record)
    shuffled = rows.copy()
    chance.shuffle(shuffled)
    for question in QUESTIONS:
        assert find(question, as_facts(rows), excluding).verdict == find(question, as_facts(shuffled), excluding).verdict, question


@STEADY
@given(records, chances, st.booleans())
def test_what_stands_twice_on_record_changes_no_answer(record, chance, excluding):
    rows = rows_of(record)
    doubled = rows + [row for row in rows if chance.random() < 0.5]
    for question in QUESTIONS:
        assert answer(question, as_facts(rows), excluding) == answer(question, as_facts(doubled), excluding), question


@STEADY
@given(records, strangers, st.booleans())
def test_what_a_question_is_not_about_changes_no_answer(record, more, excluding):
    for question in QUESTIONS:
        before, after = find(question, facts_of(record), excluding), find(question, facts_of([*record, *more]), excluding)
        assert before == after, question


@STEADY
@given(records, st.booleans())
def test_every_answer_is_well_formed(record, excluding):
    for question in QUESTIONS:
        found = find(question, facts_of(record), excluding)
        assert (found.verdict == UNKNOWN) == (found.reason is not None), question
        if found.verdict in (TRUE, FALSE):
            assert found.basis, question
            assert found.evidence or found.basis == "no-record", question


@STEADY
@given(records, st.sampled_from(["results-kidney", "results-infection", "conditions", "procedures", "medication-requests"]), st.booleans())
def test_a_list_that_failed_never_turns_a_decision_round(record, name, excluding):
    """It may open a question that an absence had decided, and nothing else."""
    facts = facts_of(record)
    for why in ("unavailable", "truncated"):
        partial = Facts(facts.patient, AS_OF, facts.observations, facts.conditions, facts.events, facts.exposures, {name: why})
        for question in QUESTIONS:
            whole, part = find(question, facts, excluding), find(question, partial, excluding)
            assert part.verdict in (whole.verdict, UNKNOWN), question


@STEADY
@given(records, chances)
def test_the_order_of_a_record_changes_no_status(record, chance):
    evaluator = compile_rules([trial_of([SPECIAL, EVERYONE], ENOUGH, CONSENT, WEAK_HEART)], VOCABULARY)
    rows = rows_of(record)
    shuffled = rows.copy()
    chance.shuffle(shuffled)
    assert [a.status for a in evaluator.assess(as_facts(rows))] == [a.status for a in evaluator.assess(as_facts(shuffled))]


def test_one_value_of_which_only_the_year_is_known_is_nothing_persistent():
    """It was met by a single value once its day was lost."""
    rule = ObservationIs(("egfr",), above(30.0), persistent=Persistent(2, over=months(3)))
    assert find(rule, facts_of([lab("egfr", 45, "2026-10-18")]), False).verdict == UNKNOWN
    assert find(rule, facts_of([lab("egfr", 45, "2026")]), False).verdict == UNKNOWN
    assert find(rule, facts_of([lab("egfr", 20, "2026-10")]), False).verdict == FALSE
