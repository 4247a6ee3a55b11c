"""Patients in words, as the vignettes write them → facts, and → FHIR. Knows no predicate and no outcome."""
