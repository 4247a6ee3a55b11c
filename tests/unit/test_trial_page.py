"""The page of a trial: each predicate in words, every criterion with its place, every reading in the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

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
    Period,
    Persistent,
    Predicate,
    Relapse,
    Response,
    Sex,
    Therapy,
    Trend,
    Unless,
    Voided,
    When,
)
from cds_service.model.trials import Cohort, Criterion, Interpretation, Site, Trial
from cds_service.trial_page import coverage
from cds_service.words.predicates import in_words

LABELS = {"egfr": "eGFR", "up": "24-hour protein", "gc": "glucocorticoid", "ctx": "cyclophosphamide", "rtx": "rituximab", "nyha": "NYHA class"}
SIX = Period(6, "months")

WORDS: list[tuple[Predicate, str]] = [
    (Age(18, 70), "age 18 to 70"),
    (Age(18), "age at least 18"),
    (Age(None, 70), "age at most 70"),
    (Sex("female"), "female"),
    (ConditionIs(("a", "b", "c_d"), status="ever"), "a, b or c d, ever"),
    (ConditionIs(("a",), within=SIX, lasting="yes"), "a, begun within the last 6 months or going on inside it"),
    (ConditionIs(("a",), status="now", within=Period(1, "years"), recorded=True), "a, at present, begun or recorded within the last 1 year"),
    (
        ConditionIs(("a",), but_not=("b",), maybe=("c",), mild=True),
        "a, active, except b (c only raises the question) (may be mild: a person has to judge)",
    ),
    (ConditionIs(("a",), closed_by=("b",), closed_by_result=("hcg",)), "a, active, until b or a newer negative hcg"),
    (ConditionIs(("a",), reported=True, absent="unknown"), "a, active, named by a pathology report (none recorded: unknown)"),
    (ConditionIs(("rtx",), status="ever", severe=True), "severe rituximab, ever"),
    (ObservationIs(("egfr",), (Limit("ge", 30),), "mL/min/{1.73_m2}", formula="ckd-epi"), "eGFR ≥ 30 mL/min/1.73 m² by CKD-EPI"),
    (ObservationIs(("alt", "ast"), (Limit("le", 2.5),), times=True), "alt or ast ≤ 2.5 × upper limit of normal"),
    (ObservationIs(("ana",), (Limit("ge", 80),), titre=True), "ana ≥ 1:80"),
    (ObservationIs(("dna",), result="not-detected", fresh=False), "dna not detected, however old"),
    (ObservationIs(("nyha",), codes=("I", "II")), "NYHA class I or II"),
    (ObservationIs(("ln",), codes=("III",)), "ln class III"),
    (
        ObservationIs(("spo2",), (Limit("gt", 92),), "%", room_air=True, pick="worst", within=SIX),
        "spo2 > 92 % on room air, worst value, within the last 6 months",
    ),
    (
        ObservationIs(("up",), (Limit("gt", 8),), "g/d", persistent=Persistent(2, over=SIX)),
        "24-hour protein > 8 g/24 h, on at least 2 days more than 6 months apart",
    ),
    (
        ObservationIs(("up",), (Limit("gt", 8),), "g/d", persistent=Persistent(2, apart=SIX)),
        "24-hour protein > 8 g/24 h, on at least 2 days at least 6 months apart",
    ),
    (ObservationIs(("bp",), (Limit("gt", 160),), persistent=Persistent(3, within=SIX)), "bp > 160, on at least 3 days within 6 months"),
    (
        ObservationIs(("anc",), (Limit("ge", 1),), void_if=Voided(("gc",), SIX), pick="any"),
        "anc ≥ 1, any value, not within 6 months after glucocorticoid",
    ),
    (ObservationIs(("hcg",), result="negative", absent="manual", ask="Arrange it."), "hcg negative (none recorded: for a person: Arrange it)"),
    (ObservationIs(("hcg",), result="positive", absent="no"), "hcg positive (none recorded: no)"),
    (Trend("up", "fall", Limit("ge", 50), "baseline"), "24-hour protein fallen by ≥ 50 % from the value when the therapy began"),
    (Trend("egfr", "rise", Limit("gt", 50), "lowest", SIX), "eGFR risen by > 50 % from the lowest of the 6 months before"),
    (
        Relapse("up", 0.3, 3.5, 50, Limit("ge", 3.5), "g/d"),
        "24-hour protein ≥ 3.5 g/24 h after remission (< 0.3 g/24 h, or < 3.5 g/24 h and fallen by 50 % from its peak)",
    ),
    (
        Therapy(("gc", "rtx"), distinct=2, duration=SIX, strict=True),
        "at least 2 different drugs of glucocorticoid or rituximab for more than 6 months",
    ),
    (
        Therapy(all_of=("gc", "ctx"), dose=Dose(Limit("gt", 1), "mg/kg/d"), duration=SIX),
        "glucocorticoid with cyclophosphamide at > 1 mg/kg/day prednisone equivalent for at least 6 months",
    ),
    (Therapy(("gc",), when="current", stable_for=SIX), "glucocorticoid now unchanged for 6 months"),
    (Therapy(("gc",), within=SIX), "glucocorticoid within the last 6 months"),
    (Therapy(("gc",), off_for=Period(1, "weeks")), "no glucocorticoid for 1 week"),
    (Therapy(regimens=(Therapy(("gc",)), Therapy(("rtx",)))), "(glucocorticoid) or (rituximab)"),
    (Response(Therapy(("rtx",), duration=SIX), Sex("female")), "after rituximab for at least 6 months: female"),
    (EventIs(("tx",), within=SIX, maybe=("op",), planned=True, absent="no"), "planned tx within the last 6 months (op only raises the question)"),
    (EventIs(("tx",)), "tx (none recorded: unknown)"),
    (Manual("Ask."), "for a person: Ask"),
    (Manual("Ask.", ("egfr", "up")), "for a person: Ask (shown beside it: eGFR and 24-hour protein)"),
    (All((Sex("female"), Age(18))), "female and age at least 18"),
    (Any((Sex("female"), All((Age(18), Sex("male"))))), "female; or (age at least 18 and male)"),
    (AtLeast(2, (Sex("female"), Age(None, 9))), "at least 2 of (female; age at most 9)"),
    (Not(Sex("male")), "not (male)"),
    (When(Sex("female"), Age(18)), "where female: age at least 18"),
    (Unless(Sex("male"), Sex("female"), "met"), "male, unless female, which is enough"),
    (Unless(Sex("male"), Sex("female"), "unknown"), "male, unless female, which leaves it open"),
    (Doubt(Sex("male"), "needs-judgement"), "a person has to judge where (male)"),
    (Doubt(Sex("male"), "ambiguous-record"), "the record is open where (male)"),
]


@pytest.mark.parametrize(("predicate", "words"), WORDS, ids=[words for _, words in WORDS])
def test_a_predicate_reads_as_a_clinician_would_say_it(predicate: Predicate, words: str) -> None:
    assert in_words(predicate, LABELS) == words


def test_every_predicate_has_words() -> None:
    assert {type(predicate) for predicate, _ in WORDS} == set(Predicate.__args__)


def test_an_allergy_is_not_the_drug() -> None:
    labels = {**LABELS, "allergy:rtx": "allergy to rituximab"}
    assert in_words(ConditionIs(("rtx", "egpa"), status="ever"), labels) == "allergy to rituximab or egpa, ever"
    assert in_words(Therapy(("rtx",)), labels) == "rituximab"


TRIAL = Trial(
    id="NCT00000001",
    title="A | trial",
    product="CD19 CAR-T",
    status="active-not-recruiting",
    phase="phase 1",
    sponsor="A hospital",
    url="https://example.org/a",
    sites=(Site("A hospital", "Xi'an", "China"),),
    topic="t",
    last_update=None,
    verified_on=date(2026, 2, 1),
    completion=date(2027, 7, 31),
    cohorts=(
        Cohort("pmn", "membranous nephropathy", "MN", ConditionIs(("mn",), status="gate")),
        Cohort("ln", "lupus", "LN", Sex("female"), ("pmn",)),
    ),
    criteria=(
        Criterion("inc-egfr", "inclusion", "Inclusion 1", "eGFR at least 30", ObservationIs(("egfr",), (Limit("ge", 30),)), pivotal=True),
        Criterion("inc-consent", "inclusion", "Inclusion 2", "Consent", Manual("Ask."), why_manual="No record\n holds it."),
        Criterion("inc-both", "inclusion", "Inclusion 3", "Both", All((Sex("female"), Manual("Ask."))), why_manual="Half of it.", cohorts=("ln",)),
    ),
    outline=("Inclusion 1", "Inclusion 2", "Inclusion 3"),
    labels=LABELS,
)
READ = Interpretation("We read *this*.", "It says so.", ("One.", "Two."), False, "unreviewed")


def test_every_criterion_stands_beside_its_place_and_its_predicate() -> None:
    page = coverage(TRIAL)
    assert "| Inclusion 1 | eGFR at least 30 `inc-egfr` **pivotal** | all | eGFR ≥ 30 |  |" in page
    assert "| Inclusion 2 | Consent `inc-consent` | all | for a person: Ask | No record holds it. |" in page
    assert "| Inclusion 3 | Both `inc-both` | `ln` | female and for a person: Ask | Half of it. |" in page
    assert "3 criteria for 3 statements of the record; 1 are for a person, 1 more in part." in page
    assert "### Exclusion" not in page


def test_the_record_and_its_cohorts_head_the_page() -> None:
    page = coverage(TRIAL)
    assert page.startswith("# NCT00000001: A \\| trial\n")
    assert "| Status | active not recruiting |" in page
    assert "| Record last updated |" not in page
    assert "| Expected completion | 2027-07-31 |" in page
    assert "| Record | [ClinicalTrials.gov](<https://example.org/a>) |" in page
    assert "| `pmn` | membranous nephropathy | mn, active or in remission |  |" in page
    assert "| `ln` | lupus | female | `pmn` |" in page


def test_the_ledger_tells_each_reading_and_claims_no_review() -> None:
    one, two, _ = TRIAL.criteria
    reviewed = replace(READ, decides=True, review="nephrologist, 2026-03-01", alternatives=())
    page = coverage(replace(TRIAL, criteria=(replace(one, interpretation=READ), replace(two, kind="exclusion", interpretation=reviewed))))
    ledger = page.split("## How unclear places were read", 1)[1]
    assert "2 readings, 1 of them reviewed by a clinician." in ledger
    assert "### Inclusion 1: eGFR at least 30" in ledger
    assert "| Reading | We read \\*this\\*. |" in ledger
    assert "| Could also mean | One. · Two. |" in ledger
    assert "| Decides | no: where its readings differ the outcome stays unknown |" in ledger
    assert "| Review | unreviewed |" in ledger
    assert "| Decides | yes |" in ledger
    assert "| Place in the record | Criterion | Cohorts | Excludes | Why a person |" in page


def test_a_clear_record_says_so() -> None:
    assert coverage(TRIAL).endswith("No place of this record was unclear to us.\n")


def test_each_table_row_has_as_many_cells_as_its_head() -> None:
    page = coverage(replace(TRIAL, sponsor="A | hospital\nof [two] <lines>"))
    for block in page.split("\n\n"):
        if block.startswith("|"):
            assert len({row.replace("\\|", "").count("|") for row in block.splitlines()}) == 1
    assert "A \\| hospital of \\[two\\] \\<lines\\>" in page
