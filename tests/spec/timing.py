"""Semantics 3: which value decides on which day, and how long it may decide."""

from __future__ import annotations

from cds_service.model.predicates import ObservationIs

from .language import NO, YES, Section, above, asks, at_least, cut, days, lab, months, row, unknown, unread

EGFR = ObservationIs(("egfr",), at_least(30.0))
HBA1C = ObservationIs(("hba1c",), above(8.0), pick="any", within=months(3))
PLATELETS = ObservationIs(("platelets",), at_least(50.0), pick="worst", within=days(28))

SECTION = Section(
    "Time",
    "Everything is judged as of 1 November 2026. The newest usable value decides; a value older than its concept allows is shown and leaves the "
    "question open.",
    (
        asks(
            "eGFR at least 30 (good for 180 days)",
            EGFR,
            row(YES, "A value of the day itself.", lab("egfr", 52, "2026-11-01")),
            row(YES, "Exactly 180 days old still decides.", lab("egfr", 52, "2026-05-05")),
            row(unknown("stale"), "181 days old is too old.", lab("egfr", 52, "2026-05-04")),
            row(unknown("stale"), "A value that is too old does not exclude either.", lab("egfr", 12, "2026-05-04")),
            row(unknown("unavailable"), "Newer values may stand on the list that failed.", lab("egfr", 52, "2026-05-04"), unread("results-kidney")),
            row(unknown("truncated"), "Newer values may stand on the part not read.", lab("egfr", 52, "2026-05-04"), cut("results-kidney")),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("imprecise-date"), "A value without any date never decides.", lab("egfr", 52, "")),
            row(YES, "A dated value decides beside one without a date that says the same.", lab("egfr", 52), lab("egfr", 48, "")),
            row(unknown("imprecise-date"), "One without a date that says otherwise may be the newest.", lab("egfr", 52), lab("egfr", 12, "")),
        ),
        asks(
            "eGFR at least 30: the newest value decides",
            EGFR,
            row(YES, "A newer good value stands over an older bad one.", lab("egfr", 52), lab("egfr", 20, "2026-10-17")),
            row(
                unknown("imprecise-date"),
                "One without a date that cannot be used may be the newest.",
                lab("egfr", 52),
                lab("egfr", 52, "", problem="unit"),
            ),
            row(NO, "A newer bad value stands over an older good one.", lab("egfr", 20), lab("egfr", 52, "2026-10-17")),
            row(unknown("unit"), "A newer value in an unusable unit leaves it open.", lab("egfr", 52, problem="unit"), lab("egfr", 52, "2026-10-17")),
            row(
                unknown("unreadable"),
                "So does a newer value that cannot be read.",
                lab("egfr", "", problem="unreadable"),
                lab("egfr", 52, "2026-10-17"),
            ),
            row(YES, "Unless a value of the same day can be used.", lab("egfr", 52, problem="unit"), lab("egfr", 52)),
            row(NO, "That value decides, for or against.", lab("egfr", 52, problem="unit"), lab("egfr", 20)),
            row(
                unknown("unit"),
                "A value of some day of the month is not surely of the same day.",
                lab("egfr", 52, problem="unit"),
                lab("egfr", 52, "2026-10"),
            ),
            row(YES, "An older value that cannot be used does not matter.", lab("egfr", 52), lab("egfr", 9, "2026-10-17", problem="unit")),
        ),
        asks(
            "eGFR at least 30: several values of one day",
            EGFR,
            row(
                NO,
                "The later time wins.",
                lab("egfr", 52, "2026-10-18T08:00:00+02:00"),
                lab("egfr", 20, "2026-10-18T16:00:00+02:00"),
            ),
            row(
                YES,
                "Times are compared as instants: 07:00 in London is later than 09:00 in China.",
                lab("egfr", 20, "2026-10-18T09:00:00+08:00"),
                lab("egfr", 52, "2026-10-18T07:00:00+01:00"),
            ),
            row(
                unknown("conflicting"),
                "The same time and different sides of the limit.",
                lab("egfr", 52, "2026-10-18T08:00:00Z"),
                lab("egfr", 20, "2026-10-18T08:00:00Z"),
            ),
            row(
                unknown("conflicting"),
                "One without a time may be earlier or later.",
                lab("egfr", 52, "2026-10-18T08:00:00Z"),
                lab("egfr", 20),
            ),
            row(unknown("conflicting"), "Neither has a time.", lab("egfr", 52), lab("egfr", 20)),
            row(YES, "Values that differ and lie on one side agree.", lab("egfr", 52), lab("egfr", 31)),
            row(NO, "They agree on the other side, too.", lab("egfr", 20), lab("egfr", 29)),
            row(
                NO,
                "A value belongs to the day it was taken on, by its own clock.",
                lab("egfr", 52, "2026-10-17T23:30:00+08:00"),
                lab("egfr", 20, "2026-10-18T00:10:00+08:00"),
            ),
        ),
        asks(
            "eGFR at least 30: dates known to the month or the year",
            EGFR,
            row(YES, "All of June lies inside the 180 days.", lab("egfr", 52, "2026-06")),
            row(unknown("imprecise-date"), "May may lie before or after the limit.", lab("egfr", 52, "2026-05")),
            row(unknown("stale"), "All of April is too old.", lab("egfr", 52, "2026-04")),
            row(unknown("imprecise-date"), "The year alone is too wide.", lab("egfr", 52, "2026")),
            row(unknown("stale"), "The year before is too old on any day.", lab("egfr", 52, "2025")),
            row(
                unknown("imprecise-date"),
                "Either may be the newer one, and they disagree.",
                lab("egfr", 52, "2026-10-18"),
                lab("egfr", 20, "2026-10"),
            ),
            row(YES, "Either may be the newer one, and they agree.", lab("egfr", 52, "2026-10-18"), lab("egfr", 40, "2026-10")),
            row(YES, "On any day of September it is the older one.", lab("egfr", 52, "2026-10-18"), lab("egfr", 20, "2026-09")),
            row(NO, "On any day of October it is the newer one.", lab("egfr", 52, "2026-09-30"), lab("egfr", 20, "2026-10")),
        ),
        asks(
            "LVEF at least 50 % (good for 365 days)",
            ObservationIs(("lvef",), at_least(50.0)),
            row(YES, "Exactly 365 days old.", lab("lvef", 60, "2025-11-01")),
            row(unknown("stale"), "366 days old.", lab("lvef", 60, "2025-10-31")),
        ),
        asks(
            "Platelets at least 50 within 4 weeks: the criterion states its own period",
            ObservationIs(("platelets",), at_least(50.0), within=days(28)),
            row(YES, "28 days ago lies inside.", lab("platelets", 90, "2026-10-04")),
            row(unknown("stale"), "29 days ago does not.", lab("platelets", 90, "2026-10-03")),
            row(unknown("imprecise-date"), "October may lie inside or not.", lab("platelets", 90, "2026-10")),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "The list failed.", lab("platelets", 90, "2026-10-03"), unread("results-blood")),
            row(unknown("truncated"), "The list was not read to its end.", lab("platelets", 90, "2026-10-03"), cut("results-blood")),
        ),
        asks(
            "eGFR at least 30, of any age",
            ObservationIs(("egfr",), at_least(30.0), fresh=False),
            row(YES, "Where the criterion accepts a value of any age, an old one decides.", lab("egfr", 52, "1999-03-01")),
            row(unknown("imprecise-date"), "It must have a date all the same.", lab("egfr", 52, "")),
        ),
        asks(
            "ISN/RPS class III or IV (a biopsy class does not age)",
            ObservationIs(("isn_rps_class",), codes=("III", "IV")),
            row(YES, "A class of 2015 decides.", lab("isn_rps_class", "IV", "2015-06-01")),
            row(NO, "The newest class decides.", lab("isn_rps_class", "IV", "2015-06-01"), lab("isn_rps_class", "V", "2024-06-01")),
        ),
        asks(
            "Any HbA1c above 8 % within 3 months",
            HBA1C,
            row(YES, "One value is enough, newer ones notwithstanding.", lab("hba1c", 8.4, "2026-09-01"), lab("hba1c", 7.0)),
            row(NO, "None is above.", lab("hba1c", 7.8, "2026-09-01"), lab("hba1c", 7.0)),
            row(NO, "Values before the period do not count.", lab("hba1c", 9.0, "2026-07-31"), lab("hba1c", 7.0)),
            row(YES, "The first day of the period counts.", lab("hba1c", 9.0, "2026-08-01"), lab("hba1c", 7.0)),
            row(unknown("stale"), "All values lie before the period.", lab("hba1c", 9.0, "2026-07-31")),
            row(unknown("unit"), "The one that cannot be used may be above.", lab("hba1c", 9.0, "2026-09-01", problem="unit"), lab("hba1c", 7.0)),
            row(unknown("imprecise-date"), "One of some day in 2026 may lie inside.", lab("hba1c", 9.0, "2026"), lab("hba1c", 7.0)),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "A list that failed may hold a higher one.", lab("hba1c", 7.0), unread("results-blood")),
            row(unknown("truncated"), "So may the part that was not read.", lab("hba1c", 7.0), cut("results-blood")),
            row(YES, "A value that was read decides all the same.", lab("hba1c", 9.0), cut("results-blood")),
        ),
        asks(
            "The worst platelets within 28 days at least 50",
            PLATELETS,
            row(YES, "All values are over the limit.", lab("platelets", 90), lab("platelets", 60, "2026-10-10")),
            row(NO, "One value under the limit is enough.", lab("platelets", 90), lab("platelets", 40, "2026-10-10")),
            row(YES, "A value before the period does not count.", lab("platelets", 90), lab("platelets", 40, "2026-10-03")),
            row(NO, "The first day of the period counts.", lab("platelets", 90), lab("platelets", 40, "2026-10-04")),
            row(
                unknown("unreadable"),
                "One that cannot be read may be the worst.",
                lab("platelets", 90),
                lab("platelets", "", "2026-10-10", problem="unreadable"),
            ),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "A list that failed may hold a lower one.", lab("platelets", 90), unread("results-blood")),
            row(unknown("truncated"), "So may the part that was not read.", lab("platelets", 90), cut("results-blood")),
            row(NO, "A value under the limit decides all the same.", lab("platelets", 40), cut("results-blood")),
        ),
    ),
)
