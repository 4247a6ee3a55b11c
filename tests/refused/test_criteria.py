"""The zoo of bad criteria: one file for each way to be wrong. Its first comment lines are the faults it must get, `# line: message`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cds_service import criteria
from cds_service.errors import BadData
from cds_service.model.vocabulary import Concept, Drug, DrugClass, Mapped, Vocabulary

HERE = Path(__file__).parent / "criteria"
ZOO = sorted(HERE.glob("*.yaml"))


def stub_vocabulary() -> Vocabulary:
    raw = json.loads((HERE / "vocabulary.json").read_text(encoding="utf-8"))
    concepts = {name: Concept(name, kind, words, unit, molar_mass=mass) for name, kind, words, unit, mass in raw["concepts"]}
    coded = {("urn:codes", name): (Mapped(name, {}),) for name in concepts if name != "never_coded"}
    drugs = {name: Drug(name, name, prednisone) for name, prednisone in raw["drugs"].items()}
    return Vocabulary(concepts, coded, {}, drugs, {name: DrugClass(name, name, frozenset(members)) for name, members in raw["classes"].items()})


def expected(path: Path) -> list[str]:
    """The comment lines at the head of the file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line[2:] for line in lines[: next((n for n, line in enumerate(lines) if not re.match(r"# \d+: ", line)), len(lines))]]


def faults_of(path: Path, directory: Path, *, thorough: bool) -> list[str]:
    (directory / "NCT00000001.yaml").write_bytes(path.read_bytes())
    with pytest.raises(BadData) as refused:
        criteria.load(directory, stub_vocabulary(), thorough=thorough)
    assert {fault.path for fault in refused.value.faults} == {str(directory / "NCT00000001.yaml")}
    return [f"{fault.line}: {fault.message}" for fault in refused.value.faults]


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_each_way_to_be_wrong_gets_its_message(path: Path, tmp_path: Path) -> None:
    assert faults_of(path, tmp_path, thorough=False) == expected(path)


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_a_message_is_one_line_that_says_how_to_mend_it(path: Path) -> None:
    assert expected(path), "the file says nothing of what it must get"
    for line in expected(path):
        assert len(line) < 260
        assert re.search(r"; |did you mean|give one of|must be|needs at least|give ge|the file is empty|a key must be text|use at most", line), line


def test_checking_thoroughly_tells_a_fault_once(tmp_path: Path) -> None:
    path = HERE / "trial-unknown-key.yaml"
    assert faults_of(path, tmp_path, thorough=True) == expected(path)


def test_the_zoo_is_still_there() -> None:
    assert len(ZOO) > 130
