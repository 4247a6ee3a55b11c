"""Answer → assessment JSON, as assessment.schema.json describes it. Absent members are omitted."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.dates import iso
from cds_service.model.facts import Evidence
from cds_service.model.outcomes import Answer, Assessment, Outcome
from cds_service.model.trials import Criterion, Interpretation

_COUNTED = {"met": "met", "not-met": "notMet", "unknown": "unknown", "manual": "manual", "not-applicable": "notApplicable"}

#: What never changes about a criterion, written once. Keyed by identity, since a criterion's hash would
#: walk its whole predicate; the criterion is kept beside it, so that its id cannot come to name another.
_heads: dict[int, tuple[Criterion, dict[str, object], dict[str, object]]] = {}
_MOST_HEADS = 8192


def assessment_json(answer: Answer, trial: str | None = None) -> dict[str, object]:
    """Every cohort, or those of one trial."""
    chosen = answer.assessments if trial is None else [a for a in answer.assessments if a.trial.id == trial]
    return whole(answer, [cohort_json(a) for a in chosen])


def whole(answer: Answer, cohorts: Iterable[dict[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {"asOf": iso(answer.as_of), "patient": answer.patient, "assessments": list(cohorts)}
    if answer.faults:
        found["faults"] = [{"reference": f.reference, "why": f.why} for f in answer.faults]
    if answer.incomplete:
        found["incomplete"] = [{"list": name, "reason": reason} for name, reason in answer.incomplete]
    return found


def cohort_json(assessment: Assessment) -> dict[str, object]:
    counts = {"met": 0, "noRecord": 0, "notMet": 0, "unknown": 0, "manual": 0, "notApplicable": 0}
    criteria = []
    for outcome in assessment.outcomes:
        counts[_COUNTED[outcome.outcome]] += 1
        if outcome.outcome == "met" and outcome.finding.basis == "no-record":
            counts["noRecord"] += 1
        criteria.append(_criterion(outcome))
    return {
        "trial": assessment.trial.id,
        "cohort": assessment.cohort.id,
        "status": assessment.status,
        "recruiting": assessment.trial.recruiting,
        "counts": counts,
        "criteria": criteria,
    }


def _criterion(outcome: Outcome) -> dict[str, object]:
    criterion, verdict, finding = outcome
    kept = _heads.get(id(criterion))
    _, head, tail = kept if kept is not None else _remember(criterion)
    found = head.copy()
    found["outcome"] = verdict
    if finding.basis:
        found["basis"] = finding.basis
    if verdict == "unknown" and finding.reason:
        found["reason"] = finding.reason
    elif verdict == "manual" and finding.ask:
        found["ask"] = finding.ask
    if finding.evidence:
        found["evidence"] = [_evidence(e) for e in finding.evidence]
    if tail:
        found.update(tail)
    return found


def _evidence(evidence: Evidence) -> dict[str, object]:
    found: dict[str, object] = {"reference": evidence.reference, "value": evidence.value}
    if evidence.date:
        found["date"] = evidence.date
    if not evidence.used:
        found["used"] = False
    if evidence.note:
        found["note"] = evidence.note
    return found


def _remember(criterion: Criterion) -> tuple[Criterion, dict[str, object], dict[str, object]]:
    head: dict[str, object] = {"id": criterion.id, "kind": criterion.kind, "label": criterion.label, "ref": criterion.ref}
    if criterion.pivotal:
        head["pivotal"] = True
    tail: dict[str, object] = {"interpretation": _interpretation(criterion.interpretation)} if criterion.interpretation else {}
    if len(_heads) >= _MOST_HEADS:  # only a process that loads rules again and again comes here
        _heads.clear()
    _heads[id(criterion)] = (criterion, head, tail)
    return _heads[id(criterion)]


def _interpretation(reading: Interpretation) -> dict[str, object]:
    found: dict[str, object] = {"reading": reading.reading, "why": reading.why, "decides": reading.decides, "review": reading.review}
    if reading.alternatives:
        found["alternatives"] = list(reading.alternatives)
    return found
