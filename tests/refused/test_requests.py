"""A zoo of bad hook requests, each with the status and the words it must get. No word repeats what was sent."""

import pytest

from cds_service import wire
from cds_service.errors import BadRequest, Unprocessable

UUID = "6bc883b2-b795-4dcb-b661-34884a31d472"
FINE = {"hook": "patient-view", "hookInstance": UUID, "context": {"patientId": "123", "userId": "Practitioner/abc"}}
AUTHORIZATION = {"access_token": "tok", "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "y"}
HUSH = "s3cret"


def with_context(**members):
    return {**FINE, "context": {k: v for k, v in (FINE["context"] | members).items() if v is not ...}}


def with_server(server="https://fhir.example", **members):
    return {**FINE, "fhirServer": server, "fhirAuthorization": {k: v for k, v in (AUTHORIZATION | members).items() if v is not ...}}


ZOO = [
    ("a list", [FINE], "The body must be a JSON object."),
    ("text", "patient-view", "The body must be a JSON object."),
    ("null", None, "The body must be a JSON object."),
    ("no hook", {k: v for k, v in FINE.items() if k != "hook"}, "hook is required."),
    ("an empty hook", {**FINE, "hook": ""}, "hook is required."),
    ("a hook that is a number", {**FINE, "hook": 5}, "hook must be a string."),
    ("no hookInstance", {k: v for k, v in FINE.items() if k != "hookInstance"}, "hookInstance is required."),
    ("hookInstance no UUID", {**FINE, "hookInstance": HUSH}, "hookInstance must be a UUID."),
    ("hookInstance with a line break", {**FINE, "hookInstance": UUID + "\n"}, "hookInstance must be a UUID."),
    ("hookInstance a list", {**FINE, "hookInstance": [UUID]}, "hookInstance must be a string."),
    ("no context", {k: v for k, v in FINE.items() if k != "context"}, "context is required."),
    ("context null", {**FINE, "context": None}, "context is required."),
    ("context a list", {**FINE, "context": [HUSH]}, "context must be a JSON object."),
    ("no patientId", with_context(patientId=...), "context.patientId is required."),
    ("patientId null", with_context(patientId=None), "context.patientId is required."),
    ("patientId empty", with_context(patientId=""), "context.patientId is required."),
    ("patientId a number", with_context(patientId=123), "context.patientId must be a string."),
    ("patientId with a path", with_context(patientId="../" + HUSH), "context.patientId must be the id of a Patient"),
    ("patientId that is a place, not an id", with_context(patientId=".."), "context.patientId must be the id of a Patient"),
    ("patientId with a query", with_context(patientId="1?x=" + HUSH), "context.patientId must be the id of a Patient"),
    ("patientId with a line break", with_context(patientId="123\n"), "context.patientId must be the id of a Patient"),
    ("patientId of another type", with_context(patientId="Group/" + HUSH), "context.patientId must be the id of a Patient"),
    ("patientId too long", with_context(patientId="1" * 65), "context.patientId must be the id of a Patient"),
    ("patientId not ASCII", with_context(patientId="１２３"), "context.patientId must be the id of a Patient"),
    ("no userId", with_context(userId=...), "context.userId is required."),
    ("userId a number", with_context(userId=1), "context.userId must be a string."),
    ("userId without a type", with_context(userId=HUSH), "context.userId must be a resource type and an id"),
    ("encounterId a number", with_context(encounterId=1), "context.encounterId must be a string."),
    ("prefetch a list", {**FINE, "prefetch": [HUSH]}, "prefetch must be a JSON object."),
    ("prefetch text", {**FINE, "prefetch": HUSH}, "prefetch must be a JSON object."),
    ("extension a list", {**FINE, "extension": [HUSH]}, "extension must be a JSON object."),
    ("authorization without a server", {**FINE, "fhirAuthorization": AUTHORIZATION}, "fhirServer is required where fhirAuthorization is given."),
    ("a server that is a number", {**FINE, "fhirServer": 5}, "fhirServer must be a string."),
    ("an empty server", {**FINE, "fhirServer": ""}, "fhirServer is required."),
    ("authorization a string", {**FINE, "fhirServer": "https://x", "fhirAuthorization": HUSH}, "fhirAuthorization must be a JSON object."),
    ("no access_token", with_server(access_token=...), "fhirAuthorization.access_token is required."),
    ("access_token with a header in it", with_server(**{"access_token": "a\r\nX: " + HUSH}), "fhirAuthorization.access_token must be printable"),
    ("access_token with a line break", with_server(**{"access_token": "a\n"}), "fhirAuthorization.access_token must be printable"),
    ("access_token not ASCII", with_server(**{"access_token": "tök"}), "fhirAuthorization.access_token must be printable"),
    ("no token_type", with_server(token_type=...), "fhirAuthorization.token_type is required."),
    ("another token_type", with_server(token_type=HUSH), "fhirAuthorization.token_type must be Bearer."),
    ("a token of another patient", with_server(patient=HUSH), "fhirAuthorization.patient is another patient than context.patientId."),
    ("a token of a patient that is none", with_server(patient="1?" + HUSH), "fhirAuthorization.patient is another patient"),
    ("a token of a patient that is a number", with_server(patient=123), "fhirAuthorization.patient must be a string."),
    ("a token of no patient", with_server(patient=""), "fhirAuthorization.patient is required."),
    *(
        (f"a server at {address}", with_server(address), "fhirServer must be an http(s) base address")
        for address in (
            "fhir.example", "ftp://fhir.example", "file:///etc/passwd", "https://", "https://me:s3cret@fhir.example", "https://@fhir.example",
            "https://fhir.example/?x", "https://fhir.example/#x", "https://fhir.example:port", "https://[x", "https://fhir example",
            "https://fhir.example\\@evil.example", "https://fhir.example\n", "javascript:s3cret",
        )
    ),
    ("a date outside the sandbox", {**FINE, "extension": {wire.AS_OF: "2026-11-01"}}, "extension org.cds-service.as-of is for the sandbox only."),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), [z[1:] for z in ZOO], ids=[z[0] for z in ZOO])
def test_a_malformed_request_is_told_what_is_wrong_and_not_what_it_said(given, words):
    with pytest.raises(BadRequest) as refused:
        wire.read_request(given)
    assert str(refused.value).startswith(words)
    assert refused.value.status == 400
    assert HUSH not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("hook", ["encounter-discharge", "Patient-View", HUSH])
def test_another_hook_is_unprocessable(hook):
    with pytest.raises(
        Unprocessable, match=r"cell-therapy-trials answers patient-view and encounter-start and order-select and order-sign and .* only\."
    ) as refused:
        wire.read_request({**FINE, "hook": hook})
    assert refused.value.status == 422
    assert HUSH not in str(refused.value)


@pytest.mark.parametrize(
    "given", ["2026-02-30", "2026-11", "20261101", "2026-11-01T00:00:00Z", "today", "", None, 5, ["2026-11-01"], "２０２６-11-01"]
)
def test_a_date_that_is_none_is_refused_in_the_sandbox(given):
    with pytest.raises(BadRequest, match="must be a date like 2026-11-01"):
        wire.read_request({**FINE, "extension": {"org.cds-service.as-of": given}}, sandbox=True)


@pytest.mark.parametrize("patient", ["123", "Patient/123", None])
def test_a_token_of_the_same_patient_is_fine(patient):
    assert wire.read_request(with_server(patient=patient)).access.token == AUTHORIZATION["access_token"]


def test_the_request_that_all_of_these_spoil_is_fine():
    assert wire.read_request(with_server()).patient_id == "123"
