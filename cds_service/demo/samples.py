"""The Bundles of the folder that CDS_SAMPLES names: none may crash, none may get a card that its record gives no cause for. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from cds_service import cards, pipeline
from cds_service.batch import read
from cds_service.config import Settings
from cds_service.errors import BadInput
from cds_service.fetch import from_bundle
from cds_service.model.cards import Card
from cds_service.model.facts import TRUNCATED, UNAVAILABLE
from cds_service.model.predicates import ConditionIs, Predicate, parts_of
from cds_service.model.trials import Trial
from cds_service.unexpected import internal


class Row(NamedTuple):
    """One patient in the table: the status of each `trial/cohort`, and the cards made."""

    name: str
    statuses: Mapping[str, str]
    cards: int


class Sample(NamedTuple):
    """What became of one file: a row, or why there is none. `fault`: what must not be."""

    name: str
    row: Row | None = None
    diseased: bool = False  #: a disease of a trial is on record
    unread: str = ""
    fault: str = ""


def samples(folder: Path, settings: Settings, as_of: int) -> Iterator[Sample]:
    """Each Bundle of the folder, by name. A file that is no Bundle is said to be unread: that is no fault of ours."""
    rules = pipeline.load_rules(settings)
    diseases = target_diseases(rules.trials)
    for path in sorted(p for p in folder.iterdir() if p.name.endswith((".json", ".json.gz"))):
        try:
            yield _sample(path, settings, rules, diseases, as_of)
        except BadInput as unread:
            yield Sample(path.name, unread=str(unread))
        except Exception as crash:  # a crash is what this looks for: it is said, and fails the demo
            yield Sample(path.name, fault=internal(crash))


def _sample(path: Path, settings: Settings, rules: pipeline.Rules, diseases: frozenset[str], as_of: int) -> Sample:
    answer, facts = pipeline.explained(from_bundle(read(str(path))), rules, as_of)
    made = cards.compose(answer, settings.max_cards, settings.smart_url, rules.orders, rules.names, rules.fresh, rules.costs)
    diseased = not diseases.isdisjoint(concept for concept, found in facts.conditions.items() if found)
    if made and not diseased:
        fault = "a card, and no disease of a trial on record"
    else:
        fault = "" if all(has_cause(card) for card in made) else "a card without cause"
    row = Row(path.name, {f"{a.trial.id}/{a.cohort.id}": a.status for a in answer.assessments}, len(made))
    return Sample(path.name, row, diseased, fault=fault)


def target_diseases(trials: tuple[Trial, ...]) -> frozenset[str]:
    """The diagnoses that open a cohort, or raise the question. Read from the criteria, not asked of the evaluator, which is under test here."""
    return frozenset(concept for trial in trials for cohort in trial.cohorts for concept in _diagnoses(cohort.gate))


def _diagnoses(predicate: Predicate) -> Iterator[str]:
    if isinstance(predicate, ConditionIs):
        yield from predicate.concepts
        yield from predicate.maybe
    for part in parts_of(predicate):
        yield from _diagnoses(part)


def has_cause(card: Card) -> bool:
    """A recruiting trial, a cohort that nothing rules out, and a pivotal criterion met or a list that did not load."""
    for assessment in card.assessments:
        if assessment.trial.recruiting and assessment.status in ("candidate", "possible"):
            pivotal = [o for o in assessment.outcomes if o.criterion.pivotal]
            unread = any(o.finding.reason in (UNAVAILABLE, TRUNCATED) for o in pivotal)
            if assessment.status == "candidate" or unread or any(o.outcome == "met" for o in pivotal):
                return True
    return False
