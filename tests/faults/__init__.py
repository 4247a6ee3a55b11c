"""A FHIR server on loopback that answers searches over one Bundle, and misbehaves on one list as a test chooses."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: Planted in everything bad that is sent: must never be seen again.
MARK = "Leaked-Marker"

Json = dict[str, Any]


class Answer:
    """What goes over the wire. `hold`: wait for the test to let go; `drop`: close without a word."""

    def __init__(self, status: int = 200, body: Any = b"", headers: dict[str, str] | None = None, *, hold: bool = False, drop: bool = False) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = {"Content-Type": "application/fhir+json", "Content-Length": str(len(self.body))} | (headers or {})
        self.hold = hold
        self.drop = drop


def searchset(*resources: Json, after: str = "", **members: Any) -> Json:
    links = {"link": [{"relation": "next", "url": after}]} if after else {}
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources], **links, **members}


Behave = Callable[["Server", str, Json], Answer]
"""(server, how often this address was asked before, as "path?query" and the right answer) → what is sent."""


class Server:
    """`behave` answers for the resource type `target`; all else is answered as it should be.

    `strict`: "" codes match with and without their system; "bare" or "system": only so.
    """

    def __init__(self, bundle: Json | None = None, target: str = "", behave: Behave | None = None, strict: str = "") -> None:
        self.resources: list[Json] = [entry["resource"] for entry in (bundle or {"entry": []})["entry"]]
        self.target, self.behave, self.strict = target, behave, strict
        self.seen: list[tuple[str, str, str]] = []  #: method, path with query, form
        self.tokens: list[str | None] = []
        self.gate = threading.Event()
        self.http = _Quiet(("127.0.0.1", 0), _handler(self))
        self.origin = f"http://127.0.0.1:{self.http.server_port}"
        self.base = f"{self.origin}/fhir"

    def asked(self, kind: str) -> int:
        return sum(path.startswith(f"/fhir/{kind}") and not path.startswith(f"/fhir/{kind}Re") for _, path, _ in self.seen)

    def answer(self, method: str, path: str, form: str) -> Answer:
        self.seen.append((method, path, form))
        parts = urlsplit(path)
        names = parts.path.removeprefix("/fhir/").split("/")
        right = self._read(names) if len(names) == 2 and names[1] != "_search" else self._search(names[0], form or parts.query)
        if names[0] == self.target and self.behave is not None:
            return self.behave(self, path, right)
        return Answer(404 if right.get("resourceType") == "OperationOutcome" else 200, right)

    def _read(self, names: list[str]) -> Json:
        found = [r for r in self.resources if [r["resourceType"], r["id"]] == names]
        return found[0] if found else {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]}

    def _search(self, kind: str, query: str) -> Json:
        wanted = [token for value in parse_qs(query).get("code", ()) for token in value.split(",")]
        found = [r for r in self.resources if r["resourceType"] == kind and (not wanted or self._coded(r, wanted))]
        return searchset(*found, total=len(found))

    def _coded(self, resource: Json, wanted: list[str]) -> bool:
        codings = resource.get("code", {}).get("coding", ())
        bare = {c.get("code") for c in codings} if self.strict != "system" else set()
        full = {f"{c.get('system')}|{c.get('code')}" for c in codings} if self.strict != "bare" else set()
        return not (bare | full).isdisjoint(wanted)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that has given up


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5  # a connection left idle must not hold up the end of a test
        wbufsize = -1

        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _answer(self, form: str) -> None:
            server.tokens.append(self.headers["Authorization"])
            answer = server.answer(self.command, self.path, form)
            if answer.hold:
                server.gate.wait(30)
            if answer.hold or answer.drop:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
            if int(answer.headers["Content-Length"]) != len(answer.body):
                self.close_connection = True

        def log_message(self, *given: Any) -> None:
            pass

    return Handler


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Use it outside the client's own `with`: the client's idle connections must be closed first."""
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


# --- what servers do ---------------------------------------------------------------------------------


def status(code: int, **headers: str) -> Behave:
    return lambda server, path, right: Answer(code, f"<html>{MARK}".encode(), {name.replace("_", "-"): value for name, value in headers.items()})


def once(first: Behave) -> Behave:
    """The first time badly, then as it should be."""

    def behave(server: Server, path: str, right: Json) -> Answer:
        asked = sum(seen == path for _, seen, _ in server.seen)
        return first(server, path, right) if asked == 1 else Answer(200, right)

    return behave


def sends(body: Any, **headers: str) -> Behave:
    return lambda server, path, right: Answer(200, body, {name.replace("_", "-"): value for name, value in headers.items()})


def slow(server: Server, path: str, right: Json) -> Answer:
    return Answer(hold=True)


def drops(server: Server, path: str, right: Json) -> Answer:
    return Answer(drop=True)


def cut_short(server: Server, path: str, right: Json) -> Answer:
    whole = json.dumps(right).encode()
    return Answer(200, whole[: len(whole) // 2])


def cut_off(server: Server, path: str, right: Json) -> Answer:
    whole = json.dumps(right).encode()
    return Answer(200, whole[: len(whole) // 2], {"Content-Length": str(len(whole))})


def endless(server: Server, path: str, right: Json) -> Answer:
    kind = urlsplit(path).path.rsplit("/", 1)[-1]
    return Answer(200, searchset(*(e["resource"] for e in right["entry"]), after=f"{server.base}/{kind}?page={len(server.seen)}"))


def circle(server: Server, path: str, right: Json) -> Answer:
    kind = urlsplit(path).path.rsplit("/", 1)[-1]
    return Answer(200, searchset(*(e["resource"] for e in right["entry"]), after=f"{server.base}/{kind}?page=again"))


def padded(size: int) -> Behave:
    def behave(server: Server, path: str, right: Json) -> Answer:
        return Answer(200, right | {"language": "x" * size})

    return behave


def bomb(server: Server, path: str, right: Json) -> Answer:
    packed = gzip.compress(b'{"resourceType": "Bundle", "x": "' + b"0" * 50_000_000)
    return Answer(200, packed, {"Content-Encoding": "gzip"})


def wrong_type(server: Server, path: str, right: Json) -> Answer:
    return Answer(200, searchset({"resourceType": "Practitioner", "id": MARK, "name": [{"family": MARK}]}))


def wrong_patient(server: Server, path: str, right: Json) -> Answer:
    def other(resource: Json) -> Json:
        about = "subject" if "subject" in resource else "patient"
        return resource | {about: {"reference": "Patient/somebody-else"}}

    if right["resourceType"] == "Patient":
        return Answer(200, right | {"id": "somebody-else"})
    kind = urlsplit(path).path.rsplit("/", 1)[-1]
    found = [other(e["resource"]) for e in right["entry"]] or [{"resourceType": kind, "id": "x1", "subject": {"reference": "Patient/somebody-else"}}]
    return Answer(200, searchset(*found))


def leads_to(elsewhere: str) -> Behave:
    def behave(server: Server, path: str, right: Json) -> Answer:
        return Answer(200, searchset(*(e["resource"] for e in right["entry"]), after=f"{elsewhere}/fhir/Condition?page=2"))

    return behave


def redirects_to(elsewhere: str) -> Behave:
    return lambda server, path, right: Answer(302, b"", {"Location": f"{elsewhere}/fhir/Condition"})
