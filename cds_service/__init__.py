"""CDS Hooks service that suggests CAR-T and CAR-NK trials for kidney and rheumatic disease."""

__version__ = "0.1.0"
