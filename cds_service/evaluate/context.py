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


NOT_APPLICABLE_FINDING = Finding(NOT_APPLICABLE)
_BASIS_ORDER = ("assumed", "computed", "recorded", "no-record")


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
    reason = next((f.reason for f in parts if f.reason), None)
    bases = {f.basis for f in parts}
    return Finding(
        verdict,
        reason,
        next((b for b in _BASIS_ORDER if b in bases), None),
        _unique(e for f in (*parts, *also) for e in f.evidence),
        "; ".join(_unique_text(f.ask for f in parts if f.ask)) or None,
        tuple(_unique_text(c for f in parts for c in f.concepts)),
        tuple(_unique_text(c for f in parts for c in f.lists)),
    )


def _unique(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Each fact once; where it decided one part and not another, it was used."""
    seen: dict[tuple[str, str], Evidence] = {}
    for item in evidence:
        key = (item.reference, item.value)
        if key not in seen or (item.used and not seen[key].used):
            seen[key] = item
    return tuple(seen.values())


def _unique_text(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def without_data(absent: str, ask: str, finding: Finding) -> Finding:
    """Apply what a leaf says of missing data to an UNKNOWN finding."""
    if absent == "manual" and finding.reason in ("no-data", "stale"):
        return finding._replace(verdict=MANUAL, reason=None, ask=ask)
    if absent == "no" and finding.reason == "no-data":
        return finding._replace(verdict=FALSE, reason=None, basis="no-record")
    return finding
