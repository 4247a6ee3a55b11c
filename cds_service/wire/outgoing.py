"""Cards, discovery and errors → CDS Hooks 2.0.1 JSON: no null, no empty member but `cards` and `services`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from cds_service.model.cards import Card, Suggestion
from cds_service.model.hooks import ENCOUNTER_START, ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, PROBLEM_CREATE
from cds_service.model.outcomes import Answer
from cds_service.wire import drafts
from cds_service.wire.assessments import cohort_json, whole
from cds_service.wire.contexts import SERVICES

ASSESSMENT = "org.cds-service.assessment"
TOPICS = "urn:cds-service:topics"
OVERRIDE_REASONS = "urn:cds-service:override-reasons"

REASONS = [
    {"system": OVERRIDE_REASONS, "code": code, "display": display}
    for code, display in (
        ("not-suitable", "Not suitable, in my judgement"),
        ("known-not-eligible", "Already known not eligible"),
        ("already-discussed", "Already discussed"),
        ("patient-declines", "Patient does not want a trial"),
        ("in-another-trial", "Already in another trial"),
        ("site-out-of-reach", "Cannot reach the site"),
        ("card-wrong", "Something on this card is wrong"),
        ("not-now", "Not now"),
    )
]

#: HTTP status → FHIR issue type of the error body.
_ISSUES = {
    400: "invalid",
    401: "login",
    404: "not-found",
    405: "not-supported",
    412: "required",
    413: "too-long",
    415: "not-supported",
    422: "not-supported",
    429: "throttled",
    500: "exception",
    503: "transient",
}


_TRIALS = "Which CAR-T and CAR-NK trials a patient's record does not rule out, what is missing to decide, and the evidence for each criterion"
#: Hook -> when it speaks, for whoever reads discovery.
_WHEN: Mapping[str, str] = {
    PATIENT_VIEW: "when a chart is opened",
    ENCOUNTER_START: "when a visit starts",
    ORDER_SELECT: "when a new immunosuppressant or biologic is selected, with the criteria that the draft order would break",
    ORDER_SIGN: "when a new immunosuppressant or biologic is to be signed, with the criteria that the draft order would break",
    PROBLEM_CREATE: "when a new problem opens a trial or is evidence for one of its criteria",
}


def discovery(templates: Mapping[str, str]) -> dict[str, object]:
    """One service a hook, all with the same templates."""
    return {"services": [_service(name, hook, templates) for name, hook in SERVICES.items()]}


def _service(name: str, hook: str, templates: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {
        "hook": hook,
        "id": name,
        "title": "Cell therapy trials for kidney and rheumatic disease",
        "description": f"{_TRIALS}, {_WHEN[hook]}. Supports judgement; the study team decides.",
        "usageRequirements": (
            "Patient and Condition are required, by prefetch or by FHIR server and access token. "
            "Any other list that cannot be read is named in the card."
        ),
    }
    if templates:
        found["prefetch"] = dict(templates)
    return found


def response(answer: Answer, cards: tuple[Card, ...], *, sandbox: bool = False) -> dict[str, object]:
    """In the sandbox the response itself carries the whole assessment, cards or none."""
    found: dict[str, object] = {"cards": [_card(card, answer) for card in cards]}
    if sandbox and answer.assessments:  # none: nothing was read, since no draft concerned us
        found["extension"] = {ASSESSMENT: whole(answer, map(cohort_json, answer.assessments))}
    return found


def shown(said: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Topic and uuid of the cards of a response."""
    return [(card["source"]["topic"]["code"], card["uuid"]) for card in said["cards"]]


def silenced(said: Mapping[str, object]) -> dict[str, object]:
    """The response without its cards."""
    return {**said, "cards": []}


def error(status: int, *messages: str) -> dict[str, object]:
    """An error body: an OperationOutcome, one issue a message."""
    return drafts.outcome(_ISSUES.get(status, "processing"), messages)


def _card(card: Card, answer: Answer) -> dict[str, object]:
    found: dict[str, object] = {
        "uuid": str(uuid4()),
        "summary": card.summary,
        "indicator": "info",
        "detail": card.detail,
        "source": {
            "label": card.source_label,
            "url": card.source_url,
            "topic": {"system": TOPICS, "code": card.topic, "display": card.topic_display},
        },
        "overrideReasons": REASONS,
        "extension": {ASSESSMENT: whole(answer, [cohort_json(a, packed=True) for a in card.assessments], card.topic)},
    }
    if card.suggestions:
        found["suggestions"] = [_suggestion(s, answer.patient) for s in card.suggestions]
        found["selectionBehavior"] = "any"
    if card.links:
        found["links"] = [{"label": link.label, "url": link.url, "type": link.kind} for link in card.links]
    return found


def _suggestion(suggestion: Suggestion, patient: str) -> dict[str, object]:
    # The description says all: some EHRs show it in place of the label.
    action = {"type": "create", "description": suggestion.label, "resource": drafts.resource(suggestion.draft, patient)}
    return {"label": suggestion.label, "uuid": str(uuid4()), "actions": [action]}
