"""How a server wants codes in a search: `code=2889-4`, or `code=http://loinc.org|2889-4`. Learnt from its answers.

By the standard both find a result. Some servers find it by the bare code only, some only with the
system. Our templates have bare codes. Where those find nothing and the server is not known yet, the
same question is put once more with systems; whichever first finds something is used from then on.
Remembered is one word a server, nothing about a patient.
"""

from __future__ import annotations

from collections.abc import Mapping

BARE, WITH_SYSTEM = "bare", "system"
_MOST = 256  #: servers remembered


class Dialects:
    """`systems`: code → the systems it is a code of."""

    def __init__(self, systems: Mapping[str, tuple[str, ...]]) -> None:
        self._systems = systems
        self._learnt: dict[str, str] = {}

    def of(self, base: str) -> str:
        """What is known of a server; empty: nothing yet."""
        return self._learnt.get(base, "")

    def learn(self, base: str, dialect: str) -> None:
        if len(self._learnt) < _MOST:
            self._learnt[base] = dialect

    def with_systems(self, query: str) -> str:
        """The same search with systems; empty where it names no code, or one whose system is not known."""
        parts = query.split("&")
        for place, part in enumerate(parts):
            name, _, value = part.partition("=")
            if name == "code":
                tokens = [f"{system}|{code}" for code in value.split(",") for system in self._systems.get(code, ("",))]
                if any(token.startswith("|") for token in tokens):  # by the standard: a code without any system
                    return ""
                parts[place] = f"code={','.join(tokens)}"
                return "&".join(parts)
        return ""
