"""CDS Hooks JSON ⇄ nouns. The only home of CDS Hooks' member names; fetches nothing, decides nothing.

`incoming` reads a request, `prefetch` compiles the templates, `outgoing` writes cards and
errors, `assessments` writes the assessment, `drafts` builds every FHIR resource that is sent.
"""

from cds_service.wire.assessments import assessment_json
from cds_service.wire.drafts import prepare
from cds_service.wire.incoming import AS_OF, HOOK, instance_of, read_request
from cds_service.wire.outgoing import ASSESSMENT, SERVICE, discovery, error, response
from cds_service.wire.prefetch import systems, templates

__all__ = [
    "ASSESSMENT",
    "AS_OF",
    "HOOK",
    "SERVICE",
    "assessment_json",
    "discovery",
    "error",
    "instance_of",
    "prepare",
    "read_request",
    "response",
    "systems",
    "templates",
]
