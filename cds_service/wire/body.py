"""Bytes of a hook request → its JSON, with the results of the prefetch left as they were sent (`SentBundle`).

Anything out of the ordinary in a body, and the whole of it is parsed the plain way: that way has the word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import orjson
from msgspec import UNSET, Struct, UnsetType

from cds_service.errors import BadRequest
from cds_service.model.sent import SentBundle, odd

_MEMBERS = ("hook", "hookInstance", "fhirServer", "fhirAuthorization", "context", "prefetch", "extension")


def body_reader(keys: Iterable[str]) -> Callable[[bytes], object]:
    """A reader of bodies whose prefetch may have these keys. It raises BadRequest for what is no JSON."""
    fields = {key: f"key_{number}" for number, key in enumerate(keys)}
    kinds: list[tuple[str, Any, Any]] = [
        (name, SentBundle | None | UnsetType if key.startswith("results-") else Any, UNSET) for key, name in fields.items()
    ]
    prefetch = msgspec.defstruct("Prefetch", kinds, rename={name: key for key, name in fields.items()})
    members: list[tuple[str, Any, Any]] = [(name, prefetch | None | UnsetType if name == "prefetch" else Any, UNSET) for name in _MEMBERS]
    decode = msgspec.json.Decoder(msgspec.defstruct("Body", members)).decode
    names = tuple(fields.items())

    def read(data: bytes) -> object:
        try:
            if not data.isascii():
                data.decode()  # or bytes that are no UTF-8 would pass where nobody looks
            sent = decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return parse(data)
        body = _given(sent, zip(_MEMBERS, _MEMBERS, strict=True))
        if isinstance(body.get("prefetch"), Struct):
            body["prefetch"] = found = _given(body["prefetch"], names)
            if any(odd(bundle) for bundle in found.values() if type(bundle) is SentBundle):
                return parse(data)
        return body

    return read


def parse(data: bytes) -> object:
    """orjson refuses NaN, Infinity, bytes that are no UTF-8 and more than 1,024 levels."""
    try:
        found: object = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON (UTF-8, no NaN or Infinity, at most 1,024 levels deep).") from None
    return found


def _given(sent: object, names: Iterable[tuple[str, str]]) -> dict[str, Any]:
    return {name: value for name, field in names if (value := getattr(sent, field)) is not UNSET}
