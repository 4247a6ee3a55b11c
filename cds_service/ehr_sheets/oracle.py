"""Oracle Health's sheet. Facts are from the one public document there is, a beta of 2021."""

from __future__ import annotations

from cds_service.ehr_sheets import parts
from cds_service.ehr_sheets.parts import Wiring
from cds_service.model.hooks import PATIENT_VIEW

_SOURCE = (
    "Public documentation: <https://github.com/cerner/fhir.cerner.com/pull/707>, a beta of 2021 that was never "
    "merged; the repository was archived in 2024."
)


def sheet(wiring: Wiring) -> str:
    return (
        "\n\n".join([*parts.head("Set-up sheet: Oracle Health (Cerner Millennium)", f"{parts.UNVERIFIED} {_SOURCE}"), *_call(wiring), *_rest(wiring)])
        + "\n"
    )


def _call(wiring: Wiring) -> list[str]:
    return [
        "## 1. What to hand in",
        "A service is registered by hand, by the vendor, and each hospital then allows it for its own domains, users and roles.",
        parts.table(
            ("Asked for", "Enter"),
            [
                ("Hook", "`patient-view`"),
                ("Service address", f"`{wiring.first}`"),
                (
                    "Trigger condition",
                    "a diagnosis of a trial: membranous or IgA nephropathy, ANCA vasculitis, lupus, systemic sclerosis, Sjögren's "
                    "disease, rheumatoid arthritis",
                ),
                ("FHIR server", f"`{parts.FHIR}` (R4)"),
                ("Scopes", f"read of {', '.join(parts.resources(wiring))}; how your domain spells scopes is on its side"),
                ("Tenants", "yours"),
                ("Allowed links", "section 4; any other link is removed"),
                ("SMART launch addresses", "the address in `CDS_SMART_URL`, if you set it"),
            ],
        ),
        parts.addresses(wiring, {PATIENT_VIEW: "a chart is opened and the trigger condition holds"}),
        "## 2. Queries",
        "There is no field for prefetch. So the service asks the FHIR server itself, with the access token of the request, all lists at once "
        "within `CDS_FETCH_BUDGET`. These are the queries; `12345` stands for `context.patientId`. Run each once with a test patient:",
        *parts.queries(wiring, "12345", "GET " + parts.FHIR + "/", "optional"),
        "Whether comma lists in `code=`, `_sort=-date`, and these sizes of `_count` work in your domain is unknown to "
        "us. A list that cannot be read is named on the card.",
        "## 3. Token of the caller (JWT)",
        parts.client("oracle", "https://cds-hooks.cerner.com", "https://authorization.cerner.com/jwk"),
        "- `iss` and `jku` are those of the public document; compare them with a token of your domain.\n"
        "- `aud` is expected to be the address that is called; if it is not, name it in `audiences`.\n"
        "- Which algorithm is used is not documented. RS384 and ES384 are accepted here.",
    ]


def _rest(wiring: Wiring) -> list[str]:
    return [
        "## 4. Links to allow",
        *parts.links(wiring),
        "## 5. Cards and feedback",
        "Cards follow CDS Hooks 1.0 there: whether override reasons are shown, and whether feedback is sent at all, is unknown. If it is, it goes to "
        f"`{wiring.first}/feedback`. `critical` would be a pop-up; all our cards are `info`, so they stand in the sidebar.",
        parts.overrides(wiring, mapped=False),
        "Topics of the cards:",
        parts.topics(wiring),
        "## 6. Known limits",
        "- Only `patient-view` is documented. The order and problem-list hooks of this service are not called.\n"
        "- Without a FHIR server and an access token in the request the answer is 412: nothing is prefetched.\n"
        "- The time that the EHR waits for an answer is not published.",
        "## 7. Try it",
        *parts.trial_call(wiring, (PATIENT_VIEW,)),
    ]
