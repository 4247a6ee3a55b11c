"""English words for the reader: dates, counts, lists. Knows no Markdown and no layout."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from cds_service.dates import NBSP, in_words, interval, iso, shift
from cds_service.model.facts import TRUNCATED, UNAVAILABLE
from cds_service.model.trials import Criterion, Trial
from cds_service.model.vocabulary import LISTS, MEDICATION_LISTS
from cds_service.words.kept import once_for_each

BLANK = " " + NBSP
_RUNS = re.compile(r" {2,}")


def clean(text: str, longest: int = 0) -> str:
    """One line without control or direction marks; cut to whole words when longer than `longest`."""
    line = text
    if not text.isprintable() and not text.replace(NBSP, " ").isprintable():  # rare, and looking at each character is slow
        line = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text if unicodedata.category(c) not in ("Cf", "Cs"))
    if "  " in line:
        line = _RUNS.sub(" ", line)
    line = line.strip(BLANK)
    if longest and len(line) > longest:
        head = line[:longest].rsplit(" ", 1)[0]
        line = head + " …"
    return line


def day(ordinal: int) -> str:
    return in_words(iso(ordinal))


def date_words(text: str) -> str:
    """A date as it was recorded: nothing but digits and the name of a month. Empty for what is no date."""
    try:
        interval(text)
        return in_words(text)
    except ValueError:
        return ""


def month(of: date) -> str:
    return in_words(of.isoformat()[:7])


def count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def listed(items: Sequence[str], joined: str = "and") -> str:
    return f"{', '.join(items[:-1])} {joined} {items[-1]}" if len(items) > 1 else "".join(items)


def at_start(words: str) -> str:
    """A capital at the start, unless the first word has its own spelling: eGFR, anti-PLA2R."""
    first = words.split(" ", 1)[0]
    return words[:1].upper() + words[1:] if first == first.lower() else words


def in_sentence(words: str) -> str:
    """A small letter inside a sentence, unless the first word has its own spelling: CD19, eGFR."""
    first = words.split(" ", 1)[0].removesuffix(":")
    return words[:1].lower() + words[1:] if first[1:] == first[1:].lower() and (len(first) > 1 or first == "A") and first.isalpha() else words


def name_of(criterion: Criterion) -> str:
    return clean(criterion.short or criterion.label)


def number(value: float) -> str:
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return text or "0"


def lists_words(names: Iterable[str]) -> str:
    """`the medication list`, `the problem list and results`: prefetch lists as a clinician calls them."""
    known = sorted(set(names), key=lambda n: (list(LISTS).index(n) if n in LISTS else len(LISTS), n))
    words: list[str] = []
    for name in known:
        word = LISTS.get(name, name)
        if name in MEDICATION_LISTS and sum(n in MEDICATION_LISTS for n in known) > 1:
            word = "medication lists"
        elif name.startswith("results-") and sum(n.startswith("results-") for n in known) > 1:
            word = "test results"
        if word not in words:
            words.append(word)
    return listed(words)


def unread_words(lists: Mapping[str, str]) -> str:
    """`the medication list did not load`, `only part of the problem list arrived`; list name -> why."""
    lost = [name for name, why in lists.items() if why == UNAVAILABLE]
    part = [name for name, why in lists.items() if why == TRUNCATED]
    said = [f"the {lists_words(lost)} did not load"] if lost else []
    return " and ".join(said + ([f"only part of the {lists_words(part)} arrived"] if part else []))


def trial_state(trial: Trial, as_of: int) -> str:
    """What to say of a record that may have grown old; nothing when it is fresh."""
    for last, words in _good_until(trial):
        if last < as_of:
            return words
    return ""


@once_for_each
def _good_until(trial: Trial) -> tuple[tuple[int, str], ...]:
    verified = (
        shift(trial.verified_on.toordinal(), 6, "months"),
        f"Record last verified {month(trial.verified_on)}: ask if it still recruits.",
    )
    if not trial.completion:
        return (verified,)
    return (trial.completion.toordinal(), f"Expected completion passed {month(trial.completion)}: ask if it still recruits."), verified
