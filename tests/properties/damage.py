"""Damage: what happens to a record on its way that takes knowledge away and adds none.

In the class are, for design's semantics 1 to 4:

* a list that is no list any more: an OperationOutcome, text, a number, another kind of Bundle in its place (`unavailable`);
* a list of which the end is missing, and which says so: a next link, fewer entries than its total, an error among its entries,
  an entry that is no resource (`truncated`). Of results the end is the oldest, for they are asked for newest first;
* a resource that still says what it is about, in which a member is of a type that it cannot be, or is a text that means nothing;
* a resource from which a member is gone whose absence says nothing (units, dates, values, ranges, doses, whose it is);
* a date of which only the month or the year is left;
* a Medication that a prescription names and that did not come along.

Not in it, because the record then says something else, which is read as it stands:

* a resource gone from a list that came whole, and a list that came empty: semantic 2, that is absence, and an older value is then the newest;
* members that change a statement, which FHIR marks as modifiers, when they are gone: `verificationStatus`, `clinicalStatus`, `comparator`,
  `doNotPerform`, `deceased`; the end of a period, without which it goes on; `category`, without which, or with one of a site's own, a
  diagnosis is on the problem list;
* codes that are well formed and unknown, or gone: "codes without a mapping do not turn an absence into unknown" (semantic 2), and a result that
  does not say what was measured;
* a value gone from a result, which then says that nothing was measured;
* values that stand beside another one that contradicts them (`interpretation`, a second value of the day): what is left decides.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from random import Random
from typing import Any

from properties.mutating import AS_OF, Json, Place, at, places

Damage = tuple[str, Callable[[Json, Random], str]]
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-[0-9]{2}(T.*)?")
_OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
#: What makes a resource the one it is, and what nobody reads.
_IDENTITY = frozenset({"resourceType", "id", "meta", "text", "contained"})
_KEPT = _IDENTITY | {"category"}
_CODES = frozenset({"code", "vaccineCode", "medicationCodeableConcept", "medicationReference", "conclusionCode", "component", "ingredient"})
#: May be gone without saying anything.
_SILENT = frozenset(
    "valueQuantity valueCodeableConcept valueString value unit code system effectiveDateTime effectivePeriod onsetDateTime recordedDate start "
    "performedDateTime occurrenceDateTime authoredOn whenHandedOver daysSupply dosage dosageInstruction doseAndRate doseQuantity timing repeat "
    "referenceRange high low subject patient reference birthDate gender status intent dispenseRequest".split()
)
#: A text of its own is well formed there: a category of the site's, words beside a code.
_FREE = frozenset({"text", "display", "category", "unit", "conclusion", "valueString", "name", "system"})


def damaged(body: Json, chance: Random) -> tuple[Json, str]:
    """The body after one to three damages, and what they were."""
    body = copy.deepcopy(body)
    said = [chance.choice(DAMAGES)(body, chance) for _ in range(chance.randint(1, 3))]
    return body, "; ".join(said)


def _list(body: Json, chance: Random) -> tuple[str, Any]:
    key = chance.choice(sorted(set(body["prefetch"]) - {"patient"}))
    return key, body["prefetch"][key]


def _unavailable(body: Json, chance: Random) -> str:
    key, _ = _list(body, chance)
    body["prefetch"][key] = copy.deepcopy(chance.choice([_OUTCOME, "§", 5, {}, [], {"resourceType": "Bundle", "type": "history", "entry": []}]))
    return f"{key} is no list"


def _truncated(body: Json, chance: Random) -> str:
    key, page = _list(body, chance)
    if not isinstance(page, dict) or not page.get("entry"):
        return f"{key} stays"
    kept = chance.randrange(len(page["entry"]) + 1)
    lost = len(page["entry"]) - kept
    del page["entry"][kept:]
    how = chance.choice(["next", "error", "junk", "total"] if lost else ["next", "error", "junk"])
    if how == "next":
        page["link"] = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    elif how == "total":
        page["total"] = kept + lost
    else:
        page["entry"].append({"resource": copy.deepcopy(_OUTCOME)} if how == "error" else chance.choice([None, 5, {}, {"resource": None}]))
    return f"{key} lost {lost} at its end ({how})"


def _resource(body: Json, chance: Random) -> Json | None:
    pages = [page for key, page in sorted(body["prefetch"].items()) if key != "patient" and isinstance(page, dict)]
    found = [e["resource"] for page in pages for e in page.get("entry") or () if isinstance(e, dict) and isinstance(e.get("resource"), dict)]
    kinds = sorted({r["resourceType"] for r in found} - {"OperationOutcome"})
    if chance.random() < 0.05 and isinstance(body["prefetch"].get("patient"), dict):
        return body["prefetch"]["patient"]
    kind = chance.choice(kinds) if kinds else ""  # results are many: each kind as often as any other
    chosen = [r for r in found if r["resourceType"] == kind]
    return chance.choice(chosen) if chosen else None


def _garbled(body: Json, chance: Random) -> str:
    """A member becomes what it cannot be: another type, or, where a code or date is meant, a text that is none."""
    resource = _resource(body, chance)
    found = [] if resource is None else [p for p in places(resource) if p[0] not in _KEPT and not _names(resource, p)]
    if not found:
        return "nothing to garble"
    place = chance.choice(found)
    old = at(resource, place)
    if isinstance(old, str):
        new = [5.5, ["§"], {"§": 1}] + ([] if _FREE & set(map(str, place)) or place[0] in _CODES else ["§"])
    elif isinstance(old, dict):
        new = ["§", 5.5, ["§"]]
    elif isinstance(old, list):
        new = ["§", 5.5]
    else:
        new = ["§", {"§": 1}, ["§"]]
    at(resource, place[:-1])[place[-1]] = copy.deepcopy(chosen := chance.choice(new))
    return f"{_name(resource)} {place} = {chosen!r}"


def _names(resource: Json, place: Place) -> bool:
    """Whether the place is what a result measures: without it nobody knows which result is in doubt."""
    return resource["resourceType"] in ("Observation", "DiagnosticReport") and place[0] in _CODES and "value" not in str(place)


def _silenced(body: Json, chance: Random) -> str:
    resource = _resource(body, chance)
    found = [] if resource is None else [p for p in places(resource) if p[-1] in _SILENT and p[0] not in _IDENTITY | _CODES and not _telling(p)]
    if not found:
        return "nothing to silence"
    place = chance.choice(found)
    del at(resource, place[:-1])[place[-1]]
    return f"{_name(resource)} without {place}"


def _telling(place: Place) -> bool:
    """Codes of a status, an answer's second coding, a value: not said is another thing than not known."""
    return (
        (place[0].startswith("value") and place[-1] in (place[0], "value"))
        or place[0] in ("verificationStatus", "clinicalStatus", "category")
        or "coding" in place
    )


def _blurred(body: Json, chance: Random) -> str:
    resource = _resource(body, chance)
    dates = [
        p for p in places(resource or {}) if isinstance(at(resource, p), str) and _DAY.fullmatch(at(resource, p)) and at(resource, p)[:10] <= AS_OF
    ]
    if not dates:
        return "nothing to blur"
    place = chance.choice(dates)
    at(resource, place[:-1])[place[-1]] = at(resource, place)[: chance.choice([4, 7])]
    return f"{_name(resource)} {place} blurred"


def _unnamed_drug(body: Json, chance: Random) -> str:
    for key in ("medication-requests", "medication-statements", "medication-administrations", "medication-dispenses"):
        page = body["prefetch"].get(key)
        if isinstance(page, dict) and isinstance(page.get("entry"), list):
            page["entry"] = [e for e in page["entry"] if not (isinstance(e, dict) and (e.get("resource") or {}).get("resourceType") == "Medication")]
    return "Medications stay away"


def _name(resource: Any) -> str:
    return f"{resource['resourceType']}/{resource.get('id')}"


DAMAGES = (_unavailable, _truncated, _garbled, _garbled, _garbled, _garbled, _silenced, _silenced, _silenced, _blurred, _blurred, _unnamed_drug)
