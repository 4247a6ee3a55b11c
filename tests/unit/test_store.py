"""The store on SQLite: schema, keys, quick questions in trouble, the writer behind the requests, several processes."""

import csv
import hashlib
import json
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic import command
from sqlalchemy import event, inspect
from sqlalchemy.exc import OperationalError, ProgrammingError

from cds_service import cli, pipeline, server
from cds_service.config import Settings
from cds_service.errors import BadSetting, StoreDown
from cds_service.fetch import from_bundle
from cds_service.model.outcomes import UNKNOWN, Finding
from cds_service.model.served import Feedback, Look, Served, Tally
from cds_service.store import Keys, open_store, schema, upgrade_store
from cds_service.store import store as store_module
from cds_service.store.deadline import Deadline
from cds_service.store.engine import address
from cds_service.store.fingerprint import look
from cds_service.store.trouble import passing
from cds_service.store.writer import Writer
from cds_service.web import memory

ROOT = Path(__file__).resolve().parents[2]
ROW = Served("c1", 100, "p", "d", "open", "patient-view", "NCT07266181", "rmn", "possible", "v", "f", "shown", "inc-a exc-b")
KEYS = Keys(b"k" * 32)


def settings(folder, **environ):
    return Settings.from_environment({"CDS_DATABASE_URL": f"sqlite:///{folder}/store.sqlite3", **environ})


@pytest.fixture
def store(tmp_path):
    found, _ = open_store(settings(tmp_path))
    yield found
    found.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite3"


def locked(path, how="IMMEDIATE"):
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute(f"BEGIN {how}")
    return lock


# --- opening -------------------------------------------------------------------------------------


def test_a_new_store_is_made_for_its_owner_alone(tmp_path):
    folder = tmp_path / "deep" / "state"
    made, about = open_store(settings(folder))
    made.close()
    assert about == f"store {folder}/store.sqlite3"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {"store.sqlite3": 0o600, "store.sqlite3.key": 0o600}


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"STATE_DIRECTORY": "{}/systemd"}, "systemd/store.sqlite3"),
        ({"STATE_DIRECTORY": "{}/one:{}/two"}, "one/store.sqlite3"),
        ({"XDG_STATE_HOME": "{}/xdg"}, "xdg/cds-service/store.sqlite3"),
    ],
)
def test_where_it_lies_unless_told(tmp_path, environ, place):
    made, _ = open_store(Settings.from_environment({}), {k: v.replace("{}", str(tmp_path)) for k, v in environ.items()})
    made.close()
    assert (tmp_path / place).is_file()


def test_without_any_of_these_it_lies_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    made, _ = open_store(Settings.from_environment({}), {})
    made.close()
    assert (tmp_path / ".local/state/cds-service/store.sqlite3").is_file()


@pytest.mark.parametrize("chosen", [{"database_url": "none"}, {"sandbox": True}])
def test_nothing_is_kept_where_nothing_is_wanted_or_in_a_sandbox(tmp_path, chosen):
    found = open_store(replace(Settings.from_environment({}), **chosen), {"XDG_STATE_HOME": str(tmp_path)})
    assert found == (None, "nothing is recorded, no card is muted, feedback is refused")
    assert not list(tmp_path.iterdir())


def test_a_sandbox_keeps_what_it_is_told_to_keep(tmp_path):
    made, _ = open_store(replace(settings(tmp_path), sandbox=True))
    made.close()
    assert made is not None


@pytest.mark.parametrize("text", ["mysql://u:hush@h/d", "sqlite://", "sqlite:///:memory:", "hush", "postgresql//hush"])
def test_another_address_is_refused_without_repeating_it(text):
    with pytest.raises(BadSetting, match=r"^CDS_DATABASE_URL: must be like sqlite:") as fault:
        address(text)
    assert "hush" not in str(fault.value)


@pytest.mark.parametrize("text", ["postgres://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"])
def test_postgresql_is_spoken_to_by_psycopg(text):
    assert address(text).drivername == "postgresql+psycopg"


def test_neither_address_nor_key_are_in_what_is_printed_of_settings():
    found = Settings.from_environment({"CDS_DATABASE_URL": "postgresql://u:hush@h/d", "CDS_HASH_KEY": "hush" * 8})
    assert "hush" not in repr(found) and "k" * 32 not in repr(KEYS)


