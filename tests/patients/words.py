"""tests/vignettes/*.yaml → patients and vignettes in words. Strict: an unknown word is refused with what it may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cds_service.dates import iso, shift

AS_OF = "2026-11-01"
#: Kind of entry -> what may stand beside the concept.
OPTIONS: Mapping[str, frozenset[str]] = {
    "conditions": frozenset({"onset", "recorded", "abated", "verification", "category", "code", "stage"}),
    "observations": frozenset({"date", "unit", "upper", "formula", "status", "oxygen", "text", "lookalike"}),
    "therapies": frozenset({"from", "to", "status", "code", "mg"}),
    "events": frozenset({"date", "code"}),
    "allergies": frozenset({"verification", "severe"}),
    "immunizations": frozenset({"date"}),
}
#: Kind of entry -> what the concept itself may be said to be (none: anything).
VALUES: Mapping[str, tuple[str, ...]] = {
    "conditions": ("active", "recurrence", "relapse", "remission", "resolved", "inactive"),
    "therapies": ("prescribed", "stated", "given", "dispensed"),
    "events": ("done", "planned", "not-done"),
    "allergies": ("active", "inactive", "resolved"),
    "immunizations": ("done", "not-done"),
}
PERSON = frozenset({"age", "born", "sex", "deceased", "unread", "truncated"})


class Entry(NamedTuple):
    """`{egfr: 52, date: 2026-10-18}`: one line of a record. `number` tells entries of a patient apart."""

    kind: str
    concept: str
    value: str
    options: Mapping[str, str]
    number: int = 0

    def option(self, name: str, default: str = "") -> str:
        return self.options.get(name, default)


@dataclass(frozen=True)
class Person:
    """One patient in words. `lists`: those that were not read whole, with why."""

    person: Mapping[str, str] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    lists: Mapping[str, str] = field(default_factory=dict)

    def born(self, as_of: int) -> str:
        """The birth date: as written, or so that the patient is `age` years and some months old. "" is unknown."""
        if "born" in self.person:
            return "" if self.person["born"] == "unknown" else self.person["born"]
        return iso(shift(as_of, -int(self.person.get("age", "46")), "years") - 100)


@dataclass(frozen=True)
class Vignette:
    """One sentence, one patient, what must come out. `expect`: cohort -> criterion or `status` -> outcome[/reason or basis]."""

    name: str
    file: str
    as_of: int
    patient: Person
    expect: Mapping[str, Mapping[str, str]]


class BadVignette(Exception):
    """Says which vignette, what is wrong with it, and what it may be."""


class _Strings(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
    """Every scalar is a string (`no` is no False, a date is no datetime), and a key stands once."""


def _string(loader: Any, node: yaml.ScalarNode) -> str:
    return str(node.value)


def _table(loader: Any, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            raise BadVignette(f"line {key_node.start_mark.line + 1}: '{key}' stands twice")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


for _tag in ("str", "int", "float", "bool", "null", "timestamp"):
    _Strings.add_constructor(f"tag:yaml.org,2002:{_tag}", _string)
_Strings.add_constructor("tag:yaml.org,2002:map", _table)


def read(text: str, file: str = "") -> list[Vignette]:
    """All vignettes of one file."""
    tree = yaml.load(text, Loader=_Strings)  # noqa: S506 - a safe loader
    _only(tree, {"cohort", "patient", "patients", "vignettes"}, file)
    patients: dict[str, Person] = {}
    for name, raw in (tree.get("patients") or {}).items():
        _only(raw, PERSON | OPTIONS.keys() | {"like", "without"}, name)
        patients[name] = _change(_named(raw.get("like"), patients, name), raw, raw.get("without") or (), name)
    return [_vignette(raw, tree, patients, file) for raw in tree.get("vignettes") or ()]


def _vignette(raw: dict[str, Any], tree: dict[str, Any], patients: Mapping[str, Person], file: str) -> Vignette:
    name = raw.get("name") or ""
    if not name:
        raise BadVignette(f"{file}: a vignette without a name")
    _only(raw, {"name", "as_of", "patient", "with", "without", "expect"}, name)
    person = _named(raw.get("patient", tree.get("patient")), patients, name)
    person = _change(person, raw.get("with") or {}, raw.get("without") or (), name)
    said = raw.get("expect")
    if not isinstance(said, dict) or not said:
        raise BadVignette(f"{name}: expects nothing")
    expect: dict[str, dict[str, str]] = {}
    for key, value in said.items():
        if isinstance(value, dict):
            expect.setdefault(key, {}).update(value)
        else:
            expect.setdefault(str(tree.get("cohort")), {})[key] = value
    return Vignette(name, file, date.fromisoformat(raw.get("as_of", AS_OF)).toordinal(), person, expect)


def _named(name: str | None, patients: Mapping[str, Person], where: str) -> Person:
    if name is None:
        return Person()
    if name not in patients:
        raise BadVignette(f"{where}: no patient '{name}'; there are {', '.join(patients)}")
    return patients[name]


def _change(base: Person, raw: Mapping[str, Any], without: Any, where: str) -> Person:
    """`raw` laid over `base`: what it says of a concept replaces all that was said of it."""
    added = [entry for kind in OPTIONS for entry in _entries(kind, raw.get(kind) or (), where)]
    named = {(entry.kind, entry.concept) for entry in added}
    known = {entry.concept for entry in base.entries}
    for concept in without:
        if concept not in known:
            raise BadVignette(f"{where}: 'without {concept}' takes out nothing")
    kept = [entry for entry in base.entries if (entry.kind, entry.concept) not in named and entry.concept not in without]
    if "age" in raw or "born" in raw:
        base = replace(base, person={key: value for key, value in base.person.items() if key not in ("age", "born")})
    lists = {name: "unavailable" for name in raw.get("unread") or ()} | {name: "truncated" for name in raw.get("truncated") or ()}
    person = {key: value for key, value in raw.items() if key in PERSON and isinstance(value, str)}
    entries = tuple(entry._replace(number=place) for place, entry in enumerate([*kept, *added], start=1))
    return Person({**base.person, **person}, entries, {**base.lists, **lists})


def _entries(kind: str, raw: Any, where: str) -> Iterator[Entry]:
    for item in raw:
        table = {item: ""} if isinstance(item, str) else dict(item)
        concept = next(iter(table))
        value = table.pop(concept) or (VALUES.get(kind) or ("",))[0]
        if kind in VALUES and value not in VALUES[kind]:
            raise BadVignette(f"{where}: {concept} cannot be '{value}'; it may be {', '.join(VALUES[kind])}")
        _only(table, OPTIONS[kind], f"{where}: {concept}")
        yield Entry(kind, concept, value, table)


def _only(table: Any, allowed: Any, where: str) -> None:
    if not isinstance(table, dict):
        raise BadVignette(f"{where}: not a table")
    for key in table:
        if key not in allowed:
            raise BadVignette(f"{where}: unknown word '{key}'; it may be {', '.join(sorted(allowed))}")


def load(directory: Path) -> list[Vignette]:
    """The vignettes of every file, in order."""
    return [v for path in sorted(directory.glob("*.yaml")) for v in read(path.read_text("utf-8"), path.name)]
