"""The bytes of a request before they are JSON: members that stand twice. What they say is `incoming`'s to read."""

from __future__ import annotations

import json

#: Whose record is read, and where the token goes. FHIR has no member of these names, so one count tells.
_ONCE = (b'"patientId"', b'"fhirServer"')
_EDGE = 4096  #: bytes
_INSIDE = ("context", "fhirAuthorization", "extension")


class _Pairs(list[tuple[str, object]]):
    """An object of JSON with every member it was sent with."""


def repeated(raw: bytes) -> str:
    """The name of a member of the hook request itself that stands twice, or "".

    JSON readers differ in which of two they take: what a gateway checked may not be what we read. Only
    bodies in which a telling name is found twice are read for it, since that takes longer than the call
    itself; and it is looked for at both ends, where EHRs put their own members: the prefetch between them
    may be megabytes. One that is not found (written with escapes, or behind 4 kB of something else): then
    the last one counts, everywhere in this service. `raw` is JSON.
    """
    edges = raw if len(raw) <= 2 * _EDGE else raw[:_EDGE] + raw[-_EDGE:]
    if all(edges.count(name) < 2 for name in _ONCE):
        return ""
    body = json.loads(raw, object_pairs_hook=_Pairs)
    if not isinstance(body, _Pairs):
        return ""
    return _twice(body) or next((found for name, value in body if name in _INSIDE and isinstance(value, _Pairs) and (found := _twice(value))), "")


def _twice(members: _Pairs) -> str:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            return name if name.isascii() and name.isalnum() and len(name) <= 40 else "a member"
        seen.add(name)
    return ""
