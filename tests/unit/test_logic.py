"""The truth tables, written out."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from cds_service import logic
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN

F, U, M, T, N = FALSE, UNKNOWN, MANUAL, TRUE, NOT_APPLICABLE
EVERY = (F, U, M, T, N)

ALL = """
     F U M T N
  F  F F F F F
  U  F U U U U
  M  F U M M M
  T  F U M T T
  N  F U M T N
"""
ANY = """
     F U M T N
  F  F U M T F
  U  U U U T U
  M  M U M T M
  T  T T T T T
  N  F U M T N
"""
LETTERS = {"F": F, "U": U, "M": M, "T": T, "N": N}


def table(text):
    head, *lines = [line.split() for line in text.strip("\n").splitlines()]
    return [(LETTERS[line[0]], LETTERS[column], LETTERS[cell]) for line in lines for column, cell in zip(head, line[1:], strict=True)]


@pytest.mark.parametrize(("a", "b", "expected"), table(ALL))
def test_all_of_two(a, b, expected):
    assert logic.all_of([a, b]) == expected


@pytest.mark.parametrize(("a", "b", "expected"), table(ANY))
def test_any_of_two(a, b, expected):
    assert logic.any_of([a, b]) == expected


def test_nothing_to_combine_does_not_apply():
    assert logic.all_of([]) == N
    assert logic.any_of([]) == N


@pytest.mark.parametrize("combine", [logic.all_of, logic.any_of, lambda v: logic.at_least(2, v)])
def test_order_does_not_matter(combine):
    for verdicts in product(EVERY, repeat=3):
        assert len({combine(order) for order in permutations(verdicts)}) == 1


@pytest.mark.parametrize(
    ("count", "verdicts", "expected"),
    [
        (2, (T, T, F), T),
        (2, (T, T, U), T),
        (2, (T, T, M), T),
        (2, (T, F, F), F),
        (2, (U, F, F), F),
        (2, (M, F, F), F),
        (2, (T, U, F), U),
        (2, (T, M, F), M),
        (2, (T, U, M), U),
        (2, (U, U, F), U),
        (2, (M, M, F), M),
        (2, (U, M, F), U),
        (3, (T, T, M), M),
        (3, (T, T, U), U),
        (3, (T, T, F), F),
        (1, (F, F, F), F),
        (2, (N, T, T), T),
        (2, (N, T, F), F),
        (2, (N, T, U), U),
        (2, (N, N, N), N),
    ],
)
def test_at_least(count, verdicts, expected):
    assert logic.at_least(count, verdicts) == expected


def test_at_least_one_is_any_and_at_least_all_is_all():
    for size in (1, 2, 3, 4):
        for verdicts in product((F, U, M, T), repeat=size):
            assert logic.at_least(1, verdicts) == logic.any_of(verdicts)
            assert logic.at_least(size, verdicts) == logic.all_of(verdicts)


@pytest.mark.parametrize(("verdict", "expected"), [(T, F), (F, T), (U, U), (M, M), (N, N)])
def test_not(verdict, expected):
    assert logic.negate(verdict) == expected


def test_de_morgan():
    for verdicts in product(EVERY, repeat=3):
        turned = [logic.negate(v) for v in verdicts]
        assert logic.negate(logic.all_of(verdicts)) == logic.any_of(turned)
        assert logic.negate(logic.any_of(verdicts)) == logic.all_of(turned)


@pytest.mark.parametrize("body", EVERY)
@pytest.mark.parametrize("holds", [T, F, None])
def test_when_with_a_guard_that_is_settled(body, holds):
    assert logic.when(T, body, holds) == body
    assert logic.when(F, body, holds) == N
    assert logic.when(N, body, holds) == N


@pytest.mark.parametrize("guard", [U, M])
@pytest.mark.parametrize(
    ("holds", "bodies"),
    [(T, {F: "guard", U: "guard", M: "guard", T: T, N: N}), (F, {F: F, U: "guard", M: "guard", T: "guard", N: N})],
)
def test_when_with_an_open_guard_keeps_only_what_stands_either_way(guard, holds, bodies):
    for body, expected in bodies.items():
        opened = U if body == U else guard  # a result that is missing stays missing, whoever has to be asked besides
        assert logic.when(guard, body, holds) == (opened if expected == "guard" else expected)


@pytest.mark.parametrize("guard", [U, M])
def test_when_with_an_open_guard_inside_any_decides_nothing(guard):
    for body in (F, U, M, T):
        assert logic.when(guard, body, None) == (U if body == U else guard)


def test_settling_an_open_part_never_reverses_a_decision():
    for size in (1, 2, 3):
        for early in product((F, U, M, T), repeat=size):
            for late in product((F, T), repeat=size):
                filled = [new if old in (U, M) else old for old, new in zip(early, late, strict=True)]
                for combine in (logic.all_of, logic.any_of, lambda v: logic.at_least(2, v)):
                    if combine(early) in (T, F):
                        assert combine(filled) == combine(early)
