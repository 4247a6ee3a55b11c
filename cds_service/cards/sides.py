"""One assessment, its outcomes sorted once for all who word them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cds_service.model.outcomes import Answer, Assessment, Outcome
from cds_service.words.gaps import Gap, grouped, kind_of, unread_lists


class Sides(NamedTuple):
    """`met`, `bare`: how many are met, and how many of them for want of a record; `shown`: those with evidence to show.

    `results`: what a test can settle, `points` what it cannot. `lists`: what was not read and leaves the
    cohort open, list -> why; empty when the check is complete.
    """

    assessment: Assessment
    met: int
    bare: int
    shown: tuple[Outcome, ...]
    manual: tuple[Outcome, ...]
    unread: tuple[Outcome, ...]
    results: tuple[Gap, ...]
    points: tuple[Gap, ...]
    lists: Mapping[str, str]


def sides(assessment: Assessment, answer: Answer, costs: Mapping[str, int]) -> Sides:
    """`costs`: by concept, how dear its test is; results that are missing are asked for from the cheapest."""
    met = bare = 0
    shown, manual = [], []
    unknown: dict[str, list[Outcome]] = {"unread": [], "result": [], "point": []}
    for outcome in assessment.outcomes:
        _, word, finding = outcome
        if word == "met":
            met += 1
            if finding.basis == "no-record":
                bare += 1
            if finding.evidence:
                shown.append(outcome)
        elif word == "unknown":
            unknown[kind_of(outcome)].append(outcome)
        elif word == "manual":
            manual.append(outcome)
    unread = tuple(unknown["unread"])
    lists = unread_lists(unread, dict(answer.incomplete)) if unread else {}
    results = grouped(unknown["result"])
    if len(results) > 1:  # pivotal first, then what settles most criteria, then what costs least
        results = tuple(sorted(results, key=lambda gap: (not gap.pivotal, -len(gap.outcomes), max((costs.get(t, 0) for t in gap.tests), default=0))))
    return Sides(assessment, met, bare, tuple(shown), tuple(manual), unread, results, grouped(unknown["point"]), lists)
