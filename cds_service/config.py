"""CDS_* settings, read once from the environment; unknown or malformed ones are refused. Reads no file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from cds_service.errors import BadSetting

PACKAGE = Path(__file__).resolve().parent
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Setting(NamedTuple):
    """One row of the manual. `read` turns the text into the value, or raises ValueError saying what it may be."""

    name: str
    default: str  #: "" where there is none, or where it is a place that depends on the installation
    meaning: str
    field: str
    read: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a site can choose. `sandbox` and `as_of` come from the command line, never from the environment."""

    criteria_dir: Path
    mappings_dir: Path
    samples: Path
    local_mappings: Path | None = None
    upper_limits: Path | None = None
    max_cards: int = 3
    fhir_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    fetch_budget: float = 2.0
    max_body: int = 16 * 1024 * 1024
    smart_url: str = ""
    clients: Path | None = None
    public_url: str = ""
    token_lifetime: int = 1800
    clock_skew: int = 30
    rate_limit: int = 1200
    sandbox: bool = False
    as_of: date | None = None
    database_url: str = field(default="", repr=False)  #: "": the default place; may hold a password
    hash_key: str = field(default="", repr=False)
    mute_days: int = 180
    repeat_days: int = 0
    silent: bool = False
    fhir_private: tuple[str, ...] = ()
    fetch_bytes: int = 64 * 1024 * 1024
    fhir_ca: Path | None = None

    def __post_init__(self) -> None:
        if self.as_of is not None and not self.sandbox:
            raise BadSetting("--as-of is for the sandbox only: add --sandbox, or leave it out")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], *, sandbox: bool = False, as_of: date | None = None) -> Settings:
        """Settings from CDS_* names. Raises BadSetting on the first one that is unknown or malformed.

        An empty value counts as not set, so that a compose file can pass a variable through.
        """
        values: dict[str, object] = {
            "criteria_dir": shipped("criteria"),
            "mappings_dir": shipped("mappings"),
            "samples": shipped("fixtures"),
        }
        for name in sorted(n for n in environ if n.startswith("CDS_")):
            setting = _BY_NAME.get(name)
            if setting is None:
                raise BadSetting(f"{name}: no such setting{_did_you_mean(name)}")
            text = environ[name].strip()
            if not text:
                continue
            try:
                values[setting.field] = setting.read(text)
            except ValueError as fault:
                raise BadSetting(f"{name}: {fault}") from None
        if "clients" in values:  # loopback is for trying out: an EHR that names no FHIR servers of its own gets none
            values.setdefault("fhir_hosts", ())
        return cls(**values, sandbox=sandbox, as_of=as_of)  # type: ignore[arg-type]  # each row's reader gives its field's type


def shipped(name: str) -> Path:
    """Our own data: inside an installed package, else beside it in a source tree."""
    inside = PACKAGE / "data" / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(_BY_NAME)}"


def _directory(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise ValueError(f"no directory {text}")
    return path


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"no file {text}")
    return path


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return read


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) or not 0.05 <= float(text) <= 60:
        raise ValueError("must be seconds from 0.05 to 60, like 2 or 0.5")
    return float(text)


_HOST = re.compile(r"(\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[0-9]{1,5})?((/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*)/?", re.ASCII)


def _hosts(text: str) -> tuple[str, ...]:
    """Hosts in lower case, paths as they are. No wildcards and no schemes: each server that may be asked is named."""
    parts = [part.strip().partition("/") for part in text.split(",") if part.strip()]
    hosts = tuple(host.lower() + slash + path for host, slash, path in parts)
    if not hosts or not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("must be a comma list of host or host:port, with a path if you like, like fhir.hospital.example,ehr.example:8443/r4")
    return hosts


def _key(text: str) -> str:
    if len(text) < 32:
        raise ValueError("must be 32 characters or more; make one with: openssl rand -hex 32")
    return text


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return text.lower() == "yes"


def _networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(part.strip())) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("must be a comma list of networks or addresses, like 10.20.0.0/16,fd12:3456::/48") from None


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.username is not None or not (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)):
        raise ValueError("must be an https:// address (http:// only on loopback)")
    return text


def _base_address(text: str) -> str:
    address = _web_address(text).rstrip("/")
    if not re.fullmatch(r"[!-~]+", address) or "?" in address or "#" in address or "\\" in address:
        raise ValueError("must be an address without query or fragment, like https://cds.hospital.example/trials")
    return address


