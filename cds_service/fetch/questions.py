"""What can be asked of a FHIR server, and how it can fail. Knows no HTTP library, so that reading a file loads none."""

from __future__ import annotations

from typing import NamedTuple

from cds_service.fetch.bundles import Unreadable

LATE = "no answer in time"


class Failed(Unreadable):
    """`kind`: a word for counting: late, status-401, redirect, large, connection, tls, private, json.

    Counted besides: content, where JSON came but not what was asked for, and pages, where they cannot be turned.
    """

    def __init__(self, why: str, kind: str, status: int = 0) -> None:
        super().__init__(why)
        self.kind = kind
        self.status = status


class Question(NamedTuple):
    """A GET, or where there is a form a POST of it. Neither changes anything at the server."""

    url: str
    form: str = ""
