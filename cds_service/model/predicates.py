"""The criteria language as frozen nodes. criteria/schema.json is its written form; docs/language.md explains it.

Periods are `Period(count, unit)` in calendar units, so that six months are six months.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Period:
    """`6 months`: a count of days, weeks, months or years."""

    count: int
    unit: str  #: days | weeks | months | years


class Limit(NamedTuple):
    """`ge 3.5 g/d`: op is ge, gt, le or lt; value in the concept's canonical unit once loaded."""

    op: str
    value: float


@dataclass(frozen=True, slots=True)
class Age:
    """Completed years, both ends included."""

    ge: int | None = None
    le: int | None = None


@dataclass(frozen=True, slots=True)
class Sex:
    sex: str


@dataclass(frozen=True, slots=True)
class ConditionIs:
    """A diagnosis of any of `concepts` (`but_not`: codes of these are exceptions to it).

    status: active (a past one raises the question in an exclusion) | now (a past one does not
    matter) | ever | gate (active or remission: opens a cohort).
    within: onset inside this period, in either status. lasting: with `within`, one that began
    earlier but is still active, or ended inside, counts (yes) or raises the question (asks).
    maybe: codes that only raise the question (needs-judgement).
    mild: the diagnosis may be mild, so it never decides (needs-judgement).
    closed_by: events or conditions that end it (delivery); closed_by_result: a newer negative
    result of these observations ends it. severe: allergies count only when severe.
    absent: no | unknown (what nothing on a fully read list means).
    """

    concepts: tuple[str, ...]
    status: str = "active"
    within: Period | None = None
    lasting: str = ""
    but_not: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    mild: bool = False
    closed_by: tuple[str, ...] = ()
    closed_by_result: tuple[str, ...] = ()
    recorded: bool = False
    reported: bool = False
    severe: bool = False
    absent: str = "no"


@dataclass(frozen=True, slots=True)
class Voided:
    """A value is void when one of these drugs was given in the period before the sample."""

    drugs: tuple[str, ...]
    within: Period


@dataclass(frozen=True, slots=True)
class Persistent:
    """All values over the limit: `readings` on different days inside `within`, or spanning more than
    `over`, or at least `apart`."""

    readings: int
    within: Period | None = None
    over: Period | None = None
    apart: Period | None = None


@dataclass(frozen=True, slots=True)
class ObservationIs:
    """A test on the newest (or worst, or any) usable value.

    Exactly one of: limits, result (positive | negative | detected | not-detected), codes.
    times: limits are multiples of the upper limit of normal. titre: limits are reciprocals of a
    dilution. within: only values inside this period (else the concept's freshness).
    fresh: False lets a value of any age decide. room_air: a value on oxygen cannot decide.
    absent: unknown | manual (it can be arranged: `ask`) | no.
    see: concepts shown beside a missing value, never used.
    """

    concepts: tuple[str, ...]
    limits: tuple[Limit, ...] = ()
    unit: str = ""
    times: bool = False
    titre: bool = False
    result: str | None = None
    codes: tuple[str, ...] = ()
    within: Period | None = None
    fresh: bool = True
    pick: str = "newest"
    persistent: Persistent | None = None
    formula: str | None = None
    room_air: bool = False
    void_if: Voided | None = None
    absent: str = "unknown"
    ask: str = ""
    see: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trend:
    """The newest value against an anchor. direction: fall | rise; limit in percent of the anchor.

    anchor: baseline (the value at the start of the therapy in a response) | peak (highest before
    it) | highest or lowest value in the `over` period before the newest.
    """

    concept: str
    direction: str
    limit: Limit
    anchor: str
    over: Period | None = None


@dataclass(frozen=True, slots=True)
class Relapse:
    """A remission after the therapy began, then a newest value that meets `then`.

    remission: below `complete`, or below `partial` and fallen by `fall` percent from the peak.
    """

    concept: str
    complete: float
    partial: float
    fall: float
    then: Limit
    unit: str = ""  #: canonical unit of these limits, for the reader


