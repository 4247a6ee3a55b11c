"""`make load`: the service with its workers under a bounded load for a minute, and a bare endpoint under the same, in turn.

All fixtures as patient-view calls, every fourth without a prefetch (the service asks a FHIR server of ours), from a fixed
number of connections that each wait for their answer. Everything is on loopback and in a folder that is removed.
Exit status 1 where an answer is missing, has another status than 200, says other than the first answer about that
patient did, or where memory goes on growing: docs/operation.md says how that is judged.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import orjson

sys.path.insert(0, str(Path(__file__).parent))

from charts import charts, prefetch

HERE = Path(__file__).parent
SERVICE, BARE = "/cds-services/cell-therapy-trials", "/cds-services/bare"
FETCHED = 4  #: every fourth call brings no prefetch
TURNS = 6  #: the two endpoints take turns: this many slices each
BARE_SHARE = 0.15  #: of the time
JUDGED = 20.0  #: seconds; in a shorter run nothing is said about growth
GROWTH = 4.0  #: MB a worker may grow in 10,000 calls, from the middle third of the run to the last
NOISE = 1.0  #: MB that say nothing


class Call(NamedTuple):
    patient: str
    fetched: bool
    body: bytes


class Sample(NamedTuple):
    """What one moment of the run was like: calls answered by then, and MB by worker process, and bytes of the store."""

    calls: int
    resident: Mapping[int, float]
    store: int


class Run:
    """What became of all calls to one endpoint. Threads add to it; a list's append needs no lock."""

    def __init__(self) -> None:
        self.took: list[tuple[bool, float]] = []  #: fetched, seconds
        self.faults: list[str] = []
        self.seconds = 0.0

    def times(self, fetched: bool | None = None) -> list[float]:
        return sorted(seconds for way, seconds in self.took if fetched in (None, way))


def calls(templates: Mapping[str, str], fhir: str, seed: int = 1) -> list[Call]:
    """Each patient in each way, in an order that is the same in every run."""
    found = []
    for patient, fetched in itertools.product(charts(), [False] * (FETCHED - 1) + [True]):
        body: dict[str, object] = {"hook": "patient-view", "hookInstance": "11111111-2222-4333-8444-555555555555"}
        body |= {"context": {"userId": "Practitioner/load", "patientId": patient}, "fhirServer": fhir}
        found.append(Call(patient, fetched, orjson.dumps(body if fetched else body | {"prefetch": prefetch(patient, templates)})))
    random.Random(seed).shuffle(found)  # noqa: S311 -- an order, no secret
    return found


def drive(port: int, path: str, given: Iterator[Call], seconds: float, connections: int, run: Run, sound: Callable[[Call, bytes], str]) -> None:
    """`connections` callers at a time, each with one call under way, until the time is over."""
    until = time.monotonic() + seconds
    lock = threading.Lock()

    def caller() -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while time.monotonic() < until:
            with lock:
                call = next(given)
            start = time.perf_counter()
            try:
                line.request("POST", path, call.body, {"Content-Type": "application/json"})
                answer = line.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as fault:
                run.faults.append(type(fault).__name__)
                line.close()  # the next request connects anew
                continue
            run.took.append((call.fetched, time.perf_counter() - start))
            fault = f"HTTP {answer.status}" if answer.status != 200 else sound(call, said)
            if fault:
                run.faults.append(fault)
        line.close()

    begun = time.monotonic()
    threads = [threading.Thread(target=caller) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.seconds += time.monotonic() - begun


class Sameness:
    """Whether an answer says what the first answer about the same patient said, prefetched or fetched: only card ids are new."""

    def __init__(self) -> None:
        self._first: dict[str, object] = {}

    def __call__(self, call: Call, said: bytes) -> str:
        answer = orjson.loads(said)
        now = [(card["summary"], card["detail"], card["extension"]) for card in answer["cards"]]
        how = "fetched" if call.fetched else "prefetched"
        return "" if self._first.setdefault(call.patient, now) == now else f"another answer about {call.patient}, {how}"


@contextmanager
def process(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], port: int = 0) -> Iterator[tuple[int, int]]:
    """A server of ours: its process id and port, once it listens. Without `port` it prints the one it has."""
    log = folder / f"{Path(arguments[0]).name}-{port}.log"
    with log.open("wb") as written:
        # a pipe that nobody reads fills up, and the server waits for ever
        output = written if port else subprocess.PIPE
        with subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment, stdout=output, stderr=written) as found:  # noqa: S603 -- ours
            try:
                if not port:
                    assert found.stdout is not None
                    port = int(found.stdout.readline())
                _listening(found, port, log)
                yield found.pid, port
            finally:
                found.terminate()
                found.wait()


