"""`cds-service demo`: a FHIR server, the service, and the synthetic patients whose cards are shown. Behind the command line only."""

from cds_service.demo.story import run

__all__ = ["run"]
