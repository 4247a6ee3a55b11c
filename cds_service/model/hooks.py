"""A CDS Hooks request as the pipeline sees it; wire.py makes it from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from cds_service.model.clients import OPEN, Client


@dataclass(frozen=True, slots=True)
class Access:
    """Where a FHIR server is and the transient bearer token for it. Never logged: repr hides the token."""

    base: str
    token: str = field(default="", repr=False)


PATIENT_VIEW = "patient-view"
ENCOUNTER_START = "encounter-start"
ORDER_SELECT = "order-select"
ORDER_SIGN = "order-sign"
PROBLEM_CREATE = "problem-list-item-create"


@dataclass(frozen=True, slots=True)
class Unsaved:
    """FHIR resources that the context itself brings, and that need not be on the record: drafts and new problems.

    orders: the drafts in question (of order-select only those just selected). beside: the Medications of that
    Bundle, by every id that a draft may name. conditions: new problems. Each has an id that is a text.
    """

    orders: tuple[dict[str, object], ...] = ()
    beside: tuple[dict[str, object], ...] = ()
    conditions: tuple[dict[str, object], ...] = ()


NOTHING_UNSAVED = Unsaved()


@dataclass(frozen=True, slots=True)
class HookRequest:
    """`prefetch` keeps the three silences apart: key absent, None, or what was sent.

    `trigger`: the number of the EHR's own trigger where one hook stands for several (Epic); empty elsewhere.
    """

    hook: str
    instance: str
    patient_id: str
    user_id: str = ""
    encounter_id: str = ""
    prefetch: Mapping[str, object] = field(default_factory=dict, repr=False)
    access: Access | None = None
    as_of: date | None = None
    client: Client = OPEN
    unsaved: Unsaved = field(default=NOTHING_UNSAVED, repr=False)
    trigger: str = ""
