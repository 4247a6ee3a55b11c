"""Prefetch and FHIR server → Record. Keeps three silences apart: not sent, nothing there, could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from cds_service.errors import PreconditionFailed
from cds_service.fetch.belonging import of_kind, of_patient
from cds_service.fetch.bundles import Part, Resource, apart, distinct, read_page, unavailable, unique
from cds_service.fetch.jobs import UNTURNED, Job, Medication, Pages, Search, ThePatient, patient
from cds_service.model.facts import TRUNCATED, UNAVAILABLE, Fault, Record
from cds_service.model.hooks import HookRequest
from cds_service.model.references import same_server
from cds_service.model.sent import SentObservation, as_json
from cds_service.model.vocabulary import LISTS

if TYPE_CHECKING:
    from cds_service.fetch.server import FhirServer
    from cds_service.fetch.talk import Talk

REQUIRED = ("patient", "conditions")
MOST_MEDICATIONS = 50
_MEDICATION = re.compile(r"(?:(.*)/)?Medication/((?!\.{1,2}(?:/|$))[A-Za-z0-9.-]{1,64})(?:/_history/.*)?", re.ASCII)
_DRUG_LISTS = {
    "MedicationRequest": "medication-requests",
    "MedicationStatement": "medication-statements",
    "MedicationAdministration": "medication-administrations",
    "MedicationDispense": "medication-dispenses",
}


def gather(request: HookRequest, templates: Mapping[str, str], server: FhirServer) -> Record:
    """Raises PreconditionFailed, naming them, where the patient or the problem list cannot be had."""
    refusal = server.refusal(request.access, request.client)
    talk = server.talk(request.access) if request.access is not None and not refusal else None
    faults: list[Fault] = []
    sent = {key: _sent(key, request) for key in templates if key in request.prefetch}
    _demand(sent)  # before anybody is asked anything
    if talk is None:
        absent = unavailable(f"not in the prefetch, and {refusal}")
        parts = {key: _first_page_only(sent[key]) if key in sent else absent for key in templates}
    else:
        jobs = {key: job for key, template in templates.items() if (job := _job(talk, key, template, request, sent.get(key)))}
        talk.together([job.run for job in jobs.values()])
        parts = {key: jobs[key].part() if key in jobs else sent[key] for key in templates}
    base = request.access.base if request.access is not None else ""
    for key, template in templates.items():
        kind = template.partition("?")[0].partition("/")[0]
        read = parts[key]
        parts[key], strangers = of_patient(of_kind(read, kind), kind, request.patient_id, base)
        if talk is not None and key not in sent and parts[key].state == UNAVAILABLE != read.state:
            talk.count("content")
        faults += strangers
    _demand(parts)
    return _join(request.patient_id, base, parts, talk, faults)


def _job(talk: Talk, key: str, template: str, request: HookRequest, sent: Part | None) -> Job | None:
    """What is left to ask: all of it, the pages after the one that was sent, or nothing."""
    if sent is not None:
        return Pages(talk, sent) if sent.following else None
    wanted = template.replace("{{context.patientId}}", request.patient_id)
    return ThePatient(talk, wanted, request.patient_id) if key == "patient" else Search(talk, wanted)


def _first_page_only(part: Part) -> Part:
    return part._replace(state=TRUNCATED, whys=(*part.whys, UNTURNED)) if part.following else part


def _sent(key: str, request: HookRequest) -> Part:
    value = request.prefetch[key]
    return patient(value, request.patient_id) if key == "patient" else read_page(value)


def _demand(parts: Mapping[str, Part]) -> None:
    missing = tuple(key for key in REQUIRED if key in parts and parts[key].state == UNAVAILABLE)
    if missing:
        whys = "; ".join(f"{key}: {', '.join(parts[key].whys)}" for key in missing)
        raise PreconditionFailed(f"Required data cannot be had. {whys}.", missing=missing)


def _counted(part: Part) -> Part:
    """A server that announces more than it sends, without a next link, has kept something back."""
    if part.state is None and part.total is not None and part.total > part.matches:
        return part._replace(state=TRUNCATED, whys=("fewer entries than the total",))
    return part


def list_of(key: str) -> str:
    """`results-infection-2` goes on with `results-infection`."""
    stem, _, number = key.rpartition("-")
    return stem if number.isdigit() and stem in LISTS else key


def _join(patient_id: str, base: str, parts: Mapping[str, Part], talk: Talk | None, faults: list[Fault]) -> Record:
    incomplete: dict[str, str] = {}
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
    pointers = list(_pointers(drugs, base))
    if pointers:
        found, open_lists = _medications(resources, pointers, talk)
        resources, once = resources + found, once and not found
        for name, count in open_lists.items():
            incomplete.setdefault(name, TRUNCATED)
            faults.append(Fault(name, f"{count} entries name a Medication that was not sent and could not be read"))
    return Record(patient_id, resources, incomplete, tuple(faults), once, sent, base)


def _medications(resources: list[Resource], named: list[tuple[str, str]], talk: Talk | None) -> tuple[list[Resource], dict[str, int]]:
    """Medications that prescriptions only point to, and the lists with pointers left open.

    A prescription for an unknown drug could be any drug: nothing on such a list proves an absence.
    """
    known = {r.get("id") for r in resources if r["resourceType"] == "Medication"}
    pointers = [(name, identity) for name, identity in named if identity not in known]
    wanted = list(dict.fromkeys(identity for _, identity in pointers if identity))
    jobs = [] if talk is None else [Medication(talk, identity) for identity in wanted[:MOST_MEDICATIONS]]
    if talk is not None and jobs:
        talk.together([job.run for job in jobs])
    found = [job.found for job in jobs if job.found is not None]
    got = {r["id"] for r in found}
    open_lists: dict[str, int] = {}
    for name, identity in pointers:
        if identity not in got:
            open_lists[name] = open_lists.get(name, 0) + 1
    return found, open_lists


def _pointers(resources: Iterable[Resource], base: str) -> Iterator[tuple[str, str]]:
    """(list, id of the Medication that stands in the data or must be asked for; empty where the pointer cannot be followed).

    The same id at another server is another drug.
    """
    for resource in resources:
        name = _DRUG_LISTS.get(str(resource["resourceType"]))
        pointer = resource.get("medicationReference") if name else None
        if name and isinstance(pointer, dict):
            reference = pointer.get("reference")
            if isinstance(reference, str) and not reference.startswith("#"):
                match = _MEDICATION.fullmatch(reference)
                yield name, match[2] if match and same_server(match[1] or "", base) else ""
