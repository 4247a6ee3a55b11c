"""Prints the demo: patients, cards as a clinician reads them, and whether both ways agree. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel

from cds_service.wire import ASSESSMENT

_COLOURS = {"candidate": "blue", "possible": "yellow", "excluded": "red", "not-applicable": "dim"}
_WIDTH = 108


class Screen:
    def __init__(self) -> None:
        self.console = Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _WIDTH
        self.patients = self.cards = self.samples = 0

    def say(self, text: str) -> None:
        self.console.print(escape(text))

    def patient(self, name: str, about: str, response: Mapping[str, object], agree: bool) -> None:
        self.patients += 1
        self.console.rule(f"[bold]{escape(name)}[/bold]  {escape(about)}", align="left", style="dim")
        for trial, status, why in _cohorts(response):
            self.console.print(f"  {trial}  [{_COLOURS.get(status, 'default')}]{status}[/]{escape(': ' + why if why else '')}")
        made = [c for c in _list(response.get("cards")) if isinstance(c, dict)]
        self.cards += len(made)
        for card in made:
            self.console.print(Padding(_panel(card), (0, 2)))
        if not made:
            self.console.print("  no card")
        self.console.print("  [green]✓[/] prefetch and FHIR server give the same answer" if agree else "  [red]✗ prefetch and FHIR server differ[/]")

    def sample(self, name: str, said: str, cards: int = 0, without_cause: int = 0) -> None:
        if not self.samples:
            self.console.rule("[bold]CDS_SAMPLES[/bold]  records that this project did not write", align="left", style="dim")
        self.samples += 1
        note = f"{cards} card{'s'[: cards != 1]}" + (f", {without_cause} without cause" if without_cause else "")
        self.console.print(f"  {escape(name)}: {escape(said)} · {note}")

    def close(self, disagreeing: Sequence[str], failing: Sequence[str]) -> None:
        self.console.rule(style="dim")
        both = f"both ways disagree for {', '.join(disagreeing)}" if disagreeing else "both ways agree"
        self.console.print(escape(f"{self.patients} patients, {self.cards} cards, {both}."))
        if self.samples:
            self.console.print(
                escape(f"{self.samples} samples, " + (f"trouble with {', '.join(failing)}." if failing else "no crash and no card without cause."))
            )
        self.console.print("Everybody here is invented. The cards support judgement; the study team decides.")


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
    match found["status"]:
        case "excluded":
            return "; ".join(f"{c['label']}: not met" for c in criteria if c["outcome"] == "not-met")
        case "possible":
            unknown = [c for c in criteria if c["outcome"] == "unknown"]
            return f"{len(unknown)} open: " + "; ".join(f"{c['label']} ({c['reason']})" for c in unknown[:3]) + (" …" if unknown[3:] else "")
        case "candidate":
            return f"{sum(c['outcome'] == 'met' for c in criteria)} met, {sum(c['outcome'] == 'manual' for c in criteria)} need a person"
    return ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
