"""What is open and why, in words: results that are missing, points that need judgement, lists that did not arrive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cds_service.dates import NBSP, iso, shift
from cds_service.model.facts import TRUNCATED, UNAVAILABLE, Evidence
from cds_service.model.outcomes import Outcome
from cds_service.model.predicates import Period
from cds_service.words import clean, count, listed, lists_words, number
from cds_service.words.asked import UPPER, asked, need_of
from cds_service.words.values import Ink, amount, dated, day_words, is_result, needs_words, shown, test_name, value_words

#: A value shown beside a missing one, and the value before the newest: what the evaluator notes on evidence.
BESIDE, EARLIER = "shown, does not decide", "earlier"
_NAMED = 3  #: missing tests named in one line
_JUDGED = ("needs-judgement", "ambiguous-record")


class Gap(NamedTuple):
    """One thing that is missing: criteria that lack the same thing are one gap.

    `tests`: one concept a test that is still needed; of several that would each do (a count or a share) the first.
    """

    what: str
    outcomes: tuple[Outcome, ...]
    pivotal: bool
    tests: tuple[str, ...]


def _tests(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    open_ = dict.fromkeys([c for o in outcomes for c in o.finding.concepts])
    if len(open_) < 2:
        return tuple(open_)
    for outcome in outcomes:
        for leaf in asked(outcome.criterion).tests:
            if len(leaf.concepts) > 1:
                for spare in [c for c in leaf.concepts if c in open_][1:]:
                    del open_[spare]
    return tuple(open_)


def kind_of(outcome: Outcome) -> str:
    """Of an unknown outcome: unread (a list did not arrive) | result (a test can settle it) | point (it cannot)."""
    finding = outcome.finding
    if finding.reason in (UNAVAILABLE, TRUNCATED) or finding.lists:
        return "unread"
    return "result" if finding.concepts and finding.reason not in _JUDGED else "point"


def gaps(unknown: Iterable[Outcome], kind: str) -> tuple[Gap, ...]:
    """Gaps of one kind, pivotal criteria first, else in the order of the trial record."""
    return grouped([o for o in unknown if kind_of(o) == kind])


def grouped(unknown: Sequence[Outcome]) -> tuple[Gap, ...]:
    if not unknown:
        return ()
    found: dict[str, list[Outcome]] = {}
    for outcome in sorted(unknown, key=lambda o: not o.criterion.pivotal):
        found.setdefault(asked(outcome.criterion).key, []).append(outcome)
    return tuple([Gap(asked(same[0].criterion).name, tuple(same), any([o.criterion.pivotal for o in same]), _tests(same)) for same in found.values()])


def unread_lists(unknown: Iterable[Outcome], incomplete: Mapping[str, str]) -> dict[str, str]:
    """The lists that leave these outcomes open: list name -> unavailable | truncated."""
    found: dict[str, str] = {}
    for outcome in unknown:
        if kind_of(outcome) == "unread":
            for name in outcome.finding.lists:
                found[name] = incomplete.get(name, outcome.finding.reason if outcome.finding.reason == TRUNCATED else UNAVAILABLE)
    return found or dict(incomplete)


def tally(missing: int, points: int) -> str:
    """`3 results are missing, 2 points are open`; empty when nothing is."""
    said = [f"{count(missing, 'result is', 'results are')} missing"] if missing else []
    return ", ".join(said + ([f"{count(points, 'point is', 'points are')} open"] if points else []))


# --- reasons ----------------------------------------------------------------------------------


class Reader(NamedTuple):
    """What reasons are worded with: the day, how many days a concept's values stay fresh, and the concepts' names."""

    ink: Ink
    as_of: int
    fresh: Mapping[str, int] = {}
    names: Mapping[str, str] = {}


def gap_words(reader: Reader, gap: Gap) -> str:
    """`Neutrophil count: only a share, 58 % (18 Oct 2026); needs at least 1 × 10⁹/L`."""
    return reader.ink.own(asked(gap.outcomes[0].criterion).start) + reason_words(reader, gap.outcomes[0])


def reason_words(reader: Reader, outcome: Outcome) -> str:
    """The words after the name of what is unknown, with the colon or space that joins them."""
    finding, ink = outcome.finding, reader.ink
    seen = _newest(outcome)
    match finding.reason:
        case "no-data":
            return _no_data(reader, outcome, seen)
        case "stale":
            return _stale(reader, outcome, seen)
        case "unavailable" | "truncated":
            return _unread(finding.lists, finding.reason)
        case "conflicting":
            return _conflicting(reader, outcome)
        case "comparator" if seen:
            return _comparator(reader, outcome, seen)
        case "imprecise-date":
            return f": date is only {day_words(ink, seen.date)}" if seen and seen.date else ": no date on record"
        case "unit" if seen and _is_share(outcome, seen):
            return _share(ink, outcome, seen)
        case "needs-judgement" if seen and is_result(seen):
            return _value(reader, outcome, seen, "needs a clinician's judgement")
    plain = _REASONS.get(finding.reason or "", "open")
    if seen and is_result(seen) and finding.reason in ("unit", "method", "no-reference-range"):
        return _with_value(reader, outcome, seen, plain)
    return f": {plain}"


_REASONS = {
    "unit": "unit missing or not convertible",
    "no-reference-range": "the laboratory gave no upper limit",
    "comparator": "reported as a range that cannot be held against the limit",
    "unreadable": "one entry could not be read",
    "method": "measured by a method this trial does not accept",
    "needs-judgement": "the code cannot say how severe or how current",
    "ambiguous-record": "the trial record can be read two ways",
}


def _newest(outcome: Outcome) -> Evidence | None:
    seen = [e for e in outcome.finding.evidence if e.note != EARLIER and "Patient/" not in e.reference]
    return max(seen, key=lambda e: e.date, default=None)


def _test(reader: Reader, outcome: Outcome, seen: Evidence) -> str:
    """Which test a value is of, where the criterion asks for several."""
    return test_name(reader.ink, seen, reader.names) if asked(outcome.criterion).several else ""


def _needs(ink: Ink, outcome: Outcome, seen: Evidence, concept: str = "") -> str:
    need, found = need_of(outcome, concept), amount(seen.value)
    if need is None:
        return ""
    note = seen.note if UPPER.fullmatch(seen.note) else ""
    return f"; needs {needs_words(ink, need, found.unit if found else '', note)}"


def _value(reader: Reader, outcome: Outcome, seen: Evidence, why: str, needs: bool = False) -> str:
    """A value and why it does not decide. One of several tests is named, and held against its own limit."""
    value, test = value_words(reader.ink, seen) + dated(reader.ink, seen), _test(reader, outcome, seen)
    tail = _needs(reader.ink, outcome, seen, seen.concept if test else "") if needs else ""
    return f": {test}{value}, {why}{tail}" if test else f" {value}: {why}{tail}"


def _with_value(reader: Reader, outcome: Outcome, seen: Evidence, why: str) -> str:
    """A criterion that asks more than one thing is not named as if the value were its own."""
    if need_of(outcome) or _test(reader, outcome, seen):
        return _value(reader, outcome, seen, why, needs=True)
    return f": {value_words(reader.ink, seen)}{dated(reader.ink, seen)}, {why}"


def _is_share(outcome: Outcome, seen: Evidence) -> bool:
    """A percentage where the trial asks for a count."""
    found, need = amount(seen.value), need_of(outcome)
    return bool(found and found.unit == "%" and need and need.unit != "%" and not need.times)


def _share(ink: Ink, outcome: Outcome, seen: Evidence) -> str:
    found = amount(seen.value)
    assert found is not None  # _is_share has seen it
    return f": only a share, {found.words}\u00a0%{dated(ink, seen)}{_needs(ink, outcome, seen)}"


def _no_data(reader: Reader, outcome: Outcome, seen: Evidence | None) -> str:
    if seen and seen.note == BESIDE and _is_share(outcome, seen):
        return _share(reader.ink, outcome, seen)
    if seen and seen.note == BESIDE:
        value = test_name(reader.ink, seen, reader.names) + value_words(reader.ink, seen) + dated(reader.ink, seen)
        return f": no result on record; another test shows {value}"
    if seen and is_result(seen):  # a lasting finding is asked for, and there are too few values to show it lasts
        return _with_value(reader, outcome, seen, "too few values to decide")
    if outcome.finding.concepts:
        return f": no result{_lacking(reader, outcome)} on record"
    return f": {shown(reader.ink, seen)}" if seen and seen.note else ": nothing on record"


def _lacking(reader: Reader, outcome: Outcome) -> str:
    """Which tests are missing, where a criterion asks for several and has some: of the others nobody may say so."""
    missing = outcome.finding.concepts
    tests = asked(outcome.criterion).tests
    if not asked(outcome.criterion).several or all(set(leaf.concepts) & set(missing) for leaf in tests):
        return ""
    names = [reader.names[c] for c in missing if c in reader.names]
    return f" for {reader.ink.own(listed(names[:_NAMED], 'or'))}" if len(names) == len(missing) <= _NAMED else ""


def _comparator(reader: Reader, outcome: Outcome, seen: Evidence) -> str:
    ink, test = reader.ink, _test(reader, outcome, seen)
    need = need_of(outcome, seen.concept if test else "")
    quoted = f'"{clean(seen.value, 60)}"'
    limit = " and ".join(number(x.value) for x in need.limits) + (f"{NBSP}×{NBSP}upper limit" if need.times else "") if need else "the limit"
    return f": {test}reported as {ink.text(quoted)}{dated(ink, seen)}, cannot be held against {limit}"


def _stale(reader: Reader, outcome: Outcome, seen: Evidence | None) -> str:
    age = _limit_of_age(reader, outcome, seen)
    if not seen or not seen.date:
        return f": {age}"
    return f": {_test(reader, outcome, seen)}last {day_words(reader.ink, seen.date)}, {age}"


def _limit_of_age(reader: Reader, outcome: Outcome, seen: Evidence | None) -> str:
    """`older than 6 months`: by the criterion's own period, else the concept's freshness, else what the date shows."""
    concepts = set(outcome.finding.concepts)
    for leaf in asked(outcome.criterion).tests:
        if leaf.within and (not concepts or concepts & set(leaf.concepts)):
            return f"older than {_period(leaf.within)}"
    days = {reader.fresh[c] for c in outcome.finding.concepts if c in reader.fresh}
    if len(days) == 1:
        return f"older than {_fresh_words(days.pop())}"
    if seen and seen.date and seen.date[:10] < iso(shift(reader.as_of, -6, "months")):
        return "older than 6 months"
    return "too old to decide"


def _fresh_words(days: int) -> str:
    months = {180: 6, 183: 6, 365: 12, 366: 12, 90: 3}.get(days)
    return f"{months} months" if months else count(days, "day", "days")


def _period(period: Period) -> str:
    return count(period.count, period.unit.removesuffix("s"), period.unit)


def _conflicting(reader: Reader, outcome: Outcome) -> str:
    seen = [e for e in outcome.finding.evidence if is_result(e) and e.note not in (EARLIER, BESIDE)]
    ink = reader.ink
    if len(seen) > 1:
        return ": results disagree: " + ", ".join([_test(reader, outcome, e) + value_words(ink, e) + dated(ink, e) for e in seen[:3]])
    if seen and any(leaf.formula for leaf in asked(outcome.criterion).tests):
        return _value(reader, outcome, seen[0], "two formulas disagree", needs=True)
    return ": results disagree"


def _unread(lists: Sequence[str], reason: str) -> str:
    words = f"the {lists_words(lists)}" if lists else "a list"
    return f": only part of {words} arrived" if reason == TRUNCATED else f": {words} did not load"
