"""What each hook adds to the sentence: which drafts are new, what they would break, which new problems matter. Rules are built by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from cds_service import cards, evaluate, hooks, pipeline
from cds_service.cards.escalation import Worse, before_escalating
from cds_service.config import Settings
from cds_service.model.cards import Card
from cds_service.model.facts import Record
from cds_service.model.hooks import HookRequest, Unsaved
from cds_service.model.predicates import Age, All, ConditionIs, Manual, Not, Period, Therapy, parts_of
from cds_service.model.trials import Cohort, Criterion, Trial
from cds_service.model.vocabulary import Concept, Drug, DrugClass, Mapped, Vocabulary
from cds_service.normalise import normalise

AS_OF = date(2026, 11, 1).toordinal()
LOCAL = "urn:example:codes"
DRUGS = ("rituximab", "belimumab", "prednisone", "prednisolone", "ramipril")
VOCABULARY = Vocabulary(
    {name: Concept(name, "condition", name) for name in ("mn", "depression", "gout", "iga")} | {d: Concept(d, "drug", d) for d in DRUGS},
    {(LOCAL, name): (Mapped(name, {}),) for name in (*DRUGS, "mn", "depression", "gout", "iga")},
    {},
    drugs={d: Drug(d, d, course=184 if d == "rituximab" else 0) for d in DRUGS},
    classes={
        "biologic": DrugClass("biologic", "biologic", frozenset({"rituximab", "belimumab"})),
        "immunosuppressant": DrugClass("immunosuppressant", "immunosuppressant", frozenset(DRUGS[:4])),
        "glucocorticoid": DrugClass("glucocorticoid", "glucocorticoid", frozenset({"prednisone", "prednisolone"})),
    },
)


def criterion(name, needs, label="", kind="inclusion", **more):
    return Criterion(f"c-{name}", kind, "Inclusion 1", label or name, needs, **more)


WASHOUT = criterion("washout", Therapy(any_of=("biologic",), within=Period(4, "weeks"), absent="no"), "No biologic within 4 weeks", "exclusion")
NO_STEROID = criterion("steroid", Not(Therapy(any_of=("glucocorticoid",), absent="no")), "No glucocorticoid ever")
PAUSE = criterion("pause", Manual("Arrange a pause.", ("immunosuppressant",)), "Immunosuppressants stopped")
HELPED = criterion("helped", Therapy(any_of=("biologic",)), "Earlier biologic")
MILD = criterion("mood", ConditionIs(("depression",), mild=True), "No depression", "exclusion")
DISEASE = criterion("disease", ConditionIs(("mn", "iga")), "The disease", pivotal=True)


def trial(*criteria, gate=("mn",)):
    cohort = Cohort("rmn", "membranous nephropathy", "MN", ConditionIs(gate, status="gate"))
    return Trial(
        id="NCT07266181", title="A trial", product="CD19 CAR-T", status="recruiting", phase="phase 1", sponsor="A hospital", sites=(),
        url="https://clinicaltrials.gov/study/NCT07266181", topic="nct07266181", last_update=None, verified_on=date(2026, 10, 1),
        completion=None, cohorts=(cohort,), criteria=(DISEASE, *criteria), outline=(),
    )  # fmt: skip


def rules_of(*criteria, gate=("mn",)):
    trials = (trial(*criteria, gate=gate),)
    return pipeline.Rules(
        trials, VOCABULARY, evaluate.compile_rules(trials, VOCABULARY), {"patient": "", "conditions": ""}, {}, {d: d for d in DRUGS}, {}, {}
    )


def coded(kind, name, identity, **members):
    field = "code" if kind == "Condition" else "medicationCodeableConcept"
    return {
        "resourceType": kind,
        "id": identity,
        "subject": {"reference": "Patient/p1"},
        field: {"coding": [{"system": LOCAL, "code": name}]},
    } | members


def draft(drug, identity="d1", **members):
    return coded("MedicationRequest", drug, identity, status="draft", intent="order") | members


def taken(drug, status="active", **members):
    return coded("MedicationStatement", drug, f"has-{drug}", status=status) | members


def problem(name, identity="n1", **members):
    return coded("Condition", name, identity) | members


def decide(rules, *, hook="order-sign", record=None, orders=(), problems=(), **settings):
    given = Settings.from_environment({}, **settings)
    record = (problem("mn", "old"),) if record is None else record
    asked = []

    def gather(request, templates):
        asked.append(request)
        return Record("p1", [{"resourceType": "Patient", "id": "p1", "birthDate": "1980-01-01", "gender": "female"}, *record])

    answer, made = pipeline.decide(HookRequest(hook, "i", "p1", unsaved=Unsaved(tuple(orders), (), tuple(problems))), rules, gather, AS_OF, given)
    return answer, made, asked


def caution(*given, **more):
    _, (card,), _ = decide(*given, **more)
    lines = [block for block in card.detail.split("\n\n") if block.startswith("**Caution:**")]
    return lines[0] if lines else ""


# --- what a draft would break ----------------------------------------------------------------------


def test_a_draft_that_breaks_a_washout_is_named_with_the_criterion():
    assert (
        caution(rules_of(WASHOUT), orders=[draft("rituximab")]) == "**Caution:** with rituximab started today, not met: no biologic within 4 weeks."
    )


def test_a_draft_that_leaves_a_criterion_open_says_so():
    doubt = criterion(
        "doubt", All((Therapy(any_of=("biologic",), duration=Period(3, "months"), absent="no"),)), "No biologic for 3 months", "exclusion"
    )
    assert (
        caution(rules_of(doubt), orders=[draft("belimumab")])
        == "**Caution:** with belimumab started today, no longer known: no biologic for 3 months."
    )


def test_a_draft_that_would_need_a_pause_says_what_has_to_be_arranged():
    assert (
        caution(rules_of(PAUSE), orders=[draft("rituximab")])
        == "**Caution:** with rituximab started today, to be arranged: immunosuppressants stopped."
    )
    assert caution(rules_of(WASHOUT, PAUSE), orders=[draft("rituximab")]).endswith(
        "not met: no biologic within 4 weeks; to be arranged: immunosuppressants stopped."
    )


def test_a_draft_that_breaks_nothing_has_no_caution():
    assert caution(rules_of(criterion("age", Age(18))), orders=[draft("rituximab")]) == ""
    assert caution(rules_of(NO_STEROID), orders=[draft("rituximab")]) == ""


def test_a_draft_never_helps():
    answer, (card,), _ = decide(rules_of(HELPED), orders=[draft("rituximab")])
    assert [o.outcome for o in answer.assessments[0].outcomes] == ["met", "unknown"]
    assert "Caution" not in card.detail


def test_a_criterion_that_is_broken_already_is_not_the_drafts_doing():
    recent = taken("belimumab", "completed", effectivePeriod={"start": "2026-09-01", "end": "2026-10-20"})
    answer, made, _ = decide(rules_of(WASHOUT), record=(problem("mn", "old"), recent), orders=[draft("rituximab")])
    assert (answer.assessments[0].status, made) == ("excluded", ())


def test_all_new_drafts_are_counted_together_and_by_name():
    said = caution(rules_of(WASHOUT, NO_STEROID), orders=[draft("rituximab"), draft("prednisone", "d2"), draft("ramipril", "d3")])
    assert said == "**Caution:** with rituximab, prednisone and ramipril started today, not met: no biologic within 4 weeks, no glucocorticoid ever."


def test_of_many_broken_criteria_two_are_named():
    many = [replace(WASHOUT, id=f"c{n}", label=f"No biologic {n}") for n in range(4)]
    assert caution(rules_of(*many), orders=[draft("rituximab")]).endswith("not met: no biologic 0, no biologic 1 and 2 more.")


@pytest.mark.parametrize("bounds", ["2027-05-01", "1990-01-01"])
def test_a_draft_begins_today_whatever_its_dates_say(bounds):
    dosage = [{"timing": {"repeat": {"boundsPeriod": {"start": bounds, "end": bounds}}}}]
    assert caution(rules_of(WASHOUT), orders=[draft("rituximab", authoredOn=bounds, dosageInstruction=dosage)])


ORDERED = coded("MedicationRequest", "rituximab", "o1", status="completed", intent="order", authoredOn="2026-06-01")


# --- which drafts are new --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("had", "drafted", "new"),
    [
        ((), "rituximab", True),
        ((taken("rituximab"),), "rituximab", False),
        ((taken("rituximab", effectivePeriod={"start": "2026-01-01"}),), "rituximab", False),
        ((taken("belimumab"),), "rituximab", True),
        ((taken("prednisone"),), "prednisolone", False),  # one glucocorticoid for another
        ((taken("belimumab", "completed", effectivePeriod={"start": "2026-01-01", "end": "2026-10-10"}),), "belimumab", False),  # a refill
        ((taken("belimumab", "completed", effectivePeriod={"start": "2020-01-01", "end": "2021-01-01"}),), "belimumab", True),  # long ago
        ((taken("rituximab", "completed", effectiveDateTime="2026-06-01"),), "rituximab", False),  # its course lasts half a year
        ((taken("rituximab", "completed", effectiveDateTime="2026-01-01"),), "rituximab", True),
        ((ORDERED,), "rituximab", True),  # ordered half a year ago, and nobody says given
        ((taken("rituximab", "completed"),), "rituximab", True),  # nobody knows when
        ((), "ramipril", None),
    ],
)  # fmt: skip
def test_a_draft_is_new_unless_the_patient_is_being_given_the_drug(had, drafted, new):
    _, made, asked = decide(rules_of(criterion("age", Age(18))), record=(problem("mn", "old"), *had), orders=[draft(drafted)])
    assert (bool(made), bool(asked)) == (bool(new), new is not None)


# --- new problems ----------------------------------------------------------------------------------


def test_a_new_problem_opens_a_cohort_for_this_call():
    answer, (card,), _ = decide(rules_of(), hook="problem-list-item-create", record=(), problems=[problem("mn")])
    (evidence,) = answer.assessments[0].outcomes[0].finding.evidence
    assert (evidence.reference, evidence.value) == ("Condition/n1", "mn (new in this call)")
    assert "NCT07266181" in card.detail


@pytest.mark.parametrize(
    ("name", "shown"),
    [("depression", True), ("gout", False), ("iga", True)],
    ids=["evidence for a criterion", "nothing to do with it", "evidence for the disease"],
)
def test_a_new_problem_makes_a_card_only_where_it_matters(name, shown):
    _, made, asked = decide(rules_of(MILD), hook="problem-list-item-create", problems=[problem(name)])
    assert bool(made) is shown and asked


def test_a_problem_shown_beside_a_question_is_no_reason_to_interrupt():
    ask = criterion("ask", Manual("Ask.", ("gout",)))
    assert decide(rules_of(ask), hook="problem-list-item-create", problems=[problem("gout")])[1] == ()


def test_a_new_problem_that_rules_the_trial_out_makes_no_card():
    gout = criterion("gout", ConditionIs(("gout",)), "No gout", "exclusion")
    answer, made, _ = decide(rules_of(gout), hook="problem-list-item-create", problems=[problem("gout")])
    assert (answer.assessments[0].status, made) == ("excluded", ())


@pytest.mark.parametrize("status", ["refuted", "entered-in-error"])
def test_a_problem_that_does_not_exist_opens_nothing(status):
    gone = problem("mn", verificationStatus={"coding": [{"code": status}]})
    answer, made, asked = decide(rules_of(), hook="problem-list-item-create", record=(), problems=[gone])
    assert (answer.assessments, made, asked) == ((), (), [])


def test_cards_that_the_new_problem_does_not_concern_take_no_place():
    first, second = trial(), replace(trial(MILD), id="NCT99999999", topic="later")
    rules = replace(rules_of(), trials=(first, second), evaluator=evaluate.compile_rules((first, second), VOCABULARY))
    settings = Settings.from_environment({"CDS_MAX_CARDS": "1"})
    record = Record("p1", [{"resourceType": "Patient", "id": "p1"}, problem("mn", "old")])
    for name, shown in (("depression", ["later"]), ("iga", ["nct07266181"])):  # of two that it concerns, the first
        request = HookRequest("problem-list-item-create", "i", "p1", unsaved=Unsaved(conditions=(problem(name),)))
        assert [c.topic for c in pipeline.decide(request, rules, lambda *_: record, AS_OF, settings)[1]] == shown


def test_a_problem_that_is_saved_already_is_one_fact():
    saved = problem("depression")
    request = HookRequest("problem-list-item-create", "i", "p1", unsaved=Unsaved(conditions=(saved,)))
    now = hooks.occasion(request, VOCABULARY, AS_OF)
    record = Record("p1", [{"resourceType": "Patient", "id": "p1"}, saved], distinct=True)
    assert len(normalise(hooks.joined(now, record), VOCABULARY, AS_OF).conditions["depression"]) == 1


def test_nothing_but_the_problem_list_opens_a_cohort_when_the_problem_was_there_before():
    """A diagnosis said twice is no news, where it is evidence for nothing but the gate."""
    rules = replace(rules_of(), trials=())
    plain = replace(trial(), criteria=(criterion("age", Age(18), pivotal=True),))
    rules = replace(rules, trials=(plain,), evaluator=evaluate.compile_rules((plain,), VOCABULARY))
    assert decide(rules, hook="problem-list-item-create", record=(), problems=[problem("mn")])[1]
    assert decide(rules, hook="problem-list-item-create", record=(problem("mn", "old"),), problems=[problem("mn")])[1] == ()


# --- the rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["patient-view", "encounter-start"])
def test_a_chart_or_a_visit_brings_nothing_and_leaves_nothing_out(hook):
    now = hooks.occasion(HookRequest(hook, "i", "p1", unsaved=Unsaved((draft("rituximab"),), (), (problem("mn"),))), VOCABULARY, AS_OF)
    record = Record("p1", [])
    assert (now.drafts, now.problems, now.silent) == ((), (), False)
    assert hooks.joined(now, record) is record


def test_the_lines_of_a_draft_never_make_a_card_too_long():
    blocks = [
        "**Check incomplete.** x",
        "**Missing**\n- a\n- b\n- c",
        "**Open (1):** x",
        "**Met**",
        "**Need**",
        "**Watch:** x",
        "**You may know:** x?",
        "**Trial:** x",
        "*Read*",
    ]
    card = Card("s", "\n\n".join(blocks), "l", "u", "t", "d", (), (), ())
    told = before_escalating(card, ["a_b"], Worse([WASHOUT], [NO_STEROID], [PAUSE])).detail
    assert len([line for line in told.split("\n") if line.strip()]) <= 12
    assert "**Watch:**" not in told and "**Open" in told and r"a\_b" in told
    assert before_escalating(card, ["x"], Worse()).detail.count("**Watch:**") == 1


def test_a_draft_adds_no_word_that_a_card_never_says():
    """Whatever criterion of a shipped trial a drug could break: its label stands in the caution."""
    trials = pipeline.load_rules(Settings.from_environment({})).trials
    named = [c for t in trials for c in t.criteria if any(isinstance(p, Therapy | Manual) for p in leaves(c.needs))]
    card = Card("s", "*Read*", "l", "u", "t", "d", (), (), ())
    said = "\n".join(before_escalating(card, ["rituximab"], Worse([c], [c], [c])).detail for c in named)
    assert len(named) > 20
    for never in (
        r"eligib\w*",
        r"qualif\w*",
        r"match\w*",
        "score",
        r"recommend\w*",
        r"urgent\w*",
        "may benefit",
        "failed",
        "takes",
        r"taking(?! part)",
        "normal",
        "please",
        "!",
    ):
        assert not re.search(rf"(?<!\w){never}(?!\w)", said, re.IGNORECASE), never


def leaves(p):
    yield p
    for part in parts_of(p):
        yield from leaves(part)


def test_the_cohort_on_show_is_the_best_one():
    answer, (card,), _ = decide(rules_of(), hook="patient-view")
    assert cards.on_show(card.assessments) is answer.assessments[0]
