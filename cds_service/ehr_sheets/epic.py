"""Epic's sheet. Facts are from its public CDS Hooks documentation."""

from __future__ import annotations

from cds_service.ehr_sheets import parts
from cds_service.ehr_sheets.parts import Wiring
from cds_service.model.hooks import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW

_SOURCE = "Public documentation: <https://fhir.epic.com/Documentation?docId=cds-hooks>."
_SENT = {
    PATIENT_VIEW: "a chart is opened; also other triggers (see below)",
    ORDER_SELECT: "orders are entered: all unsigned ones, with `selections` for the new ones",
    ORDER_SIGN: "orders are about to be signed",
}


def sheet(wiring: Wiring) -> str:
    return (
        "\n\n".join(
            [*parts.head("Set-up sheet: Epic", f"{parts.UNVERIFIED} {_SOURCE}"), *_call(wiring), *_token(), *_answer(wiring), *_limits(wiring)]
        )
        + "\n"
    )


def _call(wiring: Wiring) -> list[str]:
    return [
        "## 1. Addresses",
        "Epic does not read discovery: an analyst enters the address. It must be, character for character, the endpoint URI that is registered "
        "for the client id; otherwise the hook fires without its data.",
        parts.addresses(wiring, _SENT),
        f"The first address answers every hook of this table, so that one endpoint can be registered for all: `{wiring.first}`.",
        "Other triggers, such as *enter problem* (6), *enter diagnosis* (7), *admission* (26) and *open chart* (60), arrive as `patient-view` and "
        "are told apart by `com.epic.cdshooks.request.bpa-trigger-action`. They get the answer of `patient-view`; the number goes to the log. "
        "Nothing is published about a diagnosis in their context: only what is on the record counts.",
        "Epic advises against a call at every opened chart. Let a native criterion go first, such as a problem list with glomerular disease, "
        "lupus, vasculitis, systemic sclerosis, Sjögren's disease or rheumatoid arthritis.",
        "## 2. Prefetch",
        "Typed into the OPA criteria (LGL) record, one query a key. Keep the keys as they are. Keys of your own are ignored. "
        "`{{context.patientId}}` is one of the tokens that Epic fills in.",
        *parts.queries(wiring),
        "Whether your version honours `_count` and `_sort`, and whether it wants a `category` for a search of conditions or observations, is unknown "
        "to us: run each query once with a test patient. A list that your server does not offer may be left out.",
        parts.BARE,
        "The FHIR version registered for the client must be R4.",
    ]


def _token() -> list[str]:
    return [
        "## 3. Token of the caller (JWT)",
        "RS384 by default, with a `jku`; `aud`, `iss` and `sub` are typed in by hand on Epic's side. Enter the same here:",
        parts.client(
            "hospital", parts.FHIR, "https://fhir.hospital.example/api/epic/2019/Security/Open/PublicKeys/530013/530013", "https://cds.example.org"
        ),
        "- `iss`: the FHIR base address of the organisation, exactly as in the token.\n"
        "- `jku`: exactly as in the header of the token; the path above is the one of Epic's public example. Or enter the public keys (`keys`).\n"
        "- `audiences`: whatever was typed as `aud`, where that is not the address that is called.\n"
        "- `fhir`: the FHIR servers that a request may send us to. None: `CDS_FHIR_HOSTS`.",
        "`kid` may have `+`, `/` and `=`. The extra claims `nbf` and `sub` are there, `tenant` is not. The token lives "
        "about 15 minutes in the public example: "
        "keep clocks within a minute.",
        "The access token in the body is another one. `scope` there is a list of names of Epic's APIs, not of SMART scopes: we do not read it.",
    ]


def _answer(wiring: Wiring) -> list[str]:
    return [
        "## 4. Cards",
        "`source.topic.code` is fixed for a trial, letters and digits only; by it Epic makes an override last. Each suggestion has one action, "
        "`selectionBehavior` is `any`, and each action's `description` says what the label says, because Epic shows only that.",
        parts.topics(wiring),
        "## 5. Links to allow",
        "A link or SMART address that is not on the client's list is dropped without a word.",
        *parts.links(wiring),
        "## 6. Feedback",
        f"To `{wiring.first}/feedback` (Epic's default: the service's address with `/feedback`), at once or in batches. Every card has a `uuid`, "
        "without which none is sent. Both `overrideReason` and Epic's `overrideReasons` are read. Reasons sent with a card have to be mapped by you:",
        parts.overrides(wiring, mapped=True),
    ]


def _limits(wiring: Wiring) -> list[str]:
    return [
        "## 7. Known limits",
        "- Details of a suggested order are not taken over: Epic uses its own defaults, and maps orders through "
        "preference list or order set codes. Our "
        "draft orders carry LOINC codes, which its public list of code systems does not name. Expect them to be words only.\n"
        "- The draft referral is a Task. Creating Condition, MedicationRequest and ServiceRequest is documented, Task is not.\n"
        "- A draft that points to a Medication which is neither in the Bundle nor named by its `display` is not recognised.\n"
        "- `encounter-start` and `problem-list-item-create` are not among the hooks that Epic documents.\n"
        "- The time that Epic waits for an answer is not published.",
        "## 8. Try it",
        *parts.trial_call(wiring, tuple(_SENT)),
        "The example patients are invented. Then fire the hook for a test patient in a non-production environment: the log line `answered` has the "
        "`hookInstance`, and `incomplete` names lists that could not be read.",
    ]
