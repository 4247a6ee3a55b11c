"""Whatever happens to a request on its way: it is answered or refused in words of ours, and what is not known stays unknown.

`make mutations` runs ten thousand examples, new ones each time; the suite some hundreds, always the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service import fetch, pipeline, wire
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.errors import HookError
from cds_service.web.hooks import STATUSES
from properties.damage import damaged
from properties.mutating import AS_OF, Json, bodies, mutated

EXAMPLES = int(os.environ.get("MUTATIONS", "500"))
DAY = date.fromisoformat(AS_OF)
RULES = pipeline.load_rules(Settings.from_environment({}))
BODIES = bodies(RULES.templates)
WHOLE = sorted(name for name in BODIES if BODIES[name]["hook"] == "patient-view")
READERS = (wire.body_reader(RULES.templates), wire.parse)
DOCUMENTED = frozenset(STATUSES["POST /cds-services/{id}"]) - {500}
SERVICE = "/cds-services/cell-therapy-trials"

chances = st.randoms(use_true_random=False)


def of(share: float) -> settings:
    """So many of all examples; new ones only where somebody asked for more."""
    return settings(
        max_examples=max(1, round(EXAMPLES * share)),
        deadline=None,
        derandomize="MUTATIONS" not in os.environ,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None,
    )


@pytest.fixture(scope="module")
def server() -> Iterator[fetch.FhirServer]:
    made = Settings.from_environment({})
    found = fetch.FhirServer((), made.fetch_budget, made.max_body)
    yield found
    found.close()


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    app = create_app(RULES, Settings.from_environment({"CDS_FHIR_HOSTS": "nowhere.invalid", "CDS_RATE_LIMIT": "0"}), today=lambda: DAY)
    yield app.test_client()
    app.extensions["fhir_server"].close()


@of(0.4)
@given(st.sampled_from(sorted(BODIES)), chances)
def test_whatever_is_sent_is_answered_or_refused_in_words_of_ours(client, server, name, chance):
    data = mutated(BODIES[name], chance)
    answer = client.post(SERVICE, data=data, content_type="application/json")
    assert answer.status_code in DOCUMENTED, (answer.status_code, data[:2000])
    said = json.loads(answer.data)
    if answer.status_code == 200:
        assert isinstance(said["cards"], list)
    else:
        assert said["resourceType"] == "OperationOutcome" and said["issue"]
        assert not [secret for secret in secrets(name) if secret in answer.text]
    assert_both_ways_agree(data, server)


@of(0.6)
@given(st.sampled_from(WHOLE), chances)
def test_damage_makes_no_candidate_and_no_verdict_of_an_unknown(server, name, chance):
    body, what = damaged(BODIES[name], chance)
    data = json.dumps(body).encode()
    assert_both_ways_agree(data, server)
    after = assessed(data, server)
    if after is None:
        return  # refused: nothing is claimed
    before = assessed(json.dumps(BODIES[name]).encode(), server)
    assert before is not None
    for cohort, (status, outcomes) in after.items():
        was, known = before[cohort]
        assert status != "candidate" or was == "candidate", f"{name}: {cohort} was {was} and is a candidate after: {what}"
        for criterion, outcome in outcomes.items():
            turned = known.get(criterion) == "unknown" and outcome in ("met", "not-met")
            assert not turned, f"{name}: {cohort} {criterion} was unknown and is {outcome} after: {what}"


def answer_of(data: bytes, read: Any, server: fetch.FhirServer) -> Any:
    """The whole assessment, or why there is none."""
    try:
        request = wire.read_request(read(data))
        record = fetch.gather(request, RULES.templates, server)
        return wire.assessment_json(pipeline.assess(record, RULES, DAY.toordinal()))
    except HookError as refused:
        return refused.status, str(refused), refused.missing


def assert_both_ways_agree(data: bytes, server: fetch.FhirServer) -> None:
    """Results left as they were sent, and the body parsed as a whole. A number beyond all numbers is none to one of them only."""
    one, other = (answer_of(data, read, server) for read in READERS)
    if isinstance(other, dict) or "not JSON" not in other[1]:
        assert said(one) == said(other)


def said(answer: Any) -> Any:
    """Without the words of the faults: what lies twice, on two lists, is told of once or twice."""
    return {name: value for name, value in answer.items() if name != "faults"} if isinstance(answer, dict) else answer


def assessed(data: bytes, server: fetch.FhirServer) -> dict[str, tuple[str, dict[str, str]]] | None:
    """By cohort: its status, and each criterion's outcome."""
    answer = _answers(data, server) if len(_answers.cache_info()) and data in UNDAMAGED else answer_of(data, READERS[1], server)
    if not isinstance(answer, dict):
        return None
    return {f"{a['trial']}/{a['cohort']}": (a["status"], {c["id"]: c["outcome"] for c in a["criteria"]}) for a in answer["assessments"]}


@cache
def _answers(data: bytes, server: fetch.FhirServer) -> Any:
    return answer_of(data, READERS[1], server)


UNDAMAGED = frozenset(json.dumps(BODIES[name]).encode() for name in WHOLE)


@cache
def secrets(name: str) -> frozenset[str]:
    """Of the patient: ids, names, day of birth; of the call: who asks."""
    body: Json = BODIES[name]
    patient = (body.get("prefetch") or {}).get("patient") or {}
    names = [part for n in patient.get("name", ()) for part in (n.get("family"), *n.get("given", ()))]
    said = {body["context"]["patientId"], body["context"]["userId"], patient.get("birthDate"), *names}
    return frozenset(text for text in said if text and len(text) > 3)
