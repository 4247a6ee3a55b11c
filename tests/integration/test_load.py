"""`make load` for a few seconds: it runs, every call is answered, and it says what it measured. How fast is not asked here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
LOAD = Path(__file__).resolve().parents[2] / "bench" / "load.py"


def test_a_short_load_is_answered_without_an_error() -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    command = [sys.executable, str(LOAD), "--seconds", "3", "--connections", "4", "--workers", "2"]
    run = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=120)  # noqa: S603 -- our own program
    assert run.returncode == 0, run.stdout + run.stderr
    assert "\nerrors: 0\n" in run.stdout
    for what in ("service, all", "with prefetch", "without prefetch", "bare endpoint", "p99", "memory: ", "store: "):
        assert what in run.stdout
