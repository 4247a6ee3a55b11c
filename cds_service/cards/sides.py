"""One assessment, its outcomes sorted once for all who word them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cds_service.model.outcomes import Answer, Assessment, Outcome
from cds_service.words.gaps import Gap, gaps, kind_of, unread_lists


class Sides(NamedTuple):
    """`results` a test can settle, `points` it cannot.

    `lists`: what was not read and leaves the cohort open, list -> why; empty when the check is complete.
    """

    assessment: Assessment
    met: tuple[Outcome, ...]
    manual: tuple[Outcome, ...]
    unread: tuple[Outcome, ...]
    results: tuple[Gap, ...]
    points: tuple[Gap, ...]
    lists: Mapping[str, str]


def sides(assessment: Assessment, answer: Answer) -> Sides:
    found: dict[str, list[Outcome]] = {"met": [], "not-met": [], "unknown": [], "manual": [], "not-applicable": []}
    for outcome in assessment.outcomes:
        found[outcome.outcome].append(outcome)
    unknown = found["unknown"]
    unread = tuple(o for o in unknown if kind_of(o) == "unread")
    return Sides(
        assessment,
        tuple(found["met"]),
        tuple(found["manual"]),
        unread,
        gaps(unknown, "result"),
        gaps(unknown, "point"),
        unread_lists(unread, dict(answer.incomplete)) if unread else {},
    )
