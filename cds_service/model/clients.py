"""Who may call: the clients that a site has named, with what is known of each."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Key:
    """One public key. `algorithm` is the only one it may be used with; `material` is the verifier's own form of it."""

    id: str
    algorithm: str
    material: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """An EHR, or one environment of it. All lists are allow-lists and are compared character by character.

    `fhir_bases`: FHIR servers it may send us to, without a trailing slash; none: CDS_FHIR_HOSTS applies.
    `key_sets`: addresses its keys may be fetched from. `audiences`: what may stand for the endpoint's
    address. `tenants`: none: not looked at. `rate`: calls a minute; None: CDS_RATE_LIMIT, 0: no limit.
    """

    name: str
    fhir_bases: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    key_sets: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()
    audiences: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    rate: int | None = None

    @property
    def issuer(self) -> str:
        return self.issuers[0] if self.issuers else ""


#: Whoever calls a service that asks for no token.
OPEN = Client("open")
