"""The command line: formats, several files, standard input, exit status, and one line on stderr whatever goes wrong."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from jsonschema import Draft202012Validator

from cds_service import __version__, batch, cli, pipeline
from cds_service.checks import fixture_faults

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
CANDIDATE, OTHER = str(FIXTURES / "rmn-candidate.json"), str(FIXTURES / "other-disease.json")
SCHEMA = json.loads((ROOT / "cds_service" / "assessment.schema.json").read_text(encoding="utf-8"))
POSSIBLE = str(ROOT / "fixtures" / "rmn-possible.json")
AS_OF = ("--as-of", "2026-11-01")


class Ran(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]  # a factory of Ran
    for name in [n for n in os.environ if n.startswith("CDS_")]:
        monkeypatch.delenv(name)

    def call(*arguments: str, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = cli.main(list(arguments))
        out, err = capsysbinary.readouterr()
        return Ran(status, out.decode(), err.decode())

    return call


def one_line(ran: Ran) -> str:
    assert ran.err.count("\n") == 1 and ran.err.startswith("cds-service: ")
    assert "Traceback" not in ran.err
    return ran.err


TRIALS = {path.stem for path in (ROOT / "criteria").glob("NCT*.yaml")}

# --- evaluate ---------------------------------------------------------------------------------


def test_json_of_one_file_is_one_object_that_keeps_the_schema(run) -> None:
    ran = run("evaluate", CANDIDATE, *AS_OF, "--format", "json")
    assert (ran.status, ran.err) == (0, "")
    found = json.loads(ran.out)
    Draft202012Validator(SCHEMA).validate(found)
    assert found["asOf"] == "2026-11-01" and found["patient"] == "Patient/rmn-candidate"
    assert "file" not in found
    assert {a["trial"] for a in found["assessments"]} == TRIALS


def test_text_is_for_a_person(run) -> None:
    ran = run("evaluate", CANDIDATE, *AS_OF)
    assert ran.status == 0
    assert "NCT07266181/rmn" in ran.out and "2026" in ran.out
    with pytest.raises(ValueError):
        json.loads(ran.out)


def test_several_files_are_json_lines_in_the_order_given(run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    ran = run("evaluate", OTHER, str(bad), CANDIDATE, *AS_OF, "--format", "json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    for line in lines:
        Draft202012Validator(SCHEMA).validate(line)
    assert [line["file"] for line in lines] == [OTHER, str(bad), CANDIDATE]
    assert next(iter(lines[0])) == "file"
    assert set(lines[1]) == {"file", "error"}
    assert ran.status == 2 and str(bad) in one_line(ran)


def test_several_files_as_text_have_headings(run) -> None:
    ran = run("evaluate", OTHER, CANDIDATE, *AS_OF)
    assert ran.out.index(f"== {OTHER}") < ran.out.index(f"== {CANDIDATE}")


def test_trial_picks_one_and_is_not_case_sensitive(run) -> None:
    ran = run("evaluate", CANDIDATE, *AS_OF, "--trial", "nct06469190", "--format", "json")
    assert {a["trial"] for a in json.loads(ran.out)["assessments"]} == {"NCT06469190"}


def test_an_unknown_trial_is_refused_with_those_there_are(run) -> None:
    ran = run("evaluate", CANDIDATE, "--trial", "NCT00000000")
    assert ran.status == 2 and ran.out == ""
    assert "NCT07266181" in one_line(ran)


def test_standard_input_and_gzip_are_read(run, tmp_path: Path) -> None:
    raw = Path(CANDIDATE).read_bytes()
    packed = tmp_path / "packed.json.gz"
    packed.write_bytes(gzip.compress(raw))
    plain = run("evaluate", CANDIDATE, *AS_OF, "--format", "json").out
    assert run("evaluate", "-", *AS_OF, "--format", "json", stdin=raw).out == plain
    assert run("evaluate", "-", *AS_OF, "--format", "json", stdin=b"\xef\xbb\xbf" + raw).out == plain
    assert run("evaluate", str(packed), *AS_OF, "--format", "json").out == plain


def test_as_of_changes_what_is_known(run) -> None:
    before = json.loads(run("evaluate", CANDIDATE, "--as-of", "2023-01-01", "--format", "json").out)
    assert {a["status"] for a in before["assessments"]} == {"not-applicable"}  # the diagnosis is of 2024


def test_as_of_is_today_by_default(run) -> None:
    assert json.loads(run("evaluate", OTHER, "--format", "json").out)["asOf"] in {str(cli.today()), str(datetime.now().astimezone().date())}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON: line 1"),
        (b"\x1f\x8bnonsense", "damaged gzip"),
        (b"[]", ""),
        (b'{"resourceType": "Patient", "id": "a"}', "Bundle"),
        (b'{"resourceType": "Bundle", "type": "message"}', "type"),
        (b'{"resourceType": "Bundle", "type": "collection"}', "Patient"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_2(content: bytes, said: str, run, tmp_path: Path) -> None:
    path = tmp_path / "input.json"
    path.write_bytes(content)
    ran = run("evaluate", str(path), "--format", "json")
    assert ran.status == 2 and ran.out == ""
    assert said in one_line(ran) and "input.json" in ran.err


def test_a_file_that_is_not_there(run, tmp_path: Path) -> None:
    assert "No such file" in one_line(run("evaluate", str(tmp_path / "none.json")))
    assert "directory" in one_line(run("evaluate", str(tmp_path)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate"],
        ["evaluate", CANDIDATE, "--as-of", "2026-13-01"],
        ["evaluate", CANDIDATE, "--as-of", "20261101"],
        ["evaluate", CANDIDATE, "--as-of", "01.11.2026"],
        ["evaluate", CANDIDATE, "--format", "xml"],
        ["evaluate", CANDIDATE, "--colour"],
        ["serve", "--port", "0"],
        ["serve", "--as-of", "2026-11-01"],
        ["nonsense"],
    ],
)
def test_usage_is_one_line_and_exit_2(arguments: Sequence[str], run) -> None:
    ran = run(*arguments)
    assert ran.status == 2 and ran.out == ""
    one_line(ran)


def test_a_crash_names_place_and_kind_but_no_value_and_the_others_go_on(run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pipeline.explained

    def crash(record, rules, as_of):
        if record.patient_id == "rmn-candidate":
            raise KeyError("Fixture-Candidate, Adam")
        return real(record, rules, as_of)

    monkeypatch.setattr(batch.pipeline, "explained", crash)
    ran = run("evaluate", CANDIDATE, OTHER, *AS_OF, "--format", "json")
    first, second = map(json.loads, ran.out.splitlines())
    assert ran.status == 2
    assert "KeyError" in first["error"] and "Adam" not in ran.out + ran.err
    assert second["patient"] == "Patient/other-disease"


def test_an_unforeseen_fault_is_one_line(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(settings: object) -> None:
        raise RuntimeError("Adam")

    monkeypatch.setattr(pipeline, "load_rules", crash)
    ran = run("evaluate", CANDIDATE)
    assert ran.status == 2 and "RuntimeError" in one_line(ran) and "Adam" not in ran.err


# --- explain ----------------------------------------------------------------------------------

COHORT = ("--trial", "NCT07266181", "--cohort", "rmn")


def test_explain_prints_the_whole_reasoning_as_a_tree(run) -> None:
    ran = run("explain", POSSIBLE, *COHORT, *AS_OF)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("NCT07266181/rmn  ") and "as of 1 Nov 2026: possible" in ran.out
    for words in ("What would decide it", "When to look again", "Unknown (3)", "Met (", "[unknown] Needs: LVEF ≥ 50 %", "[Observation/"):
        assert words in ran.out
    assert max(len(line) for line in ran.out.splitlines()) <= 100


def test_explain_reads_the_record_as_of_the_day_and_takes_small_letters(run) -> None:
    later = run("explain", POSSIBLE, "--trial", "nct07266181", "--cohort", "rmn", "--as-of", "2027-05-01")
    assert later.status == 0 and "as of 1 May 2027" in later.out and "too old to decide" in later.out


def test_explain_writes_one_page_and_says_where(run, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = run("explain", POSSIBLE, *COHORT, *AS_OF, "--html", str(page))
    assert (ran.status, ran.out, ran.err) == (0, f"{page}\n", "")
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and "</html>" in html and "<script" not in html and "http" not in html.replace("http-equiv", "")


def test_explain_takes_standard_input(run) -> None:
    ran = run("explain", "-", *COHORT, *AS_OF, stdin=Path(POSSIBLE).read_bytes())
    assert ran.status == 0 and ran.out == run("explain", POSSIBLE, *COHORT, *AS_OF).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["explain", "POSSIBLE", "--trial", "NCT07266181", "--cohort", "igan"], "NCT06469190/igan"),
        (["explain", "POSSIBLE", "--trial", "NCT00000000", "--cohort", "rmn"], "no patient group NCT00000000/rmn"),
        (["explain", "POSSIBLE", "--trial", "NCT07266181"], "--cohort"),
        (["explain", "POSSIBLE", "--cohort", "rmn"], "--trial"),
        (["explain", *COHORT], "BUNDLE"),
        (["explain", "nowhere.json", *COHORT], "nowhere.json: No such file"),
        (["explain", "POSSIBLE", *COHORT, "--as-of", "soon"], "'soon' is not a date"),
        (["explain", "POSSIBLE", *COHORT, "--html", "nowhere/page.html"], "nowhere/page.html: No such file"),
    ],
)
def test_explain_refuses_in_one_line(arguments: list[str], said: str, run) -> None:
    ran = run(*[POSSIBLE if a == "POSSIBLE" else a for a in arguments])
    assert ran.status == 2 and ran.out == "" and said in one_line(ran)


# --- settings, check, docs, help --------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"CDS_MAX_CARDS": "many"}, {"CDS_NO_SUCH": "1"}, {"CDS_CRITERIA_DIR": "/nowhere"}])
def test_a_bad_setting_is_one_line(settings: Mapping[str, str], run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    ran = run("evaluate", CANDIDATE)
    assert ran.status == 2 and next(iter(settings)) in one_line(ran)


def test_check_of_what_is_shipped_finds_nothing(run) -> None:
    ran = run("check")
    assert (ran.status, ran.err) == (0, "")
    assert f"{len(TRIALS)} trials" in ran.out and f"{len(list((ROOT / 'fixtures').glob('*.json')))} fixtures: no fault" in ran.out


def test_check_names_every_fault_with_file_and_line(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = (ROOT / "criteria" / "NCT07266181.yaml").read_text(encoding="utf-8")
    (tmp_path / "NCT07266181.yaml").write_text(good.replace("observation: egfr", "observation: egfrr").replace("phase:", "fase:"), encoding="utf-8")
    (tmp_path / "schema.json").write_bytes((ROOT / "criteria" / "schema.json").read_bytes())
    monkeypatch.setenv("CDS_CRITERIA_DIR", str(tmp_path))
    ran = run("check")
    assert ran.status == 1
    faults = [line for line in ran.out.splitlines() if "NCT07266181.yaml:" in line]
    assert faults and all(line.split(":")[1].isdigit() for line in faults)
    assert f"{len(faults)} fault" in ran.out.splitlines()[-1]
    assert "NCT07266181.yaml" in one_line(run("evaluate", CANDIDATE))  # and the same fault stops the start


def test_check_needs_the_mappings_for_the_criteria(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDS_MAPPINGS_DIR", str(tmp_path))
    ran = run("check")
    assert ran.status == 1 and "criteria not checked" in ran.out


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("{\n  oops", 2, "not JSON"),
        ('{"resourceType": "Bundle", "type": "collection", "entry": [{"resource":\n {"resourceType": "Observation",\n "id": "o1"}}]}', 3, "entry.0"),
        ('{"resourceType": "Bundle", "type": "collection"}', 0, "Patient"),
    ],
)
def test_a_bad_fixture_is_found(text: str, line: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    faults = fixture_faults(path)
    assert faults and faults[0].line == line and said in faults[0].message


def test_docs_writes_one_page_a_trial_and_one_sheet_an_ehr(run, tmp_path: Path) -> None:
    ran = run("docs", "--to", str(tmp_path / "trials"), "--ehr", str(tmp_path / "ehr"))
    assert ran.status == 0
    assert sorted(p.name for p in (tmp_path / "ehr").iterdir()) == ["epic.md", "oracle.md", "sandbox.md"]
    assert sorted(p.name for p in (tmp_path / "trials").iterdir()) == sorted(f"{trial}.md" for trial in TRIALS)


def test_config_shows_what_holds(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_MAX_CARDS", "5")
    ran = run("config")
    assert ran.status == 0 and {"CDS_MAX_CARDS=5", "CDS_FETCH_BUDGET=2  # default"} <= set(ran.out.splitlines())
    monkeypatch.setenv("CDS_MAX_CARDS", "many")
    ran = run("config")
    assert ran.status == 2 and "CDS_MAX_CARDS" in one_line(ran)


def test_no_command_shows_the_help(run) -> None:
    ran = run()
    assert ran.status == 0
    for command in ("serve", "demo", "evaluate", "check", "docs"):
        assert command in ran.out


def test_version(run) -> None:
    assert run("--version").out.strip() == f"cds-service {__version__}"


def test_a_taken_port_is_one_line(run) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = run("serve", "--port", str(taken.getsockname()[1]))
    assert ran.status == 2 and "cannot listen" in one_line(ran)


# --- the installed program --------------------------------------------------------------------


def test_python_m_is_the_same_program() -> None:
    ran = subprocess.run([sys.executable, "-m", "cds_service", "evaluate", "none.json"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert ran.returncode == 2 and ran.stdout == "" and ran.stderr.count("\n") == 1


def test_evaluate_imports_no_server_and_no_models() -> None:
    script = (
        "import sys; from cds_service.cli import main; "
        f"main(['evaluate', {CANDIDATE!r}, '--as-of', '2026-11-01']); "
        "unwanted = ('flask', 'gunicorn', 'fhir.resources', 'pydantic', 'pint', 'jsonschema', 'rich', 'requests', 'urllib3'); "
        "print([m for m in unwanted if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)  # noqa: S603 -- the line above
    assert ran.stderr.strip() == "[]"


def test_a_closed_pipe_is_no_traceback() -> None:
    command = f"{sys.executable} -m cds_service evaluate {CANDIDATE} {OTHER} --as-of 2026-11-01 | head -n 1"
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=ROOT, check=True)  # noqa: S603 -- the line above
    assert "Traceback" not in ran.stderr and "BrokenPipe" not in ran.stderr
