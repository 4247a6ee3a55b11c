"""How units are spelt in the wild → UCUM spelling. Only letters: what a unit is worth is the matter of units.py."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: Units that mean only what one assay says they mean.
ARBITRARY = ("[arb'U]", "[AU]")
#: Annotations that stand for a unit; the last marks what is measured against body surface.
ANNOTATIONS = (
    "{RU}",
    "{titer}",
    "{score}",
    "{INR}",
    "{copies}",
    "{Log_IU}",
    "{Log_copies}",
    "{Index_val}",
    "{s_co_ratio}",
    "{dils}",
    "{1.73_m2}",
)

#: Whole units, lower case, without spaces.
TIDY = {
    "k/ul": "10*3/uL",
    "k/mm3": "10*3/uL",
    "k/cumm": "10*3/uL",
    "thou/ul": "10*3/uL",
    "thou/mm3": "10*3/uL",
    "thousand/ul": "10*3/uL",
    "m/ul": "10*6/uL",
    "mill/ul": "10*6/uL",
    "gpt/l": "10*9/L",
    "giga/l": "10*9/L",
    "tpt/l": "10*12/L",
    "s/co": "{s_co_ratio}",
    "s/coratio": "{s_co_ratio}",
    "{s_co_ratio}": "{s_co_ratio}",
    "logiu/ml": "{Log_IU}/mL",
    "log10iu/ml": "{Log_IU}/mL",
    "lgiu/ml": "{Log_IU}/mL",
    "log[iu]/ml": "{Log_IU}/mL",
    "{log_iu}/ml": "{Log_IU}/mL",
    "logcopies/ml": "{Log_copies}/mL",
    "log10copies/ml": "{Log_copies}/mL",
    "{log_copies}/ml": "{Log_copies}/mL",
    "wu": "[wood'U]",
    "wood": "[wood'U]",
    "woodunit": "[wood'U]",
    "woodunits": "[wood'U]",
    "dyn.s/cm5": "dyn.s/cm5",
    "dyn.s.cm-5": "dyn.s/cm5",
    "dyn.sec/cm5": "dyn.s/cm5",
    "dyn.sec.cm-5": "dyn.s/cm5",
    "dynes.s/cm5": "dyn.s/cm5",
    "dynes.sec/cm5": "dyn.s/cm5",
    "dynes.sec.cm-5": "dyn.s/cm5",
    "mmhg": "mm[Hg]",
    "mm[hg]": "mm[Hg]",
    "cmh2o": "cm[H2O]",
    "cm[h2o]": "cm[H2O]",
    "percent": "%",
    "pct": "%",
    "ratio": "{ratio}",
}

#: One part of a unit, lower case, without spaces.
_ATOMS = {
    "gm": "g",
    "gram": "g",
    "grams": "g",
    "kgs": "kg",
    "mcg": "ug",
    "mgm": "mg",
    "mcmol": "umol",
    "micromol": "umol",
    "l": "L",
    "dl": "dL",
    "cl": "cL",
    "ml": "mL",
    "cc": "mL",
    "ul": "uL",
    "nl": "nL",
    "pl": "pL",
    "fl": "fL",
    "liter": "L",
    "litre": "L",
    "mm3": "uL",
    "mm^3": "uL",
    "cumm": "uL",
    "cmm": "uL",
    "lb": "[lb_av]",
    "lbs": "[lb_av]",
    "pound": "[lb_av]",
    "pounds": "[lb_av]",
    "[lb_us]": "[lb_av]",
    "in": "[in_i]",
    "inch": "[in_i]",
    "inches": "[in_i]",
    "ft": "[ft_i]",
    "feet": "[ft_i]",
    "foot": "[ft_i]",
    "meter": "m",
    "meters": "m",
    "metre": "m",
    "metres": "m",
    "m^2": "m2",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "minute": "min",
    "minutes": "min",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "24h": "d",
    "24.h": "d",
    "24hr": "d",
    "24hrs": "d",
    "24hour": "d",
    "24hours": "d",
    "day": "d",
    "days": "d",
    "iu": "[IU]",
    "[iu]": "[IU]",
    "miu": "m[IU]",
    "m[iu]": "m[IU]",
    "kiu": "k[IU]",
    "k[iu]": "k[IU]",
    "u[iu]": "u[IU]",
    "uiu": "u[IU]",
    "u": "U",
    "unit": "U",
    "units": "U",
    "mu": "mU",
    "ru": "{RU}",
    "au": "[AU]",
    "[arb'u]": "[arb'U]",
    "[wood'u]": "[wood'U]",
    "copies": "{copies}",
    "copy": "{copies}",
    "cp": "{copies}",
    "cps": "{copies}",
    "{cells}": "{cells}",
    "{cell}": "{cells}",
    "cells": "{cells}",
    "cell": "{cells}",
    "index": "{Index_val}",
    "indexval": "{Index_val}",
    "titer": "{titer}",
    "titre": "{titer}",
    "score": "{score}",
    "points": "{score}",
    "{points}": "{score}",
    "inr": "{INR}",
    "kpa": "kPa",
}
_ATOMS |= {unit.lower(): unit for unit in ANNOTATIONS}
_ATOMS |= {f"{p}{atom}".lower(): f"{p}{atom}" for p in ("k", "", "m", "u", "n", "p", "f") for atom in ("g", "mol", "kat")}
_ATOMS |= {atom: atom for atom in ("cm", "mm", "m", "m2", "min", "h", "s", "d", "wk", "%", "1")}

_CHARACTERS = str.maketrans({"µ": "u", "μ": "u", "×": "x", "·": ".", "⋅": ".", "∙": ".", "•": ".", "・": ".", "−": "-", "–": "-", "∕": "/", "⁄": "/"})
_SURFACE = re.compile(r"^ml/\(?min(?:ute)?(?:/|\.|per)?\(?\{?1[.,]73(?:[._*]?(?:m(?:\^|\*)?2?|sqm?|m\^?\(2\)))?\}?\)*$")
_TIMES = re.compile(r"(?<!10)(?<!\*)\*(?![\d*])")  # "dyn*s", but not "10*9" and "10**9"
_POWER = re.compile(r"^(?:x|\*)?10(?:\*\*|[*^e])\(?(\d+)\)?$|^x10\(?(\d+)\)?$|^(?:x|\*)?1?e(\d+)$")
_CREATININE = re.compile(r"(?<=g|l)(?:of)?(?:\{?creat(?:inine)?\}?|\{?cr(?:ea)?\}?)$")


@lru_cache(maxsize=4096)
def tidy(unit: str) -> str:
    """The unit in UCUM: `K/µL`, `x10E3/uL` and `10^3/ul` are `10*3/uL`. What cannot be recognised comes back as it was, trimmed."""
    trimmed = unit.strip()
    text = re.sub(r"\s+", "", unicodedata.normalize("NFKC", _superscripts(trimmed).translate(_CHARACTERS)).translate(_CHARACTERS)).lower()
    if not text or trimmed in ("G/L", "G/l"):
        return trimmed  # giga or gram a litre: a shouting laboratory and a German one write the same
    text = _TIMES.sub(".", text)
    if text in TIDY:
        return TIDY[text]
    if _SURFACE.match(text):
        return "mL/min/{1.73_m2}"
    parts = [_part(part) for part in _denominators(text).split("/")]
    if None in parts or len(parts) > 4:
        return trimmed
    known = [part for part in parts if part is not None]
    if len(known) > 1 and known[0] in ("{cells}", "1", "{#}"):
        known[0] = ""  # cells a volume are a number a volume
    return "/".join(known)


def _superscripts(text: str) -> str:
    """`10⁹` has to become `10^9` before compatibility folding makes it 109."""
    return re.sub(r"(?<=10)[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: "^" + unicodedata.normalize("NFKC", m[0]), text)


def _denominators(text: str) -> str:
    """`a/(b.c)` is `a/b/c`."""
    return re.sub(r"/\(([^()]*)\)", lambda m: "/" + (m[1] if m[1] == "24.h" else m[1].replace(".", "/")), text)


def _part(part: str) -> str | None:
    if part == "":
        return ""
    if part in ("#", "{#}"):
        return "{#}"
    if power := _POWER.match(part):
        return f"10*{power[1] or power[2] or power[3]}"
    if cells := re.match(r"^(.*10(?:\*\*|[*^e])?\(?\d+\)?)\.?\{?cells?\}?$", part):
        return _part(cells[1])
    if part in _ATOMS:
        return _ATOMS[part]
    if note := _CREATININE.search(part):
        atom = _ATOMS.get(part[: note.start()])
        return f"{atom}{{creat}}" if atom else None
    if note := re.fullmatch(r"([^{}]+)(\{[^{}]*\})", part):
        atom = _ATOMS.get(note[1])
        return f"{atom}{note[2]}" if atom else None
    return None
