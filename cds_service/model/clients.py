"""Who may call: the clients that a site has named, with what is known of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    """An EHR, or one environment of it. `fhir_bases`: FHIR servers it may send us to; none: CDS_FHIR_HOSTS applies."""

    name: str
    fhir_bases: tuple[str, ...] = ()


#: Whoever calls a service that asks for no token.
OPEN = Client("open")
