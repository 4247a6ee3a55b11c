"""`cds-service feedback report`: tallies as text, CSV or JSON. Behind the command line only."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from datetime import date, datetime

import click
import orjson

from cds_service.config import Settings
from cds_service.errors import BadSetting
from cds_service.model.served import Tally
from cds_service.store import open_store

FEW = 20  #: judged cards under which a share says little
_NONE = "no reason given"
_Z = 1.959964  #: of a 95 % interval


def run(settings: Settings, since: date | None, style: str) -> int:
    """Raises BadSetting or StoreDown."""
    store, about = open_store(settings, create=False)
    if store is None:
        raise BadSetting(f"no report: {about}")
    try:
        start = 0 if since is None else int(datetime(since.year, since.month, since.day).astimezone().timestamp())  # midnight here
        tallies, strangers = store.report(start)
    finally:
        store.close()
    click.echo({"text": _text, "csv": _csv, "json": _json}[style](tallies, strangers).rstrip("\n"))
    return 0


def precision(tally: Tally) -> tuple[float, float, float] | None:
    """Of the cards by which a clinician said whether the trial fits, the share that fitted; with its 95 % interval (Wilson 1927)."""
    n = tally.judged
    if not n:
        return None
    share = tally.accepted / n
    middle = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z / (1 + _Z * _Z / n) * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    return share, max(0.0, middle - half), min(1.0, middle + half)


def _text(tallies: Sequence[Tally], strangers: int) -> str:
    lines = [] if tallies else ["No card has been served."]
    for tally in tallies:
        lines.append(f"{tally.trial}/{tally.cohort}")
        answered = f"accepted {tally.accepted}, overridden {sum(n for _, n in tally.overridden)}, ignored {tally.ignored}"
        lines.append(f"  served {tally.served}, shown {tally.shown}: {answered}")
        lines += [f"    {number} × {reason or _NONE}" for reason, number in tally.overridden]
        lines.append(f"  precision {_words(tally)}")
        lines += [f"  known not eligible, perhaps missed by {criterion}: {number}" for criterion, number in tally.known]
    if strangers:
        lines.append(f"Feedback on cards that this store does not know: {strangers}")
    return "\n".join(lines)


def _words(tally: Tally) -> str:
    found = precision(tally)
    if found is None:
        return "–: nobody has said whether the trial fits"
    share, low, high = (f"{100 * part:.0f} %" for part in found)
    few = "; too few to judge by" if tally.judged < FEW else ""
    return f"{share} of {tally.judged} judged (95 % interval {low} to {high}{few})"


def _csv(tallies: Sequence[Tally], strangers: int) -> str:
    """One row a cohort and figure: a spreadsheet can turn it as it likes."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("trial", "cohort", "figure", "detail", "value"))
    for tally in tallies:
        key = tally.trial, tally.cohort
        for figure in ("served", "shown", "accepted", "ignored", "judged"):
            rows.writerow((*key, figure, "", getattr(tally, figure)))
        for part, value in zip(("", "low", "high"), precision(tally) or (), strict=False):
            rows.writerow((*key, "precision", part, f"{value:.3f}"))
        for reason, number in tally.overridden:
            rows.writerow((*key, "overridden", reason or _NONE, number))
        for criterion, number in tally.known:
            rows.writerow((*key, "known-not-eligible", criterion, number))
    rows.writerow(("", "", "unknown-cards", "", strangers))
    return out.getvalue()


def _json(tallies: Sequence[Tally], strangers: int) -> str:
    return orjson.dumps({"cohorts": [_cohort(t) for t in tallies], "unknownCards": strangers}, option=orjson.OPT_INDENT_2).decode()


def _cohort(tally: Tally) -> dict[str, object]:
    found: dict[str, object] = {
        "trial": tally.trial,
        "cohort": tally.cohort,
        "served": tally.served,
        "shown": tally.shown,
        "accepted": tally.accepted,
        "overridden": {reason or _NONE: number for reason, number in tally.overridden},
        "ignored": tally.ignored,
        "judged": tally.judged,
        "knownNotEligible": dict(tally.known),
    }
    if (rated := precision(tally)) is not None:
        found["precision"] = dict(zip(("share", "low", "high"), (round(p, 3) for p in rated), strict=True)) | {"few": tally.judged < FEW}
    return found
