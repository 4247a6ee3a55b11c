"""The leaves of the language: age to manual. Takes well-shaped tables; adds what a schema cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from cds_service.criteria.names import OPERATORS, Names, items, names_in, node, period, plain, sub, text, yes
from cds_service.model.predicates import (
    Age,
    ConditionIs,
    EventIs,
    Limit,
    Manual,
    ObservationIs,
    Persistent,
    Relapse,
    Sex,
    Trend,
    Voided,
)
from cds_service.model.vocabulary import Concept
from cds_service.yaml_lines import Table

EVENTS = ("procedure", "immunization", "condition")  # a status code on the problem list tells of an event, too
FORMULA_OF = {"egfr": ("ckd-epi", "schwartz"), "creatinine_clearance": ("cockcroft-gault",)}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a predicate stands; it decides what absence means and which predicates may stand there."""

    kind: str  #: inclusion | exclusion | gate
    guard: bool = False  #: in `when: if` or `unless: excuse`
    response: bool = False  #: in what a response shows
    inside: str = ""  #: the combinator that forbids `when` here
    via: tuple[str, ...] = ()  #: names of the defines it was reached through

    @property
    def absent(self) -> str:
        """Of an event or therapy: only what an inclusion demands must be on record (patients are treated elsewhere too)."""
        return "unknown" if self.kind == "inclusion" and not self.guard else "no"


def age(names: Names, table: Table, place: Place) -> Age:
    ages = sub(table, "age") or Table()
    low, high = (int(value) if (value := node(ages, op)) is not None else None for op in ("ge", "le"))
    if low is not None and high is not None:
        names.range(ages, (Limit("ge", low), Limit("le", high)))
    return Age(low, high)


def sex(names: Names, table: Table, place: Place) -> Sex:
    return Sex(text(table, "sex"))


def condition(names: Names, table: Table, place: Place) -> ConditionIs:
    return ConditionIs(
        names.concepts(table, "condition", "condition", "drug"),
        status=text(table, "status", "active"),
        within=period(table, "within"),
        lasting=text(table, "lasting", ""),
        but_not=names.concepts(table, "but_not", "condition"),
        maybe=names.concepts(table, "maybe", "condition"),
        mild=yes(table, "mild"),
        recorded=yes(table, "recorded"),
        reported=yes(table, "reported"),
        severe=yes(table, "severe"),
        closed_by=names.concepts(table, "closed_by", "procedure", "condition"),
        closed_by_result=names.concepts(table, "closed_by_result", "observation"),
        absent=text(table, "absent", "no"),
    )


def observation(names: Names, table: Table, place: Place) -> ObservationIs:
    concepts = [found for name in names_in(table, "observation") if (found := names.concept(name, ("observation",)))]
    times, titres = "times" in table, sub(table, "titre")
    limits, unit = _titre(names, titres) if titres is not None else _limits(names, table, concepts, times), ""
    if limits and concepts and not times and titres is None:
        unit = concepts[0].unit
    _observation_options(names, table)
    return ObservationIs(
        plain(names_in(table, "observation")),
        limits=limits,
        unit=unit,
        times=times,
        titre=titres is not None,
        result=text(table, "result") or None,
        codes=tuple(str(code) for code in items(table, "codes")),
        within=period(table, "within"),
        fresh=yes(table, "fresh", "yes"),
        pick=text(table, "pick", "newest"),
        persistent=_persistent(names, table),
        formula=text(table, "formula") or None,
        room_air=yes(table, "room_air"),
        void_if=_voided(names, table),
        absent=text(table, "absent", "unknown"),
        ask=text(table, "ask"),
        see=names.anything(table, "see"),
    )


def _titre(names: Names, titres: Table) -> tuple[Limit, ...]:
    found = tuple(Limit(op, float(value.removeprefix("1:"))) for op in OPERATORS if (value := node(titres, op)) is not None)
    names.range(titres, found)
    return found


def _limits(names: Names, table: Table, concepts: list[Concept], times: bool) -> tuple[Limit, ...]:
    unit = node(table, "unit")
    limited = any(op in table for op in OPERATORS)
    if unit is not None and (times or not limited):
        names.fault(unit, f"'unit' has no use {'with times: uln' if times else 'without a limit'}; remove it")
    if times and not limited:
        names.fault(table, "'times' needs a limit; give one of ge, gt, le, lt")
    if times or not limited or not concepts:
        return names.limits(table)
    first = concepts[0]
    for other in concepts[1:]:
        if other.unit != first.unit:
            names.fault(table, f"'{first.id}' is in '{first.unit}', '{other.id}' in '{other.unit}'; give each its own limit, joined under 'any'")
            return names.limits(table)
    return names.limits(table, names.factor(first, unit, table))


