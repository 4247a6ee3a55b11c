"""What every compiled predicate works with: the node type, the anchor of a response, shared findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cds_service.dates import shift
from cds_service.model.facts import Evidence, Facts
from cds_service.model.outcomes import FALSE, MANUAL, NOT_APPLICABLE, TRUE, UNKNOWN, Finding
from cds_service.model.predicates import Period
from cds_service.model.vocabulary import Vocabulary


class Anchor(NamedTuple):
    """Inside a response: the day the therapy began, and the day from which its effect is judged."""

    start: int
    judged: int


#: One compiled predicate.
Node = Callable[[Facts, Anchor | None], Finding]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a predicate stands while it is compiled.

    excluding: a TRUE here rules the patient out (so a lone encounter code must not decide).
    holds: the verdict that stands whatever a guard says (see logic.when).
    """

    vocabulary: Vocabulary
    excluding: bool = False
    holds: int | None = TRUE


_new = tuple.__new__
NOT_APPLICABLE_FINDING = Finding(NOT_APPLICABLE)
#: A finding is as firm as the least firm of its parts; nothing recorded gives way to something recorded.
_BASIS_RANK = {"assumed": 0, "computed": 1, "recorded": 2, "no-record": 3}


def cutoff(facts: Facts, period: Period) -> int:
    """First day of the period that ends on the as-of day."""
    return shift(facts.as_of, -period.count, period.unit)


def unread(facts: Facts, lists: Iterable[str]) -> Finding | None:
    """UNKNOWN when one of `lists` was not read whole, else None."""
    if not facts.incomplete:
        return None
    missing = tuple(name for name in lists if name in facts.incomplete)
    if not missing:
        return None
    reasons = {facts.incomplete[name] for name in missing}
    return Finding(UNKNOWN, "unavailable" if "unavailable" in reasons else reasons.pop(), lists=missing)


def merge(verdict: int, findings: Sequence[Finding], also: Sequence[Finding] = ()) -> Finding:
    """One finding from the parts that decided it. `also`: parts whose evidence is worth showing beside."""
    parts = [f for f in findings if f.verdict == verdict]
    if len(parts) == 1 and not also:
        return parts[0]
    reason = basis = None
    seen: dict[tuple[str, str], Evidence] = {}
    asks: list[str] = []
    concepts: list[str] = []
    lists: list[str] = []
    for f in parts:
        reason = reason or f.reason
        if f.basis is not None and (basis is None or _BASIS_RANK[f.basis] < _BASIS_RANK[basis]):
            basis = f.basis
        if f.ask and f.ask not in asks:
            asks.append(f.ask)
        if f.concepts:
            concepts += [c for c in f.concepts if c not in concepts]
        if f.lists:
            lists += [name for name in f.lists if name not in lists]
        if f.evidence:
            _collect(f.evidence, seen)
    for f in also:
        _collect(f.evidence, seen)
    near = next((f.near for f in parts if f.near is not None), None)
    return _new(Finding, (verdict, reason, basis, tuple(seen.values()), "; ".join(asks) or None, tuple(concepts), tuple(lists), near))


def _collect(evidence: Sequence[Evidence], seen: dict[tuple[str, str], Evidence]) -> None:
    """Each fact once; where it decided one part and not another, it was used."""
    for item in evidence:
        key = (item.reference, item.value)
        if key not in seen or (item.used and not seen[key].used):
            seen[key] = item


def without_data(absent: str, ask: str, finding: Finding) -> Finding:
    """Apply what a leaf says of missing data to an UNKNOWN finding."""
    if absent == "manual" and finding.reason in ("no-data", "stale"):
        return finding._replace(verdict=MANUAL, reason=None, ask=ask)
    if absent == "no" and finding.reason == "no-data":
        return finding._replace(verdict=FALSE, reason=None, basis="no-record")
    return finding
