"""The few concepts, drugs and classes that the tables speak of."""

from __future__ import annotations

from cds_service.model.vocabulary import Concept, Drug, DrugClass, Vocabulary

_RESULTS = (
    ("egfr", "eGFR", "mL/min/{1.73_m2}", 180, "results-kidney"),
    ("creatinine_clearance", "creatinine clearance", "mL/min", 180, "results-kidney"),
    ("urine_protein_24h", "24-hour urine protein", "g/d", 180, "results-kidney"),
    ("upcr", "urine protein/creatinine ratio", "g/g", 180, "results-kidney"),
    ("anti_pla2r", "anti-PLA2R", "{RU}/mL", 180, "results-kidney"),
    ("alt", "ALT", "U/L", 180, "results-blood"),
    ("neutrophils", "neutrophils", "10*9/L", 180, "results-blood"),
    ("platelets", "platelets", "10*9/L", 180, "results-blood"),
    ("hba1c", "HbA1c", "%", 180, "results-blood"),
    ("cd19_b_cells", "CD19 B cells", "/uL", 365, "results-blood"),
    ("bnp", "BNP", "pg/mL", 180, "results-blood"),
    ("nt_probnp", "NT-proBNP", "pg/mL", 180, "results-blood"),
    ("ana_titre", "ANA", "{titer}", 180, "results-other"),
    ("hbsag", "HBsAg", "", 365, "results-infection"),
    ("hbv_dna", "HBV DNA", "[IU]/mL", 365, "results-infection"),
    ("hcg", "hCG", "", 180, "results-infection"),
    ("lvef", "LVEF", "%", 365, "results-other"),
    ("spo2", "oxygen saturation", "%", 180, "results-other"),
    ("bp_systolic", "systolic blood pressure", "mm[Hg]", 180, "results-other"),
    ("isn_rps_class", "ISN/RPS class", "", None, "results-other"),
    ("body_weight", "body weight", "kg", 180, "results-other"),
)
_OTHERS = {
    "condition": {
        "membranous_nephropathy": "membranous nephropathy", "sle": "lupus erythematosus", "lupus_nephritis": "lupus nephritis",
        "heart_failure": "heart failure", "depression": "depression", "epilepsy": "epilepsy", "seizure": "seizure", "cancer": "cancer",
        "skin_cancer": "non-melanoma skin cancer", "cancer_history": "history of cancer", "pregnancy": "pregnancy", "gilbert": "Gilbert syndrome",
        "infection": "serious infection", "transplant_status": "kidney transplant status", "diabetes": "diabetes", "delivered": "after delivery",
    },
    "procedure": {
        "kidney_biopsy": "kidney biopsy", "transplant": "kidney transplantation", "surgery": "major surgery", "delivery": "delivery",
        "minor_surgery": "minor surgery",
    },
    "immunization": {"vaccine_live": "live vaccine"},
    "drug": {"murine_protein": "murine protein"},
}  # fmt: skip
_DRUGS = (
    Drug("prednisone", "prednisone", prednisone=1.0),
    Drug("methylprednisolone", "methylprednisolone", prednisone=1.25),
    Drug("cyclophosphamide", "cyclophosphamide"),
    Drug("tacrolimus", "tacrolimus"),
    Drug("mycophenolate", "mycophenolate"),
    Drug("rituximab", "rituximab", grace=0, course=183),
    Drug("losartan", "losartan"),
    Drug("ramipril", "ramipril"),
    Drug("filgrastim", "filgrastim", grace=0),
)
_CLASSES = {
    "glucocorticoid": {"prednisone", "methylprednisolone"},
    "ras_inhibitor": {"losartan", "ramipril"},
    "immunosuppressant": {"prednisone", "methylprednisolone", "cyclophosphamide", "tacrolimus", "mycophenolate", "rituximab"},
    "g_csf": {"filgrastim"},
}

VOCABULARY = Vocabulary(
    concepts={
        **{i: Concept(i, "observation", name, unit, fresh, results=listed) for i, name, unit, fresh, listed in _RESULTS},
        "anti_hbc": Concept("anti_hbc", "observation", "anti-HBc", "", 365, lasting=True, results="results-infection"),
        **{i: Concept(i, kind, name) for kind, names in _OTHERS.items() for i, name in names.items()},
    },
    exact={},
    prefixes={},
    drugs={d.id: d for d in _DRUGS},
    classes={i: DrugClass(i, i.replace("_", " "), frozenset(drugs)) for i, drugs in _CLASSES.items()},
    upper_limits={"bnp": 100.0},
)
