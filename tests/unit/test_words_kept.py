"""Words made once for a noun of the rules: kept by identity, never mixed up, never without bound."""

from __future__ import annotations

from cds_service.model.predicates import Sex
from cds_service.model.trials import Criterion
from cds_service.words import kept
from cds_service.words.kept import once_for_each


def criterion(label):
    return Criterion("c", "inclusion", "1", label, Sex("female"))


def counted():
    made = []

    @once_for_each
    def words(rule):
        """What it says."""
        made.append(rule)
        return f"{rule.label}!"

    return words, made


def test_words_are_made_once():
    words, made = counted()
    one = criterion("one")
    assert [words(one), words(one)] == ["one!", "one!"]
    assert len(made) == 1
    assert words.__doc__ == "What it says."


def test_rules_that_look_alike_are_still_two():
    words, made = counted()
    one, two = criterion("same"), criterion("same")
    words(one)
    words(two)
    assert len(made) == 2


def test_the_words_of_a_rule_that_is_gone_are_never_given_to_another():
    words, _ = counted()
    assert [words(criterion(f"rule {n}")) for n in range(500)] == [f"rule {n}!" for n in range(500)]


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(kept, "MOST", 3)
    words, made = counted()
    rules = [criterion(f"{n}") for n in range(4)]
    for rule in rules:
        words(rule)
    assert words(rules[3]) == "3!" and len(made) == 4
    assert words(rules[0]) == "0!" and len(made) == 5  # dropped when the fourth came
