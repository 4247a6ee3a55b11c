"""The assessment JSON of every fixture keeps its schema, and its members say what they promise."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

import cds_service
from cds_service import pipeline, wire
from cds_service.config import Settings
from cds_service.fetch import from_bundle
from cds_service.model.facts import Evidence
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN, Answer, Assessment, Decider, Finding, LookAgain, NearMiss, Outcome, Question
from cds_service.model.predicates import Age
from cds_service.model.trials import Cohort, Criterion
from cds_service.pipeline import Rules

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = sorted(p.stem for p in (ROOT / "fixtures").glob("*.json"))
SCHEMA = Draft202012Validator(json.loads((Path(cds_service.__file__).parent / "assessment.schema.json").read_text()), format_checker=FormatChecker())
AS_OF = 739_921  #: 2026-11-01
COUNTED = {"met": "met", "not-met": "notMet", "unknown": "unknown", "manual": "manual", "not-applicable": "notApplicable"}


@cache
def rules() -> Rules:
    return pipeline.load_rules(Settings.from_environment({}))


@cache
def said(name: str) -> dict[str, Any]:
    bundle = json.loads((ROOT / "fixtures" / f"{name}.json").read_text(encoding="utf-8"))
    answer, _ = pipeline.explained(from_bundle(bundle), rules(), AS_OF)
    found = json.loads(json.dumps(wire.assessment_json(answer)))
    assert isinstance(found, dict)
    return found


def walk(value: Any) -> Any:
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(part)


@pytest.mark.parametrize("name", FIXTURES)
def test_every_fixture_keeps_the_schema_and_leaves_out_what_is_empty(name: str) -> None:
    SCHEMA.validate(said(name))
    whole = said(name)
    assert [value for value in walk({k: v for k, v in whole.items() if k != "assessments"}) if value in (None, "", [], {})] == []
    for assessment in whole["assessments"]:
        assert [value for value in walk(assessment) if value is None or value in ("", [], {})] == []


@pytest.mark.parametrize("name", FIXTURES)
def test_no_record_unknown_and_manual_are_counted_apart(name: str) -> None:
    for assessment in said(name)["assessments"]:
        criteria, counts = assessment["criteria"], assessment["counts"]
        for outcome, counted in COUNTED.items():
            assert counts[counted] == sum(c["outcome"] == outcome for c in criteria)
        assert counts["noRecord"] == sum(c["outcome"] == "met" and c.get("basis") == "no-record" for c in criteria)


@pytest.mark.parametrize("name", FIXTURES)
def test_what_would_change_it_names_open_criteria_known_facts_and_later_days(name: str) -> None:
    known = {*rules().vocabulary.concepts, *rules().vocabulary.drugs, *rules().vocabulary.classes, "birth_date", "sex"}
    for assessment in said(name)["assessments"]:
        outcome = {c["id"]: c["outcome"] for c in assessment["criteria"]}
        if assessment["status"] != "possible":
            assert "decides" not in assessment and "questions" not in assessment
        if assessment["status"] == "not-applicable":
            assert "lookAgain" not in assessment
        for decider in assessment.get("decides", ()):
            assert set(decider["facts"]) <= known and decider["facts"] == sorted(set(decider["facts"]))
            assert {outcome[c] for c in decider["criteria"]} == {"unknown"} and decider["cost"]
        for question in assessment.get("questions", ()):
            assert outcome[question["criterion"]] == "unknown" and question["ask"].endswith(".")
        days = [again["date"] for again in assessment.get("lookAgain", ())]
        assert days == sorted(days) and all(day > "2026-11-01" for day in days)
        assert all(again["why"].count(outcome[again["criterion"]]) for again in assessment.get("lookAgain", ()))


def test_there_is_something_of_everything_in_the_fixtures() -> None:
    assessments = [a for name in FIXTURES for a in said(name)["assessments"]]
    criteria = [c for a in assessments for c in a["criteria"]]
    assert {member for a in assessments for member in a} >= {"decides", "lookAgain", "questions"}
    assert {d["settles"] for a in assessments for d in a.get("decides", ())} == {"excluded", "candidate", "either"}
    assert any("nearMiss" in c for c in criteria)
    assert any("beside a reported value" in e.get("note", "") for c in criteria for e in c.get("evidence", ()))


# --- one criterion by hand --------------------------------------------------------------------

CRITERION = Criterion("inc-alt", "inclusion", "Inclusion 1", "ALT", Age(18))
COHORT = Cohort("pmn", "membranous nephropathy", "MN", Age())


def of(finding: Finding, outcome: str, **more: Any) -> dict[str, Any]:
    trial = next(t for t in rules().trials if t.id == "NCT06469190")
    assessment = Assessment(trial, COHORT, "possible", (Outcome(CRITERION, outcome, finding),), **more)
    found = json.loads(json.dumps(wire.assessment_json(Answer(AS_OF, "Patient/1", (assessment,)))))
    SCHEMA.validate(found)
    cohort = found["assessments"][0]
    assert isinstance(cohort, dict)
    return cohort


ALT = Evidence("Observation/o1", "2026-11-02", "128 U/L", True, "upper limit 40 U/L")


def test_a_near_miss_is_value_limit_and_where_it_came_from() -> None:
    near = NearMiss("3.2 × upper limit on 2026-11-02", "at most 3 × upper limit", "was 90 U/L on 2026-10-02")
    criterion = of(Finding(FALSE, None, "recorded", (ALT,), near=near), "not-met")["criteria"][0]
    assert criterion["nearMiss"] == {"value": near.value, "limit": near.limit, "trend": near.trend}
    criterion = of(Finding(TRUE, None, "recorded", (ALT,), near=near._replace(trend="")), "met")["criteria"][0]
    assert "trend" not in criterion["nearMiss"]


def test_values_that_disagree_are_listed_as_a_conflict() -> None:
    both = (ALT._replace(used=False), Evidence("Observation/o2", "2026-11-02", "30 U/L", False))
    criterion = of(Finding(UNKNOWN, "conflicting", None, both), "unknown")["criteria"][0]
    assert criterion["conflict"] == [
        {"reference": "Observation/o1", "date": "2026-11-02", "value": "128 U/L"},
        {"reference": "Observation/o2", "date": "2026-11-02", "value": "30 U/L"},
    ]
    assert len(criterion["evidence"]) == 2
    assert "conflict" not in of(Finding(UNKNOWN, "stale", None, both), "unknown")["criteria"][0]


def test_what_would_change_it_as_json() -> None:
    found = of(
        Finding(UNKNOWN, "no-data", concepts=("alt",)),
        "unknown",
        decides=(Decider(("alt",), ("inc-alt",), "either", "blood"),),
        look_again=(LookAgain(AS_OF + 1, "inc-alt", "why", "met", "unknown", True),),
        questions=(Question("inc-alt", "Judge: ALT."),),
    )
    assert found["decides"] == [{"facts": ["alt"], "criteria": ["inc-alt"], "settles": "either", "cost": "blood"}]
    assert found["lookAgain"] == [{"date": "2026-11-02", "criterion": "inc-alt", "why": "why"}]
    assert found["questions"] == [{"criterion": "inc-alt", "ask": "Judge: ALT."}]
