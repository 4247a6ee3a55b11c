"""What an answer rests on → one keyed hash, which is the same as long as the deciding data are.

What the pivotal criteria rest on goes in as it was read (reference, date, value): activity, severity,
failure of therapy. Of the others only whether there is anything on record: a result that was missing is
news, the next normal blood count is not, or a dismissed card would be back within days. Which criteria
wait for a list that could not be read goes in, too.

Time alone does not change it: a result that grows stale, a birthday or a window that ends are no news
from the record. So outcomes do not go in: the same data can give others on another day. Nor does it
matter which pivotal criterion rests on a result: when one grows stale, another of several ways may count.
"""

from __future__ import annotations

from cds_service.keyed import Keys
from cds_service.model.outcomes import Assessment
from cds_service.model.served import Look

_OPEN = ("unknown", "manual")
_UNREAD = ("unavailable", "truncated")


def look(assessment: Assessment, patient: str, keys: Keys) -> Look:
    """`patient` is a keyed hash: the same data in two patients give two fingerprints."""
    trial, cohort = assessment.trial, assessment.cohort.id
    parts, left_open, partial = set(), [], False
    for criterion, word, finding in assessment.outcomes:  # one loop without calls: a clinician is waiting
        if word in _OPEN:
            left_open.append(criterion.id)
            if finding.reason in _UNREAD:
                partial = True
                parts.add(f"{criterion.id}\x1e{finding.reason}")
        for reference, date, value, *_ in finding.evidence:
            if reference[:8] != "Patient/":  # a patient's age grows by itself
                parts.add(f"{reference}\x1e{date}\x1e{value}" if criterion.pivotal else criterion.id)
    fingerprint = keys.of("data", patient, trial.id, cohort, trial.version, *sorted(parts))
    return Look(trial.id, cohort, assessment.status, trial.version, fingerprint, partial, " ".join(left_open))
