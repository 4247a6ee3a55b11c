"""The fault table: what a FHIR server can do wrong, and what the caller then gets. The same table stands in docs/fhir-servers.md.

Each fault is met twice: on the procedure list, which a check can do without, and on the problem list, which it
cannot. `python tests/contract/test_fault_table.py` writes the page's table anew.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cds_service import app, fetch, metrics, pipeline
from cds_service.config import Settings
from cds_service.fetch import FhirServer
from cds_service.fetch.talk import Clock

if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1]))

import faults
from faults import MARK, Behave, Server, running, status

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "fhir-servers.md"
BUNDLE = json.loads((ROOT / "fixtures" / "rmn-candidate.json").read_text(encoding="utf-8"))
HUSH = "Hush-bearer-7731"
NEVER = (HUSH, MARK, "somebody-else")
PATIENT = ("rmn-candidate", "Fixture-Candidate", "Adam", "1980-03-14")
BUDGET = 5.0
BYTES = 1_000_000
WHOLE = ""


class Row(NamedTuple):
    """`why`: what is said about the list; WHOLE: it was read. `required`: the status where the problem list is met so. `asked`: most
    questions. `kind`: under which word `cds_fetch_failures_total` counts it."""

    name: str
    behave: Behave
    why: str
    required: int
    asked: int
    kind: str = ""


ELSEWHERE = "http://127.0.0.1:2"  # replaced by a second server, which must not be asked
EXPIRED = "the server does not accept the access token, or it has expired (HTTP 401)"
OUTSIDE = "the next page is on another server, or outside the base address"
OFTEN = "the server is asked too often (HTTP 429)"
ROWS = (
    Row("answers too late", faults.slow, "no answer in time", 412, 1, "late"),
    Row("closes the connection", faults.drops, "the connection failed", 412, 2, "connection"),
    Row("401, token refused", status(401), EXPIRED, 412, 1, "status-401"),
    Row("401, token expired", status(401, WWW_Authenticate='Bearer error="invalid_token"'), EXPIRED, 412, 1, "status-401"),
    Row("403", status(403), "the access token does not cover this (HTTP 403)", 412, 1, "status-403"),
    Row("404", status(404), "the server answers HTTP 404", 412, 1, "status-404"),
    Row("429", status(429), OFTEN, 412, 2, "status-429"),
    Row("429 once, Retry-After: 2", faults.once(status(429, Retry_After="2")), WHOLE, 200, 2),
    Row("429, Retry-After beyond the budget", status(429, Retry_After="3600"), OFTEN, 412, 1, "status-429"),
    Row("503 once, Retry-After a date", faults.once(status(503, Retry_After="Thu, 01 Jan 1970 00:00:03 GMT")), WHOLE, 200, 2),
    Row("500", status(500), "the server answers HTTP 500", 412, 1, "status-500"),
    Row("HTML", faults.sends(f"<html>{MARK}".encode(), Content_Type="text/html"), "the answer is not JSON", 412, 1, "json"),
    Row("nothing at all", faults.sends(b""), "the answer is not JSON", 412, 1, "json"),
    Row("JSON that is cut short", faults.cut_short, "the answer is not JSON", 412, 1, "json"),
    Row("a body that is cut off", faults.cut_off, "the connection failed", 412, 1, "connection"),
    Row("another JSON type", faults.sends([MARK]), "text or another shape in place of a Bundle", 412, 1, "content"),
    Row(
        "OperationOutcome",
        faults.sends({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": MARK}]}),
        "an OperationOutcome in place of a Bundle",
        412,
        1,
        "content",
    ),
    Row("pages without end", faults.endless, "too many pages", 200, 20, "pages"),
    Row("pages in a circle", faults.circle, "the pages go round in a circle", 200, 2, "pages"),
    Row("a page within the limit", faults.padded(BYTES // 2), WHOLE, 200, 1),
    Row("a 10 MB page, limit 1 MB", faults.padded(10_000_000), "the answer is too large", 412, 1, "large"),
    Row("a gzip bomb: 50 MB in 50 kB", faults.bomb, "the answer is too large", 412, 1, "large"),
    Row("resources of another type", faults.wrong_type, "holds nothing of the type that was asked for", 412, 1, "content"),
    Row("another patient's resources", faults.wrong_patient, "every entry is about another patient", 412, 1, "content"),
    Row("a redirect", faults.redirects_to(ELSEWHERE), "the server redirects", 412, 1, "redirect"),
    Row("a next page on another server", faults.leads_to(ELSEWHERE), OUTSIDE, 200, 1, "pages"),
    Row("a next page outside the base address", faults.leads_to("/../../admin"), OUTSIDE, 200, 1, "pages"),
)


@pytest.fixture(scope="module")
def rules() -> pipeline.Rules:
    return pipeline.load_rules(Settings.from_environment({}))


class Waits:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.kinds: list[str] = []  #: what was counted

    def clock(self) -> Clock:
        return Clock(lambda: self.waited, self.wait, lambda: self.waited)

    def wait(self, seconds: float) -> None:
        self.waited += seconds


def unheard(kind: str) -> None:
    pass


@contextmanager
def service(rules: pipeline.Rules, clock: Clock | None, budget: float = BUDGET, failed: Callable[[str], None] = unheard) -> Iterator[Any]:
    settings = Settings.from_environment({}, sandbox=True, as_of=date(2026, 11, 1))
    server = FhirServer(["127.0.0.1"], budget, BYTES, clock=clock, systems={}, failed=failed)
    try:
        yield app.create_app(rules, settings, gather=lambda request, templates: fetch.gather(request, templates, server)).test_client()
    finally:
        server.close()


def body(base: str, **members: Any) -> dict[str, Any]:
    authorization = {"access_token": HUSH, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.read", "subject": "cds"}
    return {
        "hook": "patient-view",
        "hookInstance": "6bc883b2-b795-4dcb-b661-34884a31d472",
        "context": {"patientId": "rmn-candidate", "userId": "Practitioner/abc"},
        "fhirServer": base,
        "fhirAuthorization": authorization | members.pop("authorization", {}),
        **members,
    }


def call(client: Any, **request: Any) -> Any:
    return client.post("/cds-services/cell-therapy-trials", json=body(**request))


def nothing_leaked(answer: Any, log: str) -> None:
    """Into an answer about the patient goes the patient's id; into an error and the log nothing at all."""
    said = answer.get_data(as_text=True)
    assert [text for text in (*NEVER, *PATIENT[answer.status_code == 200 :]) if text in said] == []
    assert [text for text in (*NEVER, *PATIENT) if text in log] == []


