"""Promises that hold for every predicate and every record, tried on generated ones."""
