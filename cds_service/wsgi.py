"""`application` for a WSGI server of your choice; settings come from CDS_*. With gunicorn: -c python:cds_service.gunicorn_conf."""

from __future__ import annotations

import os
import sys

from cds_service.config import Settings
from cds_service.errors import CdsServiceError
from cds_service.pipeline import load_rules
from cds_service.server import application as _build
from cds_service.store import open_store

try:
    _settings = Settings.from_environment(os.environ)
    _rules = load_rules(_settings)
    _store, _remembered = open_store(_settings)
    application = _build(_settings, _rules, _store)
    sys.stderr.write(f"cds-service: {_remembered}\n")
except CdsServiceError as fault:  # one line, not a page of frames
    raise SystemExit(f"cds-service: {' '.join(str(fault).split())}") from None
