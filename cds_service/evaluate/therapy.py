"""Compiled therapy and response leaves. Too little therapy on record is unknown, never not-met: patients are treated elsewhere too."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.dates import iso, shift
from cds_service.evaluate.change import BASELINE_BEFORE
from cds_service.evaluate.context import Anchor, Node, Scope, cutoff, merge, unread, without_data
from cds_service.evaluate.exposure import Episode, drugs_of, episodes, exposures_of, overlap
from cds_service.evaluate.values import holds
from cds_service.logic import any_of
from cds_service.model.facts import Evidence, Exposure, Facts, Observation
from cds_service.model.outcomes import FALSE, TRUE, UNKNOWN, Finding
from cds_service.model.predicates import Dose, Limit, Response, Therapy, changes_of
from cds_service.model.vocabulary import MEDICATION_LISTS, Vocabulary

PULSE = 312.5  #: mg of prednisone a day from which a dose is a pulse: 250 mg of methylprednisolone
_DAILY = Dose(Limit("gt", 0), "mg/d")
_COURSE = 6  #: measurements of the course shown beside a response
_SHOWN = 4  #: exposures shown as evidence


class _Leaf:
    """One therapy: which episodes on record qualify."""

    __slots__ = ("drugs", "each", "groups", "lists", "p", "regimens", "vocabulary")

    def __init__(self, p: Therapy, vocabulary: Vocabulary) -> None:
        self.p = p
        self.vocabulary = vocabulary
        self.regimens = tuple(_Leaf(r, vocabulary) for r in p.regimens)
        weighed = p.dose is not None and p.dose.unit.startswith("mg/kg") and "body_weight" in vocabulary.concepts
        self.lists = (*MEDICATION_LISTS, vocabulary.concepts["body_weight"].results) if weighed else MEDICATION_LISTS
        #: What counts as one of the distinct: each name, or each drug where one class alone is named.
        self.each = tuple(drugs_of([name], vocabulary) for name in (p.any_of if len(p.any_of) > 1 else sorted(drugs_of(p.any_of, vocabulary))))
        if p.all_of:
            self.groups = tuple(drugs_of([name], vocabulary) for name in p.all_of)
        else:
            self.groups = (drugs_of(p.any_of, vocabulary),) if p.any_of else ()
        self.drugs: frozenset[str] = frozenset().union(*self.groups, *(r.drugs for r in self.regimens))

    @property
    def once(self) -> bool:
        """Whether any exposure at any time is enough."""
        p = self.p
        return bool(p.any_of) and p.distinct == 1 and p.duration is None and p.dose is None

    def __call__(self, facts: Facts, anchor: Anchor | None) -> Finding:
        if self.p.off_for is not None or self.p.within is not None:
            return self.in_window(facts)
        if self.p.when == "current" or self.p.stable_for is not None:
            return self.current(facts)
        qualifying = self.qualifying(facts)
        if qualifying:
            shown = [e for episode in qualifying for e in episode.exposures]
            return Finding(TRUE, None, "recorded", _shown(shown, True, _length(qualifying[0])))
        if self.once:
            given = exposures_of(facts, self.drugs)
            if given:  # no date is needed where no time is asked
                return Finding(TRUE, None, "recorded", _shown(given, True, ""))
        return self.insufficient(facts)

    # --- long enough ------------------------------------------------------------------------

    def qualifying(self, facts: Facts) -> list[Episode]:
        """Episodes that last long enough, at the dose demanded, with enough distinct drugs."""
        if self.regimens:
            return [e for r in self.regimens for e in r.qualifying(facts)]
        if self.drugs.isdisjoint(facts.exposures):
            return []
        if self.p.distinct > 1:
            each = [e for drugs in self.each for e in self.long_enough(facts, episodes(facts, drugs, self.vocabulary))[:1]]
            return each if len(each) >= self.p.distinct else []
        if len(self.groups) > 1:
            found = overlap([episodes(facts, group, self.vocabulary) for group in self.groups])
        else:
            found = episodes(facts, self.groups[0], self.vocabulary)
        return self.long_enough(facts, found)

    def long_enough(self, facts: Facts, found: Sequence[Episode]) -> list[Episode]:
        kept = []
        for episode in found:
            reached = self.reached(episode.start)
            if (reached < episode.end if self.p.strict else reached <= episode.end) and self.dosed(facts, episode):
                kept.append(episode)
        return kept

    def reached(self, start: int) -> int:
        """The day on which the demanded duration is reached."""
        return shift(start, self.p.duration.count, self.p.duration.unit) if self.p.duration else start

    def dosed(self, facts: Facts, episode: Episode) -> bool:
        dose = self.p.dose
        if dose is None:
            return True
        amounts = [prednisone_equivalent(facts, e, dose, self.vocabulary) for e in episode.exposures]
        return any(a is not None and holds(dose.limit, a, a) == TRUE for a in amounts)

    def insufficient(self, facts: Facts) -> Finding:
        found = exposures_of(facts, self.drugs)
        missing = unread(facts, self.lists)
        evidence = _shown(found, False, "too short, or its length, dose or end is not on record" if found else "")
        if missing is not None:
            return missing._replace(evidence=evidence)
        if found and self.p.absent == "no":
            return Finding(UNKNOWN, "imprecise-date", None, evidence)
        return without_data(self.p.absent, "", Finding(UNKNOWN, "no-data", None, evidence))

    # --- now, or in a window ----------------------------------------------------------------

    def in_window(self, facts: Facts) -> Finding:
        """Some exposure inside the period (`within`), or none (`off_for`)."""
        period = self.p.within or self.p.off_for
        assert period is not None
        start = cutoff(facts, period)
        sure, maybe = [], []
        for e in exposures_of(facts, self.drugs):
            if e.start_last and max(e.end_first, e.start_first) >= start:
                sure.append(e)
            elif not e.start_last or e.end_last >= start:
                maybe.append(e)
        wanted, otherwise = (TRUE, FALSE) if self.p.within else (FALSE, TRUE)
        if sure:
            return Finding(wanted, None, "recorded", _shown(sure, True, ""))
        if maybe:
            return Finding(UNKNOWN, "imprecise-date", None, _shown(maybe, False, ""))
        missing = unread(facts, MEDICATION_LISTS)
        if missing is not None:
            return missing
        if self.p.within and self.p.absent == "unknown":
            return Finding(UNKNOWN, "no-data")
        return Finding(otherwise, None, "no-record")

    def current(self, facts: Facts) -> Finding:
        """Being given on the as-of day; with `stable_for`, unchanged since the period began."""
        running = [e for e in exposures_of(facts, self.drugs) if (e.start_last or e.ongoing) and e.end_first >= facts.as_of]
        if not running or len({e.drug for e in running}) < self.p.distinct:
            missing = unread(facts, MEDICATION_LISTS)
            return missing or without_data(self.p.absent, "", Finding(UNKNOWN, "no-data", None, _shown(running, False, "")))
        if self.p.stable_for is not None:
            start = cutoff(facts, self.p.stable_for)
            changed = self.changed(facts, start)
            if changed:
                return Finding(UNKNOWN, "needs-judgement", None, _shown(changed, False, "changed inside the period"))
        if self.p.dose is not None:
            return self.current_dose(facts, running, self.p.dose)
        return Finding(TRUE, None, "recorded", _shown(running, True, "prescribed"))

    def changed(self, facts: Facts, start: int) -> list[Exposure]:
        """Begun or ended since `start`; a renewal of the same drug at the same dose is neither."""
        found = exposures_of(facts, self.drugs)
        kept = []
        for e in found:
            same = [o for o in found if o is not e and o.drug == e.drug and o.mg_per_day is not None and o.mg_per_day == e.mg_per_day]
            grace = self.vocabulary.drugs[e.drug].grace + 1 if e.drug in self.vocabulary.drugs else 1
            begun = (not e.start_last or e.start_last > start) and not any(
                o.start_last and o.start_last < e.start_last <= o.end_last + grace for o in same
            )
            ended = start < e.end_last < facts.as_of and not any(o.end_last > e.end_last and o.start_last <= e.end_last + grace for o in same)
            if begun or ended:
                kept.append(e)
        return kept

    def current_dose(self, facts: Facts, running: Sequence[Exposure], dose: Dose) -> Finding:
        amounts = [prednisone_equivalent(facts, e, dose, self.vocabulary) for e in running]
        known = [a for a in amounts if a is not None]
        if len(known) < len(amounts):
            return Finding(UNKNOWN, "no-data", None, _shown(running, False, "dose or weight not on record"))
        # one drug on several lists may be one dose or several: at least the highest, at most the sum
        each: dict[str, float] = {}
        for e, amount in zip(running, known, strict=True):
            each[e.drug] = max(each.get(e.drug, 0.0), amount)
        verdict = holds(dose.limit, sum(each.values()), sum(known))
        if verdict != TRUE:  # more may be taken than is on record
            return Finding(UNKNOWN, "needs-judgement", None, _shown(running, False, f"{sum(known):.3g} {dose.unit}"))
        return Finding(verdict, None, "recorded", _shown(running, True, f"{sum(known):.3g} {dose.unit} prednisone equivalent"))


def prednisone_equivalent(facts: Facts, e: Exposure, dose: Dose, vocabulary: Vocabulary) -> float | None:
    """mg of prednisone a day, or per kg of the weight nearest to the start; None where dose or weight is unknown.

    A pulse is no daily dose: what a few days of it add up to is not what the course is given at.
    """
    drug = vocabulary.drugs.get(e.drug)
    if drug is None or drug.prednisone is None or e.mg_per_day is None:
        return None
    daily = e.mg_per_day * drug.prednisone
    if daily >= PULSE:
        return None
    if not dose.unit.startswith("mg/kg"):
        return daily
    weights = [w for w in facts.observations.get("body_weight") or () if w.low and w.low == w.high and not w.problem and w.last]
    if not weights:
        return None
    nearest = min(weights, key=lambda w: abs(w.last - e.start_last))
    return daily / nearest.low if nearest.low else None


def _length(episode: Episode) -> str:
    days = episode.end - episode.start
    return f"{round(days / 30.44)} months" if days >= 60 else f"{days} days"


def _shown(found: Sequence[Exposure], used: bool, note: str) -> tuple[Evidence, ...]:
    return tuple(e.evidence(used, note) for e in found[-_SHOWN:])


def timeline(episode: Episode, facts: Facts, vocabulary: Vocabulary) -> tuple[Evidence, ...]:
    """The exposures of an episode in order: from when to when, the gap before, glucocorticoids in prednisone a day."""
    shown = []
    end = 0
    for e in episode.exposures[-_SHOWN:]:
        words = [
            f"to {iso(e.end_first)}" if e.end_first > e.start_last else "",
            f"{e.start_last - end} days after the one before" if 0 < end < e.start_last - 1 else "",
        ]
        daily = prednisone_equivalent(facts, e, _DAILY, vocabulary)
        words.append(f"{daily:.3g} mg prednisone equivalent a day" if daily else "")
        shown.append(e.evidence(True, ", ".join(w for w in words if w)))
        end = max(end, e.end_last)
    if shown:
        first = shown[0]
        shown[0] = first._replace(note=f"{_length(episode)}{' in all' if len(shown) > 1 else ''}{', ' + first.note if first.note else ''}")
    return tuple(shown)


def history(facts: Facts, concepts: Sequence[str], start: int) -> list[Observation]:
    """What was measured of `concepts` from the baseline on, newest first: the course that a response is read from."""
    rows = [r for c in concepts for r in facts.observations.get(c) or () if r.last >= start - BASELINE_BEFORE and not r.problem]
    return rows[:_COURSE]


def compile_therapy(p: Therapy, scope: Scope) -> Node:
    return _Leaf(p, scope.vocabulary)


def compile_response(p: Response, shows: Node, scope: Scope) -> Node:
    """The therapy must have lasted; then `shows` is judged on what was measured from that day on."""
    leaf = _Leaf(p.therapy, scope.vocabulary)
    followed = tuple(sorted(changes_of(p.shows)))

    def run(facts: Facts, _: Anchor | None) -> Finding:
        if leaf.regimens:
            pairs = [(r, e) for r in leaf.regimens for e in r.qualifying(facts)]
        else:
            pairs = [(leaf, e) for e in leaf.qualifying(facts)]
        if not pairs:
            return leaf.insufficient(facts)
        parts = []
        for owner, episode in pairs:
            found = shows(facts, Anchor(episode.start, owner.reached(episode.start)))
            judged = {e.reference for e in found.evidence}
            course = tuple(row.evidence(False, "course") for row in history(facts, followed, episode.start) if row.reference not in judged)
            parts.append(found._replace(evidence=(*timeline(episode, facts, scope.vocabulary), *found.evidence, *course)))
        return merge(any_of([f.verdict for f in parts]), parts)

    return run
