"""Well-shaped tables → frozen predicates. Combinators and shared pieces; the leaves are next door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from cds_service.criteria import leaves
from cds_service.criteria.leaves import Place
from cds_service.criteria.names import Names, node, sub, tables, text
from cds_service.criteria.therapy import response_therapy, therapy
from cds_service.model.predicates import All, Any, AtLeast, Doubt, Not, Predicate, Response, Therapy, Unless, When
from cds_service.shape import meant
from cds_service.yaml_lines import Items, Node, Table, Text

Leaf = Callable[[Names, Table, Place], Predicate]
LEAVES: Mapping[str, Leaf] = {
    "age": leaves.age,
    "sex": leaves.sex,
    "condition": leaves.condition,
    "observation": leaves.observation,
    "trend": leaves.trend,
    "relapse": leaves.relapse,
    "therapy": therapy,
    "event": leaves.event,
    "manual": leaves.manual,
}
NOTHING = All(())  # stands in for a piece with a fault; a file with faults makes no trial


@dataclass(slots=True)
class Parser:
    """`defines` are raw: a shared piece is read anew where it is used, for absence depends on the place."""

    names: Names
    defines: Mapping[str, Table]
    unreadable: frozenset[str] = frozenset()  #: names of defines that have faults of their own
    _cycles: set[frozenset[str]] = field(default_factory=set)

    def predicate(self, raw: Table, place: Place) -> Predicate:
        for head, leaf in LEAVES.items():
            if head in raw:
                return leaf(self.names, raw, place)
        match raw:
            case {"all": _}:
                return All(self.parts(raw, "all", place))
            case {"any": _}:
                return Any(self.parts(raw, "any", replace(place, inside="any")))
            case {"at_least": Table() as spec}:
                return self.at_least(spec, replace(place, inside="at_least"))
            case {"not": Table() as part}:
                return Not(self.predicate(part, replace(place, inside="not")))
            case {"when": Table()}:
                return self.when(raw, place)
            case {"unless": Table() as spec}:
                return self.unless(spec, replace(place, inside="unless"))
            case {"response": Table() as spec}:
                return self.response(spec, place)
            case {"judgement": Table() as part}:
                return Doubt(self.predicate(part, replace(place, inside="judgement")), "needs-judgement")
            case {"ambiguous": Table() as part}:
                return Doubt(self.predicate(part, replace(place, inside="ambiguous")), "ambiguous-record")
            case _:
                return self.shared(raw, place)

    def parts(self, raw: Table, key: str, place: Place) -> tuple[Predicate, ...]:
        return tuple(self.predicate(part, place) for part in tables(raw, key))

    def at_least(self, spec: Table, place: Place) -> Predicate:
        count, parts = int(text(spec, "count")), self.parts(spec, "of", place)
        if count > len(parts):
            self.names.fault(spec, f"at least {count} of {len(parts)} can never hold; lower 'count' or add to 'of'")
        return AtLeast(count, parts)

    def when(self, raw: Table, place: Place) -> Predicate:
        if place.inside:
            self.names.fault(
                raw,
                f"'when' inside '{place.inside}' can reverse a decision: a guard that turns out false takes its part away; "
                f"put 'when' at the top of the criterion or directly in 'all'{_through(place)}",
            )
        spec = sub(raw, "when") or Table()
        guard = self.predicate(_part(spec, "if"), replace(place, guard=True, inside="when: if"))
        return When(guard, self.predicate(_part(spec, "then"), place))

    def unless(self, spec: Table, place: Place) -> Predicate:
        excuse = self.predicate(_part(spec, "excuse"), replace(place, guard=True))
        return Unless(self.predicate(_part(spec, "needs"), place), excuse, text(spec, "then"))

    def response(self, spec: Table, place: Place) -> Predicate:
        given: Therapy = response_therapy(self.names, spec, place)
        return Response(given, self.predicate(_part(spec, "shows"), replace(place, response=True, inside="response")))

    def shared(self, raw: Table, place: Place) -> Predicate:
        name = node(raw, "ref")
        if name is None or name in self.unreadable:
            return NOTHING
        if name in place.via:
            self.cycle(name, place.via[place.via.index(name) :])
        elif name not in self.defines:
            self.names.fault(name, f"unknown ref '{name}'{meant(name, self.defines) or '; add it under define'}")
        else:
            return self.predicate(self.defines[name], replace(place, via=(*place.via, str(name))))
        return NOTHING

    def cycle(self, name: Text, members: tuple[str, ...]) -> None:
        if frozenset(members) not in self._cycles:
            self._cycles.add(frozenset(members))
            self.names.fault(name, f"circular define: {' → '.join((*members, str(name)))}; break the circle")


def _part(spec: Table, key: str) -> Table:
    return sub(spec, key) or Table()


def _through(place: Place) -> str:
    return f" (reached through ref '{place.via[-1]}')" if place.via else ""


def refs(raw: Node) -> Iterator[str]:
    """Every name that a raw predicate takes from define."""
    if isinstance(raw, Table):
        for key, value in raw.items():
            if key == "ref" and isinstance(value, Text):
                yield str(value)
            else:
                yield from refs(value)
    elif isinstance(raw, Items):
        for item in raw:
            yield from refs(item)


def used(defines: Mapping[str, Node], starts: Iterable[Node]) -> set[str]:
    """The defines that some criterion or gate reaches."""
    found: set[str] = set()
    waiting = [name for start in starts for name in refs(start)]
    while waiting:
        name = waiting.pop()
        if name in defines and name not in found:
            found.add(name)
            waiting.extend(refs(defines[name]))
    return found


def leaves_of(predicate: Predicate) -> Iterator[Predicate]:
    """The predicate and everything inside it, outermost first."""
    yield predicate
    match predicate:
        case All(parts) | Any(parts) | AtLeast(_, parts):
            inner: tuple[Predicate, ...] = parts
        case Not(part) | Doubt(part, _):
            inner = (part,)
        case When(first, second) | Unless(first, second, _):
            inner = (first, second)
        case Response(first, second):
            inner = (first, second)
        case _:
            inner = ()
    for part in inner:
        yield from leaves_of(part)