def _listening(found: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(400):
        if found.poll() is not None:
            sys.exit(f"a server did not start: {log.read_text(errors='replace')[-500:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"a server does not listen: {log.read_text(errors='replace')[-500:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident(master: int) -> dict[int, float]:
    """MB of each worker process; nothing where the system has no /proc."""
    try:
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        page = os.sysconf("SC_PAGE_SIZE")
        return {int(w): int(Path(f"/proc/{w}/statm").read_text().split()[1]) * page / 1e6 for w in workers}
    except (OSError, IndexError):
        return {}


def growth(samples: Sequence[Sample]) -> dict[int, tuple[float, float, float]]:
    """By worker: MB while warming up (the first third), MB from the median of the middle third to that of the last, and that for 10,000 calls."""
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    workers = [w for w in samples[-1].resident if all(w in s.resident for s in samples)]
    each = max(1.0, (median(s.calls for s in last) - median(s.calls for s in middle)) / max(1, len(workers)))
    found = {w: median(s.resident[w] for s in last) - median(s.resident[w] for s in middle) for w in workers}
    return {w: (samples[third].resident[w] - samples[0].resident[w], more, more / each * 10_000) for w, more in found.items()}


def stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("store.sqlite*") if path.exists())


def line(name: str, run: Run, fetched: bool | None = None) -> str:
    times = run.times(fetched)
    if not times:
        return f"{name}: no calls"
    p50, p95, p99 = (times[min(len(times) - 1, int(len(times) * share))] * 1e3 for share in (0.50, 0.95, 0.99))
    spread = f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, slowest {times[-1] * 1e3:.0f} ms"
    return f"{name}: {len(times)} calls, {len(times) / run.seconds:.0f}/s, {spread}"


def report(ours: Run, bare: Run, samples: Sequence[Sample], workers: int, seconds: float) -> bool:
    """Prints everything; whether all was well."""
    print(line("service, all", ours))
    print(line("  with prefetch", ours, False))
    print(line("  without prefetch", ours, True))
    print(line("bare endpoint, the same calls", bare))
    faults = Counter(ours.faults + bare.faults)
    print(f"errors: {sum(faults.values())}{''.join(f'; {count} × {name}' for name, count in faults.most_common(10))}")
    well = not faults and bool(ours.took)
    found = growth(samples) if len(samples) >= 6 else {}
    for worker, (_, more, rate) in found.items():
        course = " ".join(f"{samples[round(sixth * (len(samples) - 1) / 6)].resident[worker]:.1f}" for sixth in range(7))
        print(f"worker {worker}: {course} MB over the run; middle to last third {more:+.2f} MB, {rate:+.2f} MB in 10,000 calls")
    if samples[0].resident.keys() != samples[-1].resident.keys() or len(samples[-1].resident) not in (0, workers):
        print("a worker process was lost")
        well = False
    if seconds < JUDGED or not found:
        print("memory: not judged (the run was short, or there is no /proc here)")
    else:
        level = all(more < NOISE or rate < GROWTH or more < warm / 2 for warm, more, rate in found.values())
        print(f"memory: {'levels off' if level else 'GOES ON GROWING'}")
        well = well and level
    print(f"store: {samples[0].store / 1e6:.2f} MB at first, {samples[-1].store / 1e6:.2f} MB at the end: a row a card, and a log of 4 MB")
    return well


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--seconds", type=float, default=60, help="of load in all, the bare endpoint's share included")
    options.add_argument("--connections", type=int, default=8)
    options.add_argument("--workers", type=int, default=2)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="cds-service-load-") as made, ExitStack() as stack:
        folder = Path(made)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")} | {"PYTHONPATH": str(HERE.parent)}
        settings = {"CDS_DATABASE_URL": f"sqlite:///{folder}/store.sqlite", "CDS_RATE_LIMIT": "0"}
        _, fhir = stack.enter_context(process([str(HERE / "charts.py")], folder, clean))
        port = free_port()
        serve = ["-m", "cds_service", "serve", "--port", str(port), "--workers", str(chosen.workers)]
        master, port = stack.enter_context(process(serve, folder, clean | settings, port))
        _, other = stack.enter_context(process([str(HERE / "bare.py"), str(spare := free_port()), str(chosen.workers)], folder, clean, spare))
        well = loaded(chosen, folder, master, port, other, f"http://127.0.0.1:{fhir}/fhir")
    sys.exit(not well)


def loaded(chosen: argparse.Namespace, folder: Path, master: int, port: int, other: int, fhir: str) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("GET", "/cds-services")
    templates = orjson.loads(line.getresponse().read())["services"][0]["prefetch"]
    line.close()
    given = itertools.cycle(calls(templates, fhir))
    ours, bare, same = Run(), Run(), Sameness()
    samples: list[Sample] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.25):
            samples.append(Sample(len(ours.took), resident(master), stored(folder)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(TURNS):
        drive(port, SERVICE, given, chosen.seconds * (1 - BARE_SHARE) / TURNS, chosen.connections, ours, same)
        drive(other, BARE, given, chosen.seconds * BARE_SHARE / TURNS, chosen.connections, bare, lambda _call, _said: "")
    ended.set()
    watcher.join()
    return report(ours, bare, samples, chosen.workers, chosen.seconds)


if __name__ == "__main__":
    main()
