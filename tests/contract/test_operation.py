"""What the one who runs the service sees: ready or not, counts, the audit, the page about it, and gunicorn as it is configured."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import IO

import pytest
import requests
from flask.testing import FlaskClient

from cds_service import __version__, about, metrics, pipeline
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.keyed import Keys
from cds_service.pipeline import Rules
from cds_service.store import open_store

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "/cds-services/cell-therapy-trials"
EXAMPLE = json.loads((ROOT / "docs/examples/patient-view.json").read_text(encoding="utf-8"))
DAY = date(2026, 11, 1)
SETTINGS = Settings.from_environment({})


@pytest.fixture(scope="module")
def rules() -> Rules:
    return pipeline.load_rules(SETTINGS)


@pytest.fixture
def client(rules: Rules) -> FlaskClient:
    return create_app(rules, SETTINGS, today=lambda: DAY).test_client()


def series(client: FlaskClient, name: str) -> float:
    found = dict(line.rsplit(" ", 1) for line in client.get("/metrics").get_data(as_text=True).splitlines() if not line.startswith("#"))
    return float(found.get(name, 0))


# --- ready ---------------------------------------------------------------------------------------


def broken() -> None:
    raise ConnectionError("password=hush at db.internal")


def test_ready_when_every_check_passes(rules: Rules) -> None:
    asked: list[str] = []
    app = create_app(rules, SETTINGS, checks={"store": lambda: asked.append("store")})
    answer = app.test_client().get("/ready")
    assert (answer.status_code, answer.get_json(), asked) == (200, {"status": "ready"}, ["store"])


def test_not_ready_says_which_check_failed_and_no_more(rules: Rules, capsys: pytest.CaptureFixture[str]) -> None:
    client = create_app(rules, SETTINGS, checks={"store": broken, "clock": lambda: None}).test_client()
    answer = client.get("/ready")
    assert (answer.status_code, answer.get_json()) == (503, {"status": "not-ready", "failed": ["store"]})
    line = json.loads(capsys.readouterr().err)
    assert (line["check"], line["error"], line["level"]) == ("store", "ConnectionError", "warning")
    assert "hush" not in json.dumps(line)
    assert client.get("/health").status_code == 200  # alive all the same: a restart would mend nothing


def test_without_criteria_nobody_is_sent_here(rules: Rules) -> None:
    answer = create_app(replace(rules, trials=()), SETTINGS).test_client().get("/ready")
    assert (answer.status_code, answer.get_json()["failed"]) == (503, ["criteria"])


# --- counts and the audit ------------------------------------------------------------------------


def test_a_call_is_counted_timed_and_its_cards_by_trial(client: FlaskClient) -> None:
    names = [
        'cds_requests_total{route="/cds-services/<service>",status="200"}',
        'cds_hook_seconds_count{status="200"}',
        'cds_cards_total{trial="NCT07266181"}',
        *(f'cds_phase_seconds_count{{phase="{phase}"}}' for phase in metrics.PHASES),
    ]
    before = [series(client, name) for name in names]
    client.post(SERVICE, json=EXAMPLE)
    assert [series(client, name) - then for name, then in zip(names, before, strict=True)] == [1] * len(names)


def test_a_refusal_and_an_unknown_address_are_counted_by_rule(client: FlaskClient) -> None:
    refused, nowhere = 'cds_requests_total{route="/cds-services/<service>",status="400"}', 'cds_requests_total{route="none",status="404"}'
    before = series(client, refused), series(client, nowhere)
    client.post(SERVICE, json={})
    client.get("/Patient/4711")
    assert (series(client, refused), series(client, nowhere)) == (before[0] + 1, before[1] + 1)
    assert "4711" not in client.get("/metrics").get_data(as_text=True)


def audited(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_audit_says_who_asked_about_whom_by_hash(rules: Rules, capsys: pytest.CaptureFixture[str]) -> None:
    key = "k" * 32
    known = Keys(key.encode()).of
    app = create_app(rules, replace(SETTINGS, hash_key=key), today=lambda: DAY)
    app.test_client().post(SERVICE, json=EXAMPLE)
    (line,) = audited(capsys)
    assert line.pop("time") and line.pop("level")
    assert line == {
        "event": "asked",
        "client": "open",
        "user": known("clinician", "open", EXAMPLE["context"]["userId"]),
        "patient": known("patient", "open", EXAMPLE["context"]["patientId"]),
        "hook": "patient-view",
        "hookInstance": EXAMPLE["hookInstance"],
        "status": 200,
        "cards": 2,
        "cohorts": {"possible": 2},
    }


def test_a_call_that_could_not_be_answered_is_in_the_audit_too(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.post(SERVICE, json=EXAMPLE | {"prefetch": {}})
    (line,) = audited(capsys)
    assert (line["status"], "cards" in line, "cohorts" in line) == (412, False, False)


def test_one_call_leaves_nothing_for_the_next(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.post(SERVICE, json=EXAMPLE)
    client.get("/cds-services")
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    last = json.loads(err.splitlines()[-1])
    assert (last["event"], last["route"], "hookInstance" in last) == ("request", "/cds-services", False)


def test_probes_leave_no_line(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("/health", "/ready", "/metrics"):
        client.get(path)
    assert capsys.readouterr() == ("", "")


def test_hashes_differ_by_key_and_are_not_the_thing() -> None:
    one, same, other = (Keys(key * 32).of for key in (b"k", b"k", b"j"))
    who = "patient", "open", "p-1"
    assert one(*who) == same(*who) != other(*who)
    assert len({one(*who), one("patient", "open", "p-2"), one("clinician", "open", "p-1"), one("patient", "elsewhere", "p-1")}) == 4
    assert re.fullmatch("[0-9a-f]{32}", one(*who))


def test_the_audit_and_the_store_say_the_same_of_a_person(rules: Rules, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = replace(SETTINGS, database_url=f"sqlite:///{tmp_path}/store.sqlite3", hash_key="k" * 32)
    store, _ = open_store(settings)
    for remembering in (store, None):
        create_app(rules, settings, today=lambda: DAY, store=remembering).test_client().post(SERVICE, json=EXAMPLE)
        (line,) = audited(capsys)
        assert line["patient"] == store.person("patient", "open", EXAMPLE["context"]["patientId"])


def test_a_store_that_cannot_be_reached_is_not_ready(rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(SETTINGS, database_url=f"sqlite:///{tmp_path}/store.sqlite3")
    store, _ = open_store(settings)
    client = create_app(rules, settings, today=lambda: DAY, store=store).test_client()
    assert client.get("/ready").status_code == 200
    monkeypatch.setattr(store, "ready", lambda: False)
    answer = client.get("/ready")
    assert (answer.status_code, answer.json["failed"]) == (503, ["store"])


# --- about ---------------------------------------------------------------------------------------


def test_about_tells_of_every_trial_what_its_file_says(client: FlaskClient, rules: Rules) -> None:
    said = client.get("/about.json").get_json()
    assert said["version"] == __version__
    assert {t["id"] for t in said["trials"]} == {t.id for t in rules.trials}
    for trial in rules.trials:
        (told,) = [t for t in said["trials"] if t["id"] == trial.id]
        assert told["source"]["lastVerified"] == trial.verified_on.isoformat()
        assert told["source"]["url"] == trial.url
        assert told["recruiting"] is trial.recruiting
        assert told["criteria"]["total"] == len(trial.criteria)
        assert re.fullmatch("[0-9a-f]{12}", told["criteriaVersion"])
    assert {d["list"] for d in said["dataRead"]} == set(rules.templates)
    for member in ("purpose", "intendedUsers", "notFor", "howItDecides", "knownLimits"):
        assert said[member]
    assert any("race" in words for words in said["howItDecides"]) and any("No card" in words for words in said["knownLimits"])


def test_no_review_is_claimed_that_no_file_records(client: FlaskClient, rules: Rules) -> None:
    said = client.get("/about.json").get_json()
    assert said["review"] == "No clinician has reviewed these criteria yet."
    assert all(t["readingsOfUnclearPlaces"]["reviewed"] == 0 for t in said["trials"])
    trial = rules.trials[0]
    by = "nephrologist, 2026-10-02"
    read = [replace(c, interpretation=replace(c.interpretation, review=by)) if c.interpretation else c for c in trial.criteria]
    told = about.describe((replace(trial, criteria=tuple(read)),), {}, DAY)
    total = sum(c.interpretation is not None for c in read)
    assert told["review"].startswith(f"A clinician has reviewed {total} of {total} readings")
    places = told["trials"][0]["readingsOfUnclearPlaces"]
    assert (places["total"], places["reviewed"], places["by"], {r["review"] for r in places["readings"]}) == (total, total, [by], {by})


def test_a_record_that_may_have_grown_old_says_so(rules: Rules) -> None:
    notes = {t["id"]: t.get("note", "") for t in about.describe(rules.trials, {}, date(2030, 1, 1))["trials"]}
    assert all(("ask if it still recruits" in notes[trial.id]) is trial.recruiting for trial in rules.trials)


def test_the_version_of_the_criteria_is_of_their_text(rules: Rules, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("one")
    first = about.version(replace(rules.trials[0], path=str(file)))
    other = tmp_path / "b.yaml"
    other.write_text("two")
    assert first != about.version(replace(rules.trials[0], path=str(other))) and about.version(replace(rules.trials[0], path="")) == ""


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("*/*", "text/html"),
        ("", "text/html"),
        ("application/json", "application/json"),
        ("application/json;q=0.5, text/html", "text/html"),
    ],
)
def test_about_is_a_page_or_json_as_asked(client: FlaskClient, accept: str, media: str) -> None:
    answer = client.get("/about", headers={"Accept": accept})
    assert (answer.mimetype, answer.headers["Vary"]) == (media, "Accept")


class Page(HTMLParser):
    """Tags and what they point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_the_page_stands_alone_and_can_be_read_by_all(client: FlaskClient, rules: Rules) -> None:
    answer = client.get("/about")
    text = answer.get_data(as_text=True)
    page = Page(text)
    assert ("lang", "en") in page.attributes and page.tags.count("h1") == 1 and {"main", "header", "title"} <= set(page.tags)
    assert not {"script", "img", "link", "iframe"} & set(page.tags) and "url(" not in text and not [n for n, _ in page.attributes if n == "src"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    said = client.get("/about.json").get_json()
    for words in (said["purpose"], said["review"], *said["knownLimits"], *(t.id for t in rules.trials)):
        assert words.replace("'", "&#39;") in text


def test_what_a_file_says_is_escaped(rules: Rules) -> None:
    told = about.describe((replace(rules.trials[0], title="<img onerror=x>"),), {}, DAY)
    assert "<img" not in about.as_html(told)


# --- gunicorn ------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    def __init__(self, process: subprocess.Popen[str], port: int, log: IO[str]) -> None:
        self.process, self.port, self.log = process, port, log
        self.url = f"http://127.0.0.1:{port}"

    def raw(self, sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def logged(self) -> str:
        return Path(self.log.name).read_text(encoding="utf-8")


@contextmanager
def running(tmp_path: Path, command: Callable[[int], list[str]]) -> Iterator[Running]:
    """A server in a process of its own, up when it answers; stopped in any case."""
    port = free_port()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "PROMETHEUS_"))} | {
        "PYTHONPATH": str(ROOT),
        "CDS_DATABASE_URL": f"sqlite:///{tmp_path}/store.sqlite3",
    }
    with (tmp_path / "err").open("w") as err, (tmp_path / "out").open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", *command(port)], stdout=out, stderr=err, env=environ, cwd=tmp_path, text=True)  # noqa: S603 -- ours
        try:
            session = requests.Session()
            session.mount(
                "http://", requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(12, backoff_factor=0.05, allowed_methods=None))
            )
            with session:
                assert session.get(f"http://127.0.0.1:{port}/health", timeout=10).status_code == 200
            yield Running(process, port, err)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def counted(server: Running) -> float:
    """Hook calls that were answered, as any worker tells it."""
    name = 'cds_requests_total{route="/cds-services/<service>",status="200"}'
    told = requests.get(server.url + "/metrics", timeout=10).text.splitlines()
    return sum(float(line.removeprefix(name)) for line in told if line.startswith(name))


