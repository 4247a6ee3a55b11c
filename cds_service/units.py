"""Units as laboratories write them → UCUM, and factors between UCUM units. Knows no concepts; a unit it cannot prove equal never converts."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from cds_service.unit_spelling import ANNOTATIONS, ARBITRARY, TIDY, tidy

__all__ = ["factor", "pretty", "readable", "tidy"]

Dimensions = tuple[tuple[str, int], ...]

#: Atom -> (size, dimensions in g, m, s, mol). Sizes are exact; every prefix in use is listed, so nothing is guessed from letters.
_BASE: dict[str, tuple[Fraction, dict[str, int]]] = {
    "1": (Fraction(1), {}),
    "%": (Fraction(1, 100), {}),
    "m": (Fraction(1), {"m": 1}),
    "cm": (Fraction(1, 100), {"m": 1}),
    "mm": (Fraction(1, 1000), {"m": 1}),
    "km": (Fraction(1000), {"m": 1}),
    "[in_i]": (Fraction(254, 10000), {"m": 1}),
    "[in_us]": (Fraction(254, 10000), {"m": 1}),  # the survey inch differs in the sixth digit; nobody is measured by it
    "[ft_i]": (Fraction(3048, 10000), {"m": 1}),
    "[ft_us]": (Fraction(3048, 10000), {"m": 1}),
    "[lb_av]": (Fraction(45359237, 100000), {"g": 1}),
    "[oz_av]": (Fraction(45359237, 1600000), {"g": 1}),
    "s": (Fraction(1), {"s": 1}),
    "min": (Fraction(60), {"s": 1}),
    "h": (Fraction(3600), {"s": 1}),
    "24.h": (Fraction(86400), {"s": 1}),
    "d": (Fraction(86400), {"s": 1}),
    "wk": (Fraction(604800), {"s": 1}),
    "kat": (Fraction(1), {"mol": 1, "s": -1}),
    "ukat": (Fraction(1, 10**6), {"mol": 1, "s": -1}),
    "nkat": (Fraction(1, 10**9), {"mol": 1, "s": -1}),
    "U": (Fraction(1, 60 * 10**6), {"mol": 1, "s": -1}),
    "mU": (Fraction(1, 60 * 10**9), {"mol": 1, "s": -1}),
    "kU": (Fraction(1, 60 * 10**3), {"mol": 1, "s": -1}),
    "mm[Hg]": (Fraction(133322), {"g": 1, "m": -1, "s": -2}),
    "cm[H2O]": (Fraction(9806650, 100), {"g": 1, "m": -1, "s": -2}),
    "kPa": (Fraction(10**6), {"g": 1, "m": -1, "s": -2}),
    "[wood'U]": (Fraction(133322 * 60 * 1000), {"g": 1, "m": -4, "s": -1}),  # mm[Hg].min/L
    "dyn": (Fraction(1, 100), {"g": 1, "m": 1, "s": -2}),
    "m2": (Fraction(1), {"m": 2}),
    "cm5": (Fraction(1, 10**10), {"m": 5}),
} | {f"10*{n}": (Fraction(10**n), {}) for n in (3, 6, 9, 12)}

_PREFIXES = {"k": Fraction(1000), "": Fraction(1), "d": Fraction(1, 10), "c": Fraction(1, 100)} | {
    letter: Fraction(1, 10**n) for letter, n in (("m", 3), ("u", 6), ("n", 9), ("p", 12), ("f", 15))
}
for _prefix, _size in _PREFIXES.items():
    _BASE[f"{_prefix}g"] = (_size, {"g": 1})
    _BASE[f"{_prefix}mol"] = (_size, {"mol": 1})
    _BASE[f"{_prefix}L"] = (_size / 1000, {"m": 3})
for _prefix in ("k", "", "m", "u"):
    _BASE[f"{_prefix}[IU]"] = (_PREFIXES[_prefix], {"[IU]": 1})
for _unit in (*ARBITRARY, *ANNOTATIONS):
    _BASE[_unit] = (Fraction(1), {_unit: 1})

#: A note on a unit ("mg/g{creat}") says what was measured, not how much; one that stands alone is a unit of its own.
_NOTE = re.compile(r"(?<=[A-Za-z\]'0-9%])\{[^}]*\}")
_COUNTED = re.compile(r"\{(?:cells?|#|count|cfu|WBC|leukocytes)\}", re.IGNORECASE)
#: Plain numbers with a label: a value that comes without a unit is already in them.
_LABELS = frozenset({"{score}", "{INR}", "{titer}", "{ratio}", "1"})


@lru_cache(maxsize=4096)
def factor(unit: str, canonical: str, molar_mass: float | None = None) -> float | None:
    """What a value in `unit` is multiplied by to be in `canonical`; None when that cannot be known.

    Arbitrary units ([IU], {RU}, [arb'U]) compare only with themselves, `mL/min` never with `mL/min/{1.73_m2}`.
    """
    sent, wanted = _plain(tidy(unit)), _plain(tidy(canonical))
    if not wanted:
        return None
    if sent == wanted:
        return 1.0
    if wanted in _LABELS and sent in ("", "1"):
        return 1.0
    if not sent or _fraction_of_substance(sent) != _fraction_of_substance(wanted):
        return None
    if wanted.startswith(("U/", "mU/", "kU/")):
        sent = sent.replace("[IU]", "U")  # of an enzyme, the international unit is the unit
    left, right = _measure(sent), _measure(wanted)
    if left is None or right is None:
        return _by_ucum(sent, wanted, molar_mass)
    return _ratio(left, right, molar_mass)


def _plain(unit: str) -> str:
    bare = _COUNTED.sub("1", _NOTE.sub("", unit))
    return "1" if bare in ("{ratio}", "1") else bare.removeprefix("1/") if bare.startswith("1/1") else re.sub(r"^1/", "/", bare)


def _fraction_of_substance(unit: str) -> bool:
    """`mmol/mol` has no dimension, and still is no percentage: HbA1c has its own equation."""
    above, _, below = unit.partition("/")
    return above.endswith("mol") and below.endswith("mol")


@cache
def _measure(unit: str) -> tuple[Fraction, Dimensions] | None:
    """Size and dimensions of a unit made of known atoms; None when one is not known."""
    size, dimensions = Fraction(1), dict[str, int]()
    for place, part in enumerate(unit.split("/")):
        for atom in [part] if part in _BASE else part.split("."):
            known = _BASE.get(atom or ("" if place else "1"))  # "/uL" is a number a volume, "mg/" is nothing
            if known is None:
                return None
            sign = -1 if place else 1
            size *= known[0] ** sign
            for name, power in known[1].items():
                dimensions[name] = dimensions.get(name, 0) + sign * power
    return size, tuple(sorted((name, power) for name, power in dimensions.items() if power))


def _ratio(left: tuple[Fraction, Dimensions], right: tuple[Fraction, Dimensions], molar_mass: float | None) -> float | None:
    if left[1] == right[1]:
        return float(left[0] / right[0])
    if molar_mass is None:
        return None
    gram_per_mol = Fraction(str(molar_mass))
    (one, one_dimensions), (other, other_dimensions) = (_in_grams(side, gram_per_mol) for side in (left, right))
    return float(one / other) if one_dimensions == other_dimensions else None


def _in_grams(side: tuple[Fraction, Dimensions], gram_per_mol: Fraction) -> tuple[Fraction, Dimensions]:
    size, dimensions = side[0], dict(side[1])
    moles = dimensions.pop("mol", 0)
    dimensions["g"] = dimensions.get("g", 0) + moles
    return size * gram_per_mol**moles, tuple(sorted((name, power) for name, power in dimensions.items() if power))


def _by_ucum(sent: str, wanted: str, molar_mass: float | None) -> float | None:
    """Units outside our table, by Pint through ucumvert: half a second to load, so only when one turns up."""
    kinds = [_special(sent), _special(wanted)]
    if kinds[0] != kinds[1] or len(kinds[0]) > 1:
        return None
    for special in kinds[0]:  # the same arbitrary unit on both sides: a base unit in its place shows how the rest converts
        sent, wanted = sent.replace(special, "cd"), wanted.replace(special, "cd")
    one, other = _quantity(sent), _quantity(wanted)
    if one is None or other is None:
        return None
    if one.dimensionality != other.dimensionality and molar_mass is not None:
        mass = _registry().from_ucum("g/mol") * molar_mass
        one, other = (side * mass ** int(side.dimensionality.get("[substance]", 0)) for side in (one, other))
    if one.dimensionality != other.dimensionality:
        return None
    return float((one / other).to("").magnitude)


def _special(unit: str) -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"\{[^}]*\}|\[IU\]|\[arb'U\]|\[AU\]|\[[A-Z]+'U\]", unit))))


@cache
def _registry() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pint warns of units it redefines while ucumvert adds its own
        from ucumvert import PintUcumRegistry  # type: ignore[import-untyped]  # it ships no types

        return PintUcumRegistry()


def _quantity(unit: str) -> Any | None:
    from lark.exceptions import LarkError
    from pint.errors import PintError

    try:
        quantity = _registry().from_ucum(unit)
        quantity.to_base_units()  # Celsius and decibel have an offset or a logarithm: no factor can stand for them
        return quantity if quantity.to_base_units().magnitude == (2 * quantity).to_base_units().magnitude / 2 else None
    except (LarkError, PintError, ValueError, TypeError, NotImplementedError):
        return None


def readable(unit: str) -> bool:
    """Whether UCUM can read the unit as it stands; loads the UCUM grammar for one that our table lacks."""
    return _measure(_plain(unit)) is not None or unit in TIDY.values() or _quantity(_NOTE.sub("", unit)) is not None


_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_PRETTY = {
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
    "[wood'U]": "WU",
    "[in_i]": "in",
    "[in_us]": "in",
    "[ft_i]": "ft",
    "[lb_av]": "lb",
    "{s_co_ratio}": "S/CO",
    "{Index_val}": "index",
    "dyn.s/cm5": "dyn·s/cm⁵",
    "{Log_IU}/mL": "log IU/mL",
    "{Log_copies}/mL": "log copies/mL",
}


@lru_cache(maxsize=1024)
def pretty(unit: str) -> str:
    """The unit for a reader: `10*9/L` as `× 10⁹/L`, `g/d` as `g/24 h`, nothing for a score or a titre."""
    text = tidy(unit)
    if text in _LABELS:
        return ""
    if text in _PRETTY:
        return _PRETTY[text]
    text = _NOTE.sub("", text)
    text = re.sub(r"^([munkp]?g|[mun]?mol|m?L)/d$", r"\1/24 h", text)  # a day's collection; a dose (mg/kg/d) stays as it is
    text = re.sub(r"10\*(\d+)", lambda m: "× 10" + m[1].translate(_SUPERSCRIPTS), text)
    text = text.replace("[arb'U]", "AU").replace("mm[Hg]", "mmHg").replace("cm[H2O]", "cmH₂O")
    text = re.sub(r"[\[\]{}]", "", text).replace("_", " ")
    text = re.sub(r"(?<![A-Za-z])u(?=[A-Za-z])", "µ", text)
    return re.sub(r"(?<=m)([23])(?!\d)", lambda m: m[1].translate(_SUPERSCRIPTS), text)
