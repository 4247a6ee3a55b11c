"""The shipped tables: what they must and must not say, and a site's own tables beside them."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from cds_service import mappings
from cds_service.codes import ATC, CVX, ICD10, ICD10CM, ICD10PCS, LOINC, RXNORM, SCORES, SNOMED, lookup, plain_text
from cds_service.model.vocabulary import LISTS, Mapped, Vocabulary

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "mappings"
FILES = sorted(TABLES.glob("*.csv"))


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return mappings.load(TABLES)


def named(vocabulary: Vocabulary, system: str, code: str) -> set[str]:
    return {mapped.concept for mapped in lookup(vocabulary, system, code)}


def one(vocabulary: Vocabulary, system: str, code: str) -> Mapped:
    (mapped,) = lookup(vocabulary, system, code)
    return mapped


def table(name: str) -> list[dict[str, str]]:
    with (TABLES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_unit_and_factor_of_the_shipped_tables_holds_against_ucum() -> None:
    assert mappings.load(TABLES, thorough=True).concepts


def test_loading_leaves_the_slow_libraries_alone() -> None:
    code = "import sys, pathlib; from cds_service import mappings; mappings.load(pathlib.Path(sys.argv[1])); "
    code += "sys.exit(bool({'pint', 'ucumvert', 'pydantic', 'difflib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code, str(TABLES)], check=False).returncode == 0  # noqa: S603 - our own interpreter and text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rows_are_sorted_and_unique(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert rows == sorted(rows)
    assert len({tuple(row) for row in rows}) == len(rows)


def test_titles_that_may_not_be_shipped_are_absent() -> None:
    assert not [row for row in table("conditions") if row["system"] == ICD10 and row["display"]]
    assert "display" not in table("atc")[0]
    assert not [row for row in table("medications") if row["system"] == ATC]
    everything = [row for name in ("observations", "conditions", "procedures", "medications", "atc") for row in table(name)]
    assert not [row for row in everything if "cpt" in row["system"].lower() or "ama-assn" in row["system"]]
    assert all(row["source"] for row in everything)


def test_no_loinc_name_carries_a_remark_of_ours() -> None:
    remarks = ("not ", "needs ", "unit decides", "prefer", "surrogate", "excludes", "screening")
    names = [row["display"] for row in table("observations") if row["system"] == LOINC]
    assert not [name for name in names if any(f"[{remark}" in name for remark in remarks)]


def test_the_licence_notices_stand_in_the_notice_file() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for phrase in (
        "http://loinc.org/license",
        "used by permission of SNOMED\n    International",
        "does not endorse or recommend this or any other product",
        "WHO\n    Collaborating Centre for Drug Statistics Methodology",
        "ICD-10-CM",
        "World Health Organization",
    ):
        assert phrase in notice


@pytest.mark.parametrize("code", ["88293-6", "88294-4", "48642-3", "48643-1", "97952-6", "752-6", "42243-6", "5907-1", "5895-7", "8828-6", "75410-1"])
def test_race_split_deprecated_and_unverified_codes_name_nothing(vocabulary: Vocabulary, code: str) -> None:
    assert lookup(vocabulary, LOINC, code) == ()


LOOK_ALIKES = [
    ("22322-2", "antibody to HBsAg protects"),
    ("31204-1", "anti-HBc IgM"),
    ("48398-2", "HBV DNA as an exponent"),
    ("38180-6", "HCV RNA as an exponent"),
    ("80203-3", "HIV type, no presence"),
    ("768-2", "segmented neutrophils"),
    ("29760-6", "conjugated bilirubin"),
    ("5894-1", "prothrombin activity"),
    ("5901-4", "control plasma"),
    ("21482-5", "protein concentration"),
    ("1558-6", "fasting glucose"),
    ("96608-5", "mean blood pressure"),
    ("12195-4", "clearance per body surface"),
    ("88021-1", "NYHA objective assessment"),
    ("11013-0", "anti-dsDNA titre"),
    ("8834-4", "resistance index"),
    ("8440-0", "systolic pulmonary pressure"),
    ("8341-0", "dry weight"),
    ("2708-6", "blood gas saturation"),
    ("20150-9", "FEV1 in litres"),
]


@pytest.mark.parametrize("code", [code for code, _ in LOOK_ALIKES], ids=[why for _, why in LOOK_ALIKES])
def test_look_alikes_name_nothing(vocabulary: Vocabulary, code: str) -> None:
    assert lookup(vocabulary, LOINC, code) == ()


OBSERVED = [
    ("69405-9", "egfr", None),
    ("98979-8", "egfr", "ckd-epi-2021"),
    ("62238-1", "egfr", "ckd-epi-2009"),
    ("98980-6", "egfr", "ckd-epi-cr-cys"),
    ("94677-2", "egfr", "ckd-epi-cr-cys"),
    ("50210-4", "egfr", "cystatin-c"),
    ("33914-3", "egfr", "mdrd"),
    ("50384-7", "egfr", "schwartz"),
    ("78006-4", "egfr", "measured"),
    ("2889-4", "urine_protein_24h", None),
    ("2164-2", "creatinine_clearance", "measured"),
    ("59410-1", "spo2", "room-air"),
    ("59408-5", "spo2", None),
    ("3151-8", "inspired_oxygen", "flow"),
    ("3150-0", "inspired_oxygen", "fraction"),
    ("40725-4", "anti_hbc", None),
    ("29615-2", "hbv_dna", None),
    ("48159-8", "anti_hcv", None),
    ("56888-1", "hiv_antibody", None),
    ("86233-4", "hiv_antibody", None),
    ("22590-4", "syphilis_treponemal", None),
    ("19080-1", "hcg", None),
    ("2106-3", "hcg_urine", None),
    ("751-8", "neutrophils", None),
    ("8480-6", "bp_systolic", None),
]


@pytest.mark.parametrize(("code", "concept", "formula"), OBSERVED)
def test_observations_are_named_with_their_method(vocabulary: Vocabulary, code: str, concept: str, formula: str | None) -> None:
    mapped = one(vocabulary, LOINC, code)
    assert (mapped.concept, mapped.formula) == (concept, formula)


FACTORS = [
    ("34366-5", "mg/mmol", 8.84),
    ("34366-5", "g/mol", 8.84),
    ("34366-5", "g/mmol", 8840.0),
    ("34366-5", "mg/g", 1.0),
    ("2889-4", "mg/(24.h)", 0.001),
    ("2889-4", "mg/d", 0.001),
    ("2889-4", "g/(24.h)", 1.0),
    ("2160-0", "umol/L", 0.0113096),
    ("6690-2", "10*3/uL", 1.0),
    ("6690-2", "/uL", 0.001),
    ("1742-6", "[IU]/L", 1.0),
    ("69405-9", "mL/min", None),
    ("69405-9", "mL/min/{1.73_m2}", 1.0),
    ("73737-9", "U/mL", None),
    ("73737-9", "[arb'U]/mL", None),
    ("4548-4", "mmol/mol", None),
    ("59261-8", "mmol/mol", None),
    ("5130-0", "[arb'U]/mL", None),
    ("29615-2", "{copies}/mL", None),
    ("47092-2", "pmol/L", None),
    ("46266-3", "[IU]/mL", None),
]


@pytest.mark.parametrize(("code", "unit", "expected"), FACTORS)
def test_a_code_knows_the_units_it_arrives_in(vocabulary: Vocabulary, code: str, unit: str, expected: float | None) -> None:
    assert one(vocabulary, LOINC, code).factors[unit] == expected


@pytest.mark.parametrize(
    ("system", "code", "concept", "value"),
    [
        (SNOMED, "421704003", "nyha_class", "II"),
        (LOINC, "LA28405-1", "nyha_class", "II"),
        (SNOMED, "422512005", "ecog", "1"),
        (LOINC, "LA9622-7", "ecog", "0"),
        (SNOMED, "36402006", "isn_rps_class", "IV"),
    ],
)
def test_codes_that_are_a_class_say_which(vocabulary: Vocabulary, system: str, code: str, concept: str, value: str) -> None:
    assert (concept, value) in {(mapped.concept, mapped.code) for mapped in lookup(vocabulary, system, code)}


@pytest.mark.parametrize(
    ("code", "concept"),
    [
        ("sledai-2k", "sledai_2k"),
        ("bvas-v3", "bvas"),
        ("nih-chronicity-index", "chronicity_index"),
        ("isn-rps-class", "isn_rps_class"),
        ("who-fc", "who_fc"),
    ],
)
def test_scores_have_codes_of_our_own(vocabulary: Vocabulary, code: str, concept: str) -> None:
    assert named(vocabulary, SCORES, code) == {concept}


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("SLEDAI-2K", "sledai_2k"),
        ("SLEDAI-2K total score", "sledai_2k"),
        ("SLEDAI 2000", "sledai_2k"),
        ("BVAS v3", "bvas"),
        ("ISN/RPS class", "isn_rps_class"),
        ("WHO functional class", "who_fc"),
        ("NIH Chronicity Index", "chronicity_index"),
        ("SELENA-SLEDAI", None),
        ("SLEDAI", None),
        ("BVAS/WG", None),
        ("Cyclosporine", "ciclosporin"),
        ("利妥昔单抗", "rituximab"),
        ("Lisinopril", "acei_class"),
    ],
)
def test_names_without_codes_are_matched_whole(vocabulary: Vocabulary, text: str, concept: str | None) -> None:
    assert vocabulary.synonyms.get(plain_text(text)) == concept


DIAGNOSES = [
    (ICD10CM, "N04.21", {"mn_primary", "mn_any", "nephrotic_syndrome"}),
    (ICD10CM, "N04.20", {"mn_any", "nephrotic_syndrome"}),
    (ICD10, "N04.21", {"mn_any", "nephrotic_syndrome"}),  # the fifth character is American
    (ICD10, "N04.200x001", {"mn_any", "nephrotic_syndrome"}),
    (ICD10CM, "M32.14", {"lupus_nephritis", "sle"}),
    (ICD10, "M32.1", {"lupus_nephritis_candidate_nonspecific", "sle"}),
    (ICD10, "M32.101+N08.5*", {"lupus_nephritis", "lupus_nephritis_candidate_nonspecific", "sle"}),
    (ICD10, "M31.305+N08.5*", {"gpa", "gpa_with_renal", "aav_any", "aav_renal"}),
    (SNOMED, "722119002", {"mn_primary"}),
    (ICD10CM, "D84.821", {"immunodeficiency_secondary_do_not_count_as_congenital"}),
    (ICD10CM, "R56.9", {"epilepsy_seizure", "seizure"}),
    (ICD10CM, "G45.9", {"stroke_cva", "stroke_uncertain"}),
    (ICD10CM, "I63.9", {"stroke_cva", "stroke"}),
    (ICD10, "I82.3", {"venous_thrombosis_other"}),
    (ICD10CM, "I25.2", {"myocardial_infarction_old"}),
    (ICD10CM, "Z80.3", {"family_history_never_matches"}),
]


@pytest.mark.parametrize(("system", "code", "expected"), DIAGNOSES)
def test_diagnoses_name_what_they_say_and_no_more(vocabulary: Vocabulary, system: str, code: str, expected: set[str]) -> None:
    assert named(vocabulary, system, code) == expected


@pytest.mark.parametrize(
    ("system", "code", "drug"),
    [
        (RXNORM, "8640", "prednisone"),
        (RXNORM, "312617", "prednisone"),
        (RXNORM, "42316", "tacrolimus"),
        (RXNORM, "1656340", "arni"),
        (ATC, "C09DX04", "arni"),
        (ATC, "C09CA01", "arb_class"),
        (ATC, "C09AA05", "acei_class"),
        (ATC, "L01FA01", "rituximab"),
        (ATC, "L01XC02", "rituximab"),
        (ATC, "L01FA99", "anti_cd20_class"),
        (ATC, "L04AX01", "azathioprine"),
        (ATC, "L04AX04", "immunosuppressant_class"),
        (ATC, "H02AB99", "glucocorticoid_systemic_class"),
        (ATC, "C09XX01", "sparsentan"),
        (RXNORM, "103", "mercaptopurine"),
        (CVX, "03", "vaccine_live"),
        (ICD10PCS, "XW033C7", "proc_cart_infusion"),
    ],
)
def test_a_product_is_one_drug(vocabulary: Vocabulary, system: str, code: str, drug: str) -> None:
    assert named(vocabulary, system, code) == {drug}


def test_no_code_names_two_drugs(vocabulary: Vocabulary) -> None:
    assert not [key for key, found in vocabulary.exact.items() if len({m.concept for m in found if m.concept in vocabulary.drugs}) > 1]


def test_classes_hold_their_drugs(vocabulary: Vocabulary) -> None:
    classes = vocabulary.classes
    assert classes["calcineurin_inhibitor"].drugs == {"tacrolimus", "ciclosporin", "voclosporin", "cni_class"}
    assert classes["ras_inhibitor"].drugs == {"acei_class", "arb_class", "arni"}
    assert {"rituximab", "obinutuzumab", "ofatumumab"} <= classes["anti_cd20"].drugs
    assert {"prednisone", "tacrolimus", "mycophenolate", "sirolimus", "rituximab", "cyclophosphamide"} <= classes["immunosuppressant"].drugs
    assert "hydroxychloroquine" not in classes["immunosuppressant"].drugs
    assert "budesonide_enteric_nefecon" not in classes["glucocorticoid"].drugs
    assert not classes["car_t_cd19"].drugs & classes["car_t_bcma"].drugs
    assert classes["car_t_cd19"].drugs | classes["car_t_bcma"].drugs < classes["car_t"].drugs
    assert classes["glucocorticoid"].name == "glucocorticoid"


def test_steroids_convert_to_prednisone(vocabulary: Vocabulary) -> None:
    drugs = vocabulary.drugs
    assert [drugs[d].prednisone for d in ("prednisone", "prednisolone", "methylprednisolone", "hydrocortisone", "cortisone")] == [
        1,
        1,
        1.25,
        0.25,
        0.2,
    ]
    assert 0.75 * (drugs["dexamethasone"].prednisone or 0) == pytest.approx(5)
    assert drugs["deflazacort"].prednisone is None
    assert all(drug.prednisone is None for drug in drugs.values() if drug.id not in vocabulary.classes["glucocorticoid"].drugs)


def test_courses_and_gaps(vocabulary: Vocabulary) -> None:
    drugs = vocabulary.drugs
    assert (drugs["rituximab"].course, drugs["obinutuzumab"].course, drugs["tacrolimus"].course) == (184, 184, 0)
    assert (drugs["cyclophosphamide"].grace, drugs["tacrolimus"].grace) == (60, 30)


@pytest.mark.parametrize(
    ("concept", "fresh", "lasting"),
    [
        ("egfr", 180, False),
        ("anti_pla2r", 180, False),
        ("sledai_2k", 180, False),
        ("hbsag", 365, False),
        ("hiv_antibody", 365, True),
        ("anti_hcv", 365, True),
        ("anti_hbc", 365, True),
        ("syphilis_treponemal", 365, True),
        ("syphilis_nontreponemal", 365, False),
        ("hbv_dna", 365, False),
        ("lvef", 365, False),
        ("cd19_b_cells", 365, False),
        ("mpap", 365, False),
        ("nt_probnp", 180, False),
        ("bp_systolic", 180, False),
        ("isn_rps_class", None, False),
        ("chronicity_index", None, False),
    ],
)
def test_values_stay_fresh_as_long_as_ruled(vocabulary: Vocabulary, concept: str, fresh: int | None, lasting: bool) -> None:
    assert (vocabulary.concepts[concept].fresh, vocabulary.concepts[concept].lasting) == (fresh, lasting)


def test_every_observation_has_a_code_a_list_and_an_order_that_names_it(vocabulary: Vocabulary) -> None:
    coded = {mapped.concept for found in vocabulary.exact.values() for mapped in found}
    for concept in vocabulary.concepts.values():
        if concept.kind == "observation":
            assert concept.id in coded
            assert concept.results in LISTS
            assert concept.name == concept.name.strip()
            if concept.order:
                assert concept.id in named(vocabulary, concept.order.system, concept.order.code)


@pytest.mark.parametrize(
    ("system", "code", "result"),
    [
        (SNOMED, "10828004", "positive"),
        (SNOMED, "260415000", "negative"),
        (SNOMED, "419984006", "indeterminate"),
        (LOINC, "LA6577-6", "negative"),
        ("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "RR", "positive"),
        ("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "NR", "negative"),
        ("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "A", None),
        ("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "H", None),
    ],
)
def test_answers(vocabulary: Vocabulary, system: str, code: str, result: str | None) -> None:
    assert vocabulary.answers.get((system, code)) == result


def test_a_site_adds_its_own_codes(tmp_path: Path) -> None:
    site = tmp_path / "local.csv"
    site.write_text(
        "concept,system,code,match,display,unit,factor\n"
        "serum_creatinine,http://hospital.example/labs,CREA,,Kreatinin,µmol/L|mg/dL,|\n"
        "upcr,http://hospital.example/labs,UPCR,exact,,mg/mmol,8.84\n"
        "bvas,http://hospital.example/scores,B3,exact,,,\n"
        "mn_primary,http://hospital.example/dx,PMN,exact,,,\n"
        "mn_any,http://hl7.org/fhir/sid/icd-10,N05.9,prefix,,,\n"
        "tacrolimus,http://hospital.example/drugs,FK,exact,,,\n",
        encoding="utf-8-sig",
    )
    text = site.read_text(encoding="utf-8-sig").replace("µmol/L|mg/dL,|", "µmol/L|mg/dL,0.0113096|1")
    site.write_text(text, encoding="utf-8")
    vocabulary = mappings.load(TABLES, site)
    crea = one(vocabulary, "http://hospital.example/labs", "CREA")
    assert crea.concept == "serum_creatinine"
    assert crea.factors["µmol/L"] == crea.factors["umol/L"] == 0.0113096
    assert named(vocabulary, "http://hospital.example/scores", "B3") == {"bvas"}
    assert named(vocabulary, "http://hospital.example/drugs", "FK") == {"tacrolimus"}
    assert "mn_any" in named(vocabulary, ICD10, "N05.900")
    assert named(vocabulary, LOINC, "2160-0") == {"serum_creatinine"}


def test_a_site_may_leave_out_factors_that_follow_from_the_unit(tmp_path: Path) -> None:
    site = tmp_path / "local.csv"
    site.write_text("concept,system,code,unit\nserum_albumin,http://hospital.example/labs,ALB,g/dL|mg/L\n", encoding="utf-8")
    assert one(mappings.load(TABLES, site), "http://hospital.example/labs", "ALB").factors == {"g/dL": 10.0, "mg/L": 0.001}


def test_a_site_gives_its_upper_limits_in_any_unit_that_converts(tmp_path: Path) -> None:
    limits = tmp_path / "upper.csv"
    limits.write_text("concept,upper,unit\nalt,50,U/L\nast,0.6,ukat/L\nbilirubin_total,17.104,umol/L\ninr,1.2,1\n", encoding="utf-8")
    found = mappings.load(TABLES, upper_limits=limits).upper_limits
    assert found["alt"] == 50
    assert found["ast"] == pytest.approx(36)
    assert found["bilirubin_total"] == pytest.approx(1.0, rel=1e-4)
    assert found["inr"] == 1.2
