"""YAML text → tables, lists and texts that know their line. Strict, and knows nothing of what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from cds_service.errors import DataFault

LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml where there is one: ten times faster


class Text(str):
    """A scalar. Always text: plain YAML would read `no` as False and `1:80` as 4800."""

    __slots__ = ("line",)
    line: int


class Items(list["Node"]):
    line: int = 0


class Table(dict[str, "Node"]):
    """A mapping; its keys are texts with their own lines, in `lines`."""

    line: int = 0
    lines: dict[str, int]


Node = Text | Items | Table


def text_at(value: str, line: int) -> Text:
    text = Text(value)
    text.line = line
    return text


class _Reader:
    def __init__(self, path: str, text: str, instead: str) -> None:
        self.path = path
        self.instead = instead
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=LOADER))
        self.faults: list[DataFault] = []

    def fault(self, event: Any, message: str) -> None:
        self.faults.append(DataFault(self.path, event.start_mark.line + 1, message))

    def document(self) -> Node | None:
        next(self.events)  # the stream
        opening = next(self.events)
        if isinstance(opening, yaml.StreamEndEvent):
            return None
        node = self.node(next(self.events))
        next(self.events)  # the end of the document
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            self.fault(after, "a second document begins here; keep one to a file")
        return node

    def node(self, event: Any) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            self.fault(event, f"alias *{event.anchor}; {self.instead}")
            return text_at("", line)
        if event.anchor is not None:
            self.fault(event, f"anchor &{event.anchor}; {self.instead}")
        if event.tag is not None:
            self.fault(event, f"tag {event.tag}; remove it, every value is read as text")
        if isinstance(event, yaml.ScalarEvent):
            return text_at(event.value, line)
        return self.items(line) if isinstance(event, yaml.SequenceStartEvent) else self.table(line)

    def items(self, line: int) -> Items:
        items = Items()
        items.line = line
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event))
        return items

    def table(self, line: int) -> Table:
        table = Table()
        table.line, table.lines = line, {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, value = self.node(event), self.node(next(self.events))
            if not isinstance(key, Text):
                self.fault(event, "a key must be text")
            elif key in table:  # YAML lets the last one win silently
                self.fault(event, f"key '{key}' is repeated (first on line {table.lines[key]}); keep one")
            else:
                table[str(key)] = value
                table.lines[str(key)] = key.line
        return table


def read(path: str, data: bytes, instead: str = "write it out where it is used") -> tuple[Node | None, list[DataFault]]:
    """The tree of one file, or None where there is none, with every fault met on the way.

    `instead` is what to do where YAML's anchors and aliases were used, which are refused.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, [DataFault(path, data[: error.start].count(b"\n") + 1, "not UTF-8; save the file as UTF-8")]
    try:
        reader = _Reader(path, text, instead)
        node = reader.document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or "unreadable character"
        return None, [
            DataFault(path, mark.line + 1 if mark else 0, f"not YAML: {why}; check indentation, and quote text that holds ': ', ' #' or brackets")
        ]
    if node is None:
        return None, [DataFault(path, 0, "the file is empty")]
    return node, reader.faults
