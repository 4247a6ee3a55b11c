"""The body of a request: its headers allow it, its size does, and it is JSON. What it says is not asked here."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import g, request

from cds_service import wire
from cds_service.errors import BadRequest, TooLarge, UnreadableBody
from cds_service.web import log

_JSON = re.compile(r"application/([a-z0-9.-]+\+)?json", re.ASCII)


def body(read: Callable[[bytes], object] = wire.parse) -> object:
    """Raises UnreadableBody, TooLarge or BadRequest. From here on the call's lines in the log carry its hookInstance."""
    if request.mimetype and not _JSON.fullmatch(request.mimetype):
        raise UnreadableBody("The body must be JSON: send it with Content-Type: application/json.")
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnreadableBody("A compressed body is not read: send it without Content-Encoding.")
    try:
        raw = _data()
    except OSError:  # the caller went silent, or away
        raise BadRequest("The body did not arrive whole.") from None
    found = read(raw)
    g.instance = wire.instance_of(found)
    log.call(hookInstance=g.instance)
    if twice := wire.repeated(raw):
        raise BadRequest(f"{twice} stands twice in the request: send it once.")
    return found


def _data() -> bytes:
    """The bytes of the body, at most MAX_CONTENT_LENGTH.

    Where the length is announced it is read in one go: the counting reader that werkzeug puts before an
    announced body, too, copies it several times, which took longer than parsing it.
    """
    length, most = request.content_length, request.max_content_length
    if length is not None and most is not None:
        if length > most:
            raise TooLarge("The body is too large (CDS_MAX_BODY).")
        announced: bytes = request.environ["wsgi.input"].read(length)
        return announced
    raw = request.get_data(cache=False)
    if len(raw) == most:  # sent in chunks and cut off there, which Werkzeug does not say
        raise TooLarge("The body is too large (CDS_MAX_BODY).")
    return raw
