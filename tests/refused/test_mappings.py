"""A zoo of mapping tables that must be refused: what is wrong with each, in which line, and how to mend it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cds_service import mappings
from cds_service.errors import BadData

TABLES = Path(__file__).parents[2] / "mappings"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped tables with the long ones cut short: as wrong when broken, and sooner read."""
    directory = Path(shutil.copytree(TABLES, tmp_path_factory.mktemp("few") / "mappings"))
    for name in ("conditions", "medications", "observations", "atc"):
        path = directory / f"{name}.csv"
        path.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:20]) + "\n", encoding="utf-8")
    return directory


@pytest.fixture
def tables(few: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(few, tmp_path / "mappings"))


def faults(directory: Path, local: Path | None = None, upper_limits: Path | None = None, *, thorough: bool = False) -> list[str]:
    with pytest.raises(BadData) as caught:
        mappings.load(directory, local, upper_limits, thorough=thorough)
    return [f"{Path(fault.path).name}:{fault.line}: {fault.message}" for fault in caught.value.faults]


OBSERVATION = "concept,system,code,match,display,units,factors,formula,class,source"
CONDITION = "concept,system,code,match,display,source"
CONCEPT = "id,kind,name,unit,molar_mass,fresh,lasting,results,plausible_low,plausible_high,cost,order_system,order_code,order_display"
SCT = "http://snomed.info/sct"
LNC = "http://loinc.org"
ROWS = [  # file, the one row appended, the fault it must get
    ("conditions", f"slee,{SCT},55464009,exact,,x", "unknown concept 'slee'; did you mean 'sle'?"),
    ("conditions", f"zzzzzz,{SCT},55464009,exact,,x", "unknown concept 'zzzzzz'; add it to concepts.csv first"),
    ("conditions", f"egfr,{SCT},55464009,exact,,x", "'egfr' is of kind observation; this file takes condition"),
    (
        "conditions",
        f"mn_any,{SCT},77386007,exact,,x",
        "SNOMED CT id '77386007' has a wrong check digit; a spreadsheet may have damaged it, copy it anew as text",
    ),
    (
        "conditions",
        f"mn_any,{SCT},2.8191E+13,exact,,x",
        "SNOMED CT id '2.8191E+13' has a wrong check digit; a spreadsheet may have damaged it, copy it anew as text",
    ),
    ("conditions", f"mn_any,{SCT},22298006,descendants,,x", "match 'descendants' is not one of exact, prefix"),
    ("conditions", f"mn_any,{SCT},22298006,prefix,,x", "prefix is for ICD-10 and ATC codes; list the codes one by one as exact"),
    ("conditions", "mn_any,icd10,N04.2,exact,,x", "system 'icd10' is not a URI; write it as records send it"),
    (
        "conditions",
        "mn_any,http://hl7.org/fhir/sid/icd-10-cm,C81-C96,exact,,x",
        "code 'C81-C96' cannot be read as a code of http://hl7.org/fhir/sid/icd-10-cm",
    ),
    (
        "conditions",
        "mn_any,http://hl7.org/fhir/sid/icd-10,N04.201,exact,,x",
        "code 'N04.201' is longer than the four characters that ICD-10 editions share; write 'N04.2'",
    ),
    ("conditions", "mn_any,http://hl7.org/fhir/sid/icd-10-cm,,exact,,x", "code '' cannot be read as a code of http://hl7.org/fhir/sid/icd-10-cm"),
    ("conditions", f"mn_any,{SCT},22298006,exact", "4 values for 6 columns; quote a value that holds a comma"),
    ("conditions", f"mn_any,{SCT},22298006,exact,a, b,x", "7 values for 6 columns; quote a value that holds a comma"),
    ("observations", f"egfr,{LNC},1-1,exact,,mg/dL,,,,x", "1 units and 0 factors; give one factor for each unit, ? for never convert"),
    ("observations", f"egfr,{LNC},1-1,exact,,mg/dL,ten,,,x", "factor 'ten' of mg/dL is not a number above 0; write ? for never convert"),
    ("observations", f"egfr,{LNC},1-1,exact,,mg/dL,0,,,x", "factor '0' of mg/dL is not a number above 0; write ? for never convert"),
    ("observations", f"egfr,{LNC},1-1,exact,,mg/dL,nan,,,x", "factor 'nan' of mg/dL is not a number above 0; write ? for never convert"),
    ("observations", f"egfr,{LNC},1-1,exact,,mg/dL|mg/dL,1|2,,,x", "unit 'mg/dL' stands twice or is empty; name each unit once"),
    ("observations", f"mpo_anca,{LNC},1-1,exact,,U/mL,1,,,x", "'mpo_anca' has no canonical unit to convert to; write ? as the factor of U/mL"),
    (
        "medications",
        "alt,http://www.nlm.nih.gov/research/umls/rxnorm,1,exact,,x",
        "'alt' is of kind observation; this file takes drug and immunization",
    ),
    ("classes", "glucocorticoid,prednison", "unknown drug 'prednison'; did you mean 'prednisone'?"),
    ("classes", "steroids,prednisone", "class 'steroids' has no row of kind drug in concepts.csv; add it with its name"),
    ("answers", f"{SCT},260408008,weak", "result 'weak' is not one of positive, negative, indeterminate"),
    ("synonyms", "some score,score_x", "unknown concept 'score_x'; add it to concepts.csv or drugs.csv first"),
    ("synonyms", "--,bvas", "text is empty; write the name as records spell it"),
    ("drugs", "newdrug,new drug,minus,30,0", "prednisone 'minus' is not a number above 0; write it with a decimal point"),
    ("drugs", "newdrug,new drug,,a month,0", "grace 'a month' is not a whole number of days"),
    ("drugs", "newdrug,,,30,0", "a drug needs an id and a name"),
    ("drugs", "glucocorticoid,steroid,,30,0", "'glucocorticoid' is also a concept of concepts.csv; a drug stands in drugs.csv alone"),
    ("concepts", "x,lab,X,,,,no,,,,blood,,,", "kind 'lab' is not one of observation, condition, procedure, drug, immunization"),
    (
        "concepts",
        "x,observation,X,,,,no,,,,blood,,,",
        "an observation needs a list to be read by: results-kidney, results-blood, results-infection, results-other",
    ),
    ("concepts", "x,condition,,,,,no,,,,chart,,,", "a concept needs an id and a name"),
    ("concepts", "x,condition,X,,,1.5,no,,,,chart,,,", "fresh '1.5' is not a whole number of days"),
    ("concepts", "x,condition,X,,,,maybe,,,,chart,,,", "lasting 'maybe' is not one of no, yes"),
    ("concepts", "x,condition,X,,-3,,no,,,,chart,,,", "molar_mass '-3' is not a number above 0; write it with a decimal point"),
    ("concepts", "x,condition,X,,,,no,,5,1,chart,,,", "plausible_low must lie below plausible_high; give both or neither"),
    ("concepts", "x,condition,X,,,,no,,5,,chart,,,", "plausible_low must lie below plausible_high; give both or neither"),
    ("concepts", 'x,condition,X,,,,no,,"0,5",1,chart,,,', "plausible_low '0,5' is not a number; write it with a decimal point"),
    ("concepts", "x,condition,X,,,,no,,,,cheap,,,", "cost 'cheap' is not one of chart, blood, urine, imaging, biopsy"),
    ("concepts", f"x,condition,X,,,,no,,,,chart,{LNC},,", "order_system and order_code go together; give both or neither"),
]


