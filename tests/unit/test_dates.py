"""Days, intervals, calendar periods, ages, dates in words."""

from __future__ import annotations

from datetime import date

import pytest

from cds_service import dates
from cds_service.dates import completed_years, in_words, instant, interval, iso, shift


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-10", "2026-10-01", "2026-10-31"),
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2000-02", "2000-02-01", "2000-02-29"),
        ("2100-02", "2100-02-01", "2100-02-28"),
        ("2026-12", "2026-12-01", "2026-12-31"),
        ("2024-02-29", "2024-02-29", "2024-02-29"),
        ("2026-10-18T23:30:00+08:00", "2026-10-18", "2026-10-18"),
        ("2026-10-18T00:10:00.123-05:00", "2026-10-18", "2026-10-18"),
        ("2026-10-18T08:00:00Z", "2026-10-18", "2026-10-18"),
        ("0001", "0001-01-01", "0001-12-31"),
        ("9999-12", "9999-12-01", "9999-12-31"),
    ],
)
def test_a_date_is_an_interval_of_days(text, first, last):
    assert interval(text) == (day(first), day(last))


@pytest.mark.parametrize(
    "text",
    [
        "", "26", "202", "2026-", "2026-1", "2026-1-1", "2026/10", "2026-10-1", "20261018", "202610", "2026-00", "2026-13", "2026-02-29",
        "2026-02-30", "2026-04-31", "2100-02-29", "0000", "2026-10-32", "2026-10-00", "18.10.2026", "10/18/2026", "2026-10-18 08:00:00",
        "2026-10-18T", "2026-10-18T25:00:00Z", "2026-10-18T08:61:00Z", "2026-10-18Tmorning", "yesterday", "2026-W42-7", "+202", " 202",
        "2026-+1", "2026- 1", "２０２６",
    ],
)  # fmt: skip
def test_what_is_no_fhir_date_is_refused(text):
    with pytest.raises(ValueError):
        interval(text)


def test_an_instant_is_the_same_moment_in_every_zone():
    assert instant("2026-10-18T09:00:00+08:00") == instant("2026-10-18T01:00:00Z") == instant("2026-10-17T21:00:00-04:00")
    assert instant("2026-10-18T09:00:00+08:00") < instant("2026-10-18T07:00:00+01:00")
    assert instant("2026-10-18T08:00:00.5Z") - instant("2026-10-18T08:00:00Z") == 0.5


def test_a_time_without_a_zone_is_read_as_universal_time():
    assert instant("2026-10-18T08:00:00") == instant("2026-10-18T08:00:00Z")


@pytest.mark.parametrize("text", ["2026", "2026-10", "2026-10-18"])
def test_a_date_alone_is_no_instant(text):
    assert instant(text) is None


@pytest.mark.parametrize("text", ["2026-10-18T25:00:00Z", "2026-10-18Tmorning"])
def test_an_invalid_time_is_refused(text):
    with pytest.raises(ValueError):
        instant(text)


@pytest.mark.parametrize(
    ("start", "count", "unit", "expected"),
    [
        ("2026-11-01", -180, "days", "2026-05-05"),
        ("2026-11-01", -4, "weeks", "2026-10-04"),
        ("2026-11-01", -6, "months", "2026-05-01"),
        ("2026-11-01", -5, "years", "2021-11-01"),
        ("2026-08-31", -6, "months", "2026-02-28"),
        ("2024-08-31", -6, "months", "2024-02-29"),
        ("2026-08-31", 1, "months", "2026-09-30"),
        ("2026-01-31", 1, "months", "2026-02-28"),
        ("2024-02-29", 1, "years", "2025-02-28"),
        ("2024-02-29", 4, "years", "2028-02-29"),
        ("2024-02-29", -1, "years", "2023-02-28"),
        ("2026-01-15", -1, "months", "2025-12-15"),
        ("2026-12-15", 1, "months", "2027-01-15"),
        ("2026-01-15", -13, "months", "2024-12-15"),
        ("2026-01-15", 24, "months", "2028-01-15"),
        ("2026-03-30", -1, "months", "2026-02-28"),
        ("2026-11-01", 0, "months", "2026-11-01"),
    ],
)
def test_a_period_is_a_calendar_period(start, count, unit, expected):
    assert iso(shift(day(start), count, unit)) == expected


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        ("2008-11-01", "2026-11-01", 18),
        ("2008-11-02", "2026-11-01", 17),
        ("2007-11-02", "2026-11-01", 18),
        ("2007-11-01", "2026-11-01", 19),
        ("2008-02-29", "2026-02-28", 17),
        ("2008-02-29", "2026-03-01", 18),
        ("2008-02-29", "2028-02-28", 19),
        ("2008-02-29", "2028-02-29", 20),
        ("2026-11-01", "2026-11-01", 0),
        ("2025-12-31", "2026-01-01", 0),
    ],
)
def test_age_is_completed_years(born, on, years):
    assert completed_years(day(born), day(on)) == years


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-10-18", "18 Oct 2026"),
        ("2026-10-08T08:00:00Z", "8 Oct 2026"),
        ("2026-01", "Jan 2026"),
        ("2026", "2026"),
    ],
)
def test_a_date_in_words_says_as_much_as_is_known(text, words):
    assert in_words(text) == words.replace(" ", dates.NBSP)
