"""The synthetic patients: valid FHIR, invented, consistent, and each shows what fixtures/README.md says it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle

from cds_service.cards import compose
from cds_service.checks import fixture_faults
from cds_service.config import Settings
from cds_service.fetch import from_bundle
from cds_service.model.outcomes import Answer
from cds_service.pipeline import Rules, assess, load_rules

FOLDER = Path(__file__).resolve().parents[1] / "fixtures"
FILES = sorted(FOLDER.glob("*.json"))
AS_OF = date(2026, 11, 1)
RMN, PMN = "NCT07266181/rmn", "NCT06469190/pmn"
IGAN, AAV = "NCT06469190/igan", "NCT06469190/aav"
CHILD_LN, SLE = "NCT06904729/ln", "NCT06222853/sle"
LN, SSC, PAH, AID = "NCT06947460/ln", "NCT06947460/ssc", "NCT06947460/pss-pah", "NCT06947460/aid"

#: What the README promises of each patient.
EXPECTED = {
    "rmn-candidate": {RMN: "candidate", PMN: "possible"},
    "pmn-candidate": {RMN: "possible", PMN: "candidate"},
    "pmn-candidate-us-units": {RMN: "possible", PMN: "candidate"},
    "rmn-possible": {RMN: "possible", PMN: "possible"},
    "excluded-by-lab": {RMN: "excluded", PMN: "excluded"},
    "excluded-by-condition": {RMN: "excluded", PMN: "excluded"},
    "secondary-mn": {RMN: "excluded", PMN: "excluded"},
    "child-mn": {RMN: "excluded", PMN: "excluded"},
    "other-disease": {},
    "messy-record": {RMN: "possible", PMN: "possible"},
    "igan-candidate": {IGAN: "candidate"},
    "igan-possible": {IGAN: "possible"},
    "aav-candidate": {AAV: "candidate"},
    "aav-excluded": {AAV: "excluded"},
    "ln-child-candidate": {CHILD_LN: "candidate", SLE: "possible", LN: "possible"},
    "ln-child-possible": {CHILD_LN: "possible", SLE: "possible", LN: "possible"},
    "ln-class-five": {SLE: "possible", AID: "possible"},
    "sle-child-candidate": {CHILD_LN: "possible", SLE: "candidate", LN: "possible"},
    "sle-child-excluded": {CHILD_LN: "possible", SLE: "excluded", LN: "possible"},
    "bcma-ln-candidate": {CHILD_LN: "excluded", SLE: "excluded", LN: "candidate"},
    "bcma-ln-chronic": {CHILD_LN: "excluded", SLE: "excluded", LN: "excluded", AID: "possible"},
    "bcma-ln-class-v": {SLE: "excluded", AID: "possible"},
    "bcma-ssc-candidate": {SSC: "candidate"},
    "bcma-ssc-core-antibody": {SSC: "possible"},
    "bcma-pah-candidate": {PAH: "candidate"},
    "bcma-pah-catheter-alone": {PAH: "possible"},
    "bcma-aid-candidate": {AID: "candidate"},
    "several-diseases": {SLE: "excluded", AID: "possible"},
    "two-trials": {RMN: "candidate", PMN: "candidate"},
}


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_rules(Settings.from_environment({}))


def load(name: str) -> dict[str, object]:
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def answer(name: str, rules: Rules) -> Answer:
    return assess(from_bundle(load(name)), rules, AS_OF.toordinal())


def outcomes(answer: Answer, cohort: str) -> dict[str, str]:
    for a in answer.assessments:
        if f"{a.trial.id}/{a.cohort.id}" == cohort:
            return {o.criterion.id: o.outcome for o in a.outcomes}
    raise AssertionError(f"no cohort {cohort}")


def walk(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)


def test_every_fixture_is_listed_and_none_else() -> None:
    listed = re.findall(r"^\| `([a-z-]+)\.json`", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(p.stem for p in FILES) == sorted(EXPECTED)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_valid_r4_and_readable(path: Path) -> None:
    assert Bundle.model_validate(json.loads(path.read_text(encoding="utf-8"))).type == "collection"
    assert fixture_faults(path) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_obviously_synthetic(path: Path) -> None:
    (patient,) = [r for r in walk(load(path.stem)) if r.get("resourceType") == "Patient"]
    assert re.search(r'"family": "Fixture-', json.dumps(patient)) and '"code": "HTEST"' in json.dumps(patient)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_references_stay_inside_and_nothing_is_from_the_future(path: Path) -> None:
    bundle = load(path.stem)
    there = {f"{r['resourceType']}/{r['id']}" for r in walk(bundle) if "resourceType" in r and r["resourceType"] != "Bundle"}
    asked = {str(r["reference"]) for r in walk(bundle) if "reference" in r}
    assert asked <= there
    written = re.findall(r'"(\d{4}-\d{2}-\d{2})', json.dumps(bundle))
    assert written and max(written) <= AS_OF.isoformat()


def test_ids_are_unique_so_that_one_server_holds_all_patients() -> None:
    ids = [(r["resourceType"], r["id"]) for p in FILES for r in walk(load(p.stem)) if "resourceType" in r and r["resourceType"] != "Bundle"]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_clinical_code_is_one_that_we_map(path: Path, rules: Rules) -> None:
    ours = {code for _, code in rules.vocabulary.exact} | {code for _, code in rules.vocabulary.answers}
    used = {str(c["code"]) for c in walk(load(path.stem)) if str(c.get("system", "")).startswith(("http://loinc", "http://snomed", "http://www.nlm"))}
    panels = {"85354-9"}
    assert used - ours - panels == set()


@pytest.mark.parametrize("name", EXPECTED)
def test_status(name: str, rules: Rules) -> None:
    found = {f"{a.trial.id}/{a.cohort.id}": a.status for a in answer(name, rules).assessments}
    assert {cohort: status for cohort, status in found.items() if status != "not-applicable"} == EXPECTED[name]


def test_units_change_nothing(rules: Rules) -> None:
    si, us = answer("pmn-candidate", rules), answer("pmn-candidate-us-units", rules)
    for cohort in (RMN, PMN):
        assert outcomes(si, cohort) == outcomes(us, cohort)


def test_the_possible_patient_lacks_exactly_three_tests(rules: Rules) -> None:
    found = outcomes(answer("rmn-possible", rules), RMN)
    whole = outcomes(answer("rmn-candidate", rules), RMN)
    assert sum(o == "unknown" for o in found.values()) == 3
    assert {c for c in found if found[c] != whole[c]} == {c for c, o in found.items() if o == "unknown"}


def test_one_result_rules_both_trials_out(rules: Rules) -> None:
    for cohort in (RMN, PMN):
        out = [c for c, o in outcomes(answer("excluded-by-lab", rules), cohort).items() if o == "not-met"]
        assert len(out) == 1 and "lvef" in out[0]


def test_diabetes_rules_one_trial_out_and_the_cancer_the_other(rules: Rules) -> None:
    found = answer("excluded-by-condition", rules)
    (cancer,) = [c for c, o in outcomes(found, RMN).items() if o == "not-met"]
    (diabetes,) = [c for c, o in outcomes(found, PMN).items() if o == "not-met"]
    assert "malignan" in cancer and "diabet" in diabetes


def test_the_childs_egfr_is_computed_by_schwartz(rules: Rules) -> None:
    said = [e for a in answer("child-mn", rules).assessments for o in a.outcomes for e in o.finding.evidence if "Schwartz" in e.value + e.note]
    assert said


def test_each_doubt_of_the_messy_record_has_its_own_reason(rules: Rules) -> None:
    reasons = {o.finding.reason for a in answer("messy-record", rules).assessments for o in a.outcomes if o.outcome == "unknown"}
    assert {"unit", "unreadable", "stale", "needs-judgement", "no-data"} <= reasons


def test_one_egfr_fails_an_inclusion_and_an_exclusion_and_the_rest_stays_open(rules: Rules) -> None:
    found = outcomes(answer("aav-excluded", rules), AAV)
    assert {c for c, o in found.items() if o == "not-met"} == {"inc-aav-egfr", "exc-aav-egfr"}
    assert {c for c, o in found.items() if o == "unknown"} == {"inc-aav-antibody", "inc-aav-bvas", "inc-aav-failure"}


def test_a_question_of_iga_nephropathy_is_never_answered_by_its_code(rules: Rules) -> None:
    found = outcomes(answer("igan-possible", rules), IGAN)
    assert found["inc-igan"] == found["exc-igan-secondary"] == found["inc-igan-failure"] == "unknown"
    assert found["inc-igan-biopsy"] == found["exc-hepatitis-b"] == "met"


#: Of the patients who are possible or excluded: exactly which criteria stay open, and which fail.
OPEN_OR_FAILED = [
    (
        "ln-child-possible",
        CHILD_LN,
        {"inc-active", "inc-failure", "inc-proteinuria", "inc-cd19", "inc-egfr", "inc-ana"},
        set(),
    ),
    ("ln-class-five", SLE, {"inc-failure", "exc-chronicity"}, set()),
    ("sle-child-excluded", SLE, set(), {"exc-cmv", "exc-live-vaccine"}),
    ("bcma-ln-chronic", LN, set(), {"inc-ln-active"}),
    ("bcma-ln-class-v", AID, {"exc-hepatitis-b-screening"}, set()),
    ("bcma-ssc-core-antibody", SSC, {"exc-hepatitis-b"}, set()),
    ("bcma-pah-catheter-alone", PAH, {"inc-pah-diagnosis", "inc-pah-natriuretic"}, set()),
]


@pytest.mark.parametrize(("name", "cohort", "unknown", "failed"), OPEN_OR_FAILED, ids=[f"{name}-{cohort}" for name, cohort, _, _ in OPEN_OR_FAILED])
def test_what_is_open_and_what_fails_is_what_the_patient_was_made_for(
    name: str, cohort: str, unknown: set[str], failed: set[str], rules: Rules
) -> None:
    found = outcomes(answer(name, rules), cohort)
    assert {c for c, o in found.items() if o == "unknown"} == unknown
    assert {c for c, o in found.items() if o == "not-met"} == failed


def test_a_clearance_from_creatinine_and_weight_is_cockcroft_gault(rules: Rules) -> None:
    found = [o for a in answer("bcma-ssc-core-antibody", rules).assessments if a.cohort.id == "ssc" for o in a.outcomes]
    (clearance,) = [o for o in found if o.criterion.id == "exc-clearance"]
    assert clearance.finding.basis == "computed" and "Cockcroft-Gault" in str(clearance.finding.evidence)


#: Who gets a card, of which trials, best first. All others get none.
CARDS = {
    "rmn-candidate": ("NCT07266181", "NCT06469190"),
    "pmn-candidate": ("NCT06469190", "NCT07266181"),
    "pmn-candidate-us-units": ("NCT06469190", "NCT07266181"),
    "two-trials": ("NCT06469190", "NCT07266181"),
    "rmn-possible": ("NCT07266181", "NCT06469190"),
    "messy-record": ("NCT07266181",),
    "igan-candidate": ("NCT06469190",),
    "aav-candidate": ("NCT06469190",),
    "ln-child-candidate": ("NCT06904729", "NCT06947460"),
    "ln-child-possible": ("NCT06947460", "NCT06904729"),
    "sle-child-candidate": ("NCT06947460", "NCT06904729"),
    "sle-child-excluded": ("NCT06947460", "NCT06904729"),
    "bcma-ln-candidate": ("NCT06947460",),
    "bcma-ln-class-v": ("NCT06947460",),
    "bcma-ssc-candidate": ("NCT06947460",),
    "bcma-pah-candidate": ("NCT06947460",),
    "bcma-pah-catheter-alone": ("NCT06947460",),
    "bcma-aid-candidate": ("NCT06947460",),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_cards(name: str, rules: Rules) -> None:
    made = compose(answer(name, rules), 3, "", rules.orders, rules.names, rules.fresh, rules.costs)
    assert tuple(card.assessments[0].trial.id for card in made) == CARDS.get(name, ())
