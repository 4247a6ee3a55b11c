"""Hook calls against a real FHIR R4 server on loopback: prefetched by the EHR, or fetched by the service, the answer is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import orjson
import pytest
import requests

from cds_service import pipeline, wire
from cds_service.config import Settings
from cds_service.demo.ehr import Ehr, without_ids
from cds_service.demo.processes import DemoFault, fhir_server, service
from cds_service.demo.story import AS_OF, PATIENTS
from cds_service.fetch import from_bundle

pytestmark = pytest.mark.integration
FOLDER = Path(__file__).resolve().parents[2] / "fixtures"
NAMES = [name for name, _ in PATIENTS]


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ehr]:
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        found = Ehr(stack.enter_context(fhir_server(folder)), stack.enter_context(service(folder, AS_OF)))
        stack.callback(found.session.close)
        for name in NAMES:
            assert found.store(orjson.loads((FOLDER / f"{name}.json").read_bytes())) == name
        yield found


@pytest.fixture(scope="module")
def rules() -> pipeline.Rules:
    return pipeline.load_rules(Settings.from_environment({}))


def whole(response: dict[str, object]) -> dict[str, object]:
    extension = response["extension"]
    assert isinstance(extension, dict)
    found = extension[wire.ASSESSMENT]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_prefetch_and_fhir_server_give_the_same_answer(name: str, ehr: Ehr) -> None:
    given = ehr.call(name, ehr.prefetch(name))
    assert whole(given)["assessments"]
    assert "incomplete" not in whole(given)
    assert without_ids(given) == without_ids(ehr.call(name))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_in_the_prefetch_is_fetched(name: str, ehr: Ehr) -> None:
    given = ehr.prefetch(name)
    half = {key: value for number, (key, value) in enumerate(given.items()) if number % 2}
    assert without_ids(ehr.call(name, half)) == without_ids(ehr.call(name, given))


@pytest.mark.parametrize("name", NAMES)
def test_the_hook_and_the_command_line_decide_alike(name: str, ehr: Ehr, rules: pipeline.Rules) -> None:
    record = from_bundle(orjson.loads((FOLDER / f"{name}.json").read_bytes()))
    mine = wire.assessment_json(pipeline.assess(record, rules, date.fromisoformat(AS_OF).toordinal()))
    theirs = whole(ehr.call(name))
    for ours, hook in zip(mine["assessments"], theirs["assessments"], strict=True):  # type: ignore[call-overload]  # JSON: both are lists
        assert (ours["trial"], ours["cohort"], ours["status"]) == (hook["trial"], hook["cohort"], hook["status"])
        assert {c["id"]: c["outcome"] for c in ours["criteria"]} == {c["id"]: c["outcome"] for c in hook["criteria"]}


def test_a_patient_the_server_does_not_know_is_412_and_never_no_cards(ehr: Ehr) -> None:
    with pytest.raises(DemoFault, match="412"):
        ehr.call("nobody")


def test_a_server_that_is_not_there_is_412(ehr: Ehr) -> None:
    body = {
        "hook": "patient-view",
        "hookInstance": "11111111-2222-4333-8444-555555555555",
        "context": {"userId": "Practitioner/a", "patientId": "rmn-candidate"},
    }
    answer = ehr.session.post(f"{ehr.service}/cds-services/{ehr.id}", json=body, timeout=30)
    assert answer.status_code == 412
    assert "cards" not in answer.json()


def test_a_failed_list_is_said_to_be_unread(ehr: Ehr) -> None:
    given = ehr.prefetch("rmn-candidate")
    given["procedures"] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
    found = whole(ehr.call("rmn-candidate", given))
    assert {"list": "procedures", "reason": "unavailable"} in found["incomplete"]  # type: ignore[operator]  # JSON: a list
    assert "candidate" not in {a["status"] for a in found["assessments"]}  # type: ignore[attr-defined]  # JSON: a list


def test_connections_are_kept_and_nothing_needs_a_proxy(ehr: Ehr) -> None:
    with requests.Session() as session:
        session.trust_env = False
        first, second = (session.get(f"{ehr.service}/cds-services", timeout=10) for _ in range(2))
    assert json.loads(first.text) == json.loads(second.text)
    assert first.headers.get("Connection", "keep-alive").lower() == "keep-alive"
