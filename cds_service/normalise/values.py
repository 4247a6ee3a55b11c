"""Results as laboratories write them → numbers, dilutions, classes, positive or negative. Knows no patient and no resource."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from cds_service import formulas, units
from cds_service.model.vocabulary import Concept, Mapped

POSITIVE, NEGATIVE, INDETERMINATE = "positive", "negative", "indeterminate"

#: Canonical units that are no units: a number without one is complete.
PURE = frozenset({"{score}", "{INR}", "{titer}", "{ratio}", "{s_co_ratio}", "1"})
_NO_UNIT = frozenset({"", "1"})
_NAMES: dict[str, frozenset[str]] = {
    "{score}": frozenset({"score", "points", "point", "pts", "grade", "class"}),
    "{INR}": frozenset({"inr", "ratio"}),
    "{titer}": frozenset({"titer", "titre"}),
    "{s_co_ratio}": frozenset({"s_co_ratio", "s/co", "index_val", "index", "ratio"}),
}
_FRACTION = frozenset({"1", "{fraction}", "{ratio}"})
#: Concepts whose value is a class, not a number.
CLASSED = frozenset({"nyha_class", "who_fc", "isn_rps_class"})
#: A viral load: any copy at all is a positive result, whatever the unit.
VIRAL = frozenset({"hbv_dna", "hcv_rna", "cmv_dna", "ebv_dna", "hiv_rna"})

Number = tuple[float, float, bool, bool]  #: low, high, low is open, high is open
#: No blood cell is counted in thousands per mL: who sends it means 10*3/uL, and taken at its word it would be a thousandth.
_SLIP = "10*3/mL"
_UNSEEN = -1.0  #: no factor is negative


class Written(NamedTuple):
    """What a text says: a number with a unit, a dilution, a result; any of them may be missing."""

    number: Number | None = None
    unit: str = ""
    titre: bool = False
    result: str | None = None


def as_float(value: object) -> float:
    """A JSON number. Booleans and texts are none, and neither are NaN and infinities."""
    if type(value) is float or type(value) is int or isinstance(value, Decimal):
        number = float(value)
        if math.isfinite(number):
            return number
    raise ValueError("not a number")


def bounded(value: float, comparator: object, floor: float = 0.0) -> Number:
    """The interval that a value with its comparator stands for."""
    if comparator is None or comparator == "" or comparator == "=":
        return value, value, False, False
    if comparator == ">":
        return value, math.inf, True, True
    if comparator == ">=":
        return value, math.inf, False, True
    if comparator == "<":
        return min(floor, value), value, False, True
    if comparator == "<=":
        return min(floor, value), value, False, False
    raise ValueError("not a comparator")


@lru_cache(maxsize=2048)
def general_factor(unit: str, canonical: str, molar_mass: float | None) -> float | None:
    """Factor from a unit as written to a canonical one; None when they do not convert."""
    if canonical in PURE:
        # An index or a titre in somebody's units is another assay.
        bare = unit.strip().strip("{}").lower()
        return 1.0 if bare in _NO_UNIT or bare in _NAMES.get(canonical, ("ratio",)) else None
    tidied = units.tidy(unit) if unit else ""
    if not tidied or (tidied == _SLIP and canonical == "10*9/L"):
        return None
    if tidied == canonical:
        return 1.0
    if canonical == "%" and tidied in _FRACTION:
        return 100.0
    return units.factor(tidied, canonical, molar_mass)


def conversion(concept: Concept, mapped: Mapped, unit: str) -> float | None:
    """Factor to the concept's unit: what the table says of this code wins over what units alone say."""
    if not concept.unit:
        return 1.0
    factor = mapped.factors.get(unit, _UNSEEN)
    if factor == _UNSEEN and unit:
        factor = mapped.factors.get(units.tidy(unit), _UNSEEN)
    if factor == _UNSEEN:
        return general_factor(unit, concept.unit, concept.molar_mass)
    return factor


def is_ifcc(concept: Concept, unit: str) -> bool:
    """HbA1c in mmol/mol: converted by an equation with an offset, no factor."""
    return concept.id == "hba1c" and unit != "%" and units.tidy(unit) == "mmol/mol"


def ngsp(number: Number) -> Number:
    low, high, low_open, high_open = number
    return formulas.ngsp_from_ifcc(low) if low else 0.0, formulas.ngsp_from_ifcc(high) if high < math.inf else high, low_open, high_open


@lru_cache(maxsize=256)
def is_assay(unit: str) -> bool:
    """Whether a concept in this unit can be positive or negative: no unit at all, international or arbitrary units, titres, copies."""
    return not unit or any(part in unit for part in ("IU]", "RU}", "titer", "copies", "s_co", "arb'U"))


