"""Semantics 12: what can be arranged is asked, what happened inside a stated window excludes."""

from __future__ import annotations

from cds_service.model.predicates import All, Any, EventIs, Manual, Period

from .language import ASK, NO, YES, Section, asks, cut, diagnosis, done, excludes, months, row, unknown, unread

STOP = Manual("Can the anticoagulant be stopped?", see=("surgery",))
FOUR_WEEKS = Period(4, "weeks")

SECTION = Section(
    "Arranged, or dated",
    "Stopping a drug, contraception, a repeat biopsy: what can be arranged never excludes, it is asked. A dated event inside a window that the trial "
    "states does exclude, until the window ends.",
    (
        asks(
            "The anticoagulant can be stopped",
            STOP,
            row(ASK, "Only a person can say."),
            row(ASK, "What is on record is shown, and does not decide.", done("surgery", "2026-10-01")),
        ),
        asks(
            "The anticoagulant can be stopped, and a biopsy on record",
            All((STOP, EventIs(("kidney_biopsy",)))),
            row(ASK, "The record holds, the question remains.", done("kidney_biopsy", "2024-02-01")),
            row(unknown("no-data"), "What is missing comes first."),
        ),
        asks(
            "The anticoagulant can be stopped, or a biopsy on record",
            Any((STOP, EventIs(("kidney_biopsy",)))),
            row(YES, "The record alone is enough.", done("kidney_biopsy", "2024-02-01")),
            row(unknown("no-data"), "What is missing comes first."),
        ),
        excludes(
            "live vaccine within 4 weeks",
            EventIs(("vaccine_live",), within=FOUR_WEEKS, absent="no"),
            row(YES, "On the first day of the window.", done("vaccine_live", "2026-10-04")),
            row(NO, "The day before it.", done("vaccine_live", "2026-10-03"), basis="recorded"),
            row(YES, "Today.", done("vaccine_live", "2026-11-01")),
            row(unknown("imprecise-date"), "Some day in October.", done("vaccine_live", "2026-10")),
            row(NO, "Any day of September is before it.", done("vaccine_live", "2026-09")),
            row(unknown("imprecise-date"), "Without a date.", done("vaccine_live")),
            row(YES, "One inside the window is enough.", done("vaccine_live", "2020-01-01"), done("vaccine_live", "2026-10-20")),
            row(NO, "None on a list read in full.", basis="no-record"),
            row(unknown("unavailable"), "The immunisation list could not be fetched.", unread("immunizations")),
            row(unknown("truncated"), "The immunisation list was not read to its end.", done("vaccine_live", "2020-01-01"), cut("immunizations")),
        ),
        excludes(
            "major surgery within 4 weeks; minor surgery raises the question",
            EventIs(("surgery",), within=FOUR_WEEKS, maybe=("minor_surgery",), absent="no"),
            row(YES, "Major surgery inside the window.", done("surgery", "2026-10-10")),
            row(unknown("needs-judgement"), "Minor surgery inside the window.", done("minor_surgery", "2026-10-10")),
            row(NO, "Minor surgery before it.", done("minor_surgery", "2026-09-01")),
            row(unknown("needs-judgement"), "Minor surgery without a date.", done("minor_surgery")),
            row(NO, "Planned surgery was not done.", done("surgery", "2026-10-10", planned=True)),
        ),
        excludes(
            "surgery planned",
            EventIs(("surgery",), planned=True, absent="no"),
            row(YES, "Ordered and not yet done.", done("surgery", "2026-10-10", planned=True)),
            row(NO, "Surgery that was done is not planned.", done("surgery", "2026-10-10")),
            row(NO, "None on record.", basis="no-record"),
        ),
        excludes(
            "kidney transplantation, by procedure or by a status code",
            EventIs(("transplant", "transplant_status"), absent="no"),
            row(YES, "The procedure.", done("transplant", "2012")),
            row(YES, "A status code tells of it.", diagnosis("transplant_status", written="2015-05-05")),
            row(unknown("needs-judgement"), "A provisional code raises the question.", diagnosis("transplant_status", sure=False)),
            row(unknown("needs-judgement"), "So does one encounter alone.", diagnosis("transplant_status", written="2015-05-05", listed="encounter")),
            row(
                YES,
                "Encounters on two days tell of it.",
                diagnosis("transplant_status", written="2015-05-05", listed="encounter"),
                diagnosis("transplant_status", written="2016-05-05", listed="encounter"),
            ),
            row(unknown("unavailable"), "The code may stand on a problem list that failed.", unread("conditions")),
            row(unknown("truncated"), "Or on the part that was not read.", cut("conditions")),
        ),
        excludes(
            "kidney transplantation within 6 months, by procedure or by a status code",
            EventIs(("transplant", "transplant_status"), within=months(6), absent="no"),
            row(
                unknown("imprecise-date"),
                "A status code says only that it happened before it was written.",
                diagnosis("transplant_status", written="2026-10-10"),
            ),
            row(NO, "A status code written before the window.", diagnosis("transplant_status", written="2026-04-30")),
            row(YES, "A status code with its own date.", diagnosis("transplant_status", onset="2026-05-01")),
        ),
        asks(
            "Kidney biopsy within 6 months",
            EventIs(("kidney_biopsy",), within=months(6)),
            row(YES, "On the first day.", done("kidney_biopsy", "2026-05-01")),
            row(unknown("stale"), "The day before is too old, and never a no.", done("kidney_biopsy", "2026-04-30")),
            row(unknown("no-data"), "None on record."),
            row(unknown("unavailable"), "The procedures could not be fetched.", unread("procedures")),
            row(unknown("truncated"), "The procedures were not read to their end.", cut("procedures")),
        ),
    ),
)
