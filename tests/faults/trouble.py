"""What callers and the store can do wrong, and what then holds: one table, which docs/operation.md shows and the tests put to the service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from cds_service import metrics
from cds_service.store import store as store_module
from cds_service.store.writer import Writer

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operation.md"
SERVICE = "/cds-services/cell-therapy-trials"
FEEDBACK = f"{SERVICE}/feedback"
INSTANCE = "3f2b8c1e-5d4a-4c6b-9e7f-0a1b2c3d4e5f"
USER = "Practitioner/dr-okonkwo-5511"
BUNDLE = json.loads((ROOT / "fixtures" / "two-trials.json").read_text(encoding="utf-8"))
BOTH = ["NCT06469190", "NCT07266181"]  # of that patient, best first
MUTED, LEFT = BOTH  # the first is dismissed before the trouble begins
NO_DATABASE = "no database " * 100

SILENT, SHOWN, NOBODY = "stays silent", "is shown again", ""


class Row(NamedTuple):
    """Statuses of a hook call, of feedback and of /ready; what becomes of a trial that was dismissed; what is counted: metric and label."""

    name: str
    hook: int
    feedback: int
    ready: int
    muted: str
    counted: frozenset[str]


def auth(*words: str) -> frozenset[str]:
    return frozenset(f"auth {word}" for word in words)


def store(*words: str) -> frozenset[str]:
    return frozenset(f"store {word}" for word in words)


FINE: frozenset[str] = frozenset()
WRITES = store("feedback", "served")
ALL = store("feedback", "mute lookup", "served")
CALLERS = (
    Row("token expired, within `CDS_CLOCK_SKEW`", 200, 200, 200, SILENT, FINE),
    Row("token expired, beyond it", 401, 401, 200, NOBODY, auth("expired")),
    Row("the caller's clock is ahead, within `CDS_CLOCK_SKEW`", 200, 200, 200, SILENT, FINE),
    Row("the caller's clock is ahead, beyond it", 401, 401, 200, NOBODY, auth("not-yet")),
    Row("token not valid yet (`nbf`)", 401, 401, 200, NOBODY, auth("not-yet")),
    Row("token used again", 401, 401, 200, NOBODY, auth("replay")),
    Row("token used again, store locked", 401, 401, 200, NOBODY, auth("replay") | store("token")),
    Row("store locked, token new", 200, 503, 200, SILENT, store("token") | WRITES),
    Row("key server down", 401, 401, 200, NOBODY, auth("key")),
    Row("key server never answers", 401, 401, 200, NOBODY, auth("key")),
    Row("key server trickles", 401, 401, 200, NOBODY, auth("key")),
    Row("key server sends HTML", 401, 401, 200, NOBODY, auth("key")),
    Row("key server sends 10 MB", 401, 401, 200, NOBODY, auth("key")),
    Row("key server redirects", 401, 401, 200, NOBODY, auth("key")),
    Row("key server down, keys known", 200, 200, 200, SILENT, FINE),
)
SQLITE = (
    Row("SQLite: another program writes and does not end", 200, 503, 200, SILENT, WRITES),
    Row("SQLite: the disk is full", 200, 503, 200, SILENT, WRITES),
    Row("SQLite: the file can only be read", 200, 503, 200, SILENT, WRITES),
    Row("SQLite: the file is gone", 200, 503, 503, SHOWN, ALL),
    Row("SQLite: another file stands in its place", 200, 503, 503, SHOWN, ALL),
)
POSTGRESQL = (
    Row("PostgreSQL: down", 200, 503, 503, SHOWN, ALL),
    Row("PostgreSQL: its tables are locked", 200, 503, 503, SHOWN, ALL),
    Row("PostgreSQL: frozen, with connections open", 200, 503, 503, SHOWN, ALL),
    Row("PostgreSQL: takes connections and never answers", 200, 503, 503, SHOWN, ALL),
)


def named(rows: tuple[Row, ...], name: str) -> Row:
    (found,) = [row for row in rows if row.name == name]
    return found


def table() -> str:
    lines = ["| when | hook call | feedback | `/ready` | a dismissed trial | counted |", "|---|---|---|---|---|---|"]
    for row in (*CALLERS, *SQLITE, *POSTGRESQL):
        counted = ", ".join(sorted(f"`{c}`" for c in row.counted))
        lines.append(f"| {row.name} | {row.hook} | {row.feedback} | {row.ready} | {row.muted} | {counted} |")
    return "\n".join(lines)


MARKED = re.compile(r"(?<=<!-- trouble table -->\n).*?(?=\n<!-- end -->)", re.DOTALL)

# --- the calls -----------------------------------------------------------------------------------

KEYS = {
    "Condition": "conditions",
    "Observation": "results-other",
    "MedicationRequest": "medication-requests",
    "MedicationStatement": "medication-statements",
    "Procedure": "procedures",
    "DiagnosticReport": "reports",
}


@contextmanager
def desks(make: Callable[..., Any], monkeypatch: Any) -> Iterator[Callable[..., Any]]:
    """`make` with what is given, as often as a test likes. With little patience, so that nobody waits for what does not come."""
    monkeypatch.setattr(store_module, "PATIENCE", 0.05)
    monkeypatch.setattr(store_module, "Writer", partial(Writer, pause=0, linger=0))
    made: list[Any] = []

    def one(**given: Any) -> Any:
        made.append(make(**given))
        return made[-1]

    yield one
    for each in made:
        each.store.close()
        each.app.extensions["fhir_server"].close()


def prefetch(templates: Any, resources: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One list a kind of resource; the others hold nothing."""
    found: dict[str, Any] = {key: {"resourceType": "Bundle", "type": "searchset", "entry": []} for key in templates if key != "patient"}
    for resource in resources:
        if resource["resourceType"] == "Patient":
            found["patient"] = resource
        else:
            found[KEYS[resource["resourceType"]]]["entry"].append({"resource": resource})
    return found