def within(number: Number, plausible: tuple[float, float] | None) -> bool:
    """Whether some part of the value is possible in a person."""
    return plausible is None or (number[1] >= plausible[0] and number[0] <= plausible[1])


# --- texts -------------------------------------------------------------------------------------------------

_NUMBER = r"[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?"
_SIGN = {"≤": "<=", "≥": ">=", "=<": "<=", "=>": ">=", "＜": "<", "＞": ">", "≦": "<=", "≧": ">=", "up to": "<=", "bis": "<="}
_COMPARED = re.compile(
    rf"(<=|>=|=<|=>|<|>|=|≤|≥|≦|≧|＜|＞|up to\s|bis\s)?\s*({_NUMBER})\s*"
    r"(?:[x×*]\s*10\s*\^?\s*([+-]?\d+)(?=\s+[^\W\d]|\s*$))?\s*(.*)",
    re.I | re.S,
)
_SPAN = re.compile(rf"({_NUMBER})\s*(?:-|–|—|~|to)\s*({_NUMBER})\s*(.*)", re.I | re.S)
_TITRE = re.compile(r"(<=|>=|<|>|≤|≥|＜|＞)?\s*1\s*[:/：]\s*(\d{1,7})(?![\d.])", re.I)
_FLAG = re.compile(r"(?:^|\s+)(?:HH|LL|H|L|A|N|\*+|\([HLA]\))\s*$")
_LABEL = re.compile(r"^\s*(?:normal(?:\s+range)?|reference(?:\s+range)?|ref(?:\.|erence)?|range|参考值|参考范围)\s*[::]?\s*", re.I)

_DENIED = re.compile(r"\bfalse(?:ly)?\b|假|未见|非(?:阳|阴|陽|陰)|不是|无(?:阳|阴)", re.I)
_NEGATIVE = re.compile(
    r"\b(?:target )?not[- ]?detect(?:ed|able)\b|\bnon[- ]?detect(?:ed|able)\b|\bundetect(?:ed|able)\b|\bnone detected\b"
    r"|\bnon[- ]?reactive\b|\bnot reactive\b|\bnegativ(?:e|o|a)?\b|\bneg\b|\bn[ée]gati(?:f|ve)\b|\babsent\b|\bnot present\b"
    r"|\bnicht nachweisbar\b|阴性|陰性|未检出|未检测到|未檢出|^\(?-\)?$|^（-）$",
    re.I,
)
_INDETERMINATE = re.compile(
    r"\bindeterminate\b|\bequivocal\b|\bborderline\b|\binconclusive\b|\bgr[ea]y[- ]?zone\b|\btrace\b"
    r"|可疑|不确定|灰区|微量|^\(?(?:±|\+/-|\+-)\)?$",
    re.I,
)
_POSITIVE = re.compile(
    r"\b(?:weak(?:ly)?|low|strong(?:ly)?)?[- ]?(?:positiv(?:e|o|a)?|positif|reactive)\b|\bpos\b|\bdetect(?:ed|able)\b|\bpresent\b|\bnachweisbar\b"
    r"|弱?阳性|弱?陽性|检出|檢出|检测到|^\(?\+{1,4}\)?$|^[1-4]\+$",
    re.I,
)


@lru_cache(maxsize=4096)
def read_text(text: str) -> Written:
    """A result written as text: `15.0 gm/L`, `<20`, `>= 1:80`, `1:160`, `Not detected`, `阳性`."""
    rest, result = _qualitative(text.strip())
    titre = _TITRE.match(rest)
    if titre:
        number = bounded(float(titre[2]), _SIGN.get(titre[1] or "", titre[1]))
        return Written(number, "", True, result)
    number_and_unit = read_number(rest)
    if number_and_unit is None:
        return Written(None, "", False, result)
    return Written(number_and_unit[0], number_and_unit[1], False, result)


def _qualitative(text: str) -> tuple[str, str | None]:
    """The text without its verdict, and the verdict; a text that says two things says none."""
    if len(text) > 80:
        return text, None  # a narrative ("positive in 2010, now …") is no result
    if _DENIED.search(text):
        return text, None  # a result that is called false, or a word with a "not" before it, is no result
    found: list[str] = []
    for pattern, verdict in ((_NEGATIVE, NEGATIVE), (_INDETERMINATE, INDETERMINATE), (_POSITIVE, POSITIVE)):
        text, hits = pattern.subn(" ", text)
        if hits:
            found.append(verdict)
    rest = text.strip(" ,;:.()（）")
    if len(found) == 1 and not re.search(r"\b(?:not?|previous(?:ly)?|former(?:ly)?|history)\b|control|\?|既往", rest, re.I):
        return rest, found[0]
    return rest, None


