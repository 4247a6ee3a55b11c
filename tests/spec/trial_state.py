"""Semantics 14, the gate and the statuses: what becomes of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from cds_service.evaluate import compile_rules
from cds_service.model.predicates import All, ConditionIs, Doubt, Manual, ObservationIs, Predicate
from cds_service.model.trials import Cohort, Criterion, Trial
from cds_service.words import trial_state

from .language import AS_OF, DECEASED, Given, Question, Row, Section, at_least, below, cut, diagnosis, facts_of, lab, row, unread
from .vocabulary import VOCABULARY

CLOSED, EXCLUDED, POSSIBLE, CANDIDATE = "not-applicable", "excluded", "possible", "candidate"
MN, SLE = "membranous_nephropathy", "sle"


def trial_of(cohorts: Sequence[Cohort], *criteria: Criterion, **more: object) -> Trial:
    state = {"status": "recruiting", "verified_on": date(2026, 9, 1), "completion": date(2028, 1, 31), **more}
    return Trial(
        id="NCT00000000", title="A trial", product="CAR-T", phase="1", sponsor="A sponsor", url="https://example.org/trial", sites=(), topic="t",
        last_update=None, cohorts=tuple(cohorts), criteria=criteria, outline=(), **state,
    )  # fmt: skip


def gate(*concepts: str) -> Predicate:
    return All(tuple(ConditionIs((c,), status="gate") for c in concepts))


ONE = Cohort("mn", "membranous nephropathy", "MN", gate(MN))
SPECIAL = Cohort("mn", "membranous nephropathy", "MN", gate(MN))
EVERYONE = Cohort("aid", "autoimmune disease", "AID", gate(SLE), yields_to=("mn",))
ENOUGH = Criterion("inc-egfr", "inclusion", "Inclusion 1", "eGFR at least 30", ObservationIs(("egfr",), at_least(30.0)))
CONSENT = Criterion("inc-consent", "inclusion", "Inclusion 2", "Consent", Manual("Does the patient consent?"))
WEAK_HEART = Criterion("exc-lvef", "exclusion", "Exclusion 1", "LVEF not below 50 %", ObservationIs(("lvef",), below(50.0)))
UNCLEAR = Criterion(
    "exc-hbsag", "exclusion", "Exclusion 2", "HBsAg", Doubt(ObservationIs(("hbsag",), result="positive", absent="no"), "ambiguous-record")
)


def status(words: str, trial: Trial, *rows: Row, of: str = "mn") -> Question:
    evaluator = compile_rules([trial], VOCABULARY)

    def decide(given: Sequence[Given]) -> tuple[str, None]:
        facts = facts_of(given)
        found = {a.cohort.id: a.status for a in evaluator.assess(facts)}
        shown = {a.cohort.id: a.status for a in evaluator.assess(facts, closed_too=False)}
        assert evaluator.gate_open(facts) == bool(shown), "the quick question agrees"
        assert shown.get(of, CLOSED) == found[of], "leaving out closed cohorts changes no status"
        return found[of], None

    return Question(words, decide, rows)


def outcome(words: str, criterion: Criterion, *rows: Row) -> Question:
    evaluator = compile_rules([trial_of([ONE], criterion)], VOCABULARY)

    def decide(given: Sequence[Given]) -> tuple[str, str | None]:
        (assessment,) = evaluator.assess(facts_of(given))
        return assessment.outcomes[0].outcome, assessment.outcomes[0].finding.basis

    return Question(words, decide, rows)


def said(words: str, *rows: tuple[str, str, Trial, str]) -> Question:
    """What is said of the trial itself; each row holds the trial it is about."""
    trials = {on_record: trial for _, _, trial, on_record in rows}

    def decide(given: Sequence[Given]) -> tuple[str, None]:
        return trial_state(trials[given[0].words], AS_OF).replace("\u00a0", " ") or "nothing", None

    return Question(words, decide, tuple(row(answer, sentence, Given(on_record)) for answer, sentence, _, on_record in rows))


HAS_MN = diagnosis(MN)
TRIAL = trial_of([ONE], ENOUGH, CONSENT, WEAK_HEART)

SECTION = Section(
    "The trial and its cohorts",
    "A cohort is not applicable until its disease is on record. One failure excludes; one unknown makes it possible; a candidate has only questions "
    "left that a person answers. Nobody is ever called eligible.",
    (
        status(
            "Status of a cohort for membranous nephropathy (eGFR at least 30, consent, LVEF not below 50 %)",
            TRIAL,
            row(CLOSED, "The disease is not on record.", lab("egfr", 52), lab("lvef", 60)),
            row(CLOSED, "A disease that is resolved is not on record now.", diagnosis(MN, "resolved"), lab("egfr", 52)),
            row(CANDIDATE, "Only the person is left to ask.", HAS_MN, lab("egfr", 52), lab("lvef", 60)),
            row(POSSIBLE, "One result is missing.", HAS_MN, lab("egfr", 52)),
            row(EXCLUDED, "One criterion is definitely not met.", HAS_MN, lab("egfr", 52), lab("lvef", 40)),
            row(EXCLUDED, "One failure is enough, whatever is missing.", HAS_MN, lab("egfr", 20)),
            row(POSSIBLE, "A result that is too old is no failure.", HAS_MN, lab("egfr", 20, "2025-01-01"), lab("lvef", 60)),
            row(CANDIDATE, "A disease in remission opens the cohort.", diagnosis(MN, "remission"), lab("egfr", 52), lab("lvef", 60)),
            row(CANDIDATE, "So does a provisional diagnosis.", diagnosis(MN, sure=False), lab("egfr", 52), lab("lvef", 60)),
            row(CLOSED, "A problem list that could not be fetched does not.", lab("egfr", 52), lab("lvef", 60), unread("conditions")),
            row(CLOSED, "Nor does one not read to its end.", lab("egfr", 52), lab("lvef", 60), cut("conditions")),
            row(CANDIDATE, "A disease that was read opens it all the same.", HAS_MN, lab("egfr", 52), lab("lvef", 60), cut("conditions")),
            row(CLOSED, "A patient who has died is never a candidate.", HAS_MN, lab("egfr", 52), lab("lvef", 60), DECEASED),
        ),
        status(
            "Status in a trial that no longer recruits",
            trial_of([ONE], ENOUGH, status="active-not-recruiting"),
            row(CANDIDATE, "It is assessed all the same; it only makes no card.", HAS_MN, lab("egfr", 52)),
        ),
        status(
            "Status of a cohort whose disease needs two diagnoses",
            trial_of([Cohort("mn", "both", "both", gate(MN, SLE))], ENOUGH),
            row(CLOSED, "One of them.", HAS_MN, lab("egfr", 52)),
            row(CANDIDATE, "Both.", HAS_MN, diagnosis(SLE), lab("egfr", 52)),
        ),
        status(
            "Status of the cohort for everyone else, which yields to the one for membranous nephropathy",
            trial_of([SPECIAL, EVERYONE], ENOUGH),
            row(CANDIDATE, "The other one is not applicable.", diagnosis(SLE), lab("egfr", 52)),
            row(CLOSED, "The other one has a candidate.", diagnosis(SLE), HAS_MN, lab("egfr", 52)),
            row(CLOSED, "The other one is possible.", diagnosis(SLE), HAS_MN),
            row(EXCLUDED, "Both exclude.", diagnosis(SLE), HAS_MN, lab("egfr", 20)),
            of="aid",
        ),
        outcome(
            "Outcome of an inclusion: eGFR at least 30",
            ENOUGH,
            row("met", "What is demanded holds.", HAS_MN, lab("egfr", 30), basis="recorded"),
            row("not-met", "What is demanded fails.", HAS_MN, lab("egfr", 29)),
            row("unknown", "Nothing on record.", HAS_MN),
        ),
        outcome(
            "Outcome of an exclusion: LVEF below 50 %",
            WEAK_HEART,
            row("met", "Not excluded: good news is always “met”.", HAS_MN, lab("lvef", 50)),
            row("not-met", "Excluded.", HAS_MN, lab("lvef", 49)),
            row("unknown", "Nothing on record.", HAS_MN),
        ),
        outcome("Outcome of a question to a person", CONSENT, row("manual", "The record cannot answer.", HAS_MN)),
        outcome(
            "Outcome of an exclusion whose record is unclear",
            UNCLEAR,
            row("unknown", "The readings differ for this patient.", HAS_MN, lab("hbsag", "positive")),
            row("met", "They agree for this one.", HAS_MN, lab("hbsag", "negative")),
            row("met", "Nothing on record, where that is no exclusion.", HAS_MN, basis="no-record"),
        ),
        said(
            "What is said of a record that has grown old",
            ("nothing", "Verified lately, completion ahead.", TRIAL, "verified 1 Sep 2026, completion 31 Jan 2028"),
            (
                "nothing",
                "Exactly six months are not more than six.",
                trial_of([ONE], verified_on=date(2026, 5, 1)),
                "verified 1 May 2026, completion 31 Jan 2028",
            ),
            (
                "Record last verified Apr 2026: ask if it still recruits.",
                "More than six months ago.",
                trial_of([ONE], verified_on=date(2026, 4, 30)),
                "verified 30 Apr 2026, completion 31 Jan 2028",
            ),
            (
                "nothing",
                "The expected day of completion itself has not passed.",
                trial_of([ONE], completion=date(2026, 11, 1)),
                "verified 1 Sep 2026, completion 1 Nov 2026",
            ),
            (
                "Expected completion passed Jul 2026: ask if it still recruits.",
                "The expected completion has passed.",
                trial_of([ONE], completion=date(2026, 7, 31)),
                "verified 1 Sep 2026, completion 31 Jul 2026",
            ),
        ),
    ),
)
