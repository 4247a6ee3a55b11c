"""Semantics 6: multiples of the upper limit of normal."""

from __future__ import annotations

from cds_service.model.predicates import ObservationIs

from .language import NO, YES, Section, asks, at_most, cut, excludes, lab, row, unknown, unread

SECTION = Section(
    "Times the upper limit of normal",
    "The limit is that of the result itself; otherwise one that the site has set, shown as assumed; otherwise nothing decides.",
    (
        asks(
            "ALT at most 3 × the upper limit",
            ObservationIs(("alt",), at_most(3.0), times=True),
            row(YES, "Exactly three times.", lab("alt", 120, upper=40.0), basis="recorded"),
            row(NO, "Just above three times.", lab("alt", 120.1, upper=40.0)),
            row(YES, "Just below three times.", lab("alt", 119.9, upper=40.0)),
            row(YES, "Another laboratory, another limit.", lab("alt", 150, upper=50.0)),
            row(YES, "Three times 1.1 is 3.3, whatever the computer's arithmetic says.", lab("alt", 3.3, upper=1.1)),
            row(unknown("no-reference-range"), "No limit came with the result.", lab("alt", 20)),
            row(unknown("no-reference-range"), "Not even an extreme value decides without one.", lab("alt", 9000)),
            row(unknown("comparator"), "“Below 130” may be more than three times 40.", lab("alt", "<130", upper=40.0)),
            row(YES, "“Below 120” is not.", lab("alt", "<120", upper=40.0)),
            row(unknown("no-data"), "Nothing on record."),
            row(unknown("unavailable"), "The results could not be fetched.", unread("results-blood")),
            row(unknown("truncated"), "The results were not read to their end.", cut("results-blood")),
            row(unknown("stale"), "Too old.", lab("alt", 20, "2026-05-04", upper=40.0)),
        ),
        asks(
            "BNP at most 2 × the upper limit (this site has set 100 pg/mL)",
            ObservationIs(("bnp",), at_most(2.0), times=True),
            row(YES, "The site's limit stands in, and is shown as assumed.", lab("bnp", 200), basis="assumed"),
            row(NO, "It decides against, too.", lab("bnp", 201), basis="assumed"),
            row(NO, "The result's own limit comes first.", lab("bnp", 200, upper=50.0), basis="recorded"),
            row(YES, "The result's own limit comes first.", lab("bnp", 300, upper=150.0), basis="recorded"),
        ),
        excludes(
            "ALT above 3 × the upper limit",
            ObservationIs(("alt",), (at_most(3.0)[0]._replace(op="gt"),), times=True),
            row(NO, "Exactly three times does not exclude.", lab("alt", 120, upper=40.0)),
            row(YES, "More does.", lab("alt", 121, upper=40.0)),
            row(unknown("no-reference-range"), "Without a limit nobody is excluded.", lab("alt", 9000)),
        ),
    ),
)
