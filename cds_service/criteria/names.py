"""Names and limits of the criteria → concepts and canonical numbers, or a fault that says how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from cds_service import units
from cds_service.errors import DataFault
from cds_service.model.predicates import Limit, Period
from cds_service.model.vocabulary import Concept, Vocabulary
from cds_service.shape import meant
from cds_service.yaml_lines import Items, Node, Table, Text

OPERATORS = ("ge", "gt", "le", "lt")
WRITTEN_AS = {"observation": "observation", "condition": "condition", "procedure": "event", "immunization": "event", "drug": "therapy"}


@dataclass(slots=True)
class Names:
    """Look-ups for one file. `labels` gathers what every id used is called."""

    path: str
    vocabulary: Vocabulary
    faults: list[DataFault] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def fault(self, where: Node, message: str) -> None:
        self.faults.append(DataFault(self.path, where.line, message))

    def concept(self, name: Text, kinds: Sequence[str]) -> Concept | None:
        concept = self.vocabulary.concepts.get(name)
        if concept is not None and concept.kind in kinds:
            self.labels[concept.id] = concept.name
            if concept.kind == "drug":  # only where a condition is asked for: an allergy to it
                self.labels[f"allergy:{concept.id}"] = f"allergy to {concept.name}"
            return concept
        kind = concept.kind if concept else "drug" if self._is_drug(name) else None
        if kind is None:
            known = (c.id for c in self.vocabulary.concepts.values() if c.kind in kinds)
            self.fault(name, f"unknown {kinds[0]} '{name}'{meant(name, known) or '; add it to mappings/'}")
        else:
            self.fault(name, f"'{name}' is {_a(kind)}, not {_a(kinds[0])}; {_a(kind)} is asked for with '{WRITTEN_AS[kind]}: {name}'")
        return None

    def concepts(self, table: Table, key: str, *kinds: str) -> tuple[str, ...]:
        for name in names_in(table, key):
            self.concept(name, kinds)
        return plain(names_in(table, key))

    def drugs(self, names: Iterable[Text]) -> tuple[str, ...]:
        names = tuple(names)
        for name in names:
            if not self._is_drug(name):
                concept = self.vocabulary.concepts.get(name)
                if concept is not None and concept.kind != "drug":
                    self.concept(name, ("drug",))
                else:
                    hint = meant(name, [*self.vocabulary.classes, *self.vocabulary.drugs])
                    self.fault(name, f"unknown drug or class '{name}'{hint or '; add it to mappings/'}")
        return plain(names)

    def anything(self, table: Table, key: str) -> tuple[str, ...]:
        """Ids of any kind, shown beside a question and never used."""
        for name in names_in(table, key):
            if concept := self.vocabulary.concepts.get(name):
                self.labels[concept.id] = concept.name
            elif not self._is_drug(name):
                known = [*self.vocabulary.concepts, *self.vocabulary.classes, *self.vocabulary.drugs]
                self.fault(name, f"unknown concept '{name}' in '{key}'{meant(name, known) or '; add it to mappings/'}")
        return plain(names_in(table, key))

    def _is_drug(self, name: str) -> bool:
        found = self.vocabulary.classes.get(name) or self.vocabulary.drugs.get(name)
        if found:
            self.labels[found.id] = found.name
        return found is not None

    def steroid(self, names: Iterable[str]) -> bool:
        """Whether a dose in prednisone equivalents can be known of any of these."""
        drugs, classes = self.vocabulary.drugs, self.vocabulary.classes
        members = {drug for name in names for drug in (classes[name].drugs if name in classes else (name,))}
        return any(drug in drugs and drugs[drug].prednisone is not None for drug in members)

    def factor(self, concept: Concept, unit: Text | None, where: Node) -> Decimal:
        """What makes a limit canonical. A score is a bare number; everything else must name its unit."""
        bare = concept.unit in ("", "1") or re.fullmatch(r"\{[^{}]*\}", concept.unit)
        if unit is None:
            if not bare:
                self.fault(where, f"the limit of '{concept.id}' has no unit; add 'unit: {concept.unit}' or another that converts to it")
            return Decimal(1)
        if unit == concept.unit:
            return Decimal(1)
        found = units.factor(unit, concept.unit, concept.molar_mass) if concept.unit else None
        if found is None:
            mend = f"give one that converts to '{concept.unit}'" if concept.unit else "remove 'unit': it has no canonical unit in mappings/"
            self.fault(unit, f"unit '{unit}' does not convert for '{concept.id}'; {mend}")
            return Decimal(1)
        return Decimal(repr(found))

    def limits(self, table: Table, factor: Decimal = Decimal(1)) -> tuple[Limit, ...]:
        """The limits beside each other in a table. Decimal: 0.3 g is 300 mg, not 299.99999999999994."""
        found = tuple(Limit(op, float(Decimal(str(value)) * factor)) for op in OPERATORS if isinstance(value := table.get(op), Text))
        self.range(table, found)
        return found

    def range(self, where: Node, limits: Sequence[Limit]) -> None:
        low = [limit for limit in limits if limit.op in ("ge", "gt")]
        high = [limit for limit in limits if limit.op in ("le", "lt")]
        if len(low) > 1 or len(high) > 1:
            pair = low if len(low) > 1 else high
            self.fault(where, f"'{pair[0].op}' and '{pair[1].op}' together; keep one")
        elif low and high and (low[0].value > high[0].value or (low[0].value == high[0].value and {low[0].op, high[0].op} != {"ge", "le"})):
            self.fault(where, f"no value is {low[0].op} {low[0].value:g} and {high[0].op} {high[0].value:g}; to mean either side use 'any'")


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"


def text(table: Table, key: str, default: str = "") -> str:
    value = table.get(key)
    return str(value) if isinstance(value, Text) else default


def node(table: Table, key: str) -> Text | None:
    value = table.get(key)
    return value if isinstance(value, Text) else None


def items(table: Table, key: str) -> Items:
    value = table.get(key)
    return value if isinstance(value, Items) else Items()


def tables(table: Table, key: str) -> list[Table]:
    return [item for item in items(table, key) if isinstance(item, Table)]


def sub(table: Table, key: str) -> Table | None:
    value = table.get(key)
    return value if isinstance(value, Table) else None


def names_in(table: Table, key: str) -> tuple[Text, ...]:
    """One name, or a list of them."""
    value = table.get(key)
    if isinstance(value, Text):
        return (value,)
    return tuple(item for item in value if isinstance(item, Text)) if isinstance(value, Items) else ()


def plain(names: Iterable[Text]) -> tuple[str, ...]:
    return tuple(str(name) for name in names)


def period(table: Table, key: str) -> Period | None:
    """`6 months`, `1 week`."""
    value = table.get(key)
    if not isinstance(value, Text):
        return None
    count, unit = value.split(" ")
    return Period(int(count), unit if unit.endswith("s") else unit + "s")


def yes(table: Table, key: str, default: str = "no") -> bool:
    return text(table, key, default) == "yes"
