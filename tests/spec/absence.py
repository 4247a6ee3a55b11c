"""Semantics 2: what nothing on record means, by kind of list and by direction."""

from __future__ import annotations

from cds_service.model.predicates import Any, ConditionIs, EventIs, ObservationIs, Therapy, Voided

from .language import (
    ASK,
    NO,
    YES,
    Section,
    asks,
    at_least,
    below,
    cut,
    days,
    diagnosis,
    done,
    drug,
    excludes,
    lab,
    months,
    row,
    unknown,
    unread,
)

NEUTROPHILS = ObservationIs(("neutrophils",), at_least(1.0), void_if=Voided(("g_csf",), days(14)))

SECTION = Section(
    "Nothing on record",
    "A result, a score, a biopsy or a treatment that the trial demands and that is not on record is unknown. A diagnosis, procedure or drug that "
    "would exclude, and that is not on a list read in full, does not exclude.",
    (
        asks(
            "eGFR at least 30 mL/min/1.73 m²",
            ObservationIs(("egfr",), at_least(30.0)),
            row(unknown("no-data"), "No result on record is not a low result."),
            row(unknown("unavailable"), "The results could not be fetched.", unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", cut("results-kidney")),
            row(YES, "Another list that failed does not matter.", lab("egfr", 52), unread("conditions"), basis="recorded"),
            row(YES, "The newest result read decides, also on a list not read to its end.", lab("egfr", 52), cut("results-kidney")),
        ),
        excludes(
            "eGFR below 30 mL/min/1.73 m²",
            ObservationIs(("egfr",), below(30.0)),
            row(unknown("no-data"), "A result that would exclude and is not on record is unknown, too."),
            row(unknown("unavailable"), "The results could not be fetched.", unread("results-kidney")),
            row(unknown("truncated"), "The results were not read to their end.", cut("results-kidney")),
        ),
        asks(
            "HBsAg negative, a missing one to be arranged",
            ObservationIs(("hbsag",), result="negative", absent="manual", ask="Measure HBsAg."),
            row(ASK, "A missing result that can be arranged is asked for."),
            row(ASK, "So is one that is too old.", lab("hbsag", "negative", "2025-10-31")),
            row(unknown("unavailable"), "A list that could not be fetched is not a missing result.", unread("results-infection")),
            row(unknown("truncated"), "Nor is one not read to its end.", cut("results-infection")),
            row(NO, "A result decides.", lab("hbsag", "positive")),
        ),
        excludes(
            "LVEF below 45 %, where no echo is no exclusion",
            ObservationIs(("lvef",), below(45.0), absent="no"),
            row(NO, "The criterion itself says that no result is no exclusion.", basis="no-record"),
            row(unknown("unavailable"), "Not when the list could not be fetched.", unread("results-other")),
            row(unknown("truncated"), "Not when the list was not read to its end.", cut("results-other")),
            row(unknown("stale"), "An old result is not none.", lab("lvef", 60, "2025-10-31")),
        ),
        asks(
            "Systemic lupus erythematosus",
            ConditionIs(("sle",)),
            row(YES, "A diagnosis on the problem list.", diagnosis("sle", onset="2019-04"), basis="recorded"),
            row(NO, "Not on a problem list that was read in full.", basis="no-record"),
            row(unknown("unavailable"), "The problem list could not be fetched.", unread("conditions")),
            row(unknown("truncated"), "The problem list was not read to its end.", cut("conditions")),
            row(YES, "A diagnosis that was read decides, also on a list not read to its end.", diagnosis("sle", onset="2019"), cut("conditions")),
        ),
        asks(
            "Gilbert syndrome, where its absence says nothing",
            ConditionIs(("gilbert",), absent="unknown"),
            row(unknown("no-data"), "Not on record, and the criterion does not take that for a no."),
            row(YES, "On record.", diagnosis("gilbert")),
        ),
        excludes(
            "heart failure",
            ConditionIs(("heart_failure",)),
            row(NO, "Not on a problem list read in full: not excluded.", basis="no-record"),
            row(NO, "Codes of other diagnoses change nothing.", diagnosis("diabetes"), basis="no-record"),
            row(unknown("unavailable"), "The problem list could not be fetched.", unread("conditions")),
            row(unknown("truncated"), "The problem list was not read to its end.", cut("conditions")),
            row(YES, "One on the part that was read excludes.", diagnosis("heart_failure"), cut("conditions"), basis="recorded"),
        ),
        excludes(
            "severe allergy to murine protein",
            ConditionIs(("murine_protein",), severe=True),
            row(NO, "No allergy on a list read in full.", basis="no-record"),
            row(unknown("unavailable"), "The allergy list could not be fetched.", unread("allergies")),
            row(unknown("truncated"), "The allergy list was not read to its end.", cut("allergies")),
            row(NO, "The problem list is not where allergies stand.", unread("conditions"), basis="no-record"),
            row(YES, "A severe allergy.", diagnosis("murine_protein", listed="allergy", severe=True)),
            row(NO, "One that is not severe does not count.", diagnosis("murine_protein", listed="allergy")),
        ),
        asks(
            "Kidney biopsy",
            EventIs(("kidney_biopsy",)),
            row(YES, "A biopsy on record.", done("kidney_biopsy", "2024-02-01")),
            row(unknown("no-data"), "No biopsy on record: it may have been done elsewhere."),
            row(unknown("unavailable"), "The procedures could not be fetched.", unread("procedures")),
            row(unknown("truncated"), "The procedures were not read to their end.", cut("procedures")),
            row(unknown("unavailable"), "A biopsy may also stand among the reports.", unread("reports")),
        ),
        excludes(
            "kidney transplantation",
            EventIs(("transplant",), absent="no"),
            row(NO, "Not on a list read in full: not excluded.", basis="no-record"),
            row(unknown("unavailable"), "The procedures could not be fetched.", unread("procedures")),
            row(unknown("truncated"), "The procedures were not read to their end.", cut("procedures")),
            row(YES, "On record.", done("transplant", "2012")),
        ),
        excludes(
            "live vaccine",
            EventIs(("vaccine_live",), absent="no"),
            row(NO, "No vaccine on a list read in full.", basis="no-record"),
            row(unknown("unavailable"), "The immunisation list could not be fetched.", unread("immunizations")),
            row(unknown("truncated"), "The immunisation list was not read to its end.", cut("immunizations")),
        ),
        asks(
            "Calcineurin inhibitor for 6 months",
            Therapy(("tacrolimus",), duration=months(6)),
            row(unknown("no-data"), "A treatment that is demanded may have been given elsewhere."),
            row(
                unknown("no-data"), "Too short on record is never a no: it may have begun elsewhere.", drug("tacrolimus", "2026-09-01", ongoing=True)
            ),
            row(unknown("unavailable"), "The prescriptions could not be fetched.", unread("medication-requests")),
            row(unknown("truncated"), "The prescriptions were not read to their end.", cut("medication-requests")),
            row(unknown("unavailable"), "Nor may any other medication list be missing.", unread("medication-dispenses")),
            row(YES, "Long enough on what was read.", drug("tacrolimus", "2026-01-01", ongoing=True), cut("medication-statements")),
        ),
        excludes(
            "rituximab in the last 6 months",
            Therapy(("rituximab",), within=months(6), absent="no"),
            row(NO, "Not on lists that were read in full.", basis="no-record"),
            row(unknown("unavailable"), "The administrations could not be fetched.", unread("medication-administrations")),
            row(unknown("truncated"), "The administrations were not read to their end.", cut("medication-administrations")),
            row(YES, "Given inside the period.", drug("rituximab", "2026-08-01", kind="administration")),
        ),
        asks(
            "Neutrophils at least 1 × 10⁹/L, without G-CSF in the 14 days before",
            NEUTROPHILS,
            row(YES, "No G-CSF on lists read in full: the count is valid.", lab("neutrophils", 2)),
            row(unknown("unavailable"), "G-CSF may stand on a list that could not be fetched.", lab("neutrophils", 2), unread("medication-requests")),
            row(unknown("truncated"), "Or on the part that was not read.", lab("neutrophils", 2), cut("medication-requests")),
            row(unknown("no-data"), "No count on record."),
            row(unknown("method"), "G-CSF 14 days before the sample voids it.", lab("neutrophils", 2), drug("filgrastim", "2026-10-04")),
            row(YES, "G-CSF 15 days before the sample does not.", lab("neutrophils", 2), drug("filgrastim", "2026-10-03")),
            row(YES, "G-CSF after the sample does not.", lab("neutrophils", 2), drug("filgrastim", "2026-10-19")),
            row(
                unknown("method"), "G-CSF on the day of the sample may have been before it.", lab("neutrophils", 2), drug("filgrastim", "2026-10-18")
            ),
            row(unknown("method"), "G-CSF at some time in October may have been before it.", lab("neutrophils", 2), drug("filgrastim", "2026-10")),
            row(unknown("imprecise-date"), "G-CSF without a date may have been before it.", lab("neutrophils", 2), drug("filgrastim")),
        ),
        asks(
            "BNP below 50 pg/mL or NT-proBNP below 300 pg/mL",
            Any((ObservationIs(("bnp",), below(50.0)), ObservationIs(("nt_probnp",), below(300.0)))),
            row(YES, "Either is enough.", lab("bnp", 30)),
            row(unknown("no-data"), "One fails and the other is missing: unknown.", lab("bnp", 80)),
            row(NO, "Both fail.", lab("bnp", 80), lab("nt_probnp", 900)),
            row(unknown("no-data"), "Neither is on record."),
        ),
    ),
)