def test_what_is_no_database_is_refused_in_one_line(tmp_path, path):
    path.write_text("not a database " * 100)
    with pytest.raises(BadSetting, match="is it a database"):
        open_store(settings(tmp_path))


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadSetting, match=r"cannot write the store .* set CDS_DATABASE_URL to another place"):
        open_store(settings(tmp_path / "file"))


def test_postgresql_wants_a_key():
    with pytest.raises(BadSetting, match="CDS_HASH_KEY must be set with PostgreSQL"):
        open_store(Settings.from_environment({"CDS_DATABASE_URL": "postgresql://u@127.0.0.1:1/d"}))


def test_a_postgresql_that_is_away_does_not_stop_the_start():
    environ = {"CDS_DATABASE_URL": "postgresql://u:hush@127.0.0.1:1/d", "CDS_HASH_KEY": "k" * 32}
    found, about = open_store(Settings.from_environment(environ))
    assert about.startswith("store 127.0.0.1/d CANNOT BE REACHED (OperationalError)") and "hush" not in about
    assert (found.heard("p", "open", 0), found.ready(), found.first_use("i", "j", 5)) == (frozenset(), False, True)
    found.close()
    with pytest.raises(BadSetting, match=r"cannot open the store 127\.0\.0\.1/d"):
        upgrade_store(Settings.from_environment(environ))


def test_a_file_that_is_locked_does_not_stop_the_start_and_its_schema_is_made_at_the_first_write(tmp_path, path, monkeypatch):
    monkeypatch.setattr("cds_service.store.opening.PATIENCE", 0.05)
    monkeypatch.setattr(store_module, "PATIENCE", 0.05)
    sqlite3.connect(path).close()
    lock = locked(path, "EXCLUSIVE")
    found, about = open_store(settings(tmp_path))
    assert about == f"store {path} IS LOCKED by another program: cards are answered, nothing is recorded until it can be"
    with pytest.raises(BadSetting, match="IS LOCKED"):
        open_store(settings(tmp_path), create=False)  # a report has nothing to answer without it
    with pytest.raises(BadSetting, match="IS LOCKED"):
        upgrade_store(settings(tmp_path))
    with pytest.raises(StoreDown):
        found.hear([Feedback("c1", "overridden", 5)], "open", 200)
    lock.close()
    found.hear([Feedback("c1", "overridden", 5)], "open", 200)
    found.serve([ROW])
    assert found.flush() and found.report()[0][0].overridden == (("", 1),)
    found.close()


@pytest.mark.parametrize(
    ("orig", "kind", "words"),
    [
        ("SQLITE_BUSY_SNAPSHOT", OperationalError, "IS LOCKED by another program"),
        ("SQLITE_FULL", OperationalError, "HAS NO ROOM on its disk"),
        ("SQLITE_IOERR_WRITE", OperationalError, "CANNOT BE WRITTEN (disk fault)"),
        ("SQLITE_READONLY", OperationalError, ""),
        ("", OperationalError, ""),
        (None, OperationalError, "CANNOT BE REACHED (OperationalError)"),
        (None, ProgrammingError, ""),
    ],
)
def test_what_passes_by_itself_is_told_from_what_must_be_mended(orig, kind, words):
    fault = Exception() if orig is None else sqlite3.OperationalError("Mrs Ann")
    if orig:
        fault.sqlite_errorname = orig
    assert passing(kind("select", {}, fault)) == words


# --- schema --------------------------------------------------------------------------------------


def test_migrations_make_what_the_tables_say(store):
    with store.engine.begin() as connection:
        command.check(schema.config(connection))  # raises where a migration is missing


def test_migrations_go_down_to_nothing_and_up_again(store):
    with store.engine.begin() as connection:
        command.downgrade(schema.config(connection), "base")
    assert inspect(store.engine).get_table_names() == ["alembic_version"]
    assert schema.upgrade(store.engine) is True
    assert schema.upgrade(store.engine) is False


def test_a_schema_of_a_newer_version_is_refused(store, tmp_path):
    with store.engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(BadSetting, match="schema 9999, which this version of cds-service does not know"):
        open_store(settings(tmp_path))


