"""A trial, its cohorts and criteria, as read from criteria/NCT….yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from cds_service.model.predicates import Predicate


@dataclass(frozen=True, slots=True)
class Interpretation:
    """How an unclear criterion was read. `decides`: the reading restores an evident meaning."""

    reading: str
    why: str
    alternatives: tuple[str, ...]
    decides: bool
    review: str  #: unreviewed | "role, date"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One statement of the record. `short` names what is missing, for a list on a card."""

    id: str
    kind: str  #: inclusion | exclusion
    ref: str
    label: str
    needs: Predicate
    short: str = ""
    topic: str = ""
    pivotal: bool = False
    why_manual: str = ""
    interpretation: Interpretation | None = None
    cohorts: tuple[str, ...] = ()  #: empty: every cohort of the trial
    line: int = 0


@dataclass(frozen=True, slots=True)
class Cohort:
    """One disease arm. `yields_to`: cohorts that, while possible or candidate, make this one not-applicable."""

    id: str
    disease: str  #: words for the summary: "membranous nephropathy"
    short_disease: str
    gate: Predicate
    yields_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    name: str
    city: str
    country: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Facts of the registry record. `outline` is the record's own numbering, one entry a statement."""

    id: str
    title: str
    product: str  #: "CD19 CAR-T"
    status: str  #: recruiting | active-not-recruiting | …
    phase: str
    sponsor: str
    url: str
    sites: tuple[Site, ...]
    topic: str  #: static source.topic code
    last_update: date | None
    verified_on: date
    completion: date | None
    cohorts: tuple[Cohort, ...]
    criteria: tuple[Criterion, ...]
    outline: tuple[str, ...]
    registry: str = "ClinicalTrials.gov"
    ages: str = ""
    intervention: str = ""
    contacts: tuple[str, ...] = ()
    path: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    version: str = ""  #: of the criteria file: the beginning of its SHA-256

    @property
    def recruiting(self) -> bool:
        return self.status == "recruiting"

    def criteria_of(self, cohort: str) -> tuple[Criterion, ...]:
        return tuple(c for c in self.criteria if not c.cohorts or cohort in c.cohorts)