def _observation_options(names: Names, table: Table) -> None:
    concepts = plain(names_in(table, "observation"))
    formula = node(table, "formula")
    if formula is not None and any(formula not in FORMULA_OF.get(concept, ()) for concept in concepts):
        allowed = "; ".join(f"{concept}: {' or '.join(formulas)}" for concept, formulas in FORMULA_OF.items())
        names.fault(formula, f"'{', '.join(concepts)}' has no formula '{formula}'; it may stand at {allowed}")
    if "room_air" in table and concepts != ("spo2",):
        names.fault(table, "'room_air' may only stand at 'spo2'; remove it")
    if "fresh" in table and "within" in table:
        names.fault(table, "'fresh' and 'within' together; 'within' alone says how old a value may be")
    if "pick" in table and "persistent" in table:
        names.fault(table, "'pick' and 'persistent' together; 'persistent' looks at every value, remove 'pick'")
    if text(table, "absent") == "manual" and "ask" not in table:
        names.fault(table, "'absent: manual' needs 'ask'; say what a person has to arrange")
    elif "ask" in table and text(table, "absent") != "manual":
        names.fault(table, "'ask' has no use without 'absent: manual'; add that or remove 'ask'")


def _persistent(names: Names, table: Table) -> Persistent | None:
    spec = sub(table, "persistent")
    if spec is None:
        return None
    readings = int(text(spec, "readings"))
    if readings < 2:
        names.fault(spec, "'readings' must be 2 or more: one value cannot persist")
    return Persistent(readings, period(spec, "within"), period(spec, "over"), period(spec, "apart"))


def _voided(names: Names, table: Table) -> Voided | None:
    spec = sub(table, "void_if")
    within = period(spec, "within") if spec is not None else None
    return Voided(names.drugs(names_in(spec, "therapy")), within) if spec is not None and within is not None else None


def trend(names: Names, table: Table, place: Place) -> Trend:
    names.concepts(table, "trend", "observation")
    direction = "fall" if "fall" in table else "rise"
    anchor, over = text(table, "from"), period(table, "over")
    limit = names.limits(sub(table, direction) or Table())[0]
    if anchor == "baseline" and not place.response:
        names.fault(table, "'from: baseline' may only stand in what a response shows; elsewhere use peak, highest or lowest")
    if anchor in ("highest", "lowest") and over is None:
        names.fault(table, f"'from: {anchor}' has no period; add one such as 'over: 3 months'")
    if anchor in ("baseline", "peak") and over is not None:
        names.fault(table, f"'over' has no use with 'from: {anchor}'; remove it")
    if direction == "fall" and limit.value > 100:
        names.fault(table, f"nothing falls by {limit.value:g} %; give at most 100")
    return Trend(text(table, "trend"), direction, limit, anchor, over)


def relapse(names: Names, table: Table, place: Place) -> Relapse:
    if not place.response:
        names.fault(table, "'relapse' follows a therapy; put it under 'shows' of a response")
    name, then = node(table, "relapse"), sub(table, "then") or Table()
    concept = names.concept(name, ("observation",)) if name is not None else None
    factor = names.factor(concept, node(table, "unit"), table) if concept else Decimal(1)
    complete, partial = (float(Decimal(text(table, key)) * factor) for key in ("complete_below", "partial_below"))
    if complete > partial:
        names.fault(table, "'complete_below' is over 'partial_below'; exchange them")
    return Relapse(
        text(table, "relapse"), complete, partial, float(text(table, "fall")), names.limits(then, factor)[0], concept.unit if concept else ""
    )


def event(names: Names, table: Table, place: Place) -> EventIs:
    return EventIs(
        names.concepts(table, "event", *EVENTS),
        within=period(table, "within"),
        maybe=names.concepts(table, "maybe", *EVENTS),
        planned=yes(table, "planned"),
        absent=text(table, "absent", place.absent),
    )


def manual(names: Names, table: Table, place: Place) -> Manual:
    return Manual(text(table, "manual"), names.anything(table, "see"))
