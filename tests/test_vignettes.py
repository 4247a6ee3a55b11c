"""Each vignette two ways that must agree: words → facts → evaluator, and words → FHIR → hook call → answer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask.testing import FlaskClient
from patients import facts, fhir, words
from patients.codings import Codings
from patients.words import BadVignette, Vignette

from cds_service import pipeline
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.model.outcomes import Assessment, Outcome
from cds_service.pipeline import Rules

VIGNETTES = words.load(Path(__file__).parent / "vignettes")
Said = dict[str, dict[str, str]]  #: cohort -> criterion or `status` -> outcome, with its reason or basis


class House(NamedTuple):
    """The rules and the application, made once: they are the same for every vignette."""

    rules: Rules
    codings: Codings
    client: FlaskClient


@pytest.fixture(scope="session")
def house() -> House:
    settings = Settings.from_environment({}, sandbox=True)
    rules = pipeline.load_rules(settings)
    app = create_app(rules, settings)
    return House(rules, Codings(rules.vocabulary), app.test_client())


def named(vignette: Vignette) -> str:
    return vignette.name


@pytest.mark.parametrize("vignette", VIGNETTES, ids=named)
def test_words_to_facts_to_outcomes(vignette: Vignette, house: House) -> None:
    assessed = by_facts(vignette, house)
    found = {cohort: spoken(a) for cohort, a in assessed.items()}
    failures = []
    for cohort, expected in vignette.expect.items():
        assert cohort in assessed, f"{vignette.name}: no cohort '{cohort}'; there are {', '.join(assessed)}"
        for key, wanted in expected.items():
            assert key in found[cohort], f"{vignette.name}: {cohort} has no criterion '{key}'"
            got = found[cohort][key]
            if not fits(wanted, got):
                failures.append(f"{vignette.name} · {key} · expected {wanted} · got {got}{because(assessed[cohort], key)}")
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("vignette", VIGNETTES, ids=named)
def test_words_to_fhir_to_http_says_the_same(vignette: Vignette, house: House) -> None:
    expected = {cohort: spoken(a) for cohort, a in by_facts(vignette, house).items()}
    got, evidence = by_http(vignette, house)
    assert got.keys() == expected.keys()
    failures = [
        f"{vignette.name} · {cohort} · {key} · from facts {wanted} · by HTTP {got[cohort].get(key)}{evidence.get((cohort, key), '')}"
        for cohort, said in expected.items()
        for key, wanted in said.items()
        if got[cohort].get(key) != wanted
    ]
    assert not failures, "\n".join(failures)


def by_facts(vignette: Vignette, house: House) -> dict[str, Assessment]:
    known = facts.build(vignette.patient, house.codings, vignette.as_of)
    return {f"{a.trial.id}/{a.cohort.id}": a for a in house.rules.evaluator.assess(known)}


def by_http(vignette: Vignette, house: House) -> tuple[Said, dict[tuple[str, str], str]]:
    body = fhir.request(vignette.patient, house.codings, vignette.as_of, house.rules.templates)
    answer = house.client.post("/cds-services/cell-therapy-trials", json=body)
    assert answer.status_code == 200, f"{vignette.name}: {answer.status_code} {answer.get_data(as_text=True)[:300]}"
    whole = answer.get_json()["extension"]["org.cds-service.assessment"]
    unread = [f for f in whole.get("faults", ()) if not f["why"].startswith("no mapping")]
    assert not unread or vignette.patient.lists, f"{vignette.name}: {unread}"
    found: Said = {}
    evidence: dict[tuple[str, str], str] = {}
    for cohort in whole["assessments"]:
        name = f"{cohort['trial']}/{cohort['cohort']}"
        found[name] = {"status": cohort["status"]}
        for criterion in cohort["criteria"]:
            found[name][criterion["id"]] = _joined(criterion["outcome"], criterion.get("reason"), criterion.get("basis"))
            evidence[name, criterion["id"]] = _because((e["value"], e.get("date", ""), e["reference"]) for e in criterion.get("evidence", ()))
    return found, evidence


def spoken(assessment: Assessment) -> dict[str, str]:
    found = {o.criterion.id: _joined(o.outcome, o.finding.reason, o.finding.basis) for o in assessment.outcomes}
    return {"status": assessment.status} | found


def _joined(outcome: str, reason: str | None, basis: str | None) -> str:
    """`unknown/stale`, `met/no-record`, `manual`."""
    more = {"unknown": reason, "met": basis, "not-met": basis}.get(outcome)
    return f"{outcome}/{more}" if more else outcome


def fits(wanted: str, got: str) -> bool:
    """`met` is any met; `met/computed` is that one alone."""
    return got == wanted or ("/" not in wanted and got.split("/")[0] == wanted)


def because(assessment: Assessment, key: str) -> str:
    if key == "status":
        counted = Counter(o.outcome for o in assessment.outcomes)
        open_ = [f"{o.criterion.id} {o.outcome}" for o in assessment.outcomes if o.outcome in ("not-met", "unknown")]
        return f" · because {dict(counted)}: {', '.join(open_)}"
    outcome: Outcome = next(o for o in assessment.outcomes if o.criterion.id == key)
    return _because((e.value, e.date, e.reference) for e in outcome.finding.evidence)


def _because(evidence: Any) -> str:
    shown = "; ".join(f"{value} on {date or 'no day'} [{reference}]" for value, date, reference in evidence)
    return f" · because {shown}" if shown else " · because nothing is on record"


# --- the vignettes themselves -------------------------------------------------------------------------------


def test_every_name_is_one_sentence_of_its_own() -> None:
    counted = Counter(v.name for v in VIGNETTES)
    assert [name for name, count in counted.items() if count > 1] == []
    assert [
        name for name in counted if len(name) > 140 or name.endswith(".") or not (name[0].isupper() or name.startswith("eGFR")) or " " not in name
    ] == []


def test_every_record_is_valid_fhir(house: House) -> None:
    """The second way is worth something only if its FHIR is what an EHR could send."""
    from fhir.resources.R4B import get_fhir_model_class

    seen: set[str] = set()
    for vignette in VIGNETTES:
        for entry in fhir.bundle(vignette.patient, house.codings, vignette.as_of)["entry"]:
            resource = entry["resource"]
            shape = repr(sorted((k, v) for k, v in resource.items() if k != "id"))
            if shape not in seen:
                seen.add(shape)
                get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    assert len(seen) > 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vignettes: [{name: One, patinet: x, expect: {a: met}}]", "unknown word 'patinet'"),
        ("vignettes: [{name: One, patient: x, expect: {a: met}}]", "no patient 'x'"),
        ("vignettes: [{name: One}]", "expects nothing"),
        ("vignettes: [{name: One, with: {conditions: [{x: activ}]}, expect: {a: met}}]", "cannot be 'activ'"),
        ("vignettes: [{name: One, with: {observations: [{x: 1, units: g}]}, expect: {a: met}}]", "unknown word 'units'"),
        ("vignettes: [{name: One, without: [x], expect: {a: met}}]", "takes out nothing"),
        ("vignettes: [{name: One, name: Two, expect: {a: met}}]", "'name' stands twice"),
    ],
)
def test_a_slip_in_a_vignette_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadVignette, match=message):
        words.read(text)
