"""One trial → its Markdown page: criterion, place in the record, predicate in words. Takes nouns, gives text; reads no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cds_service.model.predicates import Manual
from cds_service.model.trials import Cohort, Criterion, Trial
from cds_service.words.predicates import Labels, in_words


def coverage(trial: Trial) -> str:
    """docs/trials/NCT….md: what of the record is computed, what is for a person, how unclear places were read."""
    by_kind = {kind: [c for c in trial.criteria if c.kind == kind] for kind in ("inclusion", "exclusion")}
    parts = [
        f"# {trial.id}: {_safe(trial.title)}",
        f"Made from `criteria/{trial.id}.yaml` by `cds-service docs`; edit that file, not this page. The words are ours; the record decides.",
        _table(("", ""), _metadata(trial)),
        "## Cohorts",
        "A cohort applies where its disease is on record.",
        _table(
            ("Cohort", "Disease", "On record", "Only where none of these may fit"), [_cohort_row(cohort, trial.labels) for cohort in trial.cohorts]
        ),
        "## Criteria",
        _summary(trial),
    ]
    for kind, criteria in by_kind.items():
        if criteria:
            lead = "Needed" if kind == "inclusion" else "Excludes"
            heads = ("Place in the record", "Criterion", "Cohorts", lead, "Why a person")
            parts += [f"### {kind.capitalize()}", _table(heads, [_criterion_row(c, trial.labels) for c in criteria])]
    parts += ["## How unclear places were read", *_ledger(trial)]
    return "\n\n".join(parts) + "\n"


def _metadata(trial: Trial) -> list[tuple[str, str]]:
    rows = [
        ("Product", trial.product),
        ("Status", trial.status.replace("-", " ")),
        ("Phase", trial.phase),
        ("Sponsor", trial.sponsor),
        ("Ages", trial.ages),
        ("Intervention", trial.intervention),
        ("Sites", "; ".join(f"{site.name}, {site.city}, {site.country}" for site in trial.sites)),
        ("Contacts", "; ".join(trial.contacts)),
        ("Record last updated", trial.last_update.isoformat() if trial.last_update else ""),
        ("Record last verified", trial.verified_on.isoformat()),
        ("Expected completion", trial.completion.isoformat() if trial.completion else ""),
    ]
    return [(name, _safe(value)) for name, value in rows if value] + [("Record", f"[{_safe(trial.registry)}](<{trial.url}>)")]


def _cohort_row(cohort: Cohort, labels: Labels) -> tuple[str, ...]:
    return f"`{cohort.id}`", _safe(cohort.disease), _safe(in_words(cohort.gate, labels)), ", ".join(f"`{name}`" for name in cohort.yields_to)


def _criterion_row(c: Criterion, labels: Labels) -> tuple[str, ...]:
    name = f"{_safe(c.label)} `{c.id}`" + (" **pivotal**" if c.pivotal else "")
    return _safe(c.ref), name, ", ".join(f"`{cohort}`" for cohort in c.cohorts) or "all", _safe(in_words(c.needs, labels)), _safe(c.why_manual)


def _summary(trial: Trial) -> str:
    manual = sum(isinstance(c.needs, Manual) for c in trial.criteria)
    partly = sum(bool(c.why_manual) for c in trial.criteria) - manual
    said = f"{len(trial.criteria)} criteria for {len(trial.outline)} statements of the record; {manual} are for a person"
    return said + (f", {partly} more in part." if partly else ".")


def _ledger(trial: Trial) -> list[str]:
    unclear = [(c, c.interpretation) for c in trial.criteria if c.interpretation]
    if not unclear:
        return ["No place of this record was unclear to us."]
    reviewed = sum(i.review != "unreviewed" for _, i in unclear)
    parts = [f"{len(unclear)} readings, {reviewed} of them reviewed by a clinician."]
    for c, reading in unclear:
        rows = [
            ("Reading", reading.reading),
            ("Why", reading.why),
            ("Could also mean", " · ".join(reading.alternatives)),
            ("Decides", "yes" if reading.decides else "no: where its readings differ the outcome stays unknown"),
            ("Review", reading.review),
        ]
        parts += [f"### {_safe(c.ref)}: {_safe(c.label)}", _table(("", ""), [(name, _safe(value)) for name, value in rows if value])]
    return parts


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def _safe(text: str) -> str:
    """One line of Markdown that shows the text as it is."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))
