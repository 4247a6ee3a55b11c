"""Which addresses may be asked: as text, and as what a name leads to."""

import socket
from dataclasses import replace

import pytest

from cds_service.fetch import FhirServer, addresses, gather
from cds_service.fetch.guard import Guard
from cds_service.model.clients import Client
from cds_service.model.hooks import Access, HookRequest

PATIENT = {"resourceType": "Patient", "id": "p1"}
TEMPLATES = {"patient": "Patient/{{context.patientId}}", "conditions": "Condition?patient={{context.patientId}}", "procedures": "Procedure?patient=x"}
PRIVATE = "the FHIR server's name leads to a private address that CDS_FHIR_PRIVATE does not list"


# --- as text -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "url", "covered"),
    [
        ("https://ehr.example/fhir/r4", "https://ehr.example/fhir/r4", True),
        ("https://ehr.example/fhir/r4/", "https://ehr.example/fhir/r4", True),
        ("https://ehr.example/fhir", "https://ehr.example/fhir/r4/", True),
        ("https://ehr.example/fhir", "https://EHR.example:443/fhir", True),
        ("https://ehr.example", "https://ehr.example/any", True),
        ("https://ehr.example/fhir", "https://ehr.example/fhir-test", False),
        ("https://ehr.example/fhir", "https://ehr.example/FHIR", False),
        ("https://ehr.example/fhir", "https://ehr.example", False),
        ("https://ehr.example/fhir", "https://ehr.example//fhir", False),
        ("https://ehr.example/fhir", "https://ehr.example:8443/fhir", False),
        ("https://ehr.example/fhir", "http://ehr.example/fhir", False),
        ("https://ehr.example/fhir", "https://ehr.example./fhir", False),
        ("https://ehr.example/fhir", "https://ehr.example.evil.example/fhir", False),
        ("https://ehr.example:8443", "https://ehr.example:8443/x", True),
        ("http://127.0.0.1:8080/fhir", "http://127.0.0.1:8080/fhir", True),
        ("http://127.0.0.1:8080/fhir", "http://127.0.0.1:8081/fhir", False),
        ("ehr.example", "https://ehr.example/any", True),
        ("ehr.example", "https://ehr.example:8443/any", False),
        ("ehr.example:443", "https://ehr.example/any", True),
        ("ehr.example/fhir", "https://ehr.example/fhir/r4", True),
        ("ehr.example/fhir", "https://ehr.example/admin", False),
        ("ehr.example:8443/fhir", "https://ehr.example:8443/fhir", True),
        ("localhost", "http://localhost:9999/any", True),
        ("localhost:8080/fhir", "http://localhost:8080/fhir", True),
        ("localhost:8080/fhir", "http://localhost:8081/fhir", False),
        ("[::1]", "http://[::1]:9999/any", True),
        ("10.1.2.3:8443", "https://10.1.2.3:8443/fhir", True),
        ("not an entry", "https://not", False),
    ],
)
def test_a_list_covers_what_is_below_its_entries(entry, url, covered):
    found = addresses.read(url)
    assert found is not None
    assert any(base.covers(found) for base in addresses.listed([entry])) is covered


@pytest.mark.parametrize(
    "url",
    [
        "https://ehr.example/fhir/../admin",
        "https://ehr.example/fhir/..",
        "https://ehr.example/fhir/./x",
        "https://ehr.example/fhir/..;x/admin",
        "https://ehr.example/fhir/%2e%2e/admin",
        "https://ehr.example/fhir/.%2E/admin",
        "https://ehr.example/fhir%2f..%2fadmin",
        "https://ehr.example/fhir%5cadmin",
        "https://ehr.example/fhir/%252e%252e",
        "https://ehr.example/fhir\\..\\admin",
        "https://ehr.example/fhir\n",
        "https://ehr.example/fh ir",
        "https://ehr.exämple/fhir",
        "https://me@ehr.example/fhir",
        "https://ehr.example:port/fhir",
        "https://[x/fhir",
        "https:///fhir",
        "file:///etc/passwd",
        "ehr.example/fhir",
        "",
    ],
)
def test_an_address_that_hides_where_it_leads_is_none(url):
    assert addresses.read(url) is None


BASE = "https://ehr.example/fhir/r4"


@pytest.mark.parametrize(
    ("target", "url"),
    [
        (f"{BASE}/Condition?page=2", f"{BASE}/Condition?page=2"),
        (f"{BASE}?_getpages=1&x=a%2Fb%252e", f"{BASE}?_getpages=1&x=a%2Fb%252e"),
        ("Condition?page=2", f"{BASE}/Condition?page=2"),
        ("/fhir/r4/Condition?page=2", f"{BASE}/Condition?page=2"),
        ("?page=2", f"{BASE}/?page=2"),
        ("https://EHR.example:443/fhir/r4/x", "https://EHR.example:443/fhir/r4/x"),
        ("/fhir/Condition?page=2", ""),
        ("/Condition", ""),
        ("../Condition", ""),
        ("x/../../../admin", ""),
        ("x/../Condition", ""),
        (f"{BASE}/../admin", ""),
        (f"{BASE}/%2e%2e/admin", ""),
        (f"{BASE}-test/Condition", ""),
        ("https://ehr.example:8443/fhir/r4/x", ""),
        ("http://ehr.example/fhir/r4/x", ""),
        ("https://evil.example/fhir/r4/x", ""),
        ("//evil.example/fhir/r4/x", ""),
        ("https://ehr.example@evil.example/fhir/r4/x", ""),
        ("https://[x/fhir/r4", ""),
        ("javascript:x", ""),
        ("file:///fhir/r4/x", ""),
        ("/fhir/r4/x\r\nHost: evil", ""),
    ],
)
def test_a_link_leads_below_the_base_address_or_nowhere(target, url):
    assert addresses.link(addresses.read(BASE), BASE, target) == url


