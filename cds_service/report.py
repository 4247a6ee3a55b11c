"""Answer → plain text for a person at a terminal: every cohort, every criterion that matters. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from cds_service.dates import NBSP
from cds_service.model.facts import Evidence
from cds_service.model.outcomes import Answer, Assessment, Outcome
from cds_service.model.trials import Trial
from cds_service.words import change, clean, count, day, in_sentence, name_of, trial_state, unread_words
from cds_service.words.gaps import Reader, gaps, kind_of, reason_words
from cds_service.words.values import BARE, Ink, is_result, shown

WIDTH = 100
_CODES = 15  #: unmapped codes shown
_SETS, _DAYS = 3, 3  #: what would decide it, and days to look again; `explain` shows all
_INK = Ink(clean, clean)
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_AGE_OR_SEX = re.compile(r"\d{1,3}( to \d{1,3})? (years|months)|female|male")
_ORDER = ("candidate", "possible", "excluded")


class _Page(NamedTuple):
    as_of: int
    names: Mapping[str, str]
    lists: Mapping[str, str]


def as_text(answer: Answer, names: Mapping[str, str] = _NO_NAMES) -> str:
    """The whole answer in at most 100 columns. `names`: words of the concepts."""
    page = _Page(answer.as_of, names, dict(answer.incomplete))
    blocks = [_opening(answer)]
    for status in _ORDER:
        blocks += [_cohort(a, page) for a in answer.assessments if a.status == status]
    blocks.append(_others([a for a in answer.assessments if a.status == "not-applicable"]))
    blocks.append(_coverage(answer))
    text = "\n\n".join("\n".join(block) for block in blocks if block)
    return text.replace(NBSP, " ") + "\n"  # no-break spaces have held the lines together; a terminal is searched with plain ones


def _wrap(text: str, indent: int = 0, hang: int = 0) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang), break_on_hyphens=False)


def _opening(answer: Answer) -> list[str]:
    said = [(status, sum(a.status == status for a in answer.assessments)) for status in (*_ORDER, "not-applicable")]
    groups = count(len(answer.assessments), "patient group", "patient groups")
    trials = count(len({a.trial.id for a in answer.assessments}), "trial", "trials")
    counted = ", ".join(f"{n} {status.replace('-', ' ')}" for status, n in said if n)
    lines = _wrap(f"{clean(answer.patient)} as of {day(answer.as_of)}: {groups} of {trials}{' checked, ' if counted else ' checked'}{counted}.")
    if answer.incomplete:
        words = unread_words(dict(answer.incomplete))
        lines += _wrap(f"Check incomplete: {words}. This says nothing about the patient.")
    return lines


# --- one cohort -------------------------------------------------------------------------------


def _cohort(assessment: Assessment, page: _Page) -> list[str]:
    trial, cohort = assessment.trial, assessment.cohort
    heading = f"{assessment.status.upper()}  {trial.id}/{cohort.id}  {clean(trial.product)} for {clean(cohort.disease)}"
    lines = _wrap(heading, hang=2)
    lines += _wrap(_state(trial, page.as_of), 2)
    lines += _wrap(_sentence(assessment), 2)
    lines += _wrap(_counts(assessment), 2)
    sections = [(f"{title} ({len(rows)})", rows) for title, rows in _sections(assessment, page)]
    for title, rows in (*_change(assessment, page), *sections):
        if rows:
            lines += ["", f"  {title}"]
            lines += [line for row in rows for line in _wrap(f"- {row}", 4, 2)]
    return lines


def _change(assessment: Assessment, page: _Page) -> Iterable[tuple[str, list[str]]]:
    """What would change the answer, the most telling first."""
    for title, rows, most in (
        ("What would decide it", change.deciders(assessment, page.names), _SETS),
        ("Questions that no result settles", change.questions(assessment), len(assessment.questions)),
        ("When to look again", change.look_again(assessment), _DAYS),
    ):
        yield f"{title} ({len(rows)})" if len(rows) <= most else f"{title} (the first {most} of {len(rows)})", rows[:most]


def _state(trial: Trial, as_of: int) -> str:
    status = clean(trial.status).replace("-", " ")
    return f"{status[:1].upper()}{status[1:]}. {trial_state(trial, as_of)}".strip()


def _sentence(assessment: Assessment) -> str:
    if assessment.status == "excluded":
        return f"Ruled out by: {'; '.join(name_of(o.criterion) for o in assessment.of('not-met'))}."
    if assessment.status == "candidate":
        manual = len(assessment.of("manual"))
        ask = f" {manual} {'needs' if manual == 1 else 'need'} a person." if manual else ""
        return f"Every criterion the record can answer is met.{ask}"
    return "Nothing on record rules this trial out."


def _counts(assessment: Assessment) -> str:
    met, unknown = assessment.of("met"), assessment.of("unknown")
    bare = sum(o.finding.basis == "no-record" for o in met)
    missing, points, unread = (sum(kind_of(o) == kind for o in unknown) for kind in ("result", "point", "unread"))
    aside = len(assessment.of("not-applicable"))
    said = [
        (len(met) - bare, "met on record"),
        (bare, "with no record of the excluded condition"),
        (len(assessment.of("not-met")), "not met"),
        (missing, "result missing" if missing == 1 else "results missing"),
        (points, "point open" if points == 1 else "points open"),
        (unread, "not checked: a list was not read"),
        (len(assessment.of("manual")), "for the investigator"),
        (aside, "does not apply" if aside == 1 else "do not apply"),
    ]
    return " · ".join(f"{number}{NBSP}{words}" for number, words in said if number)


def _sections(assessment: Assessment, page: _Page) -> Iterable[tuple[str, list[str]]]:
    met, unknown = assessment.of("met"), assessment.of("unknown")
    reader = Reader(_INK, page.as_of)
    yield "Ruled out by", [_decided(o, page) for o in assessment.of("not-met")]
    yield "Missing", [_gap(reader, o, page) for gap in gaps(unknown, "result") for o in gap.outcomes]
    yield "Open questions", [_gap(reader, o, page) for gap in gaps(unknown, "point") for o in gap.outcomes]
    yield "Not checked: a list was not read", [_gap(reader, o, page) for o in unknown if kind_of(o) == "unread"]
    yield "For the investigator", [_asked(o) for o in assessment.of("manual")]
    yield "Met", [_decided(o, page) for o in met if o.finding.basis != "no-record"]
    yield "No record of", [_labelled(o) for o in met if o.finding.basis == "no-record"]


def _labelled(outcome: Outcome) -> str:
    return f"{clean(outcome.criterion.label)} [{clean(outcome.criterion.ref)}]"


def _decided(outcome: Outcome, page: _Page) -> str:
    """`eGFR at least 45 [Inclusion 4]: 52 mL/min/1.73 m² (18 Oct 2026), Observation/o1`."""
    finding = outcome.finding
    said = [text for e in finding.evidence if (e.used or "beside a reported" in e.note) and (text := _fact(e, page))]
    basis = {"computed": " (computed)", "assumed": " (upper limit from site settings)"}.get(finding.basis or "", "")
    if "computed" in " ".join(said):
        basis = ""  # the note names the formula
    near = f"; close to the limit: {clean(finding.near.limit)}" if finding.near else ""
    return _labelled(outcome) + (f": {'; '.join(said)}{basis}" if said else basis) + near + _reading(outcome)


def _fact(evidence: Evidence, page: _Page) -> str:
    if "Patient/" in evidence.reference:  # no birth date in a text that is pasted into mails
        return evidence.value if _AGE_OR_SEX.fullmatch(evidence.value) else ""
    name = f"{page.names[evidence.concept]} " if is_result(evidence) and evidence.concept in page.names else ""
    note = f", {clean(evidence.note)}" if is_result(evidence) and evidence.note and not BARE.fullmatch(evidence.note) else ""
    return f"{name}{shown(_INK, evidence)}{note}, {clean(evidence.reference)}"


def _gap(reader: Reader, outcome: Outcome, page: _Page) -> str:
    wanted = [page.names[c] for c in outcome.finding.concepts if c in page.names]
    told = reason_words(reader, outcome)
    joined = told if told.startswith(":") else f":{told}"
    asks = f" (would settle it: {', '.join(wanted)})" if wanted and kind_of(outcome) == "result" else ""
    seen = ", ".join(dict.fromkeys(clean(e.reference) for e in outcome.finding.evidence if "Patient/" not in e.reference))
    return _labelled(outcome) + joined + (f", {seen}" if seen else "") + asks + _reading(outcome)


def _asked(outcome: Outcome) -> str:
    ask = clean(outcome.finding.ask or "").rstrip(".")
    why = clean(outcome.criterion.why_manual).rstrip(".")
    beside = [f"{shown(_INK, e)}, {clean(e.reference)}" for e in outcome.finding.evidence if "Patient/" not in e.reference]
    tail = "".join(f": {text}" for text in (ask,) if text) + (f" ({in_sentence(why)})" if why else "")
    return _labelled(outcome) + tail + (f"; on record: {'; '.join(beside)}" if beside else "")


def _reading(outcome: Outcome) -> str:
    """How an unclear record was read, where that rules the patient out or leaves the question open."""
    read = outcome.criterion.interpretation
    if read is None or not (outcome.outcome == "not-met" or outcome.finding.reason in ("needs-judgement", "ambiguous-record")):
        return ""
    others = "; ".join(clean(a).rstrip(".") for a in read.alternatives)
    said = f"; record unclear, read as: {clean(read.reading).rstrip('.')}"
    return f"{said}{f'; could be read as: {others}' if others else ''} ({clean(read.review)})"


# --- the rest ---------------------------------------------------------------------------------


def _others(assessments: list[Assessment]) -> list[str]:
    if not assessments:
        return []
    named = ", ".join(f"{a.trial.id}/{a.cohort.id} ({clean(a.cohort.short_disease or a.cohort.disease)})" for a in assessments)
    return _wrap(f"NOT APPLICABLE  The disease is not on record, or another group comes first: {named}.", hang=2)


def _coverage(answer: Answer) -> list[str]:
    """What was not used, so that nobody takes silence for a check."""
    lines: list[str] = []
    if answer.incomplete:
        lines += _wrap(f"Lists not read whole: {unread_words(dict(answer.incomplete))}.", 2, 2)
    if answer.faults:
        lines += [f"  Entries that could not be used ({len(answer.faults)})"]
        lines += [line for f in answer.faults for line in _wrap(f"- {clean(f.reference)}: {clean(f.why)}", 4, 2)]
    if answer.unmapped:
        codes = sorted(answer.unmapped, key=lambda u: (-u.count, u.system, u.code))
        lines += [f"  Codes that no criterion knows ({len(codes)})"]
        for u in codes[:_CODES]:
            times = f" ({u.count} times)" if u.count > 1 else ""
            lines += _wrap(f"- {clean(u.system)} {clean(u.code)}{f' {clean(u.display)}' if u.display else ''}{times}", 4, 2)
        if len(codes) > _CODES:
            lines.append(f"    … and {len(codes) - _CODES} more")
    return ["COVERAGE", *lines] if lines else []