@pytest.mark.parametrize(("file", "row", "message"), ROWS, ids=[message[:40] for _, _, message in ROWS])
def test_a_bad_row_is_refused_with_its_line(tables: Path, file: str, row: str, message: str) -> None:
    path = tables / f"{file}.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, row]) + "\n", encoding="utf-8")
    assert f"{file}.csv:{len(lines) + 1}: {message}" in faults(tables)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("conditions", "code '{code}' of '{concept}' is already in conditions.csv line 2; remove one of the two"),
        ("concepts", "concept '{id}' is already in line 2; remove one of the two"),
        ("drugs", "drug '{id}' is already in line 2; remove one of the two"),
        ("classes", "'{drug}' in class '{class}' is already in line 2; remove one of the two"),
        ("answers", "answer '{code}' is already in line 2; remove one of the two"),
        ("synonyms", "text '{text}' is already in line 2; remove one of the two"),
    ],
)
def test_a_repeated_row_is_refused(tables: Path, file: str, message: str) -> None:
    path = tables / f"{file}.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[1]]) + "\n", encoding="utf-8")
    values = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert faults(tables) == [f"{file}.csv:{len(lines) + 1}: {message.format(**values)}"]


@pytest.mark.parametrize("file", sorted(path.name for path in TABLES.glob("*.csv")))
def test_a_missing_file_is_named(tables: Path, file: str) -> None:
    (tables / file).unlink()
    assert f"{file}:0: file is missing; restore it" in faults(tables)


def test_a_misspelt_or_missing_column_is_named(tables: Path) -> None:
    path = tables / "classes.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("class,drug", "class,drugs", 1), encoding="utf-8")
    assert faults(tables) == [
        "classes.csv:1: missing column 'drug'; the columns are class, drug",
        "classes.csv:1: unknown column 'drugs'; the columns are class, drug",
    ]


def test_a_repeated_column_is_named(tables: Path) -> None:
    path = tables / "classes.csv"
    path.write_text("class,drug,drug\n", encoding="utf-8")
    assert faults(tables) == ["classes.csv:1: repeated column 'drug'; the columns are class, drug"]


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tables: Path) -> None:
    path = tables / "synonyms.csv"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:3], "müller score,bvas".encode("latin-1"), *lines[3:]]))
    assert faults(tables) == ["synonyms.csv:4: not UTF-8; save the file as UTF-8"]


