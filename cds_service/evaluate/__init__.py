"""Facts → outcomes. Pure: no clock, no I/O, no FHIR. The one evaluator for hook, command line and screening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cds_service.evaluate.compile import compile_predicate
from cds_service.evaluate.context import Node, Scope
from cds_service.model.facts import Facts
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Assessment, Outcome
from cds_service.model.trials import Cohort, Criterion, Trial
from cds_service.model.vocabulary import Vocabulary

_INCLUSION = {TRUE: "met", FALSE: "not-met", UNKNOWN: "unknown", MANUAL: "manual", NOT_APPLICABLE: "not-applicable"}
_EXCLUSION = _INCLUSION | {TRUE: "not-met", FALSE: "met"}  # an exclusion is met when the patient is not excluded by it


@dataclass(frozen=True, slots=True)
class _Compiled:
    trial: Trial
    cohort: Cohort
    gate: Node
    criteria: tuple[tuple[Criterion, Node, dict[int, str]], ...]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Every cohort of every trial, compiled."""

    cohorts: tuple[_Compiled, ...]

    def gate_open(self, facts: Facts) -> bool:
        """Whether any cohort's disease is on record."""
        return not facts.patient.deceased and any(_is_open(c, facts) for c in self.cohorts)

    def assess(self, facts: Facts, closed_too: bool = True) -> tuple[Assessment, ...]:
        """One assessment a cohort, in the order of the criteria files.

        closed_too: also work through the criteria of cohorts whose disease is not on record.
        """
        found: list[Assessment] = []
        for compiled in self.cohorts:
            is_open = not facts.patient.deceased and _is_open(compiled, facts)
            if not is_open and not closed_too:
                continue
            outcomes = tuple(_outcome(c, node, words, facts) for c, node, words in compiled.criteria)
            found.append(Assessment(compiled.trial, compiled.cohort, _status(outcomes) if is_open else "not-applicable", outcomes))
        return _yielding(found)


def _outcome(criterion: Criterion, node: Node, words: dict[int, str], facts: Facts) -> Outcome:
    finding = node(facts, None)
    return Outcome(criterion, words[finding.verdict], finding)


def _is_open(compiled: _Compiled, facts: Facts) -> bool:
    """The disease is on record, if only provisionally: an UNKNOWN without evidence is a list not read."""
    finding = compiled.gate(facts, None)
    return finding.verdict == TRUE or (finding.verdict == UNKNOWN and bool(finding.evidence))


def _status(outcomes: Sequence[Outcome]) -> str:
    found = {o.outcome for o in outcomes}
    if "not-met" in found:
        return "excluded"
    return "possible" if "unknown" in found else "candidate"


def _yielding(found: list[Assessment]) -> tuple[Assessment, ...]:
    """A cohort for everyone else steps back while a more specific one of its trial is open."""
    standing = {(a.trial.id, a.cohort.id) for a in found if a.status in ("possible", "candidate")}
    return tuple(replace(a, status="not-applicable") if any((a.trial.id, other) in standing for other in a.cohort.yields_to) else a for a in found)


def compile_rules(trials: Sequence[Trial], vocabulary: Vocabulary) -> Evaluator:
    """Compile all cohorts. Raises nothing: the loader has checked every name."""
    compiled = []
    for trial in trials:
        for cohort in trial.cohorts:
            criteria = tuple(
                (c, compile_predicate(c.needs, _scope(c, vocabulary)), _EXCLUSION if c.kind == "exclusion" else _INCLUSION)
                for c in trial.criteria_of(cohort.id)
            )
            compiled.append(_Compiled(trial, cohort, compile_predicate(cohort.gate, Scope(vocabulary)), criteria))
    return Evaluator(tuple(compiled))


def _scope(criterion: Criterion, vocabulary: Vocabulary) -> Scope:
    excluding = criterion.kind == "exclusion"
    return Scope(vocabulary, excluding, FALSE if excluding else TRUE)
