"""How a FHIR server is asked: second tries, long searches, both forms of codes, limits, threads. A real server on loopback."""

import threading
import tracemalloc
from contextlib import ExitStack
from urllib.parse import parse_qs

import faults
import pytest
from faults import Answer, Server, running, searchset, status

from cds_service.errors import PreconditionFailed
from cds_service.fetch import FhirServer, gather
from cds_service.fetch import server as server_module
from cds_service.fetch import talk as talk_module
from cds_service.fetch.questions import Failed, Question
from cds_service.fetch.talk import Clock
from cds_service.model.hooks import Access, HookRequest

LOINC = "http://loinc.org"
PATIENT = {"resourceType": "Patient", "id": "p1"}
HUSH = "Hush-7731"
SUBJECT = {"subject": {"reference": "Patient/p1"}}


def result(identity, code):
    return {"resourceType": "Observation", "id": identity, "code": {"coding": [{"system": LOINC, "code": code}]}, **SUBJECT}


def condition(identity="c1", **members):
    return {"resourceType": "Condition", "id": identity, **SUBJECT, **members}


def bundle(*resources):
    return {"entry": [{"resource": r} for r in (PATIENT, *resources)]}


TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "conditions": "Condition?patient={{context.patientId}}&_count=200",
    "results-kidney": "Observation?patient={{context.patientId}}&code=1-1,2-2&_sort=-date&_count=500",
    "results-blood": "Observation?patient={{context.patientId}}&code=3-3&_sort=-date&_count=500",
}
SYSTEMS = {"1-1": (LOINC,), "2-2": (LOINC, "urn:other"), "3-3": (LOINC,)}


class Waits:
    def __init__(self, now=0.0):
        self.waited = []
        self.start = now

    def clock(self):
        return Clock(lambda: sum(self.waited), self.waited.append, lambda: self.start + sum(self.waited))


def fhir_server(waits=None, **more):
    return FhirServer(["127.0.0.1"], **{"budget": 5, "most_bytes": 100_000, "clock": waits.clock() if waits else None, **more})


def ask(ehr, server, **prefetch):
    return gather(HookRequest("patient-view", "i", "p1", prefetch=prefetch, access=Access(ehr.base, HUSH)), TEMPLATES, server)


@pytest.fixture
def served():
    """A server that behaves so and a client of it. All clients are closed first: a server waits for idle connections."""
    clients = []
    with ExitStack() as stack:

        def start(ehr, waits=None, **more):
            stack.enter_context(running(ehr))
            client = fhir_server(waits, **more)
            clients.append(client)
            return ehr, client

        yield start
        for client in clients:
            client.close()


# --- second tries --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        (None, [0.1]),
        ("0", []),
        ("2", [2.0]),
        ("Sun, 22 Nov 2026 05:30:03 GMT", [3.0]),
        ("Sun, 22 Nov 2026 05:29:00 GMT", []),
        ("soon", [0.1]),
        ("-5", [0.1]),
        ("1e3", [0.1]),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_server_is_asked_once_more_when_it_says(served, code, header, waits):
    clock = Waits(now=1_795_325_400.0)
    headers = {} if header is None else {"Retry_After": header}
    ehr, server = served(Server(bundle(condition()), "Condition", faults.once(status(code, **headers))), clock)
    assert [r["id"] for r in ask(ehr, server).resources] == ["p1", "c1"]
    assert (clock.waited, ehr.asked("Condition")) == (waits, 2)


@pytest.mark.parametrize("header", ["5", "3600", "999999999", "Sun, 22 Nov 2027 05:30:00 GMT"])
def test_nobody_waits_beyond_the_budget(served, header):
    clock = Waits(now=1_795_325_400.0)
    ehr, server = served(Server(bundle(), "Condition", status(429, Retry_After=header)), clock)
    with pytest.raises(PreconditionFailed, match="asked too often"):
        ask(ehr, server)
    assert (clock.waited, ehr.asked("Condition")) == ([], 1)


