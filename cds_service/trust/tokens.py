"""The check of one CDS Hooks JWT. Nothing is fetched before issuer and jku are known; no jti is used up before the signature holds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jwt
import orjson

from cds_service.errors import Unauthorized
from cds_service.model.clients import Client, Key
from cds_service.trust.fetched import KeySets
from cds_service.trust.keys import ALGORITHMS
from cds_service.trust.replay import Replay

#: Why a call was refused, in the order of the checks: for the log, never for the answer.
WHY: Mapping[str, str] = {
    "no-token": "no Authorization header, or another scheme than Bearer",
    "token": "not one signed JWT of at most 8,192 characters, or it demands an extension of the format",
    "algorithm": "another algorithm than RS384 or ES384",
    "header": "typ is not JWT, or kid is missing",
    "claims": "iss, aud, exp, iat or jti is missing or of the wrong type",
    "issuer": "iss is not in the client file",
    "jku": "jku is not one of this client's",
    "audience": "aud is neither this endpoint's address nor one of this client's audiences",
    "expired": "exp has passed",
    "not-yet": "iat or nbf lies in the future",
    "lifetime": "exp is before iat, or further from it than CDS_TOKEN_LIFETIME",
    "tenant": "tenant is missing or not one of this client's",
    "key": "no usable key has this kid, or its set cannot be fetched",
    "signature": "the signature does not hold",
    "replay": "this jti has been used",
}
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_MOST = 8192
#: What may stand in the log: unchecked callers write these.
_PRINTABLE = re.compile(r"[!-~]{1,256}", re.ASCII)
_jws = jwt.PyJWS(algorithms=list(ALGORITHMS.values()))


class Terms(NamedTuple):
    """`skew`: seconds by which clocks may differ. `lifetime`: most seconds from iat to exp."""

    skew: int = 30
    lifetime: int = 1800


class _Claims(NamedTuple):
    issuer: str
    audiences: tuple[str, ...]
    expires: float
    issued: float
    not_before: float
    jti: str
    tenant: object


class Checker:
    """Tokens of these clients. `check` is the whole of it."""

    def __init__(
        self, clients: tuple[Client, ...], sets: KeySets, replay: Replay, terms: Terms | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._clients = {issuer: client for client in clients for issuer in client.issuers}
        self._sets = sets
        self._replay = replay
        self._terms = terms or Terms()
        self._now = now

    def check(self, authorization: str, endpoint: str) -> Client:
        """The client that calls `endpoint` with this Authorization header. Raises Unauthorized; its `noted` says why."""
        token = _bearer(authorization)
        header, claims = _read(token)
        issuer, jti = claims.issuer, claims.jti
        client = self._clients.get(issuer)
        why = "issuer" if client is None else self._fault(client, header, claims, endpoint)
        if client is None or why:
            raise _refused(why, claims)
        key = self._key(client, header)
        if key is None:
            raise _refused("key", claims)
        try:
            _jws.decode_complete(token, key.material, algorithms=[key.algorithm])  # type: ignore[arg-type]  # a PyJWK, made by trust.keys
        except jwt.PyJWTError:
            raise _refused("signature", claims) from None
        if not self._replay.first_use(issuer, jti, int(claims.expires) + self._terms.skew + 1):
            raise _refused("replay", claims)
        return client

    def _fault(self, client: Client, header: Mapping[str, Any], claims: _Claims, endpoint: str) -> str:
        """What can be said without a key: the name of the first check that fails."""
        now, skew = self._now(), self._terms.skew
        # Without addresses of its own a client's keys are given by hand, and where it says they are is nothing to us.
        if client.key_sets and header.get("jku", client.key_sets[0]) not in client.key_sets:
            return "jku"
        called = endpoint.rstrip("/")
        if not any(name in client.audiences or (called and name.rstrip("/") == called) for name in claims.audiences):
            return "audience"
        if claims.expires <= now - skew:
            return "expired"
        if claims.issued > now + skew or claims.not_before > now + skew:
            return "not-yet"
        if not 0 < claims.expires - claims.issued <= self._terms.lifetime:
            return "lifetime"
        return "tenant" if client.tenants and claims.tenant not in client.tenants else ""

    def _key(self, client: Client, header: Mapping[str, Any]) -> Key | None:
        name, algorithm = header["kid"], header["alg"]
        for key in client.keys:
            if (key.id, key.algorithm) == (name, algorithm):
                return key
        for address in (header["jku"],) if client.key_sets and "jku" in header else client.key_sets:
            if (found := self._sets.find(address, name, algorithm)) is not None:
                return found
        return None


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("no-token")
    if len(token) > _MOST or not _TOKEN.fullmatch(token):
        raise Unauthorized("token")
    return token


def _read(token: str) -> tuple[Mapping[str, Any], _Claims]:
    """Header and claims, not yet believed. PyJWT takes the token apart; orjson refuses NaN, which its own reader lets through."""
    try:
        parts = _jws.decode_complete(token, options={"verify_signature": False})
        header, claims = parts["header"], orjson.loads(parts["payload"])
    except (jwt.PyJWTError, orjson.JSONDecodeError):
        raise Unauthorized("token") from None
    if header.get("alg") not in ALGORITHMS.values():
        raise Unauthorized("algorithm")
    kid, kind = header.get("kid"), header.get("typ")
    if not isinstance(kid, str) or not kid or not isinstance(kind, str) or kind.upper() != "JWT":
        raise Unauthorized("header")
    return header, _claims(claims)


def _claims(found: object) -> _Claims:
    if not isinstance(found, dict):
        raise Unauthorized("token")
    audience = found.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    times: list[Any] = [found.get("exp"), found.get("iat"), found.get("nbf", found.get("iat"))]
    words = [found.get("iss"), found.get("jti")]
    if (
        not isinstance(audiences, list)
        or not all(isinstance(a, str) and a for a in audiences)
        or not all(isinstance(w, str) and 0 < len(w) <= 512 for w in words)
        or not all(isinstance(t, int | float) and not isinstance(t, bool) and 0 < t < 1e11 for t in times)
    ):
        issuer, jti = (w if isinstance(w, str) else "" for w in words)
        raise Unauthorized("claims", _printable(issuer), _printable(jti))
    return _Claims(found["iss"], tuple(audiences), times[0], times[1], times[2], found["jti"], found.get("tenant"))


def _refused(why: str, claims: _Claims) -> Unauthorized:
    return Unauthorized(why, _printable(claims.issuer), _printable(claims.jti))


def _printable(text: str) -> str:
    return text if _PRINTABLE.fullmatch(text) else ""
