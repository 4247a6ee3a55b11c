"""Which drugs a CodeableConcept or a Medication names: by code, else by generic name, systemic forms only."""

from __future__ import annotations

import re
from typing import Any

from cds_service.model.vocabulary import Vocabulary
from cds_service.normalise.desk import Desk, Json, many, words_of

#: Forms that do not treat the whole body: tacrolimus ointment and ciclosporin eye drops are no immunosuppression.
_LOCAL = re.compile(
    r"topical|ointment|cream\b|lotion|\bgel\b|shampoo|\bfoam\b|ophthalm|\beye|ocular|intravitreal|\bdrops?\b|\botic\b|\bear\b|inhal|nebul|nasal|\bnose\b|spray"
    r"|aerosol|turbuhaler|transdermal|\bpatch|rectal|enema|suppositor|mouthwash|dental|vaginal|cutaneous(?<!subcutaneous)|intra-?articular|implant"
    r"|软膏|乳膏|滴眼|眼用|眼膏|吸入|雾化|鼻|喷|洗剂|凝胶|灌肠|栓|外用|贴",
    re.I,
)
#: SNOMED CT routes: topical, cutaneous, ophthalmic, otic, nasal, respiratory tract, rectal, vaginal, intravitreal, intra-articular.
_LOCAL_ROUTES = frozenset({"6064005", "448598008", "54485002", "10547007", "46713006", "447694001", "37161004", "16857009", "418401004", "12130007"})
_MEMO_LIMIT = 20_000


class Names:
    """Generic names of the drugs in a vocabulary, as whole words; what was read before is remembered."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        named = {name.casefold(): concept for name, concept in vocabulary.synonyms.items() if concept in vocabulary.drugs}
        named |= {drug.name.casefold(): drug.id for drug in vocabulary.drugs.values() if drug.name}
        self.drugs = named
        # Chinese writes no spaces: a name there is found inside a word.
        parts = [re.escape(name) if not name.isascii() else rf"\b{re.escape(name)}\b" for name in sorted(named, key=len, reverse=True)]
        self.pattern = re.compile("|".join(parts)) if parts else None
        self.memo: dict[tuple[Any, ...], tuple[str, ...]] = {}

    def keep(self, key: tuple[Any, ...], found: tuple[str, ...]) -> None:
        if len(self.memo) >= _MEMO_LIMIT:
            self.memo.clear()
        self.memo[key] = found

    def find(self, text: str) -> tuple[str, ...]:
        if self.pattern is None or _LOCAL.search(text):
            return ()
        return tuple(dict.fromkeys(self.drugs[hit] for hit in self.pattern.findall(text.casefold())))


_names: list[Names] = []


def names_of(vocabulary: Vocabulary) -> Names:
    """The names of the vocabulary in use; a process has one vocabulary, so one is kept."""
    kept = _names[0] if _names else None
    if kept is None or kept.vocabulary is not vocabulary:
        kept = Names(vocabulary)
        _names[:] = [kept]
    return kept


def drugs_in(desk: Desk, codeable: Json) -> tuple[str, ...]:
    """Drugs that a CodeableConcept names. Codes first; words only where no code is known to us."""
    names = names_of(desk.vocabulary)
    codings = codeable.get("coding") or ()
    text = codeable.get("text")
    key = (text, *[(coding.get("system"), coding.get("code"), coding.get("display")) for coding in codings])
    found = names.memo.get(key)
    if found is None:
        found = _coded(desk, codeable) or _worded(names, [text, *(coding.get("display") for coding in codings)])
        names.keep(key, found)
    return found


def _coded(desk: Desk, codeable: Json) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(concept.id for concept, _, _ in desk.mapped(codeable, "drug")))
    # A class stands for its drugs only where none of them is named.
    return tuple(drug for drug in found if not drug.endswith("_class")) or found


def _worded(names: Names, words: list[Any]) -> tuple[str, ...]:
    if any(word and _LOCAL.search(word) for word in words):
        return ()
    return tuple(dict.fromkeys(drug for word in words if word for drug in names.find(word)))


def local_route(dosages: Any) -> bool:
    """Whether a drug was meant for one place only: eye, skin, airways."""
    for dosage in many(dosages):
        route = dosage.get("route")
        if route is not None:
            words = list(words_of(route))
            if any(word in _LOCAL_ROUTES or _LOCAL.search(word) for word in words):
                return True
    return False
