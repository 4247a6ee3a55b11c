"""What an answer rests on → one keyed hash, which is the same as long as the deciding data are.

Time alone does not change it: a result that grows stale, a birthday or a window that ends are no
news from the record. What was read goes in (reference, date, value), and which criteria wait for a
list that could not be read. Outcomes do not: the same data can give others on another day. Nor does
it matter which criterion rests on a result: when one grows stale, another of several ways may count.
"""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.model.outcomes import Assessment, Outcome
from cds_service.model.served import Look
from cds_service.store.keys import Keys

_UNREAD = ("unavailable", "truncated")


def look(assessment: Assessment, patient: str, keys: Keys) -> Look:
    """`patient` is a keyed hash: the same data in two patients give two fingerprints."""
    trial, cohort = assessment.trial, assessment.cohort.id
    parts = sorted({part for outcome in assessment.outcomes for part in _parts(outcome)})
    return Look(
        trial.id,
        cohort,
        assessment.status,
        trial.version,
        keys.of("data", patient, trial.id, cohort, trial.version, *parts),
        any(o.finding.reason in _UNREAD for o in assessment.outcomes),
        " ".join([o.criterion.id for o in assessment.outcomes if o.outcome in ("unknown", "manual")]),
    )


def _parts(outcome: Outcome) -> Iterable[str]:
    criterion, _, finding = outcome
    if finding.reason in _UNREAD:
        yield f"{criterion.id}\x1e{finding.reason}"
    for reference, date, value, *_ in finding.evidence:
        if reference.startswith("Patient/"):
            value = ""  # the age grows by itself
        yield f"{reference}\x1e{date}\x1e{value}"
