"""Where a connection really leads: names are resolved here, and addresses inside a network are refused unless they are listed.

The name is resolved once a connection, every address found is looked at, and the connection is made to one
that passed, not to the name: a name that points elsewhere a moment later (DNS rebinding) gains nothing.
TLS still checks the certificate against the name.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

_NAT64 = IPv6Network("64:ff9b::/96")


class Inside(NewConnectionError):
    """The name leads to an address inside a network that nobody has listed."""


class Guard:
    """`networks`: those whose private addresses may be asked, such as 10.20.0.0/16."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(map(ip_network, networks))

    def allows(self, host: str, address: str) -> bool:
        """Whether the server called `host`, which is on a list, may be asked at this address."""
        if _literal(host) is not None:
            return True  # the list names the address itself
        found = _plain(ip_address(address.partition("%")[0]))
        if host == "localhost" and found.is_loopback:
            return True
        if any(found.version == network.version and found in network for network in self._networks):
            return True
        return found.is_global and not found.is_multicast

    def addresses(self, connection: HTTPConnection, name: str) -> list[str]:
        """Those of `name` that may be asked. Raises Inside where there is none."""
        try:
            found = socket.getaddrinfo(name, connection.port, type=socket.SOCK_STREAM)
        except socket.gaierror as fault:
            raise NameResolutionError(connection.host, connection, fault) from fault
        allowed = [a for a in dict.fromkeys(str(row[4][0]) for row in found) if self.allows(connection.host, a)]
        if not allowed:
            raise Inside(connection, "an address inside a network")
        return allowed


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address in IPv6 clothes is that IPv4 address."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


class _Pinned:
    """Of a connection: made to an address that passed, under the name it was asked by."""

    guard: Guard
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        fault: NewConnectionError | None = None
        try:
            for address in self.guard.addresses(self, name):  # type: ignore[arg-type]  # mixed into connections only
                self._dns_host = address
                try:
                    return super()._new_conn()  # type: ignore[misc,no-any-return]  # the connection that it is mixed into has it
                except NewConnectionError as refused:
                    fault = refused
        finally:
            self._dns_host = name  # the certificate and the Host header are about the name
        assert fault is not None
        raise fault


class GuardedAdapter(HTTPAdapter):
    def __init__(self, guard: Guard, trusted: ssl.SSLContext | None = None, **chosen: Any) -> None:
        self._trusted: dict[str, Any] = {} if trusted is None else {"ssl_context": trusted}
        plain = type("PlainConnection", (_Pinned, HTTPConnection), {"guard": guard})
        secure = type("SecureConnection", (_Pinned, HTTPSConnection), {"guard": guard})
        self._pools = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        super().__init__(**chosen)

    def init_poolmanager(self, *given: Any, **chosen: Any) -> None:
        super().init_poolmanager(*given, **(chosen | self._trusted))
        self.poolmanager.pool_classes_by_scheme = self._pools

    def close(self) -> None:
        """At once: left to itself, a pool closes its connections when it is collected, which an exception can put off."""
        for key in tuple(self.poolmanager.pools.keys()):
            pool = self.poolmanager.pools.get(key)
            if pool is not None:
                pool.close()
        super().close()
