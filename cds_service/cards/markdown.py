"""Text → GitHub Markdown that shows it as it stands. No words of ours are made here."""

from __future__ import annotations

import re

from cds_service.words import clean

_ANY = re.compile(r"[\\`*_~|\[\]&<@:]")
_AMPERSAND = re.compile(r"&(?=[#A-Za-z])")
_MARKS = re.compile(r"([\\`*_~|\[\]])")
_STARTS = re.compile(r"^(?:[#>+=-]|\d{1,9}(?=[.)](?:\s|$)))")
_ADDRESS = re.compile(r"://|@|\bwww(?=\.)", re.I)
_JOINER = "\u2060"  # invisible; an address that it breaks is text, not a link that a record put on the card


def escape(text: str) -> str:
    """One line of record or trial text, literal in GFM and harmless in a host that passes raw HTML through."""
    if text.isalnum():  # a number, one word: nothing in it can be a mark
        return text
    line = clean(text)
    if _ANY.search(line) or "www." in line.lower():  # most text has none of these, and each step costs
        line = _AMPERSAND.sub("&amp;", line).replace("<", "&lt;")
        line = _MARKS.sub(r"\\\1", line)
        line = _ADDRESS.sub(lambda found: found[0] + _JOINER, line)
    start = None if line[:1].isalpha() else _STARTS.match(line)
    if start:  # at the start of a line these open a heading, a quotation or a list
        at = start.end() if start[0].isdigit() else 0
        line = f"{line[:at]}\\{line[at:]}"
    return line


def strong(text: str) -> str:
    return f"**{escape(text)}**"
