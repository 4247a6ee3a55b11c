"""Counting: what is counted, that labels stay few whatever they are told, and where the time of a call went."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from cds_service import metrics


def lines(environ=None):
    body, media = metrics.exposition(environ or {})
    assert media.startswith("text/plain")
    return dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))


def counted(series, act):
    """By how much a series grew while something was done."""
    before = float(lines().get(series, 0))
    act()
    return float(lines().get(series, 0)) - before


@pytest.mark.parametrize(
    ("series", "act"),
    [
        ('cds_requests_total{route="/cds-services/<service>",status="412"}', lambda: metrics.request("/cds-services/<service>", 412)),
        ('cds_cards_total{trial="NCT07266181"}', lambda: metrics.card("NCT07266181")),
        ('cds_mutes_total{trial="NCT07266181"}', lambda: metrics.mute("NCT07266181")),
        ('cds_fetch_failures_total{kind="status-429"}', lambda: metrics.fetch_failure("status-429")),
        ('cds_auth_failures_total{kind="expired"}', lambda: metrics.auth_failure("expired")),
        ('cds_store_failures_total{what="feedback"}', lambda: metrics.store_failure("feedback")),
        ('cds_feedback_total{outcome="overridden"}', lambda: metrics.feedback("overridden")),
    ],
)
def test_each_is_counted_under_its_name(series, act):
    assert counted(series, act) == 1


def test_a_call_is_timed_as_a_whole_and_by_phase():
    watch = metrics.Stopwatch()
    watch.mark("parse")
    watch.mark("gather")
    assert set(watch.phases) == {"parse", "gather"} and all(s >= 0 for s in watch.phases.values())
    assert watch.seconds() >= sum(watch.phases.values())

    def act():
        metrics.hook(watch, 0.01, 200)

    assert counted('cds_hook_seconds_count{status="200"}', act) == 1
    assert counted('cds_phase_seconds_count{phase="gather"}', act) == 1
    assert counted('cds_phase_seconds_count{phase="respond"}', act) == 0


def test_a_phase_that_comes_twice_is_added_up(monkeypatch):
    ticks = iter([0.0, 1.0, 3.0, 7.0])
    monkeypatch.setattr(metrics, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    watch = metrics.Stopwatch()
    for phase in ("gather", "parse", "gather"):
        watch.mark(phase)
    assert watch.phases == {"gather": 5.0, "parse": 2.0}


def test_every_phase_is_there_from_the_start():
    assert all(f'cds_phase_seconds_count{{phase="{phase}"}}' in lines() for phase in metrics.PHASES)


@pytest.mark.parametrize("kind", ["", "Mrs Ann\n", "x" * 65, "ümlaut", 'a"b', "?token=1"])
def test_what_is_no_short_word_is_counted_as_other(kind):
    assert counted('cds_auth_failures_total{kind="other"}', lambda: metrics.auth_failure(kind)) == 1
    assert kind not in ("", *lines()) or kind == ""


@pytest.fixture
def anew():
    """Instruments that nobody else counts with: what fills them up must not be found full by the next test."""
    metrics._instruments.cache_clear()
    yield
    metrics._instruments.cache_clear()


def test_one_label_value_too_many_is_other(anew):
    for number in range(metrics.MOST + 20):
        metrics.fetch_failure(f"kind-{number}")
    assert sum(name.startswith("cds_fetch_failures_total") for name in lines()) <= metrics.MOST + 1
    assert float(lines()['cds_fetch_failures_total{kind="other"}']) >= 20


def test_workers_of_one_directory_count_together(tmp_path):
    """The library decides once, when it is loaded, how it counts: so in processes of its own."""
    script = "import os; from cds_service import metrics; metrics.card('NCT1'); print(metrics.exposition(os.environ)[0].decode())"
    shared = {"PATH": "/bin", metrics.SHARED: str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    said = [subprocess.run([sys.executable, "-c", script], env=shared, capture_output=True, text=True, check=True).stdout for _ in range(2)]  # noqa: S603 -- the line above
    assert ['cds_cards_total{trial="NCT1"} 1.0' in said[0], 'cds_cards_total{trial="NCT1"} 2.0' in said[1]] == [True, True]
    metrics.worker_ended(1, {})
