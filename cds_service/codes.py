"""Code systems and codes as EHRs write them → the one way our tables write them. Knows no FHIR and reads no files."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from cds_service.model.vocabulary import Mapped, Vocabulary

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"  #: WHO edition, and the national ones whose first four characters keep its meaning
ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
CVX = "http://hl7.org/fhir/sid/cvx"
SCORES = "urn:cds-service:scores"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"

#: Look-ups kept per vocabulary. A record holds hundreds of codes, a site some thousands.
MEMO_LIMIT = 65536

_CANONICAL = (LOINC, SNOMED, ICD10CM, ICD10, ICD10PCS, HCPCS, RXNORM, ATC, CVX, SCORES, INTERPRETATION)
_OIDS = {
    "2.16.840.1.113883.6.1": LOINC,
    "2.16.840.1.113883.6.96": SNOMED,
    "2.16.840.1.113883.6.90": ICD10CM,
    "2.16.840.1.113883.6.3": ICD10,
    "2.16.156.10011.2.3.3.11": ICD10,  # Chinese edition
    "2.16.156.10011.2.3.3.11.3": ICD10,
    "2.16.840.1.113883.6.4": ICD10PCS,
    "2.16.840.1.113883.6.285": HCPCS,
    "2.16.840.1.113883.6.88": RXNORM,
    "2.16.840.1.113883.6.73": ATC,
    "2.16.840.1.113883.12.292": CVX,
    "2.16.840.1.113883.6.59": CVX,
    "2.16.840.1.113883.5.83": INTERPRETATION,
    "2.16.840.1.113883.12.78": INTERPRETATION,
}
#: Without scheme and trailing slash, in lower case.
_ALIASES = {
    "hl7.org/fhir/sid/icd-10-gm": ICD10,
    "hl7.org/fhir/sid/icd-10-cn": ICD10,
    "hl7.org/fhir/sid/icd-10-uk": ICD10,
    "hl7.org/fhir/sid/icd-10-au": ICD10,
    "hl7.org/fhir/sid/icd-10-am": ICD10,
    "fhir.de/codesystem/bfarm/icd-10-gm": ICD10,
    "fhir.de/codesystem/dimdi/icd-10-gm": ICD10,
    "terminology.hl7.org/codesystem/icd10": ICD10,
    "terminology.hl7.org/codesystem/icd10cm": ICD10CM,
    "hl7.org/fhir/sid/icd-10-pcs": ICD10PCS,
    "hl7.org/fhir/sid/ex-icd-10-procedures": ICD10PCS,
    "terminology.hl7.org/codesystem/icd10pcs": ICD10PCS,
    "terminology.hl7.org/codesystem/hcpcs": HCPCS,
    "terminology.hl7.org/codesystem/hcpcs-all-codes": HCPCS,
    "terminology.hl7.org/codesystem/cvx": CVX,
    "terminology.hl7.org/codesystem/rxnorm": RXNORM,
    "whocc.no/atc": ATC,
    "www.whocc.no/atc_ddd_index": ATC,
    "fhir.de/codesystem/bfarm/atc": ATC,
    "fhir.de/codesystem/dimdi/atc": ATC,
    "hl7.org/fhir/v3/observationinterpretation": INTERPRETATION,
    "hl7.org/fhir/v2/0078": INTERPRETATION,
    "terminology.hl7.org/codesystem/v2-0078": INTERPRETATION,
}
_ALIASES |= {re.sub(r"^https?://", "", system).lower(): system for system in _CANONICAL}

_ICD_CODE = re.compile(r"(?<![A-Z0-9.])[A-Z]\d[0-9A-Z](?:\.?[0-9A-Z]+)?")
_ICD_RANGE = re.compile(r"[A-Z]\d[0-9A-Z]?(?:\.\d)?\s*-\s*[A-Z]\d")
_CHINESE_SUFFIX = re.compile(r"X\d{3}$")
#: A placeholder X with what follows it: padding ("B20.X") or a seventh character ("T80.82XA").
_PLACEHOLDER = re.compile(r"(?<=^.{3})(.*?)X+[0-9A-Z]?$")


@lru_cache(maxsize=1024)
def normalise_system(system: str) -> str:
    """The URI our tables use for a code system: OIDs, https, a trailing slash, edition paths and national ICD-10 URIs."""
    text = system.strip()
    bare = text.lower().removeprefix("urn:oid:").rstrip("/")
    if bare in _OIDS:
        return _OIDS[bare]
    key = re.sub(r"^https?://", "", bare)
    if key.startswith("snomed.info/sct/"):  # an edition belongs in Coding.version, and some put it here
        return SNOMED
    return _ALIASES.get(key, text)


@lru_cache(maxsize=8192)
def normalise_code(system: str, code: str) -> tuple[str, ...]:
    """The code or codes that one written code stands for; `system` is already normalised.

    A dagger-asterisk pair gives both and last the pair itself: `M32.1+N08.5*` is `M321`, `N085`, `M321+N085`.
    None where nothing can be read from it.
    """
    text = code.strip()
    if system in (ICD10CM, ICD10):
        return _icd(system, text)
    if system in (ATC, ICD10PCS, HCPCS):
        text = re.sub(r"[\s.]", "", text).upper()
    elif system in (LOINC, INTERPRETATION):
        text = text.upper()
    elif system == SNOMED:
        text = text.partition("|")[0].strip()  # "77386006 |Pregnant|"
    elif system == CVX:
        text = text.zfill(2)  # CVX 3 and 03 are one code
    elif system == SCORES:
        text = text.lower()
    return (text,) if text else ()


def _icd(system: str, text: str) -> tuple[str, ...]:
    upper = text.upper()
    if _ICD_RANGE.search(upper):
        return ()  # "C81-C96" is a chapter heading, not a diagnosis
    found: list[str] = []
    for part in _ICD_CODE.findall(upper):
        plain = part.replace(".", "")
        chinese = bool(_CHINESE_SUFFIX.search(plain))
        # WHO and national editions agree in four characters only: M32.14 is something else in each of them.
        plain = plain[:4] if system == ICD10 or chinese else plain
        plain = _PLACEHOLDER.sub(r"\1", plain)
        if plain not in found:
            found.append(plain)
    return (*found, "+".join(sorted(found))) if len(found) > 1 else tuple(found)


def plain_text(text: str) -> str:
    """Words of a name in lower case, parted by single spaces: `SLEDAI-2K (total)` and `sledai 2k total` are one name."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in folded).split())


