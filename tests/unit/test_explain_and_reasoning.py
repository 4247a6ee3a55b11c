"""What would decide a cohort, when to look again, near misses; and one cohort's reasoning as text and as a page."""

import json
from datetime import date, timedelta
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator

from cds_service import fetch, pipeline, reasoning, wire
from cds_service.config import Settings, shipped

AS_OF = date(2026, 11, 1)
FIXTURES = sorted(shipped("fixtures").glob("*.json"))
SCHEMA = json.loads((Path(pipeline.__file__).parent / "assessment.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules():
    return pipeline.load_rules(Settings.from_environment({}))


def record(name):
    return fetch.from_bundle(orjson.loads((shipped("fixtures") / f"{name}.json").read_bytes()))


def cohort(answer, trial, name):
    return next(a for a in answer.assessments if (a.trial.id, a.cohort.id) == (trial, name))


def outcomes(answer):
    return {(a.trial.id, a.cohort.id, o.criterion.id): o.outcome for a in answer.assessments for o in a.outcomes if a.status != "not-applicable"}


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_the_whole_answer_with_what_would_change_it_keeps_the_schema(rules, path):
    answer, _ = pipeline.explained(record(path.stem), rules, AS_OF.toordinal())
    Draft202012Validator(SCHEMA).validate(orjson.loads(orjson.dumps(wire.assessment_json(answer))))


@pytest.mark.parametrize("name", ["rmn-possible", "pmn-candidate", "igan-candidate", "bcma-ln-candidate", "ln-child-candidate"])
def test_on_the_day_named_the_criterion_changes_and_nothing_changes_before_the_first(rules, name):
    answer, _ = pipeline.explained(record(name), rules, AS_OF.toordinal())
    today = outcomes(answer)
    days = sorted({again.day for a in answer.assessments for again in a.look_again})
    assert days
    for a in answer.assessments:
        for again in a.look_again:
            key = (a.trial.id, a.cohort.id, again.criterion)
            then = pipeline.assess(record(name), rules, again.day)
            found = {(x.trial.id, x.cohort.id, o.criterion.id): o.outcome for x in then.assessments for o in x.outcomes}
            assert found[key] != today[key], f"{key} on {date.fromordinal(again.day)}"
    for day in {days[0] - 1, AS_OF.toordinal() + (days[0] - AS_OF.toordinal()) // 2}:
        before = pipeline.assess(record(name), rules, day)
        found = {(x.trial.id, x.cohort.id, o.criterion.id): o.outcome for x in before.assessments for o in x.outcomes}
        assert {key: found[key] for key in today} == today, f"as of {date.fromordinal(day)}"


def test_a_missing_result_that_can_fail_could_rule_the_trial_out(rules):
    answer, _ = pipeline.explained(record("rmn-possible"), rules, AS_OF.toordinal())
    deciders = cohort(answer, "NCT07266181", "rmn").decides
    assert {d.facts: d.settles for d in deciders}[("lvef",)] == "excluded"
    assert {d.facts: d.cost for d in deciders}[("lvef",)] == "imaging"


def test_cheap_facts_come_before_dear_ones_that_settle_as_much(rules):
    answer, _ = pipeline.explained(record("rmn-possible"), rules, AS_OF.toordinal())
    ruling_out = [d for d in cohort(answer, "NCT07266181", "rmn").decides if d.settles == "excluded"]
    assert [d.cost for d in ruling_out] == sorted((d.cost for d in ruling_out), key=("chart", "blood", "urine", "imaging", "biopsy").index)


def test_granting_the_one_fact_that_is_missing_decides_the_cohort(rules):
    bundle = orjson.loads((shipped("fixtures") / "rmn-candidate.json").read_bytes())
    lvef = next(e for e in bundle["entry"] if "lvef" in e["resource"]["id"])
    bundle["entry"].remove(lvef)
    answer, _ = pipeline.explained(fetch.from_bundle(bundle), rules, AS_OF.toordinal())
    (decider,) = cohort(answer, "NCT07266181", "rmn").decides
    assert (decider.facts, decider.settles) == (("lvef",), "either")
    for percent, status in ((60, "candidate"), (40, "excluded")):
        lvef["resource"]["valueQuantity"]["value"] = percent
        granted = pipeline.assess(fetch.from_bundle({**bundle, "entry": [*bundle["entry"], lvef]}), rules, AS_OF.toordinal())
        assert cohort(granted, "NCT07266181", "rmn").status == status


def test_what_no_result_can_settle_is_a_question(rules):
    answer, _ = pipeline.explained(record("pmn-candidate"), rules, AS_OF.toordinal())
    found = cohort(answer, "NCT07266181", "rmn")
    assert [q.criterion for q in found.questions] == ["inc-risk-class"]


def test_a_value_close_to_its_limit_is_a_near_miss(rules):
    answer = pipeline.assess(record("rmn-possible"), rules, AS_OF.toordinal())
    egfr = next(o for o in cohort(answer, "NCT06469190", "pmn").outcomes if o.criterion.id == "inc-pmn-egfr")
    assert egfr.finding.near is not None
    assert egfr.finding.near.limit == "at least 45 mL/min/1.73 m²" and "59" in egfr.finding.near.trend


def sheet(rules, name, trial, group):
    answer, facts = pipeline.explained(record(name), rules, AS_OF.toordinal())
    return reasoning.sheet(answer, cohort(answer, trial, group), lambda c: rules.evaluator.reasoning(c, facts), rules.names)


def test_the_text_shows_every_criterion_with_its_parts_in_100_columns(rules):
    text = reasoning.as_text(sheet(rules, "rmn-possible", "NCT07266181", "rmn"))
    assert max(map(len, text.splitlines())) <= 100
    flat = " ".join(text.split())
    assert all(c.label in flat for c in next(t for t in rules.trials if t.id == "NCT07266181").criteria)


def test_the_page_holds_all_it_needs_and_escapes_what_a_record_says(rules):
    page = sheet(rules, "rmn-possible", "NCT07266181", "rmn")
    bad = page._replace(patient="<img src=x onerror=alert(1)>")
    html = reasoning.as_html(bad)
    assert "<img" not in html and "&lt;img" in html
    assert "<script" not in html and "src=" not in html.replace("&lt;img src=x", "") and "@import" not in html


def test_the_days_named_lie_after_today(rules):
    answer, _ = pipeline.explained(record("rmn-candidate"), rules, AS_OF.toordinal())
    assert all(date.fromordinal(x.day) >= AS_OF + timedelta(days=1) for a in answer.assessments for x in a.look_again)
