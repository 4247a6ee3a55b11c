"""Well-written criteria files: what each predicate becomes, and that the loader and its schema say the same."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cds_service import criteria, yaml_lines
from cds_service.criteria import parse, schema
from cds_service.errors import BadData
from cds_service.model import predicates
from cds_service.model.predicates import (
    Age,
    All,
    AtLeast,
    ConditionIs,
    Dose,
    Doubt,
    EventIs,
    Limit,
    Manual,
    Not,
    ObservationIs,
    Period,
    Persistent,
    Predicate,
    Relapse,
    Response,
    Sex,
    Therapy,
    Trend,
    Unless,
    Voided,
    When,
)
from cds_service.model.predicates import (
    Any as AnyOf,
)
from cds_service.model.trials import Interpretation, Site, Trial
from cds_service.model.vocabulary import Concept, Drug, DrugClass, Mapped, Vocabulary
from cds_service.shape import KEYWORDS, Shape
from cds_service.yaml_lines import Items, Table, read, text_at

ZOO = Path(__file__).parents[1] / "refused" / "criteria"

TRIAL = """id: NCT00000001
title: A made-up trial
product: CD19 CAR-T
status: active-not-recruiting
phase: phase 1
sponsor: A hospital
url: https://example.org/study/NCT00000001
topic: NCT00000001
sites: [{name: A hospital, city: Xi'an, country: China}]
contacts: [By post.]
last_update: 2026-01-31
verified_on: 2026-02-01
completion: 2027-07-31
outline: [Inclusion 1, Inclusion 1.1, Exclusion 1]
cohorts:
  - {id: pmn, disease: membranous nephropathy, short_disease: MN, gate: {condition: mn_any, status: gate}}
  - {id: ln, disease: lupus nephritis, short_disease: LN, gate: {event: proc_renal_biopsy}, yields_to: [pmn]}
define:
  adult: {age: {ge: 18}}
  treated: {therapy: rituximab}
criteria:
  - id: inc-one
    kind: inclusion
    ref: Inclusion 1 (age)
    label: Adult
    short: age
    topic: patient details
    pivotal: yes
    cohorts: [pmn]
    interpretation: {reading: r, why: w, alternatives: [a, b], decides: no, review: "nephrologist, 2026-03-01"}
    needs: {all: [{ref: adult}, {ref: treated}]}
  - {id: inc-two, kind: inclusion, ref: Inclusion 1.1, label: Consent, why_manual: No record., needs: {manual: Ask., see: [gilbert, rituximab]}}
  - {id: exc-one, kind: exclusion, ref: Exclusion 1, label: Not treated, needs: {ref: treated}}
"""


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    raw = json.loads((ZOO / "vocabulary.json").read_text(encoding="utf-8"))
    concepts = {name: Concept(name, kind, words, unit, molar_mass=mass) for name, kind, words, unit, mass in raw["concepts"]}
    drugs = {name: Drug(name, f"the drug {name}", prednisone) for name, prednisone in raw["drugs"].items()}
    classes = {name: DrugClass(name, f"the class {name}", frozenset(members)) for name, members in raw["classes"].items()}
    return Vocabulary(concepts, {("urn:codes", name): (Mapped(name, {}),) for name in concepts if name != "never_coded"}, {}, drugs, classes)


@pytest.fixture
def trial(tmp_path: Path, vocabulary: Vocabulary) -> Trial:
    (tmp_path / "NCT00000001.yaml").write_text(TRIAL, encoding="utf-8")
    return criteria.load(tmp_path, vocabulary, thorough=True)[0]


# --- one predicate at a time ----------------------------------------------------------------


def needs(tmp_path: Path, vocabulary: Vocabulary, text: str, kind: str = "inclusion") -> Predicate:
    extra = "why_manual: w, interpretation: {reading: r, why: w, alternatives: [], decides: no, review: unreviewed}," if "manual" in text else ""
    if "ambiguous" in text:
        extra += " interpretation: {reading: r, why: w, alternatives: [], decides: no, review: unreviewed},"
    head = TRIAL.split("outline:", 1)[0] + (
        "outline: [X]\ncohorts:\n  - {id: pmn, disease: d, short_disease: d, gate: {condition: mn_any}}\ncriteria:\n"
        f"  - {{id: {kind[:3]}-one, kind: {kind}, ref: X, label: l, {extra} needs: {text}}}\n"
    )
    (tmp_path / "NCT00000001.yaml").write_text(head, encoding="utf-8")
    return criteria.load(tmp_path, vocabulary, thorough=True)[0].criteria[0].needs


G_D = "unit: g/d"
READ_AS: list[tuple[str, Predicate]] = [
    ("{age: {ge: 18, le: 70}}", Age(18, 70)),
    ("{age: {le: 70}}", Age(None, 70)),
    ("{sex: female}", Sex("female")),
    ("{condition: gilbert}", ConditionIs(("gilbert",))),
    ("{condition: fludarabine, status: ever, severe: yes}", ConditionIs(("fludarabine",), status="ever", severe=True)),
    (
        "{condition: [malignancy_any, gilbert], status: now, within: 1 year, lasting: yes, recorded: yes, reported: yes, "
        "but_not: [malignancy_exc_nmsc], "
        "maybe: [malignancy_history], mild: yes, closed_by: [delivery, pregnancy], closed_by_result: [hcg], absent: unknown}",
        ConditionIs(
            ("malignancy_any", "gilbert"),
            status="now",
            within=Period(1, "years"),
            lasting="yes",
            recorded=True,
            reported=True,
            but_not=("malignancy_exc_nmsc",),
            maybe=("malignancy_history",),
            mild=True,
            closed_by=("delivery", "pregnancy"),
            closed_by_result=("hcg",),
            absent="unknown",
        ),
    ),
    ("{observation: serum_albumin, lt: 25, unit: g/L}", ObservationIs(("serum_albumin",), (Limit("lt", 25),), "g/L")),
    ("{observation: alt, le: 2.5, times: uln}", ObservationIs(("alt",), (Limit("le", 2.5),), times=True)),
    ('{observation: ana_titre, titre: {ge: "1:80"}}', ObservationIs(("ana_titre",), (Limit("ge", 80),), titre=True)),
    ("{observation: hbsag, result: not-detected, fresh: no}", ObservationIs(("hbsag",), result="not-detected", fresh=False)),
    ("{observation: nyha_class, codes: [I, II]}", ObservationIs(("nyha_class",), codes=("I", "II"))),
    ("{observation: sledai_2k, ge: 8, pick: worst}", ObservationIs(("sledai_2k",), (Limit("ge", 8),), "{score}", pick="worst")),
    ("{observation: spo2, gt: 92, unit: '%', room_air: yes}", ObservationIs(("spo2",), (Limit("gt", 92),), "%", room_air=True)),
    (
        '{observation: egfr, ge: 60, lt: 90, unit: "mL/min/{1.73_m2}", formula: ckd-epi, within: 2 weeks}',
        ObservationIs(("egfr",), (Limit("ge", 60), Limit("lt", 90)), "mL/min/{1.73_m2}", formula="ckd-epi", within=Period(2, "weeks")),
    ),
    (
        "{observation: neutrophils, ge: 1, unit: 10*9/L, void_if: {therapy: [g_csf], within: 14 days}, see: [hemoglobin]}",
        ObservationIs(("neutrophils",), (Limit("ge", 1),), "10*9/L", void_if=Voided(("g_csf",), Period(14, "days")), see=("hemoglobin",)),
    ),
    (
        f"{{observation: urine_protein_24h, gt: 8, {G_D}, persistent: {{readings: 2, over: 6 months}}}}",
        ObservationIs(("urine_protein_24h",), (Limit("gt", 8),), "g/d", persistent=Persistent(2, over=Period(6, "months"))),
    ),
    (
        "{observation: hbsag, result: positive, persistent: {readings: 3, apart: 3 months}}",
        ObservationIs(("hbsag",), result="positive", persistent=Persistent(3, apart=Period(3, "months"))),
    ),
    (
        "{observation: hcg, result: negative, absent: manual, ask: Arrange hCG.}",
        ObservationIs(("hcg",), result="negative", absent="manual", ask="Arrange hCG."),
    ),
    ("{trend: egfr, fall: {ge: 50}, from: highest, over: 3 months}", Trend("egfr", "fall", Limit("ge", 50), "highest", Period(3, "months"))),
    ("{trend: upcr, rise: {ge: 200}, from: peak}", Trend("upcr", "rise", Limit("ge", 200), "peak")),
    ("{therapy: rituximab}", Therapy(("rituximab",))),
    ("{therapy: [rituximab, ras_inhibitor], when: current, distinct: 2}", Therapy(("rituximab", "ras_inhibitor"), distinct=2, when="current")),
    ("{therapy: rituximab, off_for: 1 week, absent: no}", Therapy(("rituximab",), off_for=Period(1, "weeks"), absent="no")),
    ("{therapy: glucocorticoid, stable_for: 4 weeks}", Therapy(("glucocorticoid",), stable_for=Period(4, "weeks"))),
    ("{therapy: rituximab, within: 24 weeks}", Therapy(("rituximab",), within=Period(24, "weeks"))),
    (
        "{therapy: {all_of: [glucocorticoid, cyclophosphamide], longer_than: 3 months}, dose: {gt: 1, unit: mg/kg/d}}",
        Therapy(all_of=("glucocorticoid", "cyclophosphamide"), duration=Period(3, "months"), strict=True, dose=Dose(Limit("gt", 1), "mg/kg/d")),
    ),
    (
        "{therapy: {regimens: [{any_of: [rituximab], for: 6 months}, {all_of: [glucocorticoid, cyclophosphamide]}]}}",
        Therapy(regimens=(Therapy(("rituximab",), duration=Period(6, "months")), Therapy(all_of=("glucocorticoid", "cyclophosphamide")))),
    ),
    (
        "{response: {therapy: {any_of: [ras_inhibitor], for: 6 months}, shows: {trend: urine_protein_24h, fall: {le: 50}, from: baseline}}}",
        Response(Therapy(("ras_inhibitor",), duration=Period(6, "months")), Trend("urine_protein_24h", "fall", Limit("le", 50), "baseline")),
    ),
    (
        "{response: {therapy: rituximab, for: 1 month, shows: {condition: gilbert}}}",
        Response(Therapy(("rituximab",), duration=Period(1, "months")), ConditionIs(("gilbert",))),
    ),
    (
        f"{{response: {{therapy: rituximab, shows: "
        f"{{relapse: urine_protein_24h, complete_below: 0.3, partial_below: 3.5, fall: 50, then: {{ge: 3.5}}, {G_D}}}}}}}",
        Response(Therapy(("rituximab",)), Relapse("urine_protein_24h", 0.3, 3.5, 50, Limit("ge", 3.5), "g/d")),
    ),
    (
        "{event: [vaccine_live, gilbert], within: 4 weeks, maybe: [delivery], planned: yes}",
        EventIs(("vaccine_live", "gilbert"), Period(4, "weeks"), ("delivery",), planned=True),
    ),
    ("{all: [{sex: female}, {sex: male}]}", All((Sex("female"), Sex("male")))),
    ("{any: [{sex: female}, {sex: male}]}", AnyOf((Sex("female"), Sex("male")))),
    ("{at_least: {count: 1, of: [{sex: female}, {sex: male}]}}", AtLeast(1, (Sex("female"), Sex("male")))),
    ("{not: {sex: female}}", Not(Sex("female"))),
    ("{when: {if: {sex: female}, then: {age: {ge: 12}}}}", When(Sex("female"), Age(12))),
    ("{all: [{when: {if: {sex: female}, then: {age: {ge: 12}}}}]}", All((When(Sex("female"), Age(12)),))),
    ("{unless: {needs: {sex: female}, excuse: {sex: male}, then: unknown}}", Unless(Sex("female"), Sex("male"), "unknown")),
    ("{judgement: {sex: female}}", Doubt(Sex("female"), "needs-judgement")),
    ("{ambiguous: {sex: female}}", Doubt(Sex("female"), "ambiguous-record")),
]


@pytest.mark.parametrize(("text", "node"), READ_AS, ids=[text for text, _ in READ_AS])
def test_what_is_written_is_what_is_read(text: str, node: Predicate, tmp_path: Path, vocabulary: Vocabulary) -> None:
    assert needs(tmp_path, vocabulary, text) == node


def test_a_person_may_be_asked(trial: Trial) -> None:
    assert trial.criteria[1].needs == Manual("Ask.", ("gilbert", "rituximab"))
    assert trial.criteria[1].why_manual == "No record."


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{observation: urine_protein_24h, gt: 300, unit: mg/d}", 0.3),
        ("{observation: upcr, ge: 0.5, unit: g/g}", 500),
        ("{observation: hemoglobin, lt: 8, unit: g/dL}", 80),
        ("{observation: serum_creatinine, le: 113.12, unit: umol/L}", 1.27961344),
    ],
)
def test_limits_are_kept_in_the_unit_of_the_concept(text: str, value: float, tmp_path: Path, vocabulary: Vocabulary) -> None:
    found = needs(tmp_path, vocabulary, text)
    assert isinstance(found, ObservationIs)
    assert found.limits[0].value == pytest.approx(value, rel=1e-6)
    assert found.unit == vocabulary.concepts[found.concepts[0]].unit


def test_a_converted_limit_has_no_dust() -> None:
    """0.3 g is 300 mg, not 299.99999999999994."""
    from decimal import Decimal

    names = criteria.trial.Names("x", Vocabulary({}, {}, {}))
    assert names.limits(Table({"lt": text_at("0.3", 1)}), Decimal("1000.0")) == (Limit("lt", 300.0),)


# --- what nothing on record means -----------------------------------------------------------


@pytest.mark.parametrize("leaf", ["{therapy: rituximab}", "{event: vaccine_live}"])
@pytest.mark.parametrize(
    ("kind", "wrapped", "absent"),
    [
        ("inclusion", "LEAF", "unknown"),
        ("exclusion", "LEAF", "no"),
        ("inclusion", "{not: LEAF}", "unknown"),
        ("inclusion", "{when: {if: LEAF, then: {sex: female}}}", "no"),
        ("inclusion", "{when: {if: {sex: female}, then: LEAF}}", "unknown"),
        ("inclusion", "{unless: {needs: {sex: female}, excuse: LEAF, then: met}}", "no"),
        ("inclusion", "{unless: {needs: LEAF, excuse: {sex: female}, then: met}}", "unknown"),
        ("inclusion", "{unless: {needs: {sex: female}, excuse: {any: [LEAF]}, then: met}}", "no"),
    ],
)
def test_absence_of_treatment_counts_only_where_an_inclusion_demands_it(
    leaf: str, kind: str, wrapped: str, absent: str, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    found = needs(tmp_path, vocabulary, wrapped.replace("LEAF", leaf), kind)
    (node,) = (part for part in parse.leaves_of(found) if isinstance(part, Therapy | EventIs))
    assert node.absent == absent


def test_absence_can_be_written_out(tmp_path: Path, vocabulary: Vocabulary) -> None:
    assert needs(tmp_path, vocabulary, "{event: vaccine_live, absent: unknown}", "exclusion") == EventIs(("vaccine_live",), absent="unknown")


def test_a_shared_piece_means_what_it_would_mean_in_its_place(trial: Trial) -> None:
    wanted, unwanted = trial.criteria[0].needs, trial.criteria[2].needs
    assert wanted == All((Age(18), Therapy(("rituximab",), absent="unknown")))
    assert unwanted == Therapy(("rituximab",), absent="no")


# --- the file -------------------------------------------------------------------------------


def test_a_trial_carries_what_the_file_says(trial: Trial, tmp_path: Path) -> None:
    assert (trial.id, trial.registry, trial.recruiting) == ("NCT00000001", "ClinicalTrials.gov", False)
    assert (trial.last_update, trial.verified_on, trial.completion) == (date(2026, 1, 31), date(2026, 2, 1), date(2027, 7, 31))
    assert trial.sites == (Site("A hospital", "Xi'an", "China"),)
    assert trial.contacts == ("By post.",)
    assert trial.outline == ("Inclusion 1", "Inclusion 1.1", "Exclusion 1")
    assert [cohort.id for cohort in trial.cohorts] == ["pmn", "ln"]
    assert trial.cohorts[0].gate == ConditionIs(("mn_any",), status="gate")
    assert trial.cohorts[1].gate == EventIs(("proc_renal_biopsy",), absent="no")
    assert trial.cohorts[1].yields_to == ("pmn",)
    assert trial.path == str(tmp_path / "NCT00000001.yaml")


def test_a_criterion_carries_what_the_file_says(trial: Trial) -> None:
    one = trial.criteria[0]
    assert (one.id, one.kind, one.ref, one.label, one.short) == ("inc-one", "inclusion", "Inclusion 1 (age)", "Adult", "age")
    assert (one.topic, one.pivotal, one.cohorts) == ("patient details", True, ("pmn",))
    assert one.interpretation == Interpretation("r", "w", ("a", "b"), False, "nephrologist, 2026-03-01")
    assert TRIAL.splitlines()[one.line - 1] == "  - id: inc-one"
    assert not trial.criteria[1].pivotal


def test_labels_name_every_concept_drug_and_class_used(trial: Trial) -> None:
    assert trial.labels == {
        "gilbert": "Gilbert syndrome",
        "mn_any": "membranous nephropathy",
        "proc_renal_biopsy": "kidney biopsy",
        "rituximab": "the drug rituximab",
    }


def test_trials_come_by_their_number(tmp_path: Path, vocabulary: Vocabulary) -> None:
    for number in ("NCT00000003", "NCT00000001", "NCT00000002"):
        (tmp_path / f"{number}.yaml").write_text(TRIAL.replace("id: NCT00000001", f"id: {number}", 1), encoding="utf-8")
    (tmp_path / "schema.json").write_text("{}")
    assert [trial.id for trial in criteria.load(tmp_path, vocabulary)] == ["NCT00000001", "NCT00000002", "NCT00000003"]


def test_a_byte_order_mark_does_no_harm(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "NCT00000001.yaml").write_bytes(b"\xef\xbb\xbf" + TRIAL.encode())
    assert len(criteria.load(tmp_path, vocabulary)) == 1


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path, vocabulary: Vocabulary) -> None:
    (tmp_path / "NCT00000001.yaml").write_text(TRIAL.replace("pivotal: yes", "pivotal: true").replace("2026-02-01", "2026-02-30"), encoding="utf-8")
    (tmp_path / "NCT00000002.yaml").write_bytes(b"id: NCT00000002\ntitle: caf\xe9\n")
    (tmp_path / "NCT00000003.yml").write_text("", encoding="utf-8")
    (tmp_path / "notes.yaml").write_text("", encoding="utf-8")
    with pytest.raises(BadData) as refused:
        criteria.load(tmp_path, vocabulary)
    assert [(Path(fault.path).name, fault.line, fault.message.split(";")[0]) for fault in refused.value.faults] == [
        ("NCT00000001.yaml", 12, "there is no day 2026-02-30"),
        ("NCT00000001.yaml", 28, "'pivotal' is 'true'"),
        ("NCT00000002.yaml", 2, "not UTF-8"),
        ("NCT00000003.yml", 0, "would not be read"),
        ("notes.yaml", 0, "would not be read"),
    ]


def test_a_directory_without_criteria_is_refused(tmp_path: Path, vocabulary: Vocabulary) -> None:
    with pytest.raises(BadData, match="no criteria here"):
        criteria.load(tmp_path, vocabulary)


# --- loader and schema agree ----------------------------------------------------------------


def as_tree(text: str) -> Table:
    tree, faults = read("x.yaml", text.encode())
    assert isinstance(tree, Table)
    assert not faults
    return tree


def mutations(tree: Table) -> list[Table]:
    """The tree with each node in turn taken away, emptied, or replaced by each other kind of node."""
    found: list[Table] = []

    def visit(path: list[Any]) -> None:
        node: Any = tree
        for step in path:
            node = node[step]
        for step in node if isinstance(node, Table) else range(len(node)) if isinstance(node, Items) else ():
            for put in (None, text_at("?", 1), text_at("", 1), Items(), Table()):
                changed = copy.deepcopy(tree)
                target: Any = changed
                for above in path:
                    target = target[above]
                if put is None:
                    del target[step]
                else:
                    target[step] = put
                found.append(changed)
            visit([*path, step])

    visit([])
    return found


def agree(tree: Table, rule: Mapping[str, Any]) -> bool:
    shape = Shape(rule, "x")
    shape.check(tree)
    return bool(shape.faults) != Draft202012Validator(dict(rule)).is_valid(tree)


def test_our_reader_refuses_what_jsonschema_refuses() -> None:
    """Two readers of one schema: ours for its messages and its speed, jsonschema as the judge."""
    tree = as_tree(TRIAL)
    assert agree(tree, schema())
    assert [changed for changed in mutations(tree) if not agree(changed, schema())] == []


@pytest.mark.parametrize("text", [text for text, _ in READ_AS])
def test_our_reader_refuses_the_predicates_that_jsonschema_refuses(text: str) -> None:
    rule = {**schema()["$defs"]["predicate"], "$defs": schema()["$defs"]}
    assert [changed for changed in [as_tree(text), *mutations(as_tree(text))] if not agree(changed, rule)] == []


@pytest.mark.parametrize("path", [path for path in sorted(ZOO.glob("*.yaml")) if not path.stem.startswith("yaml-")], ids=lambda path: path.stem)
def test_our_reader_refuses_in_the_zoo_what_jsonschema_refuses(path: Path) -> None:
    assert agree(as_tree(path.read_text(encoding="utf-8")), schema())


def test_the_schema_uses_only_what_our_reader_understands() -> None:
    annotations = {"$schema", "$defs", "$comment", "title", "description", "patternErrorMessage", "errorMessage"}

    def visit(rule: Any) -> None:
        if isinstance(rule, dict):
            assert set(rule) <= KEYWORDS | annotations
            assert "pattern" not in rule or "patternErrorMessage" in rule
            for key, part in rule.items():
                for inner in part.values() if key in ("properties", "$defs") else part if isinstance(part, list) else [part]:
                    visit(inner)

    visit(dict(schema()))
    Draft202012Validator.check_schema(dict(schema()))


def test_every_field_of_the_schema_helps_an_editor() -> None:
    for name, rule in schema()["$defs"].items():
        for key, field in rule.get("properties", {}).items():
            described = field.get("description") or schema()["$defs"][field["$ref"].rpartition("/")[2]].get("description")
            assert described, f"{name}.{key}"


def test_checking_thoroughly_puts_every_file_to_jsonschema(tmp_path: Path, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    stricter = copy.deepcopy(dict(schema()))
    stricter["properties"]["sites"]["items"] = {"not": {}}  # a keyword that only jsonschema knows
    monkeypatch.setattr(criteria, "schema", lambda: stricter)
    (tmp_path / "NCT00000001.yaml").write_text(TRIAL, encoding="utf-8")
    assert criteria.load(tmp_path, vocabulary)
    with pytest.raises(BadData, match=r"NCT00000001.yaml:9: does not fit criteria/schema.json"):
        criteria.load(tmp_path, vocabulary, thorough=True)


def test_a_missing_schema_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with pytest.raises(BadData, match=r"criteria/schema\.json: missing"):
        schema.__wrapped__()


def test_starting_up_does_without_jsonschema() -> None:
    """Its import and its validation would cost more than all the rest of start-up."""
    code = "import sys, cds_service.criteria; sys.exit('jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ZOO.parents[2]).returncode == 0  # noqa: S603 - our own interpreter


def test_reading_falls_back_to_plain_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PyYAML built without libyaml reads the same, only slower."""
    import yaml

    fast = as_tree(TRIAL)
    monkeypatch.setattr(yaml_lines, "LOADER", yaml.BaseLoader)
    slow = as_tree(TRIAL)
    assert slow == fast
    assert (slow["criteria"].line, slow.lines["outline"]) == (fast["criteria"].line, fast.lines["outline"])


#: Each field of a predicate and how it is written; a field that is not here cannot be written at all.
WRITTEN = {
    Age: {"ge", "le"},
    Sex: {"sex"},
    ConditionIs: set("concepts status within lasting but_not maybe mild closed_by closed_by_result recorded reported severe absent".split()),
    Voided: {"drugs", "within"},
    Persistent: {"readings", "within", "over", "apart"},
    ObservationIs: set("concepts limits unit times titre result codes within fresh pick persistent formula room_air void_if absent ask see".split()),
    Trend: {"concept", "direction", "limit", "anchor", "over"},
    Relapse: {"concept", "complete", "partial", "fall", "then", "unit"},
    Dose: {"limit", "unit"},
    Therapy: set("any_of all_of regimens distinct duration strict dose when within stable_for off_for absent".split()),
    Response: {"therapy", "shows"},
    EventIs: {"concepts", "within", "maybe", "planned", "absent"},
    Manual: {"ask", "see"},
}


@pytest.mark.parametrize("node", WRITTEN, ids=lambda node: node.__name__)
def test_every_field_of_a_predicate_can_be_written(node: type[Any]) -> None:
    assert {field.name for field in dataclasses.fields(node)} == WRITTEN[node], (
        "add it to criteria/schema.json, criteria/leaves.py and docs/language.md"
    )


def test_every_predicate_has_a_written_form() -> None:
    written = {type(part) for _, node in READ_AS for part in parse.leaves_of(node)} | {Manual}
    assert written == set(predicates.Predicate.__args__)
