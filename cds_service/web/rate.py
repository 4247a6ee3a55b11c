"""How often a client may call: a window of one minute for each client, in each worker. Knows no token."""

from __future__ import annotations

import math
import threading
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from cds_service.errors import TooManyRequests
from cds_service.model.clients import Client


class Rate:
    """`default` calls a minute for a client that names no rate of its own; 0 is no limit."""

    def __init__(self, default: int) -> None:
        self._default = default
        self._lock = threading.Lock()
        self._limiter: FixedWindowRateLimiter | None = None

    def spend(self, client: Client) -> None:
        """One call of this client. Raises TooManyRequests with the seconds to wait."""
        most = self._default if client.rate is None else client.rate
        if most == 0:
            return
        limiter, limit = self._counting(), RateLimitItemPerMinute(most)
        if not limiter.hit(limit, client.name):
            left = limiter.get_window_stats(limit, client.name).reset_time - time.time()
            raise TooManyRequests(client.name, max(1, math.ceil(left)))

    def _counting(self) -> FixedWindowRateLimiter:
        """Made at the first call: its storage starts a thread, which must not be there when the workers are forked."""
        with self._lock:
            if self._limiter is None:
                self._limiter = FixedWindowRateLimiter(MemoryStorage())
            return self._limiter
