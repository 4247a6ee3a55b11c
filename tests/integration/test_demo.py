"""The demo's own judgement: which samples it reads, which it passes over, and what makes it fail. Without servers."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cds_service import pipeline
from cds_service.config import Settings, shipped
from cds_service.demo import samples as demo_samples
from cds_service.demo.samples import Row, Sample, has_cause, samples, target_diseases
from cds_service.demo.show import Screen
from cds_service.demo.story import AS_OF, show_samples
from cds_service.model.cards import Card
from cds_service.model.outcomes import Answer

DAY = date.fromisoformat(AS_OF).toordinal()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Somebody for whom a trial may fit, somebody with another disease (gzipped), a file that is no Bundle, one that is not looked at."""
    shutil.copy(shipped("fixtures") / "rmn-possible.json", tmp_path / "a.json")
    (tmp_path / "b.json.gz").write_bytes(gzip.compress((shipped("fixtures") / "other-disease.json").read_bytes()))
    (tmp_path / "c.json").write_text('{"resourceType": "Patient"}', encoding="utf-8")
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    return tmp_path


@pytest.fixture
def settings(folder: Path) -> Settings:
    return Settings.from_environment({"CDS_SAMPLES": str(folder)})


@pytest.fixture
def screen(capsys: pytest.CaptureFixture[str]) -> Screen:
    return Screen()


def test_each_bundle_is_evaluated_and_what_is_none_is_passed_over(folder: Path, settings: Settings) -> None:
    first, second, third = samples(folder, settings, DAY)
    assert first.row is not None and first.row.cards == 2 and first.diseased and not first.fault
    assert first.row.statuses["NCT07266181/rmn"] == "possible"
    assert second.row is not None and second.row.cards == 0 and not second.diseased and set(second.row.statuses.values()) == {"not-applicable"}
    assert third.row is None and third.unread and not third.fault


def test_the_table_shows_every_sample_and_the_demo_succeeds(settings: Settings, screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_samples(settings, screen)
    said = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith(("a.json", "b.json.gz"))}
    assert rows["a.json"].count("poss.") == 2 and rows["a.json"][-1] == "2"
    assert set(rows["b.json.gz"]) == {"·"}
    assert "c.json: " in said and "notes.txt" not in said
    assert "3 samples, 2 read, 1 of them without a disease of any trial; no crash and no card without cause." in said


def test_without_a_folder_of_its_own_there_are_no_samples(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_samples(Settings.from_environment({}), screen)
    assert capsys.readouterr().out == ""


def test_a_crash_is_named_without_patient_data_and_fails_the_demo(
    settings: Settings, screen: Screen, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*_: object) -> Answer:
        raise ZeroDivisionError("Fixture-Possible")

    monkeypatch.setattr(pipeline, "explained", crash)
    assert not show_samples(settings, screen)
    said = capsys.readouterr().out
    assert "ZeroDivisionError" in said and "Fixture-Possible" not in said and "trouble with a.json, b.json.gz." in said


def test_a_card_for_somebody_with_no_disease_of_a_trial_fails_the_demo(
    folder: Path, settings: Settings, screen: Screen, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_samples, "target_diseases", lambda _: frozenset({"a-disease-nobody-has"}))
    found = {sample.name: sample.fault for sample in samples(folder, settings, DAY)}
    assert found == {"a.json": "a card, and no disease of a trial on record", "b.json.gz": "", "c.json": ""}
    assert not show_samples(settings, screen)
    assert "trouble with a.json." in capsys.readouterr().out


def made_card(rules: pipeline.Rules) -> Card:
    from cds_service import cards
    from cds_service.batch import read
    from cds_service.fetch import from_bundle

    answer = pipeline.assess(from_bundle(read(str(shipped("fixtures") / "rmn-possible.json"))), rules, DAY)
    return cards.compose(answer, 1, "", rules.orders, rules.names, rules.fresh, rules.costs)[0]


def test_a_card_has_a_cause_only_with_something_pivotal_in_a_recruiting_trial(settings: Settings) -> None:
    rules = pipeline.load_rules(settings)
    card = made_card(rules)
    (assessment,) = [a for a in card.assessments if a.status == "possible"]
    assert has_cause(card)
    bare = replace(assessment, outcomes=tuple(o for o in assessment.outcomes if not o.criterion.pivotal))
    closed = replace(assessment, trial=replace(assessment.trial, status="completed"))
    for without in (bare, closed, replace(assessment, status="excluded")):
        assert not has_cause(replace(card, assessments=(without,)))


def test_the_diseases_of_the_trials_are_those_that_open_a_group_or_raise_its_question(settings: Settings) -> None:
    found = target_diseases(pipeline.load_rules(settings).trials)
    assert {"mn_any", "igan", "aav_any", "sle", "lupus_nephritis", "ssc", "sjogren", "pah_group1", "ph_any_or_unspecified"} <= found
    assert found.isdisjoint({"drug_induced_lupus", "isn_rps_class", "mpap"})


def test_a_table_without_anybody_is_no_fault(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    screen.samples("empty", [Sample("x.json", unread="not JSON")])
    screen.table("All", "patients", [Row("somebody", {"NCT07266181/rmn": "candidate"}, 1)])
    said = capsys.readouterr().out
    assert "x.json: not JSON" in said and "cand." in said