def hook_body(templates: Any, **members: Any) -> dict[str, Any]:
    sent = prefetch(templates, (entry["resource"] for entry in BUNDLE["entry"]))
    context = {"userId": USER, "patientId": "two-trials"}
    return {"hook": "patient-view", "hookInstance": INSTANCE, "context": context, "prefetch": sent, **members}


def feedback_body(card: str, second: int = 0) -> dict[str, Any]:
    reason = {"reason": {"code": "not-suitable"}, "userComment": "Adam told me so"}
    return {"feedback": [{"card": card, "outcome": "overridden", "outcomeTimestamp": f"2026-11-01T09:30:{second:02}Z", "overrideReason": reason}]}


def trials(answer: Any) -> list[str]:
    return [card["source"]["topic"]["code"] for card in answer["cards"]]


def card_of(answer: Any, trial: str) -> str:
    (found,) = [card["uuid"] for card in answer["cards"] if card["source"]["topic"]["code"] == trial]
    return str(found)


def counts(said: str = "") -> dict[str, float]:
    """What the three counters of failures say, of this process or as given: "store feedback" → 2.0.

    Not by /metrics: another test may have read the settings of gunicorn, after which that is the sum over worker processes.
    """
    said = said or metrics.exposition({})[0].decode()
    found = re.findall(r'^cds_(auth|store|fetch)_failures_total\{(?:kind|what)="([^"]+)"\} (\S+)$', said, re.MULTILINE)
    return {f"{metric} {label}": float(value) for metric, label, value in found}


def secrets() -> set[str]:
    """Of the record: names, ids, dates of birth, values with their units. And who asked, and the comment."""
    found = {USER, USER.split("/")[1], "Adam told me so"}
    for resource in (entry["resource"] for entry in BUNDLE["entry"]):
        found |= {resource["id"], resource.get("birthDate", USER)}
        found |= {text for name in resource.get("name", ()) for text in (name.get("family", USER), *name.get("given", ()))}
        if quantity := resource.get("valueQuantity"):
            found.add(f"{quantity['value']} {quantity.get('unit', quantity.get('code'))}")
    return found


def leaks(text: str, *more: str) -> list[str]:
    return [s for s in sorted({*secrets(), *more}) if re.search(rf"(?<![A-Za-z0-9-]){re.escape(s)}(?![A-Za-z0-9-])", text)]
