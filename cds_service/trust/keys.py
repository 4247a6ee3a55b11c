"""JWK sets → public keys. Only what can check RS384 or ES384; a private or shared key is never one."""

from __future__ import annotations

from collections.abc import Mapping

import jwt

from cds_service.model.clients import Key

#: Key type and curve → the one algorithm such a key may be used with (CDS Hooks 2.0.1 recommends these two).
ALGORITHMS: Mapping[tuple[str, str], str] = {("RSA", ""): "RS384", ("EC", "P-384"): "ES384"}
_SMALLEST_RSA = 2048
MOST_KEYS = 100


class BadKey(ValueError):
    """What is wrong with one JWK, and how to mend it. Repeats nothing of it: it may be a secret."""


def read_key(jwk: object) -> Key:
    """Raises BadKey."""
    if not isinstance(jwk, Mapping):
        raise BadKey("a key must be a JSON object")
    if any(name in jwk for name in ("d", "p", "q", "k")):
        raise BadKey("a private or shared key; replace that key, since it is no secret any more, and give the public part only")
    kind, curve = jwk.get("kty"), jwk.get("crv", "") if jwk.get("kty") == "EC" else ""
    algorithm = ALGORITHMS.get((kind, curve)) if isinstance(kind, str) and isinstance(curve, str) else None
    if algorithm is None:
        raise BadKey("not usable; give an RSA key, or an EC key on the curve P-384")
    name = jwk.get("kid")
    if not isinstance(name, str) or not 1 <= len(name) <= 256:
        raise BadKey("has no kid; give it the one that the tokens carry")
    if jwk.get("alg", algorithm) != algorithm:
        raise BadKey(f"its alg does not fit; for this type of key it is {algorithm}")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise BadKey("is not for signatures; give one with use: sig")
    return Key(name, algorithm, _material(jwk, algorithm))


def _material(jwk: Mapping[str, object], algorithm: str) -> jwt.PyJWK:
    try:
        material = jwt.PyJWK(dict(jwk), algorithm)
        size = int(material.key.key_size)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):  # PyJWT lets what the bytes themselves refuse through
        raise BadKey("cannot be read; copy it again, whole") from None
    if algorithm == "RS384" and size < _SMALLEST_RSA:
        raise BadKey(f"too short; RSA keys have at least {_SMALLEST_RSA} bits")
    return material


def usable(jwks: object) -> tuple[Key, ...]:
    """The usable keys of a fetched set; others are passed over, since a set may serve other purposes too."""
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else None
    found: dict[tuple[str, str], Key] = {}
    for jwk in listed[:MOST_KEYS] if isinstance(listed, list) else ():
        try:
            key = read_key(jwk)
        except BadKey:
            continue
        found.setdefault((key.id, key.algorithm), key)
    return tuple(found.values())
