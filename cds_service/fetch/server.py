"""Questions to a FHIR server over HTTP, all of one hook call inside one budget. Goes only where the site allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter

from cds_service.config import LOOPBACK
from cds_service.fetch.bundles import Unreadable
from cds_service.model.hooks import Access

_WORKERS = 32
_LATE = "no answer in time"


class FhirServer:
    """Lives as long as the process: its threads and connections are shared by all calls.

    Cookies are never kept: they would carry one patient's session into the next call.
    """

    def __init__(self, hosts: Iterable[str], budget: float, most_bytes: int) -> None:
        self._hosts = frozenset(hosts)
        self.budget = budget
        self.most_bytes = most_bytes
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="fetch")
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=8, pool_maxsize=_WORKERS, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def refusal(self, access: Access | None) -> str:
        """Why this server must not be asked; empty when it may be."""
        if access is None:
            return "the request names no FHIR server"
        scheme, host, port = origin(access.base)
        loopback = host in LOOPBACK
        if scheme != "https" and not loopback:
            return "the FHIR server is not https"
        name = f"[{host}]" if ":" in host else host
        if f"{name}:{port}" not in self._hosts and not (name in self._hosts and (loopback or port == 443)):
            return "the FHIR server is not named in CDS_FHIR_HOSTS"
        if not access.token and not loopback:
            return "the request brings no access token"
        return ""

    def talk(self, access: Access) -> Talk:
        """The questions of one hook call; the budget runs from here."""
        return Talk(self._session, self._pool, access, time.monotonic() + self.budget, self.most_bytes)

    def close(self) -> None:
        """Waits for questions under way: a connection given back after the session is closed would stay open."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._session.close()


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; ("", "", 0) for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
        return (parts.scheme, (parts.hostname or "").lower(), port) if "@" not in parts.netloc else ("", "", 0)
    except ValueError:
        return "", "", 0


class Talk:
    def __init__(self, session: requests.Session, pool: ThreadPoolExecutor, access: Access, deadline: float, most_bytes: int) -> None:
        self._session = session
        self._pool = pool
        self._deadline = deadline
        self._most_bytes = most_bytes
        self.base = access.base.rstrip("/")
        self._headers = {"Accept": "application/fhir+json, application/json"}
        if access.token:
            self._headers["Authorization"] = f"Bearer {access.token}"

    def address(self, link: str) -> str:
        """A link of this server in full; empty where it leads elsewhere, for the token goes with the question."""
        try:
            url = urljoin(f"{self.base}/", link)
        except ValueError:
            return ""
        return url if origin(url) == origin(self.base) else ""

    def together(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Run them side by side until all are done or the budget is spent; what is late goes on unheard.

        A fault of ours in a job is raised here: it is no fault of the server's.
        """
        futures: list[Future[None]] = [self._pool.submit(job) for job in jobs]
        for future in futures:
            try:
                future.result(timeout=max(0.0, self._deadline - time.monotonic()))
            except TimeoutError:
                future.cancel()

    def get(self, url: str) -> object:
        """The JSON at an address of this server. Raises Unreadable. Never follows a redirect: it could lead anywhere."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Unreadable(_LATE)
        try:
            with self._session.get(url, headers=self._headers, timeout=left, allow_redirects=False, stream=True) as answer:
                if 300 <= answer.status_code < 400:
                    raise Unreadable("the server redirects")
                if answer.status_code != 200:
                    raise Unreadable(f"the server answers HTTP {answer.status_code}")
                body = self._body(answer)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise Unreadable(_LATE) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError):
            raise Unreadable("the connection failed") from None
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise Unreadable("the answer is not JSON") from None

    def _body(self, answer: requests.Response) -> bytes:
        """Read as it comes, not in full blocks, so that a trickle cannot outlast the budget unseen."""
        body = bytearray()
        while chunk := answer.raw.read1(65536, decode_content=True):
            body += chunk
            if len(body) > self._most_bytes:
                raise Unreadable("the answer is too large")
            if time.monotonic() > self._deadline:
                raise Unreadable(_LATE)
        return bytes(body)
