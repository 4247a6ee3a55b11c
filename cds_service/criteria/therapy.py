"""Therapy and what may stand beside it. Options that would be read as nothing are refused, never ignored."""

from __future__ import annotations

from cds_service.criteria.leaves import Place
from cds_service.criteria.names import Names, names_in, node, period, sub, tables, text
from cds_service.model.predicates import Dose, Therapy
from cds_service.yaml_lines import Table

COURSE = ("distinct", "for", "longer_than", "dose")
TODAY = ("when", "within", "stable_for", "off_for")
OPTIONS = (*COURSE, *TODAY, "absent")


def therapy(names: Names, table: Table, place: Place) -> Therapy:
    """`therapy: x`, `therapy: [x, y]` or `therapy: {any_of|all_of|regimens: …}`; options beside it or inside it, not both."""
    form = sub(table, "therapy")
    merged = Table({key: value for key, value in table.items() if key in OPTIONS})
    merged.line = table.line
    if form is None:
        merged["any_of"] = table["therapy"]
    else:
        for key in (key for key in OPTIONS if key in form and key in table):
            names.fault(table, f"'{key}' stands beside 'therapy' and inside it; keep one")
        merged.update(form)
    return _therapy(names, merged, text(merged, "absent", place.absent))


def response_therapy(names: Names, table: Table, place: Place) -> Therapy:
    found = therapy(names, table, place)
    if found.off_for or found.within or found.stable_for or found.when == "current":
        names.fault(table, f"a response needs a therapy with a start and a length; remove {', '.join(TODAY)}")
    return found


def _therapy(names: Names, table: Table, absent: str) -> Therapy:
    _compatible(names, table)
    duration = period(table, "longer_than") or period(table, "for")
    any_of, all_of = names.drugs(names_in(table, "any_of")), names.drugs(names_in(table, "all_of"))
    return Therapy(
        any_of=any_of,
        all_of=all_of,
        regimens=tuple(_therapy(names, regimen, absent) for regimen in tables(table, "regimens")),
        distinct=int(text(table, "distinct", "1")),
        duration=duration,
        strict="longer_than" in table,
        dose=_dose(names, table, (*any_of, *all_of)),
        when=text(table, "when", "ever"),
        within=period(table, "within"),
        stable_for=period(table, "stable_for"),
        off_for=period(table, "off_for"),
        absent=absent,
    )


def _dose(names: Names, table: Table, drugs: tuple[str, ...]) -> Dose | None:
    spec = sub(table, "dose")
    if spec is None:
        return None
    if not names.steroid(drugs):
        names.fault(spec, "'dose' is in prednisone equivalents and none of these is a glucocorticoid; remove it")
    return Dose(names.limits(spec)[0], text(spec, "unit"))


def _compatible(names: Names, table: Table) -> None:
    given = [key for key in OPTIONS if key in table and key != "absent"]
    now = (["stable_for"] if "stable_for" in table else []) + (["when: current"] if text(table, "when") == "current" else [])
    window = [key for key in ("within", "off_for") if key in table]
    if "regimens" in table:
        for key in given:
            names.fault(table, f"'{key}' has no use beside 'regimens'; give it in each regimen")
        for regimen in tables(table, "regimens"):
            for key in (key for key in TODAY if key in regimen):
                names.fault(regimen, f"'{key}' may not stand in a regimen; write separate therapies joined under 'any'")
        return
    if "for" in table and "longer_than" in table:
        names.fault(table, "'for' and 'longer_than' together; keep one")
    if window and len(given) > 1:
        beside = ", ".join(f"'{key}'" for key in given if key != window[0])
        names.fault(table, f"'{window[0]}' may not stand with {beside}; write separate therapies joined under 'all'")
    elif now and (lengths := [key for key in ("for", "longer_than") if key in table]):
        names.fault(table, f"'{lengths[0]}' may not stand with '{now[0]}'; write separate therapies joined under 'all'")
    if "all_of" in table and (now or window):
        names.fault(table, f"'all_of' may not stand with '{(now or window)[0]}'; write one therapy for each, joined under 'all'")
    distinct = node(table, "distinct")
    if distinct is not None and int(distinct) > 1 and "all_of" in table:
        names.fault(distinct, "'distinct' has no use with 'all_of'; use 'any_of' or remove it")
