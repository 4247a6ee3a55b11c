"""What an EHR does: keeps patients on its FHIR server, fulfils our prefetch templates, calls the hook. For the demo and its test."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

import requests

from cds_service.demo.processes import DemoFault

JSON = dict[str, object]


class Ehr:
    """One EHR with its FHIR server, and a service that it has registered."""

    def __init__(self, fhir: str, service: str) -> None:
        self.fhir = fhir
        self.service = service
        self.session = requests.Session()
        self.session.trust_env = False
        self.id, self.templates = self._discover()

    def _discover(self) -> tuple[str, Mapping[str, str]]:
        first = self._json(self.session.get(f"{self.service}/cds-services", timeout=10))["services"]
        match first:
            case [{"id": str(name), "prefetch": dict(templates)}, *_]:
                return name, templates
        raise DemoFault("discovery names no service with prefetch templates")

    def store(self, bundle: JSON) -> str:
        """Every resource under its own id; the answer is the patient's id."""
        entries = bundle["entry"]
        resources = [e["resource"] for e in entries] if isinstance(entries, list) else []
        changes = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in resources]
        self._json(self.session.post(self.fhir, json={"resourceType": "Bundle", "type": "transaction", "entry": changes}, timeout=30))
        return next(str(r["id"]) for r in resources if r["resourceType"] == "Patient")

    def prefetch(self, patient: str) -> JSON:
        """Each template asked of the FHIR server: what a read does not find is null, as CDS Hooks says."""
        found: JSON = {}
        for key, template in self.templates.items():
            answer = self.session.get(f"{self.fhir}/{template.replace('{{context.patientId}}', patient)}", timeout=30)
            found[key] = None if answer.status_code in (404, 410) else self._json(answer)
        return found

    def call(self, patient: str, prefetch: JSON | None = None) -> JSON:
        """One patient-view: with what was prefetched, or with nothing but the way to our server."""
        body: JSON = {"hook": "patient-view", "hookInstance": str(uuid4()), "context": {"userId": "Practitioner/demo", "patientId": patient}}
        body["fhirServer"] = self.fhir
        body["fhirAuthorization"] = {
            "access_token": "synthetic",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.read",
            "subject": "cds-service-demo",
            "patient": patient,
        }
        if prefetch is not None:
            body["prefetch"] = prefetch
        return self._json(self.session.post(f"{self.service}/cds-services/{self.id}", json=body, timeout=60))

    def _json(self, answer: requests.Response) -> JSON:
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not answer.ok or not isinstance(body, dict):
            issues = body.get("issue") if isinstance(body, dict) else None
            said = "; ".join(str(i.get("diagnostics") or (i.get("details") or {}).get("text") or i.get("code")) for i in issues or [])
            raise DemoFault(f"{answer.request.method} {answer.request.path_url[:80]} answered {answer.status_code} {said}".strip())
        return body


def without_ids(value: object) -> object:
    """A response without what is new in every call: the card and suggestion uuids."""
    if isinstance(value, dict):
        return {k: without_ids(v) for k, v in value.items() if k != "uuid"}
    return [without_ids(v) for v in value] if isinstance(value, list) else value
