"""`cds-service serve` as it runs in a hospital: a store in trouble at the start, two workers with one SQLite file, a stop during a call."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import callers
import faults
import pytest
import requests
from faults import Answer, Server, running, trouble
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from cds_service import pipeline
from cds_service.config import Settings
from cds_service.store import open_store

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
ACCESS = {"access_token": "access-7f3a91c0ffee", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.read", "subject": "cds"}
#: A disk that is full while a file says so.
FULL = """
import os, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine

@event.listens_for(Engine, "checkout")
def out(connection, *_):
    connection.execute(f"PRAGMA max_page_count = {1 if os.path.exists(os.environ['FULL']) else 1000000}")

from cds_service.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def templates():
    return pipeline.load_rules(Settings.from_environment({})).templates


class Running:
    """A service in a process of its own. What it writes to stderr stands in a file, from where it can be read at any time."""

    def __init__(self, process, port, log):
        self.process, self.log = process, log
        self.base = f"http://127.0.0.1:{port}"

    def said(self):
        return self.log.read_text(encoding="utf-8")

    def post(self, path, body, **headers):
        return requests.post(self.base + path, json=body, headers=headers, timeout=30)

    def wait(self):
        with requests.Session() as session:
            session.mount(self.base, HTTPAdapter(max_retries=Retry(total=None, connect=100, backoff_factor=0.1, backoff_max=0.1)))  # until it listens
            assert session.get(f"{self.base}/health", timeout=30).status_code == 200, self.said()

    def counts(self):
        return trouble.counts(requests.get(f"{self.base}/metrics", timeout=30).text)


@contextmanager
def serving(folder, *arguments, program=("-m", "cds_service"), wait=True, **environ):
    port = int(environ.pop("port", free_port()))
    kept = (
        {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "PROMETHEUS_"))}
        | {"CDS_DATABASE_URL": f"sqlite:///{folder}/store.sqlite3"}
        | environ
    )
    log = folder / "stderr"
    with log.open("w") as stderr:
        told = [sys.executable, *program, "serve", "--port", str(port), *arguments]
        process = subprocess.Popen(told, cwd=ROOT, env=kept, stderr=stderr, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- the line above
        found = Running(process, port, log)
        try:
            if wait:
                found.wait()
            yield found
        finally:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=30)


def lines_of_ours(said):
    return [line for line in said.splitlines() if not line.startswith("{")]


# --- at the start --------------------------------------------------------------------------------


def not_a_database(folder):
    (folder / "store.sqlite3").write_text("no database " * 100)


def newer(folder):
    with sqlite3.connect(folder / "store.sqlite3") as connection:
        connection.execute("create table alembic_version (version_num varchar(32) not null)")
        connection.execute("insert into alembic_version values ('9999')")
    connection.close()


def key_for_all(folder):
    (folder / "store.sqlite3.key").write_text("k" * 64)
    (folder / "store.sqlite3.key").chmod(0o644)


