"""Semantics 10: what the measurements did after a treatment began; falls, rises and relapses."""

from __future__ import annotations

from cds_service.model.predicates import All, Limit, ObservationIs, Relapse, Response, Therapy, Trend

from .language import NO, YES, Section, asks, at_least, born, cut, drug, lab, months, row, unknown, unread

PROTEIN = "urine_protein_24h"
#: A RAS inhibitor since 10 January: three months are reached on 10 April.
RASI = drug("losartan", "2026-01-10", ongoing=True)
NO_HALVING = Response(Therapy(("ras_inhibitor",), duration=months(3)), Trend(PROTEIN, "fall", Limit("le", 50.0), "baseline"))
STILL_HIGH = Response(Therapy(("glucocorticoid",), duration=months(6)), ObservationIs((PROTEIN,), at_least(3.5)))
STEROID = drug("prednisone", "2026-01-10", "2026-08-31")
RELAPSED = Response(Therapy(("rituximab",)), Relapse(PROTEIN, 0.3, 3.5, 50.0, Limit("ge", 3.5)))
RITUXIMAB = drug("rituximab", "2025-01-10", kind="administration")


def protein(value: float | str, day: str, **more: object):
    return lab(PROTEIN, value, day, **more)


SECTION = Section(
    "Response to treatment",
    "A treatment, and what was measured from the day on which it had lasted long enough. The whole history is read; nothing measured after that day "
    "means unknown.",
    (
        asks(
            "24-hour protein at least 3.5 g after 6 months of glucocorticoid",
            STILL_HIGH,
            row(YES, "Measured after the six months.", STEROID, protein(4.0, "2026-10-18")),
            row(YES, "Measured on the day the six months were reached.", STEROID, protein(4.0, "2026-07-10")),
            row(unknown("no-data"), "Measured the day before.", STEROID, protein(4.0, "2026-07-09")),
            row(NO, "The newest value decides.", STEROID, protein(4.0, "2026-07-10"), protein(2.0, "2026-10-18")),
            row(
                YES, "An old value decides, for the whole history counts.", drug("prednisone", "2020-01-10", "2020-08-31"), protein(4.0, "2020-09-01")
            ),
            row(unknown("imprecise-date"), "Measured some day in July.", STEROID, protein(4.0, "2026-07")),
            row(unknown("no-data"), "Nothing measured since.", STEROID),
            row(unknown("no-data"), "No treatment on record: it may have been given elsewhere.", protein(4.0, "2026-10-18")),
            row(unknown("no-data"), "Too short a treatment on record.", drug("prednisone", "2026-09-01", ongoing=True), protein(4.0, "2026-10-18")),
            row(unknown("unit"), "A newest value in an unusable unit.", STEROID, protein(4.0, "2026-10-18", problem="unit")),
            row(unknown("unavailable"), "The results could not be fetched.", STEROID, unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", STEROID, cut("results-kidney")),
            row(unknown("unavailable"), "The prescriptions could not be fetched.", protein(4.0, "2026-10-18"), unread("medication-requests")),
            row(unknown("truncated"), "The prescriptions were not read to their end.", protein(4.0, "2026-10-18"), cut("medication-requests")),
        ),
        asks(
            "24-hour protein at least 3.5 g and eGFR at least 30, after 6 months of glucocorticoid",
            Response(
                Therapy(("glucocorticoid",), duration=months(6)),
                All((ObservationIs((PROTEIN,), at_least(3.5)), ObservationIs(("egfr",), at_least(30.0)))),
            ),
            row(YES, "Each part is judged after the treatment.", STEROID, protein(4.0, "2026-10-18"), lab("egfr", 52)),
            row(unknown("no-data"), "One part was not measured since.", STEROID, protein(4.0, "2026-10-18"), lab("egfr", 52, "2026-07-01")),
            row(NO, "One part fails.", STEROID, protein(4.0, "2026-10-18"), lab("egfr", 20)),
        ),
        asks(
            "Several courses: 24-hour protein at least 3.5 g after 6 months of glucocorticoid",
            STILL_HIGH,
            row(
                YES,
                "One course after which it holds is enough.",
                drug("prednisone", "2020-01-10", "2020-08-31"),
                drug("prednisone", "2026-06-01", ongoing=True),
                protein(4.0, "2026-10-18"),
            ),
        ),
        asks(
            "24-hour protein fallen by no more than 50 % after 3 months of a RAS inhibitor",
            NO_HALVING,
            row(YES, "Exactly 50 %.", RASI, protein(8, "2026-01-05"), protein(4, "2026-10-18")),
            row(NO, "A little more.", RASI, protein(8, "2026-01-05"), protein(3.9, "2026-10-18")),
            row(YES, "It rose.", RASI, protein(8, "2026-01-05"), protein(9, "2026-10-18")),
            row(YES, "Measured on the day the three months were reached.", RASI, protein(8, "2026-01-05"), protein(6, "2026-04-10")),
            row(unknown("no-data"), "Measured the day before.", RASI, protein(8, "2026-01-05"), protein(6, "2026-04-09")),
            row(YES, "The baseline may lie 90 days before the start.", RASI, protein(8, "2025-10-12"), protein(6, "2026-10-18")),
            row(unknown("no-data"), "91 days before is no baseline.", RASI, protein(8, "2025-10-11"), protein(6, "2026-10-18")),
            row(YES, "The baseline may lie 14 days after the start.", RASI, protein(8, "2026-01-24"), protein(6, "2026-10-18")),
            row(unknown("no-data"), "15 days after is no baseline.", RASI, protein(8, "2026-01-25"), protein(6, "2026-10-18")),
            row(
                NO,
                "Of several baselines the newest counts.",
                RASI,
                protein(4, "2025-12-01"),
                protein(8, "2026-01-05"),
                protein(3, "2026-10-18"),
            ),
            row(
                YES,
                "Of several later values the newest counts.",
                RASI,
                protein(8, "2026-01-05"),
                protein(2, "2026-05-01"),
                protein(6, "2026-10-18"),
            ),
            row(unknown("comparator"), "“Below 5” may be any fall.", RASI, protein(8, "2026-01-05"), protein("<5", "2026-10-18")),
            row(NO, "“Below 3.9” is more than half for certain.", RASI, protein(8, "2026-01-05"), protein("<3.9", "2026-10-18")),
            row(
                unknown("unit"),
                "A newest value in an unusable unit leaves it open.",
                RASI,
                protein(8, "2026-01-05"),
                protein(6, "2026-09-01"),
                protein(700, "2026-10-18", problem="unit"),
            ),
            row(
                unknown("conflicting"),
                "Two newest values of one day on different sides.",
                RASI,
                protein(8, "2026-01-05"),
                protein(3, "2026-10-18"),
                protein(6, "2026-10-18"),
            ),
            row(
                YES,
                "The later of one day counts.",
                RASI,
                protein(8, "2026-01-05"),
                protein(3, "2026-10-18T08:00:00Z"),
                protein(6, "2026-10-18T16:00:00Z"),
            ),
            row(
                YES,
                "The later by the world's clock: 07:00 in London is later than 09:00 in China.",
                RASI,
                protein(8, "2026-01-05"),
                protein(3, "2026-10-18T09:00:00+08:00"),
                protein(6, "2026-10-18T07:00:00+01:00"),
            ),
            row(unknown("no-data"), "Nothing measured.", RASI),
            row(unknown("unavailable"), "The results could not be fetched.", RASI, unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", RASI, cut("results-kidney")),
        ),
        asks(
            "eGFR fallen by more than 25 % within 3 months",
            Trend("egfr", "fall", Limit("gt", 25.0), "highest", months(3)),
            row(YES, "From 60 to 44.", lab("egfr", 60, "2026-09-01"), lab("egfr", 44)),
            row(NO, "Exactly 25 % is not more.", lab("egfr", 60, "2026-09-01"), lab("egfr", 45)),
            row(YES, "The first day of the three months counts.", lab("egfr", 60, "2026-07-18"), lab("egfr", 44)),
            row(unknown("no-data"), "A day before it does not.", lab("egfr", 60, "2026-07-17"), lab("egfr", 44)),
            row(YES, "The highest of the period counts.", lab("egfr", 60, "2026-08-01"), lab("egfr", 46, "2026-10-01"), lab("egfr", 44)),
            row(unknown("no-data"), "One value has no trend.", lab("egfr", 44)),
            row(NO, "Of one day the reported value counts.", lab("egfr", 60, "2026-09-01"), lab("egfr", 46), lab("egfr", 30, computed=True)),
            row(
                unknown("no-data"),
                "Under 18 a CKD-EPI value is none.",
                born("2014-05-01"),
                lab("egfr", 60, "2026-09-01", formula="schwartz"),
                lab("egfr", 30, formula="ckd-epi-2021"),
            ),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "The results could not be fetched.", lab("egfr", 44), unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", lab("egfr", 44), cut("results-kidney")),
        ),
        asks(
            "24-hour protein doubled from its lowest",
            Trend(PROTEIN, "rise", Limit("ge", 100.0), "lowest"),
            row(YES, "From 1 to 2.", protein(1, "2026-05-01"), protein(2, "2026-10-18")),
            row(NO, "From 1 to 1.9.", protein(1, "2026-05-01"), protein(1.9, "2026-10-18")),
            row(YES, "The lowest counts.", protein(4, "2025-01-01"), protein(1, "2026-05-01"), protein(2, "2026-10-18")),
            row(unknown("comparator"), "A rise from nothing has no percentage.", protein(0, "2026-05-01"), protein(2, "2026-10-18")),
        ),
        asks(
            "24-hour protein at least 50 % below its peak",
            Trend(PROTEIN, "fall", Limit("ge", 50.0), "peak"),
            row(YES, "From 9 to 4.5.", protein(6, "2025-01-01"), protein(9, "2025-03-01"), protein(4.5, "2026-10-18")),
            row(NO, "From 9 to 5.", protein(6, "2025-01-01"), protein(9, "2025-03-01"), protein(5, "2026-10-18")),
        ),
        asks(
            "Relapse after rituximab: 24-hour protein again at least 3.5 g after a remission",
            RELAPSED,
            row(YES, "Complete remission (below 0.3 g), then 3.5 g.", RITUXIMAB, protein(0.2, "2025-08-01"), protein(3.5, "2026-10-18")),
            row(
                YES,
                "Partial remission: below 3.5 g and half of the peak.",
                RITUXIMAB,
                protein(8, "2025-01-05"),
                protein(3.4, "2025-08-01"),
                protein(4, "2026-10-18"),
            ),
            row(
                unknown("no-data"),
                "Below 3.5 g but not half of the peak is no remission.",
                RITUXIMAB,
                protein(6, "2025-01-05"),
                protein(3.4, "2025-08-01"),
                protein(4, "2026-10-18"),
            ),
            row(
                YES,
                "Exactly half of the peak is enough.",
                RITUXIMAB,
                protein(6.8, "2025-01-05"),
                protein(3.4, "2025-08-01"),
                protein(4, "2026-10-18"),
            ),
            row(
                unknown("no-data"),
                "Exactly 0.3 g, without a peak to fall from, is not complete.",
                RITUXIMAB,
                protein(0.3, "2025-08-01"),
                protein(4, "2026-10-18"),
            ),
            row(
                unknown("no-data"),
                "A remission before the treatment does not count.",
                RITUXIMAB,
                protein(0.2, "2024-12-01"),
                protein(4, "2026-10-18"),
            ),
            row(NO, "The newest value is still below the limit.", RITUXIMAB, protein(0.2, "2025-08-01"), protein(3.4, "2026-10-18")),
            row(unknown("no-data"), "No remission on record: it may have been measured elsewhere.", RITUXIMAB, protein(4, "2026-10-18")),
            row(
                unknown("comparator"),
                "“Above 3” may be below 3.5.",
                RITUXIMAB,
                protein(0.2, "2025-08-01"),
                protein(">3", "2026-10-18"),
            ),
            row(
                unknown("unit"),
                "A newest value in an unusable unit leaves it open.",
                RITUXIMAB,
                protein(0.2, "2025-08-01"),
                protein(4, "2026-09-01"),
                protein(400, "2026-10-18", problem="unit"),
            ),
            row(
                unknown("conflicting"),
                "Two newest values of one day on different sides.",
                RITUXIMAB,
                protein(0.2, "2025-08-01"),
                protein(4, "2026-10-18"),
                protein(3, "2026-10-18"),
            ),
            row(unknown("no-data"), "Nothing measured since.", RITUXIMAB),
            row(unknown("no-data"), "No treatment on record.", protein(0.2, "2025-08-01"), protein(4, "2026-10-18")),
            row(unknown("unavailable"), "The results could not be fetched.", RITUXIMAB, unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", RITUXIMAB, cut("results-kidney")),
        ),
    ),
)
