"""The sheet for the public CDS Hooks Sandbox, a browser client without patients of anybody."""

from __future__ import annotations

from cds_service.ehr_sheets import parts
from cds_service.ehr_sheets.parts import Wiring
from cds_service.model.hooks import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW

_ISSUER = "https://sandbox.cds-hooks.org"


def sheet(wiring: Wiring) -> str:
    return (
        "\n\n".join(
            [
                *parts.head(
                    "Set-up sheet: the public CDS Hooks Sandbox", f"<{_ISSUER}>, <https://github.com/cds-hooks/sandbox>. Synthetic patients only."
                ),
                *_body(wiring),
            ]
        )
        + "\n"
    )


def _body(wiring: Wiring) -> list[str]:
    return [
        "## 1. Addresses",
        "Run the service in its sandbox on this machine, or behind a proxy with TLS, and add the discovery address "
        "under *CDS Services*: `http://127.0.0.1:8080/cds-services`.",
        parts.addresses(
            wiring,
            {
                PATIENT_VIEW: "when a patient is opened",
                ORDER_SELECT: "when a drug is chosen, as its version has it",
                ORDER_SIGN: "as its version has it",
            },
        ),
        "It keeps services by address. That is why each hook has an id of its own.",
        "## 2. Prefetch",
        "It reads the templates from discovery and fills them by POST `_search`, then by GET; of a search it passes on the first page only. "
        "The rest of the pages is read from the FHIR server, if that is named in `CDS_FHIR_HOSTS`.",
        parts.BARE,
        "## 3. Token of the caller (JWT)",
        "ES384, `aud` the address that is called, life 5 minutes. Its private key is public: the token proves nothing, "
        "so name this client in a try-out only.",
        parts.client("public-sandbox", _ISSUER, f"{_ISSUER}/.well-known/jwks.json"),
        "`iss` and `jku` are those of its published source; compare them with a token of the version that runs.",
        "## 4. Feedback and links",
        f"To `{wiring.first}/feedback`, with `overrideReason.reason`, from the browser. A SMART link is disabled unless "
        f"the FHIR server offers a launch endpoint.",
        "## 5. Known limits",
        "- An error, 412, and an empty list of cards look the same to its user: open the browser's console, or call with `curl`.\n"
        "- It shows raw HTML in a card; everything that comes from a record is escaped here.",
        "## 6. Try it",
        *parts.trial_call(wiring, (PATIENT_VIEW, ORDER_SIGN)),
    ]