def test_a_schema_that_may_not_be_changed_is_refused_with_the_command_that_mends_it(tmp_path, path):
    with sqlite3.connect(path) as connection:
        connection.execute("create table served (card)")
    connection.close()
    with pytest.raises(BadSetting, match="run `cds-service store upgrade`"):
        open_store(settings(tmp_path))


def test_the_command_upgrades(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{tmp_path}/store.sqlite3")
    assert [cli.main(["store", "upgrade"]), cli.main(["store", "upgrade"])] == [0, 0]
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()] == ["schema brought up to date", "schema is current"]


def test_nothing_to_upgrade_where_there_is_no_store():
    assert upgrade_store(Settings.from_environment({"CDS_DATABASE_URL": "none"})) == "no store: CDS_DATABASE_URL is none"


def test_the_file_is_in_wal_mode(store):
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("pragma journal_mode").scalar() == "wal"


def test_silent_mode_without_a_store_is_refused_and_with_one_is_said_aloud(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(server.Service, "run", lambda service: service.application.extensions)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    monkeypatch.setenv("CDS_DATABASE_URL", "none")
    assert cli.main(["serve", "--silent", "--port", port]) == 2
    assert "there is no store: set CDS_DATABASE_URL" in capsys.readouterr().err
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{tmp_path}/store.sqlite3")
    for arguments, said in ((["--silent"], True), ([], False)):
        assert cli.main(["serve", "--port", port, *arguments]) == 0
        assert ("SILENT: every patient" in capsys.readouterr().err) is said


def test_the_first_connection_is_opened_in_the_worker(store, monkeypatch):
    from cds_service import gunicorn_conf

    monkeypatch.setattr(gunicorn_conf.app, "tune_collector", lambda: None)
    for extensions in ({"store": store}, {}):
        gunicorn_conf.post_worker_init(SimpleNamespace(wsgi=SimpleNamespace(extensions=extensions)))
        assert store._quick_engine.pool.checkedin() == 1


# --- keys ----------------------------------------------------------------------------------------


def test_the_same_key_gives_the_same_hash_after_a_restart(tmp_path):
    hashes = []
    for _ in range(2):
        made, _ = open_store(settings(tmp_path))
        hashes.append(made.person("patient", "https://ehr.example/fhir", "1"))
        made.close()
    assert hashes[0] == hashes[1] and len(hashes[0]) == 32


def test_kind_hospital_id_and_key_all_count():
    found = {
        KEYS.of("patient", "a", "1"),
        KEYS.of("clinician", "a", "1"),
        KEYS.of("patient", "b", "1"),
        KEYS.of("patient", "a", "2"),
        KEYS.of("patient", "", "a1"),
        Keys(b"j" * 32).of("patient", "a", "1"),
    }
    assert len(found) == 6


def test_a_key_of_ones_own_makes_no_file(tmp_path):
    made, _ = open_store(settings(tmp_path, CDS_HASH_KEY="k" * 32))
    made.close()
    assert made.person("patient", "a", "1") == KEYS.of("patient", "a", "1")
    assert not (tmp_path / "store.sqlite3.key").exists()


@pytest.mark.parametrize(
    ("text", "mode", "said"), [("short", 0o600, "fewer than 32 characters"), ("k" * 64, 0o640, "can be read by others: chmod 600")]
)
def test_a_key_that_protects_nothing_is_refused(tmp_path, text, mode, said):
    key = tmp_path / "store.sqlite3.key"
    key.write_text(text)
    key.chmod(mode)
    with pytest.raises(BadSetting, match=said):
        open_store(settings(tmp_path))


# --- fingerprints --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown():
    rules = pipeline.load_rules(Settings.from_environment({}))
    record = from_bundle(json.loads((ROOT / "fixtures" / "rmn-candidate.json").read_bytes()))
    (found,) = [a for a in pipeline.assess(record, rules, date(2026, 11, 1).toordinal()).assessments if a.cohort.id == "rmn"]
    return found


def test_each_part_of_the_data_changes_the_fingerprint(shown):
    def print_of(assessment, patient="p"):
        return look(assessment, patient, KEYS).fingerprint

    base = print_of(shown)
    at = next(i for i, o in enumerate(shown.outcomes) if o.finding.evidence and o.finding.evidence[0].reference.startswith("Observation/"))
    outcome = shown.outcomes[at]
    changed = [replace(shown, trial=replace(shown.trial, version="other")), replace(shown, outcomes=shown.outcomes[:at])]
    for member in ("reference", "date", "value"):
        evidence = tuple(e._replace(**{member: "Observation/new"}) for e in outcome.finding.evidence)
        altered = outcome._replace(finding=outcome.finding._replace(evidence=evidence))
        changed.append(replace(shown, outcomes=(*shown.outcomes[:at], altered, *shown.outcomes[at + 1 :])))
    assert len({base, print_of(shown, "q"), *map(print_of, changed)}) == len(changed) + 2


def test_order_age_and_outcome_words_do_not(shown):
    base = look(shown, "p", KEYS)
    turned = replace(shown, status="possible", outcomes=tuple(o._replace(outcome="unknown") for o in reversed(shown.outcomes)))
    at = next(i for i, o in enumerate(shown.outcomes) if o.finding.evidence and o.finding.evidence[0].reference.startswith("Patient/"))
    aged = shown.outcomes[at]
    assert aged.finding.evidence[0].value.endswith(" years")
    aged = aged._replace(finding=aged.finding._replace(evidence=tuple(e._replace(value="99 years") for e in aged.finding.evidence)))
    assert look(turned, "p", KEYS).fingerprint == base.fingerprint
    assert look(replace(shown, outcomes=(*shown.outcomes[:at], aged, *shown.outcomes[at + 1 :])), "p", KEYS).fingerprint == base.fingerprint


@pytest.mark.parametrize("reason", ["unavailable", "truncated"])
def test_what_could_not_be_read_is_known_to_be_partial(shown, reason):
    first = shown.outcomes[0]._replace(outcome="unknown", finding=Finding(UNKNOWN, reason))
    partial = look(replace(shown, outcomes=(first, *shown.outcomes[1:])), "p", KEYS)
    assert partial.partial and first.criterion.id in partial.open_criteria.split()
    assert not look(shown, "p", KEYS).partial and partial.fingerprint != look(shown, "p", KEYS).fingerprint


def test_the_version_is_that_of_the_criteria_file(shown):
    assert shown.trial.version == hashlib.sha256(Path(shown.trial.path).read_bytes()).hexdigest()[:12]


# --- the writer ----------------------------------------------------------------------------------


class Notes(list):
    def __call__(self, *told):
        self.append(told)


def test_rows_are_written_behind_the_request(store, path):
    store.serve([ROW, ROW._replace(card="c2")])
    store.serve([])
    assert store.flush()
    with sqlite3.connect(path) as connection:
        assert connection.execute("select * from served where card = 'c1'").fetchone() == ROW
    connection.close()


def test_a_full_queue_loses_rows_counts_them_and_never_waits():
    notes, go = Notes(), threading.Event()
    taken = threading.Event()
    written = []

    def write(rows):
        taken.set()
        assert go.wait(10)
        written.extend(rows)

    writer = Writer(write, notes, most=2)
    writer.put([ROW])
    assert taken.wait(10)
    writer.put([ROW, ROW, ROW, ROW])
    assert notes == [("served", 2, "QueueFull")]
    go.set()
    writer.close()
    assert len(written) == 3


def test_a_short_outage_loses_nothing():
    notes, tries = Notes(), []

    def write(rows):
        tries.append(len(rows))
        if len(tries) < 3:
            raise sqlite3.OperationalError("Mrs Ann")

    writer = Writer(write, notes, pause=0)
    writer.put([ROW])
    assert writer.flush() and (tries, notes) == ([1, 1, 1], [])
    writer.close()


def test_a_long_one_is_counted_and_told_and_the_writer_lives_on():
    notes, written = Notes(), []
    broken = [True]

    def write(rows):
        if broken[0]:
            raise sqlite3.OperationalError("Mrs Ann")
        written.extend(rows)

    writer = Writer(write, notes, pause=0)
    writer.put([ROW, ROW])
    assert writer.flush()
    assert sum(n for _, n, _ in notes) == 2 and {(what, kind) for what, _, kind in notes} == {("served", "OperationalError")}
    broken[0] = False
    writer.put([ROW])
    writer.close()
    assert written == [ROW]


def test_a_stop_that_takes_too_long_is_told():
    notes, go, taken = Notes(), threading.Event(), threading.Event()
    writer = Writer(lambda rows: (taken.set(), go.wait(10)), notes)
    writer.put([ROW])
    assert taken.wait(10)
    writer.put([ROW, ROW])
    writer.close(seconds=0)
    assert [(what, kind) for what, _, kind in notes] == [("served", "Stopped")]
    go.set()


def test_nothing_can_be_put_to_flush_into_a_queue_that_stays_full():
    go, taken = threading.Event(), threading.Event()
    writer = Writer(lambda rows: (taken.set(), go.wait(10)), Notes(), most=1)
    writer.put([ROW])
    assert taken.wait(10)
    writer.put([ROW])
    assert writer.flush(0) is False
    go.set()
    writer.close()


def test_what_waits_is_written_when_the_interpreter_ends(tmp_path):
    script = (
        "import sys\nfrom cds_service.config import Settings\nfrom cds_service.store import open_store\nfrom cds_service.model.served import Served\n"
        f"store, _ = open_store(Settings.from_environment({{'CDS_DATABASE_URL': 'sqlite:///{tmp_path}/store.sqlite3'}}))\n"
        f"store.serve([Served(*{tuple(ROW)!r})._replace(card=str(n)) for n in range(500)])\nsys.exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)  # noqa: S603 -- the lines above
    made, _ = open_store(settings(tmp_path))
    assert made.report()[0][0].served == 500
    made.close()


def test_a_forked_worker_has_connections_queue_and_thread_of_its_own(tmp_path):
    script = (
        "import os\nfrom cds_service.config import Settings\nfrom cds_service.store import open_store\n"
        "from cds_service.model.served import Served\n"
        f"store, _ = open_store(Settings.from_environment({{'CDS_DATABASE_URL': 'sqlite:///{tmp_path}/store.sqlite3'}}))\n"
        f"row = Served(*{tuple(ROW)!r})\n"
        "store.serve([row])\nassert store.flush() and store.heard('p', 'open', 0) == frozenset()\n"
        "child = os.fork()\nstore.serve([row._replace(card='of the child' if child == 0 else 'after')])\n"
        "assert store.flush() and store.heard('p', 'open', 0) == frozenset() and not store.losses\n"
        "if child:\n    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n    store.close()\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, cwd=ROOT)  # noqa: S603 -- the lines above
    made, _ = open_store(settings(tmp_path))
    assert made.report()[0][0].served == 3
    made.close()


def test_many_processes_write_to_one_file(tmp_path):
    open_store(settings(tmp_path))[0].close()
    script = (
        "import sys\nfrom cds_service.config import Settings\nfrom cds_service.store import open_store\n"
        "from cds_service.model.served import Feedback, Served\n"
        f"store, _ = open_store(Settings.from_environment({{'CDS_DATABASE_URL': 'sqlite:///{tmp_path}/store.sqlite3'}}))\n"
        "me = sys.argv[1]\n"
        "for n in range(50):\n"
        f"    store.serve([Served(*{tuple(ROW)!r})._replace(card=f'{{me}}-{{n}}')])\n"
        "    store.hear([Feedback(f'{me}-{n}', 'overridden', n, 'not-suitable')], 'open', 200)\n"
        "store.close()\nassert not store.losses, store.losses\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(me)], cwd=ROOT) for me in range(3)]  # noqa: S603 -- the lines above
    assert [one.wait(60) for one in running] == [0, 0, 0]
    made, _ = open_store(settings(tmp_path))
    (tally,), strangers = made.report()
    made.close()
    assert (tally.shown, tally.overridden, strangers) == (150, (("not-suitable", 150),), 0)


# --- quick questions -----------------------------------------------------------------------------


def test_a_question_that_fails_is_not_asked_again_for_a_while():
    notes, clock, asked = Notes(), [100.0], []

    def work():
        asked.append(1)
        raise ValueError("Mrs Ann")

    quick = Deadline(notes, apart=False, clock=lambda: clock[0])
    assert [quick.ask("mute lookup", work, "otherwise") for _ in range(3)] == ["otherwise"] * 3
    assert (len(asked), notes) == (1, [("mute lookup", 1, "ValueError")])
    clock[0] += 10
    assert quick.ask("mute lookup", lambda: "found", "otherwise") == "found"


def test_a_question_that_hangs_is_given_up():
    notes, go = Notes(), threading.Event()
    quick = Deadline(notes, apart=True, seconds=0.01)
    assert quick.ask("mute lookup", lambda: go.wait(10), "otherwise") == "otherwise"
    assert notes == [("mute lookup", 1, "TimeoutError")]
    go.set()
    quick.close()


def test_reading_goes_on_while_another_process_writes(store, path):
    store.serve([ROW])
    store.hear([Feedback("c1", "overridden", 5)], "open", 200)
    for how in ("IMMEDIATE", "EXCLUSIVE"):
        lock = locked(path, how)
        assert store.heard("p", "open", 0) == {("NCT07266181", "v", "f", "possible")}
        lock.close()
    assert store.losses == {}


def test_a_used_token_is_known_to_every_process(store, tmp_path):
    other, _ = open_store(settings(tmp_path))
    assert [store.first_use("i", "j", 10**10), other.first_use("i", "j", 10**10), store.first_use("i", "j", 10**10)] == [True, False, False]
    assert store.first_use("another", "j", 10**10)
    other.close()


def test_with_the_store_locked_a_token_is_still_used_once_in_this_process(store, path):
    lock = locked(path)
    assert [store.first_use("i", "j", 10**10), store.first_use("i", "j", 10**10)] == [True, False]
    lock.close()
    assert store.losses == {"token": 1}


def test_expired_tokens_are_removed_now_and_then(store, path, monkeypatch):
    monkeypatch.setattr(store_module, "_SWEEP", 3)
    for name, expires in (("a", 5), ("b", 10**10), ("c", 5)):
        store.first_use("i", name, expires)
    with sqlite3.connect(path) as connection:
        assert connection.execute("select expires from seen_tokens").fetchall() == [(10**10,)]
    connection.close()


def test_the_processs_own_memory_of_tokens_has_an_end(store, monkeypatch):
    monkeypatch.setattr(store_module, "_MOST_LOCAL", 2)
    for name in ("a", "b", "c"):
        store.first_use("i", name, 5)
    assert len(store._tokens) == 1


def test_ready_says_whether_it_answers(store, path):
    assert store.ready() is True
    with sqlite3.connect(path) as connection:
        connection.execute("drop table served")
    connection.close()
    assert store.ready() is False


@pytest.mark.parametrize(
    ("now", "then", "same"),
    [
        (("f", "possible", False), ("v", "f", "possible"), True),
        (("f", "possible", False), ("v", "f", "candidate"), True),
        (("f", "candidate", False), ("v", "f", "possible"), False),  # stronger than what was dismissed
        (("g", "possible", False), ("v", "f", "possible"), False),
        (("g", "possible", True), ("v", "f", "possible"), True),  # a list could not be read: no news
        (("g", "possible", True), ("w", "f", "possible"), False),  # but other criteria are
    ],
)
def test_what_is_the_same_card_as_before(now, then, same):
    fingerprint, status, partial = now
    card = Look("NCT07266181", "rmn", status, "v", fingerprint, partial, "")
    assert memory._same(card, "NCT07266181", *then) is same
    assert memory._same(card, "NCT06469190", *then) is False


# --- full and locked -----------------------------------------------------------------------------


def test_a_full_disk_refuses_feedback_whole_and_counts_served_cards(store):
    store.dispose()
    event.listen(store.engine, "connect", lambda connection, _: connection.execute("pragma max_page_count = 1"))
    many = [Feedback(f"{n:036}", "overridden", n) for n in range(500)]
    with pytest.raises(StoreDown, match=r"^the store cannot be used at the moment \(OperationalError\)$"):
        store.hear(many, "open", 200)
    assert store.report() == ((), 0)
    store.serve([ROW])
    store._writer._pause = 0
    store.serve([ROW._replace(card=f"{n:036}") for n in range(500)])
    store.close()
    assert store.losses["served"] > 0 and store.losses["feedback"] == 500


def test_a_report_of_a_store_that_is_down_says_so(store, path):
    with sqlite3.connect(path) as connection:
        connection.execute("drop table served")
    connection.close()
    with pytest.raises(StoreDown, match="OperationalError"):
        store.report()


# --- the report ----------------------------------------------------------------------------------


@pytest.fixture
def told(store):
    """Eight cards of one group: 2 accepted, 3 overridden, 2 ignored, 1 muted; one of another; one entry about nothing known."""
    rows = [ROW._replace(card=f"c{n}", at=86_400 * 20_000 + n) for n in range(7)]
    store.serve([*rows, ROW._replace(card="m", shown="muted", at=86_400 * 20_000), ROW._replace(card="x", cohort="old", at=5)])
    words = [Feedback("c0", "accepted", 1), Feedback("c1", "overridden", 1, "not-suitable"), Feedback("c1", "accepted", 2)]
    words += [Feedback("c1", "overridden", 3, "card-wrong"), Feedback("c2", "overridden", 1, "not-now")]
    words += [Feedback("c2", "overridden", 2, "known-not-eligible")]
    words += [Feedback("c3", "overridden", 2, "known-not-eligible", "exc-b"), Feedback("c4", "overridden", 1), Feedback("unknown", "overridden", 1)]
    store.hear(words, "open", 86_400 * 20_000)
    store.hear([Feedback("c5", "accepted", 1)], "another client", 86_400 * 20_000)
    return store


def test_the_newest_word_counts_and_an_acceptance_stays_one(told):
    tallies, strangers = told.report()
    assert tallies[1] == Tally("NCT07266181", "rmn", 8, 7, 2, (("known-not-eligible", 2), ("", 1)), (("exc-b", 2), ("inc-a", 1)))
    assert (tallies[1].ignored, tallies[1].judged, tallies[0].cohort, strangers) == (2, 4, "old", 2)


def report(path, monkeypatch, capsys, *arguments):
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{path}")
    status = cli.main(["feedback", "report", *arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_report_in_words(told, path, monkeypatch, capsys):
    told.flush()
    status, said, _ = report(path, monkeypatch, capsys)
    assert status == 0
    assert (
        said
        == """\
NCT07266181/old
  served 1, shown 1: accepted 0, overridden 0, ignored 1
  precision –: nobody has said whether the trial fits
NCT07266181/rmn
  served 8, shown 7: accepted 2, overridden 3, ignored 2
    2 × known-not-eligible
    1 × no reason given
  precision 50 % of 4 judged (95 % interval 15 % to 85 %; too few to judge by)
  known not eligible, perhaps missed by exc-b: 2
  known not eligible, perhaps missed by inc-a: 1
Feedback on cards that this store does not know: 2
"""
    )


def test_the_report_since_a_day(told, path, monkeypatch, capsys):
    told.flush()
    _, said, _ = report(path, monkeypatch, capsys, "--since", "2024-01-01")
    assert "NCT07266181/rmn" in said and "old" not in said
    _, said, _ = report(path, monkeypatch, capsys, "--since", "2034-01-01")
    assert said == "No card has been served.\n"


def test_the_report_as_json_and_csv(told, path, monkeypatch, capsys):
    told.flush()
    found = json.loads(report(path, monkeypatch, capsys, "--format", "json")[1])
    assert found["unknownCards"] == 2
    assert found["cohorts"][1] == {
        "trial": "NCT07266181",
        "cohort": "rmn",
        "served": 8,
        "shown": 7,
        "accepted": 2,
        "overridden": {"known-not-eligible": 2, "no reason given": 1},
        "ignored": 2,
        "judged": 4,
        "knownNotEligible": {"exc-b": 2, "inc-a": 1},
        "precision": {"share": 0.5, "low": 0.15, "high": 0.85, "few": True},
    }
    rows = [r for r in csv.DictReader(report(path, monkeypatch, capsys, "--format", "csv")[1].splitlines()) if r["cohort"] != "old"]
    values = {(r["figure"], r["detail"]): r["value"] for r in rows}
    assert values["overridden", "known-not-eligible"] == "2" and values["precision", "low"] == "0.150" and values["unknown-cards", ""] == "2"


def test_a_report_makes_no_store(tmp_path, monkeypatch, capsys):
    status, _, said = report(tmp_path / "none.sqlite3", monkeypatch, capsys)
    assert (status, said.count("\n")) == (2, 1) and "no store" in said
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("CDS_DATABASE_URL", "none")
    assert cli.main(["feedback", "report"]) == 2


def test_the_store_is_loaded_by_no_command_that_has_no_use_for_it():
    script = "import sys, cds_service.app, cds_service.cli; sys.exit('sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)  # noqa: S603 -- the line above
