"""`application` for a WSGI server of your choice; settings come from CDS_*. With gunicorn: -c python:cds_service.gunicorn_conf."""

from __future__ import annotations

import os
import sys

from cds_service.config import Settings
from cds_service.errors import CdsServiceError
from cds_service.pipeline import load_rules
from cds_service.server import application as _build

try:
    _settings = Settings.from_environment(os.environ)
    application, _said = _build(_settings, load_rules(_settings))
    sys.stderr.write("".join(f"cds-service: {line}\n" for line in _said))
except CdsServiceError as fault:  # one line, not a page of frames
    raise SystemExit(f"cds-service: {' '.join(str(fault).split())}") from None
