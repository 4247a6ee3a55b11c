"""The course of a therapy as evidence of a response: from when to when, gaps, doses, and the measurements beside it."""

from datetime import date

import orjson
import pytest

from cds_service import fetch, pipeline
from cds_service.config import Settings, shipped

AS_OF = date(2026, 11, 1).toordinal()


@pytest.fixture(scope="module")
def evidence():
    rules = pipeline.load_rules(Settings.from_environment({}))
    bundle = orjson.loads((shipped("fixtures") / "pmn-candidate.json").read_bytes())
    answer = pipeline.assess(fetch.from_bundle(bundle), rules, AS_OF)
    cohort = next(a for a in answer.assessments if a.cohort.id == "pmn")
    return next(o for o in cohort.outcomes if o.criterion.id == "inc-pmn-failure").finding.evidence


def test_the_first_exposure_tells_how_long_the_whole_course_was(evidence):
    assert evidence[0].note.startswith("12 months in all")


def test_a_glucocorticoid_is_given_in_prednisone_a_day(evidence):
    prednisone = next(e for e in evidence if "prednisone" in e.value)
    assert "5 mg prednisone equivalent a day" in prednisone.note


def test_each_exposure_tells_when_it_ended(evidence):
    tacrolimus = next(e for e in evidence if "tacrolimus" in e.value)
    assert "to 2026-09-30" in tacrolimus.note


def test_the_measurements_of_the_course_stand_beside_and_are_not_used(evidence):
    course = [e for e in evidence if e.note == "course"]
    assert course and not any(e.used for e in course)
    assert len({e.reference for e in evidence}) == len(evidence), "no value twice"
