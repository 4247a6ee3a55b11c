"""The sentence: request → fetch → normalise → evaluate → compose. Clock and fetch are handed in; knows no Flask, no YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from cds_service import cards, criteria, evaluate, explain, hooks, mappings, wire
from cds_service.config import Settings
from cds_service.errors import PreconditionFailed
from cds_service.model.cards import Card
from cds_service.model.facts import Facts, Record, later
from cds_service.model.hooks import HookRequest
from cds_service.model.outcomes import Answer, Assessment
from cds_service.model.predicates import concepts_of
from cds_service.model.trials import Trial
from cds_service.model.vocabulary import Coding, Vocabulary
from cds_service.normalise import normalise

#: Reads what a request needs: prefetch, and the FHIR server for the rest.
Gather = Callable[[HookRequest, Mapping[str, str]], Record]
#: Trial ids to keep silent, of the trials worth a card: given the best patient group of each, best first. Only asked if there is one.
Quiet = Callable[[Sequence[Assessment]], Set[str]]


@dataclass(frozen=True, slots=True)
class Rules:
    """All criteria and mappings, compiled. By concept id: `orders` the test to ask for, `names` its
    words, `fresh` how many days a value can decide, `costs` how dear it is to measure."""

    trials: tuple[Trial, ...]
    vocabulary: Vocabulary
    evaluator: evaluate.Evaluator
    templates: Mapping[str, str]
    orders: Mapping[str, Coding]
    names: Mapping[str, str]
    fresh: Mapping[str, int]
    costs: Mapping[str, int]


def load_rules(settings: Settings) -> Rules:
    """Read and check all data files. Raises BadData with every fault."""
    vocabulary = mappings.load(settings.mappings_dir, settings.local_mappings, settings.upper_limits)
    trials = criteria.load(settings.criteria_dir, vocabulary)
    concepts = vocabulary.concepts.values()
    return Rules(
        trials,
        vocabulary,
        evaluate.compile_rules(trials, vocabulary),
        wire.templates(vocabulary, concepts_in_use(trials)),
        {c.id: c.order for c in concepts if c.order is not None},
        {d.id: d.name for d in vocabulary.drugs.values()} | {k.id: k.name for k in vocabulary.classes.values()} | {c.id: c.name for c in concepts},
        {c.id: c.fresh for c in concepts if c.fresh is not None},
        {c.id: explain.COSTS.index(c.cost) for c in concepts},
    )


def concepts_in_use(trials: tuple[Trial, ...]) -> set[str]:
    """What the criteria and gates name."""
    predicates = [c.needs for t in trials for c in t.criteria] + [c.gate for t in trials for c in t.cohorts]
    return set().union(*(concepts_of(p) for p in predicates)) if predicates else set()


def assess(record: Record, rules: Rules, as_of: int) -> Answer:
    """One record against every cohort."""
    return _answer(normalise(record, rules.vocabulary, as_of), rules)


def _unmarked(_: str) -> None:
    """Nobody measures."""


def decide(
    request: HookRequest,
    rules: Rules,
    gather: Gather,
    as_of: int,
    settings: Settings,
    mark: Callable[[str], None] = _unmarked,
    quiet: Quiet | None = None,
) -> tuple[Answer, tuple[Card, ...]]:
    """A hook request to its answer and cards. Raises PreconditionFailed when required data cannot be had.

    `mark` is told the name of each phase when it ends, for whoever measures: there is no clock here.
    """
    now = hooks.occasion(request, rules.vocabulary, as_of)
    if now.silent and not (settings.sandbox and rules.templates.keys() <= request.prefetch.keys()):  # nobody is asked for a record that no card needs
        return Answer(as_of, f"Patient/{request.patient_id}", (), faults=now.faults), ()
    record = hooks.joined(now, gather(request, rules.templates))
    mark("gather")
    facts = hooks.marked(now, normalise(record, rules.vocabulary, as_of))
    mark("normalise")
    if "conditions" in facts.incomplete and not facts.patient.deceased and not rules.evaluator.gate_open(facts):
        raise PreconditionFailed("The problem list could not be read whole, and what was read names no disease of a trial.", missing=("conditions",))
    answer = _answer(facts, rules, closed_too=settings.sandbox)
    if settings.sandbox:  # what would change an answer costs more than the answer: docs/decisions/0007
        answer = _explained(answer, facts, rules)
    mark("evaluate")
    chosen = cards.worthy(answer)
    if chosen and quiet is not None:
        silent = quiet(chosen)
        chosen = tuple(a for a in chosen if a.trial.id not in silent)  # before the cut: who is silent takes nobody's place
    most = len(rules.trials) if now.problems else settings.max_cards  # a card that a new problem does not concern takes no other's place
    found = cards.compose(answer, most, settings.smart_url, rules.orders, rules.names, rules.fresh, rules.costs, chosen)
    return answer, hooks.fitting(now, found, facts, rules.evaluator, rules.names)[: settings.max_cards]


def explained(record: Record, rules: Rules, as_of: int) -> tuple[Answer, Facts]:
    """As `assess`, with what would change each answer, and the facts it rests on."""
    facts = normalise(record, rules.vocabulary, as_of)
    answer = _answer(facts, rules)
    return _explained(answer, facts, rules), facts


def _explained(answer: Answer, facts: Facts, rules: Rules) -> Answer:
    return replace(answer, assessments=tuple(_explain(a, facts, rules) for a in answer.assessments))


def _explain(assessment: Assessment, facts: Facts, rules: Rules) -> Assessment:
    decided = explain.with_deciders(assessment, facts, rules.evaluator.reasoning, rules.vocabulary)
    days: dict[int, Facts] = {}

    def on(day: int) -> Facts:
        if day not in days:
            days[day] = later(facts, day)
        return days[day]

    return explain.with_look_again(decided, facts, on, rules.evaluator.outcome_on, rules.evaluator.reasoning, rules.vocabulary)


def _answer(facts: Facts, rules: Rules, closed_too: bool = True) -> Answer:
    return Answer(
        facts.as_of,
        facts.patient.reference,
        rules.evaluator.assess(facts, closed_too),
        tuple(sorted(facts.incomplete.items())),
        facts.faults,
        facts.unmapped,
    )
