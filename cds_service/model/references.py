"""Whether a reference names the patient of a call, and when two addresses are of one server. Shared by the rooms that fetch, read and remember."""

from __future__ import annotations


def names_patient(named: str, identity: str, base: str) -> bool:
    """`identity` is the patient's id; `base` the FHIR server it belongs to, without a trailing slash, or "" where none is known.

    The same id at the address of another server is another patient. Where no server is known, any address will do.
    """
    named = named.partition("/_history/")[0]
    own = f"Patient/{identity}"
    if named in (own, identity, f"urn:uuid:{identity}"):
        return True
    if named.startswith("#") or not named.endswith(f"/{own}"):
        return False
    return same_server(named[: -len(own) - 1], base)


def same_server(address: str, base: str) -> bool:
    """Whether an address in front of `Type/id` is that of `base`. Without one, or where no server is known, it is taken to be."""
    return not base or "://" not in address or comparable(address) == comparable(base)


def comparable(base: str) -> str:
    """Scheme and host in lower case; the path as it is."""
    scheme, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    host = host.lower().removesuffix({"https": ":443", "http": ":80"}.get(scheme.lower(), ":"))
    return f"{scheme.lower()}://{host}{slash}{path.rstrip('/')}".rstrip("/")
