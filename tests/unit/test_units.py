"""Units as laboratories write them, and which of them compare."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cds_service.units import factor, pretty, readable, tidy

EGFR = "mL/min/{1.73_m2}"
WRITTEN = [
    ("10*9/L", ["10*9/L", "10^9/L", "10**9/L", "x10E9/L", "10E9/L", "10e9/l", "x10^9/L", "×10⁹/L", "10⁹/L", "× 10⁹/L", "Gpt/l", "Giga/L"]),
    ("10*3/uL", ["K/uL", "k/µL", "10*3/uL", "10^3/ul", "x10E3/uL", "x10(3)/uL", "thou/uL", "10*3/mm3", "K/mm3", "10*3 cells/uL"]),
    ("/uL", ["/uL", "/µL", "/μL", "cells/uL", "{cells}/uL", "cells/mm3", "/mm3", "1/uL", "#/uL", "cell/µL"]),
    ("umol/L", ["umol/L", "µmol/L", "μmol/L", "mcmol/L", "micromol/L", "UMOL/L", "umol/l"]),
    (
        EGFR,
        [
            EGFR,
            "ml/min/1.73m2",
            "mL/min/1.73 m²",
            "ml/(min·1.73m²)",
            "ml/min/1,73m2",
            "mL/min/1.73.m2",
            "mL/min/1.73_m2",
            "mL/min/{1.73m2}",
            "mL/min/1.73",
            "mL/min/1.73m^2",
            "mL/min per 1.73 m2",
            "mL/min/1.73 sq m",
            "ML/MIN/1.73M2",
            "mL/min/1.73m*2",
        ],
    ),
    ("g/d", ["g/24h", "g/24 h", "g/24hr", "g/(24.h)", "g/day", "g/d", "G/24H", "g/24 hours", "g/(24 h)"]),
    ("mg/d", ["mg/24h", "mg/24 hr", "mg/24hrs", "mg/d", "mg/(24.h)", "mg/day"]),
    ("{RU}/mL", ["RU/mL", "RU/ml", "{RU}/mL"]),
    ("mm[Hg]", ["mmHg", "mm Hg", "mm[Hg]", "MMHG"]),
    ("g/dL", ["gm/dL", "g/dl", "G/DL", "gram/dL"]),
    ("U/L", ["U/L", "U/l", "u/l", "units/L"]),
    ("[IU]/L", ["IU/L", "[IU]/L", "[iU]/L", "iu/l"]),
    ("[IU]/mL", ["IU/mL", "IU/ml"]),
    ("m[IU]/mL", ["mIU/mL", "m[IU]/mL", "mIU/ml"]),
    ("k[IU]/L", ["kIU/L"]),
    ("mg/g{creat}", ["mg/g{creat}", "mg/g creat", "mg/gCr", "mg/g creatinine"]),
    ("mg/g{protein}", ["mg/g{protein}", "MG/G{protein}"]),
    ("mg/mmol{creat}", ["mg/mmol creat", "mg/mmol{creat}"]),
    ("{copies}/mL", ["copies/mL", "cp/mL", "{copies}/mL"]),
    ("{Log_IU}/mL", ["log IU/mL", "log10 IU/mL", "{Log_IU}/mL"]),
    ("L/min/m2", ["L/min/m2", "L/(min.m2)", "L/min/m²", "l/min/m^2"]),
    ("dyn.s/cm5", ["dyn.s/cm5", "dyn·s·cm⁻⁵", "dyn*s/cm5", "dynes.sec.cm-5", "dyn.sec/cm5"]),
    ("[wood'U]", ["Wood units", "WU", "[wood'U]"]),
    ("kg", ["kg", "KG", "kgs"]),
    ("[lb_av]", ["lb", "lbs", "[lb_av]"]),
    ("[in_i]", ["in", "inches", "[in_i]"]),
    ("s", ["s", "sec", "seconds"]),
    ("ng/L", ["ng/L", "ng/l"]),
    ("pg/mL", ["pg/mL", "PG/ML", "pg/ml"]),
    ("%", ["%", "％", "percent"]),
    ("{titer}", ["{titer}", "titer", "titre"]),
    ("{score}", ["{score}", "score", "points"]),
    ("mL/min", ["mL/min", "ml/min", "ML/MIN"]),
]


@pytest.mark.parametrize(("ucum", "written"), [(ucum, text) for ucum, texts in WRITTEN for text in texts])
def test_spellings_seen_in_the_wild_become_ucum(ucum: str, written: str) -> None:
    assert tidy(written) == ucum
    assert tidy(f" {written} ") == ucum


@pytest.mark.parametrize("ucum", [ucum for ucum, _ in WRITTEN])
def test_tidy_changes_nothing_the_second_time(ucum: str) -> None:
    assert tidy(ucum) == ucum


@pytest.mark.parametrize("unit", ["", "furlong", "G/L", "bananas/L", "ml/min/m2/kg/d", "mg/g of something"])
def test_what_is_not_recognised_is_left_as_it_was(unit: str) -> None:
    assert tidy(unit) == unit


CONVERTED = [
    ("g/dL", "g/L", None, 10.0),
    ("K/µL", "10*9/L", None, 1.0),
    ("10*6/mL", "10*9/L", None, 1.0),
    ("/uL", "10*9/L", None, 0.001),
    ("10*9/L", "/uL", None, 1000.0),
    ("{cells}/uL", "/uL", None, 1.0),
    ("mg/24h", "g/d", None, 0.001),
    ("ug/min", "g/d", None, 0.00144),
    ("mg/(24.h)", "ug/min", None, 1000 / 1440),
    ("g/g", "mg/g", None, 1000.0),
    ("mg/mg", "mg/g", None, 1000.0),
    ("mg/g{creat}", "mg/g", None, 1.0),
    ("ug/mg", "mg/g", None, 1.0),
    ("mg/mmol", "mg/g", 113.12, 1000 / 113.12),
    ("g/mol", "mg/g", 113.12, 1000 / 113.12),
    ("g/mmol", "mg/g", 113.12, 1e6 / 113.12),
    ("mg/mol{creat}", "mg/g", 113.12, 1 / 113.12),
    ("umol/L", "mg/dL", 113.12, 0.011312),
    ("mmol/L", "mg/dL", 180.16, 18.016),
    ("mg/dL", "mmol/L", 180.16, 1 / 18.016),
    ("umol/L", "g/L", 66500.0, 0.0665),
    ("mmol/L", "g/L", 16114.0, 16.114),
    ("pmol/L", "ng/L", 3464.0, 3.464),
    ("pg/mL", "ng/L", None, 1.0),
    ("ukat/L", "U/L", None, 60.0),
    ("nkat/L", "U/L", None, 0.06),
    ("IU/L", "U/L", None, 1.0),
    ("[IU]/L", "[IU]/mL", None, 0.001),
    ("k[IU]/mL", "[IU]/mL", None, 1000.0),
    ("k[IU]/L", "[IU]/mL", None, 1.0),
    ("m[IU]/mL", "[IU]/mL", None, 0.001),
    ("[IU]/L", "m[IU]/mL", None, 1.0),
    ("RU/mL", "{RU}/mL", None, 1.0),
    ("{RU}/L", "{RU}/mL", None, 0.001),
    ("copies/L", "{copies}/mL", None, 0.001),
    ("ml/(min·1.73m²)", EGFR, None, 1.0),
    ("mL/s", "mL/min", None, 60.0),
    ("m", "cm", None, 100.0),
    ("[in_i]", "cm", None, 2.54),
    ("[ft_i]", "m", None, 0.3048),
    ("lb", "kg", None, 0.45359237),
    ("g", "kg", None, 0.001),
    ("1", "%", None, 100.0),
    ("mm[Hg].min/L", "[wood'U]", None, 1.0),
    ("L/(min.m2)", "L/min/m2", None, 1.0),
    ("points", "{score}", None, 1.0),
    ("", "{score}", None, 1.0),
    ("1", "{INR}", None, 1.0),
    ("", "{INR}", None, 1.0),
    ("{ratio}", "1", None, 1.0),
    ("1", "{titer}", None, 1.0),
]


@pytest.mark.parametrize(("unit", "canonical", "molar_mass", "expected"), CONVERTED)
def test_a_unit_that_means_the_same_converts_exactly(unit: str, canonical: str, molar_mass: float | None, expected: float) -> None:
    found = factor(unit, canonical, molar_mass)
    assert found is not None
    assert abs(found / expected - 1) < 1e-9


@pytest.mark.parametrize(("unit", "canonical", "expected"), [("kPa", "mm[Hg]", 7.50062), ("dyn.s/cm5", "[wood'U]", 0.012501)])
def test_pressures_agree_with_the_published_factors(unit: str, canonical: str, expected: float) -> None:
    assert factor(unit, canonical) == pytest.approx(expected, rel=1e-4)


def test_three_thousand_a_microlitre_is_exactly_three_billion_a_litre() -> None:
    assert 3 * (factor("10*3/uL", "10*9/L") or 0) >= 3


NEVER = [
    ("mL/min", EGFR),  # not indexed to body surface
    (EGFR, "mL/min"),
    ("mL/min/m2", EGFR),
    ("U/mL", "{RU}/mL"),
    ("[IU]/mL", "{RU}/mL"),
    ("[arb'U]/mL", "{RU}/mL"),
    ("[arb'U]/mL", "[IU]/mL"),
    ("U/mL", "[IU]/mL"),
    ("{copies}/mL", "[IU]/mL"),
    ("{Log_IU}/mL", "[IU]/mL"),
    ("{Index_val}", "{titer}"),
    ("[arb'U]/mL", "{titer}"),
    ("{score}", "{titer}"),
    ("mmol/mol", "%"),  # HbA1c has an equation with an offset
    ("umol/mol", "%"),
    ("%", "10*9/L"),
    ("mg/dL", "g/d"),
    ("mg/g", "g/d"),
    ("mg/dL", "mg/g"),
    ("umol/L", "mg/dL"),  # no molar mass
    ("", "g/L"),
    ("", "%"),
    ("", EGFR),
    ("G/L", "g/L"),  # giga or gram
    ("g/L", ""),
    ("furlong", "m"),
    ("[IU]/hL", "{RU}/mL"),
    ("amol/L", "mg/dL"),
    ("bogus/L", "g/L"),
    ("Cel", "K"),
]


@pytest.mark.parametrize(("unit", "canonical"), NEVER)
def test_a_unit_that_may_mean_something_else_never_converts(unit: str, canonical: str) -> None:
    assert factor(unit, canonical) is None


def test_body_surface_stays_apart_even_with_a_molar_mass() -> None:
    assert factor("mL/min", EGFR, 113.12) is None


@pytest.mark.parametrize(
    ("unit", "canonical", "molar_mass", "expected"),
    [
        ("[stone_av]", "kg", None, 6.35029318),
        ("[IU]/hL", "[IU]/mL", None, 1e-5),
        ("amol/L", "mg/dL", 113.12, 1.1312e-14),
        ("mg/hL", "g/L", None, 1e-5),
    ],
)
def test_a_unit_outside_the_table_is_converted_by_ucum(unit: str, canonical: str, molar_mass: float | None, expected: float) -> None:
    assert factor(unit, canonical, molar_mass) == pytest.approx(expected, rel=1e-9)


def test_units_of_the_table_never_load_the_ucum_grammar() -> None:
    code = "import sys; from cds_service.units import factor, pretty; factor('umol/L', 'mg/dL', 113.12); pretty('g/d'); "
    code += "factor('mL/min', 'mL/min/{1.73_m2}'); sys.exit(bool({'pint', 'ucumvert', 'lark'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - our own interpreter and text


@pytest.mark.parametrize(
    ("unit", "shown"),
    [
        (EGFR, "mL/min/1.73 m²"),
        ("10*9/L", "× 10⁹/L"),
        ("10*12/L", "× 10¹²/L"),
        ("10*3/uL", "× 10³/µL"),
        ("/uL", "/µL"),
        ("g/d", "g/24 h"),
        ("mg/24h", "mg/24 h"),
        ("mg/kg/d", "mg/kg/d"),
        ("{RU}/mL", "RU/mL"),
        ("[IU]/mL", "IU/mL"),
        ("m[IU]/mL", "mIU/mL"),
        ("umol/L", "µmol/L"),
        ("ug/min", "µg/min"),
        ("mm[Hg]", "mmHg"),
        ("L/min/m2", "L/min/m²"),
        ("[wood'U]", "WU"),
        ("mg/g{creat}", "mg/g"),
        ("{copies}/mL", "copies/mL"),
        ("{titer}", ""),
        ("{score}", ""),
        ("{INR}", ""),
        ("1", ""),
        ("", ""),
        ("%", "%"),
        ("mg/dL", "mg/dL"),
        ("U/L", "U/L"),
        ("furlong", "furlong"),
    ],
)
def test_units_are_shown_as_a_clinician_writes_them(unit: str, shown: str) -> None:
    assert pretty(unit) == shown


@pytest.mark.parametrize(
    ("unit", "expected"), [("mg/dL", True), ("m/(6.min)", True), ("{RU}/mL", True), ("[stone_av]", True), ("furlong", False), ("mg/", False)]
)
def test_readable_says_whether_ucum_knows_the_unit(unit: str, expected: bool) -> None:
    assert readable(unit) is expected
