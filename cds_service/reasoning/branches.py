"""Findings → words: every part of every criterion, with what it says, why, and on what evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from cds_service.dates import in_words as day_words
from cds_service.dates import iso
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Answer, Assessment, Outcome, Reasoning
from cds_service.model.trials import Criterion
from cds_service.words import clean, trial_state
from cds_service.words.predicates import in_words

#: Reasons and bases for a reader who has no card beside it.
REASONS: Mapping[str, str] = {
    "no-data": "no result on record",
    "stale": "too old to decide",
    "unit": "unit missing or not convertible",
    "no-reference-range": "the laboratory gave no upper limit",
    "comparator": "reported as more or less than a value, which cannot be held against this limit",
    "imprecise-date": "date not exact enough",
    "conflicting": "results disagree",
    "unreadable": "one entry could not be read",
    "unavailable": "the list did not load",
    "truncated": "only part of the list arrived",
    "method": "measured by a method this trial does not accept",
    "needs-judgement": "the code cannot say how severe or how current",
    "ambiguous-record": "the trial record can be read two ways",
}
BASES: Mapping[str, str] = {
    "recorded": "recorded",
    "computed": "computed",
    "no-record": "nothing on record",
    "assumed": "upper limit from site settings",
}
_SAYS = {TRUE: "yes", FALSE: "no", UNKNOWN: "unknown", MANUAL: "for a person", NOT_APPLICABLE: "does not apply"}
OUTCOMES: Mapping[str, str] = {
    "not-met": "Not met",
    "unknown": "Unknown",
    "manual": "Needs a person",
    "met": "Met",
    "not-applicable": "Does not apply",
}


class Branch(NamedTuple):
    """One part: what is asked, what the record says, why, the evidence line by line, and its own parts."""

    asked: str
    says: str
    why: str
    evidence: tuple[str, ...]
    parts: tuple[Branch, ...]


class Twig(NamedTuple):
    """One criterion."""

    outcome: str
    label: str
    place: str
    why: str
    reading: str
    near: str
    tree: Branch


class Sheet(NamedTuple):
    """One cohort, ready to lay out."""

    title: str
    trial: str
    state: str
    patient: str
    as_of: str
    status: str
    counts: str
    twigs: tuple[Twig, ...]
    decides: tuple[str, ...]
    questions: tuple[str, ...]
    look_again: tuple[str, ...]
    incomplete: tuple[str, ...]


def sheet(answer: Answer, assessment: Assessment, reasoning: Callable[[Criterion], Reasoning], names: Mapping[str, str]) -> Sheet:
    """`names`: words of the concepts by id."""
    trial = assessment.trial
    labels = {o.criterion.id: o.criterion.label for o in assessment.outcomes}
    return Sheet(
        f"{trial.product} for {assessment.cohort.disease}",
        f"{trial.id}/{assessment.cohort.id}",
        f"{trial.status.replace('-', ' ').capitalize()}. {trial_state(trial, answer.as_of)}".strip(),
        clean(answer.patient),
        day_words(iso(answer.as_of)),
        assessment.status.replace("-", " "),
        counts(assessment),
        tuple(_twig(o, reasoning(o.criterion), {**trial.labels, **names}) for o in assessment.outcomes),
        tuple(_decider(d.facts, d.criteria, d.settles, d.cost, names, labels) for d in assessment.decides),
        tuple(f"{labels[q.criterion]}: {q.ask}" for q in assessment.questions),
        tuple(f"{day_words(iso(a.day))}: {labels[a.criterion]} ({a.why})" for a in assessment.look_again),
        tuple(f"{name.replace('-', ' ')}: {REASONS[reason]}" for name, reason in answer.incomplete),
    )


def counts(assessment: Assessment) -> str:
    """Met on record, no record, missing and manual, each counted apart."""
    met = assessment.of("met")
    no_record = sum(o.finding.basis == "no-record" for o in met)
    parts = [(len(met) - no_record, "met on record"), (no_record, "with no record of the excluded condition")]
    parts += [
        (len(assessment.of("not-met")), "not met"),
        (len(assessment.of("unknown")), "unknown"),
        (len(assessment.of("manual")), "for the investigator"),
    ]
    parts.append((len(assessment.of("not-applicable")), "do not apply"))
    return " · ".join(f"{n} {words}" for n, words in parts if n)


def _twig(outcome: Outcome, tree: Reasoning, names: Mapping[str, str]) -> Twig:
    criterion, finding = outcome.criterion, outcome.finding
    reading = criterion.interpretation
    near = finding.near
    return Twig(
        outcome.outcome,
        criterion.label,
        criterion.ref,
        finding.ask or REASONS.get(finding.reason or "", "") or BASES.get(finding.basis or "", ""),
        f"{reading.reading} Why: {reading.why} Review: {reading.review}." if reading else "",
        f"{near.value}; limit {near.limit}{'; ' + near.trend if near.trend else ''}" if near else "",
        _branch(tree, names),
    )


def _branch(tree: Reasoning, names: Mapping[str, str]) -> Branch:
    predicate, finding, parts = tree
    why = REASONS.get(finding.reason or "", "") if finding.verdict == UNKNOWN else BASES.get(finding.basis or "", "")
    lines = tuple(_line(e.value, e.date, e.reference, "" if e.used else "not used", e.note) for e in finding.evidence)
    return Branch(
        in_words(predicate, names), _SAYS[finding.verdict], finding.ask or why, lines if not parts else (), tuple(_branch(p, names) for p in parts)
    )


def _line(value: str, date: str, reference: str, *notes: str) -> str:
    said = ", ".join(n for n in notes if n)
    return clean(f"{value}{' on ' + day_words(date) if date else ''} [{reference}]{' (' + said + ')' if said else ''}")


def _decider(facts: tuple[str, ...], criteria: tuple[str, ...], settles: str, cost: str, names: Mapping[str, str], labels: Mapping[str, str]) -> str:
    what = ", ".join(names.get(f, f.replace("_", " ").replace("-", " ")) for f in facts)
    ends = {"excluded": "could rule the trial out", "either": "decides it", "candidate": "can leave nothing open"}[settles]
    return f"{what} ({cost}): {ends}; settles {'; '.join(labels[c] for c in criteria)}"