@contextmanager
def met(row: Row, target: str, rules: pipeline.Rules) -> Iterator[tuple[Any, Server, Server, Waits]]:
    """The answer to a call during which the server behaves so. Where it is slow the clock is real and the budget short."""
    waits = Waits()
    late = row.behave is faults.slow
    elsewhere = Server(BUNDLE)
    behave = row.behave
    if row.name in ("a redirect", "a next page on another server"):
        behave = (faults.redirects_to if row.name == "a redirect" else faults.leads_to)(elsewhere.origin)
    with running(Server(BUNDLE, target, behave)) as ehr, running(elsewhere):
        clock = Clock(time.monotonic, waits.wait, time.time) if late else waits.clock()
        with ExitStack() as stack:
            client = stack.enter_context(service(rules, clock, 1.0 if late else BUDGET, waits.kinds.append))
            answer = call(client, base=ehr.base)
            assert not ehr.gate.is_set()  # the answer did not wait for the slow one
            ehr.gate.set()
            yield answer, ehr, elsewhere, waits


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_fault_on_a_list_that_is_not_required(row: Row, rules: pipeline.Rules, capsys: pytest.CaptureFixture[str]) -> None:
    with met(row, "Procedure", rules) as (answer, ehr, elsewhere, waits):
        assert answer.status_code == 200
        said = answer.json["extension"]["org.cds-service.assessment"]
        whys = {fault["why"] for fault in said.get("faults", ()) if fault["reference"] == "procedures"}
        assert whys == ({row.why} if row.why else set())
        incomplete = {entry["list"] for entry in said.get("incomplete", ())}
        assert incomplete == ({"procedures"} if row.why else set())
        told = [card for card in answer.json["cards"] if re.match(r"\*\*Check incomplete\.\*\* [^.]*procedure list", card["detail"])]
        assert bool(told) is bool(row.why), "a card says what could not be read"
        assert 1 <= ehr.asked("Procedure") <= row.asked
        assert waits.waited < BUDGET
        assert elsewhere.seen == []
        assert set(ehr.tokens) == {f"Bearer {HUSH}"}
        nothing_leaked(answer, "".join(capsys.readouterr()))
    assert set(waits.kinds) == ({row.kind} if row.kind else set())  # now that the last thread has ended


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_fault_on_the_problem_list(row: Row, rules: pipeline.Rules, capsys: pytest.CaptureFixture[str]) -> None:
    with met(row, "Condition", rules) as (answer, ehr, elsewhere, waits):
        assert answer.status_code == row.required
        if row.required == 412:
            assert answer.json["issue"][0]["diagnostics"] == f"Required data cannot be had. conditions: {row.why}."
            assert "cards" not in answer.json
        assert ehr.asked("Condition") <= row.asked
        assert waits.waited < BUDGET
        assert elsewhere.seen == []
        nothing_leaked(answer, "".join(capsys.readouterr()))
    assert set(waits.kinds) == ({row.kind} if row.kind else set())


