"""Which tokens have been used. The shared memory of all workers is the store's; here is the agreement and one in memory."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Protocol


class Replay(Protocol):
    """`expires`: seconds since 1970 after which the token would be refused anyway, so that it may be forgotten."""

    def first_use(self, issuer: str, jti: str, expires: int) -> bool: ...


class Seen:
    """One process's memory, bounded. Full of living tokens, it refuses: forgetting one would let it be used again."""

    def __init__(self, most: int = 100_000, now: Callable[[], float] = time.time) -> None:
        self._most = most
        self._now = now
        self._until: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def first_use(self, issuer: str, jti: str, expires: int) -> bool:
        # A digest: 16 bytes whatever is sent. The length keeps ("a", "bc") and ("ab", "c") apart.
        name = hashlib.blake2b(f"{len(issuer)} {issuer}{jti}".encode(), digest_size=16).digest()
        with self._lock:
            if name in self._until:
                return False
            if len(self._until) >= self._most:
                now = self._now()
                self._until = {key: until for key, until in self._until.items() if until >= now}
                if len(self._until) >= self._most:
                    return False
            self._until[name] = expires
            return True
