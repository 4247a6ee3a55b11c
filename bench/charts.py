"""The fixtures as an EHR keeps them: searched by our own templates, for a prefetch or by a FHIR server on loopback.

As a program (`python bench/charts.py`) it is that server: prints its port, serves until it is ended.
"""

from __future__ import annotations

import http.server
import re
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, unquote

import orjson

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
WRITTEN = date(2026, 11, 1)  #: the day that the fixtures are about
_DAY = re.compile(rb"\b((?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9])")
Resource = dict[str, object]


@cache
def charts() -> Mapping[str, list[Resource]]:
    """Each patient's resources by the patient's id, every full date moved so that the fixtures are about today."""
    later = _today() - WRITTEN
    found = {}
    for path in sorted(FIXTURES.glob("*.json")):
        moved = _DAY.sub(lambda day: _moved(day[1], later), path.read_bytes())
        resources = [entry["resource"] for entry in orjson.loads(moved)["entry"]]
        (patient,) = [r["id"] for r in resources if r["resourceType"] == "Patient"]
        found[patient] = resources
    return found


def _today() -> date:
    return date.today()  # noqa: DTZ011 -- where the service stands, as the service sees it


def _moved(day: bytes, later: timedelta) -> bytes:
    try:
        return (date.fromisoformat(day.decode()) + later).isoformat().encode()
    except ValueError:
        return day


def answer(asked: str) -> Resource | None:
    """What a server says to `Type/id` or `Type?patient=…&code=…`; None: there is no such thing."""
    kind, _, query = asked.partition("?")
    if not query:
        name, _, identity = kind.partition("/")
        return next((r for rows in charts().values() for r in rows if (r["resourceType"], r["id"]) == (name, identity)), None)
    wanted = {name: ",".join(values) for name, values in parse_qs(query).items()}
    found = [r for r in charts().get(wanted["patient"], ()) if r["resourceType"] == kind]
    if "code" in wanted:
        codes = {code.rpartition("|")[2] for code in wanted["code"].split(",")}
        found = [r for r in found if not codes.isdisjoint(_codes(r))]
    entries = [{"fullUrl": f"urn:x:{kind}/{r['id']}", "resource": r, "search": {"mode": "match"}} for r in found]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}


def _codes(resource: Resource) -> set[object]:
    code = resource.get("code")
    codings = code.get("coding", ()) if isinstance(code, dict) else ()
    return {coding.get("code") for coding in codings}


def prefetch(patient: str, templates: Mapping[str, str]) -> Resource:
    return {key: answer(template.replace("{{context.patientId}}", patient)) for key, template in templates.items()}


@cache
def _said(asked: str) -> bytes | None:
    found = answer(asked)
    return None if found is None else orjson.dumps(found)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._say(unquote(self.path.removeprefix("/fhir/")))

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._say(unquote(f"{self.path.removeprefix('/fhir/').removesuffix('/_search')}?{form}"))

    def _say(self, asked: str) -> None:
        body = _said(asked)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *given: object) -> None:
        """Nothing: a line a question would be the slowest part."""


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # a worker asks sixteen questions at once; more than five would wait a second for their connection
    daemon_threads = True


if __name__ == "__main__":
    server = _Server(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
