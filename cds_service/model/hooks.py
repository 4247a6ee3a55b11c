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


@dataclass(frozen=True, slots=True)
class HookRequest:
    """`prefetch` keeps the three silences apart: key absent, None, or what was sent."""

    hook: str
    instance: str
    patient_id: str
    user_id: str = ""
    encounter_id: str = ""
    prefetch: Mapping[str, object] = field(default_factory=dict, repr=False)
    access: Access | None = None
    as_of: date | None = None
    client: Client = OPEN
