"""HTTP adapters over the pipeline. Know Flask; know no FHIR and decide nothing."""
