"""What the evaluator says: a finding per predicate, an outcome per criterion, an assessment per cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cds_service.model.facts import Evidence, Fault, Unmapped
from cds_service.model.predicates import Predicate
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


class NearMiss(NamedTuple):
    """A value close to its limit, on either side: both in words, and the value before it."""

    value: str
    limit: str
    trend: str = ""


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
    near: NearMiss | None = None


class Reasoning(NamedTuple):
    """A predicate, what it says of the patient, and the same of its parts."""

    predicate: Predicate
    finding: Finding
    parts: tuple[Reasoning, ...]


class Outcome(NamedTuple):
    """Of one criterion, in the reader's direction: `met` is always good news."""

    criterion: Criterion
    outcome: str  #: met | not-met | unknown | manual | not-applicable
    finding: Finding


class Decider(NamedTuple):
    """Facts that, once known, can settle a cohort. settles: excluded (they can rule it out) | either
    (they decide it, whatever they are) | candidate (they can leave nothing open). criteria: those that
    they can fail or settle. cost: of the dearest."""

    facts: tuple[str, ...]
    criteria: tuple[str, ...]
    settles: str
    cost: str


class LookAgain(NamedTuple):
    """A day on which a criterion changes by time alone: from which outcome to which. aged: a result grows too old."""

    day: int
    criterion: str
    why: str
    now: str = ""
    then: str = ""
    aged: bool = False


class Question(NamedTuple):
    """An unknown that no result can settle."""

    criterion: str
    ask: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """Of one cohort. The last three tell what would change it; empty until `explain` has looked."""

    trial: Trial
    cohort: Cohort
    status: str  #: not-applicable | excluded | possible | candidate
    outcomes: tuple[Outcome, ...]
    decides: tuple[Decider, ...] = ()
    look_again: tuple[LookAgain, ...] = ()
    questions: tuple[Question, ...] = ()

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
