"""What each hook adds to the sentence: what it brings beside the record, and which cards are worth an interruption there.

patient-view, encounter-start   nothing: every card of the record as it is.
order-select, order-sign        only for a new immunosuppressant or biologic; the card says what the draft would break.
problem-list-item-create        the new problems count for this call; only cards for which they matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from cds_service import cards
from cds_service.cards.escalation import Worse, before_escalating
from cds_service.evaluate import Evaluator
from cds_service.evaluate.exposure import drugs_of
from cds_service.model.cards import Card
from cds_service.model.facts import Condition, Exposure, Facts, Fault, Observation, Record
from cds_service.model.hooks import ORDER_SELECT, ORDER_SIGN, PROBLEM_CREATE, HookRequest
from cds_service.model.outcomes import Assessment
from cds_service.model.predicates import Manual, Predicate, parts_of
from cds_service.model.trials import Criterion
from cds_service.model.vocabulary import Vocabulary
from cds_service.normalise.unsaved import drafted, problems

#: What is an escalation, by the classes of mappings/classes.csv.
ESCALATIONS = ("immunosuppressant", "biologic")
#: Of these classes one drug is as good as another: prednisolone after prednisone is not new.
ALIKE = ("glucocorticoid",)
NEW = "new in this call"
_RANK = {"met": 0, "not-applicable": 0, "manual": 1, "unknown": 2, "not-met": 3}

Row = TypeVar("Row", Condition, Observation)


class Occasion(NamedTuple):
    """One call of one hook. `drafts`: drugs of the draft orders, as if begun today; never part of the facts."""

    hook: str
    drafts: tuple[Exposure, ...] = ()
    problems: tuple[dict[str, object], ...] = ()
    faults: tuple[Fault, ...] = ()
    silent: bool = False  #: nothing can make a card here, whatever the record says

    @property
    def news(self) -> frozenset[str]:
        """References of the new problems."""
        return frozenset(f"Condition/{p['id']}" for p in self.problems)


def occasion(request: HookRequest, vocabulary: Vocabulary, as_of: int) -> Occasion:
    """Read what the context brings, before anybody is asked anything."""
    if request.hook in (ORDER_SELECT, ORDER_SIGN):
        drafts, faults = drafted(request.unsaved, request.patient_id, vocabulary, as_of)
        escalating = _known(ESCALATIONS, vocabulary)
        return Occasion(request.hook, drafts, faults=faults, silent=escalating.isdisjoint(e.drug for e in drafts))
    if request.hook == PROBLEM_CREATE:
        found, telling, faults = problems(request.unsaved.conditions, request.patient_id, vocabulary, as_of)
        return Occasion(request.hook, problems=found, faults=faults, silent=not telling)
    return Occasion(request.hook)


def joined(now: Occasion, record: Record) -> Record:
    """The record with the new problems; drafts stay outside."""
    if not now.problems and not now.faults:
        return record
    return replace(record, resources=[*record.resources, *now.problems], faults=(*record.faults, *now.faults), distinct=False)


def marked(now: Occasion, facts: Facts) -> Facts:
    """Evidence from a new problem says so."""
    news = now.news
    if not news:
        return facts

    def mark(rows: Iterable[Row]) -> list[Row]:
        return [row._replace(value=f"{row.value} ({NEW})") if row.reference in news else row for row in rows]

    return replace(
        facts,
        conditions={concept: mark(rows) for concept, rows in facts.conditions.items()},
        observations={concept: mark(rows) for concept, rows in facts.observations.items()},  # a class that the problem's code names
    )


def fitting(now: Occasion, found: Sequence[Card], facts: Facts, evaluator: Evaluator, names: Mapping[str, str]) -> tuple[Card, ...]:
    """The cards that are worth an interruption at this hook, in their order."""
    if now.hook in (ORDER_SELECT, ORDER_SIGN):
        return _escalating(now, found, facts, evaluator, names)
    if now.hook == PROBLEM_CREATE:
        opened = evaluator.open_cohorts(facts) - evaluator.open_cohorts(_without(now, facts))
        return tuple(card for card in found if _concerns(cards.on_show(card.assessments), now.news, opened))
    return tuple(found)


# --- draft orders ------------------------------------------------------------------------------------------


def _escalating(now: Occasion, found: Sequence[Card], facts: Facts, evaluator: Evaluator, names: Mapping[str, str]) -> tuple[Card, ...]:
    vocabulary = evaluator.vocabulary
    fresh = [e for e in now.drafts if not _has(facts, e.drug, vocabulary)]
    escalating = [e.drug for e in fresh if e.drug in _known(ESCALATIONS, vocabulary)]
    if not escalating:
        return ()
    then = _with(facts, fresh)
    drugs = frozenset(e.drug for e in fresh)
    said = [names.get(drug, drug) for drug in dict.fromkeys(e.drug for e in fresh)]
    return tuple(before_escalating(card, said, _worse(cards.on_show(card.assessments), then, drugs, evaluator)) for card in found)


def _has(facts: Facts, drug: str, vocabulary: Vocabulary) -> bool:
    """Whether the record says that the patient is being given this drug, or one as good: a course that goes on or has just ended."""
    alike = {drug}.union(*(vocabulary.classes[c].drugs for c in ALIKE if c in vocabulary.classes and drug in vocabulary.classes[c].drugs))
    return any(_goes_on(e, facts.as_of, vocabulary) for one in alike for e in facts.exposures.get(one, ()))


def _goes_on(e: Exposure, today: int, vocabulary: Vocabulary) -> bool:
    if e.ongoing:
        return True
    drug = vocabulary.drugs.get(e.drug)
    lasting = 0 if drug is None else drug.grace + (drug.course if e.kind != "order" else 0)
    return bool(e.start_last) and max(e.end_last, e.start_last) + lasting >= today


def _with(facts: Facts, drafts: Iterable[Exposure]) -> Facts:
    """As if the drafts had begun today: to be compared with the answer, never to be shown as one."""
    exposures = dict(facts.exposures)
    for e in drafts:
        exposures[e.drug] = [e, *exposures.get(e.drug, ())]  # newest first
    return replace(facts, exposures=exposures)


def _worse(shown: Assessment, then: Facts, drugs: Collection[str], evaluator: Evaluator) -> Worse:
    broken: list[Criterion] = []
    opened: list[Criterion] = []
    arranged: list[Criterion] = []
    for outcome in shown.outcomes:
        after = evaluator.outcome_on(outcome.criterion, then)
        if _RANK[after] > _RANK[outcome.outcome]:
            (broken if after == "not-met" else opened if after == "unknown" else arranged).append(outcome.criterion)
        elif after == "manual" and _asks_about(outcome.criterion, drugs, evaluator.vocabulary):
            arranged.append(outcome.criterion)
    return Worse(broken, opened, arranged)


def _asks_about(criterion: Criterion, drugs: Collection[str], vocabulary: Vocabulary) -> bool:
    """Whether a question for a person shows one of these drugs beside it: a pause to be arranged."""

    def asks(p: Predicate) -> bool:
        if isinstance(p, Manual):
            return not drugs_of(p.see, vocabulary).isdisjoint(drugs)
        return any(asks(part) for part in parts_of(p))

    return asks(criterion.needs)


def _known(classes: Iterable[str], vocabulary: Vocabulary) -> frozenset[str]:
    return drugs_of([name for name in classes if name in vocabulary.classes], vocabulary)


# --- new problems ------------------------------------------------------------------------------------------


def _without(now: Occasion, facts: Facts) -> Facts:
    news = now.news

    def left(rows: Iterable[Row]) -> list[Row]:
        return [row for row in rows if row.reference not in news]

    return replace(
        facts,
        conditions={concept: left(rows) for concept, rows in facts.conditions.items()},
        observations={concept: left(rows) for concept, rows in facts.observations.items()},
    )


def _concerns(shown: Assessment, news: Collection[str], opened: Collection[tuple[str, str]]) -> bool:
    """Whether a new problem opens the cohort on show, or is what one of its criteria was answered by."""
    if (shown.trial.id, shown.cohort.id) in opened:
        return True
    decided = (o.finding for o in shown.outcomes if o.outcome in ("met", "not-met", "unknown"))
    return any(e.reference in news for finding in decided for e in finding.evidence)
