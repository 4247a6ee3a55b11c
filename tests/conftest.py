"""Here so that every test finds `spec` and `patients`, whichever folder it is run from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from cds_service import metrics


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


metrics.prepare()  # while nothing names a place to count together: the library looks for one when it is loaded


@pytest.fixture(autouse=True)
def counts_of_this_process_alone() -> Iterator[None]:
    """Reading gunicorn's configuration tells the process where workers count together: a test that does must not tell the next."""
    yield
    os.environ.pop(metrics.SHARED, None)
