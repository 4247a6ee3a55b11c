"""Facts → outcomes. Pure: no clock, no I/O, no FHIR. The one evaluator for hook, command line and screening."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cds_service.evaluate.compile import Tree, compile_predicate, compile_tree
from cds_service.evaluate.context import Node, Scope
from cds_service.evaluate.exposure import drugs_of
from cds_service.model.facts import Facts, Patient
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Assessment, Outcome, Reasoning
from cds_service.model.predicates import Predicate, about_patient, concepts_of
from cds_service.model.trials import Cohort, Criterion, Trial
from cds_service.model.vocabulary import Vocabulary

_INCLUSION = {TRUE: "met", FALSE: "not-met", UNKNOWN: "unknown", MANUAL: "manual", NOT_APPLICABLE: "not-applicable"}
_EXCLUSION = _INCLUSION | {TRUE: "not-met", FALSE: "met"}  # an exclusion is met when the patient is not excluded by it
#: An empty record. Any day will do, but calendar periods must fit before it.
_NOBODY = Facts(Patient(""), 700_000)


@dataclass(frozen=True, slots=True)
class _Rule:
    """One compiled criterion. `concepts`: what must be on record for this patient's finding to differ
    from `untouched`, the finding on an empty record; None when it also depends on the patient."""

    criterion: Criterion
    node: Node
    words: dict[int, str]
    concepts: frozenset[str] | None
    untouched: Outcome


@dataclass(frozen=True, slots=True)
class _Compiled:
    trial: Trial
    cohort: Cohort
    gate: Node
    needed: frozenset[str] | None  #: the gate stays closed unless one of these concepts is on record
    rules: tuple[_Rule, ...]
    untouched: tuple[Outcome, ...]  #: of each rule, for an empty record
    touching: Mapping[str, tuple[int, ...]]  #: concept -> places of the rules whose outcome it can change
    always: tuple[int, ...]  #: places of those that depend on the patient


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Every cohort of every trial, compiled."""

    cohorts: tuple[_Compiled, ...]
    vocabulary: Vocabulary
    rules: Mapping[int, _Rule]  #: by identity of the criterion, whose hash would walk its predicate
    trees: dict[int, Tree] = field(default_factory=dict)  #: the same

    def gate_open(self, facts: Facts) -> bool:
        """Whether any cohort's disease is on record."""
        return not facts.patient.deceased and any(_is_open(c, facts) for c in self.cohorts)

    def open_cohorts(self, facts: Facts) -> set[tuple[str, str]]:
        """Trial and cohort of every disease on record."""
        return {(c.trial.id, c.cohort.id) for c in self.cohorts if _is_open(c, facts)}

    def assess(self, facts: Facts, closed_too: bool = True) -> tuple[Assessment, ...]:
        """One assessment a cohort, in the order of the criteria files.

        closed_too: also work through the criteria of cohorts whose disease is not on record.
        A criterion that several cohorts share is worked through once.
        """
        found: list[Assessment] = []
        done: dict[int, Outcome] = {}
        present = None if facts.incomplete else facts.observations.keys() | facts.conditions.keys() | facts.events.keys() | facts.exposures.keys()
        for compiled in self.cohorts:
            is_open = not facts.patient.deceased and not _is_shut(compiled, present) and _is_open(compiled, facts)
            if not is_open and not closed_too:
                continue
            outcomes = list(compiled.untouched)
            for place in _touched(compiled, present):
                rule = compiled.rules[place]
                outcome = done.get(id(rule))
                if outcome is None:
                    outcome = done[id(rule)] = _outcome(rule, facts)
                outcomes[place] = outcome
            found.append(Assessment(compiled.trial, compiled.cohort, _status(outcomes) if is_open else "not-applicable", tuple(outcomes)))
        return _yielding(found)

    def reasoning(self, criterion: Criterion, facts: Facts) -> Reasoning:
        """How one criterion came to its finding, part by part."""
        tree = self.trees.get(id(criterion))
        if tree is None:  # compiled when first asked for: most criteria are never asked
            tree = self.trees[id(criterion)] = compile_tree(criterion.needs, _scope(criterion, self.vocabulary))
        return tree.reason(facts)

    def outcome_on(self, criterion: Criterion, facts: Facts) -> str:
        """The outcome of one criterion alone."""
        rule = self.rules[id(criterion)]
        return rule.words[rule.node(facts, None).verdict]


def _touched(compiled: _Compiled, present: set[str] | None) -> Iterable[int]:
    """Places of the rules that this record can decide otherwise than an empty one: of most a record says nothing."""
    if present is None:
        return range(len(compiled.rules))
    places = set(compiled.always)
    for concept in present:
        places.update(compiled.touching.get(concept, ()))
    return places


def _outcome(rule: _Rule, facts: Facts) -> Outcome:
    finding = rule.node(facts, None)
    return tuple.__new__(Outcome, (rule.criterion, rule.words[finding.verdict], finding))


def _is_shut(compiled: _Compiled, present: set[str] | None) -> bool:
    """Nothing that the gate names is on record: most patients have none of our diseases."""
    return present is not None and compiled.needed is not None and compiled.needed.isdisjoint(present)


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
        rules = {c.id: _compile_rule(c, vocabulary) for c in trial.criteria}
        for cohort in trial.cohorts:
            own = tuple(rules[c.id] for c in trial.criteria_of(cohort.id))
            compiled.append(_compile_cohort(trial, cohort, own, vocabulary))
    return Evaluator(tuple(compiled), vocabulary, {id(rule.criterion): rule for c in compiled for rule in c.rules})


def _compile_cohort(trial: Trial, cohort: Cohort, rules: tuple[_Rule, ...], vocabulary: Vocabulary) -> _Compiled:
    gate = compile_predicate(cohort.gate, Scope(vocabulary))
    for_anybody = about_patient(cohort.gate) or gate(_NOBODY, None).verdict not in (FALSE, NOT_APPLICABLE)
    touching: dict[str, list[int]] = {}
    for place, rule in enumerate(rules):
        for concept in rule.concepts or ():
            touching.setdefault(concept, []).append(place)
    return _Compiled(
        trial,
        cohort,
        gate,
        None if for_anybody else _named(cohort.gate, vocabulary),
        rules,
        tuple(rule.untouched for rule in rules),
        {concept: tuple(places) for concept, places in touching.items()},
        tuple(place for place, rule in enumerate(rules) if rule.concepts is None),
    )


def _compile_rule(criterion: Criterion, vocabulary: Vocabulary) -> _Rule:
    excluding = criterion.kind == "exclusion"
    words = _EXCLUSION if excluding else _INCLUSION
    node = compile_predicate(criterion.needs, _scope(criterion, vocabulary))
    finding = node(_NOBODY, None)
    concepts = None if about_patient(criterion.needs) else _named(criterion.needs, vocabulary)
    return _Rule(criterion, node, words, concepts, Outcome(criterion, words[finding.verdict], finding))


def _named(p: Predicate, vocabulary: Vocabulary) -> frozenset[str]:
    """The concepts that a predicate names, classes of drugs with their drugs: where none is on record, nothing is known."""
    named = concepts_of(p)
    return frozenset(named.union(*(drugs_of([name], vocabulary) for name in named)))


def _scope(criterion: Criterion, vocabulary: Vocabulary) -> Scope:
    excluding = criterion.kind == "exclusion"
    return Scope(vocabulary, excluding, FALSE if excluding else TRUE)
