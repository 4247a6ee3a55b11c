"""Published equations for kidney function and HbA1c. Plain numbers in and out: no units, no rounding, no patient.

Results are unrounded: rounding is for the reader, a limit is held against the exact value.
"""

from __future__ import annotations

#: 1 mg/dL creatinine in umol/L (molar mass 113.12 g/mol, as laboratories convert it).
UMOL_L_PER_MG_DL = 88.42


def ckd_epi_2021(creatinine_mg_dl: float, age: float, female: bool) -> float:
    """eGFR in mL/min/1.73 m² by the race-free creatinine equation; adults only.

    Inker et al., N Engl J Med 2021;385:1737. Creatinine in mg/dL, age in years.
    """
    _positive(creatinine_mg_dl, "creatinine")
    kappa, alpha, sex = (0.7, -0.241, 1.012) if female else (0.9, -0.302, 1.0)
    ratio = creatinine_mg_dl / kappa
    return float(142 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.200 * 0.9938**age * sex)


def ckd_epi_2009(creatinine_mg_dl: float, age: float, female: bool) -> float:
    """eGFR in mL/min/1.73 m² by the 2009 creatinine equation, its race term left out; adults only.

    Levey et al., Ann Intern Med 2009;150:604. Creatinine in mg/dL, age in years.
    """
    _positive(creatinine_mg_dl, "creatinine")
    kappa, alpha, sex = (0.7, -0.329, 1.018) if female else (0.9, -0.411, 1.0)
    ratio = creatinine_mg_dl / kappa
    return float(141 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.209 * 0.993**age * sex)


def bedside_schwartz(height_cm: float, creatinine_mg_dl: float) -> float:
    """eGFR in mL/min/1.73 m² of a child: 0.413 x height / creatinine (enzymatic).

    Schwartz et al., J Am Soc Nephrol 2009;20:629. Height in cm, creatinine in mg/dL.
    """
    _positive(creatinine_mg_dl, "creatinine")
    _positive(height_cm, "height")
    return 0.413 * height_cm / creatinine_mg_dl


def cockcroft_gault(creatinine_mg_dl: float, age: float, weight_kg: float, female: bool) -> float:
    """Creatinine clearance in mL/min, not indexed to body surface: never an eGFR.

    Cockcroft and Gault, Nephron 1976;16:31. Creatinine in mg/dL, age in years, weight in kg.
    """
    _positive(creatinine_mg_dl, "creatinine")
    _positive(weight_kg, "weight")
    return (140 - age) * weight_kg / (72 * creatinine_mg_dl) * (0.85 if female else 1.0)


def ngsp_from_ifcc(mmol_mol: float) -> float:
    """HbA1c in % (NGSP) from mmol/mol (IFCC), to 0.1 % as laboratories print it.

    Master equation of the IFCC and NGSP networks: % = 0.09148 x mmol/mol + 2.152
    (Hoelzel et al., Clin Chem 2004;50:166). An affine conversion, so no unit factor can stand for it.
    """
    return round(0.09148 * mmol_mol + 2.152, 1)


def _positive(value: float, what: str) -> None:
    # Zero would divide or overflow to infinity, and infinity passes every ">= 30".
    if not value > 0:
        raise ValueError(f"{what} must be above zero")