STARTS = {
    "serve": lambda port: ["cds_service", "serve", "--port", str(port), "--workers", "2"],
    "gunicorn": lambda port: [
        "gunicorn",
        "-c",
        "python:cds_service.gunicorn_conf",
        "-b",
        f"127.0.0.1:{port}",
        "-w",
        "2",
        "cds_service.wsgi:application",
    ],
}


@pytest.mark.parametrize("start", STARTS)
def test_two_workers_count_together_speak_json_and_stop_when_told(start: str, tmp_path: Path) -> None:
    with running(tmp_path, STARTS[start]) as server:
        for _ in range(12):  # a connection each, so that both workers have a turn
            assert requests.post(server.url + SERVICE, json=EXAMPLE, timeout=10).status_code == 200
        for _ in range(100):  # a worker counts a call when it has been answered
            if counted(server) == 12:
                break
        assert {counted(server) for _ in range(6)} == {12}, "whichever worker is asked"
        broken = server.raw(b"GET /x HTTP/1.1\r\nMrs Ann: hush\r\n\r\n")
        assert broken.startswith(b"HTTP/1.1 400 ") and json.loads(broken.split(b"\r\n\r\n", 1)[1])["resourceType"] == "OperationOutcome"
        assert server.raw(b"GET /" + b"hush" * 2000 + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 414 ")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0
        logged, asked = server.logged(), (tmp_path / "out").read_text(encoding="utf-8")
    assert "Ann" not in logged + asked and "hush" not in logged + asked and b"hush" not in broken
    lines = [json.loads(line) for line in logged.splitlines() if not line.startswith("cds-service")]
    assert {line["event"] for line in lines} == {"server", "answered", "refused"}
    assert sum(line["event"] == "answered" for line in lines) == 12
    assert {line["error"] for line in lines if line["event"] == "refused"} == {"InvalidHeaderName", "LimitRequestLine"}
    assert len({line["patient"] for line in map(json.loads, asked.splitlines())}) == 1  # both workers hash with one key
    assert not list(Path("/dev/shm").glob(f"cds-service-metrics-*-{server.process.pid}"))  # noqa: S108 -- what it made there is gone


def test_what_is_under_way_at_a_stop_is_finished(tmp_path: Path) -> None:
    """Half a request is in when the stop comes; the rest follows, and is answered."""
    body = json.dumps(EXAMPLE).encode()
    with running(tmp_path, STARTS["serve"]) as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"POST {SERVICE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")  # a worker has it
        server.process.send_signal(signal.SIGTERM)
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert server.process.wait(timeout=20) == 0
    assert answer.startswith(b"HTTP/1.1 200 ") and b'"cards"' in answer


