"""Tests on one value: limits on numbers, titres, words and classes; which eGFR formula may decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isinf

from cds_service.dates import shift
from cds_service.model.facts import Facts, Observation
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN
from cds_service.model.predicates import Limit, ObservationIs
from cds_service.model.vocabulary import Vocabulary

Verdict = tuple[int, str | None, str | None]  #: verdict, reason, basis
Test = Callable[[Observation], Verdict]

_CKD_EPI = frozenset({"ckd-epi-2021", "ckd-epi-2009", "ckd-epi-cr-cys"})
_ADULT_ONLY = _CKD_EPI | {"mdrd", "cystatin-c"}
_WELCOME: dict[str | None, frozenset[str] | None] = {  #: adults: what a demanded formula accepts; None: any
    None: None,
    "ckd-epi": _CKD_EPI | {"cystatin-c"},
    "schwartz": _CKD_EPI | {"schwartz"},
    "cockcroft-gault": None,
}
_YES: Verdict = (TRUE, None, None)
_NO: Verdict = (FALSE, None, None)
_TOLERANCE = 1e-9


def _differ(a: float, b: float) -> float:
    """Signed difference, 0.0 when the two agree within 1e-9 relative: 3 x 10*3/uL is 3 x 10*9/L."""
    delta = a - b
    if isinf(delta):
        return delta
    return 0.0 if abs(delta) <= _TOLERANCE * max(abs(a), abs(b)) else delta


def holds(limit: Limit, low: float, high: float, low_open: bool = False, high_open: bool = False) -> int:
    """Whether every value of the interval meets the limit (TRUE), none does (FALSE), or some do (UNKNOWN)."""
    if limit.op in ("le", "lt"):
        mirrored = Limit("ge" if limit.op == "le" else "gt", -limit.value)
        return holds(mirrored, -high, -low, high_open, low_open)
    below, above = _differ(low, limit.value), _differ(high, limit.value)
    if limit.op == "ge":
        if below >= 0:
            return TRUE
        return FALSE if above < 0 or (above == 0 and high_open) else UNKNOWN
    if below > 0 or (below == 0 and low_open):
        return TRUE
    return FALSE if above <= 0 else UNKNOWN


def _exact(limit: Limit) -> Callable[[float], bool]:
    """The limit on one number, with the same tolerance as `holds`."""
    value = limit.value
    slack = _TOLERANCE * abs(value)
    tests: dict[str, Callable[[float], bool]] = {
        "ge": lambda number: number >= value - slack,
        "gt": lambda number: number > value + slack,
        "le": lambda number: number <= value + slack,
        "lt": lambda number: number < value - slack,
    }
    return tests[limit.op]


def _limit_test(p: ObservationIs, vocabulary: Vocabulary) -> Test:
    site = {c: vocabulary.upper_limits[c] for c in p.concepts if c in vocabulary.upper_limits}
    single = p.limits[0] if len(p.limits) == 1 and not p.times and not p.formula else None
    met = _exact(single) if single else None

    def test(row: Observation) -> Verdict:
        if met is not None and row.low is not None and row.low == row.high:
            return _YES if met(row.low) else _NO
        if row.low is None or row.high is None:
            return _limit_on_word(p, row)
        basis = None
        scale = 1.0
        if p.times:
            upper = row.upper
            if upper is None:
                upper, basis = site.get(row.concept), "assumed"
            if upper is None:
                return UNKNOWN, "no-reference-range", None
            scale = upper
        worst = TRUE
        for limit in p.limits:
            scaled = Limit(limit.op, limit.value * scale) if p.times else limit
            verdict = holds(scaled, row.low, row.high, row.low_open, row.high_open)
            if p.formula and row.alternate is not None and holds(scaled, row.alternate, row.alternate) != verdict:
                return UNKNOWN, "conflicting", None
            worst = min(worst, verdict)
        return worst, "comparator" if worst == UNKNOWN else None, basis

    return test


def _limit_on_word(p: ObservationIs, row: Observation) -> Verdict:
    """A limit met by a word: "negative" is under any titre or antibody limit, "positive" is no number."""
    if row.result == "negative" and all(limit.value > 0 for limit in p.limits):
        rising = all(limit.op in ("ge", "gt") for limit in p.limits)
        falling = all(limit.op in ("le", "lt") for limit in p.limits)
        if rising or (falling and p.titre):
            return _NO if rising else _YES
    return UNKNOWN, "method" if row.result else "unreadable", None


def _is_positive(row: Observation) -> Verdict:
    if row.result == "positive":
        return _YES
    if row.result == "negative":
        return _NO
    return UNKNOWN, "needs-judgement" if row.result == "indeterminate" else "unreadable", None


def _is_detected(row: Observation) -> Verdict:
    if row.result is not None:
        return _is_positive(row)
    if row.low is None or row.high is None:
        return UNKNOWN, "unreadable", None
    if row.low > 0 or (row.low == 0 and row.low_open):
        return _YES
    return _NO if row.high <= 0 else (UNKNOWN, "comparator", None)


def _opposite(test: Test) -> Test:
    def opposite(row: Observation) -> Verdict:
        verdict, reason, basis = test(row)
        return (TRUE if verdict == FALSE else FALSE if verdict == TRUE else verdict), reason, basis

    return opposite


@lru_cache(maxsize=256)
def _marks(code: str) -> frozenset[str]:
    """The classes and activity letters that a class names: "III+V" III and V, "IV-S (A/C)" IV, S, A and C."""
    return frozenset(re.findall(r"[IV]+|[A-Z]|\d+", code))


def _code_test(codes: frozenset[str]) -> Test:
    def test(row: Observation) -> Verdict:
        if row.code is None:
            return UNKNOWN, "unreadable", None
        return _YES if not codes.isdisjoint(_marks(row.code)) else _NO

    return test


def value_test(p: ObservationIs, vocabulary: Vocabulary) -> Test:
    """The test on one value."""
    if p.limits:
        return _limit_test(p, vocabulary)
    if p.codes:
        return _code_test(frozenset(p.codes))
    words: dict[str, Test] = {
        "positive": _is_positive,
        "negative": _opposite(_is_positive),
        "detected": _is_detected,
        "not-detected": _opposite(_is_detected),
    }
    return words[p.result or "positive"]


def accepted(
    rows: Sequence[Observation], facts: Facts, formula: str | None, newest_only: bool = False
) -> tuple[list[Observation], list[Observation]]:
    """eGFR (or clearance) values by a formula that may decide, and the others. Rows are sorted newest first.

    Under 18, and where nobody knows the age, only a paediatric formula decides: a demand for CKD-EPI is read as bedside Schwartz, and
    at 18 a demand for Schwartz accepts CKD-EPI too. A value that names no formula is accepted.
    newest_only: stop where no further value can be among the newest; years of results are common.
    """
    born = facts.patient.born_last
    adult_from = shift(born, 18, "years") if born else 0
    welcome = _WELCOME[formula]
    yes: list[Observation] = []
    no: list[Observation] = []
    newest = older = 0
    for row in rows:
        last, by = row.last, row.formula
        if last < older:
            break
        if by is None or row.concept != "egfr" or (by not in _ADULT_ONLY if not born or 0 < last < adult_from else welcome is None or by in welcome):
            yes.append(row)
            if newest_only and last < newest:
                older = last  # the day before it, which tells where the newest came from
            newest = max(newest, row.first)
        else:
            no.append(row)
    return yes, no
