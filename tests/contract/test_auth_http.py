"""Authentication as a caller meets it: one bare answer for every cause, what a browser needs, what stays open, and how often one may call."""

import json
import re
import time
from datetime import date
from types import SimpleNamespace

import callers
import pytest
from callers import DISCOVERY, ISSUER, PUBLIC, SERVICE, bearer, jwk, token

from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.errors import BadData
from cds_service.model.clients import OPEN
from cds_service.model.outcomes import Answer
from cds_service.model.vocabulary import Vocabulary
from cds_service.trust import WHY
from cds_service.web import rate
from cds_service.web.headers import HEADERS

UUID = "6bc883b2-b795-4dcb-b661-34884a31d472"
BODY = {"hook": "patient-view", "hookInstance": UUID, "context": {"patientId": "pat-7731", "userId": "Practitioner/abc"}}
PATH = "/cds-services/cell-therapy-trials"
RULES = SimpleNamespace(trials=(), vocabulary=Vocabulary({}, {}, {}), templates={"patient": "Patient/{{context.patientId}}"})
REFUSED = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "login",
            "diagnostics": "Not authenticated. Each call needs its own valid JWT of a client that this service knows.",
        }
    ],
}


class Service:
    """A service over HTTP; `clients` has who called, as the pipeline sees it."""

    def __init__(self, environ, replay=None):
        self.clients = []
        app = create_app(RULES, Settings.from_environment(environ), self.decide, None, lambda: date(2026, 11, 1), replay=replay)
        self.http = app.test_client()

    def decide(self, asked, rules, gather, as_of, settings):
        self.clients.append(asked.client)
        return Answer(as_of, f"Patient/{asked.patient_id}", ()), ()

    def post(self, path=PATH, **members):
        return self.http.post(path, json=BODY, **members)


@pytest.fixture
def environ(tmp_path):
    return {"CDS_CLIENTS": str(callers.client_file(tmp_path)), "CDS_PUBLIC_URL": PUBLIC}


@pytest.fixture
def locked(environ):
    return Service(environ)


def lines(capsys):
    """What was logged, without when and how loud."""
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all(line.pop("time") and line.pop("level") for line in found)
    return found


# --- one answer for every cause ------------------------------------------------------------------

CAUSES = {
    "no header": ("no-token", lambda: {}),
    "an empty header": ("no-token", lambda: {"Authorization": ""}),
    "another scheme": ("no-token", lambda: {"Authorization": f"Basic {token()}"}),
    "the token elsewhere": ("no-token", lambda: {"X-Authorization": f"Bearer {token()}"}),
    "garbage": ("token", lambda: {"Authorization": "Bearer garbage"}),
    "two tokens": ("token", lambda: {"Authorization": f"Bearer {token()}, Bearer {token()}"}),
    "another algorithm": ("algorithm", lambda: bearer("ec-p256", algorithm="ES256")),
    "no type": ("header", lambda: bearer(headers={"typ": "x"})),
    "no jti": ("claims", lambda: bearer(jti=...)),
    "a foreign issuer": ("issuer", lambda: bearer(iss="https://evil.example")),
    "a token for discovery": ("audience", lambda: bearer(aud=DISCOVERY)),
    "a token for the address that the caller names": ("audience", lambda: {**bearer(aud=f"http://evil.example{PATH}"), "Host": "evil.example"}),
    "a token for loopback": ("audience", lambda: bearer(aud=f"http://localhost{PATH}")),
    "expired": ("expired", lambda: bearer(iat=1, exp=2)),
    "a foreign key": ("key", lambda: bearer("ec-9")),
    "a false signature": ("signature", lambda: bearer("ec-9", headers={"kid": "ec-1"})),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_has_the_same_bare_answer_and_a_word_in_the_log(locked, cause, capsys):
    word, headers = CAUSES[cause]
    answer = locked.post(headers=headers() | {"Origin": "https://sandbox.cds-hooks.org"})
    assert (answer.status_code, answer.json) == (401, REFUSED)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert locked.clients == []
    said = capsys.readouterr().err
    (line,) = map(json.loads, said.splitlines())
    assert (line["event"], line["status"], line["why"]) == ("refused", 401, word)
    assert word in WHY and set(line) <= {"event", "level", "time", "status", "route", "why", "issuer", "jti"}
    assert "eyJ" not in said, "the token, or a part of it"


def test_a_token_in_the_address_or_the_body_is_none(locked):
    assert locked.http.post(f"{PATH}?access_token={token()}&jwt={token()}", json=BODY | {"access_token": token()}).status_code == 401


def test_a_token_passes_once_at_its_own_endpoint(locked, capsys):
    used = bearer()
    assert [locked.post(headers=used).status_code, locked.post(headers=used).status_code] == [200, 401]
    assert [line.get("why") for line in lines(capsys)] == [None, "replay"]
    assert [c.name for c in locked.clients] == ["ehr"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/cds-services", 200),
        ("get", "/cds-services/", 200),
        ("head", "/cds-services", 200),
        ("post", "/cds-services", 405),
        ("post", PATH, 400),
        ("post", PATH + "/", 400),
        ("get", PATH, 405),
        ("post", "/cds-services/other", 404),
        ("post", PATH + "/feedback", 404),
        ("get", "/cds-services/a/b/c", 404),
    ],
)
def test_everything_under_discovery_asks_for_a_token_before_it_says_anything(locked, method, path, status):
    call = getattr(locked.http, method)
    assert call(path).status_code == 401
    answer = call(path, headers=bearer(aud=PUBLIC + path))
    assert answer.status_code in ((status, 401) if "feedback" in path else (status,))


