"""Prefetch and FHIR server → Record. Keeps three silences apart: not sent, nothing there, could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from cds_service.errors import PreconditionFailed
from cds_service.fetch.bundles import Part, Resource, Unreadable, apart, distinct, read_page, unavailable, unique
from cds_service.model.facts import TRUNCATED, UNAVAILABLE, Fault, Record
from cds_service.model.hooks import HookRequest
from cds_service.model.sent import SentObservation, as_json
from cds_service.model.vocabulary import LISTS

if TYPE_CHECKING:
    from cds_service.fetch.server import FhirServer, Talk

_UNTURNED = "the next page was not read"
REQUIRED = ("patient", "conditions")
MOST_PAGES = 20
MOST_MEDICATIONS = 50
_MEDICATION = re.compile(r"(?:.*/)?Medication/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?", re.ASCII)
_DRUG_LISTS = {
    "MedicationRequest": "medication-requests",
    "MedicationStatement": "medication-statements",
    "MedicationAdministration": "medication-administrations",
    "MedicationDispense": "medication-dispenses",
}


class _Job(Protocol):
    def run(self) -> None: ...
    def part(self) -> Part: ...


def gather(request: HookRequest, templates: Mapping[str, str], server: FhirServer) -> Record:
    """Raises PreconditionFailed, naming them, where the patient or the problem list cannot be had."""
    refusal = server.refusal(request.access)
    talk = server.talk(request.access) if request.access is not None and not refusal else None
    sent = {key: _sent(key, request) for key in templates if key in request.prefetch}
    _demand(sent)  # before anybody is asked anything
    if talk is None:
        absent = unavailable(f"not in the prefetch, and {refusal}")
        parts = {key: _first_page_only(sent[key]) if key in sent else absent for key in templates}
    else:
        jobs = {key: job for key, template in templates.items() if (job := _job(talk, key, template, request, sent.get(key)))}
        talk.together([job.run for job in jobs.values()])
        parts = {key: jobs[key].part() if key in jobs else sent[key] for key in templates}
    _demand(parts)
    return _join(request.patient_id, parts, talk)


def _job(talk: Talk, key: str, template: str, request: HookRequest, sent: Part | None) -> _Job | None:
    """What is left to ask: all of it, the pages after the one that was sent, or nothing."""
    if sent is not None:
        return _Search(talk, sent.following, sent) if sent.following else None
    url = f"{talk.base}/{template.replace('{{context.patientId}}', request.patient_id)}"
    return _Single(talk, url, request.patient_id) if key == "patient" else _Search(talk, url)


def _first_page_only(part: Part) -> Part:
    return part._replace(state=TRUNCATED, whys=(*part.whys, _UNTURNED)) if part.following else part


def _sent(key: str, request: HookRequest) -> Part:
    value = request.prefetch[key]
    return _patient(value, request.patient_id) if key == "patient" else read_page(value)


def _patient(value: object, wanted: str) -> Part:
    """The Patient, alone or as the only one of a searchset. Another patient's data must never be read as this one's."""
    if isinstance(value, dict) and value.get("resourceType") == "Patient":
        found: tuple[Resource, ...] = (value,)
    else:
        page = read_page(value)
        if page.state == UNAVAILABLE:
            return page
        found = tuple(r for r in page.resources if r["resourceType"] == "Patient")
    if not found:
        return unavailable("no Patient there")
    if any(p.get("id") != wanted for p in found):
        return unavailable("another patient than context.patientId")
    return Part(found[:1], kinds={"Patient"})


def _demand(parts: Mapping[str, Part]) -> None:
    missing = tuple(key for key in REQUIRED if key in parts and parts[key].state == UNAVAILABLE)
    if missing:
        whys = "; ".join(f"{key}: {', '.join(parts[key].whys)}" for key in missing)
        raise PreconditionFailed(f"Required data cannot be had. {whys}.", missing=missing)


class _Single:
    """One resource, by its address."""

    def __init__(self, talk: Talk, url: str, wanted: str) -> None:
        self._talk, self._url, self._wanted = talk, url, wanted
        self._found = unavailable("no answer in time")

    def run(self) -> None:
        try:
            self._found = _patient(self._talk.get(self._url), self._wanted)
        except Unreadable as why:
            self._found = unavailable(str(why))

    def part(self) -> Part:
        return self._found


class _Medication:
    """One Medication that a prescription points to."""

    def __init__(self, talk: Talk, identity: str) -> None:
        self._talk, self._identity = talk, identity
        self.found: Resource | None = None

    def run(self) -> None:
        try:
            answer = self._talk.get(f"{self._talk.base}/Medication/{self._identity}")
        except Unreadable:
            return
        if isinstance(answer, dict) and answer.get("resourceType") == "Medication" and answer.get("id") == self._identity:
            self.found = answer


class _Search:
    """A list, page after page. What has come when time runs out is kept: it may open a gate; its absences prove nothing."""

    def __init__(self, talk: Talk, url: str, first: Part | None = None) -> None:
        self._talk, self._next = talk, url
        self._pages: list[Part] = [] if first is None else [first]
        self._stopped = _UNTURNED if first else "no answer in time"

    def run(self) -> None:
        seen: set[str] = set()
        while self._next:
            why = self._turn(seen)
            if why:
                self._stopped = why
                return
        self._stopped = ""

    def _turn(self, seen: set[str]) -> str:
        """Read one page more; why not, if not."""
        url = self._talk.address(self._next)
        if not url:
            return "the next page is on another server"
        if url in seen:
            return "the pages go round in a circle"
        if len(self._pages) >= MOST_PAGES:
            return "too many pages"
        seen.add(url)
        try:
            page = read_page(self._talk.get(url))
        except Unreadable as why:
            return str(why)
        if page.state == UNAVAILABLE:
            return page.whys[0]
        self._next = page.following
        self._pages.append(page)
        return ""

    def part(self) -> Part:
        stopped = self._stopped  # read before the pages: a late thread adds the last page first, then clears this
        pages = tuple(self._pages)
        if not pages:
            return unavailable(stopped)
        whys = [why for page in pages for why in page.whys]
        if stopped:
            whys.append(stopped)
        return Part(
            [r for page in pages for r in page.resources],
            [o for page in pages for o in page.sent],
            TRUNCATED if whys else None,
            tuple(whys),
            "",
            sum(page.matches for page in pages),
            pages[0].total,
            {kind for page in pages for kind in page.kinds},
        )


def _counted(part: Part) -> Part:
    """A server that announces more than it sends, without a next link, has kept something back."""
    if part.state is None and part.total is not None and part.total > part.matches:
        return part._replace(state=TRUNCATED, whys=("fewer entries than the total",))
    return part


def list_of(key: str) -> str:
    """`results-infection-2` goes on with `results-infection`."""
    stem, _, number = key.rpartition("-")
    return stem if number.isdigit() and stem in LISTS else key


def _join(patient_id: str, parts: Mapping[str, Part], talk: Talk | None) -> Record:
    incomplete: dict[str, str] = {}
    faults: list[Fault] = []
    resources: list[Resource] = []
    sent: list[SentObservation] = []
    for key, raw in parts.items():
        part = _counted(raw)
        if part.state is not None and incomplete.get(list_of(key)) != UNAVAILABLE:
            incomplete[list_of(key)] = part.state
        if part.whys:
            faults += [Fault(key, why) for why in dict.fromkeys(part.whys)]
        sent += part.sent
        if key == "patient" or "Patient" not in part.kinds:
            resources += part.resources
        else:  # a Patient that another list includes may be another patient, such as a relative
            resources += [r for r in part.resources if r["resourceType"] != "Patient"]
    if sent and not apart(sent, resources):  # of two versions one counts: that is found out in full
        resources, sent = [*resources, *map(as_json, sent)], []
    once = distinct(resources)
    drugs = [r for part in parts.values() if not part.kinds.isdisjoint(_DRUG_LISTS) for r in part.resources]
    if not once:
        resources, drugs = unique(resources), unique(drugs)
    pointers = list(_pointers(drugs))
    if pointers:
        found, open_lists = _medications(resources, pointers, talk)
        resources, once = resources + found, once and not found
        for name, count in open_lists.items():
            incomplete.setdefault(name, TRUNCATED)
            faults.append(Fault(name, f"{count} entries name a Medication that was not sent and could not be read"))
    return Record(patient_id, resources, incomplete, tuple(faults), once, sent)


def _medications(resources: list[Resource], named: list[tuple[str, str]], talk: Talk | None) -> tuple[list[Resource], dict[str, int]]:
    """Medications that prescriptions only point to, and the lists with pointers left open.

    A prescription for an unknown drug could be any drug: nothing on such a list proves an absence.
    """
    known = {r.get("id") for r in resources if r["resourceType"] == "Medication"}
    pointers = [(name, identity) for name, identity in named if identity not in known]
    wanted = list(dict.fromkeys(identity for _, identity in pointers if identity))
    jobs = [] if talk is None else [_Medication(talk, identity) for identity in wanted[:MOST_MEDICATIONS]]
    if talk is not None and jobs:
        talk.together([job.run for job in jobs])
    found = [job.found for job in jobs if job.found is not None]
    got = {r["id"] for r in found}
    open_lists: dict[str, int] = {}
    for name, identity in pointers:
        if identity not in got:
            open_lists[name] = open_lists.get(name, 0) + 1
    return found, open_lists


def _pointers(resources: Iterable[Resource]) -> Iterator[tuple[str, str]]:
    """(list, id of the Medication that stands in the data or must be asked for; empty where the pointer cannot be followed)."""
    for resource in resources:
        name = _DRUG_LISTS.get(str(resource["resourceType"]))
        pointer = resource.get("medicationReference") if name else None
        if name and isinstance(pointer, dict):
            reference = pointer.get("reference")
            if isinstance(reference, str) and not reference.startswith("#"):
                match = _MEDICATION.fullmatch(reference)
                yield name, match[1] if match else ""
