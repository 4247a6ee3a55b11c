"""`cds-service check`: our criteria, mappings and fixtures, every fault with file and line. Behind the command line only."""

from __future__ import annotations

from pathlib import Path

import click
import orjson
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from cds_service import criteria, mappings, trust
from cds_service.config import Settings, shipped
from cds_service.errors import BadData, BadInput, DataFault
from cds_service.fetch import from_bundle
from cds_service.model.trials import Trial
from cds_service.model.vocabulary import Vocabulary


def run(settings: Settings) -> int:
    """0, or 1 when there is a fault."""
    faults, vocabulary = _mappings(settings)
    trials: tuple[Trial, ...] = ()
    if vocabulary is None:
        click.echo("criteria not checked: they need the mappings")
    else:
        more, trials = _criteria(settings, vocabulary)
        faults += more
    faults += _clients(settings)
    patients = sorted(shipped("fixtures").glob("*.json"))
    for path in patients:
        faults += fixture_faults(path)
    for fault in faults:
        click.echo(str(fault))
    counted = f"{len(trials)} trials, {sum(len(t.cohorts) for t in trials)} cohorts, {sum(len(t.criteria) for t in trials)} criteria, "
    counted += f"{len(vocabulary.exact) if vocabulary else 0} codes, {len(patients)} fixtures"
    click.echo(f"{counted}: {'no fault' if not faults else f'{len(faults)} fault' + 's'[: len(faults) > 1]}")
    return 1 if faults else 0


def _mappings(settings: Settings) -> tuple[list[DataFault], Vocabulary | None]:
    try:
        return [], mappings.load(settings.mappings_dir, settings.local_mappings, settings.upper_limits)
    except BadData as bad:
        return list(bad.faults), None


def _criteria(settings: Settings, vocabulary: Vocabulary) -> tuple[list[DataFault], tuple[Trial, ...]]:
    try:
        return [], criteria.load(settings.criteria_dir, vocabulary)
    except BadData as bad:
        return list(bad.faults), ()


def _clients(settings: Settings) -> list[DataFault]:
    try:
        _ = trust.load(settings.clients) if settings.clients else ()
    except BadData as bad:
        return list(bad.faults)
    return []


def fixture_faults(path: Path) -> list[DataFault]:
    """What keeps a fixture from being JSON, valid FHIR R4, or readable by us."""
    text = path.read_text(encoding="utf-8")
    try:
        bundle = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        return [DataFault(str(path), fault.lineno, f"not JSON: {fault.msg}")]
    try:
        Bundle.model_validate(bundle)
    except ValidationError as invalid:
        return [DataFault(str(path), _line(text, bundle, e["loc"]), f"not valid FHIR R4: {_place(e['loc'])}: {e['msg']}") for e in invalid.errors()]
    try:
        from_bundle(bundle)
    except BadInput as fault:
        return [DataFault(str(path), 0, str(fault))]
    return []


def _place(where: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in where) or "Bundle"


def _line(text: str, bundle: object, where: tuple[int | str, ...]) -> int:
    """The line on which the resource at fault has its id: JSON keeps no positions of its own."""
    match bundle, where:
        case {"entry": list(entries)}, ("entry", int(number), *_) if number < len(entries):
            entry = entries[number]
            resource = entry.get("resource") if isinstance(entry, dict) else None
            name = resource.get("id") if isinstance(resource, dict) else None
            at = text.find(f'"id": "{name}"')
            return text.count("\n", 0, at) + 1 if at >= 0 else 0
    return 0
