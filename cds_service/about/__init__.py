"""Trials → what a reviewer of decision support asks of its source: purpose, users, logic, data, versions, reviews, limits.

Made from the criteria that are loaded; it claims no review that no file records.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from cds_service import __version__
from cds_service.model.predicates import Manual
from cds_service.model.trials import Criterion, Interpretation, Trial
from cds_service.model.vocabulary import LISTS
from cds_service.words import trial_state

UNREVIEWED = "unreviewed"

PURPOSE = (
    "Tells a clinician, when a chart is opened, a visit starts, an immunosuppressant is ordered or a problem is added, which registered CAR-T and "
    "CAR-NK trials for kidney and rheumatic disease the record does not rule out, which criteria are met on record, "
    "which results are missing and which questions only a person can answer."
)
USERS = (
    "Nephrologists and rheumatologists, in the chart of their own patient.",
    "Trial coordinators, who read the criterion-by-criterion log.",
)
NOT_FOR = (
    "Saying that a patient is eligible: the study team decides that.",
    "Emergencies, or choosing a treatment.",
    "Use by patients, or without a clinician who can look at the evidence.",
)
HOW = (
    "Fixed rules, written down criterion by criterion from the registry record; no statistics and no machine learning.",
    "Codes become clinical concepts by look-up, values go into one unit per concept. A missing unit is not guessed.",
    "Each criterion is met, not met, unknown with its reason, for a person, or not applicable. Unknown is never taken for no.",
    "A patient group is excluded by one criterion that is definitely not met; it is possible while anything is unknown; "
    "it is a candidate when only questions for a person are left.",
    "A card appears only for a recruiting trial, and for a possible match only where a criterion of activity, severity or failed therapy is met.",
    "A draft order is never read as treatment: a card says which criteria it would break. A new problem counts for that one call.",
    "What a card shows of a result has its value and date. The data with each card name, for every criterion, the resources, dates and "
    "values it rests on and its place in the record.",
    "Of the person, date of birth and sex are read, and whether they have died. Names, race, ethnicity, language, address and insurance are not.",
)
LIMITS = (
    "It has not been assessed or cleared as a medical device, nor validated on patients of your hospital.",
    "The criteria are our reading of registry records, some of them machine-translated or damaged. "
    "Unclear places, and how they were read, are listed with each trial.",
    "It sees only coded and measured data of this one record. Notes are not read; care given elsewhere is not seen.",
    "Nothing recorded of an excluded condition, on a list that was read in full, counts as not excluded and is marked as such.",
    "No card does not mean that no trial fits: only the best few are shown, and where feedback is kept a trial that was dismissed or taken up "
    "for a patient stays silent until its data change or the days that the site has chosen have passed.",
    "A registry record can change after the day of its last update given here.",
)


def describe(trials: Iterable[Trial], templates: Mapping[str, str], today: date) -> dict[str, Any]:
    """One JSON object; the page shows the same. `templates`: list → the query that reads it."""
    all_trials = sorted(trials, key=lambda t: t.id)
    readings, reviewed = (sum(len(_reviews(t)) for t in all_trials), sum(len(_done(t)) for t in all_trials))
    return {
        "name": "cds-service",
        "version": __version__,
        "purpose": PURPOSE,
        "intendedUsers": list(USERS),
        "notFor": list(NOT_FOR),
        "howItDecides": list(HOW),
        "dataRead": [{"list": name, "words": LISTS.get(name, name), "query": query} for name, query in templates.items()],
        "review": _review_words(readings, reviewed),
        "knownLimits": list(LIMITS),
        "trials": [_trial(t, today) for t in all_trials],
    }


def as_html(described: Mapping[str, Any]) -> str:
    """One self-contained page: no script, nothing fetched."""
    return str(_template().render(about=described))


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("cds_service.about", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html")


def _trial(trial: Trial, today: date) -> dict[str, Any]:
    by_person = sum(isinstance(c.needs, Manual) for c in trial.criteria)
    found: dict[str, Any] = {
        "id": trial.id,
        "title": trial.title,
        "product": trial.product,
        "recruiting": trial.recruiting,
        "source": {"registry": trial.registry, "url": trial.url, "lastUpdate": _day(trial.last_update), "lastVerified": _day(trial.verified_on)},
        "expectedCompletion": _day(trial.completion),
        "note": trial_state(trial, today.toordinal()) if trial.recruiting else "",
        "criteriaVersion": version(trial),
        "groups": [{"id": c.id, "disease": c.disease} for c in trial.cohorts],
        "criteria": {"total": len(trial.criteria), "computed": len(trial.criteria) - by_person, "forAPerson": by_person},
        "readingsOfUnclearPlaces": {
            "total": len(_reviews(trial)),
            "reviewed": len(_done(trial)),
            "by": sorted(set(_done(trial))),
            "readings": [_reading(c, c.interpretation) for c in trial.criteria if c.interpretation],
        },
    }
    found["source"] = {k: v for k, v in found["source"].items() if v}
    return {k: v for k, v in found.items() if v not in ("", None)}


def _reading(criterion: Criterion, read: Interpretation) -> dict[str, Any]:
    return {
        "place": criterion.ref,
        "criterion": criterion.label,
        "reading": read.reading,
        "why": read.why,
        "decides": read.decides,
        "review": read.review,
    }


def version(trial: Trial) -> str:
    """Of the criteria as they are: the first 12 digits of the SHA-256 of their file; empty for a trial that comes from none."""
    return _digest(trial.path) if trial.path else ""


@cache
def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def _reviews(trial: Trial) -> list[str]:
    return [c.interpretation.review for c in trial.criteria if c.interpretation]


def _done(trial: Trial) -> list[str]:
    return [review for review in _reviews(trial) if review != UNREVIEWED]


def _review_words(readings: int, reviewed: int) -> str:
    if not reviewed:
        return "No clinician has reviewed these criteria yet."
    return f"A clinician has reviewed {reviewed} of {readings} readings of unclear places; no review of the other criteria is recorded."


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