def lookup(vocabulary: Vocabulary, system: str, code: str) -> tuple[Mapped, ...]:
    """What a code stands for; () when no table names it, or names it in another system."""
    found = vocabulary.memo.get((system, code))
    if found is None:
        found = _resolve(vocabulary, system, code)
        if len(vocabulary.memo) >= MEMO_LIMIT:
            vocabulary.memo.clear()  # an endless stream of unknown codes must not fill the memory
        vocabulary.memo[system, code] = found
    return found


def _resolve(vocabulary: Vocabulary, system: str, code: str) -> tuple[Mapped, ...]:
    if not system or not code:
        return ()  # a code without its system names nothing: 103 is a drug in one and a vaccine in another
    uri = normalise_system(system)
    found: dict[tuple[str, str | None, str | None], Mapped] = {}
    plains = normalise_code(uri, code)
    if len(plains) > 1 and (uri, plains[-1]) in vocabulary.exact:
        plains = tuple(p for p in plains if not p.startswith("N08"))  # the pair says whose kidneys; N08.5 alone does not
    for plain in plains:
        for mapped in matches(vocabulary, uri, plain):
            found.setdefault((mapped.concept, mapped.code, mapped.formula), mapped)
    return tuple(found.values())


def matches(vocabulary: Vocabulary, system: str, plain: str) -> tuple[Mapped, ...]:
    """Exact rows, then prefix rows from long to short.

    A diagnosis belongs to every heading above it; a drug is one drug, so in ATC the most precise row alone counts.
    """
    exact = vocabulary.exact.get((system, plain), ())
    prefixes = vocabulary.prefixes.get(system)
    if prefixes is None or (system == ATC and exact):
        return exact
    found = list(exact)
    for length in range(len(plain), 0, -1):
        hit = prefixes.get(plain[:length])
        if hit:
            found += hit
            if system == ATC:
                break
    return tuple(found)


def verhoeff_ok(code: str) -> bool:
    """Whether a SNOMED CT identifier carries its right check digit: catches ids that a spreadsheet damaged."""
    if not (code.isascii() and code.isdigit() and 6 <= len(code) <= 18) or code[0] == "0":
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = _D[check][_P[place % 8][ord(digit) - 48]]
    return check == 0


def _dihedral() -> list[list[int]]:
    """Multiplication table of the symmetries of a pentagon, on which the check digit rests (Verhoeff 1969)."""

    def product(i: int, j: int) -> int:
        if i < 5:
            return (i + j) % 5 + (5 if j >= 5 else 0)
        return (i - j) % 5 + (5 if j < 5 else 0)

    return [[product(i, j) for j in range(10)] for i in range(10)]


def _permutations() -> list[list[int]]:
    base = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    rows = [list(range(10))]
    for _ in range(7):
        rows.append([base[digit] for digit in rows[-1]])
    return rows


_D, _P = _dihedral(), _permutations()