def read_number(text: str) -> tuple[Number, str] | None:
    """A number, a compared number or a span at the start of a text, and the unit that follows."""
    span = _SPAN.fullmatch(text)
    if span and "/" not in span[1]:
        low, high = _decimal(span[1]), _decimal(span[2])
        return None if low is None or high is None or low > high else ((low, high, False, False), _unit(span[3]))
    match = _COMPARED.fullmatch(text)
    if not match:
        return None
    value = _decimal(match[2])
    if value is None:
        return None
    if match[3]:
        value *= 10.0 ** max(-30, min(30, int(match[3])))
    sign = (match[1] or "").strip().lower()
    unit = _unit(match[4])
    if not math.isfinite(value):
        return None
    return bounded(value, _SIGN.get(sign, sign)), unit


def _decimal(text: str) -> float | None:
    """`1.5`, `1,5` and `1,234,567` can be read; `1,234` is one and a bit in one country and a thousand in another."""
    if "," in text:
        if re.fullmatch(r"[+-]?\d{1,3}(?:,\d{3}){2,}(?:\.\d+)?", text) or re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}\.\d+", text):
            text = text.replace(",", "")
        elif re.fullmatch(r"[+-]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))(?:[eE][+-]?\d+)?", text):
            text = text.replace(",", ".")
        else:
            return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _unit(text: str) -> str:
    return _FLAG.sub("", text).strip(" ,;").lstrip("x×").strip()


@lru_cache(maxsize=1024)
def read_range(text: str) -> tuple[float, str] | None:
    """The upper limit that a text range names, and its unit: `<40`, `0 - 40 U/L`, `Normal Range: 0-99 pg/mL`, `<1:80`."""
    bare = _LABEL.sub("", text).strip(" ()[]")
    titre = _TITRE.fullmatch(bare)
    if titre:  # "<1:80" calls 1:80 itself abnormal
        high = float(titre[2])
        return math.nextafter(high, 0) if titre[1] in ("<", "＜") else high, "{titer}"
    found = read_number(bare)
    if found is None:
        return None
    low, high, _, _ = found[0]
    return (high, found[1]) if high < math.inf and (low < high) else None


# --- classes -----------------------------------------------------------------------------------------------

_ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI"}
_FUNCTION = re.compile(r"\b(IV|I{1,3}|[1-4])\b")
_NOISE = re.compile(r"\b(?:ISN|RPS|LN|LUPUS NEPHRITIS|CLASS(?:ES)?|WHO|NYHA|FC|FUNCTIONAL|TYPE|2003|2018)\b|型|级", re.I)
_GLOMERULAR = re.compile(r"(VI|IV|V|I{1,3}|[1-6])\s*-?\s*([SG])?\s*-?\s*\(?\s*(A\s*/\s*C|A|C)?\s*\)?")


@lru_cache(maxsize=1024)
def read_class(concept: str, text: str) -> str | None:
    """The class that a text names: `II`, `IV-S (A/C)`, `III+V`; None when it names none or leaves a choice."""
    text = unicodedata.normalize("NFKC", text)  # "Ⅳ-G（A/C）" as Chinese reports write it
    if concept == "isn_rps_class":
        return _lupus_class(text)
    found = {_ROMAN.get(hit, hit) for hit in _FUNCTION.findall(text.upper())}
    return found.pop() if len(found) == 1 else None


def _lupus_class(text: str) -> str | None:
    upper = _NOISE.sub(" ", text.upper().replace("ISN/RPS", " "))
    parts = re.split(r"\+|&|,|\bAND\b|\bWITH\b|、", upper)
    names: set[str] = set()
    for part in filter(None, (part.strip(" .;:-") for part in parts)):
        match = _GLOMERULAR.fullmatch(part)
        if not match:
            return None
        roman = _ROMAN.get(match[1], match[1])
        activity = re.sub(r"\s", "", match[3] or "")
        name = roman + (f"-{match[2]}" if match[2] else "") + (f" ({activity})" if activity else "")
        names.add(name)
    return "+".join(sorted(names, key=lambda name: (class_order(name), name))) or None


def class_order(name: str) -> int:
    """Where a class stands among I to VI; the suffix after it does not matter."""
    roman = re.match(r"[IV]*", name)
    names = list(_ROMAN.values())
    return names.index(roman[0]) if roman and roman[0] in names else len(names)


def read_grade(text: str) -> float | None:
    """The one whole number in the words of a score: `ECOG 1`, `1 - restricted`, `4/12`."""
    share = re.fullmatch(r"\s*(\d+)\s*/\s*\d+\s*", text)
    found = {share[1]} if share else set(re.findall(r"(?<![\w.,])\d{1,3}(?![\w,]|\.\d)", text))
    return float(found.pop()) if len(found) == 1 else None
