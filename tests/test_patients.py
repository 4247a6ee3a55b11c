"""The second way of a vignette must say what the first says, word by word: doses, stages, names without a code, look-alikes."""

from __future__ import annotations

import pytest
from patients import facts, fhir, words
from patients.codings import Codings
from patients.words import BadVignette

from cds_service import mappings
from cds_service.config import Settings
from cds_service.fetch import from_bundle
from cds_service.model.facts import Facts
from cds_service.normalise import normalise


@pytest.fixture(scope="module")
def codings() -> Codings:
    return Codings(mappings.load(Settings.from_environment({}).mappings_dir))


def both(entries: str, codings: Codings) -> tuple[Facts, Facts]:
    """One patient of 46 in words, as facts and by FHIR."""
    (vignette,) = words.read(f"vignettes: [{{name: One, with: {{{entries}}}, expect: {{a: met}}}}]")
    bundle = fhir.bundle(vignette.patient, codings, vignette.as_of)
    return facts.build(vignette.patient, codings, vignette.as_of), normalise(from_bundle(bundle), codings.vocabulary, vignette.as_of)


@pytest.mark.parametrize(
    ("entry", "dose"),
    [
        ("{prednisone: prescribed, mg: 72, from: 2026-01-10, to: 2026-06-10}", 72.0),
        ("{prednisone: prescribed, mg: 7.5, from: 2026-01-10}", 7.5),
        ("{prednisone: stated, mg: 40, from: 2026-01-10, to: 2026-06-10}", 40.0),
        ("{prednisone: dispensed, mg: 5, from: 2026-01-10, to: 2026-02-10}", 5.0),
        ("{prednisone: given, mg: 500, from: 2026-01-10}", None),
        ("{prednisone: prescribed, from: 2026-01-10, to: 2026-06-10}", None),
    ],
)
def test_a_dose_in_words_is_that_dose_a_day(entry: str, dose: float | None, codings: Codings) -> None:
    for known in both(f"therapies: [{entry}]", codings):
        (exposure,) = known.exposures["prednisone"]
        assert exposure.mg_per_day == dose


def test_a_dose_leaves_the_span_of_the_order_alone(codings: Codings) -> None:
    with_dose, without = (both(f"therapies: [{{prednisone: prescribed, {mg}from: 2026-01-10, to: 2026-06-10}}]", codings) for mg in ("mg: 72, ", ""))
    spans = {(e.start_first, e.end_last, e.ongoing) for known in (*with_dose, *without) for e in known.exposures["prednisone"]}
    assert len(spans) == 1


def test_a_stage_in_words_is_a_class_of_lupus_nephritis(codings: Codings) -> None:
    for known in both("conditions: [{lupus_nephritis: active, stage: III+V}]", codings):
        assert [row.code for row in known.observations["isn_rps_class"]] == ["III+V"]


@pytest.mark.parametrize("state", ["{lupus_nephritis: resolved, stage: IV}", "{lupus_nephritis: active, verification: provisional, stage: IV}"])
def test_the_stage_of_a_past_or_unsure_diagnosis_is_none(state: str, codings: Codings) -> None:
    for known in both(f"conditions: [{state}]", codings):
        assert "isn_rps_class" not in known.observations


@pytest.mark.parametrize(("text", "counted"), [("BVAS v3", True), ("BVAS/WG", False), ("vasculitis damage index", False)])
def test_a_score_known_by_name_alone_counts_under_its_own_names(text: str, counted: bool, codings: Codings) -> None:
    for known in both(f"observations: [{{bvas: 18, text: {text}}}]", codings):
        assert [row.low for row in known.observations.get("bvas", ())] == ([18.0] if counted else [])


def test_a_look_alike_is_on_record_and_says_nothing(codings: Codings) -> None:
    from_words, by_fhir = both("observations: [{mpo_anca: positive, lookalike: loinc 17351-8}]", codings)
    assert not from_words.observations and not by_fhir.observations
    assert [(u.code, u.count) for u in by_fhir.unmapped] == [("17351-8", 1)]


def test_a_code_that_stands_for_the_concept_is_no_look_alike(codings: Codings) -> None:
    with pytest.raises(LookupError, match=r"46266-3 is no look-alike of 'mpo_anca'"):
        both("observations: [{mpo_anca: positive, lookalike: loinc 46266-3}]", codings)


def test_a_creatinine_with_a_weight_gives_a_clearance(codings: Codings) -> None:
    from_words, by_fhir = both("observations: [{serum_creatinine: 1.3}, {body_weight: 60}]", codings)
    (ours,), (theirs,) = from_words.observations["creatinine_clearance"], by_fhir.observations["creatinine_clearance"]
    assert (ours.low, ours.formula, ours.computed) == (theirs.low, theirs.formula, theirs.computed)
    for known in both("observations: [{serum_creatinine: 1.3}, {body_weight: 60, date: 2026-04-01}]", codings):
        assert "creatinine_clearance" not in known.observations


def test_a_dose_stands_only_beside_a_drug() -> None:
    with pytest.raises(BadVignette, match="unknown word 'mg'"):
        words.read("vignettes: [{name: One, with: {observations: [{bvas: 18, mg: 5}]}, expect: {a: met}}]")
