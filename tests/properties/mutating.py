"""Hook bodies of the fixtures, and what can happen to them on their way: anything at all, or damage that only takes away.

Everything is drawn from one `Random`, which Hypothesis hands in, so that a failure is shrunk and can be repeated.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from cds_service.model.vocabulary import LISTS

Json = dict[str, Any]
Place = tuple[Any, ...]
ROOT = Path(__file__).resolve().parents[2]
AS_OF = "2026-11-01"  #: the day that the fixtures are about
_BY_TYPE = {
    "Condition": "conditions",
    "MedicationRequest": "medication-requests",
    "MedicationStatement": "medication-statements",
    "MedicationAdministration": "medication-administrations",
    "MedicationDispense": "medication-dispenses",
    "Procedure": "procedures",
    "DiagnosticReport": "reports",
    "AllergyIntolerance": "allergies",
    "Immunization": "immunizations",
    "Medication": "medication-requests",
}


def bodies(templates: Mapping[str, str]) -> dict[str, Json]:
    """By name: a patient-view of each fixture with everything prefetched, and the requests of the manual."""
    found = {path.stem: hook_body(json.loads(path.read_bytes()), templates) for path in sorted((ROOT / "fixtures").glob("*.json"))}
    return found | {path.stem: json.loads(path.read_bytes()) for path in sorted((ROOT / "docs/examples").glob("*.json"))}


def hook_body(bundle: Json, templates: Mapping[str, str]) -> Json:
    """Each resource on the one list that is asked for it; a result that no list asks for among the others."""
    lists: dict[str, list[Json]] = {key: [] for key in templates}
    for resource in (entry["resource"] for entry in bundle["entry"]):
        if resource["resourceType"] == "Patient":
            patient = resource
        else:
            lists[_BY_TYPE.get(resource["resourceType"]) or _asked_for(resource, templates)].append(resource)
    prefetch: Json = {key: searchset(rows) for key, rows in lists.items() if key != "patient"}
    prefetch["patient"] = patient
    context = {"patientId": patient["id"], "userId": "Practitioner/mutations"}
    return {"hook": "patient-view", "hookInstance": "3f2b8c1e-5d4a-4c6b-9e7f-0a1b2c3d4e5f", "context": context, "prefetch": prefetch}


def _asked_for(resource: Json, templates: Mapping[str, str]) -> str:
    codes = {coding.get("code") for coding in resource["code"].get("coding", ())}
    for key, template in templates.items():
        asked = re.search(r"[?&]code=([^&]*)", template)
        if template.startswith("Observation?") and asked and not codes.isdisjoint(asked[1].split(",")):
            return key
    return "results-other"


def searchset(resources: list[Json]) -> Json:
    """As a server answers: newest first, which the templates of results ask for."""
    newest = sorted(resources, key=lambda r: str(r.get("effectiveDateTime", "")), reverse=True)
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r, "search": {"mode": "match"}} for r in newest]}


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """Every place below `value`."""
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(child, (*path, key))


def at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


# --- anything ----------------------------------------------------------------------------------------------

_DEEP = "@deep@"
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 3.5, 1e308, 10**30, -(10**400), float("nan"), float("inf"), "", " ", "§", "\ud800", "\x00", "x" * 5000, "2026-13-45",
    "9999-12-31", "0001-01-01", [], {}, [[]], [None], {"": None}, {"resourceType": "Observation"}, {"reference": "Patient/somebody-else"}, _DEEP,
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}, {"coding": [{"system": 5, "code": []}]}, {"value": "5", "unit": 5},
)  # fmt: skip
TYPES = (*_BY_TYPE, "Patient", "Bundle", "OperationOutcome", "ServiceRequest", "Nonsense")


def mutated(body: Json, chance: Random) -> bytes:
    """The body after one to four accidents, as bytes; in one of four cases the bytes have one, too."""
    body = copy.deepcopy(body)
    for _ in range(chance.randint(1, 4)):
        found = list(places(body))
        if found:
            chance.choice(_ACCIDENTS)(body, chance.choice(found), found, chance)
    data = json.dumps(body).encode().replace(f'"{_DEEP}"'.encode(), b"[" * 1500 + b"]" * 1500)
    return chance.choice(_GARBLINGS)(data, chance) if chance.random() < 0.25 else data


def _replace(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    at(body, place[:-1])[place[-1]] = copy.deepcopy(chance.choice(JUNK))


def _remove(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    del at(body, place[:-1])[place[-1]]


def _rename(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    parent = at(body, place[:-1])
    if isinstance(parent, dict):
        parent[chance.choice([f"{place[-1]}X", place[-1].upper(), "resourceType", "value", "id", ""])] = parent.pop(place[-1])


def _wrap(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    value = at(body, place)
    at(body, place[:-1])[place[-1]] = chance.choice([[value], {"value": value}, str(value)[:200]])


def _swap(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    """The value of another place, copied here."""
    at(body, place[:-1])[place[-1]] = copy.deepcopy(at(body, chance.choice(found)))


def _entries(body: Json, chance: Random) -> list[Any]:
    lists = [v["entry"] for v in (body.get("prefetch") or {}).values() if isinstance(v, dict) and isinstance(v.get("entry"), list) and v["entry"]]
    return chance.choice(lists) if lists else []


def _move(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    """An entry moves, or is copied, to another list."""
    if isinstance(body.get("prefetch"), dict) and (source := _entries(body, chance)):
        entry = chance.choice(source)
        _entries(body, chance).append(copy.deepcopy(entry))
        if chance.random() < 0.5:
            source.remove(entry)


def _same_id(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    """An entry takes the id, or the type, of another."""
    if isinstance(body.get("prefetch"), dict):
        one, other = ([r for e in _entries(body, chance) if isinstance(e, dict) and isinstance(r := e.get("resource"), dict)] for _ in range(2))
        if one and other:
            chance.choice(one)["id"] = chance.choice(other).get("id")


def _retype(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    typed = [p for p in found if p[-1] == "resourceType"]
    if typed:
        chosen = chance.choice(typed)
        at(body, chosen[:-1])["resourceType"] = chance.choice(TYPES)


def _somebody_else(body: Json, place: Place, found: list[Place], chance: Random) -> None:
    about = [p for p in found if p[-1] in ("reference", "patientId")]
    if about:
        chosen = chance.choice(about)
        at(body, chosen[:-1])[chosen[-1]] = chance.choice(
            ["Patient/somebody-else", "somebody-else", "https://other.example/fhir/Patient/1", "#x", ""]
        )


Accident = Callable[[Json, Place, list[Place], Random], None]
_ACCIDENTS: tuple[Accident, ...] = (_replace, _replace, _replace, _remove, _rename, _wrap, _swap, _move, _same_id, _retype, _somebody_else)


def _cut(data: bytes, chance: Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _flip(data: bytes, chance: Random) -> bytes:
    garbled = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        garbled[chance.randrange(len(garbled))] = chance.randrange(256)
    return bytes(garbled)


def _insert(data: bytes, chance: Random) -> bytes:
    where = chance.randrange(len(data))
    return data[:where] + chance.choice([b"\xff\xfe", b"\xed\xa0\x80", b"\x00", b"NaN", b"1e999", b"\\u0000", b"{", b'"', b","]) + data[where:]


def _twice(data: bytes, chance: Random) -> bytes:
    """A member stands twice in its object."""
    opened = [m.end() for m in re.finditer(rb"\{(?=\")", data)]
    where = chance.choice(opened) if opened else 0
    member = re.compile(rb'"[^"\\]*": ').match(data, where)
    again = member[0] if member else b'"x": '
    return data[:where] + again + chance.choice([b"null", b"5", b'"again"', b"{}"]) + b", " + data[where:]


_GARBLINGS: tuple[Callable[[bytes, Random], bytes], ...] = (_cut, _flip, _insert, _twice)
assert set(_BY_TYPE.values()) <= set(LISTS)
