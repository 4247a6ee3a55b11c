"""The demo from start to end: who is shown, in what order, and what must hold. Printing is `show`'s."""

from __future__ import annotations

import importlib.util
import signal
import sys
import tempfile
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from cds_service.config import Settings, shipped
from cds_service.demo.ehr import Ehr, without_ids
from cds_service.demo.processes import DemoFault, fhir_server, service
from cds_service.demo.samples import Row, samples

if TYPE_CHECKING:
    from cds_service.demo.show import Screen

AS_OF = "2026-11-01"

#: The order in which the patients make sense, and what each one shows.
PATIENTS = (
    ("rmn-candidate", "Primary membranous nephropathy, no response to tacrolimus: everything is on record"),
    ("pmn-candidate", "Primary membranous nephropathy, eGFR 71: a candidate for the other trial"),
    ("pmn-candidate-us-units", "The same woman in US units: the same answers"),
    ("two-trials", "Primary membranous nephropathy: a candidate for both trials, so two cards"),
    ("rmn-possible", "Three tests are missing: the card asks for them"),
    ("messy-record", "Missing units, an unreadable result, an encounter code: doubts, each with its reason"),
    ("excluded-by-lab", "One result, an ejection fraction of 45 %, rules both trials out"),
    ("excluded-by-condition", "Type 2 diabetes rules out one trial, a cancer two years ago the other"),
    ("secondary-mn", "Drug-induced membranous nephropathy is another disease to these trials"),
    ("child-mn", "A boy of 12: both trials are for adults"),
    ("igan-candidate", "IgA nephropathy, 1.8 g of protein after a year of prednisone beside ramipril"),
    ("igan-possible", "A code that only raises the question of IgA nephropathy; protein as a ratio only"),
    ("aav-candidate", "Microscopic polyangiitis of the kidney, active after cyclophosphamide and rituximab"),
    ("aav-excluded", "An eGFR of 13 rules out; an unknown dose, another score and another antibody stay open"),
    ("ln-child-candidate", "A girl of 12, lupus nephritis class IV on a biopsy of August: a candidate"),
    ("ln-child-possible", "A boy of 15, class III + V: six doubts, none of which rules him out"),
    ("ln-class-five", "A boy of 15, class V alone: not for the trials that ask for class III or IV"),
    ("sle-child-candidate", "Lupus at 14: all met for a trial that does not recruit; two others make the cards"),
    ("sle-child-excluded", "The same course, CMV in blood and a recent live vaccine: that trial excludes both"),
    ("bcma-ln-candidate", "Lupus nephritis IV-G (A/C) at 31, after mycophenolate and prednisone"),
    ("bcma-ln-chronic", "Class III (C), chronic only, rules one group out; another is looked at instead"),
    ("bcma-ln-class-v", "Class V alone, core antibody positive: hepatitis B DNA is missing"),
    ("bcma-ssc-candidate", "Diffuse systemic sclerosis: the skin is for a person"),
    ("bcma-ssc-core-antibody", "Systemic sclerosis, possible; no card, for nothing pivotal is on record"),
    ("bcma-pah-candidate", "Sjögren's disease with pulmonary arterial hypertension"),
    ("bcma-pah-catheter-alone", "Catheter values without a diagnosis: a question, not an answer"),
    ("bcma-aid-candidate", "Rheumatoid arthritis: the group for what the other three do not name"),
    ("several-diseases", "Lupus with class V nephritis and Sjögren's disease"),
    ("other-disease", "Hypertension: nothing to say, so nothing is said"),
)


def run(settings: Settings) -> int:
    """0, or 1 when the two ways disagree, or a sample crashes or makes a card without cause."""
    missing = [name for name in ("sekmet", "uvicorn", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoFault("the demo needs a FHIR server: pip install 'cds-service[demo]'")
    from cds_service.demo.show import Screen as Drawn  # rich comes with the demo's extra

    screen: Screen = Drawn()
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped, too
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cds-service-demo-")))
            screen.say("Starting a FHIR server and the service on loopback …")
            fhir = stack.enter_context(fhir_server(folder))
            ehr = Ehr(fhir, stack.enter_context(service(folder, AS_OF)))
            agreeing = show_patients(ehr, screen)
        sound = show_samples(settings, screen)
    finally:
        signal.signal(signal.SIGTERM, before)
    screen.say("Everybody here is invented. The cards support judgement; the study team decides.")
    return 0 if agreeing and sound else 1


def show_patients(ehr: Ehr, screen: Screen) -> bool:
    """Each patient twice: prefetched by the EHR, and fetched by the service. Whether the answers are the same."""
    rows: list[Row] = []
    differ: list[str] = []
    for name, about in PATIENTS:
        patient = ehr.store(orjson.loads((shipped("fixtures") / f"{name}.json").read_bytes()))
        given = ehr.call(patient, ehr.prefetch(patient))
        agree = without_ids(given) == without_ids(ehr.call(patient))
        rows.append(screen.patient(name, about, given, agree))
        if not agree:
            differ.append(name)
    screen.table("All patients", f"as of {AS_OF}", rows)
    both = f"both ways disagree for {', '.join(differ)}" if differ else "both ways agree"
    screen.say(f"{len(rows)} patients, {sum(row.cards for row in rows)} cards, {both}.")
    return not differ


def show_samples(settings: Settings, screen: Screen) -> bool:
    """The Bundles of the folder that CDS_SAMPLES names, where it names one. Whether none crashed and no card was without cause."""
    if settings.samples == shipped("fixtures"):
        return True
    found = list(samples(settings.samples, settings, date.fromisoformat(AS_OF).toordinal()))
    screen.samples(str(settings.samples), found)
    read = [sample for sample in found if sample.row is not None]
    healthy = sum(not sample.diseased for sample in read)
    failing = [sample.name for sample in found if sample.fault]
    said = f"trouble with {', '.join(failing)}" if failing else "no crash and no card without cause"
    screen.say(f"{len(found)} samples, {len(read)} read, {healthy} of them without a disease of any trial; {said}.")
    return not failing