def test_no_third_try_and_the_failures_are_counted_by_kind(served):
    kinds = []
    ehr, server = served(Server(bundle(condition()), "Observation", status(503)), Waits(), failed=kinds.append)
    record = ask(ehr, server)
    assert set(record.incomplete) == {"results-kidney", "results-blood"}
    assert (ehr.asked("Observation"), kinds) == (4, ["status-503", "status-503"])


def test_what_could_not_even_be_asked_in_time_is_counted_too(served, monkeypatch):
    """One thread, which the first question holds: three more wait behind it."""
    kinds = []
    monkeypatch.setattr(server_module, "_WORKERS", 1)
    ehr, server = served(Server(bundle(condition()), "Patient", faults.slow), budget=0.1, failed=kinds.append)
    with pytest.raises(PreconditionFailed):
        ask(ehr, server)
    ehr.gate.set()
    server.close()
    assert (len(ehr.seen), kinds) == (1, ["late"] * 4)


def test_a_get_on_a_connection_that_was_closed_meanwhile_is_put_again(served):
    ehr, server = served(Server(bundle(condition()), "Condition", faults.once(faults.drops)))
    assert ask(ehr, server).incomplete == {}
    assert ehr.asked("Condition") == 2


def test_a_form_is_not_put_again(served):
    ehr, server = served(Server(bundle(), "Condition", faults.drops))
    with pytest.raises(Failed, match="the connection failed"):
        server.talk(Access(ehr.base)).ask(Question(f"{ehr.base}/Condition/_search", "patient=p1"))
    assert len(ehr.seen) == 1


def test_a_server_without_a_certificate_that_is_trusted_is_told_of(served):
    ehr, server = served(Server(bundle()))
    with pytest.raises(Failed, match="no TLS connection with a certificate that is trusted"):
        server.talk(Access(ehr.base.replace("http:", "https:"), HUSH)).ask(Question(f"{ehr.base.replace('http:', 'https:')}/Patient/p1"))
    assert ehr.seen == [], "the token was not sent"


# --- long searches -------------------------------------------------------------------------------


def test_a_search_with_a_long_address_goes_as_a_form(served, monkeypatch):
    ehr, server = served(Server(bundle(condition(), result("o1", "1-1"))))
    plain = len(f"{ehr.base}/{TEMPLATES['results-blood']}".replace("{{context.patientId}}", "p1"))
    monkeypatch.setattr(talk_module, "LONGEST", plain)
    record = ask(ehr, server)
    assert [r["id"] for r in record.resources] == ["p1", "c1", "o1"]
    forms = [(path, form) for method, path, form in ehr.seen if method == "POST"]
    assert forms == [("/fhir/Observation/_search", "patient=p1&code=1-1,2-2&_sort=-date&_count=500")]
    assert set(ehr.tokens) == {f"Bearer {HUSH}"}


def test_a_long_base_address_makes_every_search_a_form(served):
    ehr, server = served(Server(bundle(), "x" * 8000, status(405)))
    server.talk(Access(ehr.base)).search("Condition", "patient=p1")
    with pytest.raises(Failed, match="405"):
        server.talk(Access(f"{ehr.base}/{'x' * 8000}")).search("Condition", "patient=p1")
    assert [(method, form) for method, _, form in ehr.seen] == [("GET", ""), ("POST", "patient=p1")], "and no address of 8,000 characters"


def test_a_form_is_safe_to_read_for_any_code(served, monkeypatch):
    monkeypatch.setattr(talk_module, "LONGEST", 0)
    ehr, server = served(Server(bundle()))
    server.talk(Access(ehr.base)).search("Observation", "code=http://loinc.org|1-1,a b+c")
    assert parse_qs(ehr.seen[0][2]) == {"code": ["http://loinc.org|1-1,a b+c"]}


def refuses(method, code):
    """Asked in this way, it answers with `code`."""

    def behave(ehr, path, right):
        return Answer(code) if ehr.seen[-1][0] == method else Answer(200, right)

    return behave