@dataclass(frozen=True, slots=True)
class Dose:
    """Glucocorticoid dose in prednisone equivalents; unit mg/d or mg/kg/d."""

    limit: Limit
    unit: str


@dataclass(frozen=True, slots=True)
class Therapy:
    """Exposure to drug classes (or single drugs).

    any_of: at least `distinct` drugs of them. all_of: each of them, at the same time.
    regimens: any one of several therapies. duration/strict: at least / more than so long.
    when: ever | current. within: some exposure inside the period. stable_for: no change of drug or dose for the period.
    off_for: none in the period. dose: at or over a dose. absent: unknown | no.
    """

    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    regimens: tuple[Therapy, ...] = ()
    distinct: int = 1
    duration: Period | None = None
    strict: bool = False
    dose: Dose | None = None
    when: str = "ever"
    within: Period | None = None
    stable_for: Period | None = None
    off_for: Period | None = None
    absent: str = "unknown"


@dataclass(frozen=True, slots=True)
class Response:
    """A therapy, and what the measurements did once it had lasted long enough."""

    therapy: Therapy
    shows: Predicate


@dataclass(frozen=True, slots=True)
class EventIs:
    """A procedure, report or immunisation. within: inside the period. absent: unknown | no.

    maybe: events that only raise the question (needs-judgement). planned: one that is ordered, not done."""

    concepts: tuple[str, ...]
    within: Period | None = None
    maybe: tuple[str, ...] = ()
    planned: bool = False
    absent: str = "unknown"


@dataclass(frozen=True, slots=True)
class Manual:
    """Only a person can say. `see`: concepts shown beside the question."""

    ask: str
    see: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Any:
    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    count: int
    parts: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Predicate


@dataclass(frozen=True, slots=True)
class When:
    """Applies only where `guard` holds."""

    guard: Predicate
    part: Predicate


@dataclass(frozen=True, slots=True)
class Unless:
    """`part`, or else the excuse. then: met (the excuse is enough) | unknown (it leaves the question open)."""

    part: Predicate
    excuse: Predicate
    then: str = "met"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Where `part` holds the answer is open. reason: needs-judgement | ambiguous-record."""

    part: Predicate
    reason: str


Predicate = (
    Age
    | Sex
    | ConditionIs
    | ObservationIs
    | Trend
    | Relapse
    | Therapy
    | Response
    | EventIs
    | Manual
    | All
    | Any
    | AtLeast
    | Not
    | When
    | Unless
    | Doubt
)


def parts_of(p: Predicate) -> tuple[Predicate, ...]:
    """The predicates directly inside `p`."""
    match p:
        case All(parts) | Any(parts) | AtLeast(_, parts):
            return parts
        case Not(part) | Doubt(part, _):
            return (part,)
        case When(guard, part):
            return guard, part
        case Unless(part, excuse, _):
            return part, excuse
        case Response(therapy, shows):
            return therapy, shows
        case Therapy():
            return p.regimens
        case _:
            return ()


def concepts_of(p: Predicate) -> set[str]:
    """Every concept, drug and drug class that `p` names, at any depth."""
    found: set[str] = set()
    match p:
        case ConditionIs():
            found.update(p.concepts, p.but_not, p.maybe, p.closed_by, p.closed_by_result)
        case ObservationIs():
            found.update(p.concepts, p.see, p.void_if.drugs if p.void_if else ())
        case Trend() | Relapse():
            found.add(p.concept)
        case Therapy():
            found.update(p.any_of, p.all_of)
        case EventIs():
            found.update(p.concepts, p.maybe)
        case Manual():
            found.update(p.see)
        case _:
            pass
    return found.union(*(concepts_of(part) for part in parts_of(p)))


def about_patient(p: Predicate) -> bool:
    """Whether age or sex matters anywhere in `p`."""
    return isinstance(p, Age | Sex) or any(about_patient(part) for part in parts_of(p))


def changes_of(p: Predicate) -> set[str]:
    """Concepts whose change over time `p` asks for."""
    own = {p.concept} if isinstance(p, Trend | Relapse) else set()
    return own.union(*(changes_of(part) for part in parts_of(p)))
