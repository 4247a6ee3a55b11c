"""The tables as a page: docs/semantics.md. Write it with `python -m tests.spec.page` from the project's root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import (
    absence,
    arranged,
    by_sex,
    exceptions,
    kidney_function,
    qualitative,
    quantities,
    response,
    rulings,
    sureness,
    timing,
    treatment,
    trial_state,
    unclear_records,
    unknown_is_not_no,
    upper_limit,
)
from .language import Question, Section

PAGE = Path(__file__).resolve().parents[2] / "docs" / "semantics.md"

#: In the order of the semantics; the rulings come last.
SECTIONS: tuple[Section, ...] = (
    unknown_is_not_no.SECTION,
    absence.SECTION,
    timing.SECTION,
    sureness.SECTION,
    quantities.SECTION,
    upper_limit.SECTION,
    qualitative.SECTION,
    kidney_function.SECTION,
    treatment.SECTION,
    response.SECTION,
    exceptions.SECTION,
    arranged.SECTION,
    by_sex.SECTION,
    trial_state.SECTION,
    unclear_records.SECTION,
    rulings.SECTION,
)

HEAD = """# What the record says, and what we answer

<!-- Written by `python -m tests.spec.page` from tests/spec; each row is also a test. Change the tables, not this page. -->

How the service reads a chart, rule by rule. Each row is one patient: what is on record, and the answer. The day is 1 November 2026. The limits
belong to the examples, not to a trial. “Nothing” is a chart whose lists were all read in full. Where a question begins with “Excluded by”, *yes*
rules the patient out.
"""


def page() -> str:
    return "\n".join([HEAD, *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    for number, section in enumerate(SECTIONS, start=1):
        yield f"## {number} {section.title}\n\n{section.intro}\n"
        for question in section.questions:
            yield from _table(question)


def _table(question: Question) -> Iterator[str]:
    yield f"### {question.words}\n"
    yield "| Rule | On record | Answer |"
    yield "|---|---|---|"
    for row in question.rows:
        answer = f"**{row.answer}**" + (f" ({row.basis})" if row.basis in ("computed", "assumed", "no-record") else "")
        yield f"| {_cell(row.sentence)} | {_cell(row.on_record)} | {_cell(answer)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("< ", "&lt; ").replace("> ", "&gt; ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
