"""The store's side of the fault table, on SQLite: cards are still answered, feedback is refused whole, all of it is counted, nothing leaks."""

import json
import os
import sqlite3
import threading
import uuid
from contextlib import contextmanager
from functools import partial

import pytest
from faults import Server, running, trouble
from faults.trouble import BOTH, FEEDBACK, INSTANCE, LEFT, MUTED, NO_DATABASE, SERVICE, SILENT, SQLITE, named
from sqlalchemy import event

from cds_service import pipeline
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.store import open_store
from cds_service.store import store as store_module

AUTHORIZATION = {"access_token": "access-7f3a91c0ffee", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.read", "subject": "cds"}


@pytest.fixture(scope="module")
def rules():
    return pipeline.load_rules(Settings.from_environment({}))


class Desk:
    """The service and its store. One trial has been dismissed, and the card of the other is open."""

    def __init__(self, rules, folder, **environ):
        self.path = folder / "store.sqlite3"
        self.rules = rules
        settings = Settings.from_environment({"CDS_DATABASE_URL": f"sqlite:///{self.path}", **environ})
        self.store, _ = open_store(settings)
        self.app = create_app(rules, settings, store=self.store)
        self.client = self.app.test_client()
        shown = self.call()
        self.card = trouble.card_of(shown.json, LEFT) if not settings.silent else str(uuid.uuid4())
        if not settings.silent:
            assert self.say(card=trouble.card_of(shown.json, MUTED)).status_code == 200

    def call(self, **members):
        return self.client.post(SERVICE, json=trouble.hook_body(self.rules.templates, **members))

    def say(self, card="", second=0):
        return self.client.post(FEEDBACK, json=trouble.feedback_body(card or self.card, second))

    def counts(self):
        return trouble.counts()

    def kept(self):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as connection:
            found = connection.execute("select count(*) from feedback").fetchone()[0]
        connection.close()
        return found


@pytest.fixture
def desks(rules, tmp_path, monkeypatch):
    with trouble.desks(partial(Desk, rules, tmp_path), monkeypatch) as make:
        yield make


# --- trouble -------------------------------------------------------------------------------------


@contextmanager
def locked(desk):
    lock = sqlite3.connect(desk.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    yield
    lock.close()


@contextmanager
def each_connection(desk, pragma):
    """Set on every connection from now on, until it is over."""

    def connected(connection, _):
        connection.execute(pragma)

    engines = desk.store._engine, desk.store._quick_engine
    desk.store.dispose()
    for engine in engines:
        event.listen(engine, "connect", connected)
    yield
    for engine in engines:
        event.remove(engine, "connect", connected)
    desk.store.dispose()


@contextmanager
def full(desk):
    """As many pages as there are, and no room left in any."""
    with each_connection(desk, "PRAGMA max_page_count = 1"), sqlite3.connect(desk.path, isolation_level=None) as filler:
        filler.execute("PRAGMA max_page_count = 1")
        names = "card, at, patient, clinician, client, hook, trial, cohort, status, version, fingerprint, shown, open_criteria"
        served = f"insert into served ({names}) values (?, 1, '{'p' * 32}', '', 'open', '', '', '', '', '', '', '', '')"  # noqa: S608 -- the line above
        feedback = (
            "insert into feedback (card, outcome, at, received, client, reason, criterion, comment) values (?, 'accepted', 1, 1, '', '', '', 0)"
        )
        for statement in (served, feedback):
            refused = 0
            while refused < 20:
                try:
                    filler.execute(statement, (str(uuid.uuid4()),))
                except sqlite3.OperationalError as fault:
                    assert fault.sqlite_errorname == "SQLITE_FULL"
                    refused += 1
        yield
    filler.close()


@contextmanager
def gone(desk, instead=""):
    """With the files beside it, without which it is not whole."""
    aside = desk.path.parent / "aside"
    aside.mkdir()
    for path in desk.path.parent.glob("store.sqlite3*"):
        if path.suffix != ".key":
            os.replace(path, aside / path.name)
    if instead:
        desk.path.write_text(instead)
    yield
    for path in aside.iterdir():
        os.replace(path, desk.path.parent / path.name)


TROUBLE = {
    "SQLite: another program writes and does not end": locked,
    "SQLite: the disk is full": full,
    "SQLite: the file can only be read": partial(each_connection, pragma="PRAGMA query_only = ON"),
    "SQLite: the file is gone": gone,
    "SQLite: another file stands in its place": partial(gone, instead=NO_DATABASE),
}


def test_every_row_has_its_trouble():
    assert list(TROUBLE) == [row.name for row in SQLITE]


@pytest.mark.parametrize("name", TROUBLE)
def test_a_store_in_trouble(name, desks, capsys):
    row, desk = named(SQLITE, name), desks()
    desk.store.flush()
    before, kept = desk.counts(), desk.kept()
    capsys.readouterr()
    with TROUBLE[name](desk):
        kept = desk.kept() if row.muted == SILENT else kept
        answers = [desk.call(), desk.call()]
        told = desk.say(second=1)
        ready = desk.client.get("/ready")
        assert desk.store.flush()
        counted = {label: value - before.get(label, 0) for label, value in desk.counts().items() if value != before.get(label, 0)}
        out, err = capsys.readouterr()
        assert [a.status_code for a in answers] == [row.hook] * 2
        assert [trouble.trials(a.json) for a in answers] == [[LEFT] if row.muted == SILENT else BOTH] * 2
        assert (told.status_code, told.headers["Retry-After"], ready.status_code) == (row.feedback, "60", row.ready)
        assert told.json["issue"][0]["diagnostics"].startswith("Feedback cannot be kept at the moment. Nothing of this request was kept")
        assert set(counted) == row.counted
        assert counted["store feedback"] == 1 and counted.get("store mute lookup", 1) == 1, "after a failure it is not asked again at once"
        assert counted["store served"] == sum(len(trouble.trials(a.json)) for a in answers) + 2 * (row.muted == SILENT), "muted trials are rows too"
        lines = [json.loads(line) for line in err.splitlines()]
        assert {f"store {line['what']}" for line in lines if line["event"] == "store trouble"} == row.counted
        assert all(line["hookInstance"] == INSTANCE for line in lines if line.get("what") == "mute lookup")
        assert trouble.leaks(out + err) == trouble.leaks(told.get_data(as_text=True) + ready.get_data(as_text=True)) == []
    assert desk.kept() == kept, "nothing half-written"
    desk.store._quick._closed_until = 0  # the rest after a failure is over
    assert (desk.say(second=2).status_code, desk.client.get("/ready").status_code, trouble.trials(desk.call().json)) == (200, 200, [])


def test_in_silent_mode_a_store_that_is_gone_shows_no_card_either_and_the_loss_is_counted(desks, capsys):
    desk = desks(CDS_SILENT="yes")
    desk.store.flush()
    capsys.readouterr()
    before = desk.counts()
    with gone(desk):
        answer = desk.call()
        assert (answer.status_code, answer.json["cards"]) == (200, [])
        assert desk.store.flush()
        assert desk.counts()["store served"] - before.get("store served", 0) == len(BOTH)
        assert desk.say(second=1).status_code == 503
    out, err = capsys.readouterr()
    assert trouble.leaks(out + err) == []


def test_the_fhir_server_down_and_the_store_too_with_the_prefetch_partly_there(desks, rules, capsys):
    """What came is used; what did not is named on the card; that the trial was dismissed is not known now."""
    desk = desks()
    with running(Server()) as ehr:
        base = ehr.base
    body = trouble.hook_body(rules.templates, fhirServer=base, fhirAuthorization=AUTHORIZATION)
    del body["prefetch"]["procedures"]
    capsys.readouterr()
    before = desk.counts()
    with gone(desk):
        answer = desk.client.post(SERVICE, json=body)
        assert answer.status_code == 200
        assert {card["source"]["topic"]["code"] for card in answer.json["cards"]} == set(BOTH)
        told = [card["detail"] for card in answer.json["cards"] if "Check incomplete" in card["detail"]]
        assert told and all("procedure list" in detail for detail in told), "on each card whose criteria ask for procedures"
        assert desk.store.flush()
        after = desk.counts()
        assert {label for label in after if after[label] > before.get(label, 0)} == {"fetch connection", "store mute lookup", "store served"}
    out, err = capsys.readouterr()
    assert trouble.leaks(out + err, AUTHORIZATION["access_token"], base) == []


def test_a_question_to_the_store_takes_no_longer_than_its_deadline_and_a_write_no_longer_than_its_patience(rules, tmp_path):
    store, _ = open_store(Settings.from_environment({"CDS_DATABASE_URL": f"sqlite:///{tmp_path}/store.sqlite3"}))
    for engine, most in ((store._quick_engine, 50), (store._engine, 3000)):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("pragma busy_timeout").scalar() == most
    store.close()
    assert store_module.LONGEST == 4.0


def test_a_write_that_hangs_is_refused_and_taken_back(desks, monkeypatch):
    """As on a network disk that does not answer. What wakes up later keeps nothing."""
    desk, go, woken = desks(), threading.Event(), threading.Event()
    monkeypatch.setattr(store_module, "LONGEST", 0.05)
    desk.store.flush()
    kept = desk.kept()

    def hangs(connection, *_):
        assert go.wait(10)

    def over(connection):
        woken.set()

    event.listen(desk.store.engine, "before_cursor_execute", hangs)
    event.listen(desk.store.engine, "rollback", over)
    assert desk.say(second=1).status_code == 503
    go.set()
    assert woken.wait(10)
    assert desk.kept() == kept
    event.remove(desk.store.engine, "before_cursor_execute", hangs)
    assert desk.say(second=1).status_code == 200


def test_the_page_shows_this_table():
    assert trouble.MARKED.findall(trouble.PAGE.read_text(encoding="utf-8")) == [trouble.table()]


if __name__ == "__main__":
    trouble.PAGE.write_text(trouble.MARKED.sub(lambda _: trouble.table(), trouble.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
