"""What cards and reports never say, over every status and reason. Nouns are built by hand."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date
from functools import cache

import pytest

from cds_service.cards import compose
from cds_service.model.cards import Card
from cds_service.model.facts import Evidence
from cds_service.model.outcomes import FALSE, MANUAL, REASONS, TRUE, UNKNOWN, Answer, Assessment, Finding, Outcome
from cds_service.model.predicates import Age, ConditionIs, Limit, Manual, ObservationIs, Period, Response, Therapy, Trend
from cds_service.model.trials import Cohort, Criterion, Site, Trial
from cds_service.model.vocabulary import LISTS, Coding
from cds_service.report import as_text

AS_OF = date(2026, 11, 1).toordinal()
NEVER = (
    r"eligib\w*",
    r"ineligib\w*",
    r"qualif\w*",
    r"match\w*",
    r"score",
    r"recommend\w*",
    r"urgent\w*",
    r"may benefit",
    r"AI",
    r"failed",
    r"takes",
    r"taking",
    r"no history of",
    r"normal",
    r"please",
    r"oops",
    r"[A-Z]\w+/[\w.-]*\d\w*",  # Observation/o1: resource ids
    r"(?:inc|exc)-[\w-]+",  # criterion ids
)
COHORT = Cohort("pmn", "membranous nephropathy", "MN", ConditionIs(("mn",)))
TRIAL = Trial(
    id="NCT06469190",
    title="A trial",
    product="CD19 CAR-NK",
    status="recruiting",
    phase="phase 1",
    sponsor="a sponsor",
    url="https://clinicaltrials.gov/study/NCT06469190",
    sites=(Site("A hospital", "A city", "A country"),),
    topic="NCT06469190",
    last_update=None,
    verified_on=date(2025, 10, 9),
    completion=None,
    cohorts=(COHORT,),
    criteria=(),
    outline=(),
)
LIMIT = ObservationIs(("egfr",), (Limit("ge", 45),), "mL/min/{1.73_m2}")
THERAPY = Response(Therapy(any_of=("tacrolimus",), duration=Period(6, "months")), Trend("protein", "fall", Limit("lt", 50), "baseline"))
EVIDENCE = (
    (),
    (Evidence("Observation/o1", "2026-10-18", "52 mL/min/1.73 m²"), Evidence("Observation/o0", "2026-02-10", "64 mL/min/1.73 m²", False, "earlier")),
    (Evidence("Observation/o1", "2026", ">60 mL/min/1.73 m²", False),),
    (Evidence("Observation/o1", "", "58 %", False, "shown, does not decide"),),
    (Evidence("MedicationRequest/m1", "2026-01-01", "tacrolimus"),),
    (Evidence("Condition/c1", "2026-01", "Depression"),),
    (Evidence("Patient/123", "1956-03-04", "70 years"),),
    (Evidence("Patient/123", "1956-03-04", "born 1956-03-04, Jane Roe"),),
)


def outcomes() -> Iterator[Outcome]:
    """One of every kind: outcome, reason, basis, evidence, with and without a short name."""
    needs = (LIMIT, THERAPY, Age(18, 70), ConditionIs(("x",)))
    for number, (predicate, evidence, short) in enumerate(itertools.product(needs, EVIDENCE, ("", "eGFR"))):
        made = Criterion(
            f"inc-{number}", "inclusion", "Inclusion 1", "eGFR at least 45", predicate, short, "kidney function", pivotal=number % 2 == 0
        )
        for basis in ("recorded", "computed", "no-record", "assumed"):
            yield Outcome(made, "met", Finding(TRUE, None, basis, evidence))
        yield Outcome(made, "not-met", Finding(FALSE, None, "recorded", evidence))
        yield Outcome(made, "manual", Finding(MANUAL, ask="Ask for consent", evidence=evidence))
        for reason in REASONS:
            lists = tuple(LISTS)[: number % 4 + 1] if reason in ("unavailable", "truncated") else ()
            for concepts in ((), ("egfr",)):
                yield Outcome(made, "unknown", Finding(UNKNOWN, reason, None, evidence, None, concepts, lists))


def answers() -> Iterator[Answer]:
    pivotal = Outcome(
        Criterion("inc-p", "inclusion", "I 1", "Protein", LIMIT, "24-hour protein", pivotal=True), "met", Finding(TRUE, None, "recorded")
    )
    for outcome in outcomes():
        status = {"not-met": "excluded", "unknown": "possible"}.get(outcome.outcome, "candidate")
        yield Answer(AS_OF, "Patient/123", (Assessment(TRIAL, COHORT, status, (pivotal, outcome)),))
        if status == "candidate":
            doubt = Outcome(Criterion("inc-q", "inclusion", "I 2", "Consent", Manual("x")), "unknown", Finding(UNKNOWN, "no-data"))
            yield Answer(AS_OF, "Patient/123", (Assessment(TRIAL, COHORT, "possible", (pivotal, outcome, doubt)),))


@cache
def cards() -> list[Card]:
    orders, names = {"egfr": Coding("http://loinc.org", "98979-8", "eGFR")}, {"egfr": "eGFR", "tacrolimus": "tacrolimus"}
    return [card for answer in answers() for card in compose(answer, 3, "https://sidebar.example", orders, names)]


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Every text that a card shows, without the addresses."""
    said: set[str] = set()
    for card in cards():
        said |= {card.summary, card.detail, card.source_label, card.topic_display}
        said |= {text for s in card.suggestions for text in (s.label, s.draft.text)} | {link.label for link in card.links}
    return said