SETTINGS: tuple[Setting, ...] = (
    Setting("CDS_CRITERIA_DIR", "", "Directory of the trial criteria, one YAML file a trial. Default: shipped.", "criteria_dir", _directory),
    Setting("CDS_MAPPINGS_DIR", "", "Directory of the code mappings, CSV files. Default: shipped.", "mappings_dir", _directory),
    Setting("CDS_LOCAL_MAPPINGS", "", "CSV file of this site's own codes, read on top of the mappings. Default: none.", "local_mappings", _file),
    Setting("CDS_UPPER_LIMITS", "", "CSV file of this site's upper limits of normal, used where a result brings none.", "upper_limits", _file),
    Setting("CDS_MAX_CARDS", "3", "Most cards in one answer, from 1 to 20.", "max_cards", _whole(1, 20)),
    Setting(
        "CDS_FHIR_HOSTS",
        "127.0.0.1,localhost,[::1]",
        "FHIR servers that may be asked: comma list of host (https, port 443) or host:port. Loopback may use any port and http. "
        "With a path, host/path: only what is below it. With CDS_CLIENTS the default is none.",
        "fhir_hosts",
        _hosts,
    ),
    Setting(
        "CDS_FHIR_PRIVATE",
        "",
        "Networks inside which named FHIR servers may stand: comma list like 10.20.0.0/16. Default: none, only public addresses are asked, "
        "and addresses that are themselves named.",
        "fhir_private",
        _networks,
    ),
    Setting(
        "CDS_FHIR_CA",
        "",
        "PEM file of this site's own certificate authorities, trusted besides the public ones: for FHIR servers and for clients' keys. "
        "Default: none.",
        "fhir_ca",
        _file,
    ),
    Setting("CDS_FETCH_BUDGET", "2", "Seconds that all questions to the FHIR server may take together, from 0.05 to 60.", "fetch_budget", _seconds),
    Setting(
        "CDS_FETCH_BYTES",
        "67108864",
        "Most bytes that all answers of the FHIR server to one call may have together, decompressed.",
        "fetch_bytes",
        _whole(1024, 1024**3),
    ),
    Setting("CDS_MAX_BODY", "16777216", "Largest request, and largest answer of a FHIR server, in bytes.", "max_body", _whole(1024, 1024**3)),
    Setting("CDS_SMART_URL", "", "Launch address of the SMART sidebar. Set: cards carry the link `See every criterion`.", "smart_url", _web_address),
    Setting("CDS_CLIENTS", "", "YAML file of the clients that may call. Default: none, and the service is open.", "clients", _file),
    Setting("CDS_PUBLIC_URL", "", "Address before `/cds-services` as clients call it; their tokens must be for it.", "public_url", _base_address),
    Setting("CDS_TOKEN_LIFETIME", "1800", "Longest life of a client's token in seconds, from 30 to 86400.", "token_lifetime", _whole(30, 86400)),
    Setting("CDS_CLOCK_SKEW", "30", "Seconds by which a client's clock may differ from ours, from 0 to 300.", "clock_skew", _whole(0, 300)),
    Setting("CDS_RATE_LIMIT", "1200", "Most calls of one client in a minute, in each worker; 0 is no limit.", "rate_limit", _whole(0, 1_000_000)),
    Setting(
        "CDS_DATABASE_URL",
        "",
        "Where served cards and feedback are kept: `sqlite:////path`, `postgresql://…`, or `none`. Default: a SQLite file (docs/feedback.md).",
        "database_url",
        str,
    ),
    Setting(
        "CDS_HASH_KEY",
        "",
        "Key of the hashes that stand for patients, 32 characters or more. Default: made once beside the SQLite file; PostgreSQL needs it.",
        "hash_key",
        _key,
    ),
    Setting(
        "CDS_MUTE_DAYS",
        "180",
        "Days that a trial stays silent after feedback unless the data change; 0: none.",
        "mute_days",
        _whole(0, 3650),
    ),
    Setting(
        "CDS_REPEAT_DAYS",
        "0",
        "Days without an unchanged card again to the same clinician; 0: shown every time.",
        "repeat_days",
        _whole(0, 365),
    ),
    Setting("CDS_SILENT", "no", "`yes`: evaluate and record, and show no card to anybody (for roll-out).", "silent", _yes_or_no),
    Setting("CDS_SAMPLES", "", "Directory of more synthetic Bundles for the demo (.json, .json.gz). Default: none.", "samples", _directory),
)
_BY_NAME: Mapping[str, Setting] = {s.name: s for s in SETTINGS}
#: Settings whose value nobody needs to see again.
_HIDDEN = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|DATABASE")


def effective(environ: Mapping[str, str]) -> tuple[tuple[str, str, bool], ...]:
    """Every setting: its name, its value as text ("***" for a secret), and whether the environment sets it."""
    found = []
    for setting in SETTINGS:
        text = environ.get(setting.name, "").strip()
        shown = "***" if text and _HIDDEN.search(setting.name) else text or setting.default
        found.append((setting.name, shown, bool(text)))
    return tuple(found)
