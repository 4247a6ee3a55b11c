"""Promises of the criteria language, for any predicate that the loader admits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from spec.language import Given, at_least, born, diagnosis, done, drug, facts_of, find, lab, months, sex, unread

from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE
from cds_service.model.predicates import (
    Age,
    All,
    Any,
    AtLeast,
    ConditionIs,
    Doubt,
    EventIs,
    Limit,
    Manual,
    Not,
    ObservationIs,
    Predicate,
    Response,
    Sex,
    Therapy,
    Trend,
    Unless,
    When,
)

PROTEIN = "urine_protein_24h"
STEADY = settings(max_examples=200, deadline=None, derandomize=True)


class Leaf(NamedTuple):
    """A predicate, what is on record while it is unknown, and the records that give it a value."""

    needs: Predicate
    missing: tuple[Given, ...]
    known: tuple[tuple[Given, ...], ...]


STEROID = drug("prednisone", "2025-01-10", "2025-12-31")
LEAVES = (
    Leaf(ObservationIs(("egfr",), at_least(30.0)), (), ((lab("egfr", 52),), (lab("egfr", 20),))),
    Leaf(ObservationIs(("lvef",), at_least(50.0)), (lab("lvef", 60, "2020-01-01"),), ((lab("lvef", 60),), (lab("lvef", 40),))),
    Leaf(ObservationIs(("hbsag",), result="positive"), (lab("hbsag", "positive", ""),), ((lab("hbsag", "positive"),), (lab("hbsag", "negative"),))),
    Leaf(Age(18, 70), (), ((born("1980-01-01"),), (born("2015-01-01"),))),
    Leaf(Sex("female"), (), ((sex("female"),), (sex("male"),))),
    Leaf(EventIs(("kidney_biopsy",)), (), ((done("kidney_biopsy", "2024-01-01"),),)),
    Leaf(Therapy(("tacrolimus",), duration=months(6)), (), ((drug("tacrolimus", "2025-01-01", "2025-12-31"),),)),
    Leaf(ConditionIs(("heart_failure",)), (unread("conditions"),), ((diagnosis("heart_failure"),), ())),
    Leaf(Trend("upcr", "fall", Limit("ge", 50.0), "peak"), (), tuple((lab("upcr", 4, "2026-01-01"), lab("upcr", now)) for now in (1, 3))),
    Leaf(
        Response(Therapy(("glucocorticoid",), duration=months(6)), ObservationIs((PROTEIN,), at_least(3.5))),
        (),
        tuple((STEROID, lab(PROTEIN, now)) for now in (5, 1)),
    ),
)
QUESTION = Manual("Does the patient consent?")
ANSWER = ObservationIs(("platelets",), at_least(50.0))  #: stands for the question once a person has answered it

leaves = st.sampled_from([leaf.needs for leaf in LEAVES] * 2 + [QUESTION])


def _combined(parts: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
    several = st.lists(parts, min_size=1, max_size=4).map(tuple)
    return st.one_of(
        several.map(All),
        several.map(Any),
        several.flatmap(lambda some: st.integers(1, len(some)).map(lambda count: AtLeast(count, some))),
        parts.map(Not),
        st.builds(Unless, parts, parts, st.sampled_from(["met", "unknown"])),
        st.builds(Doubt, parts, st.sampled_from(["needs-judgement", "ambiguous-record"])),
    )


#: Without `when`: it may stand inside these only where nothing can be taken away from under a decision.
limbs = st.recursive(leaves, _combined, max_leaves=8)
#: As the loader admits them: `when` at the top, or directly in `all`.
predicates = st.recursive(
    limbs, lambda trunk: st.one_of(st.builds(When, limbs, trunk), st.lists(trunk, min_size=1, max_size=3).map(tuple).map(All)), max_leaves=4
)  # fmt: skip
#: For each leaf: 0 while it is missing, else which of its records is there.
fillings = st.tuples(*(st.integers(0, len(leaf.known)) for leaf in LEAVES))


def record(filling: Sequence[int], *more: Given) -> list[Given]:
    found = [item for leaf, state in zip(LEAVES, filling, strict=True) for item in (leaf.known[state - 1] if state else leaf.missing)]
    return found + list(more)


def verdict(predicate: Predicate, given_: Sequence[Given], excluding: bool = False) -> int:
    return find(predicate, facts_of(given_), excluding).verdict


def answered(predicate: Predicate) -> Predicate:
    """The predicate with every question to a person replaced by something that the record answers."""
    match predicate:
        case Manual():
            return ANSWER
        case All(parts) | Any(parts):
            return type(predicate)(tuple(map(answered, parts)))
        case AtLeast(count, parts):
            return AtLeast(count, tuple(map(answered, parts)))
        case Not(part):
            return Not(answered(part))
        case Doubt(part, reason):
            return Doubt(answered(part), reason)
        case Unless(part, excuse, then):
            return Unless(answered(part), answered(excuse), then)
        case When(guard, part):
            return When(answered(guard), answered(part))
        case _:
            return predicate


def stands(before: int, after: int, excluding: bool) -> bool:
    """Whether a decision was kept. What is good news may turn out not to apply; what is bad news stays."""
    good = FALSE if excluding else TRUE
    return after == before or (before == good and after == NOT_APPLICABLE)


def test_every_leaf_can_be_unknown_and_known():
    for leaf in LEAVES:
        assert verdict(leaf.needs, leaf.missing) not in (TRUE, FALSE)
        found = [verdict(leaf.needs, known) for known in leaf.known]
        assert found == ([TRUE, FALSE] if len(found) == 2 else [TRUE])


@STEADY
@given(predicates, fillings, fillings, st.booleans())
def test_filling_an_unknown_never_reverses_a_decision(predicate, early, late, excluding):
    before = verdict(predicate, record(early), excluding)
    after = verdict(predicate, record([e or x for e, x in zip(early, late, strict=True)]), excluding)
    if before in (TRUE, FALSE, NOT_APPLICABLE):
        assert stands(before, after, excluding)


@STEADY
@given(limbs, fillings, fillings, st.booleans())
def test_a_question_is_put_to_a_person_only_where_the_record_cannot_settle_it(predicate, early, late, excluding):
    before = verdict(predicate, record(early), excluding)
    after = verdict(predicate, record([e or x for e, x in zip(early, late, strict=True)]), excluding)
    if before == MANUAL:
        assert after in (MANUAL, NOT_APPLICABLE)


@STEADY
@given(predicates, fillings, st.booleans())
def test_a_decision_stands_whatever_a_person_answers(predicate, filling, excluding):
    before = verdict(predicate, record(filling), excluding)
    if before in (TRUE, FALSE, NOT_APPLICABLE):
        for platelets in (90, 10):
            assert stands(before, verdict(answered(predicate), record(filling, lab("platelets", platelets)), excluding), excluding)


@STEADY
@given(fillings)
def test_a_question_never_answers_itself(filling):
    assert verdict(QUESTION, record(filling)) == MANUAL
    assert verdict(Not(QUESTION), record(filling)) == MANUAL


@STEADY
@given(st.lists(limbs, min_size=1, max_size=4).map(tuple), fillings, st.booleans())
def test_de_morgan(parts, filling, excluding):
    facts = record(filling)
    turned = tuple(map(Not, parts))
    assert verdict(Not(All(parts)), facts, excluding) == verdict(Any(turned), facts, excluding)
    assert verdict(Not(Any(parts)), facts, excluding) == verdict(All(turned), facts, excluding)


@STEADY
@given(limbs, fillings, st.booleans())
def test_not_twice_is_nothing(part, filling, excluding):
    assert verdict(Not(Not(part)), record(filling), excluding) == verdict(part, record(filling), excluding)


@STEADY
@given(st.lists(limbs, min_size=1, max_size=4).map(tuple), fillings, st.booleans())
def test_at_least_one_is_any_and_at_least_all_is_all(parts, filling, excluding):
    facts = record(filling)
    assert verdict(AtLeast(1, parts), facts, excluding) == verdict(Any(parts), facts, excluding)
    assert verdict(AtLeast(len(parts), parts), facts, excluding) == verdict(All(parts), facts, excluding)


@STEADY
@given(st.lists(limbs, min_size=1, max_size=4), st.randoms(use_true_random=False), fillings)
def test_the_order_of_parts_changes_no_verdict(parts, chance, filling):
    facts, shuffled = record(filling), parts.copy()
    chance.shuffle(shuffled)
    for combine in (All, Any, lambda some: AtLeast(min(2, len(some)), some)):
        assert verdict(combine(tuple(parts)), facts) == verdict(combine(tuple(shuffled)), facts)


@STEADY
@given(limbs, fillings, st.booleans())
def test_a_doubt_never_decides_for(part, filling, excluding):
    facts = record(filling)
    assert verdict(Doubt(part, "ambiguous-record"), facts, excluding) != TRUE


@STEADY
@given(limbs, limbs, fillings, st.booleans())
def test_what_a_false_guard_takes_away_decides_nothing(guard, part, filling, excluding):
    facts = record(filling)
    if verdict(guard, facts) == FALSE:
        assert verdict(When(guard, part), facts, excluding) == NOT_APPLICABLE
        assert verdict(All((When(guard, part), ANSWER)), facts, excluding) == verdict(ANSWER, facts)
