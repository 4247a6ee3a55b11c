"""`python -m cds_service` is `cds-service`."""

from __future__ import annotations

import sys

from cds_service.cli import main

if __name__ == "__main__":
    sys.exit(main())
