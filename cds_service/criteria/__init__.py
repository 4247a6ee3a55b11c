"""criteria/NCT….yaml → trials, strictly. Knows YAML and the schema; no patient, no FHIR.

Start-up walks criteria/schema.json itself; `thorough` also puts every file to jsonschema, whose
import alone costs more than reading all trials.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from cds_service.criteria.trial import read_trial
from cds_service.errors import BadData, DataFault
from cds_service.model.trials import Trial
from cds_service.model.vocabulary import Vocabulary
from cds_service.yaml_lines import Node, Text, read

__all__ = ["load", "schema"]

_SHARED = "write shared pieces under 'define' and name them with 'ref'"


def load(directory: Path, vocabulary: Vocabulary, *, thorough: bool = False) -> tuple[Trial, ...]:
    """All trials of a directory, by NCT number. Raises BadData with every fault of every file."""
    trials: list[Trial] = []
    faults: list[DataFault] = []
    paths = sorted(path for path in directory.glob("*") if path.suffix in (".yaml", ".yml"))
    if not paths:
        faults.append(DataFault(str(directory), 0, "no criteria here; a trial is a file named NCT and eight digits, .yaml"))
    mapped = _mapped(vocabulary)
    for path in paths:
        if not re.fullmatch(r"NCT\d{8}\.yaml", path.name):
            faults.append(DataFault(str(path), 0, "would not be read; name it NCT and eight digits, .yaml, or move it away"))
            continue
        tree, found = read(str(path), path.read_bytes(), _SHARED)
        if tree is not None and not found:
            trial, found = read_trial(str(path), tree, schema(), vocabulary, mapped)
            if thorough:
                found = found or _by_the_book(str(path), tree)
            if trial is not None and not found:
                trials.append(replace(trial, version=hashlib.sha256(path.read_bytes()).hexdigest()[:12]))
        faults.extend(found)
    if faults:
        raise BadData(faults)
    return tuple(trials)


@cache
def schema() -> Mapping[str, Any]:
    """The schema that came with this version: beside the package in a checkout, inside it when installed."""
    here = Path(__file__).resolve().parents[1]
    for path in (here / "data" / "criteria" / "schema.json", here.parent / "criteria" / "schema.json"):
        if path.is_file():
            found: Mapping[str, Any] = json.loads(path.read_bytes())
            return found
    raise BadData([DataFault("criteria/schema.json", 0, "missing; install the package again")])


def _mapped(vocabulary: Vocabulary) -> frozenset[str]:
    """Concepts that a code or a synonym names: the others can never be found in a record."""
    exact = {entry.concept for entries in vocabulary.exact.values() for entry in entries}
    prefixed = {entry.concept for table in vocabulary.prefixes.values() for entries in table.values() for entry in entries}
    return frozenset(exact | prefixed | set(vocabulary.synonyms.values()))


def _by_the_book(path: str, tree: Node) -> list[DataFault]:
    from jsonschema import Draft202012Validator  # slow to import, and start-up has no need of it

    return [
        DataFault(path, _line(tree, list(error.absolute_path)), f"does not fit criteria/schema.json: {error.message}")
        for error in Draft202012Validator(dict(schema())).iter_errors(tree)
    ]


def _line(tree: Node, steps: list[str | int]) -> int:
    node = tree
    for step in steps:
        if not isinstance(node, Text):
            node = node[step]  # type: ignore[index]  # a step is a key of a mapping or a place in a list, as the schema walk made it
    return node.line
