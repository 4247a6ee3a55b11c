"""Findings → words: every part of every criterion, with what it says, why, and on what evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cds_service.dates import in_words as day_words
from cds_service.dates import iso
from cds_service.model.facts import Evidence
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Answer, Assessment, Outcome, Reasoning
from cds_service.model.predicates import All, Any, AtLeast, Doubt, Manual, Not, Predicate, Unless, When
from cds_service.model.trials import Criterion
from cds_service.words import change, clean, trial_state
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


_ISO = re.compile(r"\d{4}-\d\d-\d\d")
_SHOWN = 2  #: facts shown beside the name of a criterion


class Branch(NamedTuple):
    """One part: what is asked, what the record says, why, the evidence line by line, and its own parts."""

    asked: str
    says: str
    why: str
    evidence: tuple[str, ...]
    parts: tuple[Branch, ...]


class Twig(NamedTuple):
    """One criterion. `why`: what decided it, or why it is open. `lead`: how its tree is to be read, since what an exclusion asks for is bad news."""

    outcome: str
    label: str
    place: str
    why: str
    reading: str
    near: str
    lead: str
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
    return Sheet(
        f"{trial.product} for {assessment.cohort.disease}",
        f"{trial.id}/{assessment.cohort.id}",
        f"{trial.status.replace('-', ' ').capitalize()}. {trial_state(trial, answer.as_of)}".strip(),
        clean(answer.patient),
        day_words(iso(answer.as_of)),
        assessment.status.replace("-", " "),
        counts(assessment),
        tuple(_twig(o, reasoning(o.criterion), {**trial.labels, **names}) for o in assessment.outcomes),
        tuple(change.deciders(assessment, names)),
        tuple(change.questions(assessment)),
        tuple(change.look_again(assessment)),
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
    aside = len(assessment.of("not-applicable"))
    parts.append((aside, "does not apply" if aside == 1 else "do not apply"))
    return " · ".join(f"{n} {words}" for n, words in parts if n)


def _twig(outcome: Outcome, tree: Reasoning, names: Mapping[str, str]) -> Twig:
    criterion, finding = outcome.criterion, outcome.finding
    reading, near = criterion.interpretation, finding.near
    return Twig(
        outcome.outcome,
        criterion.label,
        criterion.ref,
        _because(outcome),
        f"{reading.reading} Why: {reading.why} Review: {reading.review}." if reading else "",
        _dates(clean(f"{near.value}; limit {near.limit}{'; ' + near.trend if near.trend else ''}")) if near else "",
        "Rules out" if criterion.kind == "exclusion" else "Needs",
        _branch(tree, names),
    )


def _because(outcome: Outcome) -> str:
    """The shortest reason: the facts that decided, what is missing, what to ask."""
    finding = outcome.finding
    if finding.ask:
        return clean(finding.ask)
    if finding.reason:
        return REASONS[finding.reason]
    used = [e for e in finding.evidence if e.used]
    more = f" and {len(used) - _SHOWN} more" if len(used) > _SHOWN else ""
    said = "; ".join(_fact(e) for e in used[:_SHOWN]) + more
    return said or BASES.get(finding.basis or "", "")


def _branch(tree: Reasoning, names: Mapping[str, str]) -> Branch:
    predicate, finding, parts = tree
    if isinstance(predicate, Manual):
        return Branch(clean(predicate.ask), _SAYS[MANUAL], "", tuple(_line(e) for e in finding.evidence), ())
    if parts:
        inner = [_branch(part, names) for part in parts]
        return Branch(_heading(predicate), _SAYS[finding.verdict], "", (), tuple(_marked(predicate, inner)))
    why = REASONS.get(finding.reason or "", "") if finding.verdict == UNKNOWN else BASES.get(finding.basis or "", "")
    why = "" if finding.basis == "recorded" and finding.evidence else why
    return Branch(in_words(predicate, names), _SAYS[finding.verdict], finding.ask or why, tuple(_line(e) for e in finding.evidence), ())


def _heading(predicate: Predicate) -> str:
    """The parts stand below: it is enough to say how they are joined."""
    match predicate:
        case All():
            return "all of these"
        case Any():
            return "any of these"
        case AtLeast(count, _):
            return f"at least {count} of these"
        case Not():
            return "not this"
        case Doubt(_, reason):
            return (
                "where this holds, a person has to judge"
                if reason == "needs-judgement"
                else "where this holds, the trial record can be read two ways"
            )
        case When():
            return "asked only of some patients"
        case Unless(_, _, then):
            return "with an exception" if then == "met" else "with an exception that leaves it open"
        case _:
            return "both the treatment and its effect"


def _marked(predicate: Predicate, parts: list[Branch]) -> list[Branch]:
    marks = {When: ("whom", "what"), Unless: ("rule", "exception")}.get(type(predicate))
    return [part._replace(asked=f"{mark}: {part.asked}") for mark, part in zip(marks, parts, strict=True)] if marks else parts


def _fact(e: Evidence) -> str:
    return clean(f"{e.value}{' on ' + day_words(e.date) if e.date else ''}")


def _line(e: Evidence) -> str:
    note = e.note or ("" if e.used else "does not decide")
    return clean(f"{_fact(e)} [{e.reference}]{' (' + _dates(note) + ')' if note else ''}")


def _dates(text: str) -> str:
    return _ISO.sub(lambda found: day_words(found[0]), text)
