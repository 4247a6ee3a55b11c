"""Writes served cards behind the requests: a bounded queue and one thread a process. What cannot be written is counted and told."""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable, Sequence

from cds_service.model.served import Served

Write = Callable[[Sequence[Served]], None]
#: What was lost or slow, how many, the kind of error: never its text, which can repeat a row.
Notice = Callable[[str, int, str], None]

#: A row, or how to make it: what can wait for the writer's own thread is not worked out while a clinician waits.
Row = Served | Callable[[], Served]

MOST_WAITING = 10_000  #: rows; a minute of outage at a busy hospital
MOST_UNMADE = 200
BATCH = 200
LINGER = 0.2  #: seconds that a row waits for company: a transaction costs more than its rows
_GIVE_WAY = 0.0005  #: seconds
TRIES, PAUSE = 3, 1.0  #: a database that restarts is back within seconds


class Writer:
    """One a process, started at its first row. Safe to use from any thread of that process."""

    def __init__(self, write: Write, notice: Notice, most: int = MOST_WAITING, pause: float = PAUSE, linger: float = LINGER) -> None:
        self._write, self._notice, self._pause, self._linger = write, notice, pause, linger
        self._rows: queue.Queue[Row | threading.Event] = queue.Queue(most)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cds-store-writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a graceful stop ends with the interpreter's own: what waits is written

    def put(self, rows: Sequence[Row]) -> None:
        """Never waits. What is yet to be made holds what it is made from: when much of it waits, rows are made at once."""
        crowded = self._rows.qsize() >= MOST_UNMADE
        for left, row in enumerate(rows):
            try:
                self._rows.put_nowait(row if isinstance(row, Served) or not crowded else row())
            except queue.Full:
                self._notice("served", len(rows) - left, "QueueFull")
                return

    def flush(self, seconds: float = 5.0) -> bool:
        """Until all that was put before is written or lost; False if that took too long."""
        done = threading.Event()
        try:
            self._rows.put(done, timeout=seconds)
        except queue.Full:
            return False
        return done.wait(seconds)

    def close(self, seconds: float = 5.0) -> None:
        atexit.unregister(self.close)
        self._stopping.set()  # no pauses between tries any more
        if self._thread.is_alive() and not self.flush(seconds):
            self._notice("served", self._rows.qsize(), "Stopped")

    def _run(self) -> None:
        while True:
            batch, marks = self._batch()
            if batch:
                self._keep(batch)
            for mark in marks:
                mark.set()

    def _batch(self) -> tuple[list[Served], list[threading.Event]]:
        """What waits, up to a batch or a mark: rows that come after a mark are not its business."""
        rows: list[Served] = []
        item = self._rows.get()
        until = time.monotonic() + self._linger
        while True:
            if isinstance(item, threading.Event):
                return rows, [item]
            row = item if isinstance(item, Served) else self._made(item)
            if row is not None:
                rows.append(row)
            if len(rows) == BATCH:
                return rows, []
            try:
                item = self._rows.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return rows, []

    def _made(self, make: Callable[[], Served]) -> Served | None:
        time.sleep(_GIVE_WAY)  # the one lock of the interpreter is for those who wait for an answer
        try:
            return make()
        except Exception as fault:  # as below: the thread must live on
            self._notice("served", 1, type(fault).__name__)
            return None

    def _keep(self, batch: Sequence[Served]) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                return self._write(batch)
            except Exception as fault:  # whatever it is, the thread must live on, and the kind of it is told
                kind = type(fault).__name__
            if attempt < TRIES:
                self._stopping.wait(self._pause)
        self._notice("served", len(batch), kind)
        return None
