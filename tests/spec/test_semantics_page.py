"""docs/semantics.md is the tables as they stand, and reads as a page."""

from __future__ import annotations

import re

from .page import PAGE, SECTIONS, page


def test_the_page_is_the_tables():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.spec.page"


def test_every_table_row_has_three_cells():
    rows = [line for line in page().splitlines() if line.startswith("|")]
    assert len(rows) > sum(len(q.rows) for s in SECTIONS for q in s.questions)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {4}


def test_no_raw_markup_comes_from_the_tables():
    assert "<" not in page().split("-->", 1)[1]
