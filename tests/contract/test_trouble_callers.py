"""The caller's side of the fault table: tokens out of time, used twice, and key servers that fail. Refused calls evaluate nobody."""

import json
import socket
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial

import callers
import pytest
from callers import PUBLIC, SERVICE, jwk, token
from faults import trouble
from faults.trouble import CALLERS, INSTANCE, LEFT, MUTED, SILENT, named

from cds_service import pipeline
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.store import open_store
from cds_service.trust import fetched

SKEW = 60
BOTH_ADDRESSES = [SERVICE, f"{SERVICE}/feedback"]
MARK = "Leaked-Marker"
BARE = "Not authenticated. Each call needs its own valid JWT of a client that this service knows."


@pytest.fixture(scope="module")
def rules():
    return pipeline.load_rules(Settings.from_environment({}))


class Desk:
    """The service with one client and a store, in which that client has dismissed a trial. Each call brings a token."""

    def __init__(self, rules, folder, **client):
        self.rules, self.path = rules, folder / "store.sqlite3"
        given = client or {"keys": {"keys": [jwk("ec-1")]}}
        environ = {
            "CDS_CLIENTS": str(callers.client_file(folder, {"name": "ehr", "iss": callers.ISSUER, **given})),
            "CDS_PUBLIC_URL": PUBLIC,
            "CDS_CLOCK_SKEW": str(SKEW),
            "CDS_DATABASE_URL": f"sqlite:///{self.path}",
        }
        settings = Settings.from_environment(environ)
        self.store, _ = open_store(settings)
        self.app = create_app(rules, settings, store=self.store)
        self.client = self.app.test_client()
        self.sent = []  #: tokens

    def token(self, **members):
        self.sent.append(token(aud=BOTH_ADDRESSES, **members))
        return self.sent[-1]

    def call(self, given):
        return self.client.post(trouble.SERVICE, json=trouble.hook_body(self.rules.templates), headers={"Authorization": f"Bearer {given}"})

    def say(self, given, card="00000000-0000-4000-8000-000000000000"):
        return self.client.post(trouble.FEEDBACK, json=trouble.feedback_body(card), headers={"Authorization": f"Bearer {given}"})

    def dismiss(self):
        card = trouble.card_of(self.call(self.token()).json, MUTED)
        assert self.say(self.token(), card).status_code == 200

    def counts(self):
        return trouble.counts()


@pytest.fixture
def desks(rules, tmp_path, monkeypatch):
    with trouble.desks(partial(Desk, rules, tmp_path), monkeypatch) as make:
        yield make


def held(row, desk, capsys, before, make, *more):
    """What the row says: statuses, cards, what is counted, and that nothing leaks."""
    called = desk.call(make())
    told = desk.say(make())
    ready = desk.client.get("/ready")
    assert desk.store.flush()
    out, err = capsys.readouterr()
    assert (called.status_code, told.status_code, ready.status_code) == (row.hook, row.feedback, row.ready)
    if row.hook == 200:
        assert trouble.trials(called.json) == ([LEFT] if row.muted == SILENT else [])
    for answer in (called, told):
        assert trouble.leaks("" if answer.status_code == 200 else answer.get_data(as_text=True), MARK, *desk.sent, *more) == []
        if answer.status_code == 401:
            assert "cards" not in answer.json and answer.headers["WWW-Authenticate"] == "Bearer"
            assert (
                answer.json["issue"][0]["diagnostics"] == "Not authenticated. Each call needs its own valid JWT of a client that this service knows."
            )
    assert trouble.leaks(out + err, MARK, *desk.sent, *more) == []
    after = desk.counts()
    assert {label for label in after if after[label] > before.get(label, 0)} == row.counted
    lines = [json.loads(line) for line in err.splitlines()]
    refused = {f"auth {line['why']}" for line in lines if line["event"] == "refused" and "why" in line}
    assert refused == {label for label in row.counted if label.startswith("auth")}
    assert bool(out) is (row.hook == 200), "the audit has a line where a patient was looked at, and only there"
    assert [line["hookInstance"] for line in lines if line["event"] == "answered"] == [INSTANCE] * (row.hook == 200)
    return lines


