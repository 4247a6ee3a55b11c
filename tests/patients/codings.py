"""Concept → the code that a patient in words carries for it, taken from our own mappings."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from cds_service import codes
from cds_service.model.vocabulary import Mapped, Vocabulary

_SYSTEMS = (codes.SNOMED, codes.LOINC, codes.RXNORM, codes.ICD10CM, codes.ICD10, codes.ATC)


#: How a vignette names a code system: `code: icd-10-cm E09.9`.
NAMES = {"snomed": codes.SNOMED, "icd-10": codes.ICD10, "icd-10-cm": codes.ICD10CM, "rxnorm": codes.RXNORM, "atc": codes.ATC, "loinc": codes.LOINC}


class Chosen(NamedTuple):
    """A code, and everything it stands for: one diagnosis code may name several concepts."""

    system: str
    code: str
    meanings: tuple[Mapped, ...]

    def coding(self, display: str) -> dict[str, object]:
        return {"coding": [{"system": self.system, "code": self.code, "display": display}]}


class Codings:
    """Chooses one code a concept: the one that says least beside it."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._of: dict[str, list[tuple[tuple[str, str], Mapped]]] = {}
        for key, meanings in vocabulary.exact.items():
            for mapped in meanings:
                self._of.setdefault(mapped.concept, []).append((key, mapped))
        for system, prefixes in vocabulary.prefixes.items():
            for prefix, meanings in prefixes.items():
                for mapped in meanings:
                    self._of.setdefault(mapped.concept, []).append(((system, prefix), mapped))
        self.choose = cache(self._choose)

    def _choose(self, concept: str, unit: str = "", formula: str | None = None) -> Chosen:
        """`unit`: one that the code is reported in; without one, a code for words ("positive") wins."""
        if concept not in self._of:
            raise LookupError(f"no code names '{concept}'")
        fitting = [(key, m) for key, m in self._of[concept] if m.code is None and m.formula == formula] or self._of[concept]
        ranked = [(self._rank(key, mapped, unit), key) for key, mapped in fitting]
        system, code = min(ranked)[1]
        return Chosen(system, code, codes.lookup(self.vocabulary, system, code))

    def written(self, concept: str, code: str) -> Chosen:
        """The code of an entry: the one that it brings along (`icd-10-cm E09.9`), else one of ours."""
        if not code:
            return self.choose(concept)
        name, _, bare = code.partition(" ")
        if name not in NAMES:
            raise LookupError(f"no code system '{name}'; there are {', '.join(NAMES)}")
        meanings = codes.lookup(self.vocabulary, NAMES[name], bare)
        if concept not in {m.concept for m in meanings}:
            raise LookupError(f"{code} does not stand for '{concept}' but for {', '.join(m.concept for m in meanings) or 'nothing'}")
        return Chosen(NAMES[name], bare, meanings)

    def other(self, concept: str, code: str) -> Chosen:
        """The code of a look-alike: `loinc 17351-8`, which must not name the concept."""
        name, _, bare = code.partition(" ")
        if name not in NAMES:
            raise LookupError(f"no code system '{name}'; there are {', '.join(NAMES)}")
        meanings = codes.lookup(self.vocabulary, NAMES[name], bare)
        if concept in {m.concept for m in meanings}:
            raise LookupError(f"{code} is no look-alike of '{concept}' but stands for it")
        return Chosen(NAMES[name], bare, meanings)

    def says(self, concept: str, text: str) -> bool:
        """Whether words alone, without a code, name the concept."""
        return self.vocabulary.synonyms.get(codes.plain_text(text)) == concept

    def _rank(self, key: tuple[str, str], mapped: Mapped, unit: str) -> tuple[bool, int, int]:
        suits = unit in mapped.factors if unit else not mapped.factors
        others = len({m.concept for m in codes.lookup(self.vocabulary, *key)})
        place = _SYSTEMS.index(key[0]) if key[0] in _SYSTEMS else len(_SYSTEMS)
        return not suits, others, place

    def of_class(self, concept: str, code: str) -> tuple[str, str] | None:
        """The coded answer that names a class, such as NYHA II."""
        found = [key for key, mapped in self._of.get(concept, ()) if mapped.code == code]
        return min(found, key=lambda key: (_SYSTEMS.index(key[0]), key[1])) if found else None
