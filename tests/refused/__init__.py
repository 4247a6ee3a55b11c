"""A zoo of what must be refused. A package, because its files share names with those of tests/unit."""