def test_a_large_body_is_not_read_for_a_stranger(environ):
    service = Service(environ | {"CDS_MAX_BODY": "1024"})
    large = {"data": b"x" * 5000, "content_type": "application/json"}
    assert service.http.post(PATH, **large).status_code == 401
    assert service.http.post(PATH, **large, headers=bearer()).status_code == 413


def test_what_is_for_the_gateway_needs_no_token(locked):
    assert locked.http.get("/health").status_code == 200


# --- browsers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "method"), [("/cds-services", "GET"), (PATH, "POST")])
def test_a_preflight_carries_no_token_and_is_answered(locked, path, method):
    headers = {"Origin": "https://sandbox.cds-hooks.org", "Access-Control-Request-Method": method}
    answer = locked.http.options(path, headers=headers | {"Access-Control-Request-Headers": "authorization,content-type"})
    assert answer.status_code == 200
    assert {h.strip().lower() for h in answer.headers["Access-Control-Allow-Headers"].split(",")} == {"authorization", "content-type"}


@pytest.mark.parametrize(("method", "path"), [("get", "/cds-services"), ("post", PATH), ("get", "/health"), ("get", "/nowhere"), ("options", PATH)])
def test_every_answer_is_hardened(locked, method, path):
    for headers in ({}, bearer(aud=PUBLIC + path)):
        answer = getattr(locked.http, method)(path, headers=headers)
        assert {name: answer.headers.getlist(name) for name in HEADERS} == {name: [value] for name, value in HEADERS.items()}
        assert "Strict-Transport-Security" not in answer.headers


def test_a_page_may_say_more():
    service = Service({})
    service.http.application.add_url_rule("/page", "page", lambda: ("x", {"Content-Security-Policy": "style-src 'self'"}))
    assert service.http.get("/page").headers.getlist("Content-Security-Policy") == ["style-src 'self'"]


# --- the address -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:8080"])
def test_without_a_public_address_loopback_is_one(environ, host):
    service = Service(environ | {"CDS_PUBLIC_URL": ""})
    call = {"base_url": f"http://{host}"}
    assert service.post(**call, headers=bearer(aud=f"http://{host}{PATH}")).status_code == 200
    assert service.post(**call, headers=bearer(aud=SERVICE)).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "127.0.0.1@evil.example"])
def test_without_a_public_address_no_other_host_counts(environ, host):
    service = Service(environ | {"CDS_PUBLIC_URL": ""})
    answer = service.post(base_url="http://localhost", headers=bearer(aud=f"http://{host}{PATH}") | {"Host": host})
    assert answer.status_code == 401


# --- who calls -----------------------------------------------------------------------------------


def test_an_open_service_says_so(capsys):
    service = Service({})
    assert service.post().status_code == 200
    assert service.post(headers={"Authorization": "Bearer of whatever"}).status_code == 200
    assert service.clients == [OPEN, OPEN]


def test_the_pipeline_learns_which_client_calls_and_its_fhir_servers(tmp_path):
    path = callers.client_file(
        tmp_path,
        {"name": "one", "iss": ISSUER, "keys": {"keys": [jwk("ec-1")]}, "fhir": "https://fhir.one.example/r4"},
        {"name": "two", "iss": "https://two.example", "keys": {"keys": [jwk("rsa-1")]}},
    )
    service = Service({"CDS_CLIENTS": str(path), "CDS_PUBLIC_URL": PUBLIC})
    service.post(headers=bearer())
    service.post(headers=bearer("rsa-1", iss="https://two.example"))
    assert [(c.name, c.fhir_bases) for c in service.clients] == [("one", ("https://fhir.one.example/r4",)), ("two", ())]


def test_keys_are_fetched_where_the_file_says(tmp_path, capsys):
    with callers.key_server() as server:
        path = callers.client_file(tmp_path, {"name": "ehr", "iss": ISSUER, "jku": f"{server.base}/jwks"})
        service = Service({"CDS_CLIENTS": str(path), "CDS_PUBLIC_URL": PUBLIC})
        assert service.post(headers=bearer(headers={"jku": f"{server.base}/jwks"})).status_code == 200
        assert service.post(headers=bearer(headers={"jku": f"{server.base}/other"})).status_code == 401
        assert server.asked == ["/jwks"]
    service = Service({"CDS_CLIENTS": str(path), "CDS_PUBLIC_URL": PUBLIC})
    capsys.readouterr()
    assert service.post(headers=bearer()).status_code == 401
    failed, refused = lines(capsys)
    assert failed == {"event": "keys not fetched", "address": f"{server.base}/jwks", "why": "no-connection"}
    assert refused["why"] == "key"


