"""Here so that every test finds `spec` and `patients`, whichever folder it is run from."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient


class Caller(FlaskClient):
    """A page in a browser, so that each answer shows whether it may read it.

    As under a server each answer is closed once it is sent: only then is told of the call (log, audit, counts, store).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.environ_base["HTTP_ORIGIN"] = "https://page.example"

    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("buffered", True)
        return super().open(*args, **kwargs)


Flask.test_client_class = Caller
