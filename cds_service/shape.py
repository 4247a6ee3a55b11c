"""Tree and JSON Schema → faults in plain words. Walks the schema itself, so that it stays the one truth.

jsonschema would be slower than the whole start-up may be, and names a failing branch rather than
the mistake. KEYWORDS is all that is understood here; unit tests hold criteria/schema.json and
clients.schema.json to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from cds_service.errors import DataFault
from cds_service.yaml_lines import Items, Node, Table, Text

KEYWORDS = frozenset(
    "$ref type enum pattern maxLength items minItems uniqueItems properties required additionalProperties propertyNames "
    "minProperties maxProperties oneOf anyOf".split()
)
TYPES: Mapping[str, tuple[type[object], str]] = {"string": (Text, "text"), "array": (Items, "a list"), "object": (Table, "a mapping (key: value)")}

Rule = Mapping[str, Any]


def meant(word: str, choices: Iterable[str]) -> str:
    """`; did you mean 'for'?`, or nothing where nothing is close."""
    close = get_close_matches(word.lower(), list(choices), 1, 0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


class Shape:
    """`bad` holds the id of every node that has a fault at or below it: such pieces are not looked into further."""

    def __init__(self, schema: Rule, path: str) -> None:
        self.schema = schema
        self.path = path
        self.faults: list[DataFault] = []
        self.bad: set[int] = set()

    def check(self, tree: Node) -> None:
        self._walk(tree, self.schema, "the file")

    def _fault(self, line: int, message: str) -> None:
        self.faults.append(DataFault(self.path, line, message))

    def _walk(self, value: Node, rule: Rule, key: str) -> None:
        before = len(self.faults)
        self._apply(value, rule, key)
        if len(self.faults) > before:
            self.bad.add(id(value))

    def _apply(self, value: Node, rule: Rule, key: str) -> None:
        if "$ref" in rule:
            self._apply(value, self.schema["$defs"][rule["$ref"].rpartition("/")[2]], key)
        if "type" in rule and not self._right_type(value, rule, key):
            return
        if isinstance(value, Text):
            self._text(value, rule, key)
        elif isinstance(value, Items):
            self._items(value, rule, key)
        else:
            self._table(value, rule)
        if "oneOf" in rule:
            self._choose(value, rule, key)

    def _right_type(self, value: Node, rule: Rule, key: str) -> bool:
        wanted = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        if any(isinstance(value, TYPES[name][0]) for name in wanted if name in TYPES):
            return True
        quotes = "; text with brackets needs quotes" if wanted[0] == "string" else ""
        self._fault(value.line, f"'{key}' must be {TYPES[wanted[0]][1]}, not {_kind(value)}{quotes}")
        return False

    def _text(self, value: Text, rule: Rule, key: str) -> None:
        if "enum" in rule and value not in rule["enum"]:
            self._fault(value.line, f"'{key}' is '{value}'; give one of {', '.join(rule['enum'])}{meant(value, rule['enum'])}")
        elif "pattern" in rule and not _pattern(rule["pattern"]).search(value):
            wrong = f"is '{value}'; it must be" if value else "has no value; give"
            self._fault(value.line, f"'{key}' {wrong} {rule['patternErrorMessage']}")
        elif len(value) > rule.get("maxLength", len(value)):
            self._fault(value.line, f"'{key}' has {len(value)} characters; use at most {rule['maxLength']}")

    def _items(self, value: Items, rule: Rule, key: str) -> None:
        if len(value) < rule.get("minItems", 0):
            self._fault(value.line, f"'{key}' needs at least {rule['minItems']} in its list; it has {len(value)}")
        if rule.get("uniqueItems"):
            for place, item in enumerate(value):
                if item in value[:place]:
                    self._fault(item.line, f"'{item}' stands twice in '{key}'; keep one")
        if "items" in rule:
            for item in value:
                self._walk(item, rule["items"], key)

    def _table(self, value: Table, rule: Rule) -> None:
        known: Rule = rule.get("properties", {})
        other = rule.get("additionalProperties", True)
        misspelt: set[str] = set()  # not told a second time as missing
        for key, child in value.items():
            if key in known:
                self._walk(child, known[key], key)
            elif other is False:
                hint = meant(key, known)
                misspelt.update(name for name in known if f"'{name}'" in hint)
                self._fault(value.lines[key], f"unknown key '{key}'{hint or '; here may stand ' + ', '.join(known)}")
            elif other is not True:
                self._walk(child, other, key)
            if "propertyNames" in rule and not _pattern(rule["propertyNames"]["pattern"]).search(key):
                self._fault(value.lines[key], f"'{key}' must be {rule['propertyNames']['patternErrorMessage']}")
        for key in rule.get("required", ()):
            if key not in value and key not in misspelt:
                self._fault(value.line, f"'{key}' is missing; add it")
        if "minProperties" in rule and not rule["minProperties"] <= len(value) <= rule.get("maxProperties", len(value)):
            self._fault(value.line, rule["errorMessage"] + (", not several" if value else ""))

    def _choose(self, value: Node, rule: Rule, key: str) -> None:
        """oneOf in its three uses: which predicate, which type, which keys."""
        choices = rule["oneOf"]
        if "type" in choices[0]:
            for choice in choices:
                if isinstance(value, TYPES[choice["type"]][0]):
                    return self._apply(value, choice, key)
            return self._fault(value.line, f"'{key}' must be {' or '.join(TYPES[c['type']][1] for c in choices)}, not {_kind(value)}")
        if "$ref" in choices[0]:
            return self._predicate(value, [c["$ref"].rpartition("/")[2] for c in choices])
        if isinstance(value, Table):
            given = [names for choice in choices if (names := [k for k in _keys(choice) if k in value])]
            if len(given) != 1:
                several = " and ".join(f"'{names[0]}'" for names in given)
                self._fault(value.line, rule["errorMessage"] + (f", not {several} together" if given else ""))
        return None

    def _predicate(self, value: Node, heads: list[str]) -> None:
        if not isinstance(value, Table):
            return self._fault(value.line, f"a predicate must be a mapping such as 'age: {{ge: 18}}', not {_kind(value)}")
        found = [head for head in heads if head in value]
        if found == ["therapy", "when"]:  # here `when` is an option of therapy: ever or current
            found = ["therapy"]
        if len(found) == 1:
            return self._apply(value, self.schema["$defs"][found[0]], found[0])
        if found:
            return self._fault(value.line, f"{' and '.join(map(repr, found))} in one predicate; join them under 'all' or 'any'")
        for key in value:
            if hint := meant(key, heads):
                return self._fault(value.lines[key], f"unknown predicate '{key}'{hint}")
        return self._fault(value.line, f"no predicate here; give one of {', '.join(heads)}")


def _keys(choice: Rule) -> list[str]:
    return [key for part in choice.get("anyOf", [choice]) for key in part["required"]]


def _kind(value: Node) -> str:
    if isinstance(value, Text):
        return "text" if value else "nothing"
    return "a list" if isinstance(value, Items) else "a mapping"