@pytest.mark.parametrize(
    ("arrange", "environ", "words"),
    [
        (not_a_database, {}, "is it a database, in a writable folder?"),
        (newer, {}, "install the newer version again"),
        (key_for_all, {}, "can be read by others: chmod 600"),
        (None, {"CDS_DATABASE_URL": "sqlite:////sys/store.sqlite3"}, "cannot write the store /sys/store.sqlite3"),  # nor can root
        (None, {"CDS_DATABASE_URL": "none", "CDS_SILENT": "yes"}, "silent mode is for recording"),
    ],
)
def test_a_store_that_must_be_mended_by_hand_stops_the_start_with_one_line(tmp_path, arrange, environ, words):
    if arrange:
        arrange(tmp_path)
    with serving(tmp_path, wait=False, **environ) as service:
        service.process.wait(30)
        assert service.process.returncode == 2
        (line,) = service.said().splitlines()
        assert words in line
    with_wsgi = subprocess.run(
        [sys.executable, "-c", "import cds_service.wsgi"],
        cwd=ROOT,
        env={**os.environ, "CDS_DATABASE_URL": f"sqlite:///{tmp_path}/store.sqlite3", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert with_wsgi.returncode != 0 and with_wsgi.stderr.splitlines() == [line]


def test_a_store_that_is_locked_at_the_start_delays_it_and_no_more(tmp_path, templates):
    open_store(Settings.from_environment({"CDS_DATABASE_URL": f"sqlite:///{tmp_path}/store.sqlite3"}))[0].close()
    lock = sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    with serving(tmp_path) as service:
        told = [line for line in lines_of_ours(service.said()) if "store" in line]
        place = f"cds-service: store {tmp_path}/store.sqlite3"
        assert told == [f"{place} IS LOCKED by another program: cards are answered, nothing is recorded until it can be"]
        answer = service.post(trouble.SERVICE, trouble.hook_body(templates))
        assert (answer.status_code, trouble.trials(answer.json())) == (200, trouble.BOTH)
        body = trouble.feedback_body(trouble.card_of(answer.json(), trouble.MUTED))
        assert service.post(trouble.FEEDBACK, body).status_code == 503
        lock.close()
        assert service.post(trouble.FEEDBACK, body).status_code == 200
        assert trouble.trials(service.post(trouble.SERVICE, trouble.hook_body(templates)).json()) == [trouble.LEFT]


def test_a_new_store_on_a_full_disk_is_made_when_there_is_room_again(tmp_path, templates):
    flag = tmp_path / "full"
    flag.touch()
    with serving(tmp_path, program=("-c", FULL), FULL=str(flag)) as service:
        told = [line for line in lines_of_ours(service.said()) if "store" in line]
        assert len(told) == 1 and "HAS NO ROOM on its disk: cards are answered, nothing is recorded until it can be" in told[0]
        answer = service.post(trouble.SERVICE, trouble.hook_body(templates))
        assert (answer.status_code, trouble.trials(answer.json())) == (200, trouble.BOTH)
        body = trouble.feedback_body(trouble.card_of(answer.json(), trouble.MUTED))
        assert service.post(trouble.FEEDBACK, body).status_code == 503
        assert requests.get(f"{service.base}/ready", timeout=30).json() == {"status": "not-ready", "failed": ["store"]}
        flag.unlink()
        assert service.post(trouble.FEEDBACK, body).status_code == 200
        assert trouble.leaks(service.said()) == []


# --- two workers, one file -----------------------------------------------------------------------


def written(folder, rows):
    """Each worker writes behind its own calls: feedback that another worker gets within that moment would overtake the row."""
    with sqlite3.connect(folder / "store.sqlite3") as connection:
        for _ in range(100_000):
            if connection.execute("select count(*) from served").fetchone() == (rows,):
                break
        else:
            raise AssertionError("nothing was written")
    connection.close()


def test_two_workers_share_mutes_used_tokens_and_counts(tmp_path, templates):
    port = free_port()
    here = f"http://127.0.0.1:{port}{trouble.SERVICE}"
    with running(Server(trouble.BUNDLE, "Procedure", faults.status(500))) as ehr:
        clients = str(callers.client_file(tmp_path))
        with serving(tmp_path, "--workers", "2", port=port, CDS_CLIENTS=clients, CDS_FHIR_HOSTS="127.0.0.1", CDS_FETCH_BUDGET="20") as service:

            def bearer():
                return f"Bearer {callers.token(aud=[here, f'{here}/feedback'])}"

            body = trouble.hook_body(templates, fhirServer=ehr.base, fhirAuthorization=ACCESS)
            del body["prefetch"]["procedures"]
            answer = service.post(trouble.SERVICE, body, Authorization=bearer())
            written(tmp_path, 2)
            told = service.post(trouble.FEEDBACK, trouble.feedback_body(trouble.card_of(answer.json(), trouble.MUTED)), Authorization=bearer())
            assert told.status_code == 200
            again = [service.post(trouble.SERVICE, body, Authorization=bearer()) for _ in range(12)]  # each a connection of its own
            assert [trouble.trials(a.json()) for a in again] == [[trouble.LEFT]] * 12
            once = bearer()
            with ThreadPoolExecutor(8) as pool:
                statuses = list(pool.map(lambda _: service.post(trouble.SERVICE, body, Authorization=once).status_code, range(16)))
            assert sorted(statuses) == [200] + [401] * 15, "whichever worker sees it second"
            counted = service.counts()
            assert counted == {"auth replay": 15.0, "fetch status-500": float(ehr.asked("Procedure"))}, service.said()
        assert ehr.asked("Procedure") == 14
        said = service.said()
    assert trouble.leaks(said, once, ACCESS["access_token"]) == [] and "store trouble" not in said
    with sqlite3.connect(tmp_path / "store.sqlite3") as connection:
        found = dict(connection.execute("select shown, count(*) from served group by shown").fetchall())
    connection.close()
    assert found == {"shown": 2 + 13, "muted": 13}, "a graceful stop writes what waits"


# --- a stop --------------------------------------------------------------------------------------


def test_a_call_under_way_is_answered_when_the_service_is_told_to_stop(tmp_path, templates):
    asked, go = threading.Event(), threading.Event()

    def waits(server, path, right):
        asked.set()
        go.wait(20)
        return Answer(200, right)

    body = trouble.hook_body(templates)
    del body["prefetch"]["procedures"]
    with running(Server(trouble.BUNDLE, "Procedure", waits)) as ehr, serving(tmp_path, CDS_FETCH_BUDGET="4") as service:
        body |= {"fhirServer": ehr.base, "fhirAuthorization": ACCESS}
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(service.post, trouble.SERVICE, body)
            assert asked.wait(10)
            service.process.send_signal(signal.SIGTERM)
            with pytest.raises(requests.ConnectionError):  # nobody new is let in: it has heard
                while True:
                    requests.get(f"{service.base}/health", timeout=10)
            go.set()
            answer = call.result(20)
        assert (answer.status_code, trouble.trials(answer.json())) == (200, trouble.BOTH)
        assert service.process.wait(20) == 0
        audited = [json.loads(line) for line in service.process.stdout]
        assert [(line["event"], line["status"]) for line in audited] == [("asked", 200)]
    with sqlite3.connect(tmp_path / "store.sqlite3") as connection:
        assert connection.execute("select count(*) from served").fetchone() == (2,)
    connection.close()
