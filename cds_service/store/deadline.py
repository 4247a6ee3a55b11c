"""Questions that a card waits for: answered within a deadline, or given up; and after a failure not asked again for a while."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cds_service.store.writer import Notice

Found = TypeVar("Found")

DEADLINE = 0.05  #: seconds
REST = 10.0  #: seconds without a question after a failure: a dead database costs one deadline, not one a card


class Deadline:
    """`apart`: ask in another thread, for a database that can hang; SQLite keeps the deadline by itself (its lock timeout)."""

    def __init__(self, notice: Notice, apart: bool, clock: Callable[[], float] = time.monotonic, seconds: float = DEADLINE) -> None:
        self._notice, self._apart, self._clock, self._seconds = notice, apart, clock, seconds
        self._closed_until = float("-inf")
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pid = os.getpid()

    def ask(self, what: str, work: Callable[[], Found], otherwise: Found) -> Found:
        if self._clock() < self._closed_until:
            return otherwise
        try:
            return self._waited(self._executor().submit(work)) if self._apart else work()
        except Exception as fault:  # a card is shown rather than lost, whatever the store's trouble is; its kind is told
            self._closed_until = self._clock() + REST
            self._notice(what, 1, type(fault).__name__)
            return otherwise

    def _waited(self, asked: Future[Found]) -> Found:
        try:
            return asked.result(self._seconds)
        finally:
            asked.cancel()  # while the threads all hang, questions must not pile up behind them

    def close(self) -> None:
        if self._pool is not None and self._pid == os.getpid():
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _executor(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._pid != os.getpid():  # threads do not survive a fork
                self._pool, self._pid = ThreadPoolExecutor(4, thread_name_prefix="cds-store"), os.getpid()
            return self._pool