def test_connections_that_say_nothing_hold_up_nobody(tmp_path: Path) -> None:
    """As load balancers and browsers open them ahead: far more than there are threads."""
    with running(tmp_path, STARTS["serve"]) as server, ExitStack() as open_ones:
        for _ in range(60):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        assert requests.get(server.url + "/health", timeout=10).status_code == 200


def test_a_caller_who_falls_silent_within_a_body_is_told(client: FlaskClient) -> None:
    class Silent:
        def read(self, size: int = -1) -> bytes:
            raise BlockingIOError

    given = {"wsgi.input": Silent(), "CONTENT_LENGTH": "5", "CONTENT_TYPE": "application/json"}
    answer = client.post(SERVICE, environ_overrides=given)
    assert (answer.status_code, answer.get_json()["issue"][0]["diagnostics"]) == (400, "The body did not arrive whole.")


def test_a_wrong_setting_stops_any_start_in_one_line(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "CDS_MAX_CARDS": "many"}
    ran = subprocess.run([sys.executable, "-c", "import cds_service.wsgi"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "cds-service: CDS_MAX_CARDS: must be a whole number from 1 to 20\n")


def test_started_by_gunicorn_it_listens_beyond_loopback_only_with_clients(tmp_path: Path) -> None:
    command = STARTS["gunicorn"](free_port())
    command[command.index("-b") + 1] = f"0.0.0.0:{free_port()}"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "PROMETHEUS_"))}
    environ |= {"PYTHONPATH": str(ROOT), "CDS_DATABASE_URL": "none"}
    done = subprocess.run([sys.executable, "-m", *command], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 -- ours
    assert done.returncode != 0
    assert "cds-service: 0.0.0.0 can be reached by others, and no client is named" in done.stderr
