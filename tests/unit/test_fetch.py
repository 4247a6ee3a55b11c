"""Reading a record: one Bundle given whole, what an EHR prefetched, and a real FHIR server on loopback."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cds_service.errors import BadInput, PreconditionFailed
from cds_service.fetch import FhirServer, from_bundle, gather
from cds_service.fetch import gathering as gathering_module
from cds_service.fetch import jobs as jobs_module
from cds_service.fetch.bundles import Unreadable
from cds_service.fetch.questions import Question
from cds_service.model.facts import Fault
from cds_service.model.hooks import Access, HookRequest
from cds_service.model.vocabulary import LISTS

PATIENT = {"resourceType": "Patient", "id": "p1"}
TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "conditions": "Condition?patient={{context.patientId}}",
    "results-infection": "Observation?patient={{context.patientId}}&code=1",
    "results-infection-2": "Observation?patient={{context.patientId}}&code=2",
    "medication-requests": "MedicationRequest?patient={{context.patientId}}",
}
BIG = 100_000


def resource(kind, identity, **members):
    return {"resourceType": kind, "id": identity, **members}


def page(*resources, after=None, **members):
    links = {"link": [{"relation": "self", "url": "x"}, {"relation": "next", "url": after}]} if after else {}
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources], **links, **members}


def outcome(severity="error"):
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}


def ids(record):
    return sorted(f"{r['resourceType']}/{r['id']}" for r in record.resources)


# --- one Bundle, given whole ---------------------------------------------------------------------


def bundle(*resources, kind="collection", **members):
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": r} for r in resources], **members}


@pytest.mark.parametrize("kind", ["collection", "searchset", "transaction", "batch-response"])
def test_four_types_of_bundle_are_read(kind):
    record = from_bundle(bundle(PATIENT, resource("Condition", "c1"), kind=kind))
    assert (record.patient_id, ids(record), record.incomplete, record.faults) == ("p1", ["Condition/c1", "Patient/p1"], {}, ())


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ([], "not a FHIR Bundle"),
        ("text", "not a FHIR Bundle"),
        (None, "not a FHIR Bundle"),
        (PATIENT, "not a FHIR Bundle"),
        (bundle(PATIENT, kind="document"), "a Bundle of this type is not read: give collection, searchset, transaction or batch-response"),
        ({"resourceType": "Bundle"}, "a Bundle of this type is not read"),
        ({"resourceType": "Bundle", "type": "collection", "entry": {"resource": PATIENT}}, "not a FHIR Bundle: entry is not a list"),
        ({"resourceType": "Bundle", "type": "collection"}, "the Bundle holds no Patient"),
        (bundle(resource("Condition", "c1")), "the Bundle holds no Patient"),
        (bundle(PATIENT, resource("Patient", "p2")), "the Bundle holds more than one Patient"),
        (bundle({"resourceType": "Patient"}), "the Patient has no usable id"),
        (bundle(resource("Patient", "a b")), "the Patient has no usable id"),
    ],
)
def test_what_is_no_record_of_one_patient_is_refused_in_one_line(given, line):
    with pytest.raises(BadInput) as refused:
        from_bundle(given)
    assert str(refused.value).startswith(line)
    assert "\n" not in str(refused.value)


def test_the_same_patient_twice_is_one_patient_and_the_later_version_counts():
    newer = {**PATIENT, "meta": {"lastUpdated": "2026-02-01"}, "gender": "female"}
    older = {**PATIENT, "meta": {"lastUpdated": "2026-01-01"}}
    for order in ((newer, older), (older, newer), (PATIENT, newer), (newer, newer)):
        assert from_bundle(bundle(*order)).resources == [newer]


def test_addresses_inside_the_bundle_become_plain_references():
    entries = [
        {"fullUrl": "urn:uuid:0-1", "resource": {"resourceType": "Patient"}},
        {"fullUrl": "urn:uuid:0-2", "resource": {"resourceType": "Medication"}},
        {
            "fullUrl": "https://ehr.example/fhir/MedicationRequest/m1",
            "resource": {
                "resourceType": "MedicationRequest",
                "subject": {"reference": "urn:uuid:0-1"},
                "medicationReference": {"reference": "urn:uuid:0-2", "display": "x"},
                "supportingInformation": [{"reference": "urn:uuid:0-2"}, {"reference": "Observation/elsewhere"}, "odd"],
                "note": [{"text": "x"}],
                "requester": {"display": "urn:uuid:0-1"},
            },
        },
    ]
    record = from_bundle({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert record.patient_id == "0-1"
    assert ids(record) == ["Medication/0-2", "MedicationRequest/m1", "Patient/0-1"]
    request = record.resources[2]
    assert request["subject"] == {"reference": "Patient/0-1"}
    assert request["medicationReference"] == {"reference": "Medication/0-2", "display": "x"}
    assert request["supportingInformation"] == [{"reference": "Medication/0-2"}, {"reference": "Observation/elsewhere"}, "odd"]
    assert entries[2]["resource"]["subject"] == {"reference": "urn:uuid:0-1"}, "what was given is left as it is"


def test_an_id_of_its_own_is_kept_and_an_unusable_address_gives_none():
    entries = [
        {"fullUrl": "https://ehr.example/Patient/other", "resource": PATIENT},
        {"fullUrl": "urn:uuid:a_b", "resource": {"resourceType": "Condition"}},
        {"resource": {"resourceType": "Condition"}},
        {"resource": {"resourceType": "Condition", "subject": {"reference": "https://ehr.example/Patient/other"}}},
    ]
    record = from_bundle({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert record.patient_id == "p1"
    assert [r.get("id") for r in record.resources] == ["p1", None, None, None]
    assert record.resources[3]["subject"] == {"reference": "Patient/p1"}


def test_a_next_link_left_unread_truncates_every_list_but_the_patient():
    for links in ([{"relation": "next", "url": "http://x"}], [{"relation": "next"}]):
        record = from_bundle(bundle(PATIENT, kind="searchset", link=links))
        assert record.incomplete == {name: "truncated" for name in LISTS if name != "patient"}
    assert from_bundle(bundle(PATIENT, kind="collection", link=[{"relation": "next", "url": "x"}])).incomplete == {}
    assert from_bundle(bundle(PATIENT, kind="searchset", link="x")).incomplete == {}


@pytest.mark.parametrize("bad", ["<html>", None, 5, {"resource": "text"}, {"resource": {"id": "x"}}, {}])
def test_an_entry_that_is_no_resource_is_named_and_truncates(bad):
    record = from_bundle({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}, bad]})
    assert record.faults == (Fault("Bundle.entry[1]", "not a resource"),)
    assert set(record.incomplete.values()) == {"truncated"}


def test_hints_among_the_entries_are_skipped_and_errors_are_not():
    assert from_bundle(bundle(PATIENT, outcome("warning"), kind="searchset")).incomplete == {}
    record = from_bundle(bundle(PATIENT, outcome(), kind="searchset"))
    assert (record.faults, set(record.incomplete.values())) == ((Fault("Bundle.entry[1]", "an error in place of a resource"),), {"truncated"})
    assert ids(record) == ["Patient/p1"]


def test_searches_answered_inside_a_batch_are_read_and_a_failed_one_leaves_its_lists_open():
    inner = page(resource("Condition", "c1"))
    entries = [
        {"resource": PATIENT, "response": {"status": "200 OK"}},
        {"resource": inner, "response": {"status": "200"}},
        {"response": {"status": "204"}},
    ]
    whole = {"resourceType": "Bundle", "type": "batch-response", "entry": entries}
    record = from_bundle(whole)
    assert (ids(record), record.incomplete) == (["Condition/c1", "Patient/p1"], {})

    failed = from_bundle({**whole, "entry": [*entries, {"response": {"status": "404 Not Found"}}, {"resource": page(after="x")}]})
    assert failed.faults == (Fault("Bundle.entry[3]", "this part of the batch failed"),)
    assert set(failed.incomplete.values()) == {"unavailable"}

    cut = from_bundle({**whole, "entry": [*entries, {"resource": page(after="x"), "response": {"status": "200"}}]})
    assert set(cut.incomplete.values()) == {"truncated"}


# --- what an EHR prefetched ----------------------------------------------------------------------


@pytest.fixture
def server():
    server = FhirServer(["127.0.0.1", "fhir.example", "[::1]", "ehr.example:8443"], budget=5, most_bytes=BIG)
    yield server
    server.close()


def hook(prefetch, access=None):
    return HookRequest("patient-view", "i", "p1", prefetch=prefetch, access=access)


FULL = {"patient": PATIENT, "conditions": page(), "results-infection": page(), "results-infection-2": page(), "medication-requests": page()}


def test_an_empty_searchset_and_null_both_mean_that_nothing_is_there(server):
    record = gather(hook({**FULL, "results-infection": None, "medication-requests": page(total=0)}), TEMPLATES, server)
    assert (record.patient_id, record.resources, record.incomplete, record.faults) == ("p1", [PATIENT], {}, ())


def test_a_key_that_was_not_sent_and_cannot_be_asked_for_is_unavailable(server):
    record = gather(hook({"patient": PATIENT, "conditions": page(resource("Condition", "c1"))}), TEMPLATES, server)
    assert ids(record) == ["Condition/c1", "Patient/p1"]
    assert record.incomplete == {"results-infection": "unavailable", "medication-requests": "unavailable"}
    assert record.faults[0] == Fault("results-infection", "not in the prefetch, and the request names no FHIR server")


@pytest.mark.parametrize(
    "sent",
    [
        outcome(),
        outcome("warning"),
        "<html><body>Apache Tomcat</body></html>",
        5,
        True,
        [],
        {},
        resource("Observation", "o1"),
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "history", "entry": []},
        {"resourceType": "Bundle", "type": "searchset", "entry": {"resource": PATIENT}},
    ],
)
def test_an_outcome_or_garbage_in_place_of_a_list_is_unavailable(server, sent):
    record = gather(hook({**FULL, "medication-requests": sent}), TEMPLATES, server)
    assert record.incomplete == {"medication-requests": "unavailable"}
    assert [f.reference for f in record.faults] == ["medication-requests"]
    assert "Tomcat" not in str(record.faults)


def test_outcome_entries_are_hints_unless_they_say_error(server):
    epic = page(total=0, entry=[{"resource": outcome("warning"), "search": {"mode": "outcome"}}])
    assert gather(hook({**FULL, "conditions": epic}), TEMPLATES, server).incomplete == {}
    broken = page(resource("Condition", "c1"), outcome("fatal"))
    record = gather(hook({**FULL, "conditions": broken}), TEMPLATES, server)
    assert (ids(record), record.incomplete) == (["Condition/c1", "Patient/p1"], {"conditions": "truncated"})


@pytest.mark.parametrize("odd", [{"issue": "x"}, {"issue": ["x"]}, {}])
def test_an_outcome_of_an_odd_shape_is_a_hint(server, odd):
    sent = page({"resourceType": "OperationOutcome", **odd})
    assert gather(hook({**FULL, "conditions": sent}), TEMPLATES, server).incomplete == {}


@pytest.mark.parametrize("bad", ["<html>", None, {"resource": None}, {"resource": {"id": "x"}}, {"resource": {"resourceType": 5}}])
def test_an_entry_without_a_resource_truncates_its_list_only(server, bad):
    sent = {"resourceType": "Bundle", "type": "searchset", "entry": [bad, {"resource": resource("Condition", "c1")}]}
    record = gather(hook({**FULL, "conditions": sent}), TEMPLATES, server)
    assert (ids(record), record.incomplete) == (["Condition/c1", "Patient/p1"], {"conditions": "truncated"})
    assert record.faults == (Fault("conditions", "an entry without a resource"),)


def test_a_next_link_that_cannot_be_followed_truncates(server):
    record = gather(hook({**FULL, "results-infection-2": page(resource("Observation", "o1"), after="http://x/2")}), TEMPLATES, server)
    assert record.incomplete == {"results-infection": "truncated"}, "numbered keys are one list"
    assert record.faults == (Fault("results-infection-2", "the next page was not read"),)
    assert "Observation/o1" in ids(record)
    broken = gather(hook({**FULL, "conditions": page(link=[{"relation": "next", "url": ""}])}), TEMPLATES, server)
    assert broken.incomplete == {"conditions": "truncated"}


@pytest.mark.parametrize("first", [True, False])
def test_of_numbered_keys_the_worst_state_is_that_of_the_list(server, first):
    parts = [outcome(), page(after="http://x/2")]
    one, two = parts if first else parts[::-1]
    record = gather(hook({**FULL, "results-infection": one, "results-infection-2": two}), TEMPLATES, server)
    assert record.incomplete == {"results-infection": "unavailable"}


def test_more_announced_than_sent_truncates_and_included_entries_do_not_count(server):
    cut = page(resource("Condition", "c1"), total=2)
    assert gather(hook({**FULL, "conditions": cut}), TEMPLATES, server).incomplete == {"conditions": "truncated"}
    whole = page(resource("Condition", "c1"), total=1)
    assert gather(hook({**FULL, "conditions": whole}), TEMPLATES, server).incomplete == {}
    included = [{"resource": resource("Condition", "c1")}, {"resource": resource("Practitioner", "x"), "search": {"mode": "include"}}]
    assert gather(hook({**FULL, "conditions": page(entry=included, total=2)}), TEMPLATES, server).incomplete == {"conditions": "truncated"}
    assert gather(hook({**FULL, "conditions": page(total=True)}), TEMPLATES, server).incomplete == {}


@pytest.mark.parametrize(
    ("prefetch", "missing", "words"),
    [
        ({**FULL, "patient": None}, ("patient",), "patient: no Patient there"),
        ({**FULL, "patient": page()}, ("patient",), "patient: no Patient there"),
        ({**FULL, "patient": outcome()}, ("patient",), "patient: an OperationOutcome"),
        ({**FULL, "patient": "<html>secret"}, ("patient",), "patient: text or another shape"),
        ({**FULL, "patient": resource("Patient", "secret")}, ("patient",), "patient: another patient than context.patientId"),
        ({**FULL, "patient": {"resourceType": "Patient"}}, ("patient",), "patient: another patient than context.patientId"),
        ({**FULL, "patient": page(PATIENT, resource("Patient", "secret"))}, ("patient",), "patient: another patient"),
        ({**FULL, "conditions": outcome()}, ("conditions",), "conditions: an OperationOutcome"),
        ({"conditions": page()}, ("patient",), "patient: not in the prefetch, and the request names no FHIR server"),
        ({}, ("patient", "conditions"), "patient: not in the prefetch"),
    ],
)
def test_required_data_that_cannot_be_had_is_a_precondition_failed_naming_it(server, prefetch, missing, words):
    with pytest.raises(PreconditionFailed) as refused:
        gather(hook(prefetch), TEMPLATES, server)
    assert refused.value.missing == missing
    assert words in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_patient_may_come_in_a_searchset(server):
    assert ids(gather(hook({**FULL, "patient": page(PATIENT)}), TEMPLATES, server)) == ["Patient/p1"]


def test_a_patient_in_another_list_is_never_taken_for_this_one(server):
    record = gather(hook({**FULL, "conditions": page(resource("Patient", "mother"), resource("Condition", "c1"))}), TEMPLATES, server)
    assert ids(record) == ["Condition/c1", "Patient/p1"]


def test_a_result_that_stands_on_two_lists_is_one_result(server):
    twice = page(resource("Observation", "o1"))
    record = gather(hook({**FULL, "results-infection": twice, "results-infection-2": twice}), TEMPLATES, server)
    assert ids(record) == ["Observation/o1", "Patient/p1"]


def test_keys_that_no_template_asked_for_are_left_alone(server):
    assert ids(gather(hook({**FULL, "results-infection-user": page(resource("Observation", "o9")), "x": "y"}), TEMPLATES, server)) == ["Patient/p1"]


@pytest.mark.parametrize(
    ("given", "left_open"),
    [
        ({"medicationReference": {"reference": "Medication/d1"}}, True),
        ({"medicationReference": {"reference": "https://ehr.example/fhir/Medication/d2"}}, False),
        ({"medicationReference": {"reference": "urn:uuid:x"}}, True),
        ({"medicationReference": {"reference": "#d1"}}, False),
        ({"medicationReference": {"display": "rituximab"}}, False),
        ({"medicationReference": "odd"}, False),
        ({"medicationCodeableConcept": {"text": "x"}}, False),
    ],
)
def test_a_drug_that_is_only_pointed_to_leaves_its_list_open(server, given, left_open):
    sent = page(resource("MedicationRequest", "m1", **given), resource("Medication", "d2"))
    record = gather(hook({**FULL, "medication-requests": sent}), TEMPLATES, server)
    assert record.incomplete == ({"medication-requests": "truncated"} if left_open else {})
    assert [f.reference for f in record.faults] == (["medication-requests"] if left_open else [])


# --- pages with and without flaws --------------------------------------------------------------------


def matched(*resources, mode="match"):
    return [{"resource": r, "search": {"mode": mode}} for r in resources]


CONDITIONS = [resource("Condition", f"c{n}") for n in range(3)]


@pytest.mark.parametrize(
    ("extra", "state", "kept"),
    [
        ([], None, 0),
        (matched(resource("Condition", "c9")), None, 1),
        (matched(resource("Condition", "c9"), mode="include"), "truncated", 1),
        ([{"resource": resource("Condition", "c9")}], None, 1),
        ([{"resource": resource("Condition", "c9"), "search": {}}], None, 1),
        ([{"resource": resource("Condition", "c9"), "search": "match"}], None, 1),
        ([{"resource": resource("Condition", "c9"), "search": {"mode": ["match"]}}], None, 1),
        (matched(resource("Practitioner", "x"), mode="include"), "truncated", 1),
        (matched(outcome("warning"), mode="outcome"), "truncated", 0),
        (matched(outcome("error")), "truncated", 0),
        (matched({"resourceType": 5, "id": "c9"}), "truncated", 0),
        (matched({"id": "c9"}), "truncated", 0),
        ([None], "truncated", 0),
        ([{}], "truncated", 0),
        (["x"], "truncated", 0),
    ],
)
@pytest.mark.parametrize("plain", [matched, lambda *found: [{"resource": r} for r in found]], ids=["with search mode", "without"])
@pytest.mark.parametrize("last", [True, False])
def test_one_odd_entry_changes_nothing_for_the_others(server, plain, last, extra, state, kept):
    entries = [*plain(*CONDITIONS), *extra] if last else [*extra, *plain(*CONDITIONS)]
    record = gather(hook({**FULL, "conditions": page(entry=entries, total=len(entries))}), TEMPLATES, server)
    assert record.incomplete == ({"conditions": state} if state else {})
    assert len(record.resources) == 1 + len(CONDITIONS) + kept


@pytest.mark.parametrize("kinds", [5, "OperationOutcome", None, {}])
def test_a_page_of_nothing_but_oddities_holds_nothing(server, kinds):
    sent = page(entry=matched({"resourceType": kinds, "id": "a"}, {"resourceType": kinds, "id": "b"}))
    assert gather(hook({**FULL, "conditions": sent}), TEMPLATES, server).resources == [PATIENT]


@pytest.mark.parametrize(
    ("resources", "distinct"),
    [
        ([], True),
        (CONDITIONS, True),
        ([*CONDITIONS, CONDITIONS[0]], False),
        ([resource("Condition", "1"), resource("Procedure", "1")], False),
        ([resource("Condition", 5)], False),
        ([resource("Condition", "")], False),
        ([resource("Condition", None)], False),
        ([resource("Condition", ["x"])], False),
        ([{"resourceType": "Condition"}], False),
    ],
)
def test_a_record_says_whether_each_resource_has_an_id_of_its_own(server, resources, distinct):
    assert gather(hook({**FULL, "conditions": page(*resources)}), TEMPLATES, server).distinct is distinct
    assert from_bundle(bundle(PATIENT, *resources)).distinct is distinct


def test_a_prescription_on_two_lists_is_open_once(server):
    sent = page(resource("MedicationRequest", "m1", medicationReference={"reference": "Medication/d1"}))
    along = page(entry=matched(*[entry["resource"] for entry in sent["entry"]], mode="include"))
    record = gather(hook({**FULL, "conditions": along, "medication-requests": sent}), TEMPLATES, server)
    assert [f.why for f in record.faults] == ["1 entries name a Medication that was not sent and could not be read"]
    assert record.incomplete == {"medication-requests": "truncated"}


def test_the_package_has_no_other_late_names():
    import cds_service.fetch

    assert cds_service.fetch.FhirServer is FhirServer
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        _ = cds_service.fetch.Other


# --- which servers may be asked ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "token", "refusal"),
    [
        ("http://127.0.0.1:8080/fhir", "", ""),
        ("http://127.0.0.1:8080/fhir", "t", ""),
        ("http://[::1]:8080/fhir", "", ""),
        ("https://fhir.example/r4", "t", ""),
        ("https://FHIR.example:443/r4", "t", ""),
        ("https://ehr.example:8443", "t", ""),
        ("http://fhir.example/r4", "t", "the FHIR server is not https"),
        ("ftp://fhir.example/r4", "t", "the FHIR server's address is not one that can be asked"),
        ("https://fhir.example/r4", "", "the request brings no access token"),
        ("https://fhir.example:8443/r4", "t", "the FHIR server is not named in CDS_FHIR_HOSTS"),
        ("https://ehr.example", "t", "the FHIR server is not named in CDS_FHIR_HOSTS"),
        ("https://evil.example", "t", "the FHIR server is not named in CDS_FHIR_HOSTS"),
        ("https://fhir.example.evil.example", "t", "the FHIR server is not named in CDS_FHIR_HOSTS"),
        ("http://localhost:8080", "t", "the FHIR server is not named in CDS_FHIR_HOSTS"),
        ("https://fhir.example@evil.example", "t", "the FHIR server's address is not one that can be asked"),
        ("https://[x", "t", "the FHIR server's address is not one that can be asked"),
        ("http://169.254.169.254/latest", "t", "the FHIR server is not https"),
    ],
)
def test_only_named_servers_are_asked_over_https_and_with_a_token(server, base, token, refusal):
    assert server.refusal(Access(base, token)) == refusal


def test_a_server_that_may_not_be_asked_is_no_access_and_says_why(server):
    with pytest.raises(PreconditionFailed, match="the FHIR server is not named in CDS_FHIR_HOSTS"):
        gather(hook({}, Access("https://evil.example", "token-secret")), TEMPLATES, server)
    assert "token-secret" not in repr(Access("https://x", "token-secret"))


# --- a real server on loopback -------------------------------------------------------------------


class Ehr:
    """A FHIR server that answers what the test puts on it: path → JSON, bytes, (status, …, headers) or a function."""

    def __init__(self):
        self.answers = {}
        self.seen = []
        self.headers = []
        self.gate = threading.Event()
        ehr = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5  # a connection left idle must not hold up the end of a test

            def do_GET(self):
                ehr.seen.append(self.path)
                ehr.headers.append(dict(self.headers))
                answer = ehr.answers.get(self.path, (404, outcome(), {}))
                if answer in (LATE, STALLS):
                    if answer is STALLS:
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
                    ehr.gate.wait(30)
                    self.close_connection = True
                    return
                status, body, headers = answer if isinstance(answer, tuple) else (200, answer, {})
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/fhir+json", "Content-Length": str(len(raw)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)
                if headers.get("Content-Length"):
                    self.close_connection = True

            def log_message(self, *args):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, request, client_address):
                pass  # a client that has given up

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        self.base = f"{self.origin}/fhir"
        threading.Thread(target=self.server.serve_forever, args=(0.01,)).start()

    def holds(self, **lists):
        """A whole, empty record, but for what is given."""
        plain = {"patient": PATIENT} | {key: page() for key in TEMPLATES if key != "patient"}
        for key, answer in (plain | {k.replace("_", "-"): v for k, v in lists.items()}).items():
            self.answers["/fhir/" + TEMPLATES[key].replace("{{context.patientId}}", "p1")] = answer
        return self


LATE, STALLS = object(), object()


@pytest.fixture
def ehr(server):
    found = Ehr()
    yield found
    found.gate.set()
    server.close()  # first the client's idle connections, which the server's threads wait for
    found.server.shutdown()
    found.server.server_close()


BEARER = "tok-1"


def asked(ehr, server, prefetch=None, token=BEARER):
    return gather(hook(prefetch or {}, Access(ehr.base, token)), TEMPLATES, server)


def test_every_key_that_was_not_sent_is_asked_for_once_with_the_token(ehr, server):
    ehr.holds(conditions=page(resource("Condition", "c1")), results_infection_2=page(resource("Observation", "o1")))
    record = asked(ehr, server)
    assert (ids(record), record.incomplete, record.faults) == (["Condition/c1", "Observation/o1", "Patient/p1"], {}, ())
    assert sorted(ehr.seen) == sorted(ehr.answers)
    assert {h["Authorization"] for h in ehr.headers} == {"Bearer tok-1"}
    assert all("fhir+json" in h["Accept"] for h in ehr.headers)


def test_what_was_sent_is_not_asked_for_again(ehr, server):
    ehr.holds()
    asked(ehr, server, {**FULL, "results-infection": outcome(), "medication-requests": None})
    assert ehr.seen == []


def test_loopback_may_be_asked_without_a_token(ehr, server):
    ehr.holds()
    asked(ehr, server, token="")
    assert all("Authorization" not in h for h in ehr.headers)


def test_pages_are_followed_with_the_token_whether_absolute_or_relative(ehr, server):
    ehr.holds(conditions=page(resource("Condition", "c1"), after=f"{ehr.base}/pages/2", total=3))
    ehr.answers["/fhir/pages/2"] = page(resource("Condition", "c2"), after="page3?x=1")
    ehr.answers["/fhir/page3?x=1"] = page(resource("Condition", "c3"))
    record = asked(ehr, server)
    assert (ids(record), record.incomplete) == (["Condition/c1", "Condition/c2", "Condition/c3", "Patient/p1"], {})
    assert {h["Authorization"] for h in ehr.headers} == {"Bearer tok-1"}


def test_a_first_page_that_was_prefetched_is_continued_at_the_server(ehr, server):
    ehr.answers["/fhir/2"] = page(resource("Condition", "c2"))
    record = asked(ehr, server, {**FULL, "conditions": page(resource("Condition", "c1"), after=f"{ehr.base}/2", total=2)})
    assert (ids(record), record.incomplete, ehr.seen) == (["Condition/c1", "Condition/c2", "Patient/p1"], {}, ["/fhir/2"])


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:1/2", "https://evil.example/2", "//evil.example/2", "http://[x/2", "file:///etc/passwd"])
def test_a_next_page_on_another_server_is_not_asked_for(ehr, server, elsewhere):
    ehr.holds(conditions=page(resource("Condition", "c1"), after=elsewhere))
    record = asked(ehr, server)
    assert ("Condition/c1" in ids(record), record.incomplete) == (True, {"conditions": "truncated"})
    assert record.faults == (Fault("conditions", "the next page is on another server, or outside the base address"),)


def test_a_loop_of_pages_ends_as_truncated(ehr, server):
    ehr.holds(conditions=page(resource("Condition", "c1"), after="2"))
    ehr.answers["/fhir/2"] = page(resource("Condition", "c2"), after="3")
    ehr.answers["/fhir/3"] = page(resource("Condition", "c3"), after="2")
    record = asked(ehr, server)
    assert record.incomplete == {"conditions": "truncated"}
    assert record.faults == (Fault("conditions", "the pages go round in a circle"),)
    assert ids(record) == ["Condition/c1", "Condition/c2", "Condition/c3", "Patient/p1"]


def test_pages_without_end_are_truncated_at_a_limit(ehr, server, monkeypatch):
    monkeypatch.setattr(jobs_module, "MOST_PAGES", 3)
    ehr.holds(conditions=page(resource("Condition", "c1"), after="2"))
    for number in range(2, 9):
        ehr.answers[f"/fhir/{number}"] = page(resource("Condition", f"c{number}"), after=str(number + 1))
    record = asked(ehr, server)
    assert (record.incomplete, record.faults) == ({"conditions": "truncated"}, (Fault("conditions", "too many pages"),))
    assert len(record.resources) == 4


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((401, b"Unauthorized", {"Content-Type": "text/plain"}), "the server does not accept the access token, or it has expired (HTTP 401)"),
        ((404, outcome(), {}), "the server answers HTTP 404"),
        ((500, b"<html>secret</html>", {}), "the server answers HTTP 500"),
        ((204, b"", {}), "the server answers HTTP 204"),
        (b"<html>secret</html>", "the answer is not JSON"),
        (b'{"resourceType": "Bundle", "type": "searchset", "ent', "the answer is not JSON"),
        (b'{"resourceType": "Bundle", "type": "searchset", "total": NaN}', "the answer is not JSON"),
        (b"", "the answer is not JSON"),
        (b'{"resourceType": "Bundle", "x": "' + b"y" * BIG + b'"}', "the answer is too large"),
        ((200, b'{"res', {"Content-Length": "5000"}), "the connection failed"),
        ((200, b"no gzip", {"Content-Encoding": "gzip"}), "the connection failed"),
        (outcome(), "an OperationOutcome in place of a Bundle"),
        (PATIENT, "not a searchset Bundle"),
        ([], "text or another shape in place of a Bundle"),
        (None, None),
    ],
)
def test_a_list_that_fails_is_unavailable_and_the_others_are_read(ehr, server, answer, why):
    ehr.holds(results_infection=answer, conditions=page(resource("Condition", "c1")))
    record = asked(ehr, server)
    assert ids(record) == ["Condition/c1", "Patient/p1"]
    assert record.incomplete == ({} if why is None else {"results-infection": "unavailable"})
    assert record.faults == (() if why is None else (Fault("results-infection", why),))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(ehr, server, status):
    ehr.holds(results_infection=(status, b"", {"Location": f"{ehr.origin}/elsewhere"}))
    record = asked(ehr, server)
    assert record.incomplete == {"results-infection": "unavailable"}
    assert record.faults == (Fault("results-infection", "the server redirects"),)
    assert "/elsewhere" not in ehr.seen


@pytest.mark.parametrize("later", [(500, b"", {}), b"<html>", outcome(), (302, b"", {"Location": "/x"})])
def test_a_later_page_that_fails_truncates(ehr, server, later):
    ehr.holds(conditions=page(resource("Condition", "c1"), after="2"))
    ehr.answers["/fhir/2"] = later
    record = asked(ehr, server)
    assert ("Condition/c1" in ids(record), record.incomplete) == (True, {"conditions": "truncated"})


@pytest.mark.parametrize(
    ("key", "answer", "why"),
    [
        ("patient", (404, outcome(), {}), "patient: the server answers HTTP 404"),
        ("patient", resource("Patient", "p2"), "patient: another patient than context.patientId"),
        ("conditions", (403, b"secret", {}), "conditions: the access token does not cover this (HTTP 403)"),
    ],
)
def test_required_data_that_the_server_does_not_give_is_a_precondition_failed(ehr, server, key, answer, why):
    ehr.holds(**{key: answer})
    with pytest.raises(PreconditionFailed) as refused:
        asked(ehr, server)
    assert (refused.value.missing, why in str(refused.value)) == ((key,), True)


@pytest.fixture
def hasty():
    hasty = FhirServer(["127.0.0.1"], budget=0.2, most_bytes=BIG)
    yield hasty
    hasty.close()


def test_a_server_that_does_not_answer_in_time_leaves_the_list_unavailable(ehr, hasty):
    ehr.answers["/fhir/" + TEMPLATES["medication-requests"].replace("{{context.patientId}}", "p1")] = LATE
    prefetch = {k: v for k, v in FULL.items() if k != "medication-requests"}
    record = asked(ehr, hasty, prefetch)
    assert record.incomplete == {"medication-requests": "unavailable"}
    assert record.faults == (Fault("medication-requests", "no answer in time"),)


def test_an_answer_that_stalls_halfway_is_given_up(ehr, hasty):
    for path in ("late", "stalls"):
        ehr.answers[f"/fhir/{path}"] = LATE if path == "late" else STALLS
        with pytest.raises(Unreadable, match="no answer in time"):
            hasty.talk(Access(ehr.base)).ask(Question(f"{ehr.base}/{path}"))


def test_an_answer_that_trickles_past_the_budget_is_given_up(ehr, server, monkeypatch):
    ehr.answers["/fhir/x"] = page()
    ticks = iter([0.0, 1.0, 6.0, 6.0])  # the call begins, the question is put, the first bytes are there, the failure is counted
    monkeypatch.setattr(server, "_clock", server._clock._replace(monotonic=ticks.__next__))
    with pytest.raises(Unreadable, match="no answer in time"):
        server.talk(Access(ehr.base)).ask(Question(f"{ehr.base}/x"))


def test_pages_that_came_in_time_are_kept(ehr, hasty):
    ehr.answers["/fhir/2"] = LATE
    record = asked(ehr, hasty, {**FULL, "conditions": page(resource("Condition", "c1"), after="2")})
    assert ("Condition/c1" in ids(record), record.incomplete) == (True, {"conditions": "truncated"})


def test_a_patient_that_does_not_come_in_time_is_a_precondition_failed(ehr, hasty):
    ehr.answers["/fhir/Patient/p1"] = LATE
    with pytest.raises(PreconditionFailed, match="patient: no answer in time"):
        asked(ehr, hasty, {k: v for k, v in FULL.items() if k != "patient"})


def test_a_spent_budget_asks_nothing_more(ehr, server):
    ehr.holds()
    server.budget = 0
    with pytest.raises(PreconditionFailed, match="no answer in time"):
        asked(ehr, server)
    assert ehr.seen == []


def test_nobody_listening_is_unavailable(server):
    record = gather(hook({"patient": PATIENT, "conditions": page()}, Access("http://127.0.0.1:1/fhir")), {k: TEMPLATES[k] for k in (*FULL,)}, server)
    assert set(record.incomplete.values()) == {"unavailable"}
    assert {f.why for f in record.faults} == {"the connection failed"}


def test_medications_that_prescriptions_point_to_are_fetched_once_each(ehr, server):
    orders = [
        resource("MedicationRequest", "m1", medicationReference={"reference": "Medication/d1"}),
        resource("MedicationRequest", "m2", medicationReference={"reference": f"{ehr.base}/Medication/d1"}),
        resource("MedicationRequest", "m3", medicationReference={"reference": "Medication/d2/_history/4"}),
        resource("MedicationRequest", "m4", medicationReference={"reference": "#inside"}),
        resource("MedicationRequest", "m5", medicationReference={"reference": "Medication/d3"}),
    ]
    ehr.holds(medication_requests=page(*orders, resource("Medication", "d3")))
    ehr.answers["/fhir/Medication/d1"] = resource("Medication", "d1")
    ehr.answers["/fhir/Medication/d2"] = resource("Medication", "d2")
    record = asked(ehr, server)
    assert [i for i in ids(record) if i.startswith("Medication/")] == ["Medication/d1", "Medication/d2", "Medication/d3"]
    assert sorted(p for p in ehr.seen if "/Medication/" in p) == ["/fhir/Medication/d1", "/fhir/Medication/d2"]
    assert record.incomplete == {}


def test_a_medication_at_another_server_is_another_drug(ehr, server):
    """It is not asked for there, since the token is not for that server, and ours of that id is not taken for it."""
    elsewhere = {"reference": "https://elsewhere.example/fhir/Medication/d1"}
    ehr.holds(medication_requests=page(resource("MedicationRequest", "m1", medicationReference=elsewhere)))
    ehr.answers["/fhir/Medication/d1"] = resource("Medication", "d1")
    record = asked(ehr, server)
    assert [p for p in ehr.seen if "/Medication/" in p] == []
    assert record.incomplete == {"medication-requests": "truncated"}


def test_a_medication_that_was_fetched_may_bear_an_id_that_is_taken(ehr, server):
    ehr.holds(medication_requests=page(resource("MedicationRequest", "d1", medicationReference={"reference": "Medication/d1"})))
    ehr.answers["/fhir/Medication/d1"] = resource("Medication", "d1")
    record = asked(ehr, server)
    assert ids(record) == ["Medication/d1", "MedicationRequest/d1", "Patient/p1"] and not record.distinct


@pytest.mark.parametrize("answer", [(404, b"", {}), outcome(), resource("Medication", "other"), b"<html>"])
def test_a_medication_that_cannot_be_had_leaves_its_list_open(ehr, server, answer):
    ehr.holds(medication_requests=page(resource("MedicationRequest", "m1", medicationReference={"reference": "Medication/d1"})))
    ehr.answers["/fhir/Medication/d1"] = answer
    record = asked(ehr, server)
    assert record.incomplete == {"medication-requests": "truncated"}
    assert record.faults == (Fault("medication-requests", "1 entries name a Medication that was not sent and could not be read"),)


def test_only_so_many_medications_are_asked_for(ehr, server, monkeypatch):
    monkeypatch.setattr(gathering_module, "MOST_MEDICATIONS", 2)
    orders = [resource("MedicationRequest", f"m{n}", medicationReference={"reference": f"Medication/d{n}"}) for n in range(4)]
    for n in range(4):
        ehr.answers[f"/fhir/Medication/d{n}"] = resource("Medication", f"d{n}")
    record = asked(ehr, server, {**FULL, "medication-requests": page(*orders)})
    assert (len(ehr.seen), record.incomplete) == (2, {"medication-requests": "truncated"})


def test_cookies_of_one_call_are_not_sent_with_the_next(ehr, server):
    ehr.holds(patient=(200, PATIENT, {"Set-Cookie": "session=p1; Path=/"}))
    asked(ehr, server)
    asked(ehr, server)
    assert all("Cookie" not in h for h in ehr.headers)


def test_proxies_and_passwords_of_the_environment_are_not_used(ehr, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert asked(ehr.holds(), server).incomplete == {}


def test_a_fault_of_ours_in_a_worker_is_not_hidden_as_missing_data(ehr, server, monkeypatch):
    monkeypatch.setattr(jobs_module, "read_page", _broken)
    with pytest.raises(ZeroDivisionError):
        asked(ehr.holds(), server)


def _broken(sent):
    raise ZeroDivisionError


def test_the_patient_id_of_the_request_is_asked_for(ehr, server):
    ehr.answers["/fhir/Patient/other-7"] = resource("Patient", "other-7")
    request = replace(hook({k: v for k, v in FULL.items() if k != "patient"}, Access(ehr.base)), patient_id="other-7")
    assert gather(request, TEMPLATES, server).patient_id == "other-7"
    assert ehr.seen == ["/fhir/Patient/other-7"]