TIMES = {
    "token expired, within `CDS_CLOCK_SKEW`": {"iat": -300, "exp": -SKEW // 2},
    "token expired, beyond it": {"iat": -300, "exp": -SKEW * 3 // 2},
    "the caller's clock is ahead, within `CDS_CLOCK_SKEW`": {"iat": SKEW // 2, "exp": 300},
    "the caller's clock is ahead, beyond it": {"iat": SKEW * 3 // 2, "exp": 300},
    "token not valid yet (`nbf`)": {"nbf": SKEW * 3 // 2},
}


@pytest.mark.parametrize("name", TIMES)
def test_a_token_out_of_time(name, desks, capsys):
    desk = desks()
    desk.dismiss()
    before = desk.counts()
    capsys.readouterr()
    now = int(time.time())
    held(named(CALLERS, name), desk, capsys, before, lambda: desk.token(**{k: now + v for k, v in TIMES[name].items()}))


@contextmanager
def locked(desk, whether=True):
    lock = sqlite3.connect(desk.path, isolation_level=None)
    if whether:
        lock.execute("BEGIN IMMEDIATE")
    yield
    lock.close()


@pytest.mark.parametrize("name", ["token used again", "token used again, store locked"])
def test_a_token_that_is_used_again(name, desks, capsys):
    """While the store is down each worker remembers for itself."""
    desk = desks()
    desk.dismiss()
    once = desk.token()
    before = desk.counts()
    with locked(desk, "locked" in name):
        assert desk.client.get("/cds-services", headers={"Authorization": f"Bearer {callers.token(aud=callers.DISCOVERY)}"}).status_code == 200
        assert desk.call(once).status_code == 200
        if "locked" in name:  # what was served is a loss of the first use, which is not this row's
            assert desk.store.flush()
            before |= {"store served": desk.counts()["store served"]}
        capsys.readouterr()
        held(named(CALLERS, name), desk, capsys, before, lambda: once)


def test_a_new_token_while_the_store_is_locked(desks, capsys):
    """That the token could not be written does not hide which trials were dismissed."""
    desk = desks()
    desk.dismiss()
    before = desk.counts()
    capsys.readouterr()
    with locked(desk):
        held(named(CALLERS, "store locked, token new"), desk, capsys, before, desk.token)


# --- key servers ---------------------------------------------------------------------------------

ELSEWHERE = "http://127.0.0.1:2/jwks"
ANSWERS = {
    "key server down": (None, "no-connection"),
    "key server sends HTML": ((200, {"Content-Type": "text/html"}, f"<html>{MARK}".encode()), "not-json"),
    "key server sends 10 MB": ((200, {}, b'{"keys": "' + b"x" * 10_000_000), "too-large"),
    "key server redirects": ((302, {"Location": ELSEWHERE}, b""), "http-302"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_key_server_that_fails(name, desks, capsys):
    answer, word = ANSWERS[name]
    with callers.key_server() as keys:
        if answer:
            keys.answer = answer
        else:
            with callers.key_server() as keys:
                pass
        desk = desks(jku=keys.base)
        lines = held(named(CALLERS, name), desk, capsys, desk.counts(), desk.token)
    assert [(line["address"], line["why"]) for line in lines if line["event"] == "keys not fetched"] == [(keys.base, word)]
    assert keys.asked == (["/"] if answer else []), "once in 30 s, whoever calls"


@contextmanager
def holding(trickle):
    """A server that takes connections and never answers; or sends one byte of a header after the other."""
    over = threading.Event()

    def serve():
        with suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.01):
                    connection.sendall(b"x")

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        thread = threading.Thread(target=serve)
        if trickle:
            thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            if trickle:
                thread.join()


@pytest.mark.parametrize("name", ["key server never answers", "key server trickles"])
def test_a_key_server_that_is_slow(name, desks, capsys, monkeypatch):
    monkeypatch.setattr(fetched, "BUDGET", 0.2)
    with holding("trickles" in name) as address:
        desk = desks(jku=address)
        lines = held(named(CALLERS, name), desk, capsys, desk.counts(), desk.token)
        for thread in threading.enumerate():
            if thread.name == "cds-keys" and "trickles" not in name:
                thread.join(10)
    assert [line["why"] for line in lines if line["event"] == "keys not fetched"] == ["too-slow"]
    for thread in threading.enumerate():
        if thread.name == "cds-keys":
            thread.join(10)


def test_a_key_server_that_goes_down_when_its_keys_are_known(desks, capsys):
    with callers.key_server() as keys:
        desk = desks(jku=keys.base)
        desk.dismiss()
    before = desk.counts()
    capsys.readouterr()
    held(named(CALLERS, "key server down, keys known"), desk, capsys, before, desk.token)


def test_every_row_is_put_to_the_service():
    single = {"token used again", "token used again, store locked", "store locked, token new", "key server down, keys known"}
    assert {row.name for row in CALLERS} == single | set(TIMES) | set(ANSWERS) | {"key server never answers", "key server trickles"}
