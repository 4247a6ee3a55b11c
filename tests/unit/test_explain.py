"""What would decide a cohort, and when to look again: small trials, facts by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from spec.language import AS_OF, Given, above, at_least, below, days, diagnosis, done, drug, facts_of, lab, months, years
from spec.trial_state import MN, ONE, trial_of
from spec.vocabulary import VOCABULARY

from cds_service import explain
from cds_service.dates import iso
from cds_service.evaluate import compile_rules
from cds_service.explain.ways import least
from cds_service.model.facts import Exposure, Facts, Patient, later
from cds_service.model.outcomes import Assessment
from cds_service.model.predicates import (
    Age,
    All,
    Any,
    AtLeast,
    ConditionIs,
    Dose,
    Doubt,
    EventIs,
    Limit,
    Manual,
    Not,
    ObservationIs,
    Persistent,
    Predicate,
    Relapse,
    Response,
    Sex,
    Therapy,
    Trend,
    Unless,
    When,
)
from cds_service.model.trials import Criterion, Interpretation

SICK = diagnosis(MN, onset="2024-01-15")
EGFR = ObservationIs(("egfr",), at_least(30.0))
LVEF = ObservationIs(("lvef",), at_least(50.0))
PROTEIN = ObservationIs(("urine_protein_24h",), at_least(3.5))
HBSAG = ObservationIs(("hbsag",), result="positive")
DNA = ObservationIs(("hbv_dna",), result="detected")
STEROID = Therapy(("glucocorticoid",), duration=months(6))
PRICED = replace(
    VOCABULARY,
    concepts={**VOCABULARY.concepts, **{c: replace(VOCABULARY.concepts[c], cost=cost) for c, cost in (("lvef", "imaging"), ("upcr", "urine"))}},
)


def needs(predicate: Predicate, number: int = 1, **more: object) -> Criterion:
    return Criterion(f"inc-{number}", "inclusion", f"Inclusion {number}", f"Criterion {number}", predicate, **more)


def rules_out(predicate: Predicate, number: int = 1, **more: object) -> Criterion:
    return Criterion(f"exc-{number}", "exclusion", f"Exclusion {number}", f"Criterion {number}", predicate, **more)


def explained(criteria: Sequence[Criterion], given: Sequence[Given] = (), facts: Facts | None = None) -> Assessment:
    """As the pipeline does it."""
    evaluator = compile_rules([trial_of([ONE], *criteria)], PRICED)
    facts = facts or facts_of([SICK, *given])
    (assessment,) = evaluator.assess(facts)
    decided = explain.with_deciders(assessment, facts, evaluator.reasoning, PRICED)
    return explain.with_look_again(decided, facts, lambda day: later(facts, day), evaluator.outcome_on, evaluator.reasoning, PRICED)


def sets(*criteria: Criterion, given: Sequence[Given] = ()) -> list[tuple[str, set[str]]]:
    return [(d.settles, set(d.facts)) for d in explained(criteria, given).decides]


def named(*criteria: Criterion, given: Sequence[Given] = (), facts: Facts | None = None) -> dict[str, tuple[str, str, str]]:
    return {a.criterion: (iso(a.day), a.now, a.then) for a in explained(criteria, given, facts).look_again}


# --- what would decide it ---------------------------------------------------------------------


def test_one_missing_result_decides_either_way() -> None:
    (decider,) = explained([needs(EGFR)]).decides
    assert decider == (("egfr",), ("inc-1",), "either", "blood")


def test_each_of_two_results_can_rule_out_and_both_decide() -> None:
    assert sets(needs(EGFR), needs(LVEF, 2)) == [("excluded", {"egfr"}), ("excluded", {"lvef"}), ("either", {"egfr", "lvef"})]


def test_what_rules_out_more_comes_first_then_what_costs_less() -> None:
    found = explained(
        [needs(LVEF), needs(EGFR, 2), rules_out(ObservationIs(("lvef",), below(40.0)), 3), needs(ObservationIs(("upcr",), at_least(1.0)), 4)]
    )
    assert [(d.facts, d.cost) for d in found.decides[:3]] == [(("lvef",), "imaging"), (("egfr",), "blood"), (("upcr",), "urine")]
    assert found.decides[0].criteria == ("inc-1", "exc-3")
    assert found.decides[-1] == (("egfr", "lvef", "upcr"), ("inc-1", "inc-2", "exc-3", "inc-4"), "either", "imaging")


def test_one_of_several_routes_is_enough_to_pass_and_all_must_fail() -> None:
    assert sets(needs(Any((EGFR, LVEF)))) == [("candidate", {"egfr"}), ("either", {"egfr", "lvef"})]


def test_one_of_several_conditions_is_enough_to_fail_and_all_must_hold() -> None:
    assert sets(needs(All((EGFR, LVEF)))) == [("excluded", {"egfr"}), ("excluded", {"lvef"}), ("either", {"egfr", "lvef"})]


def test_an_exclusion_fails_where_it_holds() -> None:
    assert sets(rules_out(All((HBSAG, DNA)))) == [("candidate", {"hbsag"}), ("either", {"hbsag", "hbv_dna"})]


def test_at_least_two_of_three() -> None:
    found = sets(needs(AtLeast(2, (EGFR, LVEF, PROTEIN))))
    assert ("excluded", {"egfr", "lvef"}) in found and ("candidate", {"egfr", "urine_protein_24h"}) in found
    assert found[-1] == ("either", {"egfr", "lvef", "urine_protein_24h"})


def test_what_holds_already_asks_for_nothing_more() -> None:
    assert sets(needs(All((EGFR, LVEF))), given=[lab("egfr", 52)]) == [("either", {"lvef"})]


def test_a_guard_that_is_open_is_one_of_the_facts() -> None:
    nobody = replace(facts_of([SICK]), patient=Patient("Patient/p1", AS_OF - 15_000, AS_OF - 15_000, None))
    found = explained([needs(When(Sex("female"), EGFR))], facts=nobody)
    assert [(d.settles, set(d.facts)) for d in found.decides] == [("excluded", {"egfr", "sex"})]


def test_an_exception_can_save_a_criterion_that_fails() -> None:
    excuse = Unless(EGFR, LVEF)
    assert sets(needs(excuse), given=[lab("egfr", 20)]) == [("either", {"lvef"})]
    assert [q.criterion for q in explained([needs(Unless(EGFR, LVEF, "unknown"))], [lab("egfr", 20)]).questions] == ["inc-1"]


def test_one_value_cannot_be_two_things_at_once() -> None:
    """Above zero it is positive, at zero it is a question: nothing makes it fail."""
    positive = ObservationIs(("cd19_b_cells",), above(0.0))
    doubt = Any((positive, Doubt(Not(positive), "needs-judgement")))
    assert sets(needs(doubt)) == [("candidate", {"cd19_b_cells"})]


@pytest.mark.parametrize(
    ("predicate", "given"),
    [
        (Doubt(ConditionIs((MN,)), "needs-judgement"), []),
        (All((ConditionIs((MN,)), Doubt(ConditionIs((MN,)), "ambiguous-record"))), []),
        (ConditionIs(("heart_failure",), maybe=("infection",), absent="unknown"), [diagnosis("infection")]),
    ],
)
def test_what_needs_judgement_is_a_question_and_in_no_set(predicate: Predicate, given: Sequence[Given]) -> None:
    found = explained([needs(predicate)], given)
    assert found.decides == () and [q.criterion for q in found.questions] == ["inc-1"]


def test_beside_a_question_a_result_can_rule_out_but_no_set_leaves_nothing_open() -> None:
    assert sets(needs(Doubt(ConditionIs((MN,)), "needs-judgement")), needs(EGFR, 2)) == [("excluded", {"egfr"})]


def test_the_question_tells_what_to_judge_or_how_the_record_was_read() -> None:
    judged = needs(Doubt(ConditionIs((MN,)), "needs-judgement"), short="primary or secondary")
    reading = Interpretation("ninety and over is normal", "no number", (), False, "unreviewed")
    unclear = needs(Doubt(ConditionIs((MN,)), "ambiguous-record"), 2, interpretation=reading)
    first, second = explained([judged, unclear]).questions
    assert first.ask == "Judge: primary or secondary."
    assert second.ask == "Ask the study team how the record is meant. We read: ninety and over is normal"


def test_a_diagnosis_that_is_not_on_record_can_be_found_but_not_ruled_out() -> None:
    assert sets(needs(ConditionIs(("sle",), absent="unknown"))) == [("candidate", {"sle"})]
    assert sets(rules_out(ConditionIs(("cancer",), within=years(5))), given=[diagnosis("cancer", "resolved", written="2026-03-01")]) == [
        ("either", {"cancer"})
    ]


def test_a_diagnosis_that_only_a_report_may_name_asks_for_the_report() -> None:
    assert sets(needs(ConditionIs((MN,), status="ever", reported=True, absent="unknown"))) == [("candidate", {"pathology_report"})]


def test_an_event_without_a_date_asks_for_the_one_on_record() -> None:
    assert sets(rules_out(EventIs(("transplant", "surgery"), within=days(28), absent="no")), given=[done("surgery")]) == [("either", {"surgery"})]


def test_a_therapy_can_be_found_but_never_ruled_out() -> None:
    assert sets(needs(STEROID)) == [("candidate", {"glucocorticoid"})]


def test_a_dose_by_weight_asks_for_the_weight_that_is_missing() -> None:
    dosed = needs(Therapy(("glucocorticoid",), dose=Dose(Limit("ge", 1.0), "mg/kg/d")))
    assert sets(dosed) == [("candidate", {"body_weight", "glucocorticoid"})]
    assert sets(dosed, given=[lab("body_weight", 60)]) == [("candidate", {"glucocorticoid"})]


FAILURE = needs(Response(STEROID, PROTEIN))


def test_failure_of_therapy_asks_for_the_therapy_where_its_effect_is_on_record() -> None:
    assert sets(FAILURE, given=[lab("urine_protein_24h", 5)]) == [("candidate", {"glucocorticoid"})]
    assert sets(FAILURE, given=[lab("urine_protein_24h", 1)]) == [("excluded", {"glucocorticoid"})]


def test_failure_of_therapy_asks_for_both_where_neither_is_on_record() -> None:
    assert sets(FAILURE) == [("excluded", {"glucocorticoid", "urine_protein_24h"}), ("candidate", {"glucocorticoid", "urine_protein_24h"})]


def test_failure_of_a_therapy_on_record_asks_for_the_measurement() -> None:
    assert ("excluded", {"urine_protein_24h"}) in sets(FAILURE, given=[drug("prednisone", "2025-01-01", ongoing=True)])


@pytest.mark.parametrize(
    "therapy",
    [
        Therapy(all_of=("glucocorticoid", "cyclophosphamide"), duration=months(3)),
        Therapy(("immunosuppressant",), distinct=2, duration=months(3)),
        Therapy(("tacrolimus", "rituximab"), distinct=2),
        Therapy(regimens=(STEROID, Therapy(("tacrolimus",), duration=months(6)))),
        Therapy(("glucocorticoid",), dose=Dose(Limit("ge", 40.0), "mg/d"), duration=months(3)),
    ],
)
def test_every_kind_of_therapy_can_be_supposed(therapy: Therapy) -> None:
    found = sets(needs(Response(therapy, PROTEIN)), given=[lab("urine_protein_24h", 5)])
    assert [settles for settles, _ in found] == ["candidate"]


def test_trends_and_relapses_ask_for_the_course_of_their_value() -> None:
    assert sets(needs(Trend("egfr", "fall", Limit("ge", 50.0), "highest", months(3)))) == [("either", {"egfr"})]
    relapse = needs(Relapse("urine_protein_24h", 0.3, 3.5, 50.0, Limit("ge", 3.5)))
    assert sets(relapse) == [("excluded", {"urine_protein_24h"}), ("candidate", {"urine_protein_24h"})]


def test_one_value_over_the_limit_starts_no_run() -> None:
    persistent = rules_out(ObservationIs(("bp_systolic",), above(160.0), persistent=Persistent(2, within=days(90))))
    assert {settles for settles, _ in sets(persistent)} == {"excluded", "candidate"}
    assert sets(persistent, given=[lab("bp_systolic", 150, "2026-01-10")]) == [("candidate", {"bp_systolic"})]


def test_where_every_value_counts_one_that_cannot_be_read_may_be_the_one() -> None:
    given = [lab("egfr", problem="unreadable")]
    assert sets(needs(replace(EGFR, pick="any")), given=given) == [("candidate", {"egfr"})]
    assert sets(needs(replace(EGFR, pick="worst")), given=given) == [("excluded", {"egfr"})]


def test_a_list_that_was_not_read_is_the_fact_to_get() -> None:
    facts = replace(facts_of([SICK]), incomplete={"results-kidney": "unavailable"})
    (decider, other) = explained([needs(EGFR)], facts=facts).decides
    assert decider.facts == other.facts == ("results-kidney",) and {decider.settles, other.settles} == {"excluded", "candidate"}


def test_age_and_sex_open_other_criteria_so_they_never_leave_nothing_open() -> None:
    nobody = replace(facts_of([SICK]), patient=Patient("Patient/p1"))
    found = explained([needs(Age(18, 70))], facts=nobody)
    assert [(d.settles, d.facts) for d in found.decides] == [("excluded", ("birth_date",))]


def test_a_new_value_that_may_open_a_decided_criterion_does_not_decide_whatever_it_is() -> None:
    """The value of today answers the second criterion and, as it is newer, the first again."""
    old = needs(replace(PROTEIN, fresh=False))
    fresh = needs(replace(PROTEIN, limits=at_least(1.0)), 2)
    given = [lab("urine_protein_24h", 5, "2026-01-10")]
    assert {settles for settles, _ in sets(old, fresh, given=given)} == {"excluded", "candidate"}


@pytest.mark.parametrize("given", [[lab("egfr", 52)], [lab("egfr", 20)]])
def test_what_is_decided_asks_for_nothing(given: list[Given]) -> None:
    found = explained([needs(EGFR), needs(Manual("Does the patient consent?"), 2)], given)
    assert found.status in ("candidate", "excluded") and found.decides == found.questions == ()


def test_the_smallest_sets() -> None:
    def of(*words: str) -> frozenset[frozenset[str]]:
        return frozenset(frozenset(word) for word in words)

    assert least(of("ab", "a", "bc", "abc")) == of("a", "bc")
    assert least(of("", "a")) == of("")


# --- when to look again -----------------------------------------------------------------------


def test_a_value_goes_stale_the_day_after_its_last_fresh_day() -> None:
    (again,) = explained([needs(EGFR)], [lab("egfr", 52, "2026-10-18")]).look_again
    assert (iso(again.day), again.now, again.then, again.aged) == ("2027-04-17", "met", "unknown", True)
    assert again.why == "the result grows too old: met now, unknown from this day if nothing new is recorded"


def test_a_window_closes_and_the_exclusion_ends() -> None:
    found = explained([rules_out(EventIs(("vaccine_live",), within=days(28), absent="no"))], [done("vaccine_live", "2026-10-20")])
    (again,) = found.look_again
    assert (iso(again.day), again.now, again.then, again.aged) == ("2026-11-18", "not-met", "met", False)


def test_a_diagnosis_leaves_its_window() -> None:
    cancer = rules_out(ConditionIs(("cancer",), status="ever", within=years(5)))
    assert named(cancer, given=[diagnosis("cancer", "resolved", "2022-03-01")]) == {"exc-1": ("2027-03-02", "not-met", "met")}


def test_six_months_of_therapy_are_reached() -> None:
    found = named(needs(STEROID), given=[drug("prednisone", "2026-08-31", ongoing=True)])
    assert found == {"inc-1": ("2027-02-28", "unknown", "met")}


def test_a_planned_end_stops_a_course_that_goes_on() -> None:
    planned = Exposure("prednisone", "", "order", AS_OF - 100, AS_OF - 100, AS_OF, AS_OF, True, planned_first=AS_OF + 30, planned_last=AS_OF + 30)
    facts = replace(facts_of([SICK]), exposures={"prednisone": [planned]})
    now = needs(Therapy(("glucocorticoid",), when="current"))
    assert named(now, needs(STEROID, 2), facts=facts) == {"inc-1": (iso(AS_OF + 31), "met", "unknown")}


@pytest.mark.parametrize(
    ("born", "age", "day", "now", "then"),
    [
        ("2009-02-10", Age(18, None), "2027-02-10", "not-met", "met"),
        ("2008-02-29", Age(19, None), "2027-03-01", "not-met", "met"),
        ("1956-06-01", Age(18, 70), "2027-06-01", "met", "not-met"),
    ],
)
def test_a_birthday(born: str, age: Age, day: str, now: str, then: str) -> None:
    from cds_service.dates import interval

    facts = replace(facts_of([SICK]), patient=Patient("Patient/p1", *interval(born), "female"))
    assert named(needs(age), facts=facts) == {"inc-1": (day, now, then)}


def test_a_date_known_to_the_year_grows_with_the_year() -> None:
    """Read in November, a resolved infarction "in 2026" may be of any day until then; read in May, of any day of 2026."""
    window = rules_out(ConditionIs(("heart_failure",), status="ever", within=months(6)))
    found = named(window, given=[diagnosis("heart_failure", "resolved", "2026")])
    assert found == {"exc-1": ("2027-07-01", "unknown", "met")}


def test_nothing_changes_what_never_grows_old_and_what_lies_beyond_ten_years() -> None:
    assert named(needs(replace(EGFR, fresh=False)), needs(ConditionIs((MN,)), 2), given=[lab("egfr", 52)]) == {}
    young = replace(facts_of([SICK]), patient=Patient("Patient/p1", AS_OF - 20 * 365, AS_OF - 20 * 365, "female"))
    assert named(needs(Age(18, 70)), facts=young) == {}


def test_a_cohort_whose_disease_is_not_on_record_has_no_days() -> None:
    evaluator = compile_rules([trial_of([ONE], needs(EGFR))], PRICED)
    facts = facts_of([lab("egfr", 52)])
    (assessment,) = evaluator.assess(facts)
    after = explain.with_look_again(assessment, facts, lambda day: later(facts, day), evaluator.outcome_on, evaluator.reasoning, PRICED)
    assert after is assessment and explain.with_deciders(assessment, facts, evaluator.reasoning, PRICED) is assessment


# --- the record on a later day ----------------------------------------------------------------


def test_what_goes_on_goes_on_and_what_has_ended_has_ended() -> None:
    facts = facts_of([drug("prednisone", "2026-01-01", ongoing=True), drug("tacrolimus", "2026-01-01", "2026-06-01"), lab("egfr", 52, "2026-11-01")])
    after = later(facts, AS_OF + 100)
    assert after.as_of == AS_OF + 100
    assert after.exposures["prednisone"][0].end_last == AS_OF + 100
    assert after.exposures["tacrolimus"] == facts.exposures["tacrolimus"]
    assert after.observations == facts.observations


@pytest.mark.parametrize(
    ("written", "last"), [("2026", "2026-12-31"), ("2026-11", "2026-11-30"), ("2026-11-01", "2026-11-01"), ("2025", "2025-12-31")]
)
def test_a_vague_date_that_was_cut_at_the_day_of_reading_is_cut_later(written: str, last: str) -> None:
    facts = facts_of([lab("egfr", 52, written), diagnosis("cancer", "resolved", written), done("surgery", written)])
    after = later(facts, AS_OF + 400)
    assert iso(after.observations["egfr"][0].last) == last
    assert iso(after.conditions["cancer"][0].last) == last
    assert iso(after.events["surgery"][0].last) == last


@pytest.mark.parametrize(("written", "last"), [("2026", "2026-12-31"), ("2025", "2025-12-31")])
def test_so_does_the_end_of_a_diagnosis(written: str, last: str) -> None:
    facts = facts_of([diagnosis("cancer", "resolved", "2020-01-01", ended=written)])
    assert iso(later(facts, AS_OF + 400).conditions["cancer"][0].ended_last) == last


def test_a_period_without_an_end_runs_to_the_later_day_and_a_recorded_date_does_not() -> None:
    facts = facts_of([diagnosis("cancer", onset="2026-03-01"), diagnosis("sle", written="2026-11-01")])
    (cancer,), (sle,) = facts.conditions["cancer"], facts.conditions["sle"]
    open_ended = replace(facts, conditions={"cancer": [cancer._replace(last=AS_OF)], "sle": [sle]})
    after = later(open_ended, AS_OF + 10).conditions
    assert (after["cancer"][0].last, after["sle"][0].last) == (AS_OF + 10, AS_OF)


def test_of_very_many_combinations_each_criterion_asks_for_its_own_cheapest() -> None:
    routes = Any((LVEF, EGFR, PROTEIN))
    found = sets(*(needs(routes, number) for number in range(1, 8)))
    assert found[0] == ("candidate", {"egfr"}) and found[-1][0] == "either"
