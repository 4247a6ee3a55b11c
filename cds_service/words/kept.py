"""Words made once for a noun of the rules and kept with it. Never for anything that comes from a patient's record."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Rule = TypeVar("Rule")
Made = TypeVar("Made")

MOST = 8192  #: only a process that loads rules again and again gets here


def once_for_each(make: Callable[[Rule], Made]) -> Callable[[Rule], Made]:
    """Kept by identity: the hash of a criterion would walk its whole predicate, which costs more than the words.

    The noun is kept beside its words, so that its id cannot come to name another.
    """
    kept: dict[int, tuple[Rule, Made]] = {}

    def made(rule: Rule) -> Made:
        try:
            return kept[id(rule)][1]
        except KeyError:
            words = make(rule)
        if len(kept) >= MOST:
            kept.clear()
        kept[id(rule)] = rule, words
        return words

    made.__doc__ = make.__doc__
    return made
