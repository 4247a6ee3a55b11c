"""Here so that every test finds `spec` and `patients`, whichever folder it is run from."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient


class ReadToTheEnd(FlaskClient):
    """As a server does: it closes each answer once it is sent, and only then is told of the call (log, audit, counts, store)."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("buffered", True)
        return super().open(*args, **kwargs)


Flask.test_client_class = ReadToTheEnd
