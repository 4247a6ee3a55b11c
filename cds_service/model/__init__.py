"""The nouns: facts about a patient, predicates of a trial, outcomes. Knows no FHIR, no YAML, no HTTP."""
