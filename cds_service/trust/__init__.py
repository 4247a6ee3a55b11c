"""Who is calling: the trusted-client file, their public keys, and the check of a token. Knows no Flask, no FHIR, no patient.

`clients` reads CDS_CLIENTS, `keys` reads JWK sets, `fetched` keeps those that are fetched,
`tokens` checks a token, `replay` remembers which have been used.
"""

from cds_service.trust.clients import load
from cds_service.trust.fetched import KeySets
from cds_service.trust.replay import Replay, Seen
from cds_service.trust.tokens import WHY, Checker, Terms

__all__ = ["WHY", "Checker", "KeySets", "Replay", "Seen", "Terms", "load"]
