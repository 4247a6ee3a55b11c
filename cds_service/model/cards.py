"""What the clinician is shown, before it is CDS Hooks JSON."""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.model.outcomes import Assessment
from cds_service.model.vocabulary import Coding


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource to be created if the clinician accepts: a test order or a referral task."""

    kind: str  #: order | referral
    text: str  #: words of the test, or of the referral
    coding: Coding | None = None
    url: str = ""  #: referral: the trial's registry page


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One suggestion has one action: some EHRs take no more."""

    label: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str
    kind: str = "absolute"  #: absolute | smart


@dataclass(frozen=True, slots=True)
class Card:
    """One trial for one patient. `detail` is escaped GitHub Markdown."""

    summary: str
    detail: str
    source_label: str
    source_url: str
    topic: str  #: static code of the trial: what makes a dismissal stick
    topic_display: str
    suggestions: tuple[Suggestion, ...]
    links: tuple[Link, ...]
    assessments: tuple[Assessment, ...]  #: all cohorts of the trial, for the extension
