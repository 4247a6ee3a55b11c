"""CDS Hooks JSON ⇄ nouns. The only home of CDS Hooks' member names; fetches nothing, decides nothing.

`incoming` reads a request, `prefetch` compiles the templates, `outgoing` writes cards and
errors, `feedback` reads what became of cards, `assessments` writes the assessment, `drafts` builds every FHIR resource that is sent.
"""

from cds_service.wire.assessments import assessment_json
from cds_service.wire.drafts import prepare
from cds_service.wire.feedback import CRITERION, Refused, feedback_answer, read_feedback
from cds_service.wire.incoming import AS_OF, HOOK, instance_of, read_request
from cds_service.wire.outgoing import ASSESSMENT, SERVICE, discovery, error, response
from cds_service.wire.prefetch import templates

__all__ = [
    "ASSESSMENT",
    "AS_OF",
    "CRITERION",
    "HOOK",
    "SERVICE",
    "Refused",
    "assessment_json",
    "discovery",
    "error",
    "feedback_answer",
    "instance_of",
    "prepare",
    "read_feedback",
    "read_request",
    "response",
    "templates",
]
