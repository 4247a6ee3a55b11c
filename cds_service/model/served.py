"""What is remembered of an answer and of what clinicians did with it. No clinical values, and people only as keyed hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

ACCEPTED, OVERRIDDEN = "accepted", "overridden"
#: What became of a trial that was worth a card. Only the first was seen by anybody.
SHOWN, MUTED, REPEAT, SILENT = "shown", "muted", "repeat", "silent"
#: The reasons that the rules here know by name; the whole list is in `wire`.
NOT_NOW, KNOWN = "not-now", "known-not-eligible"
#: Overriding for these says that the trial did not fit, or that the card was wrong about it.
DOES_NOT_FIT = ("not-suitable", KNOWN, "card-wrong")


class Served(NamedTuple):
    """One trial that was worth a card for one patient. `at`: seconds since 1970. `open_criteria`: ids of those unknown or manual."""

    card: str  #: uuid of the card; made up where none was shown
    at: int
    patient: str  #: keyed hash
    clinician: str  #: keyed hash
    client: str
    hook: str
    trial: str
    cohort: str
    status: str  #: possible | candidate
    version: str  #: of the criteria file
    fingerprint: str  #: keyed hash of the data that decided
    shown: str
    open_criteria: str  #: separated by blanks


class Feedback(NamedTuple):
    """What a clinician did with one card. `at`: milliseconds since 1970 as the EHR says it. `comment`: there was one; it is not kept."""

    card: str
    outcome: str  #: accepted | overridden
    at: int
    reason: str = ""  #: a code
    criterion: str = ""  #: the criterion that missed what the clinician knew
    comment: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """One worthy trial as the store knows it. `partial`: a list that it needs could not be read."""

    trial: str
    cohort: str
    status: str
    version: str
    fingerprint: str
    partial: bool
    open_criteria: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one cohort. `overridden`: cards by reason, "" for none given. `known`: by criterion, how often it missed what was known."""

    trial: str
    cohort: str
    served: int
    shown: int
    accepted: int
    overridden: tuple[tuple[str, int], ...]
    known: tuple[tuple[str, int], ...]

    @property
    def ignored(self) -> int:
        return self.shown - self.accepted - sum(n for _, n in self.overridden)

    @property
    def judged(self) -> int:
        """Cards by which somebody said whether the trial fits."""
        return self.accepted + sum(n for reason, n in self.overridden if reason in DOES_NOT_FIT)
