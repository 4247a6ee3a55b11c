"""What the evaluator says: a finding per predicate, an outcome per criterion, an assessment per cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cds_service.model.facts import Evidence, Fault, Unmapped
from cds_service.model.trials import Cohort, Criterion, Trial

#: The four Kleene values and "does not apply". Their order is the precedence in `all`.
FALSE, UNKNOWN, MANUAL, TRUE, NOT_APPLICABLE = range(5)

REASONS = (
    "no-data",
    "stale",
    "unit",
    "no-reference-range",
    "comparator",
    "imprecise-date",
    "conflicting",
    "unreadable",
    "unavailable",
    "truncated",
    "method",
    "needs-judgement",
    "ambiguous-record",
)


class Finding(NamedTuple):
    """What one predicate says of one patient.

    reason: why UNKNOWN. basis: recorded | computed | no-record | assumed. ask: for MANUAL.
    concepts: what would settle an UNKNOWN (observations to measure). lists: which lists were not read.
    """

    verdict: int
    reason: str | None = None
    basis: str | None = None
    evidence: tuple[Evidence, ...] = ()
    ask: str | None = None
    concepts: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """Of one criterion, in the reader's direction: `met` is always good news."""

    criterion: Criterion
    outcome: str  #: met | not-met | unknown | manual | not-applicable
    finding: Finding


@dataclass(frozen=True, slots=True)
class Assessment:
    """Of one cohort."""

    trial: Trial
    cohort: Cohort
    status: str  #: not-applicable | excluded | possible | candidate
    outcomes: tuple[Outcome, ...]

    def of(self, outcome: str) -> tuple[Outcome, ...]:
        return tuple(o for o in self.outcomes if o.outcome == outcome)


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything said about one patient."""

    as_of: int
    patient: str
    assessments: tuple[Assessment, ...]
    incomplete: tuple[tuple[str, str], ...] = ()  #: (list, unavailable | truncated)
    faults: tuple[Fault, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
