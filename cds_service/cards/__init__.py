"""Outcomes → cards: which trials are worth an interruption, and the words for it. Pure; knows no JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from urllib.parse import urlsplit

from cds_service.cards.detail import Page, detail
from cds_service.cards.sides import Sides, sides
from cds_service.cards.summary import summary
from cds_service.model.cards import Card, Draft, Link, Suggestion
from cds_service.model.outcomes import Answer, Assessment
from cds_service.model.trials import Trial
from cds_service.model.vocabulary import Coding
from cds_service.words import clean
from cds_service.words.gaps import kind_of
from cds_service.words.kept import once_for_each

_ORDERS = 3
_NO_ORDERS: Mapping[str, Coding] = MappingProxyType({})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_NO_DAYS: Mapping[str, int] = MappingProxyType({})


def compose(
    answer: Answer,
    maximum: int = 3,
    smart_url: str = "",
    orders: Mapping[str, Coding] = _NO_ORDERS,
    names: Mapping[str, str] = _NO_NAMES,
    fresh: Mapping[str, int] = _NO_DAYS,
    costs: Mapping[str, int] = _NO_DAYS,
    chosen: Iterable[Assessment] | None = None,
) -> tuple[Card, ...]:
    """One card a trial, in the order of `chosen`, by default of `worthy`.

    By concept id: `orders` the test to ask for, `names` its words, `fresh` how many days a value can decide,
    `costs` how dear the test is, from 0.
    """
    best = worthy(answer) if chosen is None else chosen
    return tuple(_card(sides(a, answer, costs), answer, smart_url, orders, names, fresh) for a in islice(best, max(maximum, 0)))


def worthy(answer: Answer) -> tuple[Assessment, ...]:
    """The best cohort of each trial that is worth a card, best first: candidate, then fewest unknown, then NCT number."""
    best: dict[str, Assessment] = {}
    for assessment in sorted((a for a in answer.assessments if _worth_a_card(a)), key=_rank):
        best.setdefault(assessment.trial.id, assessment)
    return tuple(best.values())


def on_show(assessments: Iterable[Assessment]) -> Assessment:
    """Of the cohorts of a card the one that it speaks of."""
    return min((a for a in assessments if _worth_a_card(a)), key=_rank)


def _card(found: Sides, answer: Answer, smart_url: str, orders: Mapping[str, Coding], names: Mapping[str, str], fresh: Mapping[str, int]) -> Card:
    trial = found.assessment.trial
    return Card(
        summary=summary(found),
        detail=detail(Page(found, answer.as_of, names, fresh)),
        source_label=trial.registry,
        source_url=_home(trial),
        topic=trial.topic,
        topic_display=_title(trial),
        suggestions=() if found.lists else _suggestions(found, orders, names),
        links=_links(trial, smart_url),
        assessments=tuple([a for a in answer.assessments if a.trial.id == trial.id]),
    )


def _rank(assessment: Assessment) -> tuple[bool, int, str]:
    unknown = [o.outcome for o in assessment.outcomes].count("unknown")
    return assessment.status != "candidate", unknown, assessment.trial.id


def _worth_a_card(assessment: Assessment) -> bool:
    """A diagnosis alone is no reason to interrupt: something pivotal is met, or only an unread list keeps it open."""
    if assessment.status not in ("candidate", "possible") or not assessment.trial.recruiting:
        return False
    if assessment.status == "candidate":
        return True
    for outcome in assessment.outcomes:
        if outcome.criterion.pivotal and (outcome.outcome == "met" or (outcome.outcome == "unknown" and kind_of(outcome) == "unread")):
            return True
    return False


@once_for_each
def _home(trial: Trial) -> str:
    """The registry itself, not the record: `source` is about the organisation."""
    at = urlsplit(trial.url)
    return f"{at.scheme}://{at.netloc}"


@once_for_each
def _title(trial: Trial) -> str:
    return f"{clean(trial.product)}, {trial.id}"


def _links(trial: Trial, smart_url: str) -> tuple[Link, ...]:
    record = Link("Registry record", trial.url)
    return (Link("See every criterion", smart_url, "smart"), record) if smart_url else (record,)


def _suggestions(found: Sides, orders: Mapping[str, Coding], names: Mapping[str, str]) -> tuple[Suggestion, ...]:
    """Orders in the order of the missing list, one a test; then the referral."""
    trial = found.assessment.trial
    wanted = (c for gap in found.results for c in gap.tests)
    referral = _referral(f"{_coordinator(trial)} for {found.assessment.cohort.disease}", trial.url)
    return *[_order(names.get(c, ""), orders[c]) for c in _once(wanted, orders)], referral


def _once(concepts: Iterable[str], orders: Mapping[str, Coding]) -> tuple[str, ...]:
    """The first few tests, each once, also where two concepts are measured by the same one."""
    tests: dict[tuple[str, str], str] = {}
    for concept in concepts:
        if concept in orders:
            tests.setdefault(orders[concept][:2], concept)
            if len(tests) == _ORDERS:
                break
    return tuple(tests.values())


# What is suggested is the same for every patient who lacks it, so each order and referral is made once.
@lru_cache(maxsize=512)
def _order(name: str, coding: Coding) -> Suggestion:
    """The label says all there is room for, so our short name of the test goes before the code system's long one."""
    draft = Draft("order", clean(name or coding.display or coding.code), coding)
    return Suggestion(f"Draft order: {draft.text}", draft)


@lru_cache(maxsize=512)
def _referral(words: str, url: str) -> Suggestion:
    return Suggestion("Draft referral to the trial coordinator", Draft("referral", words, url=url))


@once_for_each
def _coordinator(trial: Trial) -> str:
    return f"Referral to the coordinator of {trial.id}: {clean(trial.product)}"
