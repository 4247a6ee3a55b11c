"""The one question a card may ask: the treatment that an unread list would have told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cds_service.model.outcomes import Outcome
from cds_service.model.predicates import All, Any, AtLeast, Predicate, Response, Therapy, Unless, When
from cds_service.words import at_start, clean, count, in_sentence, listed
from cds_service.words.values import Ink

_CLASSES = ("inhibitor", "immunosuppressant", "glucocorticoid", "antimalarial", "antimetabolite", "biologic", "agent", "drug")


def question(ink: Ink, unread: Iterable[Outcome], names: Mapping[str, str]) -> str:
    """Asked of the first pivotal criterion on treatment that is open because a list did not arrive."""
    for outcome in unread:
        if outcome.criterion.pivotal:
            courses: dict[str, str] = {}  # the same drugs are asked for once, and with their length if it is asked for
            for therapy in _therapies(outcome.criterion.needs):
                drugs = _drugs(therapy, names)
                courses[drugs] = max(courses.get(drugs, ""), _course(therapy, names), key=len)
            if courses:
                said = _or(list(courses.values()))
                return f"**You may know:** {ink.text(at_start(said))}?"
    return ""


def _therapies(p: Predicate) -> Iterator[Therapy]:
    match p:
        case Therapy():
            yield p
        case Response():
            yield p.therapy
        case All() | Any() | AtLeast():
            for part in p.parts:
                yield from _therapies(part)
        case When() | Unless():
            yield from _therapies(p.part)


def _course(therapy: Therapy, names: Mapping[str, str]) -> str:
    """`6 months or more of rituximab, a calcineurin inhibitor, or steroids with cyclophosphamide`."""
    length, drugs = _length(therapy), _drugs(therapy, names)
    if length or not therapy.regimens:
        return f"{length}{drugs}"
    inner = {_length(part) for part in therapy.regimens}
    if len(inner) == 1:  # said once for all regimens
        return f"{inner.pop()}{_or([_drugs(part, names) for part in therapy.regimens])}"
    return _or([_course(part, names) for part in therapy.regimens])


def _length(therapy: Therapy) -> str:
    if therapy.duration is None:
        return ""
    period = count(therapy.duration.count, therapy.duration.unit.removesuffix("s"), therapy.duration.unit)
    return f"more than {period} of " if therapy.strict else f"{period} or more of "


def _drugs(therapy: Therapy, names: Mapping[str, str]) -> str:
    if therapy.regimens:
        return _or([_drugs(part, names) for part in therapy.regimens])
    if therapy.all_of:
        return " with ".join(_name(c, names) for c in therapy.all_of)
    several = f"{therapy.distinct} of: " if therapy.distinct > 1 else ""
    return several + _or([_name(c, names) for c in therapy.any_of])


def _name(concept: str, names: Mapping[str, str]) -> str:
    """A class of drugs has an article, a drug has none."""
    words = in_sentence(clean(names.get(concept, concept.replace("_", " "))))
    if not words.endswith(_CLASSES):
        return words
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}" if not words.startswith(("a ", "an ")) else words


def _or(items: list[str]) -> str:
    """With a comma before the last of three: `with` inside an item must not run into the next."""
    return f"{', '.join(items[:-1])}, or {items[-1]}" if len(items) > 2 else listed(items, "or")