def test_broken_quotes_are_named(tables: Path) -> None:
    path = tables / "classes.csv"
    path.write_text('class,drug\nglucocorticoid,"pred"nisone\n', encoding="utf-8")
    assert faults(tables) == ["""classes.csv:2: not CSV: ',' expected after '"'"""]


def test_a_directory_in_place_of_a_file_is_named(tables: Path) -> None:
    (tables / "classes.csv").unlink()
    (tables / "classes.csv").mkdir()
    assert faults(tables) == ["classes.csv:0: cannot be read: Is a directory"]


def test_every_fault_of_every_file_is_named_at_once(tables: Path) -> None:
    for file, row in (("conditions", f"mn_any,{SCT},77386007,exact,,x"), ("answers", f"{SCT},1,weak"), ("classes", "x,y")):
        with (tables / f"{file}.csv").open("a", encoding="utf-8") as out:
            out.write(row + "\n")
    assert {fault.split(":")[0] for fault in faults(tables)} == {"conditions.csv", "answers.csv", "classes.csv"}


def test_units_and_factors_are_held_against_ucum_only_when_asked(tables: Path) -> None:
    path = tables / "observations.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    extra = [f"serum_albumin,{LNC},1-1,exact,,g/dL|bananas,100|1,,,x", f"serum_albumin,{LNC},1-2,exact,,K/uL,?,,,x"]
    path.write_text("\n".join([*lines, *extra]) + "\n", encoding="utf-8")
    assert mappings.load(tables).concepts
    line = len(lines) + 1
    assert faults(tables, thorough=True) == [
        f"observations.csv:{line}: factor 100 of g/dL should be 10 to give g/L",
        f"observations.csv:{line}: unit 'bananas' is not UCUM; write it as UCUM does, such as mg/dL",
    ]


LOCAL = [
    ("concept,system,code\negfrr,http://h.example,A\n", 2, "unknown concept 'egfrr'; did you mean 'egfr'?"),
    (
        "concept,system\negfr,http://h.example\n",
        1,
        "missing column 'code'; the columns are concept, system, code, match, display, unit, factor, formula, class, source",
    ),
    ("concept,system,code,unit\nsle,http://h.example,A,mg/dL\n", 2, "'sle' is a condition and has no unit; leave unit and factor empty"),
    (
        "concept,system,code,unit,factor\negfr,http://h.example,A,mL/min,\n",
        2,
        "unit 'mL/min' does not convert to mL/min/{1.73_m2}; give its factor, or ? for never convert",
    ),
    (
        "concept,system,code\nsle,http://snomed.info/sct,22298007\n",
        2,
        "SNOMED CT id '22298007' has a wrong check digit; a spreadsheet may have damaged it, copy it anew as text",
    ),
    ("concept,system,code,match\nsle,http://h.example,A,prefix\n", 2, "prefix is for ICD-10 and ATC codes; list the codes one by one as exact"),
    (
        "concept,system,code\nsle,http://h.example,A\nsle,http://h.example,A\n",
        3,
        "code 'A' of 'sle' is already in local.csv line 2; remove one of the two",
    ),
]


@pytest.mark.parametrize(("text", "line", "message"), LOCAL, ids=[message[:40] for _, _, message in LOCAL])
def test_a_site_s_codes_are_checked_as_ours_are(few: Path, tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "local.csv"
    path.write_text(text, encoding="utf-8")
    assert faults(few, local=path) == [f"local.csv:{line}: {message}"]


def test_a_site_s_code_that_we_already_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "local.csv"
    path.write_text(f"concept,system,code\nserum_creatinine,{LNC},2160-0\n", encoding="utf-8")
    (fault,) = faults(TABLES, local=path)
    assert fault.startswith("local.csv:2: code '2160-0' of 'serum_creatinine' is already in observations.csv line ")


LIMITS = [
    ("concept,upper,unit\nalt,fifty,U/L\n", 2, "upper 'fifty' is not a number above 0; write it with a decimal point"),
    ("concept,upper,unit\nalt,,U/L\n", 2, "upper is empty; give the upper limit of normal"),
    ("concept,upper,unit\nalt,50,mg/dL\n", 2, "unit 'mg/dL' does not convert for alt; give it in U/L"),
    (
        "concept,upper,unit\ncmv_igm,1,{Index_val}\n",
        2,
        "unit '{Index_val}' does not convert for cmv_igm; it has no common unit, so only the laboratory's own range can serve",
    ),
    ("concept,upper,unit\nsle,50,U/L\n", 2, "unknown observation 'sle'"),
    ("concept,upper,unit\nalt,50,U/L\nalt,60,U/L\n", 3, "upper limit of 'alt' is already in line 2; remove one of the two"),
]


@pytest.mark.parametrize(("text", "line", "message"), LIMITS, ids=[message[:40] for _, _, message in LIMITS])
def test_upper_limits_are_checked(few: Path, tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "upper.csv"
    path.write_text(text, encoding="utf-8")
    (fault,) = faults(few, upper_limits=path)
    assert fault.startswith(f"upper.csv:{line}: {message}")
