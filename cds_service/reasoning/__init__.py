"""One cohort's whole reasoning as a tree: for a terminal, or as one page that can be filed. Pure.

`branches` turns findings into words once; `as_text` and `as_html` only lay them out.
"""

from cds_service.reasoning.branches import Branch, Sheet, sheet
from cds_service.reasoning.layout import as_html, as_text

__all__ = ["Branch", "Sheet", "as_html", "as_text", "sheet"]
