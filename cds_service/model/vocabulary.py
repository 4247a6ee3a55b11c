"""Concepts and the codes that name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

#: The lists a record is read by, each one prefetch key, with the words a clinician reads.
LISTS: Mapping[str, str] = {
    "patient": "patient details",
    "conditions": "problem list",
    "results-kidney": "kidney and urine results",
    "results-blood": "blood results",
    "results-infection": "infection results",
    "results-other": "heart, lung and activity results",
    "medication-requests": "prescription list",
    "medication-statements": "medication list",
    "medication-administrations": "administration list",
    "medication-dispenses": "dispensing list",
    "procedures": "procedure list",
    "reports": "pathology reports",
    "allergies": "allergy list",
    "immunizations": "immunisation list",
}
MEDICATION_LISTS = ("medication-requests", "medication-statements", "medication-administrations", "medication-dispenses")


class Coding(NamedTuple):
    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True)
class Concept:
    """One clinical idea.

    kind: observation | condition | procedure | drug | immunization.
    unit: canonical UCUM unit of an observation ("" if lab-specific or coded).
    fresh: days a value can decide (None: for ever). lasting: a positive result never goes stale.
    molar_mass: g/mol. results: the prefetch list an observation is read by. cost: chart | blood |
    urine | imaging | biopsy. order: the test to ask for when it is missing.
    """

    id: str
    kind: str
    name: str
    unit: str = ""
    fresh: int | None = None
    lasting: bool = False
    molar_mass: float | None = None
    results: str = ""
    cost: str = "blood"
    order: Coding | None = None
    plausible: tuple[float, float] | None = None


class Mapped(NamedTuple):
    """What one code stands for. `factors`: unit as sent -> factor to the canonical unit."""

    concept: str
    factors: Mapping[str, float | None]  #: None: never convert
    formula: str | None = None
    code: str | None = None  #: a class that the code itself names: LN class "IV", NYHA "II"


@dataclass(frozen=True, slots=True)
class DrugClass:
    """Drugs of one class. `prednisone`: factor mg drug -> mg prednisone. `grace`: days bridged
    between two courses. `course`: days that one dose counts as treatment (rituximab: 184)."""

    id: str
    name: str
    drugs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Drug:
    id: str
    name: str
    prednisone: float | None = None
    grace: int = 30
    course: int = 0


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All mappings, ready for look-up. Codes are normalised (mappings.normalise_code) on both sides."""

    concepts: Mapping[str, Concept]
    exact: Mapping[tuple[str, str], tuple[Mapped, ...]]
    prefixes: Mapping[str, Mapping[str, tuple[Mapped, ...]]]  #: system -> prefix -> mapped
    drugs: Mapping[str, Drug] = field(default_factory=dict)
    classes: Mapping[str, DrugClass] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], str] = field(default_factory=dict)  #: (system, code) -> positive | negative | indeterminate
    synonyms: Mapping[str, str] = field(default_factory=dict)  #: normalised text -> concept
    upper_limits: Mapping[str, float] = field(default_factory=dict)  #: site-configured ULN, canonical unit
    memo: dict[tuple[str, str], tuple[Mapped, ...]] = field(default_factory=dict, compare=False, repr=False)  #: look-ups already made (codes.lookup)
