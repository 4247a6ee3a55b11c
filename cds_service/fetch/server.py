"""FHIR servers for as long as the process lives: which may be asked, with which threads and connections."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from cds_service.config import LOOPBACK
from cds_service.fetch.addresses import Base, listed, read
from cds_service.fetch.dialects import Dialects
from cds_service.fetch.guard import Guard, GuardedAdapter
from cds_service.fetch.talk import Clock, Limits, Talk
from cds_service.model.clients import OPEN, Client
from cds_service.model.hooks import Access

_WORKERS = 32  #: threads a server: two hook calls, every list at once
_POOLS = 8  #: servers with threads of their own; those met later share one more pool

#: Its warnings hold addresses, and an address holds the patient's id.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class _Server(NamedTuple):
    base: Base
    pool: ThreadPoolExecutor


def _unheard(kind: str) -> None:
    """Nobody counts the failures."""


class FhirServer:
    """Shared by all calls of the process. Each server has threads of its own, so that one that hangs holds up nobody else's.

    Cookies are never kept: they would carry one patient's session into the next call. `hosts` are those of
    CDS_FHIR_HOSTS, for clients without a list of their own; `networks` those of CDS_FHIR_PRIVATE; `systems`:
    code → its systems. `failed` is told the kind of each failed question, from a worker thread. `trusted`: whose
    certificates hold, where not the public authorities'.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        budget: float,
        most_bytes: int,
        *,
        most_in_all: int | None = None,
        networks: Iterable[str] = (),
        systems: Mapping[str, tuple[str, ...]] | None = None,
        failed: Callable[[str], None] = _unheard,
        clock: Clock | None = None,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self.budget = budget
        self._limits = Limits(most_bytes, 4 * most_bytes if most_in_all is None else most_in_all)
        self._clock = clock or Clock(time.monotonic, time.sleep, time.time)
        self._hosts = listed(hosts)
        self._lists: dict[tuple[str, ...], tuple[Base, ...]] = {}
        self._dialects = Dialects(systems or {})
        self._failed = failed
        self._pools: dict[tuple[str, str, int], ThreadPoolExecutor] = {}
        self._lock = threading.Lock()
        self._adapter = GuardedAdapter(Guard(networks), trusted, pool_connections=_POOLS + 1, pool_maxsize=_WORKERS, max_retries=0)

    def refusal(self, access: Access | None, client: Client = OPEN) -> str:
        """Why this server must not be asked; empty when it may be."""
        if access is None:
            return "the request names no FHIR server"
        base = read(access.base)
        if base is None:
            return "the FHIR server's address is not one that can be asked"
        loopback = base.host in LOOPBACK
        if base.scheme != "https" and not loopback:
            return "the FHIR server is not https"
        if not any(entry.covers(base) for entry in self._allowed(client)):
            return f"the FHIR server is not named in {'the list of this client' if client.fhir_bases else 'CDS_FHIR_HOSTS'}"
        if not access.token and not loopback:
            return "the request brings no access token"
        return ""

    def _allowed(self, client: Client) -> tuple[Base, ...]:
        if not client.fhir_bases:
            return self._hosts
        found = self._lists.get(client.fhir_bases)
        if found is None:  # a few clients, each read once
            found = self._lists[client.fhir_bases] = listed(client.fhir_bases)
        return found

    def talk(self, access: Access) -> Talk:
        """The questions of one hook call; the budget runs from here. Only for a server that `refusal` lets pass."""
        base = read(access.base)
        assert base is not None
        deadline = self._clock.monotonic() + self.budget
        return Talk(self._adapter, self._pool(base), base, access, deadline, self._limits, self._clock, self._dialects, self._failed)

    def _pool(self, base: Base) -> ThreadPoolExecutor:
        """Threads are made when they are first needed; an idle pool costs nothing."""
        origin = base[:3]
        with self._lock:
            if origin not in self._pools and len(self._pools) >= _POOLS:
                origin = ("", "", 0)
            if origin not in self._pools:
                self._pools[origin] = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fetch")
            return self._pools[origin]

    def close(self) -> None:
        """Waits for questions under way: a connection given back after the adapter is closed would stay open."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self._adapter.close()
