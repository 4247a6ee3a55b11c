"""The value of an observation in words: a number, a result, a titre, a class, or something nobody can read."""

from __future__ import annotations

import re
from typing import NamedTuple

RESULTS = {
    "positive": ("positive", "10828004", "Positive"),
    "negative": ("negative", "260385009", "Negative"),
    "detected": ("positive", "260373001", "Detected"),
    "not-detected": ("negative", "260415000", "Not detected"),
    "indeterminate": ("indeterminate", "82334004", "Indeterminate"),
}
_NUMBER = re.compile(r"(<=|>=|<|>)?\s*(-?\d+(?:\.\d+)?)")
_TITRE = re.compile(r"(<|>)?\s*1:(\d+)")
_CLASS = re.compile(r"(?:I{1,3}|IV|V|VI)(?:[-+ ].*)?")


class Value(NamedTuple):
    """Exactly one of number, titre, result, code; none of them: text that cannot be read."""

    text: str
    comparator: str = ""
    number: float | None = None
    digits: str = ""
    titre: int | None = None
    result: str = ""
    code: str = ""


def read(text: str) -> Value:
    if text in RESULTS:
        return Value(text, result=text)
    if match := _NUMBER.fullmatch(text):
        return Value(text, match[1] or "", float(match[2]), match[2])
    if match := _TITRE.fullmatch(text):
        return Value(text, match[1] or "", titre=int(match[2]))
    if _CLASS.fullmatch(text):
        return Value(text, code=text)
    return Value(text)
