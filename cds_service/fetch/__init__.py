"""A Bundle, a prefetch or a FHIR server → Record. Knows Bundles and HTTP; understands no clinical resource.

`files` reads one Bundle given whole, `gathering` joins prefetch and server, `bundles` reads a page, `belonging` looks
whether it is the one that was asked for, `jobs` says what to ask. Only `server`, `talk` and `guard` go to the network.
"""

from typing import TYPE_CHECKING, Any

from cds_service.fetch.files import from_bundle
from cds_service.fetch.gathering import gather

if TYPE_CHECKING:
    from cds_service.fetch.server import FhirServer

__all__ = ["FhirServer", "from_bundle", "gather"]


def __getattr__(name: str) -> Any:
    """FhirServer at its first use: the HTTP libraries take a tenth of a second to load, and who evaluates a file asks nobody."""
    if name == "FhirServer":
        from cds_service.fetch.server import FhirServer

        return FhirServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
