"""A hook request as JSON → HookRequest. Refuses with the member's name and never repeats a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from urllib.parse import urlsplit

from cds_service.errors import BadRequest, Unprocessable
from cds_service.model.clients import OPEN, Client
from cds_service.model.hooks import Access, HookRequest
from cds_service.wire import contexts

AS_OF = "org.cds-service.as-of"
#: A UUID of any version: Epic sends version 1.
_INSTANCE = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
#: Not "." or "..": in an address they are places, not ids.
_PATIENT = re.compile(r"(?:Patient/)?((?!\.{1,2}$)[A-Za-z0-9.-]{1,64})", re.ASCII)
_USER = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64}", re.ASCII)
#: What may stand in a header: anything else could smuggle a second one.
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def read_request(body: object, *, sandbox: bool = False, service: str = contexts.SERVICE, client: Client = OPEN) -> HookRequest:
    """Raises BadRequest (malformed) or Unprocessable (a hook that `service` does not answer). Unknown members are left alone."""
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    request: Mapping[str, object] = body
    hook = _text(request, "hook")
    if hook not in contexts.answered_by(service):
        raise Unprocessable(f"{service} answers {' and '.join(contexts.answered_by(service))} only.")
    instance = _text(request, "hookInstance")
    if not _INSTANCE.fullmatch(instance):
        raise BadRequest("hookInstance must be a UUID.")
    context = _object(request.get("context"), "context")
    patient = _PATIENT.fullmatch(_text(context, "patientId", "context."))
    if patient is None:
        raise BadRequest("context.patientId must be the id of a Patient: letters, digits, '-' and '.', at most 64.")
    user = _text(context, "userId", "context.")
    if not _USER.fullmatch(user):
        raise BadRequest("context.userId must be a resource type and an id, like Practitioner/abc.")
    extension = _optional_object(request, "extension")
    encounter, unsaved = contexts.read(hook, context)
    return HookRequest(
        hook=hook,
        instance=instance,
        patient_id=patient[1],
        user_id=user,
        encounter_id=encounter,
        prefetch=_optional_object(request, "prefetch"),
        access=_access(request, patient[1]),
        as_of=_as_of(extension, sandbox),
        client=client,
        unsaved=unsaved,
        trigger=contexts.trigger(extension),
    )


def instance_of(body: object) -> str:
    """The call's id, for the log, of any body; empty unless it is a UUID: what else stands there is nobody's log line."""
    value = body.get("hookInstance") if isinstance(body, dict) else None
    return value if isinstance(value, str) and _INSTANCE.fullmatch(value) else ""


def _object(value: object, name: str) -> Mapping[str, object]:
    if value is None:
        raise BadRequest(f"{name} is required.")
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be a JSON object.")
    return value


def _optional_object(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    return {} if parent.get(name) is None else _object(parent[name], name)


def _text(parent: Mapping[str, object], name: str, path: str = "") -> str:
    value = parent.get(name)
    if value is None or value == "":
        raise BadRequest(f"{path}{name} is required.")
    if not isinstance(value, str):
        raise BadRequest(f"{path}{name} must be a string.")
    return value


def _access(request: Mapping[str, object], patient: str) -> Access | None:
    """Where to ask, and by what right. Whether this service may go there is for `fetch` to say."""
    given = request.get("fhirAuthorization")
    if request.get("fhirServer") is None:
        if given is not None:
            raise BadRequest("fhirServer is required where fhirAuthorization is given.")
        return None
    base = _text(request, "fhirServer")
    if not _is_base(base):
        raise BadRequest("fhirServer must be an http(s) base address without user, query or fragment.")
    if given is None:
        return Access(base.rstrip("/"))
    authorization = _object(given, "fhirAuthorization")
    token = _text(authorization, "access_token", "fhirAuthorization.")
    if not _TOKEN.fullmatch(token):
        raise BadRequest("fhirAuthorization.access_token must be printable characters without spaces.")
    if _text(authorization, "token_type", "fhirAuthorization.").lower() != "bearer":
        raise BadRequest("fhirAuthorization.token_type must be Bearer.")
    if authorization.get("patient") is not None:  # a request that speaks of two patients is malformed, whatever it prefetched
        own = _PATIENT.fullmatch(_text(authorization, "patient", "fhirAuthorization."))
        if own is None or own[1] != patient:
            raise BadRequest("fhirAuthorization.patient is another patient than context.patientId.")
    return Access(base.rstrip("/"), token)


def _is_base(address: str) -> bool:
    if not _TOKEN.fullmatch(address) or "?" in address or "#" in address or "\\" in address:
        return False
    try:
        parts = urlsplit(address)
        _ = parts.port  # a port that is no number is found only when it is read
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _as_of(extension: Mapping[str, object], sandbox: bool) -> date | None:
    if AS_OF not in extension:
        return None
    if not sandbox:
        raise BadRequest(f"extension {AS_OF} is for the sandbox only.")
    value = extension[AS_OF]
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:  # a day that no calendar has: the same answer as below
        value = None
    raise BadRequest(f"extension {AS_OF} must be a date like 2026-11-01.")
