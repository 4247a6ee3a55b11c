"""Key sets that are fetched from allow-listed addresses and kept. Bounded in size, time and how often; follows no redirect."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter

from cds_service.model.clients import Key
from cds_service.trust.keys import usable

FRESH = 3600.0  #: seconds for which a set is used without asking again
LAST_RESORT = 24 * 3600.0  #: seconds for which an old set is used while its address cannot be read
PAUSE = 30.0  #: seconds between two fetches of one address, whatever is asked for
BUDGET = 3.0  #: seconds that a fetch may take, and half of them a silence
MOST_BYTES = 256 * 1024


class Unfetchable(Exception):
    """A fixed word, for the log."""


@dataclass(slots=True)
class _Set:
    keys: Mapping[tuple[str, str], Key] = field(default_factory=dict)
    read: float = float("-inf")
    tried: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class KeySets:
    """The sets at `addresses`: no other address is ever asked. Safe for threads; each process has its own.

    `failed(address, word)` is told of each fetch that failed. `trusted`: whose certificates hold, where not the public authorities'.
    """

    def __init__(
        self,
        addresses: frozenset[str],
        failed: Callable[[str, str], None] = lambda address, why: None,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._sets = {address: _Set() for address in addresses}
        self._failed = failed
        self._trusted = trusted
        self.now: Callable[[], float] = time.monotonic

    def find(self, address: str, key_id: str, algorithm: str) -> Key | None:
        """The key, fetching where the set is old or does not have it. None where it cannot be had, or not yet again."""
        kept = self._sets[address]
        key = kept.keys.get((key_id, algorithm))
        now = self.now()
        if key is not None and now - kept.read < FRESH:
            return key
        if key is not None and now - kept.read < LAST_RESORT:  # one caller renews it, the others go on with what there is
            if kept.lock.acquire(blocking=False):
                try:
                    self._renew(address, kept)
                finally:
                    kept.lock.release()
                return kept.keys.get((key_id, algorithm))
            return key
        with kept.lock:  # nothing to go on with: wait for whoever is fetching, then look again
            if (key_id, algorithm) not in kept.keys or self.now() - kept.read >= LAST_RESORT:
                self._renew(address, kept)
            return kept.keys.get((key_id, algorithm)) if self.now() - kept.read < LAST_RESORT else None

    def _renew(self, address: str, kept: _Set) -> None:
        if self.now() - kept.tried < PAUSE:
            return
        kept.tried = self.now()
        try:
            keys = usable(fetch(address, self._trusted))
        except Unfetchable as fault:
            return self._failed(address, str(fault))
        if not keys:
            return self._failed(address, "no-usable-key")
        kept.keys = {(key.id, key.algorithm): key for key in keys}
        kept.read = self.now()
        return None


class _Trusting(HTTPAdapter):
    def __init__(self, trusted: ssl.SSLContext) -> None:
        self._trusted = trusted
        super().__init__()

    def init_poolmanager(self, *given: Any, **chosen: Any) -> None:
        super().init_poolmanager(*given, **chosen, ssl_context=self._trusted)


def fetch(address: str, trusted: ssl.SSLContext | None = None) -> object:
    """The JSON at an address, by one GET. Raises Unfetchable.

    In a thread of its own: a server that sends its headers byte by byte is never silent for long, and never done.
    """
    done: Future[object] = Future()

    def run() -> None:
        try:
            done.set_result(_fetched(address, trusted))
        except BaseException as fault:
            done.set_exception(fault)

    threading.Thread(target=run, name="cds-keys", daemon=True).start()
    try:
        return done.result(BUDGET)
    except TimeoutError:
        raise Unfetchable("too-slow") from None


def _fetched(address: str, trusted: ssl.SSLContext | None) -> object:
    deadline = time.monotonic() + BUDGET
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy and no .netrc that this file does not name
            if trusted is not None:
                session.mount("https://", _Trusting(trusted))
            with session.get(address, timeout=BUDGET / 2, allow_redirects=False, stream=True, headers={"Accept": "application/json"}) as answer:
                if answer.status_code != 200:
                    raise Unfetchable(f"http-{answer.status_code}")
                body = bytearray()
                while chunk := answer.raw.read1(65536, decode_content=True):
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise Unfetchable("too-large")
                    if time.monotonic() > deadline:
                        raise Unfetchable("too-slow")
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as fault:
        raise Unfetchable(_word(fault)) from None
    try:
        return orjson.loads(bytes(body))
    except orjson.JSONDecodeError:
        raise Unfetchable("not-json") from None


def _word(fault: Exception) -> str:
    if isinstance(fault, requests.exceptions.SSLError):
        return "no-trusted-certificate"
    return "too-slow" if isinstance(fault, requests.Timeout | urllib3.exceptions.TimeoutError) else "no-connection"
