"""What no schema can say of a criterion, a cohort or a whole file. Each check adds faults, none raises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cds_service.criteria.names import Names, names_in, text
from cds_service.criteria.parse import leaves_of
from cds_service.model.predicates import ConditionIs, Doubt, EventIs, Manual, ObservationIs, Predicate, Therapy
from cds_service.shape import meant
from cds_service.yaml_lines import Items, Table, Text, text_at


def stands_in(predicate: Predicate, placeholder: Predicate) -> bool:
    """Whether some piece could not be read; what it holds is then unknown."""
    return any(part is placeholder for part in leaves_of(predicate))


def criterion(names: Names, raw: Table, needs: Predicate) -> None:
    parts = list(leaves_of(needs))
    asks = any(isinstance(part, Manual) for part in parts)
    arranged = any(isinstance(part, ObservationIs) and part.absent == "manual" for part in parts)
    ambiguous = any(isinstance(part, Doubt) and part.reason == "ambiguous-record" for part in parts)
    interpretation = raw.get("interpretation")
    prefix = {"inclusion": "inc-", "exclusion": "exc-"}[text(raw, "kind")]
    if not text(raw, "id").startswith(prefix):
        names.fault(raw["id"], f"the id of an {text(raw, 'kind')} begins with '{prefix}'; rename '{text(raw, 'id')}' or mend 'kind'")
    if asks and "why_manual" not in raw:
        names.fault(raw, f"'{text(raw, 'id')}' asks a person ('manual') and has no 'why_manual'; say why the record cannot tell")
    if "why_manual" in raw and not asks and not arranged:
        names.fault(raw["why_manual"], "'why_manual' without anything manual in 'needs'; remove it")
    if ambiguous and not isinstance(interpretation, Table):
        names.fault(raw, f"'{text(raw, 'id')}' has an 'ambiguous' part and no 'interpretation'; say how the record is read and why")
    if ambiguous and isinstance(interpretation, Table) and text(interpretation, "decides") == "yes":
        names.fault(interpretation["decides"], "'decides: yes', but an 'ambiguous' part leaves it open; say 'decides: no' or remove 'ambiguous'")


def gate(names: Names, raw: Table, predicate: Predicate, mapped: frozenset[str]) -> None:
    """A gate asks the record for a disease: a person cannot open it, nor can an age."""
    parts = list(leaves_of(predicate))
    if any(isinstance(part, Manual) for part in parts):
        names.fault(raw["gate"], "'manual' in a gate: the record alone opens it; move the question to a criterion")
    if any(isinstance(part, Doubt) and part.reason == "ambiguous-record" for part in parts):
        names.fault(raw["gate"], "'ambiguous' in a gate, which can carry no interpretation; use 'judgement' or move it to a criterion")
    concepts = {c for part in parts if isinstance(part, ConditionIs | ObservationIs | EventIs) for c in part.concepts}
    drugs = any(isinstance(part, Therapy) for part in parts)
    if not concepts and not drugs:
        names.fault(raw["gate"], f"cohort '{text(raw, 'id')}' can never be reached: its gate names no concept; name the disease")
    elif not drugs and not concepts & mapped:
        names.fault(
            raw["gate"], f"cohort '{text(raw, 'id')}' can never be reached: mappings/ has no code for {', '.join(sorted(concepts))}; add some"
        )


def identity(names: Names, trial_id: Text, stem: str) -> None:
    if trial_id != stem:
        names.fault(trial_id, f"id '{trial_id}' in a file named '{stem}'; give both the same NCT number")


def unique(names: Names, what: str, given: Iterable[Text | None]) -> None:
    first: dict[str, int] = {}
    for name in given:
        if name is not None:
            if name in first:
                names.fault(name, f"{what} '{name}' is already on line {first[name]}; rename one")
            first.setdefault(str(name), name.line)


def outline(names: Names, entries: Items, places: Sequence[Text]) -> None:
    """Each criterion begins with an entry of the record's outline, and each entry has a criterion."""
    listed = [entry for entry in entries if isinstance(entry, Text)]
    unique(names, "outline entry", listed)
    covered: set[str] = set()
    for place in places:
        found = [entry for entry in listed if _begins(place, entry)]
        covered.update(sorted(found, key=len)[-1:])
        if listed and not found:
            names.fault(place, f"ref '{place}' begins with no entry of 'outline'{meant(place, listed) or '; add the entry or mend ref'}")
    for entry in listed:
        if places and entry not in covered:
            names.fault(entry, f"no criterion for outline entry '{entry}'; add one whose ref begins with it")


def _begins(place: str, entry: str) -> bool:
    """`Inclusion 3.1 (ALT)` begins with `Inclusion 3.1`, and neither with `Inclusion 3` nor `Inclusion 3.10`."""
    after = place[len(entry) : len(entry) + 2]
    return place.startswith(entry) and not after[:1].isalnum() and not (after[:1] == "." and after[1:].isalnum())


def known_cohorts(names: Names, known: set[str], raws: Iterable[Table]) -> bool:
    """False where some name is unknown."""
    before = len(names.faults)
    for raw in raws:
        for key in ("cohorts", "yields_to"):
            for name in names_in(raw, key):
                if name not in known:
                    names.fault(name, f"unknown cohort '{name}' in '{key}'{meant(name, known) or '; the file has ' + ', '.join(sorted(known))}")
    return len(names.faults) == before


def empty_cohorts(names: Names, cohorts: Sequence[Table], criteria: Sequence[Table]) -> None:
    served = {str(name) for raw in criteria for name in names_in(raw, "cohorts")}
    if all("cohorts" in raw for raw in criteria):
        for raw in cohorts:
            if text(raw, "id") not in served:
                names.fault(raw, f"cohort '{text(raw, 'id')}' has no criterion; add some or remove it")


def yields(names: Names, cohorts: Sequence[Table]) -> None:
    """A cohort that waits for itself, or two that wait for each other, would never be decided."""
    waits = {text(raw, "id"): [str(name) for name in names_in(raw, "yields_to")] for raw in cohorts}
    for raw in cohorts:
        start, seen = text(raw, "id"), set[str]()
        waiting = list(waits[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(waits.get(name, ()))
        if start in seen:
            names.fault(raw["yields_to"], f"cohort '{start}' yields to itself{' through others' if start not in waits[start] else ''}; remove it")


def unused(names: Names, defines: Table, reached: set[str]) -> None:
    for name in defines:
        if name not in reached:
            names.fault(text_at(name, defines.lines[name]), f"define '{name}' is used by no criterion and no gate; use it or remove it")
