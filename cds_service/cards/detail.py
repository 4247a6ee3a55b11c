"""The body of a card: at most 12 lines of GitHub Markdown, read in ten seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, islice
from typing import NamedTuple

from cds_service.cards.markdown import escape, strong
from cds_service.cards.question import question
from cds_service.cards.sides import Sides
from cds_service.cards.watch import watch
from cds_service.model.outcomes import Outcome
from cds_service.model.trials import Criterion, Trial
from cds_service.words import clean, count, day, in_sentence, listed, trial_state, unread_words
from cds_service.words.asked import need_of
from cds_service.words.gaps import Reader, gap_words, reason_words
from cds_service.words.kept import once_for_each
from cds_service.words.values import Ink, fact_words, is_amount, is_result

INK = Ink(escape, strong, lru_cache(maxsize=8192)(escape))
_SHOWN = 3  #: items of a list
_ROW = 160  #: characters of a line that joins short names


class Page(NamedTuple):
    """What the body is written from. By concept id: `names` its words, `fresh` how many days a value can decide."""

    sides: Sides
    as_of: int
    names: Mapping[str, str]
    fresh: Mapping[str, int]


def detail(page: Page) -> str:
    sides, candidate = page.sides, page.sides.assessment.status == "candidate"
    near = watch(INK, sides.shown, page.names)
    blocks = [
        _incomplete(sides),
        _items("Why it may fit", _why(page)) if candidate else _missing(page),
        _open(page),
        _met(sides, "" if candidate else _fact(page, near.criterion if near else "")),
        _person(sides.manual),
        f"**Watch:** {near.text}" if near else "",
        question(INK, sides.unread, page.names) if sides.lists else "",
        _trial(sides.assessment.trial, page.as_of),
        f"*Record read {day(page.as_of)}. Supports your judgement; the study team decides.*",
    ]
    return "\n\n".join([block for block in blocks if block])


def _items(heading: str, lines: Sequence[str]) -> str:
    # a list may follow its heading without a blank line, and no host then tears them apart
    return "\n".join([f"**{heading}**", *(f"- {line}" for line in lines)]) if lines else ""


def _incomplete(sides: Sides) -> str:
    if not sides.lists:
        return ""
    caught = sides.unread
    topics = list(dict.fromkeys(in_sentence(clean(o.criterion.topic)) for o in caught if o.criterion.topic))
    about = f" on {escape(listed(topics))}" if 0 < len(topics) <= _SHOWN else ""
    said = unread_words(sides.lists)
    opened = f"{count(len(caught), 'criterion', 'criteria')}{about} {'is' if len(caught) == 1 else 'are'} open"
    return f"**Check incomplete.** {said[:1].upper()}{said[1:]}, so {opened}. This says nothing about the patient."


def _missing(page: Page) -> str:
    missing = page.sides.results
    if not missing:
        return ""
    reader = Reader(INK, page.as_of, page.fresh, page.names)
    return _items(f"Missing, and would decide it ({len(missing)})", [gap_words(reader, gap) for gap in missing[:_SHOWN]])


def _open(page: Page) -> str:
    """Points that no test settles: judgement, or a record that can be read two ways."""
    points = page.sides.points
    if not points:
        return ""
    reader = Reader(INK, page.as_of, page.fresh, page.names)
    said = [escape(in_sentence(gap.what)) + reason_words(reader, gap.outcomes[0]).replace(":", ",", 1) for gap in points]
    return _row("Open", said)


def _person(manual: Sequence[Outcome]) -> str:
    return _row("Need a person", [_short(o.criterion) if o.criterion.short else _question(o.finding.ask or o.criterion.label) for o in manual])


@once_for_each
def _short(criterion: Criterion) -> str:
    return _question(criterion.short)


def _question(words: str) -> str:
    return escape(in_sentence(clean(words).rstrip(".?")))


def _row(heading: str, items: Sequence[str]) -> str:
    """Whole items until the line is long, then how many more there are; one name is said once."""
    if not items:
        return ""
    unique = list(dict.fromkeys(items))
    shown, length = 1, len(unique[0])
    while shown < len(unique) and (length := length + 2 + len(unique[shown])) <= _ROW:  # 2: the "; " between items
        shown += 1
    more = f"; and {len(unique) - shown} more" if len(unique) > shown else ""
    return f"**{heading} ({len(items)}):** {'; '.join(unique[:shown])}{more}"


def _telling(shown: Sequence[Outcome], rank: Callable[[Outcome], int]) -> Iterator[Outcome]:
    """Met criteria that a reader can check: pivotal first, then by rank, then those that measure, else in the trial's own order.

    One at a time: looking into the evidence costs, and only the first few are shown.
    """
    for pivotal in (True, False):
        ranked = sorted([o for o in shown if o.criterion.pivotal is pivotal], key=rank)
        for _, group in groupby(ranked, rank):
            words: list[Outcome] = []
            for outcome in filter(_can_be_checked, group):
                if _measured(outcome):
                    yield outcome
                else:
                    words.append(outcome)
            yield from words


def _can_be_checked(outcome: Outcome) -> bool:
    if outcome.finding.basis != "no-record":
        for evidence in outcome.finding.evidence:
            if evidence.used and "Patient/" not in evidence.reference:
                return True
    return False


def _measured(outcome: Outcome) -> bool:
    for evidence in outcome.finding.evidence:
        if evidence.used and is_result(evidence) and is_amount(evidence.value):
            return True
    return False


def _why(page: Page) -> list[str]:
    """Inclusions before exclusions."""
    telling = _telling(page.sides.shown, lambda o: o.criterion.kind != "inclusion")
    return [fact_words(INK, o, page.names) for o in islice(telling, _SHOWN)]


def _fact(page: Page, said: str) -> str:
    """One fact that is not on the card yet: `said` is the criterion that is watched."""
    telling = _telling(page.sides.shown, lambda o: 2 * (need_of(o) is None) + (o.criterion.kind != "inclusion"))
    return next((fact_words(INK, o, page.names, 2) for o in telling if o.criterion.id != said), "")


def _met(sides: Sides, fact: str) -> str:
    """With one fact, and how much rests on nothing being recorded."""
    rest = f"{sides.bare} with no record of the excluded condition" if sides.bare else ""
    among = "; ".join([part for part in (in_sentence(fact), rest) if part])
    return f"**Met ({sides.met}),** among them {among}" if among else ""


def _trial(trial: Trial, as_of: int) -> str:
    state = trial_state(trial, as_of)
    return f"{_trial_line(trial)} {state}" if state else _trial_line(trial)


@once_for_each
def _trial_line(trial: Trial) -> str:
    what = [trial.id, _phase(trial), *_place(trial)]
    return f"**Trial:** {', '.join(escape(part) for part in what if part)}."


def _phase(trial: Trial) -> str:
    """`phase 1`; other words as they are; for a trial without a phase the name of what is given, when it is short."""
    said = clean(trial.phase)
    bare = re.sub(r"phase|[\s_]", "", said, flags=re.I).casefold()
    if bare in ("", "n/a", "na", "notapplicable", "-"):
        given = clean(trial.intervention)
        return given if len(given) <= 30 else ""
    which = bare.removeprefix("early")
    if not re.fullmatch(r"[0-4iv]+([/,-][0-4iv]+)*", which):
        return said
    return f"{'early ' if bare != which else ''}phase {which.upper()}"


def _place(trial: Trial) -> list[str]:
    if not trial.sites:
        return []
    first, more = trial.sites[0], len(trial.sites) - 1
    return [first.name, f"{first.city} and {count(more, 'other site', 'other sites')}" if more else first.city]
