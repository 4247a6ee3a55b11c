"""The manual keeps up with the program: every command, option, setting, status and reason is told of, and the README's examples run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask.testing import FlaskClient

from cds_service import cli, metrics, pipeline, wire
from cds_service.app import create_app
from cds_service.config import SETTINGS, Settings, shipped
from cds_service.errors import BadData
from cds_service.model.outcomes import REASONS
from cds_service.model.served import DOES_NOT_FIT
from cds_service.web.hooks import STATUSES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
OPERATION = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXAMPLES = [line.split("  #")[0].strip() for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("fixtures/*.md")])


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    settings = Settings.from_environment({}, sandbox=True, as_of=cli.day("2026-11-01"))
    with create_app(pipeline.load_rules(settings), settings).test_client() as found:
        yield found


COMMANDS = {
    " ".join((name, *below)): command
    for name, found in cli.cli.commands.items()
    for below, command in ([((n,), c) for n, c in found.commands.items()] if isinstance(found, click.Group) else [((), found)])
}
OPTIONS = [
    (command, option)
    for command, found in COMMANDS.items()
    for p in found.params
    if isinstance(p, click.Option)
    for option in p.opts
    if option != "--help"
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_told_of(name: str) -> None:
    assert re.search(rf"^\| `{name}[ `]", README, re.MULTILINE)


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_told_of(command: str, option: str) -> None:
    rows = [row for row in CONFIGURATION.splitlines() if row.startswith("|") and f"`{option}`" in row]
    assert any(f"`{command}`" in row for row in rows)


def test_no_option_is_told_of_that_is_not_there() -> None:
    told = {o for row in CONFIGURATION.splitlines() if row.startswith("| `--") for o in re.findall(r"`(--[a-z-]+)`", row.split("|")[1])}
    assert told == {option for _, option in OPTIONS}


def test_every_setting_is_told_of_in_its_own_words_and_no_other() -> None:
    told = re.findall(r"^\| `(CDS_[A-Z_]+)` \| (?:`(.*?)`)? \| (.*) \|$", CONFIGURATION, re.MULTILINE)
    assert told == [(s.name, s.default, s.meaning) for s in SETTINGS]


@pytest.mark.parametrize("word", ["met", "not-met", "unknown", "manual", "not-applicable", "excluded", "possible", "candidate", "no-record"])
def test_every_outcome_and_status_is_told_of(word: str) -> None:
    assert f"`{word}`" in README


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_told_of(reason: str) -> None:
    assert f"`{reason}`" in "".join(p.read_text(encoding="utf-8") for p in PAGES if p.parent.name == "docs")


def test_every_trial_and_patient_group_is_told_of() -> None:
    trials = pipeline.load_rules(Settings.from_environment({})).trials
    rows = {row[3:14]: row for row in README.splitlines() if row.startswith("| [NCT")}
    assert set(rows) == {t.id for t in trials}
    for trial in trials:
        assert re.findall(r"`([a-z-]+)`", rows[trial.id]) == [c.id for c in trial.cohorts]
        assert rows[trial.id].split("|")[2].strip() == trial.product
        assert ("does not recruit" in rows[trial.id]) is not trial.recruiting


def test_the_patients_are_counted() -> None:
    assert f" {len(list(shipped('fixtures').glob('*.json')))} synthetic patients" in README


OUTCOMES = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")


def described(schema: object, member: str) -> Iterator[dict[str, object]]:
    """Every description of a member, wherever it stands in the schema."""
    if isinstance(schema, dict):
        if member in (properties := schema.get("properties", {})):
            yield properties[member]
        for part in schema.values():
            yield from described(part, member)
    elif isinstance(schema, list):
        for part in schema:
            yield from described(part, member)


@pytest.mark.parametrize("member", ["decides", "settles", "cost", "questions", "lookAgain"])
def test_what_would_change_an_answer_is_told_of(member: str) -> None:
    schema = json.loads((ROOT / "cds_service" / "assessment.schema.json").read_text(encoding="utf-8"))
    found = list(described(schema, member))
    assert found and f"`{member}`" in OUTCOMES
    for word in found[0].get("enum", []):
        assert f"`{word}`" in OUTCOMES


@pytest.mark.parametrize("route", STATUSES)
def test_every_route_is_told_of(route: str) -> None:
    assert route.replace("{id}", "cell-therapy-trials") in CONFIGURATION


def test_the_columns_of_a_sites_own_tables_are_told_of(tmp_path: Path) -> None:
    for setting in ("CDS_LOCAL_MAPPINGS", "CDS_UPPER_LIMITS"):
        section = CONFIGURATION.split(f"**`{setting}`**", 1)[1].split("```csv\n", 1)
        table = tmp_path / f"{setting}.csv"
        table.write_text("colour\n", encoding="utf-8")
        with pytest.raises(BadData) as caught:
            pipeline.load_rules(Settings.from_environment({setting: str(table)}))
        columns = caught.value.faults[0].message.split("the columns are ")[1].split(", ")
        assert re.findall(r"^\| `([a-z]+)` \|", section[0], re.MULTILINE) == columns
        table.write_text(section[1].split("```", 1)[0], encoding="utf-8")
        pipeline.load_rules(Settings.from_environment({setting: str(table)}))


@pytest.mark.parametrize("name", ["requests", "seconds", "phases", "cards", "mutes", "fetches", "auth", "store", "feedback"])
def test_every_metric_is_told_of(name: str) -> None:
    (metric,) = getattr(metrics._instruments(), name)._metric.describe()
    assert f"`{metric.name}" in OPERATION


def test_every_override_reason_is_told_of(client: FlaskClient) -> None:
    body = json.loads((ROOT / "docs" / "examples" / "patient-view.json").read_text(encoding="utf-8"))
    reasons = client.post("/cds-services/cell-therapy-trials", json=body).get_json()["cards"][0]["overrideReasons"]
    page = (ROOT / "docs" / "feedback.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([a-z-]+)` \| (.*?) \| (?:yes|no) \| (.*?) \|$", page, re.MULTILINE)
    assert sorted(told) == sorted((r["code"], r["display"], "does not fit" if r["code"] in DOES_NOT_FIT else "nothing") for r in reasons)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!<?https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_every_make_target_is_there_and_the_readme_names_no_other() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    assert {"demo", "test", "check", "serve", "docs", "bench"} <= targets
    assert set(re.findall(r"\bmake ([a-z]+)`", README)) | set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) <= targets


@pytest.mark.parametrize("command", [e for e in EXAMPLES if e.startswith("cds-service ") and " serve " not in e])
def test_readme_commands_run(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(shlex.split(command)[1:]) == 0
    said = capsys.readouterr()
    assert said.out and not said.err


def test_readme_serves_as_of_the_fixtures() -> None:
    (command,) = [e for e in EXAMPLES if " serve " in e]
    context = cli.cli.commands["serve"].make_context("serve", shlex.split(command)[2:])
    assert context.params["sandbox"] and str(context.params["as_of"]) == "2026-11-01" and context.params["port"] == 8080


@pytest.mark.parametrize("command", [e for e in EXAMPLES if e.startswith("curl ")])
def test_readme_calls_are_answered(command: str, client: FlaskClient) -> None:
    words = shlex.split(command)
    (address,) = [w for w in words if w.startswith("http://127.0.0.1:8080/")]
    path = address.removeprefix("http://127.0.0.1:8080")
    files = [w.removeprefix("@") for w in words if w.startswith("@")]
    answer = client.post(path, data=(ROOT / files[0]).read_bytes(), content_type="application/json") if files else client.get(path)
    assert answer.status_code == 200
    if path.startswith("/cds-services"):
        assert answer.get_json()["cards"] if files else answer.get_json()["services"]


def test_the_example_request_leaves_no_list_out(client: FlaskClient) -> None:
    body = json.loads((ROOT / "docs" / "examples" / "patient-view.json").read_text(encoding="utf-8"))
    templates = client.get("/cds-services").get_json()["services"][0]["prefetch"]
    assert set(body["prefetch"]) == set(templates)
    said = client.post("/cds-services/cell-therapy-trials", json=body).get_json()["extension"]["org.cds-service.assessment"]
    assert "incomplete" not in said


def test_every_decision_record_has_its_three_parts() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(p.name[:4]) for p in records] == list(range(1, len(records) + 1))
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]} ")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], path.name
        assert len(text) < 4000, f"{path.name} is more than a page"


def test_the_changelog_puts_clinical_behaviour_first() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (.*)$", text.split("## [")[1], re.MULTILINE)[0] == "Clinical behaviour"


def test_trial_pages_and_set_up_sheets_are_up_to_date(tmp_path: Path) -> None:
    assert cli.main(["docs", "--to", str(tmp_path / "trials"), "--ehr", str(tmp_path / "ehr")]) == 0
    written = {p.relative_to(tmp_path): p.read_text(encoding="utf-8") for p in tmp_path.glob("*/*")}
    kept = {p.relative_to(ROOT / "docs"): p.read_text(encoding="utf-8") for name in ("trials", "ehr") for p in (ROOT / "docs" / name).glob("*.md")}
    assert written == kept, "run: make docs"


def test_every_hook_is_told_of() -> None:
    assert set(wire.HOOKS) <= set(re.findall(r"^\| `([a-z-]+)` \|", README, re.MULTILINE))
    assert all(f"`{name}`" in CONFIGURATION for name in wire.SERVICES)


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "ehr").glob("*.md")), ids=lambda p: p.name)
def test_calls_of_a_set_up_sheet_are_answered(page: Path, client: FlaskClient) -> None:
    calls = re.findall(r"^curl -s http://127\.0\.0\.1:8080(/cds-services/\S+) .*-d @(\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert calls
    for path, body in calls:
        answer = client.post(path, data=(ROOT / body).read_bytes(), content_type="application/json")
        assert answer.status_code == 200 and answer.get_json()["cards"], (path, body)


@pytest.mark.parametrize("page", ["epic.md", "sandbox.md", "oracle.md"])
def test_a_set_up_sheet_names_every_address_topic_and_query(page: str, client: FlaskClient) -> None:
    text = (ROOT / "docs" / "ehr" / page).read_text(encoding="utf-8")
    services = client.get("/cds-services").get_json()["services"]
    assert all(f"/cds-services/{s['id']}`" in text for s in services)
    if page != "sandbox.md":
        token = "{{context.patientId}}" if page == "epic.md" else "12345"
        assert all(t.replace("{{context.patientId}}", token) in text for t in services[0]["prefetch"].values())
        topics = {t.topic for t in pipeline.load_rules(Settings.from_environment({})).trials}
        assert all(f"`{topic}`" in text and topic.isalnum() and len(topic) <= 100 for topic in topics)


def test_the_demo_tells_of_every_fixture() -> None:
    from cds_service.demo.story import PATIENTS

    assert sorted(name for name, _ in PATIENTS) == sorted(p.stem for p in shipped("fixtures").glob("*.json"))
    assert all(len(f"{name}  {about} ") < 108 for name, about in PATIENTS), "a heading is cut off"


def test_the_try_out_of_security_md_makes_a_client_and_a_token_that_are_accepted(tmp_path: Path) -> None:
    script = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"), re.DOTALL)
    assert script is not None
    address = "http://127.0.0.1:8080/cds-services"
    tokens = [
        subprocess.run([sys.executable, "-c", script[1], address], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 -- the manual's
        for _ in range(2)
    ]
    settings = Settings.from_environment({"CDS_CLIENTS": str(tmp_path / "clients.yaml")})
    client = create_app(pipeline.load_rules(settings), settings).test_client()
    told = [
        client.get("/cds-services", base_url="http://127.0.0.1:8080", headers={"Authorization": f"Bearer {t}"}).status_code
        for t in (*tokens, tokens[0])
    ]
    assert told == [200, 200, 401]
    assert (tmp_path / "try-out.pem").stat().st_mode & 0o077 == 0
