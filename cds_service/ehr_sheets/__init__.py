"""Templates, services and trials → set-up sheets for EHRs, as Markdown. Takes nouns, gives text; reads no file.

`parts` has what every sheet shares, `epic`, `oracle` and `sandbox` what is so of one of them alone. What is
said of a vendor is public; what is not known publicly is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.ehr_sheets import epic, oracle, sandbox
from cds_service.ehr_sheets.parts import Wiring

__all__ = ["Wiring", "sheets"]


def sheets(wiring: Wiring) -> Mapping[str, str]:
    """File name -> page."""
    return {"epic.md": epic.sheet(wiring), "oracle.md": oracle.sheet(wiring), "sandbox.md": sandbox.sheet(wiring)}
