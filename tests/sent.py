"""The same record as a hook request brings it: its results left as they were sent."""

from __future__ import annotations

import json
from typing import Any

import orjson

from cds_service.fetch.bundles import apart, read_page
from cds_service.model.facts import Record
from cds_service.wire import body_reader

KEY = "results-kidney"
_read = body_reader([KEY])


def as_sent(patient_id: str, resources: list[dict[str, Any]]) -> Record | None:
    """None where it cannot be had: no JSON, a result without an id, a value that FHIR has no name for."""
    results = [r for r in resources if isinstance(r, dict) and r.get("resourceType") == "Observation"]
    others = [r for r in resources if not any(r is each for each in results)]
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r, "search": {"mode": "match"}} for r in results]}
    try:
        data = orjson.dumps({"prefetch": {KEY: page}})
        if json.loads(data)["prefetch"][KEY] != page or not results:
            return None
        body: Any = _read(data)
    except (TypeError, ValueError):
        return None
    part = read_page(body["prefetch"][KEY])
    if len(part.sent) != len(results) or not apart(part.sent, [r for r in others if isinstance(r, dict) and "resourceType" in r]):
        return None
    return Record(patient_id, others, sent=part.sent)
