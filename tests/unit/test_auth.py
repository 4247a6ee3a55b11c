"""The check of a token: what passes, and a zoo of what does not, each with the word that the log gets. Keys and servers are real."""

import base64
import hashlib
import hmac
import json
import re
import threading
from pathlib import Path

import callers
import jwt
import pytest
from callers import DISCOVERY, ISSUER, SERVICE, claims, jwk, private, token
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cds_service.errors import Unauthorized
from cds_service.model.clients import OPEN, Client
from cds_service.trust import WHY, Checker, KeySets, Seen, Terms, fetched, load
from cds_service.trust.clients import schema
from cds_service.trust.keys import BadKey, read_key, usable

NOW = 1_790_000_000
OTHER = "https://other.example/fhir"


@pytest.fixture
def server():
    with callers.key_server() as found:
        yield found


def ehr(**members):
    keys = tuple(read_key(jwk(kid)) for kid in ("ec-1", "rsa-1"))
    return Client("ehr", **{"issuers": (ISSUER,), "keys": keys, "audiences": ("hand-typed",), **members})


def checker(*clients, replay=None, terms=None, sets=None):
    clients = clients or (ehr(), Client("other", issuers=(OTHER,), keys=(read_key(jwk("ec-2")),), tenants=("t1",)))
    sets = sets or KeySets(frozenset(a for c in clients for a in c.key_sets))
    return Checker(clients, sets, replay or Seen(now=lambda: NOW), terms, lambda: NOW)


def why(authorization, checked=None, endpoint=SERVICE):
    """The word for the refusal; "" where it is accepted."""
    try:
        (checked or checker()).check(authorization, endpoint)
    except Unauthorized as refused:
        assert refused.noted["why"] in WHY
        assert str(refused) == "Not authenticated. Each call needs its own valid JWT of a client that this service knows."
        return refused.noted["why"]
    return ""


def made(*args, **members):
    return token(*args, now=NOW, **members)


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def by_hand(header, payload, signature="AAAA"):
    return f"{part(header)}.{part(payload)}.{signature}"


def raw(payload):
    """A token of any bytes."""
    return f"{part({'alg': 'ES384', 'typ': 'JWT', 'kid': 'ec-1'})}.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.AAAA"


