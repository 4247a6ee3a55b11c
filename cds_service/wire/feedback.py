"""A feedback body → entries that can be kept, and why the others cannot. Never repeats a value: comments can name a patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple

from cds_service.errors import BadRequest
from cds_service.model.served import ACCEPTED, OVERRIDDEN, Feedback
from cds_service.wire import drafts

#: In an entry, its reason or the reason's coding: the id of the criterion that missed what the clinician knew.
CRITERION = "org.cds-service.criterion"
MOST = 1000
_CARD = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
#: RFC 3339. Seconds may carry a fraction of any length; an offset other than Z is converted.
_STAMP = re.compile(r"([12]\d{3}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9._:/#-]{1,64}", re.ASCII)


class Refused(NamedTuple):
    """One entry that is not kept: its place from 0, and why."""

    place: int
    why: str


def read_feedback(body: object, criteria: Set[str]) -> tuple[tuple[Feedback, ...], tuple[Refused, ...]]:
    """Raises BadRequest where there is no list of entries. `criteria`: ids that an entry may name; others are not kept."""
    entries = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries:
        raise BadRequest("The body must be a JSON object with a list `feedback` of one entry or more.")
    if len(entries) > MOST:
        raise BadRequest(f"feedback has more than {MOST} entries: send them in parts.")
    kept: list[Feedback] = []
    refused: list[Refused] = []
    for place, entry in enumerate(entries):
        try:
            kept.append(_entry(entry, criteria))
        except ValueError as fault:
            refused.append(Refused(place, str(fault)))
    return tuple(kept), tuple(refused)


def feedback_answer(kept: int, refused: Sequence[Refused]) -> dict[str, object]:
    """An OperationOutcome: how many were kept, then each entry that was not, by its place."""
    issues: list[dict[str, object]] = []
    if kept:
        issues.append({"severity": "information", "code": "informational", "diagnostics": f"Kept: {kept}."})
    for place, why in refused:
        issues.append({"severity": "error", "code": "invalid", "diagnostics": f"feedback[{place}]: {why}", "expression": [f"feedback[{place}]"]})
    return drafts.issues(issues)


def _entry(entry: object, criteria: Set[str]) -> Feedback:
    """Raises ValueError with the member's name."""
    if not isinstance(entry, dict):
        raise ValueError("must be a JSON object.")
    card = entry.get("card")
    if not isinstance(card, str) or not _CARD.fullmatch(card):
        raise ValueError("card must be the uuid of a card.")
    outcome = entry.get("outcome")
    if outcome not in (ACCEPTED, OVERRIDDEN):
        raise ValueError(f"outcome must be {ACCEPTED} or {OVERRIDDEN}.")
    at = _instant(entry.get("outcomeTimestamp"))
    if outcome == ACCEPTED:
        _suggestions(entry.get("acceptedSuggestions"))
        return Feedback(card.lower(), ACCEPTED, at, comment=_commented(entry))
    reasons = _reasons(entry)
    coding = next((r["reason"] for r in reasons if r.get("reason") is not None), None)
    code = _code(coding)
    named = [holder.get("extension") for holder in (entry, *reasons, coding) if isinstance(holder, dict)]
    return Feedback(card.lower(), OVERRIDDEN, at, code, _criterion(named, criteria), any(map(_commented, (entry, *reasons))))


def _instant(value: object) -> int:
    """Milliseconds since 1970."""
    found = _STAMP.fullmatch(value) if isinstance(value, str) else None
    try:
        if found:
            day, clock, fraction, zone = found.groups()
            moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
            return int(moment.timestamp()) * 1000 + int((fraction or ".")[1:4].ljust(3, "0"))
    except (ValueError, OverflowError):  # a day that no calendar has, an offset of 99 hours: the same answer as below
        found = None
    raise ValueError("outcomeTimestamp must be a time like 2026-11-01T09:30:00Z.")


def _suggestions(value: object) -> None:
    if not isinstance(value, list) or not value or not all(isinstance(v, dict) and isinstance(v.get("id"), str) and v["id"] for v in value):
        raise ValueError("acceptedSuggestions must be a list of objects with the id of a suggestion, where outcome is accepted.")


def _reasons(entry: Mapping[str, object]) -> list[Mapping[str, object]]:
    """`overrideReason` as the standard spells it, `overrideReasons` as Epic does, there as an object or a list."""
    found: list[Mapping[str, object]] = []
    for name in ("overrideReason", "overrideReasons"):
        value = entry.get(name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                found.append(one)
            elif one is not None:
                raise ValueError(f"{name} must be a JSON object.")
    return found


def _code(coding: object) -> str:
    if coding is None:
        return ""
    code = coding.get("code") if isinstance(coding, dict) else None
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise ValueError("the override reason must be a Coding with a code: letters, digits and . _ : / # -, at most 64.")
    return code


def _criterion(extensions: Iterable[object], criteria: Set[str]) -> str:
    for extension in extensions:
        named = extension.get(CRITERION) if isinstance(extension, dict) else None
        if isinstance(named, str) and named in criteria:
            return named
    return ""


def _commented(holder: Mapping[str, object]) -> bool:
    said = holder.get("userComment")
    return isinstance(said, str) and bool(said.strip())
