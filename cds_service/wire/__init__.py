"""CDS Hooks JSON ⇄ nouns. The only home of CDS Hooks' member names; fetches nothing, decides nothing.

`envelope` and `body` read its bytes, `incoming` the request, `contexts` what its hook brings, `prefetch` compiles the templates,
`outgoing` writes cards and errors, `assessments` writes the assessment, `drafts` builds every FHIR resource that is sent,
`openapi` describes all of it.
"""

from cds_service.wire.assessments import assessment_json
from cds_service.wire.body import body_reader
from cds_service.wire.contexts import HOOKS, SERVICE, SERVICES
from cds_service.wire.drafts import prepare
from cds_service.wire.envelope import repeated
from cds_service.wire.incoming import AS_OF, instance_of, read_request
from cds_service.wire.openapi import openapi
from cds_service.wire.outgoing import ASSESSMENT, REASONS, discovery, error, response
from cds_service.wire.prefetch import templates

__all__ = [
    "ASSESSMENT",
    "AS_OF",
    "HOOKS",
    "REASONS",
    "SERVICE",
    "SERVICES",
    "assessment_json",
    "body_reader",
    "discovery",
    "error",
    "instance_of",
    "openapi",
    "prepare",
    "read_request",
    "repeated",
    "response",
    "templates",
]
