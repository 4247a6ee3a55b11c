"""`cds-service store prune`: old rows go, what still mutes a trial stays, and nothing is said that is not so."""

import sqlite3
from datetime import date

import pytest

from cds_service import cli
from cds_service.config import Settings
from cds_service.model.served import Feedback, Served
from cds_service.store import open_store, retention

DAY = 86_400
NOW = 20_000 * DAY
ROW = Served("", 0, "p", "d", "open", "patient-view", "NCT07266181", "rmn", "possible", "v", "f", "shown", "")
MUTED = frozenset({("NCT07266181", "v", "f", "possible")})


@pytest.fixture
def store(tmp_path):
    found, _ = open_store(Settings.from_environment({"CDS_DATABASE_URL": f"sqlite:///{tmp_path}/store.sqlite3"}))
    yield found
    found.close()


def told(store, *cards):
    """(card, day it was served, patient) and its feedback: (outcome, reason, day it was heard)."""
    for (card, served, patient), *words in cards:
        store.serve([ROW._replace(card=card, at=served * DAY, patient=patient)])
        store.flush()
        for at, (outcome, reason, heard, *client) in enumerate(words):
            store.hear([Feedback(card, outcome, at, reason)], *(client or ["open"]), heard * DAY)


def prune(store, before, mute_days=180, **how):
    muted_since = None if how.pop("mutes_too", False) else NOW - mute_days * DAY
    return retention.prune(store.engine, before * DAY, muted_since, NOW, **how)


def left(store):
    with store.engine.connect() as connection:
        return tuple(sorted(row[0] for row in connection.exec_driver_sql(f"select card from {table}")) for table in ("served", "feedback"))  # noqa: S608 -- two names of ours


CARDS = (
    (("never-answered", 19_000, "a"),),
    (("new", 19_990, "b"), ("overridden", "", 19_990)),
    (("long-ago", 19_000, "c"), ("overridden", "", 19_001)),
    (("still-mutes", 19_850, "d"), ("overridden", "not-suitable", 19_850)),
    (("accepted", 19_850, "e"), ("accepted", "", 19_850)),
    (("not-now", 19_850, "f"), ("overridden", "not-now", 19_850)),
    (("a-strangers-word", 19_850, "g"), ("overridden", "", 19_850, "another client")),
    (("answered-late", 19_000, "h"), ("overridden", "not-now", 19_001), ("overridden", "not-now", 19_950)),
)


def test_what_is_old_goes_and_what_still_mutes_stays_with_its_card(store):
    told(store, *CARDS)
    counted = prune(store, 19_900, count_only=True)
    assert len(left(store)[0]) == len(CARDS), "counting removes nothing"
    assert prune(store, 19_900) == counted == (4, 4, 0, 2)
    assert left(store) == (["accepted", "answered-late", "new", "still-mutes"],) * 2
    assert store.heard("d", "open", NOW - 180 * DAY) == store.heard("e", "open", NOW - 180 * DAY) == MUTED
    assert prune(store, 19_900) == (0, 0, 0, 2)


def test_mutes_go_where_that_is_asked_for(store):
    told(store, *CARDS)
    assert prune(store, 19_900, mutes_too=True, count_only=True) == prune(store, 19_900, mutes_too=True) == (6, 6, 0, 0)
    assert left(store) == (["answered-late", "new"],) * 2
    assert store.heard("d", "open", 0) == frozenset()


def test_a_mute_that_has_run_out_is_no_mute(store):
    told(store, *CARDS)
    assert prune(store, 19_900, mute_days=149) == (6, 6, 0, 0)


@pytest.mark.parametrize("older", [0, 1])
def test_the_day_itself_stays(store, older):
    told(store, (("c", 19_000, "a"), ("overridden", "not-now", 19_000)))
    assert prune(store, 19_000 + older) == (older, older, 0, 0)


def test_many_rows_go_in_parts(store, monkeypatch):
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    told(store, *[((f"c{n}", 19_000, "a"), ("overridden", "", 19_000)) for n in range(5)])
    assert prune(store, 19_900) == (5, 5, 0, 0)
    assert left(store) == ([], [])


def test_expired_tokens_go_and_living_ones_stay(store):
    store.first_use("i", "old", NOW - 1)
    store.first_use("i", "new", NOW + 1)
    assert prune(store, 1).tokens == 1
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("select expires from seen_tokens").fetchall() == [(NOW + 1,)]


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def command(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{tmp_path}/store.sqlite3")
    monkeypatch.setattr(cli, "today", lambda: date(2026, 11, 22))
    monkeypatch.setattr(retention.time, "time", lambda: NOW)

    def run(*given):
        status = cli.main(["store", "prune", *given])
        said = capsys.readouterr()
        return status, said.out or said.err

    return run


def test_the_command_says_how_many(store, command):
    told(store, *CARDS)  # day 19,900 is 2024-06-26
    kept = "kept 2 feedback entries, and their cards, that still mute a trial (CDS_MUTE_DAYS); --mutes-too removes them\n"
    numbers = "4 served cards and 4 feedback entries from before 2024-06-26, and 0 expired tokens\n"
    assert command("--before", "2024-06-26", "--dry-run") == (0, f"would remove {numbers}{kept}")
    assert command("--before", "2024-06-26") == (0, f"removed {numbers}{kept}")
    assert command("--before", "2024-06-26", "--mutes-too")[1].startswith("removed 2 served cards and 2 feedback entries")


def test_the_command_refuses_what_it_cannot_do(store, command, tmp_path, monkeypatch):
    assert command()[0] == 2 and command("--before", "soon")[0] == 2
    assert command("--before", "2026-11-23") == (2, "cds-service: Invalid value for --before: 2026-11-23 is in the future\n")
    monkeypatch.setenv("CDS_DATABASE_URL", "none")
    assert command("--before", "2024-06-26")[1].startswith("cds-service: nothing to prune:")
    monkeypatch.setenv("CDS_DATABASE_URL", f"sqlite:///{tmp_path}/another.sqlite3")
    assert "no store" in command("--before", "2024-06-26")[1] and not (tmp_path / "another.sqlite3").exists()


def test_a_store_that_is_locked_is_said_in_one_line(store, command, tmp_path, monkeypatch):
    monkeypatch.setattr("cds_service.store.store.PATIENCE", 0.05)
    told(store, *CARDS)
    lock = sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    status, said = command("--before", "2024-06-26")
    lock.close()
    assert (status, said.count("\n")) == (2, 1) and "cannot" in said
