"""A sheet as plain text or as one self-contained page. Knows no findings, only words."""

from __future__ import annotations

import textwrap

from cds_service.dates import NBSP
from cds_service.reasoning.branches import OUTCOMES, Branch, Sheet

WIDTH = 100


def as_text(page: Sheet) -> str:
    """At most 100 columns."""
    lines = [f"{page.trial}  {page.title}", page.state, f"{page.patient} as of {page.as_of}: {page.status}", *_wrap(page.counts, 0)]
    lines += [f"Check incomplete: {words}" for words in page.incomplete]
    for title, items in (("What would decide it", page.decides), ("Questions", page.questions), ("When to look again", page.look_again)):
        if items:
            lines += ["", title]
            lines += [line for item in items for line in _wrap(f"- {item}", 2)]
    for outcome, words in OUTCOMES.items():
        twigs = [t for t in page.twigs if t.outcome == outcome]
        lines += ["", f"{words} ({len(twigs)})"] if twigs else []
        for twig in twigs:
            lines += _wrap(f"{twig.label} [{twig.place}]{': ' + twig.why if twig.why else ''}", 2)
            lines += _wrap(f"close to its limit: {twig.near}", 4) if twig.near else []
            lines += _wrap(f"how this was read: {twig.reading}", 4) if twig.reading else []
            lines += _tree(twig.tree._replace(asked=f"{twig.lead}: {twig.tree.asked}"), 4)
    return "\n".join(lines).replace(NBSP, " ") + "\n"


def _tree(branch: Branch, indent: int) -> list[str]:
    lines = _wrap(f"[{branch.says}] {branch.asked}{' (' + branch.why + ')' if branch.why else ''}", indent)
    for item in branch.evidence:
        lines += _wrap(f"= {item}", indent + 2)
    for part in branch.parts:
        lines += _tree(part, indent + 2)
    return lines


def _wrap(text: str, indent: int) -> list[str]:
    indent = min(indent, WIDTH // 2)
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2), break_on_hyphens=False)


def as_html(page: Sheet) -> str:
    """One file with everything in it: no script, nothing fetched. Everything from a record is escaped."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("cds_service.reasoning", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html").render(page=page, outcomes=OUTCOMES)
