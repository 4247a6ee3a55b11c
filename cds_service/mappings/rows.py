"""One CSV file → rows with their line, or faults with their line. Knows columns, not what they mean."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cds_service.errors import DataFault


class Row(NamedTuple):
    line: int
    values: dict[str, str]


class Table:
    """A file of ours or of a site. Faults are gathered, so that one run names them all."""

    def __init__(self, path: Path, faults: list[DataFault]) -> None:
        self.path = path
        self.name = path.name
        self.faults = faults
        self._seen: dict[tuple[str, ...], int] = {}

    def fault(self, line: int, message: str) -> None:
        self.faults.append(DataFault(str(self.path), line, message))

    def rows(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[Row]:
        """Every well-formed row, values trimmed; an optional column that the file lacks reads as empty."""
        text = self._text()
        if text is None:
            return
        reader = csv.reader(text.splitlines(keepends=True), strict=True)
        try:
            head = [name.strip() for name in next(reader, [])]
            if not self._columns(head, required, optional):
                return
            missing = dict.fromkeys((name for name in optional if name not in head), "")
            width = len(head)
            for values in reader:
                if len(values) == width:
                    row = dict(zip(head, map(str.strip, values), strict=True))
                    yield Row(reader.line_num, row | missing if missing else row)
                elif any(value.strip() for value in values):
                    self.fault(reader.line_num, f"{len(values)} values for {width} columns; quote a value that holds a comma")
        except csv.Error as error:
            self.fault(reader.line_num, f"not CSV: {error}")

    def _text(self) -> str | None:
        try:
            return self.path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            self.fault(0, "file is missing; restore it")
        except UnicodeDecodeError as error:
            self.fault(error.object.count(b"\n", 0, error.start) + 1, "not UTF-8; save the file as UTF-8")
        except OSError as error:
            self.fault(0, f"cannot be read: {error.strerror}")
        return None

    def _columns(self, head: list[str], required: tuple[str, ...], optional: tuple[str, ...]) -> bool:
        lacking = [name for name in required if name not in head]
        unknown = [name for name in head if name not in required and name not in optional]
        twice = sorted({name for name in head if head.count(name) > 1})
        for names, what in ((lacking, "missing column"), (unknown, "unknown column"), (twice, "repeated column")):
            for name in names:
                self.fault(1, f"{what} '{name}'; the columns are {', '.join(required + optional)}")
        return not (lacking or unknown or twice)

    def once(self, line: int, what: str, *key: str) -> bool:
        """Whether this key is new; the second row of a kind is a fault that names the first."""
        first = self._seen.setdefault(key, line)
        if first != line:
            self.fault(line, f"{what} is already in line {first}; remove one of the two")
        return first == line

    def one_of(self, row: Row, column: str, allowed: tuple[str, ...]) -> str:
        value = row.values[column]
        if value not in allowed:
            self.fault(row.line, f"{column} '{value}' is not one of {', '.join(name or 'empty' for name in allowed)}")
            return allowed[0]
        return value

    def number(self, row: Row, column: str, *, above: float = -math.inf) -> float | None:
        """A finite number above a bound; None where the cell is empty."""
        value = row.values[column]
        if not value:
            return None
        number = as_number(value)
        if number is None or number <= above:
            bound = "" if above == -math.inf else f" above {above:g}"
            self.fault(row.line, f"{column} '{value}' is not a number{bound}; write it with a decimal point")
            return None
        return number

    def whole(self, row: Row, column: str) -> int | None:
        """A count of days; None where the cell is empty."""
        value = row.values[column]
        if not value:
            return None
        if not (value.isascii() and value.isdigit()):
            self.fault(row.line, f"{column} '{value}' is not a whole number of days")
            return None
        return int(value)


def as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
