"""The two questions that a card waits for, built once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, or_, select

from cds_service.model.served import ACCEPTED, NOT_NOW, SHOWN
from cds_service.store.tables import feedback, served

Question = Select[Any]

_ABOUT = (served.c.trial, served.c.version, served.c.fingerprint, served.c.status)

#: Another client's word about a card does not count.
SAME_CARD = (feedback.c.card == served.c.card) & (feedback.c.client == served.c.client)
MUTES = or_(feedback.c.outcome == ACCEPTED, feedback.c.reason != NOT_NOW)

#: By our clock, not the EHR's: a card is muted from when we heard of it. Only what the client that asks was shown and has said counts:
#: another could name its FHIR server and its patient, and silence a card there.
HEARD: Question = (
    select(*_ABOUT)
    .join(feedback, SAME_CARD)
    .where(
        served.c.patient == bindparam("patient"),
        served.c.client == bindparam("client"),
        feedback.c.received >= bindparam("since"),
        MUTES,
    )
)

REPEATED: Question = select(*_ABOUT).where(
    served.c.patient == bindparam("patient"),
    served.c.clinician == bindparam("clinician"),
    served.c.client == bindparam("client"),
    served.c.at >= bindparam("since"),
    served.c.shown == SHOWN,
)
