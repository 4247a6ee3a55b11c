"""CDS_* settings, read once from the environment; unknown or malformed ones are refused. Reads no file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    sandbox: bool = False
    as_of: date | None = None
    fhir_private: tuple[str, ...] = ()
    fetch_bytes: int = 64 * 1024 * 1024

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
        "With a path, host/path: only what is below it.",
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
    Setting("CDS_SAMPLES", "", "Directory of more synthetic Bundles for the demo (.json, .json.gz). Default: none.", "samples", _directory),
)
_BY_NAME: Mapping[str, Setting] = {s.name: s for s in SETTINGS}
