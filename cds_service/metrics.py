"""Counts and times for Prometheus: plain functions that any room may call. Knows no request, no patient and no web framework.

Label values are words and numbers of ours: a value of another shape, or one too many, is counted as `other`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

#: The variable by which prometheus-client learns that several processes count together, in files of one directory.
SHARED = "PROMETHEUS_MULTIPROC_DIR"
PHASES = ("parse", "gather", "normalise", "evaluate", "compose", "respond")
OTHER = "other"
#: Different label values of one metric. Far more than there are routes times statuses, or trials.
MOST = 200
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WORD = re.compile(r"[A-Za-z0-9/][A-Za-z0-9/ _.{}:<>-]{0,63}", re.ASCII)


class Stopwatch:
    """Where the time of one call went: phase → seconds."""

    __slots__ = ("_last", "phases", "started")

    def __init__(self) -> None:
        self.started = self._last = time.perf_counter()
        self.phases: dict[str, float] = {}

    def mark(self, phase: str) -> None:
        """What has passed since the last mark was this phase."""
        now = time.perf_counter()
        self.phases[phase] = self.phases.get(phase, 0.0) + now - self._last
        self._last = now

    def seconds(self) -> float:
        return time.perf_counter() - self.started


class _Metric:
    """A counter or histogram whose label values stay few. Children are kept, for looking them up in the library takes a lock."""

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Any] = {}

    def of(self, *values: str) -> Any:
        child = self._children.get(values)
        return child if child is not None else self._new(values)

    def _new(self, values: tuple[str, ...]) -> Any:
        known = tuple(v if _WORD.fullmatch(v) else OTHER for v in values)
        if len(self._children) >= MOST and known not in self._children:
            known = (OTHER,) * len(values)
        return self._children.setdefault(known, self._metric.labels(*known))  # not under `values`: what was refused must not pile up


class _Instruments:
    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads
        self.registry = registry = CollectorRegistry()
        self.requests = _Metric(Counter("cds_requests", "Requests.", ("route", "status"), registry=registry))
        self.seconds = _Metric(Histogram("cds_hook_seconds", "A hook call, by status.", ("status",), registry=registry, buckets=_SECONDS))
        self.phases = _Metric(Histogram("cds_phase_seconds", "A phase of a hook call.", ("phase",), registry=registry, buckets=_SECONDS))
        self.cards = _Metric(Counter("cds_cards", "Cards served.", ("trial",), registry=registry))
        self.mutes = _Metric(Counter("cds_mutes", "Cards held back after an override or a repeat.", ("trial",), registry=registry))
        self.fetches = _Metric(Counter("cds_fetch_failures", "Questions to a FHIR server without a usable answer.", ("kind",), registry=registry))
        self.auth = _Metric(Counter("cds_auth_failures", "Calls refused for who made them.", ("kind",), registry=registry))
        self.store = _Metric(Counter("cds_store_failures", "What the store could not do.", ("what",), registry=registry))
        self.feedback = _Metric(Counter("cds_feedback", "Feedback entries.", ("outcome",), registry=registry))
        for phase in PHASES:
            self.phases.of(phase)


@cache
def _instruments() -> _Instruments:
    return _Instruments()


def prepare() -> None:
    """Load the library and make the metrics, so that no call waits for it. Once; again does no harm."""
    _instruments()


def request(route: str, status: int) -> None:
    """`route` is the rule, like `/cds-services/<service>`, never the address that was called."""
    _instruments().requests.of(route, str(status)).inc()


def hook(watch: Stopwatch, seconds: float, status: int) -> None:
    """A whole hook call, which took so long, and its phases."""
    instruments = _instruments()
    instruments.seconds.of(str(status)).observe(seconds)
    phase_of = instruments.phases.of
    for phase, seconds in watch.phases.items():
        phase_of(phase).observe(seconds)


def card(trial: str) -> None:
    _instruments().cards.of(trial).inc()


def mute(trial: str) -> None:
    _instruments().mutes.of(trial).inc()


def fetch_failure(kind: str) -> None:
    """`kind`: a short word of ours, such as late, connection, status-429, json, content, pages."""
    _instruments().fetches.of(kind).inc()


def auth_failure(kind: str) -> None:
    """`kind`: a short word of ours, such as missing, signature, expired, replayed, rate."""
    _instruments().auth.of(kind).inc()


def store_failure(what: str, count: int = 1) -> None:
    """`what`: a short word of ours, such as served, feedback, mute lookup, token."""
    _instruments().store.of(what).inc(count)


def feedback(outcome: str) -> None:
    """`outcome`: accepted, overridden or refused."""
    _instruments().feedback.of(outcome).inc()


def exposition(environ: Mapping[str, str]) -> tuple[bytes, str]:
    """What Prometheus reads, and its media type. With a shared directory: the sum over all worker processes, ended ones too."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return generate_latest(_registry(environ)), CONTENT_TYPE_LATEST


def _registry(environ: Mapping[str, str]) -> CollectorRegistry:
    if not environ.get(SHARED):
        return _instruments().registry
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return registry


def worker_ended(pid: int, environ: Mapping[str, str]) -> None:
    """A worker's gauges go with it; its counts stay, or totals would fall."""
    if environ.get(SHARED):
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # nor here
