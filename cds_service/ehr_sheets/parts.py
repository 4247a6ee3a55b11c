"""What every sheet shares: tables of services, queries, topics and reasons, the token to check, the call to try."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cds_service.model.trials import Trial

BASE = "https://cds.example.org"
FHIR = "https://fhir.hospital.example/api/FHIR/R4"
PATIENT = "{{context.patientId}}"
#: Keys without which there is no answer: 412.
REQUIRED = ("patient", "conditions")
UNVERIFIED = "Not tried against a system of this vendor: what follows is from public documents, and each hospital configures its own. Check it there."

BARE = (
    "The codes are bare, without `system|`, so that no `|` has to be encoded. A FHIR server that matches only `system|code` answers such a query "
    "with an empty list, and an empty list means that nothing is on record. Try it with a test patient who has results: `code=2160-0` and "
    "`code=http://loinc.org|2160-0` must give the same total. If the first gives none, leave the keys `results-…` and `reports` out of the prefetch: "
    "the service then asks for them itself, in the form that finds something."
)


class Wiring(NamedTuple):
    """services: id -> hook, the first of which answers all. templates: prefetch key -> query. reasons: codings of an override."""

    services: Mapping[str, str]
    templates: Mapping[str, str]
    reasons: Sequence[Mapping[str, str]]
    trials: Sequence[Trial]

    @property
    def first(self) -> str:
        return f"{BASE}/cds-services/{next(iter(self.services))}"


def head(name: str, what: str) -> list[str]:
    made = f"Made by `cds-service docs` from the prefetch templates and the trials; edit `cds_service/ehr_sheets`, not this page. `{BASE}` stands"
    return [f"# {name}", what, f"{made} for the address of your proxy before the service, `{FHIR}` for your FHIR server."]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def code(text: str, language: str = "text") -> str:
    return f"```{language}\n{text}\n```"


def addresses(wiring: Wiring, sent: Mapping[str, str]) -> str:
    """`sent`: hook -> what this vendor sends it for."""
    rows = [(f"`{hook}`", f"`{BASE}/cds-services/{name}`", sent.get(hook, "not sent, as far as is known")) for name, hook in wiring.services.items()]
    return table(("Hook", "Address", "Sent here"), rows)


def queries(wiring: Wiring, patient: str = PATIENT, base: str = "", optional: str = "if left out, it is fetched") -> list[str]:
    """Each query to copy, with `patient` in place of the token. `optional`: what of a list that is not required."""
    parts = []
    for key, template in wiring.templates.items():
        needed = "needed: without it the answer is 412" if key in REQUIRED else f"{optional}; if it cannot be had, the card names it"
        parts += [f"`{key}` ({needed})", code(base + template.replace(PATIENT, patient))]
    return parts


def resources(wiring: Wiring) -> list[str]:
    """The types that the queries read, in their order; and Medication, which a prescription may point to."""
    found = (re.split(r"[/?]", template)[0] for template in wiring.templates.values())
    return list(dict.fromkeys([*found, "Medication"]))


def client(name: str, issuer: str, keys: str, audiences: str = "") -> str:
    """An entry of the file that CDS_CLIENTS names."""
    lines = ["clients:", f"  - name: {name}", f"    iss: {issuer}", f"    jku: {keys}", *([f"    audiences: [{audiences}]"] if audiences else [])]
    return code("\n".join([*lines, f"    fhir: {FHIR}"]), "yaml")


def topics(wiring: Wiring) -> str:
    rows = [(f"`{t.topic}`", t.id, t.product, t.status.replace("-", " ")) for t in wiring.trials]
    return table(("`source.topic.code`", "Trial", "Product", "Status"), rows)


def overrides(wiring: Wiring, mapped: bool) -> str:
    heads = ("Code", "Words", "Your own reason") if mapped else ("Code", "Words")
    return table(heads, [(f"`{r['code']}`", r["display"], *([""] if mapped else [])) for r in wiring.reasons])


def links(wiring: Wiring) -> list[str]:
    """Every address that a card may lead to."""
    fixed = [f"- `{t.url}` (`Registry record`)" for t in wiring.trials if t.recruiting]
    return ["\n".join([*fixed, "- the address in `CDS_SMART_URL`, type `smart` (`See every criterion`), if you set it"])]


def trial_call(wiring: Wiring, hooks: Sequence[str]) -> list[str]:
    """Calls that need no EHR: the service in its sandbox, and the bodies of docs/examples."""
    posts = [
        f"curl -s http://127.0.0.1:8080/cds-services/{name} -H 'Content-Type: application/json' -d @docs/examples/{hook}.json"
        for name, hook in wiring.services.items()
        if hook in hooks
    ]
    serve = "cds-service serve --sandbox --as-of 2026-11-01   # in one terminal; the next in another"
    return [code("\n".join([serve, "curl -s http://127.0.0.1:8080/cds-services", *posts]), "sh")]
