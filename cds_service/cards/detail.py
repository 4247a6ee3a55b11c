"""The body of a card: at most 12 lines of GitHub Markdown, read in ten seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cds_service.cards.markdown import escape, strong
from cds_service.cards.question import question
from cds_service.cards.watch import watch
from cds_service.model.outcomes import Assessment, Outcome
from cds_service.model.trials import Trial
from cds_service.words import clean, count, day, in_sentence, listed, trial_state, unread_words
from cds_service.words.gaps import Reader, gap_words, gaps, kind_of, reason_words
from cds_service.words.values import Ink, amount, fact_words, is_result, need_of

INK = Ink(escape, strong)
_SHOWN = 3  #: items of a list
_ROW = 160  #: characters of a line that joins short names


class Page(NamedTuple):
    """What the body is written from. `lists`: what was not read, list -> why."""

    assessment: Assessment
    as_of: int
    lists: Mapping[str, str]
    names: Mapping[str, str]
    fresh: Mapping[str, int]


def detail(page: Page) -> str:
    assessment = page.assessment
    fits = _why(page) if assessment.status == "candidate" else []
    near = watch(INK, assessment.of("met"))
    blocks = [
        _incomplete(page),
        _items("Why it may fit", [line for _, line in fits]) if assessment.status == "candidate" else _missing(page),
        _open(page),
        _met(page, {*(o.criterion.id for o, _ in fits), near.criterion if near else ""}),
        _person(assessment.of("manual")),
        f"**Watch:** {near.text}" if near else "",
        question(INK, assessment.of("unknown"), page.names) if page.lists else "",
        _trial(assessment.trial, page.as_of),
        f"*Record read {day(page.as_of)}. Supports your judgement; the study team decides.*",
    ]
    return "\n\n".join(block for block in blocks if block)


def _items(heading: str, lines: Sequence[str]) -> str:
    # a list may follow its heading without a blank line, and no host then tears them apart
    return "\n".join([f"**{heading}**", *(f"- {line}" for line in lines)]) if lines else ""


def _incomplete(page: Page) -> str:
    if not page.lists:
        return ""
    caught = [o for o in page.assessment.of("unknown") if kind_of(o) == "unread"]
    topics = list(dict.fromkeys(in_sentence(clean(o.criterion.topic)) for o in caught if o.criterion.topic))
    about = f" on {escape(listed(topics))}" if 0 < len(topics) <= _SHOWN else ""
    said = unread_words(page.lists)
    opened = f"{count(len(caught), 'criterion', 'criteria')}{about} {'is' if len(caught) == 1 else 'are'} open"
    return f"**Check incomplete.** {said[:1].upper()}{said[1:]}, so {opened}. This says nothing about the patient."


def _missing(page: Page) -> str:
    missing = gaps(page.assessment.of("unknown"), "result")
    reader = Reader(INK, page.as_of, page.fresh)
    return _items(f"Missing, and would decide it ({len(missing)})", [gap_words(reader, gap) for gap in missing[:_SHOWN]])


def _open(page: Page) -> str:
    """Points that no test settles: judgement, or a record that can be read two ways."""
    points = gaps(page.assessment.of("unknown"), "point")
    reader = Reader(INK, page.as_of, page.fresh)
    said = [escape(in_sentence(gap.what)) + reason_words(reader, gap.outcomes[0]).replace(":", ",", 1) for gap in points]
    return _row("Open", said)


def _person(manual: Sequence[Outcome]) -> str:
    names = [clean(o.criterion.short or o.finding.ask or o.criterion.label).rstrip(".?") for o in manual]
    return _row("Need a person", [escape(in_sentence(name)) for name in names])


def _row(heading: str, items: Sequence[str]) -> str:
    """Whole items until the line is long, then how many more there are; one name is said once."""
    if not items:
        return ""
    said: list[str] = []
    unique = list(dict.fromkeys(items))
    for item in unique:
        if said and len("; ".join([*said, item])) > _ROW:
            break
        said.append(item)
    more = f"; and {len(unique) - len(said)} more" if len(unique) > len(said) else ""
    return f"**{heading} ({len(items)}):** {'; '.join(said)}{more}"


def _telling(met: Sequence[Outcome]) -> list[Outcome]:
    """Met criteria that a reader can check, the most telling first: pivotal, then those that measure, then the trial's own order."""
    seen = [o for o in met if o.finding.basis != "no-record" and any(e.used and "Patient/" not in e.reference for e in o.finding.evidence)]
    return sorted(seen, key=lambda o: (not o.criterion.pivotal, o.criterion.kind != "inclusion", not _measured(o)))


def _measured(outcome: Outcome) -> bool:
    return any(e.used and is_result(e) and amount(e.value) for e in outcome.finding.evidence)


def _why(page: Page) -> list[tuple[Outcome, str]]:
    return [(o, fact_words(INK, o, page.names)) for o in _telling(page.assessment.of("met"))[:_SHOWN]]


def _met(page: Page, said: set[str]) -> str:
    """One fact that is not on the card yet, and how much rests on nothing being recorded."""
    met = page.assessment.of("met")
    bare = sum(o.finding.basis == "no-record" for o in met)
    rest = f"{bare} with no record of the excluded condition" if bare else ""
    facts = [] if page.assessment.status == "candidate" else sorted(_telling(met), key=lambda o: (not o.criterion.pivotal, need_of(o) is None))
    fact = next((fact_words(INK, o, page.names, 2) for o in facts if o.criterion.id not in said), "")
    among = "; ".join(part for part in (in_sentence(fact), rest) if part)
    return f"**Met ({len(met)}),** among them {among}" if among else ""


def _trial(trial: Trial, as_of: int) -> str:
    what = [trial.id, _phase(trial), *_place(trial)]
    state = trial_state(trial, as_of)
    return f"**Trial:** {', '.join(escape(part) for part in what if part)}." + (f" {state}" if state else "")


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