@pytest.mark.parametrize(
    ("bases", "base", "refusal"),
    [
        (("https://ehr.example/fhir",), "https://ehr.example/fhir", ""),
        (("https://ehr.example/fhir",), "https://ehr.example/other", "the FHIR server is not named in the list of this client"),
        (("https://ehr.example/fhir",), "https://site.example/fhir", "the FHIR server is not named in the list of this client"),
        (("http://ehr.example/fhir",), "http://ehr.example/fhir", "the FHIR server is not https"),
        ((), "https://site.example/fhir", ""),
        ((), "https://ehr.example/fhir", "the FHIR server is not named in CDS_FHIR_HOSTS"),
    ],
)
def test_a_client_with_a_list_of_its_own_is_held_to_it(bases, base, refusal):
    server = FhirServer(["site.example"], budget=1, most_bytes=1)
    client = Client("north", bases)
    for _ in range(2):
        assert server.refusal(Access(base, "t"), client) == refusal
    server.close()


# --- as what a name leads to ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "address", "allowed"),
    [
        ("ehr.example", "8.8.8.8", True),
        ("ehr.example", "2606:4700::1111", True),
        ("ehr.example", "10.1.2.3", False),
        ("ehr.example", "172.16.0.1", False),
        ("ehr.example", "192.168.1.1", False),
        ("ehr.example", "100.100.100.200", False),
        ("ehr.example", "169.254.169.254", False),
        ("ehr.example", "127.0.0.1", False),
        ("ehr.example", "0.0.0.0", False),  # noqa: S104 -- an address that must not be asked
        ("ehr.example", "224.0.0.1", False),
        ("ehr.example", "255.255.255.255", False),
        ("ehr.example", "::1", False),
        ("ehr.example", "::", False),
        ("ehr.example", "fe80::1%eth0", False),
        ("ehr.example", "fd00::1", False),
        ("ehr.example", "ff02::1", False),
        ("ehr.example", "::ffff:127.0.0.1", False),
        ("ehr.example", "::ffff:8.8.8.8", True),
        ("ehr.example", "64:ff9b::a9fe:a9fe", False),
        ("ehr.example", "64:ff9b::808:808", True),
        ("ehr.example", "2002:7f00:1::", False),
        ("ehr.example", "10.20.3.4", True),
        ("ehr.example", "::ffff:10.20.3.4", True),
        ("ehr.example", "fd12:3456::9", True),
        ("localhost", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("localhost", "192.168.1.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("127.1", "127.0.0.1", False),
        ("2130706433", "127.0.0.1", False),
    ],
)
def test_only_public_addresses_are_asked_but_for_those_that_are_listed(host, address, allowed):
    assert Guard(["10.20.0.0/16", "fd12:3456::/48"]).allows(host, address) is allowed


def names(monkeypatch, *answers):
    """A name server that says something else each time. Returns what it was asked."""
    asked, real = [], socket.getaddrinfo
    waiting = list(answers)

    def resolve(host, port, *rest, **more):
        if host != "ehr.example":
            return real(host, port, *rest, **more)
        asked.append(host)
        found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def request(port):
    prefetch = {"patient": PATIENT, "conditions": None}
    return HookRequest("patient-view", "i", "p1", prefetch=prefetch, access=Access(f"https://ehr.example:{port}/fhir", "t"))


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(0)
        yield found


def reached(listener):
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254"])
def test_a_name_that_leads_inside_is_not_connected_to(monkeypatch, listener, address):
    names(monkeypatch, [address])
    port = listener.getsockname()[1]
    server = FhirServer([f"ehr.example:{port}"], budget=5, most_bytes=1000)
    record = gather(request(port), TEMPLATES, server)
    server.close()
    assert [f.why for f in record.faults] == [PRIVATE]
    assert not reached(listener)


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(monkeypatch, listener):
    """A name that is public when it is looked at and inside a moment later gains nothing: it is looked up once a connection."""
    asked = names(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    port = listener.getsockname()[1]
    server = FhirServer([f"ehr.example:{port}"], budget=0.2, most_bytes=1000, networks=["127.0.0.0/8"])
    gather(request(port), TEMPLATES, server)  # nobody answers there: what counts is who was called
    server.close()
    assert reached(listener)
    assert asked == ["ehr.example"]


def test_of_several_addresses_those_outside_are_tried_in_turn(monkeypatch, listener):
    names(monkeypatch, ["169.254.169.254", "127.0.0.2", "127.0.0.1"])
    port = listener.getsockname()[1]
    server = FhirServer([f"ehr.example:{port}"], budget=0.2, most_bytes=1000, networks=["127.0.0.0/8"])
    gather(request(port), TEMPLATES, server)
    server.close()
    assert reached(listener), "127.0.0.2 refuses, 127.0.0.1 listens"


def test_a_name_that_nobody_knows_is_a_failed_connection(monkeypatch):
    def resolve(*given, **more):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    server = FhirServer(["ehr.example"], budget=5, most_bytes=1000)
    record = gather(replace(request(443), user_id="x"), TEMPLATES, server)
    server.close()
    assert [f.why for f in record.faults] == ["the connection failed"]


@pytest.mark.parametrize(("bases", "why"), [((), "CDS_FHIR_HOSTS"), (("https://ehr.example/fhir",), "the list of this client")])
def test_whoever_calls_says_which_list_holds(bases, why):
    server = FhirServer([], budget=5, most_bytes=1000)
    asked = replace(request(8443), client=Client("north", bases))
    assert [f.why for f in gather(asked, TEMPLATES, server).faults] == [f"not in the prefetch, and the FHIR server is not named in {why}"]
    server.close()
