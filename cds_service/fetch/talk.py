"""The questions of one hook call to one FHIR server over HTTP: one budget of time and bytes, one token, one base address."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote

import requests
import urllib3

from cds_service import __version__
from cds_service.fetch.addresses import Base, link
from cds_service.fetch.bundles import parsed
from cds_service.fetch.dialects import Dialects
from cds_service.fetch.guard import GuardedAdapter, Inside
from cds_service.fetch.questions import LATE, Failed, Question
from cds_service.model.hooks import Access

#: Some servers, and proxies in front of them, refuse addresses from about 2,000 characters on, most others from 8,000 on.
LONGEST, LONGEST_AT_ALL = 1900, 7600
#: Answers to a form of a server that takes searches by GET alone; 404: it takes `_search` for an id.
_NO_FORMS = frozenset({404, 405, 415, 501})
_TOO_LONG = 414
#: Seconds before the second try where the server does not say how long.
PAUSE = 0.1
_STATUS = {
    401: "the server does not accept the access token, or it has expired (HTTP 401)",
    403: "the access token does not cover this (HTTP 403)",
    414: "the search is too long for the server (HTTP 414)",
    429: "the server is asked too often (HTTP 429)",
    503: "the server is out of service (HTTP 503)",
}


class Clock(NamedTuple):
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    now: Callable[[], float]  #: seconds since 1970


class Limits(NamedTuple):
    """Bytes after decompression."""

    an_answer: int
    in_all: int


class _Again(Exception):
    """Worth a second try, after so many seconds; if that cannot be, `failure` stands."""

    def __init__(self, failure: Failed, after: float) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.after = after


class Talk:
    def __init__(
        self,
        adapter: GuardedAdapter,
        pool: ThreadPoolExecutor,
        base: Base,
        access: Access,
        deadline: float,
        limits: Limits,
        clock: Clock,
        dialects: Dialects,
        failed: Callable[[str], None],
    ) -> None:
        self._adapter = adapter
        self._pool = pool
        self._base = base
        self._deadline = deadline
        self._limits = limits
        self._clock = clock
        self.dialects = dialects
        self._failed = failed
        self._read = 0
        self._lock = threading.Lock()
        self.base = access.base.rstrip("/")
        self._headers = {
            "Accept": "application/fhir+json, application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"cds-service/{__version__}",
        }
        if access.token:
            self._headers["Authorization"] = f"Bearer {access.token}"

    def link(self, target: str) -> str:
        """The address of a link that this server gave; empty where it leads out of the base address."""
        return link(self._base, self.base, target)

    def search(self, path: str, query: str) -> object:
        """The JSON that answers a search below the base address. Raises Failed.

        By GET, or by POST `_search` where its address would be long; the other way if the server refuses the first for its form.
        """
        query = quote(query, safe="=&,:/.~-_%")
        get, form = Question(f"{self.base}/{path}?{query}"), Question(f"{self.base}/{path}/_search", query)
        short = len(get.url) <= (LONGEST_AT_ALL if self.dialects.refuses_forms(self.base) else LONGEST)
        try:
            return self.ask(get if short else form)
        except Failed as failure:
            if short and failure.status == _TOO_LONG:
                return self.ask(form)
            if short or failure.status not in _NO_FORMS or len(get.url) > LONGEST_AT_ALL:
                raise
        answer = self.ask(get)
        self.dialects.learn_no_forms(self.base)  # only now: a server without this list at all answers 404 to both
        return answer

    def together(self, jobs: Iterable[Callable[[], None]]) -> None:
        """Run them side by side until all are done or the budget is spent; what is late goes on unheard.

        A fault of ours in a job is raised here: it is no fault of the server's.
        """
        futures: list[Future[None]] = [self._pool.submit(job) for job in jobs]
        for future in futures:
            try:
                future.result(timeout=max(0.0, self._left()))
            except TimeoutError:
                if future.cancel():  # it never came to be asked; one that is under way counts itself
                    self.count("late")

    def count(self, kind: str) -> None:
        """A question without a usable answer."""
        self._failed(kind)

    def ask(self, question: Question) -> object:
        """The JSON that answers a question to this server. Raises Failed, which is counted."""
        try:
            try:
                return self._once(question)
            except _Again as again:
                self._wait(again)
            try:
                return self._once(question)
            except _Again as again:
                raise again.failure from None
        except Failed as failure:
            self.count("late" if self._left() <= 0 else failure.kind)  # nobody hears any more how it ended
            raise

    def _left(self) -> float:
        return self._deadline - self._clock.monotonic()

    def _wait(self, again: _Again) -> None:
        if again.after >= self._left():
            raise again.failure from None
        if again.after > 0:
            self._clock.sleep(again.after)

    def _once(self, question: Question) -> object:
        left = self._left()
        if left <= 0:
            raise Failed(LATE, "late")
        headers = self._headers | {"Content-Type": "application/x-www-form-urlencoded"} if question.form else self._headers
        method = "POST" if question.form else "GET"
        request = requests.Request(method, question.url, headers, data=question.form or None).prepare()
        try:
            # Without a session: no cookie is kept, no proxy or .netrc is looked for, and no redirect is followed, which could lead anywhere.
            with self._adapter.send(request, stream=True, timeout=left) as answer:
                self._look_at(answer)
                body = self._body(answer)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise Failed(LATE, "late") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as fault:
            raise _reason(fault, method) from None
        try:
            return parsed(body)
        except ValueError:
            raise Failed("the answer is not JSON", "json") from None

    def _look_at(self, answer: requests.Response) -> None:
        status = answer.status_code
        if status == 200:
            return
        if 300 <= status < 400:
            raise Failed("the server redirects", "redirect")
        failure = Failed(_STATUS.get(status) or f"the server answers HTTP {status}", f"status-{status}", status)
        if status in (429, 503):
            raise _Again(failure, _after(answer.headers.get("Retry-After"), self._clock.now()))
        raise failure

    def _body(self, answer: requests.Response) -> bytes:
        """Read as it comes, not in full blocks, so that a trickle cannot outlast the budget unseen."""
        body = bytearray()
        while chunk := answer.raw.read1(65536, decode_content=True):
            body += chunk
            with self._lock:
                self._read += len(chunk)
            if len(body) > self._limits.an_answer:
                raise Failed("the answer is too large", "large")
            if self._read > self._limits.in_all:
                raise Failed("the answers are too large together", "large")
            if self._left() < 0:
                raise Failed(LATE, "late")
        return bytes(body)


def _reason(fault: Exception, method: str) -> Failed | _Again:
    """A connection that was kept alive may have been closed at the other end just now: a GET is then put again."""
    first = fault.args[0] if fault.args else None
    cause = getattr(first, "reason", first)
    if isinstance(cause, Inside):
        return Failed("the FHIR server's name leads to a private address that CDS_FHIR_PRIVATE does not list", "private")
    if isinstance(fault, requests.exceptions.SSLError):
        return Failed("no TLS connection with a certificate that is trusted", "tls")
    failure = Failed("the connection failed", "connection")
    reset = isinstance(fault, requests.ConnectionError) and isinstance(cause, urllib3.exceptions.ProtocolError)
    return _Again(failure, 0) if reset and method == "GET" else failure


def _after(header: str | None, now: float) -> float:
    """Retry-After in seconds: a number, or a date."""
    if header is None:
        return PAUSE
    if re.fullmatch(r"[0-9]{1,9}", header.strip(), re.ASCII):
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now)
    except (ValueError, OverflowError):
        return PAUSE
