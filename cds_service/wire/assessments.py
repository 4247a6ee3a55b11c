"""Answer → assessment JSON, as assessment.schema.json describes it. Absent members are omitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import orjson

from cds_service.dates import iso
from cds_service.model.facts import Evidence
from cds_service.model.outcomes import Answer, Assessment, Finding, Outcome
from cds_service.model.trials import Criterion, Interpretation


class _Kept(NamedTuple):
    """What never changes about a criterion, written once: its members up to the outcome, its interpretation, and
    what it says where no evidence is shown, by verdict, basis, reason and question."""

    criterion: Criterion
    head: dict[str, object]
    interpretation: dict[str, object] | None
    ready: dict[tuple[str, str | None, str | None, str | None], tuple[dict[str, object], orjson.Fragment]]


#: Keyed by identity, since a criterion's hash would walk its whole predicate; the criterion is kept beside it,
#: so that its id cannot come to name another.
_heads: dict[int, _Kept] = {}
_MOST_HEADS = 8192
_COUNTED = {"unknown": "unknown", "manual": "manual", "not-met": "notMet", "not-applicable": "notApplicable"}
_IN_CONFLICT = ("reference", "date", "value")


def assessment_json(answer: Answer, trial: str | None = None) -> dict[str, object]:
    """Every cohort, or those of one trial."""
    chosen = answer.assessments if trial is None else [a for a in answer.assessments if a.trial.id == trial]
    return whole(answer, [cohort_json(a) for a in chosen], trial)


def whole(answer: Answer, cohorts: Iterable[dict[str, object]], trial: str | None = None) -> dict[str, object]:
    found: dict[str, object] = {"asOf": iso(answer.as_of), "patient": answer.patient, "assessments": list(cohorts)}
    faults = [{"reference": f.reference, "why": f.why} for f in answer.faults]
    if trial is None:  # the coverage line of a whole answer; a card has no room for it
        faults += [{"reference": f"{u.system}|{u.code}", "why": f"no mapping for this code, on record {u.count} ×"} for u in answer.unmapped]
    if faults:
        found["faults"] = faults
    if answer.incomplete:
        found["incomplete"] = [{"list": name, "reason": reason} for name, reason in answer.incomplete]
    return found


def cohort_json(assessment: Assessment, packed: bool = False) -> dict[str, object]:
    """packed: criteria that show no evidence are JSON already, written once for all patients; for an answer that is only sent."""
    counts = {"met": 0, "noRecord": 0, "notMet": 0, "unknown": 0, "manual": 0, "notApplicable": 0}
    found: dict[str, object] = {
        "trial": assessment.trial.id,
        "cohort": assessment.cohort.id,
        "status": assessment.status,
        "recruiting": assessment.trial.recruiting,
        "counts": counts,
        "criteria": _criteria(assessment.outcomes, counts, packed),
    }
    if assessment.decides:
        found["decides"] = [{"facts": list(d.facts), "criteria": list(d.criteria), "settles": d.settles, "cost": d.cost} for d in assessment.decides]
    if assessment.look_again:
        found["lookAgain"] = [{"date": iso(a.day), "criterion": a.criterion, "why": a.why} for a in assessment.look_again]
    if assessment.questions:
        found["questions"] = [{"criterion": q.criterion, "ask": q.ask} for q in assessment.questions]
    return found


def _criteria(outcomes: Iterable[Outcome], counts: dict[str, int], packed: bool) -> list[object]:
    """One loop, which also counts: a call for each outcome would cost as much as the writing."""
    criteria: list[object] = []
    met = bare = 0  # by far the most outcomes
    for criterion, verdict, finding in outcomes:
        basis, evidence = finding.basis, finding.evidence
        if verdict == "met":
            met += 1
            bare += basis == "no-record"
        else:
            counts[_COUNTED[verdict]] += 1
        try:
            kept = _heads[id(criterion)]
        except KeyError:
            kept = _remember(criterion)
        if not evidence and finding.near is None:  # nothing of the patient in it: the same for everybody
            said = verdict, basis, finding.reason, finding.ask
            ready = kept.ready.get(said)
            if ready is None:
                found = _criterion(kept, verdict, finding)
                ready = kept.ready[said] = found, orjson.Fragment(orjson.dumps(found))
            criteria.append(ready[packed])
        else:
            criteria.append(_criterion(kept, verdict, finding))
    counts["met"], counts["noRecord"] = met, bare
    return criteria


def _criterion(kept: _Kept, verdict: str, finding: Finding) -> dict[str, object]:
    found = kept.head.copy()
    found["outcome"] = verdict
    if finding.basis:
        found["basis"] = finding.basis
    else:
        del found["basis"]
    if verdict == "unknown" and finding.reason:
        found["reason"] = finding.reason
    elif verdict == "manual" and finding.ask:
        found["ask"] = finding.ask
    if finding.evidence:
        found["evidence"] = _evidence(finding.evidence)
        if finding.reason == "conflicting":
            found["conflict"] = [{k: v for k, v in item.items() if k in _IN_CONFLICT} for item in _evidence(finding.evidence)]
    if finding.near is not None:
        found["nearMiss"] = {k: v for k, v in finding.near._asdict().items() if v}
    if kept.interpretation is not None:
        found["interpretation"] = kept.interpretation
    return found


def _evidence(evidence: Iterable[Evidence]) -> list[dict[str, object]]:
    seen = []
    for one in evidence:
        found: dict[str, object] = {"reference": one.reference, "value": one.value}
        if one.date:
            found["date"] = one.date
        if not one.used:
            found["used"] = False
        if one.note:
            found["note"] = one.note
        seen.append(found)
    return seen


def _remember(criterion: Criterion) -> _Kept:
    head: dict[str, object] = {"id": criterion.id, "kind": criterion.kind, "label": criterion.label, "ref": criterion.ref}
    if criterion.pivotal:
        head["pivotal"] = True
    head |= {"outcome": "", "basis": ""}  # their places are kept, so that a copy need not grow
    kept = _Kept(criterion, head, _interpretation(criterion.interpretation) if criterion.interpretation else None, {})
    if len(_heads) >= _MOST_HEADS:  # only a process that loads rules again and again comes here
        _heads.clear()
    _heads[id(criterion)] = kept
    return kept


def _interpretation(reading: Interpretation) -> dict[str, object]:
    found: dict[str, object] = {"reading": reading.reading, "why": reading.why, "decides": reading.decides, "review": reading.review}
    if reading.alternatives:
        found["alternatives"] = list(reading.alternatives)
    return found
