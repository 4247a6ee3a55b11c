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

from cds_service import cards, pipeline
from cds_service.batch import Asked, answer_for
from cds_service.config import Settings, shipped
from cds_service.demo.ehr import Ehr, without_ids
from cds_service.demo.processes import DemoFault, fhir_server, service
from cds_service.errors import BadInput
from cds_service.model.cards import Card
from cds_service.model.facts import TRUNCATED, UNAVAILABLE
from cds_service.model.outcomes import Answer
from cds_service.unexpected import internal

if TYPE_CHECKING:
    from cds_service.demo.show import Screen

AS_OF = "2026-11-01"

#: The order in which the patients make sense, and what each one shows.
PATIENTS = (
    ("rmn-candidate", "Primary membranous nephropathy, no response to tacrolimus: everything is on record"),
    ("pmn-candidate", "Primary membranous nephropathy, eGFR 71: a candidate for the other trial"),
    ("pmn-candidate-us-units", "The same woman in US units: the same answers"),
    ("rmn-possible", "Three tests are missing: the card asks for them"),
    ("excluded-by-lab", "One result, an ejection fraction of 45 %, rules both trials out"),
    ("excluded-by-condition", "Type 2 diabetes rules out one trial, a cancer two years ago the other"),
    ("secondary-mn", "Drug-induced membranous nephropathy is another disease to these trials"),
    ("child-mn", "A boy of 12: both trials are for adults"),
    ("other-disease", "Hypertension: nothing to say, so nothing is said"),
    ("messy-record", "Missing units, an unreadable result, an encounter code: doubts, each with its reason"),
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
            disagreeing = show_patients(ehr, screen)
        failing = show_samples(settings, screen)
    finally:
        signal.signal(signal.SIGTERM, before)
    screen.close(disagreeing, failing)
    return 1 if disagreeing or failing else 0


def show_patients(ehr: Ehr, screen: Screen) -> list[str]:
    """Each patient twice: prefetched by the EHR, and fetched by the service. The names of those who differ."""
    differ: list[str] = []
    for name, about in PATIENTS:
        patient = ehr.store(orjson.loads((shipped("fixtures") / f"{name}.json").read_bytes()))
        given = ehr.call(patient, ehr.prefetch(patient))
        agree = without_ids(given) == without_ids(ehr.call(patient))
        screen.patient(name, about, given, agree)
        if not agree:
            differ.append(name)
    return differ


def show_samples(settings: Settings, screen: Screen) -> list[str]:
    """The Bundles of the folder that CDS_SAMPLES names, a line each. The names of those that crash or make a card without cause."""
    if settings.samples == shipped("fixtures"):
        return []
    rules = pipeline.load_rules(settings)
    asked = Asked(rules, date.fromisoformat(AS_OF), frozenset(), "text")
    failing: list[str] = []
    for path in sorted(p for p in settings.samples.iterdir() if p.name.endswith((".json", ".json.gz"))):
        try:
            answer = answer_for(str(path), asked)
            made = cards.compose(answer, settings.max_cards, settings.smart_url, rules.orders, rules.names, rules.fresh)
        except BadInput as fault:
            screen.sample(path.name, str(fault))
            continue
        except Exception as fault:  # a crash is what this looks for: it is counted and said
            screen.sample(path.name, internal(fault))
            failing.append(path.name)
            continue
        without_cause = [card for card in made if not has_cause(card)]
        if without_cause:
            failing.append(path.name)
        screen.sample(path.name, statuses(answer), len(made), len(without_cause))
    return failing


def has_cause(card: Card) -> bool:
    """A recruiting trial, a cohort that nothing rules out, and a pivotal criterion met or a list that did not load."""
    for assessment in card.assessments:
        if assessment.trial.recruiting and assessment.status in ("candidate", "possible"):
            pivotal = [o for o in assessment.outcomes if o.criterion.pivotal]
            unread = any(o.finding.reason in (UNAVAILABLE, TRUNCATED) for o in pivotal)
            if assessment.status == "candidate" or unread or any(o.outcome == "met" for o in pivotal):
                return True
    return False


def statuses(answer: Answer) -> str:
    """Each cohort whose disease is on record with its status; the others only counted."""
    said = [f"{a.trial.id}/{a.cohort.id} {a.status}" for a in answer.assessments if a.status != "not-applicable"]
    rest = len(answer.assessments) - len(said)
    return ", ".join([*said, f"{rest} not applicable"] if rest else said)