@pytest.mark.parametrize("code", [404, 405, 415, 501])
def test_a_server_that_takes_no_forms_is_asked_by_get_and_that_is_remembered(served, monkeypatch, code):
    monkeypatch.setattr(talk_module, "LONGEST", 60)
    ehr, server = served(Server(bundle(result("o1", "1-1")), "Observation", refuses("POST", code)))
    for ways in (["POST", "GET"], ["GET"]):
        ehr.seen.clear()
        found = server.talk(Access(ehr.base)).search("Observation", "patient=p1&code=1-1,2-2&_count=500")
        assert [e["resource"]["id"] for e in found["entry"]] == ["o1"]
        assert [method for method, _, _ in ehr.seen] == ways


@pytest.mark.parametrize("code", [400, 401, 403, 500])
def test_another_refusal_of_a_form_stands(served, monkeypatch, code):
    monkeypatch.setattr(talk_module, "LONGEST", 60)
    ehr, server = served(Server(bundle(), "Observation", refuses("POST", code)))
    with pytest.raises(Failed, match=str(code)):
        server.talk(Access(ehr.base)).search("Observation", "patient=p1&code=1-1,2-2&_count=500")
    assert len(ehr.seen) == 1


def test_a_list_that_a_server_does_not_have_teaches_nothing_about_forms(served, monkeypatch):
    monkeypatch.setattr(talk_module, "LONGEST", 60)
    ehr, server = served(Server(bundle(), "Observation", status(404)))
    for _ in range(2):
        with pytest.raises(Failed, match="HTTP 404"):
            server.talk(Access(ehr.base)).search("Observation", "patient=p1&code=1-1,2-2&_count=500")
    assert [method for method, _, _ in ehr.seen] == ["POST", "GET"] * 2


def test_an_address_that_is_too_long_for_the_server_goes_as_a_form(served):
    ehr, server = served(Server(bundle(result("o1", "1-1")), "Observation", refuses("GET", 414)))
    found = server.talk(Access(ehr.base, HUSH)).search("Observation", "patient=p1&code=1-1")
    assert [e["resource"]["id"] for e in found["entry"]] == ["o1"]
    assert [(method, form) for method, _, form in ehr.seen] == [("GET", ""), ("POST", "patient=p1&code=1-1")]
    assert set(ehr.tokens) == {f"Bearer {HUSH}"}


def test_a_server_that_refuses_both_ways_is_told_of_by_the_last(served, monkeypatch):

    def both(ehr, path, right):
        return Answer(405 if ehr.seen[-1][0] == "POST" else 414)

    ehr, server = served(Server(bundle(condition()), "Observation", both))
    with pytest.raises(Failed, match="405"):
        server.talk(Access(ehr.base)).search("Observation", "code=1-1")
    monkeypatch.setattr(talk_module, "LONGEST", 60)
    with pytest.raises(Failed, match=r"too long for the server \(HTTP 414\)"):
        server.talk(Access(ehr.base)).search("Observation", "patient=p1&code=1-1,2-2&_count=500")
    assert [method for method, _, _ in ehr.seen] == ["GET", "POST", "POST", "GET"]


# --- both forms of codes -------------------------------------------------------------------------

DATA = (condition(), result("o1", "1-1"), result("o3", "3-3"))


@pytest.mark.parametrize("strict", ["", "bare", "system"])
def test_whichever_form_a_server_understands_the_results_are_found(served, strict):
    ehr, server = served(Server(bundle(*DATA), strict=strict), systems=SYSTEMS)
    for _ in range(2):
        assert sorted(r["id"] for r in ask(ehr, server).resources) == ["c1", "o1", "o3", "p1"]
    ehr.seen.clear()
    ask(ehr, server)
    assert ehr.asked("Observation") == 2, "by now it is known"
    assert all(("%7C" in path) is (strict == "system") for _, path, _ in ehr.seen if "Observation" in path)


