"""A write that somebody waits for, but not for ever: a database that is frozen, or a disk that hangs, sends no error by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from sqlalchemy import Connection, Engine


class _GivenUp(Exception):
    """Nobody waits any more: what was written is taken back."""


def within(seconds: float, engine: Engine, work: Callable[[Connection], None]) -> None:
    """One transaction. Raises what the work raises, and TimeoutError when it takes longer.

    After that nothing of it is kept, however late the database wakes up; only a commit that was already
    under way may hold. The thread is left to end by itself: nothing can interrupt a question to a frozen server.
    """
    done: Future[None] = Future()
    given_up = threading.Event()

    def run() -> None:
        try:
            with engine.begin() as connection:
                if not given_up.is_set():
                    work(connection)
                if given_up.is_set():
                    raise _GivenUp
        except BaseException as fault:
            done.set_exception(fault)
        else:
            done.set_result(None)

    threading.Thread(target=run, name="cds-store-write", daemon=True).start()
    try:
        done.result(seconds)
    except TimeoutError:
        given_up.set()
        raise
