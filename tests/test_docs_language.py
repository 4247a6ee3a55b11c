"""docs/language.md tells of every predicate and option, and its examples are read as they stand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cds_service import criteria
from cds_service.criteria import schema
from cds_service.model.vocabulary import Concept, Drug, DrugClass, Mapped, Vocabulary

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
HEADS = [choice["$ref"].rpartition("/")[2] for choice in schema()["$defs"]["predicate"]["oneOf"]]
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)

TRIAL = """id: NCT00000001
title: t
product: p
status: recruiting
phase: phase 1
sponsor: s
url: https://example.org/NCT00000001
topic: t
verified_on: 2026-02-01
outline: [Inclusion 1]
cohorts:
  - {id: ln, disease: d, short_disease: d, gate: {condition: lupus_nephritis}}
criteria:
  - id: inc-one
    kind: inclusion
    ref: Inclusion 1
    label: l
"""
BESIDE = {
    "manual": "    why_manual: w\n",
    "ambiguous": "    interpretation: {reading: r, why: w, alternatives: [], decides: no, review: unreviewed}\n",
}


def stub_vocabulary() -> Vocabulary:
    raw = json.loads((ROOT / "tests" / "refused" / "criteria" / "vocabulary.json").read_text(encoding="utf-8"))
    concepts = {name: Concept(name, kind, words, unit, molar_mass=mass) for name, kind, words, unit, mass in raw["concepts"]}
    drugs = {name: Drug(name, name, prednisone) for name, prednisone in raw["drugs"].items()}
    classes = {name: DrugClass(name, name, frozenset(members)) for name, members in raw["classes"].items()}
    return Vocabulary(concepts, {("urn:codes", name): (Mapped(name, {}),) for name in concepts}, {}, drugs, classes)


def properties(rule: object) -> set[str]:
    """Every key that may be written anywhere inside a rule of the schema."""
    found: set[str] = set()
    if isinstance(rule, dict):
        found.update(rule.get("properties", ()))
        for part in rule.values():
            found |= properties(part)
    elif isinstance(rule, list):
        for part in rule:
            found |= properties(part)
    return found


@pytest.mark.parametrize("head", HEADS)
def test_each_predicate_is_explained_with_an_example(head: str) -> None:
    assert f"### `{head}`" in PAGE or f"| `{head}` |" in PAGE
    assert any(re.search(rf"\b{head}:", example) for example in EXAMPLES) or (head == "ref" and "{ref: " in PAGE)


@pytest.mark.parametrize("option", sorted(set.union(*(properties(schema()["$defs"][head]) for head in [*HEADS, "regimen", "therapy_mapping"]))))
def test_each_option_is_explained(option: str) -> None:
    assert re.search(rf"`{option}(: [\w ]+)?`|[`{{ ]{option}: ", PAGE), f"docs/language.md does not tell of '{option}'"


def values(rule: object) -> set[str]:
    """Every word that an option may take."""
    if isinstance(rule, dict):
        return set(rule.get("enum", ())) | {value for part in rule.values() for value in values(part)}
    return {value for part in rule for value in values(part)} if isinstance(rule, list) else set()


@pytest.mark.parametrize("value", sorted({value for head in [*HEADS, "yesno"] for value in values(schema()["$defs"][head])}))
def test_each_word_that_an_option_takes_is_explained(value: str) -> None:
    assert re.search(rf"`([\w ]+: )?{re.escape(value)}`", PAGE), f"docs/language.md does not tell of '{value}'"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n", 1)[0].rstrip(":"))
def test_examples_are_read_as_they_stand(example: str, tmp_path: Path) -> None:
    head = example.split(":", 1)[0]
    needs = "    needs:\n" + "".join(f"      {line}\n" for line in example.splitlines())
    (tmp_path / "NCT00000001.yaml").write_text(TRIAL + BESIDE.get(head, "") + needs, encoding="utf-8")
    assert criteria.load(tmp_path, stub_vocabulary(), thorough=True)[0].criteria[0].needs


@pytest.mark.parametrize("key", sorted(schema()["$defs"]["criterion"]["properties"]))
def test_each_key_of_a_criterion_is_explained(key: str) -> None:
    assert f"`{key}`" in PAGE or f"`{key}:" in PAGE
