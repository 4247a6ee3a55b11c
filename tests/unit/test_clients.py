"""The client file: what is read, and a zoo of mistakes, each with its line and how to mend it. And who may be served without one."""

import json

import callers
import pytest
from callers import ISSUER, jwk
from jsonschema import Draft202012Validator

from cds_service import checks, server, trust
from cds_service.config import Settings
from cds_service.errors import BadData, BadSetting
from cds_service.model.clients import Client
from cds_service.shape import KEYWORDS
from cds_service.trust.clients import schema

FINE = """\
# Approved by the information security board, 2026-10-02
clients:
  - name: Epic production
    note: asked for by cardiology
    iss: https://ehr.example/fhir
    jku: https://ehr.example/jwks
    audiences: [CDS, https://old.example/cds-services]
    fhir: https://ehr.example/fhir/R4/
    rate: 60
  - name: Oracle
    iss: [https://one.example, https://two.example]
    jku: [https://one.example/jwk/a, http://127.0.0.1:8000/jwk]
    keys: oracle.json
    fhir: [https://one.example/a, http://localhost:8000]
    tenants: a1
"""


def load(tmp_path, text):
    path = tmp_path / "clients.yaml"
    path.write_text(text)
    return trust.load(path)


def faults(tmp_path, text):
    with pytest.raises(BadData) as refused:
        load(tmp_path, text)
    return [(f.line, f.message) for f in refused.value.faults]


def test_a_client_file_is_read(tmp_path):
    (tmp_path / "oracle.json").write_text(json.dumps({"keys": [jwk("ec-1"), jwk("rsa-1", use="sig", alg="RS384")]}))
    epic, oracle = load(tmp_path, FINE)
    assert epic == Client(
        "Epic production",
        ("https://ehr.example/fhir/R4",),
        ("https://ehr.example/fhir",),
        ("https://ehr.example/jwks",),
        audiences=("CDS", "https://old.example/cds-services"),
        rate=60,
    )
    assert [(key.id, key.algorithm) for key in oracle.keys] == [("ec-1", "ES384"), ("rsa-1", "RS384")]
    assert (oracle.issuers, oracle.tenants, oracle.rate) == (("https://one.example", "https://two.example"), ("a1",), None)
    assert oracle.key_sets == ("https://one.example/jwk/a", "http://127.0.0.1:8000/jwk")
    assert oracle.fhir_bases == ("https://one.example/a", "http://localhost:8000")


def test_a_key_set_may_stand_in_the_file_itself_as_the_ehr_gives_it(tmp_path):
    (client,) = trust.load(callers.client_file(tmp_path))
    assert [key.id for key in client.keys] == ["ec-1", "rsa-1"]


def one(**members):
    """A file with one client on line 2; a member given as ... is left out."""
    fine = {"name": "ehr", "iss": ISSUER, "jku": "https://ehr.example/jwks"}
    return "clients:\n  - " + json.dumps({k: v for k, v in {**fine, **members}.items() if v is not ...}) + "\n"


def two(first, second):
    fine = {"jku": "https://ehr.example/jwks"}
    return f"clients:\n  - {json.dumps(fine | first)}\n  - {json.dumps(fine | second)}\n"


NOT_TEXT = "1 to 512 printable ASCII characters without spaces"
NOT_ADDRESS = "an https:// address (http:// only on loopback)"
ZOO = [
    ("empty", "", 0, "the file is empty"),
    ("no YAML", "clients: [", 2, "not YAML: "),
    ("a list", "- name: x", 1, "'the file' must be a mapping (key: value), not a list"),
    ("no clients", "clients: []", 1, "'clients' needs at least 1 in its list; it has 0"),
    ("a client that is text", "clients: [ehr]", 1, "'clients' must be a mapping (key: value), not text"),
    ("a misspelt key", one(isss="x"), 2, "unknown key 'isss'; did you mean 'iss'?"),
    ("a repeated key", "clients:\n  - name: a\n    name: b\n", 3, "key 'name' is repeated (first on line 2); keep one"),
    ("an anchor", "clients:\n  - &x {name: a}\n", 2, "anchor &x; write it out where it is used"),
    ("no name", one(name=...), 2, "'name' is missing; add it"),
    ("a name with a line break", one(name="a\nb"), 2, "'name' is 'a\nb'; it must be letters, digits, spaces and . _ - only, at most 64"),
    ("the name of an open service", one(name="Open"), 2, "the name 'Open' means a service without clients; give another"),
    ("no issuer", one(iss=...), 2, "'iss' is missing; add it"),
    ("an empty issuer", one(iss=""), 2, f"'iss' has no value; give {NOT_TEXT}"),
    ("an issuer with a space", one(iss=["a b"]), 2, f"'iss' is 'a b'; it must be {NOT_TEXT}"),
    ("no issuers in the list", one(iss=[]), 2, "'iss' needs at least 1 in its list; it has 0"),
    ("an issuer twice", one(iss=["a", "a"]), 2, "'a' stands twice in 'iss'; keep one"),
    ("an issuer that is a mapping", one(iss={"a": "b"}), 2, "'iss' must be text or a list, not a mapping"),
    ("no keys", one(jku=...), 2, "no keys; give 'jku' (where they are fetched) or 'keys' (a JWK set, or the name of its file)"),
    ("keys fetched by http", one(jku="http://ehr.example/jwks"), 2, "'jku' is not https; http is for loopback only"),
    ("keys from a file address", one(jku="file:///etc/passwd"), 2, f"'jku' is 'file:///etc/passwd'; it must be {NOT_ADDRESS}"),
    *(
        (f"keys at {address}", one(jku=address), 2, "'jku' is not an address to be asked; give it whole, without user, password or fragment")
        for address in ("https://me@ehr.example/jwks", "https://ehr.example/jwks#x", "https://[x", "https:///jwks", "https://a:port", "https://a\\b")
    ),
    ("a FHIR server by http", one(fhir=["http://fhir.example"]), 2, "'fhir' is not https; http is for loopback only"),
    ("a FHIR server with a query", one(fhir="https://fhir.example/?a"), 2, "'fhir' is not an address to be asked"),
    ("a rate that is no number", one(rate="60/min"), 2, "'rate' is '60/min'; it must be a whole number of calls a minute; 0 is no limit"),
    ("a key file that is not there", one(keys="no.json"), 2, "the key file no.json cannot be read: No such file or directory; it is looked"),
    ("a key file that is this file", one(keys="clients.yaml"), 2, "the key file clients.yaml is not JSON; give the JWK set as its owner"),
    ("a key alone", one(keys=jwk("ec-1")), 2, "'keys' is missing; add it"),
    ("an empty set", one(keys={"keys": []}), 2, "'keys' needs at least 1 in its list; it has 0"),
    ("a private key", one(keys={"keys": [jwk("ec-1"), jwk("ec-2", d="c2VjcmV0")]}), 2, "key 2: a private or shared key; replace that key"),
    ("a short key", one(keys={"keys": [jwk("rsa-short")]}), 2, "key 1: too short; RSA keys have at least 2048 bits"),
    ("a kid twice", one(keys={"keys": [jwk("ec-1"), jwk("ec-2", kid="ec-1")]}), 2, "key 2: its kid stands twice; keep one"),
    ("a name twice", two({"name": "a", "iss": "x"}, {"name": "A", "iss": "y"}), 3, "the name 'A' is taken by a client above; give another"),
    ("an issuer of two", two({"name": "a", "iss": "x"}, {"name": "b", "iss": ["y", "x"]}), 3, "iss 'x' is that of a client above; join the two"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "words"), [z[1:] for z in ZOO], ids=[z[0] for z in ZOO])
