"""Rows that say which code names which concept → look-up tables. Checks each code and factor as its row is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cds_service import units
from cds_service.codes import ATC, ICD10, ICD10CM, SNOMED, normalise_code, normalise_system, verhoeff_ok
from cds_service.mappings.rows import Row, Table, as_number
from cds_service.model.vocabulary import Concept, Mapped

MATCHES = ("exact", "prefix")
#: Code systems in which the start of a code names its group. Elsewhere 1 and 10 have nothing in common.
LAYERED = (ICD10CM, ICD10, ATC)
NO_FACTORS: Mapping[str, float | None] = {}

Exact = dict[tuple[str, str], tuple[Mapped, ...]]
Prefixes = dict[str, dict[str, tuple[Mapped, ...]]]


def unknown(what: str, name: str, known: Iterable[str], where: str) -> str:
    from difflib import get_close_matches  # only a fault needs it

    close = get_close_matches(name, list(known), n=1)
    return f"unknown {what} '{name}'; " + (f"did you mean '{close[0]}'?" if close else f"add it to {where} first")


class Codings:
    """Collects the rows of several files. `thorough` holds units and factors against UCUM."""

    def __init__(self, concepts: Mapping[str, Concept], thorough: bool) -> None:
        self.concepts = concepts
        self.thorough = thorough
        self._exact: dict[tuple[str, str], list[Mapped]] = {}
        self._prefixes: dict[str, dict[str, list[Mapped]]] = {}
        self._where: dict[tuple[str, str, str, str], tuple[str, int]] = {}
        self._plain: dict[str, Mapped] = {}

    def read(self, table: Table, kinds: tuple[str, ...], *, measured: bool = False, titled: bool = True) -> None:
        """One of our own files: `kinds` are the kinds of concept it may name."""
        title = ("display",) if titled else ()
        measures = ("units", "factors", "formula", "class") if measured else ()
        for row in table.rows(("concept", "system", "code", "match", *title, *measures, "source")):
            concept = self._concept(table, row, kinds)
            if concept is not None:
                self._add(table, row, concept, self._mapped(table, row, concept) if measured else self._named(concept.id))

    def read_local(self, table: Table) -> None:
        """A site's own codes, of any kind of concept, checked as ours are."""
        for row in table.rows(("concept", "system", "code"), ("match", "display", "unit", "factor", "formula", "class", "source")):
            row.values["match"] = row.values["match"] or "exact"
            concept = self._concept(table, row, ())
            if concept is None:
                continue
            row.values["units"], row.values["factors"] = row.values["unit"], row.values["factor"]
            if concept.kind != "observation":
                if row.values["units"] or row.values["factors"]:
                    table.fault(row.line, f"'{concept.id}' is a {concept.kind} and has no unit; leave unit and factor empty")
                self._add(table, row, concept, self._named(concept.id))
                continue
            if row.values["units"] and not row.values["factors"]:
                row.values["factors"] = self._general(table, row, concept)
            self._add(table, row, concept, self._mapped(table, row, concept))

    def tables(self) -> tuple[Exact, Prefixes]:
        exact = {key: tuple(found) for key, found in self._exact.items()}
        prefixes = {system: {start: tuple(found) for start, found in rows.items()} for system, rows in self._prefixes.items()}
        return exact, prefixes

    def _concept(self, table: Table, row: Row, kinds: tuple[str, ...]) -> Concept | None:
        name = row.values["concept"]
        concept = self.concepts.get(name)
        if concept is None:
            table.fault(row.line, unknown("concept", name, self.concepts, "concepts.csv"))
        elif kinds and concept.kind not in kinds:
            table.fault(row.line, f"'{name}' is of kind {concept.kind}; this file takes {' and '.join(kinds)}")
            return None
        return concept

    def _add(self, table: Table, row: Row, concept: Concept, mapped: Mapped) -> None:
        values = row.values
        match = table.one_of(row, "match", MATCHES)
        system = normalise_system(values["system"])
        code = self._code(table, row, system, match)
        if code is None:
            return
        here = table.name, row.line
        first = self._where.setdefault((concept.id, system, code, match), here)
        if first != here:
            table.fault(row.line, f"code '{values['code']}' of '{concept.id}' is already in {first[0]} line {first[1]}; remove one of the two")
        elif match == "exact":
            self._exact.setdefault((system, code), []).append(mapped)
        else:
            self._prefixes.setdefault(system, {}).setdefault(code, []).append(mapped)

    def _code(self, table: Table, row: Row, system: str, match: str) -> str | None:
        """The code as look-ups will ask for it; None, with a fault, when it is none."""
        written = row.values["code"]
        if ":" not in system:
            table.fault(row.line, f"system '{row.values['system']}' is not a URI; write it as records send it")
            return None
        if match == "prefix" and system not in LAYERED:
            table.fault(row.line, "prefix is for ICD-10 and ATC codes; list the codes one by one as exact")
            return None
        if system == SNOMED and not verhoeff_ok(written):
            table.fault(row.line, f"SNOMED CT id '{written}' has a wrong check digit; a spreadsheet may have damaged it, copy it anew as text")
            return None
        if system == ATC and match == "prefix":
            return written.upper() or None
        plain = normalise_code(system, written)
        if not plain:
            table.fault(row.line, f"code '{written}' cannot be read as a code of {system}")
            return None
        if system == ICD10 and len(plain) == 1 and len(written.replace(".", "")) > 4:
            shared = f"{plain[0][:3]}.{plain[0][3:]}"
            table.fault(row.line, f"code '{written}' is longer than the four characters that ICD-10 editions share; write '{shared}'")
            return None
        return plain[-1]

    def _named(self, concept: str) -> Mapped:
        if concept not in self._plain:
            self._plain[concept] = Mapped(concept, NO_FACTORS)
        return self._plain[concept]

    def _mapped(self, table: Table, row: Row, concept: Concept) -> Mapped:
        values = row.values
        return Mapped(concept.id, self._factors(table, row, concept), values["formula"] or None, values["class"] or None)

    def _factors(self, table: Table, row: Row, concept: Concept) -> Mapping[str, float | None]:
        sent = row.values["units"].split("|") if row.values["units"] else []
        written = row.values["factors"].split("|") if row.values["factors"] else []
        if len(sent) != len(written):
            table.fault(row.line, f"{len(sent)} units and {len(written)} factors; give one factor for each unit, ? for never convert")
            return NO_FACTORS
        found: dict[str, float | None] = {}
        for unit, text in zip(sent, written, strict=True):
            factor = None if text == "?" else as_number(text)
            if text != "?" and (factor is None or factor <= 0):
                table.fault(row.line, f"factor '{text}' of {unit} is not a number above 0; write ? for never convert")
            elif factor is not None and not concept.unit:
                table.fault(row.line, f"'{concept.id}' has no canonical unit to convert to; write ? as the factor of {unit}")
            elif not unit or found.setdefault(unit, factor) != factor:
                table.fault(row.line, f"unit '{unit}' stands twice or is empty; name each unit once")
            elif self.thorough:
                self._hold_against_ucum(table, row, concept, unit, factor)
        for unit in tuple(found):
            found.setdefault(units.tidy(unit), found[unit])
        return found

    def _general(self, table: Table, row: Row, concept: Concept) -> str:
        """Factors that follow from the units alone, for a site that left them out."""
        found: list[str] = []
        for unit in row.values["units"].split("|"):
            factor = units.factor(unit, concept.unit, concept.molar_mass) if concept.unit else None
            if factor is None and concept.unit:
                table.fault(row.line, f"unit '{unit}' does not convert to {concept.unit}; give its factor, or ? for never convert")
            found.append("?" if factor is None else repr(factor))
        return "|".join(found)

    def _hold_against_ucum(self, table: Table, row: Row, concept: Concept, unit: str, factor: float | None) -> None:
        if not units.readable(unit):
            meant = units.tidy(unit)
            table.fault(row.line, f"unit '{unit}' is not UCUM; write it as UCUM does, such as {meant if meant != unit else 'mg/dL'}")
            return
        general = units.factor(unit, concept.unit, concept.molar_mass) if concept.unit and factor is not None else None
        if factor is not None and general is not None and abs(factor / general - 1) > 0.005:
            table.fault(row.line, f"factor {factor:g} of {unit} should be {general:g} to give {concept.unit}")
