"""CDS Hooks JSON ⇄ nouns. The only home of CDS Hooks' member names; fetches nothing, decides nothing.

`envelope` and `body` read its bytes, `incoming` the request, `contexts` what its hook brings, `prefetch` compiles the templates,
`outgoing` writes cards and errors, `feedback` reads what became of cards, `assessments` writes the assessment, `drafts` builds every
FHIR resource that is sent, `openapi` describes all of it.
"""

from cds_service.wire.assessments import assessment_json
from cds_service.wire.body import body_reader, parse
from cds_service.wire.contexts import HOOKS, SERVICE, SERVICES
from cds_service.wire.drafts import prepare
from cds_service.wire.envelope import repeated
from cds_service.wire.feedback import CRITERION, Refused, feedback_answer, read_feedback
from cds_service.wire.incoming import AS_OF, instance_of, read_request
from cds_service.wire.openapi import openapi
from cds_service.wire.outgoing import ASSESSMENT, REASONS, discovery, error, response, shown, silenced
from cds_service.wire.prefetch import systems, templates

__all__ = [
    "ASSESSMENT",
    "AS_OF",
    "CRITERION",
    "HOOKS",
    "REASONS",
    "SERVICE",
    "SERVICES",
    "Refused",
    "assessment_json",
    "body_reader",
    "discovery",
    "error",
    "feedback_answer",
    "instance_of",
    "openapi",
    "parse",
    "prepare",
    "read_feedback",
    "read_request",
    "repeated",
    "response",
    "shown",
    "silenced",
    "systems",
    "templates",
]