def test_a_server_that_is_down_is_412_and_with_the_required_data_prefetched_a_check_that_names_the_rest(
    rules: pipeline.Rules, capsys: pytest.CaptureFixture[str]
) -> None:
    with service(rules, Waits().clock()) as client:
        answer = call(client, base="http://127.0.0.1:1/fhir")
        assert answer.status_code == 412
        assert "patient: the connection failed; conditions: the connection failed" in answer.json["issue"][0]["diagnostics"]
        nothing_leaked(answer, "".join(capsys.readouterr()))
        resources = [entry["resource"] for entry in BUNDLE["entry"]]
        prefetch = {
            "patient": next(r for r in resources if r["resourceType"] == "Patient"),
            "conditions": faults.searchset(*(r for r in resources if r["resourceType"] == "Condition")),
        }
        answer = call(client, base="http://127.0.0.1:1/fhir", prefetch=prefetch)
        assert answer.status_code == 200
        assert {entry["reason"] for entry in answer.json["extension"]["org.cds-service.assessment"]["incomplete"]} == {"unavailable"}
        nothing_leaked(answer, "".join(capsys.readouterr()))


@pytest.mark.parametrize(
    ("authorization", "code"), [({"patient": "rmn-candidate"}, 200), ({"patient": "Patient/rmn-candidate"}, 200), ({"patient": "somebody-else"}, 400)]
)
def test_a_token_of_another_patient_is_refused_before_anything_is_asked(
    authorization: dict[str, str], code: int, rules: pipeline.Rules, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(Server(BUNDLE)) as ehr, service(rules, Waits().clock()) as client:
        answer = call(client, base=ehr.base, authorization=authorization)
        assert answer.status_code == code
        assert (ehr.seen == []) is (code == 400)
        nothing_leaked(answer, "".join(capsys.readouterr()))


@pytest.mark.parametrize("way", ["prefetched", "fetched"])
def test_another_patient_than_the_one_asked_about_is_412(way: str, rules: pipeline.Rules, capsys: pytest.CaptureFixture[str]) -> None:
    prefetch = {"patient": {"resourceType": "Patient", "id": "somebody-else"}} if way == "prefetched" else {}
    with running(Server(BUNDLE, "Patient", faults.wrong_patient)) as ehr, service(rules, Waits().clock()) as client:
        answer = call(client, base=ehr.base, prefetch=prefetch)
        assert answer.status_code == 412
        assert answer.json["issue"][0]["diagnostics"] == "Required data cannot be had. patient: another patient than context.patientId."
        nothing_leaked(answer, "".join(capsys.readouterr()))


# --- the settings reach the questions ----------------------------------------------------------------


@contextmanager
def as_set(rules: pipeline.Rules, **environ: str) -> Iterator[Any]:
    made = app.create_app(rules, Settings.from_environment(environ, sandbox=True, as_of=date(2026, 11, 1)))
    try:
        yield made.test_client()
    finally:
        made.extensions["fhir_server"].close()


def unread(answer: Any) -> set[str]:
    return {entry["list"] for entry in answer.json["extension"]["org.cds-service.assessment"].get("incomplete", ())}


@pytest.mark.parametrize("strict", ["", "bare", "system"])
def test_each_form_of_codes_gives_the_same_answer(strict: str, rules: pipeline.Rules) -> None:
    with running(Server(BUNDLE)) as plain, running(Server(BUNDLE, strict=strict)) as picky, as_set(rules, CDS_FETCH_BUDGET="30") as client:
        left, right = (call(client, base=ehr.base).json["extension"] for ehr in (plain, picky))
        assert "incomplete" not in left["org.cds-service.assessment"]
        assert left == right


def test_the_bytes_of_all_answers_are_limited(rules: pipeline.Rules) -> None:
    prefetch = {"patient": {"resourceType": "Patient", "id": "rmn-candidate"}, "conditions": None}
    with running(Server(BUNDLE)) as ehr:
        for limit, expected in (("1024", True), ("67108864", False)):
            with as_set(rules, CDS_FETCH_BUDGET="30", CDS_FETCH_BYTES=limit) as client:
                assert bool(unread(call(client, base=ehr.base, prefetch=prefetch))) is expected


def test_failures_are_counted_from_the_threads_that_ask(rules: pipeline.Rules) -> None:
    """The wiring of the application itself, not that of these tests."""

    def counted() -> float:
        found = re.search(r'^cds_fetch_failures_total\{kind="status-500"\} (\S+)$', metrics.exposition({})[0].decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    with running(Server(BUNDLE, "Procedure", status(500))) as ehr, as_set(rules, CDS_FETCH_BUDGET="30") as client:
        before = counted()
        call(client, base=ehr.base)
        assert counted() - before == ehr.asked("Procedure") == 1


@pytest.mark.parametrize(("networks", "inside"), [("", True), ("127.0.0.0/8", False)])
def test_a_private_network_is_asked_where_it_is_named(
    networks: str, inside: bool, rules: pipeline.Rules, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *rest, **more: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))])
    with as_set(rules, CDS_FHIR_HOSTS="ehr.example:1", CDS_FHIR_PRIVATE=networks) as client:
        answer = call(client, base="https://ehr.example:1/fhir")
        assert answer.status_code == 412
        assert ("CDS_FHIR_PRIVATE" in answer.json["issue"][0]["diagnostics"]) is inside
        nothing_leaked(answer, "".join(capsys.readouterr()))


# --- the page ----------------------------------------------------------------------------------------


def table() -> str:
    lines = ["| the server | said of the list | problem list | questions | counted |", "|---|---|---|---|---|"]
    lines += [f"| {r.name} | {r.why or 'read whole'} | {r.required} | {r.asked} | {r.kind and f'`{r.kind}`'} |" for r in ROWS]
    return "\n".join(lines)


MARKED = re.compile(r"(?<=<!-- fault table -->\n).*?(?=\n<!-- end -->)", re.DOTALL)


def test_the_page_shows_this_table() -> None:
    assert MARKED.findall(PAGE.read_text(encoding="utf-8")) == [table()]


if __name__ == "__main__":
    PAGE.write_text(MARKED.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
