"""Prints the demo: patients, cards as a clinician reads them, whether both ways agree, and the table at the end. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cds_service.demo.samples import Row, Sample
from cds_service.wire import ASSESSMENT

_COLOURS = {"candidate": "bold blue", "possible": "yellow", "excluded": "red", "not-applicable": "dim"}
_SHORT = {"candidate": "cand.", "possible": "poss.", "excluded": "excl.", "not-applicable": "·"}
_WIDTH = 108


class Screen:
    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _WIDTH

    def say(self, text: str) -> None:
        self.console.print(escape(text))

    def heading(self, name: str, about: str) -> None:
        self.console.rule(f"[bold]{escape(name)}[/bold]  {escape(about)}", align="left", style="dim")

    def patient(self, name: str, about: str, response: Mapping[str, object], agree: bool) -> Row:
        self.heading(name, about)
        cohorts = list(_cohorts(response))
        for cohort, status, why in cohorts:
            if status != "not-applicable":
                self.console.print(f"  {cohort}  [{_COLOURS.get(status, 'default')}]{status}[/]{escape(': ' + why if why else '')}")
        self.console.print(f"  [dim]{sum(status == 'not-applicable' for _, status, _ in cohorts)} patient groups not applicable[/]")
        made = [c for c in _list(response.get("cards")) if isinstance(c, dict)]
        for card in made:
            self.console.print(Padding(_panel(card), (0, 2)))
        if not made:
            self.console.print("  no card")
        self.console.print("  [green]✓[/] prefetch and FHIR server give the same answer" if agree else "  [red]✗ prefetch and FHIR server differ[/]")
        return Row(name, {cohort: status for cohort, status, _ in cohorts}, len(made))

    def samples(self, folder: str, found: Sequence[Sample]) -> None:
        """The same table for records that this project did not write; what could not be read, and what must not be, in a line each."""
        self.table("CDS_SAMPLES", folder, [sample.row for sample in found if sample.row is not None])
        for sample in found:
            if sample.unread:
                self.console.print(f"  {escape(sample.name)}: {escape(sample.unread)}")
            if sample.fault:
                self.console.print(f"  [red]✗[/] {escape(sample.name)}: {escape(sample.fault)}")

    def table(self, heading: str, about: str, rows: Sequence[Row]) -> None:
        """Patients down, cohorts across, each with its trial's number over it."""
        self.heading(heading, about)
        cohorts = list(dict.fromkeys(cohort for row in rows for cohort in row.statuses))
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
        table.add_column("\n\npatient", no_wrap=True, overflow="ellipsis", max_width=25)
        for cohort in cohorts:
            trial, name = cohort.split("/")
            table.add_column(f"{trial[:6]}\n{trial[6:]}\n{escape(name)}", no_wrap=True)
        table.add_column("\n\ncards", justify="right", no_wrap=True)
        for row in rows:
            cells = [Text(_SHORT[status], _COLOURS[status]) for status in (row.statuses[cohort] for cohort in cohorts)]
            table.add_row(Text(row.name), *cells, Text(str(row.cards) if row.cards else "·", "" if row.cards else "dim"))
        self.console.print(table)
        self.say("cand. candidate: nothing fails, nothing is unknown · poss. possible: nothing fails, something is unknown")
        self.say("excl. excluded: a criterion is not met · a point: not applicable, the disease is not on record")


def _panel(card: Mapping[str, object]) -> Panel:
    suggestions = [f"[ {s['label']} ]" for s in _list(card.get("suggestions")) if isinstance(s, dict)]
    detail = str(card.get("detail", ""))
    if suggestions:
        detail += "\n\n" + " ".join(s.replace("[", "\\[") for s in suggestions)
    return Panel(Group(f"[bold]{escape(str(card.get('summary', '')))}[/bold]\n", Markdown(detail)), border_style="blue")


def _cohorts(response: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Trial and cohort, status, and in a few words what decided it."""
    extension = response.get("extension")
    whole = extension.get(ASSESSMENT) if isinstance(extension, dict) else None
    for found in _list(whole.get("assessments") if isinstance(whole, dict) else None):
        if isinstance(found, dict):
            yield f"{found['trial']}/{found['cohort']}", str(found["status"]), _why(found)


def _why(found: Mapping[str, object]) -> str:
    criteria = [c for c in _list(found.get("criteria")) if isinstance(c, dict)]
    closed = "" if found.get("recruiting") else "; does not recruit"
    match found["status"]:
        case "excluded":
            return "; ".join(f"{c['label']}: not met" for c in criteria if c["outcome"] == "not-met") + closed
        case "possible":
            unknown = [c for c in criteria if c["outcome"] == "unknown"]
            said = "; ".join(f"{c['label']} ({c['reason']})" for c in unknown[:3])
            return f"{len(unknown)} open: {said}" + (" …" if unknown[3:] else "") + closed
        case "candidate":
            return f"{sum(c['outcome'] == 'met' for c in criteria)} met, {sum(c['outcome'] == 'manual' for c in criteria)} need a person" + closed
    return ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
