"""Semantics 9: courses of drugs joined to episodes; how long, how much, which together, until when."""

from __future__ import annotations

from cds_service.model.predicates import Dose, Limit, Therapy

from . import treatment_now
from .language import YES, Section, asks, cut, drug, lab, months, row, unknown, unread

SIX = Therapy(("glucocorticoid",), duration=months(6))
MG_PER_KG = Dose(Limit("ge", 1.0), "mg/kg/d")
WEIGHT = lab("body_weight", 60)

SECTION = Section(
    "Treatment",
    "Prescriptions, medication lists, administrations and dispenses are joined to courses. A treatment of which too little is on record is unknown, "
    "never failed.",
    (
        asks(
            "Glucocorticoid for at least 6 months",
            SIX,
            row(YES, "Exactly six calendar months.", drug("prednisone", "2026-01-15", "2026-07-15"), basis="recorded"),
            row(unknown("no-data"), "One day less is not on record as enough.", drug("prednisone", "2026-01-15", "2026-07-14")),
            row(YES, "Six months from the end of August end with February.", drug("prednisone", "2025-08-31", "2026-02-28")),
            row(YES, "One that is still running runs to today.", drug("prednisone", "2026-05-01", ongoing=True)),
            row(unknown("no-data"), "Begun a day later, it is not yet six months.", drug("prednisone", "2026-05-02", ongoing=True)),
            row(unknown("no-data"), "An order without an end that does not run on is one day.", drug("prednisone", "2025-01-01")),
            row(YES, "Begun in March: at the latest on the 31st.", drug("prednisone", "2026-03", "2026-09-30")),
            row(unknown("no-data"), "Begun some day in March, it may be too short.", drug("prednisone", "2026-03", "2026-09-15")),
            row(unknown("no-data"), "A course without any date has no length.", drug("prednisone", ongoing=True)),
            row(unknown("no-data"), "Another drug does not count.", drug("tacrolimus", "2025-01-01", ongoing=True)),
            row(
                YES,
                "Drugs of one class make one course.",
                drug("prednisone", "2026-01-15", "2026-04-15"),
                drug("methylprednisolone", "2026-04-16", "2026-07-15"),
            ),
            row(unknown("no-data"), "Nothing on record."),
            row(
                unknown("unavailable"),
                "A list could not be fetched.",
                drug("prednisone", "2026-09-01", ongoing=True),
                unread("medication-statements"),
            ),
            row(unknown("truncated"), "A list was not read to its end.", cut("medication-statements")),
        ),
        asks(
            "Glucocorticoid for more than 6 months",
            Therapy(("glucocorticoid",), duration=months(6), strict=True),
            row(unknown("no-data"), "Exactly six calendar months are not more.", drug("prednisone", "2026-01-15", "2026-07-15")),
            row(YES, "One day more is.", drug("prednisone", "2026-01-15", "2026-07-16")),
        ),
        asks(
            "Glucocorticoid for at least 6 months: gaps (30 days are bridged)",
            SIX,
            row(YES, "A gap of 30 days is bridged.", drug("prednisone", "2026-01-01", "2026-03-31"), drug("prednisone", "2026-05-01", "2026-07-01")),
            row(
                unknown("no-data"),
                "A gap of 31 days is not.",
                drug("prednisone", "2026-01-01", "2026-03-31"),
                drug("prednisone", "2026-05-02", "2026-07-01"),
            ),
            row(
                YES,
                "Monthly dispenses make one course.",
                *(drug("prednisone", f"2026-0{m}-01", kind="dispense") for m in range(1, 8)),
            ),
            row(
                YES,
                "A short course inside a long one does not cut it.",
                drug("prednisone", "2026-01-15", "2026-07-15"),
                drug("prednisone", "2026-02-01", "2026-02-10", kind="statement"),
            ),
        ),
        asks(
            "Rituximab for 6 months (one dose counts for 183 days)",
            Therapy(("rituximab",), duration=months(6)),
            row(YES, "One dose in January counts into July.", drug("rituximab", "2026-01-05", kind="administration")),
            row(unknown("no-data"), "A dose in August does not count beyond today.", drug("rituximab", "2026-08-01", kind="administration")),
            row(
                YES,
                "Two doses make one course.",
                drug("rituximab", "2026-01-05", kind="administration"),
                drug("rituximab", "2026-01-19", kind="administration"),
            ),
        ),
        asks(
            "Rituximab ever",
            Therapy(("rituximab",)),
            row(YES, "Once is enough.", drug("rituximab", "2019-03-02")),
            row(YES, "A year is date enough where no time is asked.", drug("rituximab", "2026")),
            row(YES, "So is no date at all.", drug("rituximab")),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "A list could not be fetched.", unread("medication-administrations")),
            row(unknown("truncated"), "A list was not read to its end.", cut("medication-administrations")),
        ),
        asks(
            "Glucocorticoid and cyclophosphamide together for 3 months",
            Therapy(all_of=("glucocorticoid", "cyclophosphamide"), duration=months(3)),
            row(
                YES,
                "Both for exactly three months.",
                drug("prednisone", "2026-01-01", "2026-06-30"),
                drug("cyclophosphamide", "2026-02-01", "2026-05-01"),
            ),
            row(
                unknown("no-data"),
                "They overlap for a day too few.",
                drug("prednisone", "2026-01-01", "2026-04-30"),
                drug("cyclophosphamide", "2026-02-01", "2026-06-01"),
            ),
            row(
                unknown("no-data"),
                "One after the other is not together.",
                drug("prednisone", "2025-01-01", "2025-06-30"),
                drug("cyclophosphamide", "2025-07-01", "2025-12-31"),
            ),
            row(unknown("no-data"), "One of the two.", drug("prednisone", "2025-01-01", ongoing=True)),
        ),
        asks(
            "Glucocorticoid and cyclophosphamide together, ever",
            Therapy(all_of=("glucocorticoid", "cyclophosphamide")),
            row(YES, "One day of both.", drug("prednisone", "2026-01-01", "2026-03-31"), drug("cyclophosphamide", "2026-03-31", "2026-06-30")),
            row(unknown("no-data"), "None.", drug("prednisone", "2026-01-01", "2026-03-31"), drug("cyclophosphamide", "2026-04-01", "2026-06-30")),
            row(unknown("no-data"), "Without dates nobody knows.", drug("prednisone"), drug("cyclophosphamide")),
        ),
        asks(
            "At least two different immunosuppressants now",
            Therapy(("immunosuppressant",), when="current", distinct=2),
            row(YES, "Two.", drug("prednisone", "2026-01-01", ongoing=True), drug("tacrolimus", "2026-01-01", ongoing=True)),
            row(unknown("no-data"), "One.", drug("prednisone", "2026-01-01", ongoing=True)),
            row(
                unknown("no-data"),
                "One on two lists.",
                drug("prednisone", "2026-01-01", ongoing=True),
                drug("prednisone", "2026-01-01", ongoing=True, kind="statement"),
            ),
        ),
        asks(
            "At least two different immunosuppressants, each for 3 months",
            Therapy(("immunosuppressant",), distinct=2, duration=months(3)),
            row(
                YES, "Two drugs, one after the other.", drug("prednisone", "2025-01-01", "2025-06-30"), drug("tacrolimus", "2026-01-01", "2026-04-01")
            ),
            row(
                unknown("no-data"),
                "The same drug twice is one drug.",
                drug("prednisone", "2025-01-01", "2025-06-30"),
                drug("prednisone", "2026-01-01", "2026-06-30"),
            ),
            row(
                unknown("no-data"),
                "The second one too short.",
                drug("prednisone", "2025-01-01", "2025-06-30"),
                drug("tacrolimus", "2026-01-01", "2026-03-31"),
            ),
        ),
        asks(
            "Any regimen of: glucocorticoid with cyclophosphamide for 6 months; tacrolimus for 12 months",
            Therapy(
                regimens=(
                    Therapy(all_of=("glucocorticoid", "cyclophosphamide"), duration=months(6)),
                    Therapy(("tacrolimus",), duration=months(12)),
                )
            ),
            row(YES, "The first.", drug("prednisone", "2025-01-01", "2025-12-31"), drug("cyclophosphamide", "2025-01-01", "2025-07-01")),
            row(YES, "The second.", drug("tacrolimus", "2025-01-01", "2026-01-01")),
            row(
                unknown("no-data"), "Neither in full.", drug("prednisone", "2025-01-01", "2025-12-31"), drug("tacrolimus", "2025-01-01", "2025-12-31")
            ),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "A list could not be fetched.", unread("medication-requests")),
            row(unknown("truncated"), "A list was not read to its end.", cut("medication-requests")),
        ),
        asks(
            "Glucocorticoid of at least 1 mg/kg a day (in prednisone) for 1 month",
            Therapy(("glucocorticoid",), duration=months(1), dose=MG_PER_KG),
            row(YES, "60 mg of prednisone at 60 kg.", WEIGHT, drug("prednisone", "2026-01-01", "2026-02-01", mg=60.0)),
            row(YES, "48 mg of methylprednisolone are 60 mg of prednisone.", WEIGHT, drug("methylprednisolone", "2026-01-01", "2026-02-01", mg=48.0)),
            row(unknown("no-data"), "A little less is not enough on record.", WEIGHT, drug("prednisone", "2026-01-01", "2026-02-01", mg=59.9)),
            row(unknown("no-data"), "The dose is not on record.", WEIGHT, drug("prednisone", "2026-01-01", "2026-02-01")),
            row(unknown("no-data"), "The weight is not on record.", drug("prednisone", "2026-01-01", "2026-02-01", mg=60.0)),
            row(
                unknown("no-data"), "“Below 60 kg” is no weight.", lab("body_weight", "<60"), drug("prednisone", "2026-01-01", "2026-02-01", mg=60.0)
            ),
            row(
                unknown("no-data"),
                "A weight in an unusable unit is none.",
                lab("body_weight", 60, problem="unit"),
                drug("prednisone", "2026-01-01", "2026-02-01", mg=60.0),
            ),
            row(
                unknown("no-data"),
                "A weight without a date is none.",
                lab("body_weight", 60, ""),
                drug("prednisone", "2026-01-01", "2026-02-01", mg=60.0),
            ),
            row(
                YES,
                "The weight nearest to the start counts.",
                lab("body_weight", 60, "2026-01-10"),
                lab("body_weight", 80, "2026-10-01"),
                drug("prednisone", "2026-01-01", "2026-02-01", mg=60.0),
            ),
        ),
        *treatment_now.QUESTIONS,
    ),
)
