"""Files in, answers printed: what `cds-service evaluate` does with each Bundle in turn. Behind the command line only."""

from __future__ import annotations

import gzip
import sys
import zlib
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import click
import orjson

from cds_service import pipeline, reasoning, report, wire
from cds_service.errors import BadInput
from cds_service.fetch import from_bundle
from cds_service.model.outcomes import Answer
from cds_service.pipeline import Rules
from cds_service.unexpected import internal

GZIP = b"\x1f\x8b"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of every file. `trials`: empty for all."""

    rules: Rules
    as_of: date
    trials: frozenset[str]
    style: str


def run(files: tuple[str, ...], asked: Asked) -> int:
    """0, or 2 when a file could not be read. The others are answered all the same, in the order given."""
    several = len(files) > 1
    status = 0
    for number, name in enumerate(files):
        try:
            answer = answer_for(name, asked)
        except BadInput as fault:
            status = 2
            _refuse(name, str(fault), asked, several)
            continue
        except Exception as fault:  # one patient's crash must not hide the other patients; what it was is said
            status = 2
            _refuse(name, internal(fault), asked, several)
            continue
        if asked.style == "json":
            said = wire.assessment_json(answer)
            _line({"file": name, **said} if several else said)
        else:
            text = report.as_text(answer, asked.rules.names).rstrip()
            click.echo(f"{'' if number == 0 else chr(10)}== {name}\n{text}" if several else text)
    return status


def answer_for(name: str, asked: Asked) -> Answer:
    record = from_bundle(read(name))
    answer, _ = pipeline.explained(record, asked.rules, asked.as_of.toordinal())
    if not asked.trials:
        return answer
    return replace(answer, assessments=tuple(a for a in answer.assessments if a.trial.id in asked.trials))


def explain_one(name: str, asked: Asked, cohort: str, html: Path | None) -> None:
    """Print the reasoning for one cohort, or write it as a page. Raises BadInput."""
    try:
        answer, facts = pipeline.explained(from_bundle(read(name)), asked.rules, asked.as_of.toordinal())
    except BadInput as fault:
        raise BadInput(f"{name}: {fault}") from None
    assessment = next(a for a in answer.assessments if a.trial.id in asked.trials and a.cohort.id == cohort)
    page = reasoning.sheet(answer, assessment, lambda c: asked.rules.evaluator.reasoning(c, facts), asked.rules.names)
    if html is None:
        click.echo(reasoning.as_text(page), nl=False)
        return
    try:
        html.write_text(reasoning.as_html(page), encoding="utf-8")
    except OSError as fault:
        raise BadInput(f"{html}: {fault.strerror or 'cannot be written'}") from None
    click.echo(str(html))


def read(name: str) -> object:
    """The JSON of a file, of a gzipped file, or of standard input for `-`. Raises BadInput."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as fault:
        raise BadInput(fault.strerror or "cannot be read") from None
    if raw[:2] == GZIP:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            raise BadInput("a damaged gzip file") from None
    try:
        return orjson.loads(raw.removeprefix(BOM))
    except orjson.JSONDecodeError as fault:
        raise BadInput(f"not JSON: line {fault.lineno}, column {fault.colno}") from None


def _refuse(name: str, why: str, asked: Asked, several: bool) -> None:
    why = " ".join(why.split())
    if several and asked.style == "json":
        _line({"file": name, "error": why})
    click.echo(f"cds-service: {name}: {why}", err=True)


def _line(said: object) -> None:
    click.echo(orjson.dumps(said))
