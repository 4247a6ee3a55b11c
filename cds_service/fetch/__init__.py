"""A Bundle, a prefetch or a FHIR server → Record. Knows Bundles and HTTP; understands no clinical resource.

`files` reads one Bundle given whole, `gathering` joins prefetch and server, `bundles` reads a page,
`server` is the only place that goes to the network.
"""

from cds_service.fetch.files import from_bundle
from cds_service.fetch.gathering import gather
from cds_service.fetch.server import FhirServer

__all__ = ["FhirServer", "from_bundle", "gather"]