def test_each_code_is_asked_for_in_all_its_systems(served):
    ehr, server = served(Server(bundle(condition()), strict="system"), systems=SYSTEMS)
    ask(ehr, server)
    codes = {parse_qs(path.partition("?")[2])["code"][0] for _, path, _ in ehr.seen if "code=" in path}
    assert codes == {"1-1,2-2", "3-3", f"{LOINC}|1-1,{LOINC}|2-2,urn:other|2-2", f"{LOINC}|3-3"}


@pytest.mark.parametrize("bare", [400, 500])
def test_bare_codes_that_are_refused_are_asked_for_with_systems(served, bare):
    def picky(ehr, path, right):
        return Answer(200, right) if "%7C" in path else Answer(bare)

    ehr, server = served(Server(bundle(*DATA), "Observation", picky), systems=SYSTEMS)
    record = ask(ehr, server)
    assert set(record.incomplete) == (set() if bare == 400 else {"results-kidney", "results-blood"})


def test_codes_with_systems_that_are_refused_leave_the_first_answer(served):
    def plain(ehr, path, right):
        return Answer(500) if "%7C" in path else Answer(200, searchset())

    ehr, server = served(Server(bundle(condition()), "Observation", plain), systems=SYSTEMS)
    assert ask(ehr, server).incomplete == {}


def test_a_server_that_refuses_both_forms_is_told_of_by_the_first(served):
    ehr, server = served(Server(bundle(condition()), "Observation", status(400)), systems=SYSTEMS)
    assert {f.why for f in ask(ehr, server).faults} == {"the server answers HTTP 400"}


@pytest.mark.parametrize("systems", [{}, {"1-1": (LOINC,)}])
def test_a_code_of_no_known_system_is_asked_for_bare_alone(served, systems):
    ehr, server = served(Server(bundle(condition())), systems=systems)
    ask(ehr, server)
    assert ehr.asked("Observation") == 2


# --- limits --------------------------------------------------------------------------------------


def test_the_answers_to_one_call_are_limited_together_and_not_over_calls(served):
    ehr, server = served(Server(bundle(condition()), "Observation", faults.padded(60_000)), most_in_all=100_000)
    for _ in range(3):
        record = ask(ehr, server, patient=PATIENT, conditions=None)
        assert len(record.incomplete) == 1
        assert [f.why for f in record.faults] == ["the answers are too large together"]


def test_a_gzip_bomb_is_not_unpacked(served):
    ehr, server = served(Server(bundle(condition()), "Observation", faults.bomb))
    tracemalloc.start()
    try:
        packed = faults.bomb(ehr, "", {})
        tracemalloc.reset_peak()
        ehr.behave = lambda *given: packed
        assert set(ask(ehr, server).incomplete) == {"results-kidney", "results-blood"}
        assert tracemalloc.get_traced_memory()[1] < 5_000_000, "50 MB are in it"
    finally:
        tracemalloc.stop()


def test_a_server_that_hangs_holds_up_no_other(served, monkeypatch):
    monkeypatch.setattr(server_module, "_WORKERS", 2)
    hangs, server = served(Server(bundle(), "Condition", faults.slow), systems={})
    well, _ = served(Server(bundle(condition())))
    talk = server.talk(Access(hangs.base))
    jobs = [threading.Thread(target=talk.together, args=([lambda: _ignore(talk, hangs)] * 2,)) for _ in range(3)]
    for job in jobs:
        job.start()
    assert ask(well, server).incomplete == {}
    assert not hangs.gate.is_set()
    hangs.gate.set()
    for job in jobs:
        job.join()


def _ignore(talk, ehr):
    try:
        talk.ask(Question(f"{ehr.base}/Condition?x"))
    except Failed:
        return


def test_servers_beyond_the_first_few_share_their_threads(monkeypatch):
    monkeypatch.setattr(server_module, "_POOLS", 2)
    server = fhir_server()
    pools = [server.talk(Access(f"http://127.0.0.1:{port}"))._pool for port in (1, 2, 3, 4, 1)]
    server.close()
    assert len(set(map(id, pools))) == 3
    assert pools[0] is pools[4] and pools[2] is pools[3] and pools[0] is not pools[1]