def confused():
    """HS256 with the text of the public key as the shared secret: the classic of mixed-up algorithms."""
    pem = private("rsa-1").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = by_hand({"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}, claims(NOW)).rpartition(".")[0]
    return f"{text}.{base64.urlsafe_b64encode(hmac.new(pem, text.encode(), hashlib.sha256).digest()).rstrip(b'=').decode()}"


def tampered():
    header, _, signature = made().split(".")
    return f"{header}.{part(claims(NOW, jti='other'))}.{signature}"


FINE = {
    "EC": made,
    "RSA": lambda: made("rsa-1"),
    "several audiences": lambda: made(aud=["https://elsewhere.example", SERVICE]),
    "an audience typed by hand": lambda: made(aud="hand-typed"),
    "an audience with a slash at its end": lambda: made(aud=SERVICE + "/"),
    "Epic's nbf, sub and type in small letters": lambda: made(nbf=NOW - 300, sub="client-id", headers={"typ": "jwt"}),
    "a jku of a client whose keys are given by hand": lambda: made(headers={"jku": "https://anywhere.example"}),
    "expired within the skew": lambda: made(iat=NOW - 300, exp=NOW - 29),
    "made within the skew": lambda: made(iat=NOW + 30, exp=NOW + 300),
    "as long a life as is allowed": lambda: made(iat=NOW, exp=NOW + 1800),
    "times with fractions": lambda: made(iat=NOW - 0.5, exp=NOW + 60.5),
    "a tenant that is asked for": lambda: made("ec-2", iss=OTHER, tenant="t1"),
    "a tenant that is not": lambda: made(tenant="any"),
}

ZOO = [
    ("algorithm none", "algorithm", lambda: by_hand({"alg": "none", "typ": "JWT", "kid": "ec-1"}, claims(NOW))),
    ("algorithm None", "algorithm", lambda: by_hand({"alg": "None", "typ": "JWT", "kid": "ec-1"}, claims(NOW))),
    ("no algorithm", "algorithm", lambda: by_hand({"typ": "JWT", "kid": "ec-1"}, claims(NOW))),
    ("an algorithm that is a list", "algorithm", lambda: by_hand({"alg": ["ES384"], "typ": "JWT", "kid": "ec-1"}, claims(NOW))),
    ("HS256 with the public key as the secret", "algorithm", confused),
    ("RS256", "algorithm", lambda: made("rsa-1", algorithm="RS256")),
    ("PS384", "algorithm", lambda: made("rsa-1", algorithm="PS384")),
    ("ES256", "algorithm", lambda: made("ec-p256", algorithm="ES256")),
    ("an RSA token that names an EC key", "key", lambda: made("rsa-1", headers={"kid": "ec-1"})),
    ("the kid of another key of the client", "signature", lambda: made("ec-9", headers={"kid": "ec-1"})),
    ("the kid of another client's key", "key", lambda: made("ec-2")),
    ("an unknown kid", "key", lambda: made("ec-9")),
    ("no kid", "header", lambda: jwt.encode(claims(NOW), private("ec-1"), "ES384")),
    ("a kid that is empty", "header", lambda: made(headers={"kid": ""})),
    ("a kid that is a number", "token", lambda: by_hand({"alg": "ES384", "typ": "JWT", "kid": 1}, claims(NOW))),
    ("another type", "header", lambda: made(headers={"typ": "at+jwt"})),
    ("no type", "header", lambda: by_hand({"alg": "ES384", "kid": "ec-1"}, claims(NOW))),
    ("an extension it must understand", "token", lambda: made(headers={"crit": ["x"], "x": 1})),
    ("a payload that is kept elsewhere", "token", lambda: by_hand({"alg": "ES384", "typ": "JWT", "kid": "ec-1", "b64": False}, claims(NOW))),
    ("a foreign issuer", "issuer", lambda: made(iss="https://evil.example")),
    ("the issuer with a slash more", "issuer", lambda: made(iss=ISSUER + "/")),
    ("the issuer in capitals", "issuer", lambda: made(iss=ISSUER.upper())),
    ("another client's issuer", "tenant", lambda: made(iss=OTHER)),
    ("another client's issuer and tenant", "key", lambda: made(iss=OTHER, tenant="t1")),
    ("the audience of another endpoint", "audience", lambda: made(aud=DISCOVERY)),
    ("the audience of the feedback", "audience", lambda: made(aud=SERVICE + "/feedback")),
    ("the audience in http", "audience", lambda: made(aud=SERVICE.replace("https", "http"))),
    ("an audience of another client", "audience", lambda: made("ec-2", iss=OTHER, tenant="t1", aud="hand-typed")),
    ("an empty list of audiences", "audience", lambda: made(aud=[])),
    ("an audience that is null", "claims", lambda: made(aud=None)),
    ("an audience among which is a number", "claims", lambda: made(aud=[SERVICE, 1])),
    ("expired", "expired", lambda: made(iat=NOW - 300, exp=NOW - 30)),
    ("made in the future", "not-yet", lambda: made(iat=NOW + 31, exp=NOW + 300)),
    ("not to be used yet", "not-yet", lambda: made(nbf=NOW + 31)),
    ("too long a life", "lifetime", lambda: made(iat=NOW, exp=NOW + 1801)),
    ("a life from long ago", "lifetime", lambda: made(iat=NOW - 1750, exp=NOW + 100)),
    ("at its end before it began", "lifetime", lambda: made(iat=NOW + 20, exp=NOW - 20)),
    ("exp as text", "claims", lambda: made(exp=str(NOW + 60))),
    ("exp that is no time", "claims", lambda: by_hand({"alg": "ES384", "typ": "JWT", "kid": "ec-1"}, claims(NOW, exp=True))),
    ("exp beyond all time", "claims", lambda: made(exp=10**300)),
    ("exp that is no number", "token", lambda: by_hand({"alg": "ES384", "typ": "JWT", "kid": "ec-1"}, claims(NOW, exp=float("nan")))),
    ("exp without end", "token", lambda: by_hand({"alg": "ES384", "typ": "JWT", "kid": "ec-1"}, claims(NOW, exp=float("inf")))),
    ("nbf as text", "claims", lambda: by_hand({"alg": "ES384", "typ": "JWT", "kid": "ec-1"}, claims(NOW, nbf="now"))),
    ("no tenant where one is asked for", "tenant", lambda: made("ec-2", iss=OTHER)),
    ("another tenant", "tenant", lambda: made("ec-2", iss=OTHER, tenant="t2")),
    ("a tenant that is a list", "tenant", lambda: made("ec-2", iss=OTHER, tenant=["t1"])),
    *((f"no {name}", "claims", lambda name=name: made(**{name: ...})) for name in ("iss", "aud", "iat", "exp", "jti")),
    *((f"an empty {name}", "claims", lambda name=name: made(**{name: ""})) for name in ("jti",)),
    ("an empty issuer", "claims", lambda: made(iss="")),
    ("a jti too long", "claims", lambda: made(jti="x" * 513)),
    ("a jti that is a number", "claims", lambda: by_hand({"alg": "ES384", "typ": "JWT", "kid": "ec-1"}, claims(NOW, jti=7))),
    ("claims changed after signing", "signature", tampered),
    ("a signature cut off", "signature", lambda: made()[:-8]),
    ("no signature", "token", lambda: made().rpartition(".")[0] + "."),
    ("two parts", "token", lambda: made().rpartition(".")[0]),
    ("two tokens", "token", lambda: f"{made()},Bearer {made()}"),
    ("two tokens and a space", "token", lambda: f"{made()} {made()}"),
    ("garbage", "token", lambda: "garbage"),
    ("garbage in three parts", "token", lambda: "a.b.c"),
    ("nothing", "token", lambda: ""),
    ("another alphabet", "token", lambda: made() + "ä"),
    ("a line break", "token", lambda: made() + "\n"),
    ("a token of more than 8,192 characters", "token", lambda: made(note="x" * 8192)),
    ("a header that is a list", "token", lambda: by_hand(["ES384"], claims(NOW))),
    ("claims that are a list", "token", lambda: by_hand({"alg": "ES384", "typ": "JWT", "kid": "ec-1"}, [1])),
    ("claims that are not UTF-8", "token", lambda: raw(b"x\xff")),
    ("claims nested without end", "token", lambda: raw(b"[" * 3000)),
]  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_a_token_that_is_fine_names_its_client(name):
    assert why(f"Bearer {FINE[name]()}") == ""


@pytest.mark.parametrize(("word", "make"), [z[1:] for z in ZOO], ids=[z[0] for z in ZOO])
def test_a_token_that_is_not_is_refused_for_its_own_reason(word, make):
    assert why(f"Bearer {make()}") == word


@pytest.mark.parametrize("scheme", ["Basic {}", "{}", "", "Bearer", "BearerX {}", "Digest {}", "DPoP {}"])
def test_another_scheme_is_no_token(scheme):
    assert why(scheme.format(made())) == ("token" if scheme == "Bearer" else "no-token")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(scheme):
    assert why(f"{scheme} {made()}") == ""


def test_every_reason_has_been_given_here():
    assert {word for _, word, _ in ZOO} | {"no-token", "jku", "replay"} == set(WHY)


def test_an_endpoint_without_an_address_matches_no_audience_but_a_clients_own():
    assert why(f"Bearer {made(aud='/')}", endpoint="") == "audience"
    assert why(f"Bearer {made(aud='hand-typed')}", endpoint="") == ""


def test_issuer_and_jti_may_be_noted_but_nothing_else_and_no_line_break():
    for members, noted in (
        ({"exp": NOW - 60, "iat": NOW - 90, "jti": "j-1"}, {"why": "expired", "issuer": ISSUER, "jti": "j-1"}),
        ({"iss": "Mrs Ann\nx", "jti": "a b"}, {"why": "issuer", "issuer": "", "jti": ""}),
        ({"exp": "soon", "jti": "j-2"}, {"why": "claims", "issuer": ISSUER, "jti": "j-2"}),
    ):
        with pytest.raises(Unauthorized) as refused:
            checker().check(f"Bearer {by_hand({'alg': 'ES384', 'typ': 'JWT', 'kid': 'ec-1'}, claims(NOW, **members))}", SERVICE)
        assert refused.value.noted == noted


# --- used once -----------------------------------------------------------------------------------


def test_a_token_passes_once():
    checked, used = checker(), f"Bearer {made()}"
    assert [why(used, checked), why(used, checked), why(f"Bearer {made()}", checked)] == ["", "replay", ""]


def test_another_token_with_the_same_jti_does_not_pass_but_another_issuers_does():
    checked = checker(ehr(), Client("other", issuers=(OTHER,), keys=(read_key(jwk("ec-2")),)))
    first, second, other = made(jti="one"), made("rsa-1", jti="one"), made("ec-2", iss=OTHER, jti="one")
    assert [why(f"Bearer {t}", checked) for t in (first, second, other)] == ["", "replay", ""]


def test_a_jti_is_not_used_up_by_a_token_that_fails():
    checked = checker()
    forged = made("ec-9", headers={"kid": "ec-1"}, jti="mine")
    assert [why(f"Bearer {t}", checked) for t in (forged, made(jti="mine"))] == ["signature", ""]


def test_a_jti_is_kept_until_its_token_would_be_refused_anyway():
    kept = []

    class Memory:
        def first_use(self, issuer, jti, expires):
            kept.append((issuer, jti, expires))
            return True

    why(f"Bearer {made(jti='one')}", checker(replay=Memory(), terms=Terms(skew=7)))
    assert kept == [(ISSUER, "one", NOW + 300 + 8)]


def test_memory_forgets_what_has_expired_and_refuses_when_it_is_full():
    clock = [NOW]
    seen = Seen(most=2, now=lambda: clock[0])
    assert seen.first_use("a", "bc", NOW + 10) and seen.first_use("ab", "c", NOW + 20)
    assert not seen.first_use("a", "bc", NOW + 10)
    assert not seen.first_use("a", "new", NOW + 10), "full"
    clock[0] = NOW + 11
    assert seen.first_use("a", "new", NOW + 30)
    assert not seen.first_use("ab", "c", NOW + 20)


# --- keys that are fetched -----------------------------------------------------------------------


def fetching(server, *paths, **members):
    return Client("ehr", issuers=(ISSUER,), key_sets=tuple(server.base + p for p in paths or ("/jwks",)), **members)


def test_a_key_is_fetched_once_from_the_one_address_and_kept(server):
    checked = checker(fetching(server))
    for headers in ({}, {"jku": f"{server.base}/jwks"}, {}):
        assert why(f"Bearer {made(headers=headers)}", checked) == ""
    assert server.asked == ["/jwks"]


@pytest.mark.parametrize(
    "jku",
    ["https://evil.example/jwks", "{base}/other", "{base}/jwks/", "{base}/jwks?x=1", "{base}/jwks#x", "{base}/JWKS", "", None, 5, ["{base}/jwks"]],
)
def test_a_jku_that_is_not_on_the_list_is_refused_and_nothing_is_fetched(server, jku):
    given = jku.format(base=server.base) if isinstance(jku, str) else jku
    assert why(f"Bearer {made(headers={'jku': given})}", checker(fetching(server))) == "jku"
    assert server.asked == []


@pytest.mark.parametrize("members", [{"iss": "https://evil.example"}, {"aud": DISCOVERY}, {"exp": NOW - 90, "iat": NOW - 99}, {"jti": ...}])
def test_nothing_is_fetched_for_a_token_that_is_refused_anyway(server, members):
    assert why(f"Bearer {made(**members)}", checker(fetching(server))) != ""
    assert server.asked == []


def test_without_a_jku_all_addresses_of_the_client_are_looked_at(server):
    assert why(f"Bearer {made()}", checker(fetching(server, "/a", "/b"))) == ""
    assert why(f"Bearer {made('ec-9')}", checker(fetching(server, "/a", "/b"))) == "key"
    assert server.asked == ["/a", "/a", "/b"]


def test_with_a_jku_no_other_address_is_looked_at(server):
    checked = checker(fetching(server, "/a", "/b"))
    assert why(f"Bearer {made(headers={'jku': server.base + '/b'})}", checked) == ""
    assert server.asked == ["/b"]


def test_keys_given_by_hand_come_before_those_that_are_fetched(server):
    assert why(f"Bearer {made()}", checker(fetching(server, keys=(read_key(jwk("ec-1")),)))) == ""
    assert server.asked == []


class Clock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


@pytest.fixture
def kept(server):
    """A key set at the server whose clock the test turns; failures are noted in `told`."""
    sets = KeySets(frozenset({server.base}), lambda address, why: sets.told.append(why))
    sets.told, sets.now = [], Clock()
    return sets


def found(sets, server, kid="ec-1"):
    return sets.find(server.base, kid, "ES384") is not None


def test_an_unknown_kid_is_fetched_for_but_not_at_every_call(server, kept):
    assert found(kept, server)
    server.publish("ec-1", "ec-2")
    assert not found(kept, server, "ec-2"), "only a moment has passed"
    assert len(server.asked) == 1
    kept.now.time += fetched.PAUSE
    assert found(kept, server, "ec-2")
    for _ in range(20):
        assert not found(kept, server, "ec-9")
    assert len(server.asked) == 2


def test_an_old_set_is_fetched_again_and_a_key_that_was_taken_back_is_gone(server, kept):
    assert found(kept, server)
    server.publish("ec-2")
    kept.now.time += fetched.FRESH - 1
    assert found(kept, server)
    kept.now.time += 1
    assert not found(kept, server)


def test_an_old_set_serves_for_a_day_while_its_address_fails(server, kept):
    assert found(kept, server)
    server.answer = (503, {}, b"")
    kept.now.time += fetched.LAST_RESORT - 1
    assert found(kept, server)
    kept.now.time += fetched.PAUSE
    assert not found(kept, server)
    assert kept.told == ["http-503", "http-503"]


def test_while_one_caller_renews_an_old_set_the_others_go_on(server, kept):
    assert found(kept, server)
    kept.now.time += fetched.FRESH
    with kept._sets[server.base].lock:  # as if another thread were fetching
        assert found(kept, server)
    assert len(server.asked) == 1


def test_callers_that_need_a_key_at_the_same_time_cause_one_fetch(server, kept):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(found(kept, server))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, len(server.asked)) == ([True] * 8, 1)


BIG = b" " * (fetched.MOST_BYTES + 1)


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((302, {"Location": "/elsewhere"}, b""), "http-302"),
        ((301, {"Location": "https://evil.example/jwks"}, b""), "http-301"),
        ((404, {}, b"{}"), "http-404"),
        ((500, {}, b"<html>"), "http-500"),
        ((200, {}, b"<html>"), "not-json"),
        ((200, {}, b'{"keys": ['), "not-json"),
        ((200, {}, BIG), "too-large"),
        ((200, {"Content-Encoding": "gzip"}, b"no gzip"), "no-connection"),
        ((200, {}, b"[]"), "no-usable-key"),
        ((200, {}, b'{"keys": {}}'), "no-usable-key"),
        ((200, {}, b'{"keys": []}'), "no-usable-key"),
        ((200, {}, b'{"keys": [5, null, {"kty": "oct", "kid": "ec-1", "k": "c2VjcmV0"}]}'), "no-usable-key"),
    ],
)
def test_an_address_that_fails_gives_no_key_and_says_why(server, kept, answer, word):
    server.answer = answer
    assert not found(kept, server)
    assert (kept.told, len(server.asked)) == ([word], 1)


