"""A fault that nobody foresaw, in one line that carries no patient data. Knows nothing of what went wrong."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb


def internal(fault: Exception) -> str:
    """Kind and place. The fault's own message is left out: it may quote the record."""
    frames = [f for f in extract_tb(fault.__traceback__) if "cds_service" in f.filename]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"internal fault, {type(fault).__name__}{place}: please report it"