# --- nothing leaks -------------------------------------------------------------------------------


def test_headers_that_cannot_be_read_are_not_logged_with_the_address(served, caplog):
    ehr, server = served(Server(bundle(condition()), "Observation", lambda e, p, right: Answer(200, right, {"X": "y\r\nbroken header line"})))
    with caplog.at_level(0):
        ask(ehr, server)
    assert "p1" not in caplog.text and HUSH not in caplog.text


# --- whose, and of what kind ---------------------------------------------------------------------


def about(reference):
    return {"subject": {"reference": reference}}


@pytest.mark.parametrize(
    ("conditions", "ids", "state", "named"),
    [
        ([condition("c1")], ["c1"], None, []),
        ([condition("c1", **about("Patient/p1/_history/2"))], ["c1"], None, []),
        ([condition("c1", **about("urn:uuid:p1"))], ["c1"], None, []),
        ([condition("c1", **about("BASE/Patient/p1"))], ["c1"], None, []),
        ([condition("c1"), condition("c2", **about("Patient/p2"))], ["c1"], "truncated", ["Condition/c2"]),
        ([condition("c1"), condition("c2", **about("https://other.example/fhir/Patient/p1"))], ["c1"], "truncated", ["Condition/c2"]),
        ([condition("c1"), condition("c2", **about("#p1"))], ["c1"], "truncated", ["Condition/c2"]),
        ([condition("c1"), condition("c2", **about("Group/p1"))], ["c1"], "truncated", ["Condition/c2"]),
        ([condition("c1"), condition(None, **about("Patient/p2"))], ["c1"], "truncated", ["Condition without id"]),
        ([condition("c1"), condition("Mrs Smith", **about("Patient/p2"))], ["c1"], "truncated", ["Condition without id"]),
        ([condition("c1"), {"resourceType": "Condition", "id": "c2"}], ["c1", "c2"], None, []),
        ([condition("c1"), {"resourceType": "Condition", "id": "c2", "subject": "odd"}], ["c1", "c2"], None, []),
        ([condition("c2", **about("Patient/p2"))], None, None, []),
        ([{"resourceType": "Practitioner", "id": "x"}], None, None, []),
    ],
)
@pytest.mark.parametrize("way", ["prefetched", "fetched"])
def test_what_is_about_another_patient_is_left_out_and_named(served, way, conditions, ids, state, named):
    ehr, server = served(Server(bundle()))
    given = [c | {"subject": {"reference": c["subject"]["reference"].replace("BASE", ehr.base)}} if "BASE" in str(c) else c for c in conditions]
    ehr.target, ehr.behave = "Condition", lambda *rest: Answer(200, searchset(*given))
    prefetch = {"conditions": searchset(*given)} if way == "prefetched" else {}
    if ids is None:
        with pytest.raises(PreconditionFailed, match=r"conditions: (every entry is about another patient|holds nothing of the type)"):
            ask(ehr, server, **prefetch)
        return
    record = ask(ehr, server, **prefetch)
    assert [r["id"] for r in record.resources if r["resourceType"] == "Condition"] == ids
    assert record.incomplete.get("conditions") == state
    assert [f.reference for f in record.faults if f.why == "is about another patient"] == named
    assert record.base == ehr.base


def test_a_few_of_another_type_are_named_and_the_list_is_read(served):
    ehr, server = served(Server(bundle()))
    record = ask(ehr, server, conditions=searchset(condition(), {"resourceType": "Practitioner", "id": "x"}))
    assert (record.incomplete, [f.why for f in record.faults]) == ({}, ["holds entries of a type that was not asked for"])


def test_what_is_included_is_no_other_type(served):
    ehr, server = served(Server(bundle()))
    included = {"resource": {"resourceType": "Practitioner", "id": "x"}, "search": {"mode": "include"}}
    sent = searchset(condition())
    record = ask(ehr, server, conditions=sent | {"entry": [*sent["entry"], included]})
    assert (record.incomplete, record.faults) == ({}, ())
