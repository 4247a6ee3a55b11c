"""Drafts → FHIR resources, each built and checked by fhir.resources (R4B). The only FHIR this service emits."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cds_service.model.cards import Draft
    from cds_service.model.vocabulary import Coding


def resource(draft: Draft, patient: str) -> dict[str, object]:
    """A new resource for `patient` ("Patient/123"): a draft test order, or a proposed referral task."""
    if draft.kind == "order":
        return {**_order(draft.text, draft.coding), "subject": {"reference": patient}}
    return {**_referral(draft.text, draft.url), "for": {"reference": patient}}


def outcome(code: str, messages: tuple[str, ...]) -> dict[str, object]:
    """An OperationOutcome: one issue a message."""
    return issues([{"severity": "error", "code": code, "diagnostics": message} for message in messages])


def issues(found: list[dict[str, object]]) -> dict[str, object]:
    """An OperationOutcome of these issues, as FHIR spells their members."""
    from fhir.resources.R4B.operationoutcome import OperationOutcome

    return dict(OperationOutcome.model_validate({"issue": found}).model_dump())


def prepare() -> None:
    """Import the FHIR models now, while the rules load: the first patient should not wait for them."""
    _order.__wrapped__("-", None)
    _referral.__wrapped__("-", "")
    outcome("exception", ("-",))


# Orders and referrals differ between patients by their subject alone, and a model costs a hundred
# times what the rest of a card does: each is built once, with a subject that is then replaced.
@lru_cache(maxsize=512)
def _order(text: str, coding: Coding | None) -> dict[str, object]:
    from fhir.resources.R4B.servicerequest import ServiceRequest

    code: dict[str, object] = {"text": text}
    if coding is not None and coding.code:
        code["coding"] = [{k: v for k, v in coding._asdict().items() if v}]
    members = {"status": "draft", "intent": "order", "code": code, "subject": {"reference": "Patient/0"}}
    return dict(ServiceRequest.model_validate(members).model_dump())


@lru_cache(maxsize=512)
def _referral(text: str, url: str) -> dict[str, object]:
    from fhir.resources.R4B.task import Task

    members: dict[str, object] = {"status": "draft", "intent": "proposal", "description": text, "for": {"reference": "Patient/0"}}
    if url:
        members["instantiatesUri"] = url
    return dict(Task.model_validate(members).model_dump())
