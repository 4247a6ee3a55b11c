"""The command line: reads arguments, calls the pipeline, prints. No logic of its own.

Imports are made inside the commands: `evaluate` must not wait for a web server it does not use.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cds_service import __version__
from cds_service.errors import BadData, CdsServiceError
from cds_service.unexpected import internal

if TYPE_CHECKING:
    from cds_service.config import Settings
    from cds_service.pipeline import Rules

OK, FINDINGS, USAGE = 0, 1, 2


def day(value: str) -> date:
    """An ISO date, and nothing that only looks like one."""
    with suppress(ValueError):  # a day that no calendar has: the same answer as below
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            return date.fromisoformat(value)
    raise click.BadParameter(f"{value!r} is not a date like 2026-11-01")


def today() -> date:
    """The day where the clinician is, not in Greenwich."""
    return datetime.now().astimezone().date()


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="cds-service", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Suggests CAR-T and CAR-NK trials for kidney and rheumatic disease. Settings: CDS_* (docs/configuration.md)."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command()
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--as-of", type=day, metavar="DATE", help="Read the record as of this day. Default: today.")
@click.option("--trial", "trials", multiple=True, metavar="NCT", help="Only this trial. May be repeated.")
@click.option("--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True)
def evaluate(bundles: tuple[str, ...], as_of: date | None, trials: tuple[str, ...], style: str) -> int:
    """Every criterion of every trial for the patient of each BUNDLE (.json, .json.gz, or - for standard input).

    Several files with --format json give JSON Lines, one object a file. A file that cannot be read does not stop the others.
    """
    from cds_service.batch import Asked, run

    rules = _rules(_settings())
    wanted = frozenset(t.upper() for t in trials)
    unknown = sorted(wanted - {t.id for t in rules.trials})
    if unknown:
        raise click.UsageError(f"no criteria for {', '.join(unknown)}; there are {', '.join(t.id for t in rules.trials)}")
    return run(bundles, Asked(rules, as_of or today(), wanted, style))


@cli.command()
@click.argument("bundle")
@click.option("--trial", required=True, metavar="NCT", help="The trial.")
@click.option("--cohort", required=True, help="Its patient group, such as rmn.")
@click.option("--as-of", type=day, metavar="DATE", help="Read the record as of this day. Default: today.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write one self-contained page instead.")
def explain(bundle: str, trial: str, cohort: str, as_of: date | None, html: Path | None) -> int:
    """The whole reasoning for one patient group as a tree with evidence, and what would change it."""
    from cds_service.batch import Asked, explain_one

    rules = _rules(_settings())
    known = {f"{t.id}/{c.id}" for t in rules.trials for c in t.cohorts}
    if f"{trial.upper()}/{cohort}" not in known:
        raise click.UsageError(f"no patient group {trial.upper()}/{cohort}; there are {', '.join(sorted(known))}")
    explain_one(bundle, Asked(rules, as_of or today(), frozenset((trial.upper(),)), "text"), cohort, html)
    return OK


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--sandbox", is_flag=True, help="Try-out mode: whole assessment in the response, a date of your choice.")
@click.option("--as-of", type=day, metavar="DATE", help="Only with --sandbox: answer as of this day. Default: today.")
@click.option("--without-authentication", is_flag=True, help="Let anyone who reaches another address than loopback call.")
@click.option("--silent", is_flag=True, help="Evaluate and record, and show no card to anybody: for roll-out.")
def serve(host: str, port: int, workers: int, sandbox: bool, as_of: date | None, without_authentication: bool, silent: bool) -> int:
    """Run the CDS Hooks service. Plain HTTP: put a TLS proxy before any address that is not loopback."""
    from cds_service.server import run

    settings = _settings(sandbox=sandbox, as_of=as_of)
    return run(replace(settings, silent=True) if silent else settings, host, port, workers, without_authentication)


@cli.group()
def feedback() -> None:
    """What clinicians did with the cards."""


@feedback.command("report")
@click.option("--since", type=day, metavar="DATE", help="Only cards served from this day on. Default: all.")
@click.option("--format", "style", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
def feedback_report(since: date | None, style: str) -> int:
    """Per trial and patient group: served, accepted, overridden by reason, ignored, and precision."""
    from cds_service.feedback_report import run

    return run(_settings(), since, style)


@cli.group()
def store() -> None:
    """The database of served cards and feedback."""


@store.command("upgrade")
def store_upgrade() -> int:
    """Bring the schema up to this version. `serve` does the same at its start, where the database user may."""
    from cds_service.store import upgrade_store

    click.echo(upgrade_store(_settings()))
    return OK


@store.command("prune")
@click.option("--before", type=day, required=True, metavar="DATE", help="Remove what was served or heard before this day.")
@click.option("--mutes-too", is_flag=True, help="Also feedback that still keeps a trial silent, and its card.")
@click.option("--dry-run", is_flag=True, help="Only say how many rows it would be.")
def store_prune(before: date, mutes_too: bool, dry_run: bool) -> int:
    """Remove old cards, old feedback and expired tokens, and say how many. Dismissals that still mute a trial stay."""
    from cds_service.store import prune_store

    if before > today():
        raise click.BadParameter(f"{before} is in the future", param_hint="--before")
    gone = prune_store(_settings(), before, mutes_too, dry_run)
    verb = "would remove" if dry_run else "removed"
    click.echo(f"{verb} {gone.served} served cards and {gone.feedback} feedback entries from before {before}, and {gone.tokens} expired tokens")
    if gone.kept:
        click.echo(f"kept {gone.kept} feedback entries, and their cards, that still mute a trial (CDS_MUTE_DAYS); --mutes-too removes them")
    return OK


@cli.command()
def demo() -> int:
    """Start a FHIR server and the service, fire the hook for all synthetic patients, and show the cards."""
    from cds_service.demo import run

    return run(_settings())


@cli.command()
def check() -> int:
    """Check criteria, mappings and fixtures: every fault with file and line. Exit status 1 if there is one."""
    from cds_service.checks import run

    return run(_settings())


@cli.command()
@click.option(
    "--to",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("docs/trials"),
    show_default=True,
    help="Folder of the trial pages.",
)
@click.option(
    "--ehr", type=click.Path(file_okay=False, path_type=Path), default=Path("docs/ehr"), show_default=True, help="Folder of the set-up sheets."
)
def docs(directory: Path, ehr: Path) -> int:
    """Write one page a trial (what is read from its record, how, and what only a person can say) and one set-up sheet an EHR."""
    from cds_service import wire
    from cds_service.ehr_sheets import Wiring, sheets
    from cds_service.trial_page import coverage

    rules = _rules(_settings())
    pages = {directory / f"{trial.id}.md": coverage(trial) for trial in rules.trials}
    wiring = Wiring(wire.SERVICES, rules.templates, wire.REASONS, rules.trials)
    for path, text in (pages | {ehr / name: text for name, text in sheets(wiring).items()}).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(str(path))
    return OK


@cli.command()
def config() -> int:
    """Print every setting with the value that holds here; secrets are hidden. Exit status 2 if one is wrong."""
    from cds_service.config import effective

    _settings()
    for name, value, given in effective(os.environ):
        click.echo(f"{name}={value}{'' if given else '  # default'}")
    return OK


def _settings(*, sandbox: bool = False, as_of: date | None = None) -> Settings:
    from cds_service.config import Settings

    return Settings.from_environment(os.environ, sandbox=sandbox, as_of=as_of)


def _rules(settings: Settings) -> Rules:
    from cds_service.pipeline import load_rules

    return load_rules(settings)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 ok, 1 findings, 2 usage. A fault is one line on stderr, never a traceback."""
    try:
        result = cli.main(args=arguments, prog_name="cds-service", standalone_mode=False)
        return result if isinstance(result, int) else OK
    except click.exceptions.Abort:
        return 130
    except click.ClickException as fault:
        return _say(fault.format_message())
    except BadData as fault:
        return _say(f"{fault.faults[0]} ({len(fault.faults)} faults; cds-service check lists them)" if fault.faults[1:] else str(fault))
    except CdsServiceError as fault:
        return _say(str(fault))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again while it exits
        return OK
    except Exception as fault:  # the last resort: say what and where, never the values
        return _say(internal(fault))


def _say(message: str) -> int:
    click.echo(f"cds-service: {' '.join(message.split())}", err=True)
    return USAGE
