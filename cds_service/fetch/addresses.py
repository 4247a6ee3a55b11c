"""Addresses as text: which FHIR servers may be asked, and whether a link stays below its server. Resolves no names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from cds_service.config import LOOPBACK

#: Printable ASCII without a backslash: what no two readers of an address understand differently.
_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+", re.ASCII)
#: An encoded dot, slash, backslash, per cent sign or zero in a path: some servers decode before they look.
_DISGUISED = re.compile(r"%(?:2e|2f|5c|25|00)", re.IGNORECASE)
_PORTS = {"https": 443, "http": 80}


class Base(NamedTuple):
    """A server's base address in its parts, or any address below it. `port` 0, `scheme` "": any (only in a list)."""

    scheme: str
    host: str
    port: int
    path: tuple[str, ...]

    def covers(self, other: Base) -> bool:
        """Segment by segment: /fhir does not cover /fhir-test."""
        return (
            self.host == other.host
            and self.scheme in ("", other.scheme)
            and self.port in (0, other.port)
            and other.path[: len(self.path)] == self.path
        )


def read(url: str) -> Base | None:
    """None for what is no address of a FHIR server, or hides where its path leads."""
    if not _PLAIN.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    path = _segments(parts.path)
    return None if path is None else Base(parts.scheme, host, port, path)


def _segments(path: str) -> tuple[str, ...] | None:
    trimmed = path.removeprefix("/").rstrip("/")
    segments = tuple(trimmed.split("/")) if trimmed else ()
    # `..;x` is `..` to servers that take parameters off a segment first
    if _DISGUISED.search(path) or any(segment.partition(";")[0] in (".", "..") for segment in segments):
        return None
    return segments


def listed(entries: Iterable[str]) -> tuple[Base, ...]:
    """An allow-list. An entry is a base address, or host[:port][/path]: https on port 443 unless said; loopback any port, http too."""
    found = []
    for entry in entries:
        base = read(entry if "://" in entry else f"https://{entry}")
        if base is None:
            continue  # what cannot be read allows nothing
        if "://" not in entry:
            bare = re.fullmatch(r".*:[0-9]+", entry.partition("/")[0]) is None
            near = base.host in LOOPBACK
            base = base._replace(scheme="" if near else "https", port=0 if near and bare else base.port)
        found.append(base)
    return tuple(found)


def link(base: Base, address: str, target: str) -> str:
    """A link that the server at `address` gave, in full; empty where it leads out of its base: the token goes with the question."""
    if not _PLAIN.fullmatch(target) or _segments(target.partition("?")[0]) is None:
        return ""  # before it is joined, for joining takes dot segments away
    try:
        url = urljoin(f"{address}/", target)
    except ValueError:
        return ""
    found = read(url)
    return url if found is not None and base.covers(found) else ""