def test_the_words_are_worth_testing(words):
    everything = "\n".join(words)
    for shown in (
        "Check incomplete",
        "Why it may fit",
        "Missing, and would decide",
        "Watch",
        "You may know",
        "Need a person",
        "Open (",
        "among them",
    ):
        assert shown in everything


@pytest.mark.parametrize("never", NEVER)
def test_a_card_never_says(never, words):
    flags = 0 if never.isupper() or never.startswith("[A-Z]") else re.IGNORECASE
    pattern = re.compile(rf"(?<![\w-]){never}(?![\w-])", flags)
    assert [text for text in words if pattern.search(text)] == []


def test_a_card_never_names_a_percentage_of_fit_or_raises_its_voice(words):
    share = re.compile(r"\d\s*%")
    assert [text for text in words if "!" in text] == []
    assert [text for text in words if share.search(text.replace("58\u00a0%", "").replace("58 %", ""))] == []


def test_a_card_never_tells_who_the_patient_is(words):
    for private in ("1956", "Jane", "Roe", "Patient/123"):
        assert [text for text in words if private in text] == []


def test_every_summary_and_detail_keeps_its_size(words):
    for card in cards():
        assert len(card.summary) < 140
        assert sum(bool(line.strip()) for line in card.detail.split("\n")) <= 12


def test_a_detail_is_paragraphs_and_lists_only(words):
    for card in cards():
        blocks = card.detail.split("\n\n")
        for block in blocks:
            first, *rest = block.split("\n")
            assert all(line.startswith("- ") for line in rest)  # a single line break would collapse
            assert not re.match(r"#|\||>|!|\d+[.)]", first)
        assert blocks[-1].startswith("*Record read 1\u00a0Nov\u00a02026.")
        assert not re.search(r"<|\d (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", card.detail)


def test_the_parts_of_a_detail_stand_in_their_order(words):
    order = ("**Check", "**Why", "**Missing", "**Open", "**Met", "**Need", "**Watch", "**You", "**Trial", "*Record")
    for card in cards():
        starts = [next(i for i, start in enumerate(order) if block.startswith(start)) for block in card.detail.split("\n\n")]
        assert starts == sorted(set(starts))


def test_only_a_check_that_is_complete_suggests_anything():
    for card in cards():
        assert bool(card.suggestions) is ("Check incomplete" not in card.summary)
        assert ("Check incomplete" in card.summary) is card.detail.startswith("**Check incomplete.**")


@cache
def reports() -> list[str]:
    return [as_text(answer) for answer in answers()]


REPORTED = tuple(never for never in NEVER if not never.startswith(("[A-Z]", "(?:inc")))  # a coordinator's log names its sources


@pytest.mark.parametrize("never", REPORTED)
def test_a_report_never_says(never):
    pattern = re.compile(rf"(?<![\w-]){never}(?![\w-])", 0 if never.isupper() else re.IGNORECASE)
    assert [text for text in reports() if pattern.search(text)] == []


def test_a_report_never_tells_who_the_patient_is():
    for text in reports():
        assert "1956" not in text and "Jane" not in text
