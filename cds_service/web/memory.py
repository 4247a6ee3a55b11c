"""One hook call as the store remembers it: which trials to keep silent, and what was served. Holds no SQL and no FHIR."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from flask import g

from cds_service import metrics
from cds_service.config import Settings
from cds_service.model.hooks import HookRequest
from cds_service.model.outcomes import Assessment
from cds_service.model.references import comparable
from cds_service.model.served import MUTED, REPEAT, SHOWN, SILENT, Look, Served
from cds_service.web import log

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store, not by every program that imports a page
    from cds_service.store import Store

_DAY = 86_400


def client_name() -> str:
    """Who calls, as the authentication says; "open" where there is none."""
    name: str = getattr(g.get("client"), "name", "open")
    return name[:100]


def tenant(asked: HookRequest) -> str:
    """The EHR's FHIR base, however it is spelt: ids are only unique within it. Without one, the client."""
    return comparable(asked.access.base) if asked.access is not None else client_name()


def now() -> int:
    """Seconds since 1970, by our clock: an EHR's may be wrong."""
    return int(time.time())


def told(what: str, count: int, kind: str) -> None:
    """The store's troubles, in the log."""
    log.event("store trouble", logging.WARNING, what=what, count=count, error=kind)
    metrics.store_failure(what, count)


class Memory:
    """Shared by all calls."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store, self.settings = store, settings

    def visit(self, asked: HookRequest) -> Visit:
        return Visit(self, asked)


class Visit:
    """One call. `quiet` is asked by the pipeline, if at all; `served` is told what was answered."""

    def __init__(self, memory: Memory, asked: HookRequest) -> None:
        self._memory, self._asked = memory, asked
        self._tenant, self._client = tenant(asked), client_name()
        self._worthy: dict[str, Assessment] = {}  #: by trial
        self._quiet: dict[str, str] = {}  #: trial → muted or repeat
        self._patient = ""

    def quiet(self, chosen: Sequence[Assessment]) -> frozenset[str]:
        """The trials that stay silent for this patient, or for this clinician."""
        store, settings, today = self._memory.store, self._memory.settings, now()
        self._patient = store.person("patient", self._tenant, self._asked.patient_id)
        self._worthy = {a.trial.id: a for a in chosen}
        if settings.mute_days:
            self._hush(MUTED, store.heard(self._patient, self._client, today - settings.mute_days * _DAY))
        if settings.repeat_days and len(self._quiet) < len(self._worthy):
            self._hush(REPEAT, store.repeated(self._patient, self._clinician, self._client, today - settings.repeat_days * _DAY))
        return frozenset(self._quiet)

    def _hush(self, why: str, known: frozenset[tuple[str, str, str, str]]) -> None:
        if not known:  # of most patients nobody has said anything
            return
        for trial, assessment in self._worthy.items():
            if trial not in self._quiet:
                look = self._memory.store.look(assessment, self._patient)
                if any(_same(look, *one) for one in known):
                    self._quiet[trial] = why
                    metrics.mute(trial)

    def served(self, cards: Sequence[tuple[str, str]]) -> None:
        """`cards`: topic and uuid of each card of the answer. Worked out and written later, behind the request."""
        if not self._worthy:
            return
        shown = SILENT if self._memory.settings.silent else SHOWN
        topics = {a.trial.topic: a for a in self._worthy.values()}
        told = [(topics[topic], uuid, shown) for topic, uuid in cards]
        told += [(self._worthy[trial], str(uuid4()), why) for trial, why in self._quiet.items()]
        # of the call only this is held until it is written: a body may be megabytes
        row = partial(_row, at=now(), patient=self._patient, clinician=self._clinician, client=self._client, hook=self._asked.hook)
        self._memory.store.serve([partial(row, self._memory.store, *one) for one in told])

    @property
    def _clinician(self) -> str:
        return self._memory.store.person("clinician", self._tenant, self._asked.user_id)


def _row(store: Store, assessment: Assessment, card: str, shown: str, at: int, patient: str, clinician: str, client: str, hook: str) -> Served:
    look = store.look(assessment, patient)
    return Served(
        card,
        at,
        patient,
        clinician,
        client,
        hook,
        look.trial,
        look.cohort,
        look.status,
        look.version,
        look.fingerprint,
        shown,
        look.open_criteria,
    )


def _same(look: Look, trial: str, version: str, fingerprint: str, status: str) -> bool:
    """Nothing is new since: the same data; or data that cannot be read now, which is no news either.

    A card that has become stronger is shown again, even if only time has made it so.
    """
    if look.trial != trial or (look.status, status) == ("candidate", "possible"):
        return False
    return look.fingerprint == fingerprint or (look.partial and look.version == version)
