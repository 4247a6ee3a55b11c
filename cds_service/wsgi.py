"""`application` for a WSGI server of your choice; settings come from CDS_*. With gunicorn: -c python:cds_service.gunicorn_conf."""

from __future__ import annotations

import os

from cds_service.config import Settings
from cds_service.errors import CdsServiceError
from cds_service.server import application as _build

try:
    application = _build(Settings.from_environment(os.environ))
except CdsServiceError as fault:  # one line, not a page of frames
    raise SystemExit(f"cds-service: {' '.join(str(fault).split())}") from None
