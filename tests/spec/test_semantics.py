"""Every row of every table: what is on record → the answer."""

from __future__ import annotations

from collections import Counter

import pytest

from cds_service.model.outcomes import REASONS

from .language import REASON_WORDS, Question, Row, unknown
from .page import SECTIONS

ROWS = [
    pytest.param(question, row, id=f"{section.title}: {question.words}: {row.sentence}")
    for section in SECTIONS
    for question in section.questions
    for row in question.rows
]


@pytest.mark.parametrize(("question", "row"), ROWS)
def test_what_is_on_record_gives_the_answer(question: Question, row: Row):
    answer, basis = question.decide(row.given)
    assert answer == row.answer, f"{question.words} · {row.sentence} · on record: {row.on_record}"
    if row.basis is not None:
        assert basis == row.basis, f"{question.words} · {row.sentence} · on record: {row.on_record}"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.title)
def test_every_section_shows_a_missing_an_unavailable_and_a_truncated_record(section):
    rows = [row for question in section.questions for row in question.rows]
    if section.title != "Time":
        assert any(not any(item.facts for item in row.given) for row in rows), "no row with nothing on record"
    said = Counter(item.incomplete[1] for row in rows for item in row.given if item.incomplete)
    assert said["unavailable"] and said["truncated"], section.title


def test_every_reason_is_worded_and_shown():
    assert set(REASON_WORDS) == set(REASONS)
    shown = {row.answer for section in SECTIONS for question in section.questions for row in question.rows}
    assert {unknown(reason) for reason in REASONS} <= shown


def test_no_two_rows_of_a_question_say_the_same_of_the_same_record():
    for section in SECTIONS:
        for question in section.questions:
            twice = [words for words, count in Counter((row.on_record) for row in question.rows).items() if count > 1]
            assert not twice, f"{question.words}: {twice}"
