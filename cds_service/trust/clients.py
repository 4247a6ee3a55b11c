"""CDS_CLIENTS (YAML) → clients, strictly: every fault is told with its line and how to mend it, and none is started with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from cds_service.config import LOOPBACK
from cds_service.errors import BadData, DataFault
from cds_service.model.clients import OPEN, Client, Key
from cds_service.shape import Shape
from cds_service.trust.keys import MOST_KEYS, BadKey, read_key
from cds_service.yaml_lines import Items, Node, Table, Text, read


@cache
def schema() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((Path(__file__).resolve().parents[1] / "clients.schema.json").read_bytes())
    return found


def load(path: Path) -> tuple[Client, ...]:
    """The clients of a file, in its order. Raises BadData with every fault."""
    try:
        tree, faults = read(str(path), path.read_bytes())
    except OSError as fault:
        raise BadData([DataFault(str(path), 0, f"cannot be read: {fault.strerror}; let the service's user read it")]) from None
    if tree is not None and not faults:
        shape = Shape(schema(), str(path))
        shape.check(tree)
        faults = shape.faults
    if tree is None or faults:
        raise BadData(faults)
    reader = _Reader(path)
    clients = tuple(reader.client(cast(Table, entry)) for entry in cast(Table, tree)["clients"])
    reader.taken_once(clients, cast(Items, cast(Table, tree)["clients"]))
    if reader.faults:
        raise BadData(reader.faults)
    return clients


class _Reader:
    """What a schema cannot say: keys that fit, addresses that may be asked, names that are taken once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[DataFault] = []

    def fault(self, line: int, message: str) -> None:
        self.faults.append(DataFault(str(self.path), line, message))

    def client(self, entry: Table) -> Client:
        if "jku" not in entry and "keys" not in entry:
            self.fault(entry.line, "no keys; give 'jku' (where they are fetched) or 'keys' (a JWK set, or the name of its file)")
        for member in ("jku", "fhir"):
            for address in _texts(entry, member):
                self._address(address, member)
        return Client(
            name=str(entry["name"]),
            issuers=tuple(str(t) for t in _texts(entry, "iss")),
            key_sets=tuple(str(t) for t in _texts(entry, "jku")),
            keys=tuple(self._keys(entry["keys"])) if "keys" in entry else (),
            audiences=tuple(str(t) for t in _texts(entry, "audiences")),
            fhir_bases=tuple(t.rstrip("/") for t in _texts(entry, "fhir")),
            tenants=tuple(str(t) for t in _texts(entry, "tenants")),
            rate=int(cast(Text, entry["rate"])) if "rate" in entry else None,
        )

    def taken_once(self, clients: tuple[Client, ...], entries: Items) -> None:
        """A name or an issuer of two clients would leave it open which of them calls."""
        names: set[str] = {OPEN.name}
        issuers: set[str] = set()
        for client, entry in zip(clients, entries, strict=True):
            if client.name.lower() in names:
                why = "means a service without clients" if client.name.lower() == OPEN.name else "is taken by a client above"
                self.fault(entry.line, f"the name '{client.name}' {why}; give another")
            for issuer in issuers.intersection(client.issuers):
                self.fault(entry.line, f"iss '{issuer}' is that of a client above; join the two, or remove one")
            names.add(client.name.lower())
            issuers.update(client.issuers)

    def _address(self, address: Text, member: str) -> None:
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            host = ""
        if not host or "@" in parts.netloc or "#" in address or "\\" in address or (member == "fhir" and "?" in address):
            self.fault(address.line, f"'{member}' is not an address to be asked; give it whole, without user, password or fragment")
        elif parts.scheme != "https" and host not in LOOPBACK:
            self.fault(address.line, f"'{member}' is not https; http is for loopback only, since anyone on the way could answer")

    def _keys(self, given: Node) -> Iterator[Key]:
        path, line, jwks = self.path, given.line, _plain(given)
        if isinstance(given, Text):
            path = self.path.parent / given
            try:
                jwks = json.loads(path.read_bytes())
            except OSError as fault:
                return self.fault(line, f"the key file {given} cannot be read: {fault.strerror}; it is looked for beside this file")
            except (ValueError, RecursionError):
                return self.fault(line, f"the key file {given} is not JSON; give the JWK set as its owner publishes it")
        listed = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_KEYS:
            return self.fault(line, f"no JWK set; it has a member 'keys' with 1 to {MOST_KEYS} keys")
        seen: set[str] = set()
        for place, jwk in enumerate(listed):
            try:
                key = read_key(jwk)
            except BadKey as fault:
                self.fault(line, f"key {place + 1}: {fault}")
                continue
            if key.id in seen:
                self.fault(line, f"key {place + 1}: its kid stands twice; keep one")
            seen.add(key.id)
            yield key
        return None


def _texts(entry: Table, member: str) -> list[Text]:
    """One or several, always as a list."""
    given = entry.get(member, Items())
    return [given] if isinstance(given, Text) else [cast(Text, t) for t in cast(Items, given)]


def _plain(node: Node) -> object:
    if isinstance(node, Text):
        return str(node)
    return {key: _plain(value) for key, value in node.items()} if isinstance(node, Table) else [_plain(value) for value in node]