def test_a_faulty_client_file_is_not_started_with(tmp_path):
    path = tmp_path / "clients.yaml"
    path.write_text("clients: []")
    with pytest.raises(BadData, match="'clients' needs at least 1"):
        Service({"CDS_CLIENTS": str(path)})


# --- used tokens are shared ----------------------------------------------------------------------


class Shared:
    def __init__(self):
        self.seen = set()
        self.down = False

    def first_use(self, issuer, jti, expires):
        if self.down:
            raise OSError("disk /var/lib full of secrets")
        first = (issuer, jti) not in self.seen
        self.seen.add((issuer, jti))
        return first


def test_a_token_that_another_worker_has_seen_is_refused(environ):
    memory = Shared()
    one, other, used = Service(environ, memory), Service(environ, memory), bearer()
    assert [one.post(headers=used).status_code, other.post(headers=used).status_code] == [200, 401]


def test_while_the_store_is_down_each_worker_remembers_for_itself(environ, capsys):
    memory = Shared()
    service, before, during = Service(environ, memory), bearer(), bearer()
    assert service.post(headers=before).status_code == 200
    memory.down = True
    assert [service.post(headers=h).status_code for h in (before, during, during)] == [401, 200, 401]
    said = [line for line in lines(capsys) if line["event"] == "replay not shared"]
    assert said == [{"event": "replay not shared", "error": "OSError"}] * 3


# --- how often -----------------------------------------------------------------------------------


@pytest.fixture
def still(monkeypatch):
    """The clock of the limiter stands, unless the test turns it. That of the tokens goes on."""
    clock = [time.time()]
    monkeypatch.setattr("time.time", lambda: clock[0])
    return clock


def test_a_client_that_calls_too_often_is_told_when_to_come_back(environ, still, capsys):
    service = Service(environ | {"CDS_RATE_LIMIT": "2"})
    assert [service.post(headers=bearer()).status_code for _ in range(3)] == [200, 200, 429]
    answer = service.post(headers=bearer())
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert answer.json["issue"][0] == {"severity": "error", "code": "throttled", "diagnostics": f"Too many calls. Try again in {wait} s."}
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    words = f"Too many calls. Try again in {wait} s."
    assert lines(capsys)[-1] == {"event": "refused", "status": 429, "route": "/cds-services/<service>", "client": "ehr", "words": words}
    later = bearer()
    still[0] += wait
    assert service.post(headers=later).status_code == 200


def test_one_client_does_not_use_up_anothers_calls_and_a_stranger_nobodys(tmp_path, still):
    keys = {"keys": {"keys": [jwk("ec-1")]}}
    rates = (("one", ISSUER, {}), ("two", "b", {"rate": "3"}), ("three", "c", {"rate": "0"}))
    named = [{"name": name, "iss": iss, **keys, **own} for name, iss, own in rates]
    service = Service({"CDS_CLIENTS": str(callers.client_file(tmp_path, *named)), "CDS_PUBLIC_URL": PUBLIC, "CDS_RATE_LIMIT": "1"})
    for _ in range(5):
        assert service.post(headers=bearer("ec-9", headers={"kid": "ec-1"})).status_code == 401
    assert [service.post(headers=bearer()).status_code for _ in range(2)] == [200, 429]
    assert [service.post(headers=bearer(iss="b")).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert [service.post(headers=bearer(iss="c")).status_code for _ in range(8)] == [200] * 8


@pytest.mark.parametrize("environment", [{"CDS_RATE_LIMIT": "0"}])
def test_no_limit_is_no_limit(environ, environment):
    service = Service(environ | environment)
    assert {service.http.get("/cds-services", headers=bearer(aud=DISCOVERY)).status_code for _ in range(5)} == {200}


def test_an_open_service_counts_nobody():
    service = Service({"CDS_RATE_LIMIT": "1"})
    assert [service.post().status_code for _ in range(3)] == [200, 200, 200]


def test_the_limiter_is_made_after_the_workers_are_forked():
    assert rate.Rate(5)._limiter is None


def test_the_log_never_has_a_part_of_a_token(locked, capsys):
    sent = [token(), token("ec-9"), token("ec-9", headers={"kid": "ec-1"}), token(exp=2, iat=1)]
    for one in sent:
        locked.post(headers={"Authorization": f"Bearer {one}"})
    said = capsys.readouterr().err
    assert not any(part in said for one in sent for part in re.split(r"\.", one))
