"""mappings/*.csv and a site's own tables → Vocabulary, strictly. Reads files; knows no patients and no criteria."""

from __future__ import annotations

from pathlib import Path

from cds_service import units
from cds_service.codes import normalise_code, normalise_system, plain_text
from cds_service.errors import BadData, DataFault
from cds_service.mappings.codings import Codings, unknown
from cds_service.mappings.rows import Table
from cds_service.model.vocabulary import LISTS, Coding, Concept, Drug, DrugClass, Vocabulary

KINDS = ("observation", "condition", "procedure", "drug", "immunization")
COSTS = ("chart", "blood", "urine", "imaging", "biopsy")
RESULTS = ("", *(name for name in LISTS if name.startswith("results-")))
RESULTS_OF_TEST = ("positive", "negative", "indeterminate")


def load(directory: Path, local: Path | None = None, upper_limits: Path | None = None, *, thorough: bool = False) -> Vocabulary:
    """All tables of a directory, a site's own codes and its upper limits of normal.

    Raises BadData with every fault found. `thorough` also asks UCUM about each unit and checks each factor against it,
    which is too slow for a start.
    """
    faults: list[DataFault] = []
    concepts = _concepts(Table(directory / "concepts.csv", faults))
    drugs = _drugs(Table(directory / "drugs.csv", faults), concepts)
    codings = Codings(concepts, thorough)
    codings.read(Table(directory / "observations.csv", faults), ("observation",), measured=True)
    codings.read(Table(directory / "conditions.csv", faults), ("condition",))
    codings.read(Table(directory / "procedures.csv", faults), ("procedure",))
    codings.read(Table(directory / "medications.csv", faults), ("drug", "immunization"))
    codings.read(Table(directory / "atc.csv", faults), ("drug", "immunization"), titled=False)
    classes = _classes(Table(directory / "classes.csv", faults), concepts, drugs)
    answers = _answers(Table(directory / "answers.csv", faults))
    synonyms = _synonyms(Table(directory / "synonyms.csv", faults), concepts)
    if local is not None:
        codings.read_local(Table(local, faults))
    limits = _upper_limits(Table(upper_limits, faults), concepts) if upper_limits is not None else {}
    if faults:
        raise BadData(faults)
    exact, prefixes = codings.tables()
    return Vocabulary(concepts, exact, prefixes, drugs, classes, answers, synonyms, limits)


def _concepts(table: Table) -> dict[str, Concept]:
    columns = ("id", "kind", "name", "unit", "molar_mass", "fresh", "lasting", "results", "plausible_low", "plausible_high")
    found: dict[str, Concept] = {}
    for row in table.rows((*columns, "cost", "order_system", "order_code", "order_display")):
        values = row.values
        if not table.once(row.line, f"concept '{values['id']}'", values["id"]):
            continue
        if not values["id"] or not values["name"]:
            table.fault(row.line, "a concept needs an id and a name")
        kind = table.one_of(row, "kind", KINDS)
        results = table.one_of(row, "results", RESULTS)
        if kind == "observation" and not results:
            table.fault(row.line, f"an observation needs a list to be read by: {', '.join(RESULTS[1:])}")
        if bool(values["order_system"]) != bool(values["order_code"]):
            table.fault(row.line, "order_system and order_code go together; give both or neither")
        low, high = table.number(row, "plausible_low"), table.number(row, "plausible_high")
        if (low is None) != (high is None) or (low is not None and high is not None and low >= high):
            table.fault(row.line, "plausible_low must lie below plausible_high; give both or neither")
        found[values["id"]] = Concept(
            id=values["id"],
            kind=kind,
            name=values["name"],
            unit=values["unit"],
            fresh=table.whole(row, "fresh"),
            lasting=table.one_of(row, "lasting", ("no", "yes")) == "yes",
            molar_mass=table.number(row, "molar_mass", above=0),
            results=results,
            cost=table.one_of(row, "cost", COSTS),
            order=Coding(values["order_system"], values["order_code"], values["order_display"]) if values["order_code"] else None,
            plausible=(low, high) if low is not None and high is not None else None,
        )
    return found


def _drugs(table: Table, concepts: dict[str, Concept]) -> dict[str, Drug]:
    """Every drug is a concept, too: an allergy names it."""
    found: dict[str, Drug] = {}
    for row in table.rows(("id", "name", "prednisone", "grace", "course")):
        drug = row.values["id"]
        if not table.once(row.line, f"drug '{drug}'", drug):
            continue
        if not drug or not row.values["name"]:
            table.fault(row.line, "a drug needs an id and a name")
        if drug in concepts:
            table.fault(row.line, f"'{drug}' is also a concept of concepts.csv; a drug stands in drugs.csv alone")
        grace, course = table.whole(row, "grace"), table.whole(row, "course")
        found[drug] = Drug(drug, row.values["name"], table.number(row, "prednisone", above=0), 30 if grace is None else grace, course or 0)
        concepts[drug] = Concept(drug, "drug", row.values["name"], cost="chart")
    return found


def _classes(table: Table, concepts: dict[str, Concept], drugs: dict[str, Drug]) -> dict[str, DrugClass]:
    members: dict[str, set[str]] = {}
    for row in table.rows(("class", "drug")):
        name, drug = row.values["class"], row.values["drug"]
        if not table.once(row.line, f"'{drug}' in class '{name}'", name, drug):
            continue
        if drug not in drugs:
            table.fault(row.line, unknown("drug", drug, drugs, "drugs.csv"))
        if name not in concepts or concepts[name].kind != "drug":
            table.fault(row.line, f"class '{name}' has no row of kind drug in concepts.csv; add it with its name")
        else:
            members.setdefault(name, set()).add(drug)
    return {name: DrugClass(name, concepts[name].name, frozenset(group)) for name, group in members.items()}


def _answers(table: Table) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for row in table.rows(("system", "code", "result")):
        system, code = normalise_system(row.values["system"]), row.values["code"]
        if table.once(row.line, f"answer '{code}'", system, code):
            result = table.one_of(row, "result", RESULTS_OF_TEST)
            found |= {(system, plain): result for plain in normalise_code(system, code)}
    return found


def _synonyms(table: Table, concepts: dict[str, Concept]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in table.rows(("text", "concept")):
        text = plain_text(row.values["text"])
        if not text:
            table.fault(row.line, "text is empty; write the name as records spell it")
        elif table.once(row.line, f"text '{text}'", text):
            if row.values["concept"] not in concepts:
                table.fault(row.line, unknown("concept", row.values["concept"], concepts, "concepts.csv or drugs.csv"))
            found[text] = row.values["concept"]
    return found


def _upper_limits(table: Table, concepts: dict[str, Concept]) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in table.rows(("concept", "upper", "unit")):
        name, unit = row.values["concept"], row.values["unit"]
        upper = table.number(row, "upper", above=0)
        concept = concepts.get(name)
        if not table.once(row.line, f"upper limit of '{name}'", name):
            continue
        if concept is None or concept.kind != "observation":
            table.fault(row.line, unknown("observation", name, (c.id for c in concepts.values() if c.kind == "observation"), "concepts.csv"))
            continue
        factor = units.factor(unit, concept.unit, concept.molar_mass) if concept.unit else None
        if factor is None:
            mend = f"give it in {concept.unit}" if concept.unit else "it has no common unit, so only the laboratory's own range can serve"
            table.fault(row.line, f"unit '{unit}' does not convert for {name}; {mend}")
        elif upper is None:
            if not row.values["upper"]:
                table.fault(row.line, "upper is empty; give the upper limit of normal")
        else:
            found[name] = upper * factor
    return found
