"""One Bundle → its resources, and whether that was all. Faults are named without values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set
from typing import Any, NamedTuple, cast

import msgspec
import orjson
from msgspec import UNSET

from cds_service.model.facts import TRUNCATED, UNAVAILABLE
from cds_service.model.sent import SentBundle, SentObservation, odd, page_as_json

Resource = dict[str, object]
_OF_ONE_KIND: tuple[set[object], ...] = ({UNSET}, {"match"})
_RESULTS = msgspec.json.Decoder(SentBundle)
_PAGES = ("searchset", "collection")


class Unreadable(Exception):
    """Why there is no JSON, in fixed words: nothing of what the server sent."""


class Part(NamedTuple):
    """What one page held. `state`: None (whole), truncated or unavailable; `following`: address of the next page."""

    resources: Sequence[Resource] = ()
    sent: Sequence[SentObservation] = ()  #: results that are left as they were sent
    state: str | None = None
    whys: tuple[str, ...] = ()
    following: str = ""
    matches: int = 0  #: entries that count for `total`
    total: int | None = None
    kinds: Set[object] = frozenset()  #: resource types among them


def parsed(body: bytes) -> object:
    """What a server sent; a page of results stays as it was sent. Raises ValueError for what is no JSON."""
    try:
        if not body.isascii():
            body.decode()
        page = _RESULTS.decode(body)
        if page.entry and not odd(page):
            return page
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return orjson.loads(body)  # another list, or something unusual: this way has the word
    return orjson.loads(body)


def unavailable(why: str) -> Part:
    return Part(state=UNAVAILABLE, whys=(why,))


def read_page(sent: object) -> Part:
    """A list as an EHR or a server sends it. None is an answer, too: asked, and nothing there.

    An OperationOutcome in place of the Bundle means that the query failed. Among the entries it is a
    hint ("no results", Epic's 4101), unless it says error: then part of the answer is missing.
    """
    if sent is None:
        return Part()
    if type(sent) is SentBundle:
        return _sent_page(sent) or read_page(page_as_json(sent))
    if not isinstance(sent, dict):
        return unavailable("text or another shape in place of a Bundle")
    if sent.get("resourceType") == "OperationOutcome":
        return unavailable("an OperationOutcome in place of a Bundle")
    if sent.get("resourceType") != "Bundle" or sent.get("type") not in _PAGES:
        return unavailable("not a searchset Bundle")
    listed = sent.get("entry")
    if listed is not None and not isinstance(listed, list):
        return unavailable("not a searchset Bundle")
    return _read_entries(sent, listed or [])


def _sent_page(page: SentBundle) -> Part | None:
    """A page of results of one kind without a flaw: almost every page. None where anything is unusual."""
    listed = page.entry
    if page.type not in _PAGES or page.link is None or not listed:
        return None
    results = [entry.resource for entry in listed]
    if set(map(type, results)) != {SentObservation} or {e.search if e.search is UNSET else e.search.mode for e in listed} not in _OF_ONE_KIND:
        return None
    following, broken = next_link({} if page.link is UNSET else {"link": page.link})
    if broken:
        return None
    return Part((), cast("list[SentObservation]", results), None, (), following, len(results), _total(page.total), frozenset({"Observation"}))


def _total(total: object) -> int | None:
    return total if isinstance(total, int) and not isinstance(total, bool) else None


def _read_entries(bundle: Resource, listed: list[Any]) -> Part:
    whys: list[str] = []
    resources, kinds, matches = _sound(listed) or _sifted(listed, whys)
    following, broken = next_link(bundle)
    if broken:
        whys.append("a next link without an address")
    return Part(
        resources,
        (),
        TRUNCATED if whys else None,
        tuple(whys),
        following,
        matches,
        _total(bundle.get("total")),
        kinds,
    )


def _sound(listed: Sequence[Any]) -> tuple[list[Resource], Set[object], int] | None:
    """Resources, their types and the number of matches of a page of one kind without a flaw: almost every page.

    One comprehension costs a quarter of a walk that asks each entry each question. None where anything is unusual.
    """
    if not listed:
        return [], frozenset(), 0
    try:
        kind = listed[0]["resource"]["resourceType"]
        if "search" in listed[0]:
            resources = [r for entry in listed if (r := entry["resource"])["resourceType"] == kind and entry["search"]["mode"] == "match"]
        else:
            resources = [r for entry in listed if (r := entry["resource"])["resourceType"] == kind and "search" not in entry]
    except (KeyError, TypeError):
        return None
    if len(resources) != len(listed) or type(kind) is not str or kind == "OperationOutcome":
        return None
    return resources, {kind}, len(resources)


def _sifted(listed: Sequence[Any], whys: list[str]) -> tuple[list[Resource], Set[object], int]:
    """The same of any page, entry by entry; what is wrong with it is added to `whys`."""
    resources: list[Resource] = []
    matches = 0
    for raw in listed:
        entry = raw if isinstance(raw, dict) else {}
        resource = entry.get("resource")
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            whys.append("an entry without a resource")
        elif resource["resourceType"] == "OperationOutcome":
            if says_error(resource):
                whys.append("an error among the entries")
        else:
            resources.append(resource)
            search = entry.get("search")
            matches += not (isinstance(search, dict) and search.get("mode") == "include")
    return resources, {resource["resourceType"] for resource in resources}, matches


def next_link(bundle: Resource) -> tuple[str, bool]:
    """The address of the next page, and whether there is a next page without an address."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return (url, False) if isinstance(url, str) and url else ("", True)
    return "", False


def says_error(outcome: Resource) -> bool:
    issues = outcome.get("issue")
    return any(isinstance(i, dict) and i.get("severity") in ("fatal", "error") for i in (issues if isinstance(issues, list) else ()))


def distinct(resources: Collection[Resource]) -> bool:
    """Whether each has an id of its own, a text: the usual case, and a quick question."""
    try:
        ids = {resource["id"] for resource in resources}
    except (KeyError, TypeError):
        return False
    return len(ids) == len(resources) and {str}.issuperset(map(type, ids)) and "" not in ids


def apart(sent: Collection[SentObservation], resources: Iterable[Resource]) -> bool:
    """Whether no result among `sent` may be another version of one there or in `resources`."""
    ids = {each.id for each in sent}
    return len(ids) == len(sent) and "" not in ids and not any(resource["resourceType"] == "Observation" for resource in resources)


def unique(resources: Iterable[Resource]) -> list[Resource]:
    """Each resource once; of two versions the one updated later. One without an id is always kept."""
    kept: dict[object, Resource] = {}
    for resource in resources:
        identity = resource.get("id")
        key: object = (resource["resourceType"], identity) if isinstance(identity, str) else id(resource)
        earlier = kept.get(key)
        if earlier is None or _updated(resource) > _updated(earlier):
            kept[key] = resource
    return list(kept.values())


def _updated(resource: Resource) -> str:
    meta = resource.get("meta")
    updated = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return updated if isinstance(updated, str) else ""
