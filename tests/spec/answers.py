"""What a question can be answered with, in words."""

from __future__ import annotations

from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, REASONS, TRUE

YES, NO, ASK, OUT = "yes", "no", "a person has to say", "does not apply"
ANSWERS = {TRUE: YES, FALSE: NO, MANUAL: ASK, NOT_APPLICABLE: OUT}

#: Each reason for not knowing, for a reader of the page.
REASON_WORDS = {
    "no-data": "nothing on record",
    "stale": "too old",
    "unit": "unit not usable",
    "no-reference-range": "no upper limit of normal",
    "comparator": "“below” or “above” does not settle it",
    "imprecise-date": "date not exact enough",
    "conflicting": "values of one day disagree",
    "unreadable": "value cannot be read",
    "unavailable": "list could not be fetched",
    "truncated": "list not read to its end",
    "method": "measured in a way that does not count",
    "needs-judgement": "a code alone cannot say",
    "ambiguous-record": "the trial record is unclear",
}


def unknown(reason: str) -> str:
    assert reason in REASONS, reason
    return f"unknown: {REASON_WORDS[reason]}"
