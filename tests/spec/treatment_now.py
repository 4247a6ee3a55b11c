"""Semantics 9, the part about the day itself: what is taken now, unchanged, inside a window or not."""

from __future__ import annotations

from cds_service.model.predicates import Dose, Limit, Period, Therapy

from .language import NO, YES, Question, asks, cut, drug, excludes, months, row, unknown, unread

QUESTIONS: tuple[Question, ...] = (
    asks(
        "Glucocorticoid of at least 10 mg a day now",
        Therapy(("glucocorticoid",), when="current", dose=Dose(Limit("ge", 10.0), "mg/d")),
        row(YES, "Exactly 10 mg.", drug("prednisone", "2026-06-01", ongoing=True, mg=10.0)),
        row(unknown("needs-judgement"), "Less on record: more may be taken.", drug("prednisone", "2026-06-01", ongoing=True, mg=7.5)),
        row(unknown("no-data"), "The dose is not on record.", drug("prednisone", "2026-06-01", ongoing=True)),
        row(
            YES,
            "Two glucocorticoids add up.",
            drug("prednisone", "2026-06-01", ongoing=True, mg=5.0),
            drug("methylprednisolone", "2026-06-01", ongoing=True, mg=4.0),
        ),
        row(
            unknown("needs-judgement"),
            "The same drug ordered and on the medication list is taken once.",
            drug("prednisone", "2026-06-01", ongoing=True, mg=7.5),
            drug("prednisone", "2026-06-01", ongoing=True, mg=7.5, kind="statement"),
        ),
    ),
    asks(
        "RAS inhibitor now",
        Therapy(("ras_inhibitor",), when="current"),
        row(YES, "A prescription that runs on.", drug("losartan", "2026-01-01", ongoing=True)),
        row(YES, "One that runs until today or longer.", drug("losartan", "2026-01-01", "2026-12-31")),
        row(unknown("no-data"), "One that ended yesterday: it may go on elsewhere.", drug("losartan", "2026-01-01", "2026-10-31")),
        row(YES, "One that runs on and has no date of its start.", drug("losartan", ongoing=True)),
        row(unknown("no-data"), "Nothing on record."),
        row(unknown("unavailable"), "A list could not be fetched.", unread("medication-requests")),
        row(unknown("truncated"), "A list was not read to its end.", cut("medication-requests")),
    ),
    excludes(
        "cyclophosphamide now",
        Therapy(("cyclophosphamide",), when="current", absent="no"),
        row(YES, "Running.", drug("cyclophosphamide", "2026-09-01", ongoing=True)),
        row(NO, "Nothing on record.", basis="no-record"),
        row(unknown("unavailable"), "A list could not be fetched.", unread("medication-requests")),
        row(unknown("truncated"), "A list was not read to its end.", cut("medication-requests")),
    ),
    asks(
        "RAS inhibitor unchanged for 3 months",
        Therapy(("ras_inhibitor",), stable_for=months(3)),
        row(YES, "Since exactly three months.", drug("losartan", "2026-08-01", ongoing=True, mg=50.0)),
        row(unknown("needs-judgement"), "Begun a day later.", drug("losartan", "2026-08-02", ongoing=True, mg=50.0)),
        row(
            unknown("needs-judgement"),
            "The dose was changed inside the period.",
            drug("losartan", "2026-01-01", "2026-09-01", mg=50.0),
            drug("losartan", "2026-09-02", ongoing=True, mg=100.0),
        ),
        row(
            unknown("needs-judgement"),
            "Another drug of the class was stopped inside the period.",
            drug("ramipril", "2026-01-01", "2026-09-01", mg=5.0),
            drug("losartan", "2026-01-01", ongoing=True, mg=50.0),
        ),
        row(
            YES,
            "A renewal at the same dose is no change.",
            drug("losartan", "2026-01-01", "2026-09-01", mg=50.0),
            drug("losartan", "2026-09-02", ongoing=True, mg=50.0),
        ),
        row(
            YES,
            "Nor are renewals from month to month.",
            *(drug("losartan", f"2026-0{m}-01", f"2026-0{m}-28", mg=50.0) for m in range(6, 10)),
            drug("losartan", "2026-10-01", ongoing=True, mg=50.0),
        ),
        row(
            unknown("needs-judgement"),
            "A renewal whose dose is not on record may be a change.",
            drug("losartan", "2026-01-01", "2026-09-01"),
            drug("losartan", "2026-09-02", ongoing=True),
        ),
        row(
            YES,
            "What was changed before the period does not matter.",
            drug("ramipril", "2026-01-01", "2026-07-31"),
            drug("losartan", "2026-08-01", ongoing=True),
        ),
        row(unknown("no-data"), "Nothing on record."),
        row(unknown("unavailable"), "A list could not be fetched.", unread("medication-requests")),
        row(unknown("truncated"), "A list was not read to its end.", cut("medication-requests")),
    ),
    asks(
        "No rituximab for 6 months",
        Therapy(("rituximab",), off_for=months(6)),
        row(YES, "The last dose was six months and a day ago.", drug("rituximab", "2026-04-30", kind="administration")),
        row(NO, "A dose on the first day of the period.", drug("rituximab", "2026-05-01", kind="administration")),
        row(NO, "A prescription that still runs.", drug("rituximab", "2020-01-01", ongoing=True)),
        row(unknown("imprecise-date"), "Some time in 2026 may be inside.", drug("rituximab", "2026", kind="administration")),
        row(unknown("imprecise-date"), "Without a date it may be inside.", drug("rituximab", kind="administration")),
        row(YES, "Any day of 2025 is before.", drug("rituximab", "2025", kind="administration")),
        row(YES, "Nothing on record.", basis="no-record"),
        row(unknown("unavailable"), "A list could not be fetched.", unread("medication-administrations")),
        row(unknown("truncated"), "A list was not read to its end.", cut("medication-administrations")),
    ),
    excludes(
        "cyclophosphamide within 12 weeks",
        Therapy(("cyclophosphamide",), within=Period(12, "weeks"), absent="no"),
        row(YES, "Ended on the first day of the period.", drug("cyclophosphamide", "2026-01-01", "2026-08-09")),
        row(NO, "Ended the day before.", drug("cyclophosphamide", "2026-01-01", "2026-08-08")),
        row(unknown("imprecise-date"), "Ended some day in August.", drug("cyclophosphamide", "2026-01-01", "2026-08")),
        row(YES, "Still running.", drug("cyclophosphamide", "2026-01-01", ongoing=True)),
        row(unknown("imprecise-date"), "Given at some time in 2026.", drug("cyclophosphamide", "2026")),
        row(NO, "Nothing on record.", basis="no-record"),
    ),
    excludes(
        "cyclophosphamide for 6 months",
        Therapy(("cyclophosphamide",), duration=months(6), absent="no"),
        row(YES, "Long enough.", drug("cyclophosphamide", "2025-01-01", "2025-07-01")),
        row(unknown("imprecise-date"), "Some on record, too short or of unknown length.", drug("cyclophosphamide", "2025-01-01", "2025-03-01")),
        row(NO, "None on record.", basis="no-record"),
    ),
)
