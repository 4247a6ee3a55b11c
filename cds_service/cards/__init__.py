"""Outcomes → cards: which trials are worth an interruption, and the words for it. Pure; knows no JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import urlsplit

from cds_service.cards.detail import Page, detail
from cds_service.cards.summary import summary
from cds_service.model.cards import Card, Draft, Link, Suggestion
from cds_service.model.outcomes import Answer, Assessment
from cds_service.model.trials import Trial
from cds_service.model.vocabulary import Coding
from cds_service.words import clean
from cds_service.words.gaps import gaps, kind_of, unread_lists

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
) -> tuple[Card, ...]:
    """One card a trial, best first: candidate, then fewest unknown, then NCT number.

    By concept id: `orders` the test to ask for, `names` its words, `fresh` how many days a value can decide.
    """
    best: dict[str, Assessment] = {}
    for assessment in sorted((a for a in answer.assessments if _worth_a_card(a)), key=_rank):
        best.setdefault(assessment.trial.id, assessment)
    cards = []
    for assessment in list(best.values())[: max(maximum, 0)]:
        lists = _unread(assessment, answer)
        cards.append(
            Card(
                summary=summary(assessment, lists),
                detail=detail(Page(assessment, answer.as_of, lists, names, fresh)),
                source_label=assessment.trial.registry,
                source_url=_home(assessment.trial),
                topic=assessment.trial.topic,
                topic_display=f"{clean(assessment.trial.product)}, {assessment.trial.id}",
                suggestions=() if lists else _suggestions(assessment, orders, names),
                links=_links(assessment.trial, smart_url),
                assessments=tuple(a for a in answer.assessments if a.trial.id == assessment.trial.id),
            )
        )
    return tuple(cards)


def _rank(assessment: Assessment) -> tuple[bool, int, str]:
    return assessment.status != "candidate", len(assessment.of("unknown")), assessment.trial.id


def _worth_a_card(assessment: Assessment) -> bool:
    """A diagnosis alone is no reason to interrupt: something pivotal is met, or only an unread list keeps it open."""
    if not assessment.trial.recruiting or assessment.status not in ("candidate", "possible"):
        return False
    pivotal = [o for o in assessment.outcomes if o.criterion.pivotal]
    return (
        assessment.status == "candidate"
        or any(o.outcome == "met" for o in pivotal)
        or any(o.outcome == "unknown" and kind_of(o) == "unread" for o in pivotal)
    )


def _unread(assessment: Assessment, answer: Answer) -> dict[str, str]:
    """The lists that leave this cohort open; empty when the check is complete."""
    unknown = assessment.of("unknown")
    return unread_lists(unknown, dict(answer.incomplete)) if any(kind_of(o) == "unread" for o in unknown) else {}


def _home(trial: Trial) -> str:
    """The registry itself, not the record: `source` is about the organisation."""
    at = urlsplit(trial.url)
    return f"{at.scheme}://{at.netloc}"


def _links(trial: Trial, smart_url: str) -> tuple[Link, ...]:
    record = Link("Registry record", trial.url)
    return (Link("See every criterion", smart_url, "smart"), record) if smart_url else (record,)


def _suggestions(assessment: Assessment, orders: Mapping[str, Coding], names: Mapping[str, str]) -> tuple[Suggestion, ...]:
    """Orders in the order of the missing list, one a test; then the referral."""
    trial = assessment.trial
    wanted = [c for gap in gaps(assessment.of("unknown"), "result") for c in gap.tests]
    drafts = [_order(c, orders[c], names) for c in _once(wanted, orders)]
    referral = Draft("referral", f"Referral to the coordinator of {trial.id}: {clean(trial.product)} for {assessment.cohort.disease}", url=trial.url)
    return (
        *(Suggestion(f"Draft order: {draft.text}", draft) for draft in drafts[:_ORDERS]),
        Suggestion("Draft referral to the trial coordinator", referral),
    )


def _once(concepts: Sequence[str], orders: Mapping[str, Coding]) -> tuple[str, ...]:
    """Each test once, also where two concepts are measured by the same one."""
    tests: dict[tuple[str, str], str] = {}
    for concept in concepts:
        if concept in orders:
            tests.setdefault(orders[concept][:2], concept)
    return tuple(tests.values())


def _order(concept: str, coding: Coding, names: Mapping[str, str]) -> Draft:
    """The label says all there is room for, so our short name of the test goes before the code system's long one."""
    return Draft("order", clean(names.get(concept, "") or coding.display or coding.code), coding)
