"""`make bench`: one hook call against a bare Flask + orjson endpoint, in one run, alternating, one worker each.

What is measured is the hook: there is no store, unless `--store` asks for one. Prints a line a size: the number of
resources in prefetch, p50 and p99 of both, what evaluation takes of the parse, and the ratio of the p50s. Every number
is the median of the rounds.
"""

from __future__ import annotations

import argparse
import gc
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

import orjson
from body import hook_body

from cds_service import app, pipeline, wire
from cds_service.config import Settings
from cds_service.fetch import FhirServer, gather
from cds_service.normalise import normalise

SIZES = (300, 1000, 3000)
HERE = Path(__file__).parent


class Line:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str) -> bytes:
        self.connection.request("GET", path)
        return self.connection.getresponse().read()

    def post(self, path: str, body: bytes) -> tuple[float, bytes]:
        start = time.perf_counter()
        self.connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        said = answer.read()
        took = time.perf_counter() - start
        if answer.status != 200:
            sys.exit(f"{path} answered {answer.status}: {said[:300]!r}")
        return took, said


@contextmanager
def server(arguments: list[str], environ: Mapping[str, str] = os.environ) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *[a.replace("PORT", str(port)) for a in arguments]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ)  # noqa: S603 -- our own two servers
    try:
        for _ in range(300):
            try:
                Line(port).get("/cds-services")
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def measure(ours: Line, bare: Line, path: str, body: bytes, rounds: int, calls: int) -> tuple[list[float], list[float]]:
    """p50 and p99 of each, in seconds, and the ratio of the p50s: medians of the rounds. First ours, then bare, then ours …"""
    found: list[tuple[float, float, float, float, float]] = []
    for _ in range(rounds):
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(calls):
            times[0].append(ours.post(path, body)[0])
            times[1].append(bare.post("/cds-services/bare", body)[0])
        halves = [percentile(t, 0.5) for t in times]
        found.append((halves[0], percentile(times[0], 0.99), halves[1], percentile(times[1], 0.99), halves[0] / halves[1]))
    middle = [median(column) for column in zip(*found, strict=True)]
    return middle[:4], middle[4:]


def timed(action: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        took.append(time.perf_counter() - start)
    return median(took)


def evaluation(rules: pipeline.Rules, settings: Settings, body: bytes) -> tuple[float, float]:
    """Seconds that evaluating the cohorts of a hook call takes, and seconds that parsing the body takes, in this process."""
    nowhere = FhirServer(settings.fhir_hosts, settings.fetch_budget, settings.max_body)
    record = gather(wire.read_request(orjson.loads(body)), rules.templates, nowhere)
    facts = normalise(record, rules.vocabulary, datetime.now().astimezone().date().toordinal())
    return timed(lambda: rules.evaluator.assess(facts, False), 200), timed(lambda: orjson.loads(body), 60)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--calls", type=int, default=200, help="calls a round, to each of the two")
    options.add_argument("--store", action="store_true", help="with a SQLite store: each call looks up mutes and is recorded")
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    chosen = options.parse_args()
    settings = Settings.from_environment(os.environ)
    rules = pipeline.load_rules(settings)
    app.tune_collector()
    with ExitStack() as stack:
        database = f"sqlite:///{stack.enter_context(TemporaryDirectory())}/store.sqlite3" if chosen.store else "none"
        ours = Line(stack.enter_context(server(["-m", "cds_service", "serve", "--port", "PORT"], os.environ | {"CDS_DATABASE_URL": database})))
        bare = Line(stack.enter_context(server([str(HERE / "bare.py"), "PORT"])))
        service = json.loads(ours.get("/cds-services"))["services"][0]
        path = f"/cds-services/{service['id']}"
        for size in chosen.sizes:
            body = hook_body(size, service["prefetch"], datetime.now().astimezone().date())
            cards = json.loads(ours.post(path, body)[1])["cards"]
            if not cards:
                sys.exit("the body makes no card: it no longer measures what a card costs")
            for _ in range(20):
                ours.post(path, body)
                bare.post("/cds-services/bare", body)
            (p50, p99, bare50, bare99), (ratio,) = measure(ours, bare, path, body, chosen.rounds, chosen.calls)
            evaluating, parsing = evaluation(rules, settings, body)
            gc.collect()
            print(
                f"{size} resources, {len(body) / 1000:.0f} kB: p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms ({p99 / p50:.2f} × p50), "
                f"bare p50 {bare50 * 1e3:.2f} ms, p99 {bare99 * 1e3:.2f} ms, "
                f"evaluation {evaluating * 1e6:.0f} µs ({100 * evaluating / parsing:.1f} % of parse), ratio {ratio:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