def test_an_address_that_nobody_answers_at_gives_no_key():
    with callers.key_server() as gone:
        pass
    told = []
    sets = KeySets(frozenset({gone.base}), lambda address, why: told.append(why))
    assert not found(sets, gone)
    assert told == ["no-connection"]


def test_an_answer_that_takes_too_long_is_given_up(server, kept, monkeypatch):
    monkeypatch.setattr(fetched, "BUDGET", 0.000001)
    assert not found(kept, server)
    assert kept.told == ["too-slow"]


# --- keys ----------------------------------------------------------------------------------------

BAD_KEYS = [
    ("no object", "key", "must be a JSON object"),
    ("a shared secret", {"kty": "oct", "kid": "x", "k": "c2VjcmV0"}, "a private or shared key"),
    ("a private key", jwk("ec-1", d="c2VjcmV0"), "a private or shared key"),
    ("another curve", jwk("ec-p256"), "give an RSA key, or an EC key on the curve P-384"),
    ("an Edwards key", {"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "AA"}, "give an RSA key"),
    ("no type", jwk("ec-1", kty=...), "give an RSA key"),
    ("a type that is a list", jwk("ec-1", kty=["EC"]), "give an RSA key"),
    ("no kid", jwk("ec-1", kid=...), "has no kid"),
    ("an empty kid", jwk("ec-1", kid=""), "has no kid"),
    ("another algorithm", jwk("rsa-1", alg="RS256"), "it is RS384"),
    ("a key to encrypt with", jwk("rsa-1", use="enc"), "not for signatures"),
    ("a key to sign with", jwk("rsa-1", key_ops=["sign"]), "not for signatures"),
    ("a short key", jwk("rsa-short"), "at least 2048 bits"),
    ("half a key", jwk("ec-1", y=...), "cannot be read"),
    ("a point off the curve", jwk("ec-1", y=jwk("ec-2")["y"]), "cannot be read"),
    ("a number for a part", jwk("rsa-1", n=5), "cannot be read"),
    ("letters for a part", jwk("rsa-1", n="ä"), "cannot be read"),
]


@pytest.mark.parametrize(("given", "words"), [b[1:] for b in BAD_KEYS], ids=[b[0] for b in BAD_KEYS])
def test_a_key_that_cannot_serve_is_refused_with_what_to_do(given, words):
    with pytest.raises(BadKey, match=words) as refused:
        read_key(given)
    assert "c2VjcmV0" not in str(refused.value)
    assert usable({"keys": [given, jwk("ec-1")]}) == usable({"keys": [jwk("ec-1")]}) or len(usable({"keys": [given, jwk("ec-1")]})) == 1


def test_a_key_says_nothing_of_itself():
    assert "PyJWK" not in repr(read_key(jwk("ec-1")))


def test_an_open_service_has_a_client_too():
    assert (OPEN.name, OPEN.issuer, OPEN.fhir_bases, ehr().issuer) == ("open", "", (), ISSUER)


# --- the manual ----------------------------------------------------------------------------------


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
CLIENT = schema()["$defs"]["client"]["properties"]


def test_every_reason_is_told_of_in_its_own_words():
    checked = PAGE.split("## What is checked")[1].split("## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", checked, re.MULTILINE) == list(WHY.items())


def test_every_member_of_the_client_file_is_told_of():
    assert re.findall(r"^\| `([a-z]+)` \| ", PAGE.split("## What is checked")[0], re.MULTILINE) == [m for m in CLIENT if m != "note"]


def test_the_manuals_client_file_is_read(tmp_path):
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "clients.yaml"
    path.write_text(example)
    (tmp_path / "oracle-jwks.json").write_text(json.dumps({"keys": [jwk("ec-1")]}))
    assert [c.name for c in load(path)] == ["Epic production", "Oracle production"]
