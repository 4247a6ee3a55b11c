"""One well-shaped file → one Trial. Faults of any piece are collected; a file with faults makes no trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cds_service.criteria import checks
from cds_service.criteria.leaves import Place
from cds_service.criteria.names import Names, items, names_in, node, plain, sub, tables, text, yes
from cds_service.criteria.parse import NOTHING, Parser, used
from cds_service.errors import DataFault
from cds_service.model.predicates import Predicate
from cds_service.model.trials import Cohort, Criterion, Interpretation, Site, Trial
from cds_service.model.vocabulary import Vocabulary
from cds_service.shape import Shape
from cds_service.yaml_lines import Node, Table, Text

Days = Mapping[str, date | None]


def read_trial(
    path: str, tree: Node, schema: Mapping[str, Any], vocabulary: Vocabulary, mapped: frozenset[str]
) -> tuple[Trial | None, list[DataFault]]:
    """The trial of one file, or every fault in it. `mapped`: concepts that some code names."""
    shape = Shape(schema, path)
    shape.check(tree)
    if not isinstance(tree, Table):
        return None, shape.faults
    file = _File(tree, Names(path, vocabulary), shape.bad, mapped)
    trial = file.trial(path)
    faults = sorted({*shape.faults, *file.names.faults}, key=lambda fault: (fault.line, fault.message))
    return (None if faults else trial), faults


@dataclass(slots=True)
class _File:
    """`bad` names the nodes whose shape is wrong: they are left out, so that one mistake is told once."""

    tree: Table
    names: Names
    bad: set[int]
    mapped: frozenset[str]

    def trial(self, path: str) -> Trial | None:
        raw_cohorts, raw_criteria, defines = self.sound("cohorts"), self.sound("criteria"), sub(self.tree, "define") or Table()
        parser = Parser(
            self.names,
            {name: piece for name, piece in defines.items() if isinstance(piece, Table)},
            frozenset(name for name, piece in defines.items() if id(piece) in self.bad),
        )
        cohorts = tuple(self.cohort(raw, parser) for raw in raw_cohorts)
        criteria = tuple(self.criterion(raw, parser) for raw in raw_criteria)
        self.across(Path(path).stem, raw_cohorts, raw_criteria, defines)
        days = {key: self.day(key) for key in ("last_update", "verified_on", "completion")}
        if self.bad or self.names.faults or days["verified_on"] is None:
            return None
        return self.whole(path, cohorts, criteria, days, days["verified_on"])

    def sound(self, key: str) -> list[Table]:
        return [raw for raw in tables(self.tree, key) if id(raw) not in self.bad]

    def across(self, stem: str, cohorts: list[Table], criteria: list[Table], defines: Table) -> None:
        """What only the whole file can tell. Silent where a broken piece may hold what seems to be missing."""
        whole_cohorts = len(cohorts) == len(tables(self.tree, "cohorts"))
        whole_criteria = len(criteria) == len(tables(self.tree, "criteria"))
        trial_id = node(self.tree, "id")
        if trial_id is not None and id(trial_id) not in self.bad:
            checks.identity(self.names, trial_id, stem)
        checks.unique(self.names, "criterion id", (node(raw, "id") for raw in tables(self.tree, "criteria")))
        checks.unique(self.names, "cohort id", (node(raw, "id") for raw in tables(self.tree, "cohorts")))
        checks.outline(self.names, items(self.tree, "outline"), [place for raw in tables(self.tree, "criteria") if (place := node(raw, "ref"))])
        checks.yields(self.names, cohorts)
        if whole_cohorts:
            known = {text(raw, "id") for raw in cohorts}
            if checks.known_cohorts(self.names, known, [*criteria, *cohorts]) and whole_criteria:
                checks.empty_cohorts(self.names, cohorts, criteria)
        starts = [raw[key] for many, key in (("criteria", "needs"), ("cohorts", "gate")) for raw in tables(self.tree, many) if key in raw]
        checks.unused(self.names, defines, used(defines, starts))

    def cohort(self, raw: Table, parser: Parser) -> Cohort:
        gate = self.needs(raw, "gate", parser, Place("gate", inside="gate"))
        if not checks.stands_in(gate, NOTHING):
            checks.gate(self.names, raw, gate, self.mapped)
        return Cohort(text(raw, "id"), text(raw, "disease"), text(raw, "short_disease"), gate, plain(names_in(raw, "yields_to")))

    def criterion(self, raw: Table, parser: Parser) -> Criterion:
        needs = self.needs(raw, "needs", parser, Place(text(raw, "kind")))
        spec = sub(raw, "interpretation")
        if not checks.stands_in(needs, NOTHING):
            checks.criterion(self.names, raw, needs)
        return Criterion(
            id=text(raw, "id"),
            kind=text(raw, "kind"),
            ref=text(raw, "ref"),
            label=text(raw, "label"),
            needs=needs,
            short=text(raw, "short"),
            topic=text(raw, "topic"),
            pivotal=yes(raw, "pivotal"),
            why_manual=text(raw, "why_manual"),
            interpretation=self.interpretation(spec) if spec is not None else None,
            cohorts=plain(names_in(raw, "cohorts")),
            line=raw.line,
        )

    def needs(self, raw: Table, key: str, parser: Parser, place: Place) -> Predicate:
        value = sub(raw, key)
        return parser.predicate(value, place) if value is not None else NOTHING

    def interpretation(self, raw: Table) -> Interpretation:
        review = node(raw, "review")
        if review is not None and review != "unreviewed":
            self.written_day(review, review.rpartition(", ")[2])
        return Interpretation(
            text(raw, "reading"), text(raw, "why"), tuple(map(str, items(raw, "alternatives"))), yes(raw, "decides"), str(review or "")
        )

    def day(self, key: str) -> date | None:
        value = node(self.tree, key)
        return self.written_day(value, str(value)) if value is not None and id(value) not in self.bad else None

    def written_day(self, where: Text, written: str) -> date | None:
        try:
            return date.fromisoformat(written)
        except ValueError:
            self.names.fault(where, f"there is no day {written}; give a date written YYYY-MM-DD")
            return None

    def whole(self, path: str, cohorts: tuple[Cohort, ...], criteria: tuple[Criterion, ...], days: Days, verified: date) -> Trial:
        tree = self.tree
        return Trial(
            id=text(tree, "id"),
            title=text(tree, "title"),
            product=text(tree, "product"),
            status=text(tree, "status"),
            phase=text(tree, "phase"),
            sponsor=text(tree, "sponsor"),
            url=text(tree, "url"),
            sites=tuple(Site(text(site, "name"), text(site, "city"), text(site, "country")) for site in tables(tree, "sites")),
            topic=text(tree, "topic"),
            last_update=days["last_update"],
            verified_on=verified,
            completion=days["completion"],
            cohorts=cohorts,
            criteria=criteria,
            outline=tuple(map(str, items(tree, "outline"))),
            registry=text(tree, "registry", "ClinicalTrials.gov"),
            ages=text(tree, "ages"),
            intervention=text(tree, "intervention"),
            contacts=tuple(map(str, items(tree, "contacts"))),
            path=path,
            labels=dict(sorted(self.names.labels.items())),
        )
