"""The criteria language as tables: what is on record → the answer. Rendered into docs/semantics.md."""