def test_a_mistake_is_told_with_its_line_and_how_to_mend_it(tmp_path, text, line, words):
    found = faults(tmp_path, text)
    assert any(at == line and message.startswith(words) for at, message in found), found
    assert not any("c2VjcmV0" in message for _, message in found)


def test_all_mistakes_are_told_at_once(tmp_path):
    assert len(faults(tmp_path, two({"name": "a", "iss": "x", "fhir": "http://a"}, {"name": "a", "iss": "x", "keys": "no.json"}))) == 4


def test_a_file_that_may_not_be_read_is_one_line(tmp_path):
    with pytest.raises(BadData) as refused:
        trust.load(tmp_path)
    assert str(refused.value) == f"{tmp_path}: cannot be read: Is a directory; let the service's user read it"


def walk(rule):
    if isinstance(rule, dict):
        yield rule
        for name, part in rule.items():
            if name in ("properties", "$defs"):
                for child in part.values():
                    yield from walk(child)
            else:
                yield from walk(part)
    elif isinstance(rule, list):
        for part in rule:
            yield from walk(part)


def test_the_schema_is_one_that_an_editor_and_we_read_alike(tmp_path):
    Draft202012Validator.check_schema(dict(schema()))
    words = {name for rule in walk(schema()) for name in rule}
    assert words - KEYWORDS <= {"$schema", "$defs", "title", "description", "patternErrorMessage"}
    fine = json.loads(callers.client_file(tmp_path).read_text())
    assert Draft202012Validator(dict(schema())).is_valid(fine)


def test_check_names_the_faults_of_the_client_file(tmp_path, capsys):
    path = tmp_path / "clients.yaml"
    path.write_text(one(iss=...))
    assert checks._clients(Settings.from_environment({"CDS_CLIENTS": str(path)}))[0].message == "'iss' is missing; add it"
    assert checks._clients(Settings.from_environment({"CDS_CLIENTS": str(callers.client_file(tmp_path))})) == []
    assert checks._clients(Settings.from_environment({})) == []


# --- serve ---------------------------------------------------------------------------------------


@pytest.fixture
def named(tmp_path):
    return {"CDS_CLIENTS": str(callers.client_file(tmp_path))}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_all_may_be_served(named, host):
    for environ in ({}, named):
        server.guard(Settings.from_environment(environ), host, without_authentication=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "cds.example", ""])  # noqa: S104 -- this is what must be refused
def test_elsewhere_an_open_service_must_be_asked_for_by_name(host):
    with pytest.raises(
        BadSetting,
        match=r"and no client is named: give CDS_CLIENTS .* or start `cds-service serve --without-authentication`",
    ):
        server.guard(Settings.from_environment({}), host, without_authentication=False)
    server.guard(Settings.from_environment({}), host, without_authentication=True)


def test_elsewhere_tokens_need_an_address_to_be_for(named):
    with pytest.raises(BadSetting, match=r"^CDS_PUBLIC_URL: must be given with CDS_CLIENTS"):
        server.guard(Settings.from_environment(named), "10.0.0.5", without_authentication=False)
    server.guard(Settings.from_environment(named | {"CDS_PUBLIC_URL": callers.PUBLIC}), "10.0.0.5", without_authentication=False)


def test_clients_and_no_authentication_contradict_each_other(named):
    with pytest.raises(BadSetting, match="contradict each other"):
        server.guard(Settings.from_environment(named), "127.0.0.1", without_authentication=True)


def test_serve_says_so_before_it_reads_anything(monkeypatch):
    monkeypatch.setattr(server.pipeline, "load_rules", lambda settings: pytest.fail("read"))
    with pytest.raises(BadSetting, match="--without-authentication"):
        server.run(Settings.from_environment({}), "10.0.0.5", 8080, 1)
