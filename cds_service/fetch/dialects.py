"""How a server wants a search: codes as `code=2889-4` or `code=http://loinc.org|2889-4`, and long ones by GET alone. Learnt from its answers.

By the standard both find a result. Some servers find it by the bare code only, some only with the
system. Our templates have bare codes. Where those find nothing and the server is not known yet, the
same question is put once more with systems; whichever first finds something is used from then on.
Remembered are one word a server and whether it takes forms, nothing about a patient.
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
        self._without_forms: set[str] = set()

    def of(self, base: str) -> str:
        """What is known of a server; empty: nothing yet."""
        return self._learnt.get(base, "")

    def learn(self, base: str, dialect: str) -> None:
        if len(self._learnt) < _MOST:
            self._learnt[base] = dialect

    def refuses_forms(self, base: str) -> bool:
        """Whether it has refused POST `_search` and answered the same search by GET."""
        return base in self._without_forms

    def learn_no_forms(self, base: str) -> None:
        if len(self._without_forms) < _MOST:
            self._without_forms.add(base)

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
