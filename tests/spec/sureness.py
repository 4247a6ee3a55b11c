"""Semantics 4: what a diagnosis's status and certainty allow it to decide."""

from __future__ import annotations

from cds_service.model.predicates import ConditionIs, Not

from .language import NO, YES, Section, asks, cut, diagnosis, done, excludes, row, unknown, unread

SECTION = Section(
    "How sure",
    "Refuted and mistaken entries are never read. A provisional diagnosis leaves the question open. A diagnosis of the past counts where the trial "
    "asks for “ever”, not where it asks for an active one.",
    (
        asks(
            "Lupus erythematosus, active",
            ConditionIs(("sle",)),
            row(YES, "Active.", diagnosis("sle"), basis="recorded"),
            row(YES, "A recurrence is active.", diagnosis("sle", "recurrence")),
            row(YES, "A relapse is active.", diagnosis("sle", "relapse")),
            row(NO, "In remission is not active.", diagnosis("sle", "remission")),
            row(NO, "Resolved is not active.", diagnosis("sle", "resolved")),
            row(NO, "Inactive is not active.", diagnosis("sle", "inactive")),
            row(unknown("needs-judgement"), "Provisional, differential or unconfirmed: open.", diagnosis("sle", sure=False)),
            row(YES, "A confirmed entry decides beside a provisional one.", diagnosis("sle", sure=False), diagnosis("sle")),
            row(YES, "An active entry decides beside a resolved one.", diagnosis("sle", "resolved"), diagnosis("sle")),
            row(YES, "One encounter diagnosis is enough for what is demanded.", diagnosis("sle", listed="encounter", onset="2025")),
            row(NO, "Nothing on record.", basis="no-record"),
            row(unknown("unavailable"), "An active entry may stand on the list that failed.", diagnosis("sle", "resolved"), unread("conditions")),
            row(unknown("truncated"), "Or on the part that was not read.", diagnosis("sle", "resolved"), cut("conditions")),
        ),
        asks(
            "Lupus erythematosus, ever",
            ConditionIs(("sle",), status="ever"),
            row(YES, "Resolved counts for ever.", diagnosis("sle", "resolved")),
            row(YES, "So does remission.", diagnosis("sle", "remission")),
            row(YES, "So does inactive.", diagnosis("sle", "inactive")),
            row(unknown("needs-judgement"), "A provisional one stays open.", diagnosis("sle", "resolved", sure=False)),
        ),
        asks(
            "Membranous nephropathy, to open the trial's door",
            ConditionIs(("membranous_nephropathy",), status="gate"),
            row(YES, "Active.", diagnosis("membranous_nephropathy")),
            row(YES, "In remission.", diagnosis("membranous_nephropathy", "remission")),
            row(YES, "Recurrent.", diagnosis("membranous_nephropathy", "recurrence")),
            row(YES, "Relapsed.", diagnosis("membranous_nephropathy", "relapse")),
            row(YES, "Of an encounter.", diagnosis("membranous_nephropathy", listed="encounter")),
            row(NO, "Resolved.", diagnosis("membranous_nephropathy", "resolved")),
            row(NO, "Inactive.", diagnosis("membranous_nephropathy", "inactive")),
            row(unknown("needs-judgement"), "Provisional: open, with unknowns.", diagnosis("membranous_nephropathy", sure=False)),
            row(NO, "Nothing on record.", basis="no-record"),
            row(unknown("unavailable"), "The problem list could not be fetched.", unread("conditions")),
            row(unknown("truncated"), "The problem list was not read to its end.", cut("conditions")),
        ),
        excludes(
            "heart failure (the record names no period)",
            ConditionIs(("heart_failure",)),
            row(YES, "Active on the problem list.", diagnosis("heart_failure")),
            row(unknown("needs-judgement"), "Resolved: how far past is for a person to judge.", diagnosis("heart_failure", "resolved")),
            row(unknown("needs-judgement"), "In remission: the same.", diagnosis("heart_failure", "remission")),
            row(unknown("needs-judgement"), "Provisional.", diagnosis("heart_failure", sure=False)),
            row(NO, "Provisional and resolved was never established.", diagnosis("heart_failure", "resolved", sure=False)),
            row(unknown("needs-judgement"), "A single encounter diagnosis.", diagnosis("heart_failure", listed="encounter", onset="2026-03-02")),
            row(
                YES,
                "Two encounters on different days.",
                diagnosis("heart_failure", listed="encounter", onset="2026-03-02"),
                diagnosis("heart_failure", listed="encounter", onset="2026-05-09"),
            ),
            row(
                unknown("needs-judgement"),
                "Two entries of one encounter are one.",
                diagnosis("heart_failure", listed="encounter", onset="2026-03-02"),
                diagnosis("heart_failure", listed="encounter", onset="2026-03-02"),
            ),
            row(
                YES,
                "An encounter diagnosis that the problem list bears out.",
                diagnosis("heart_failure", listed="encounter", onset="2026-03-02"),
                diagnosis("heart_failure"),
            ),
        ),
        excludes(
            "heart failure present now",
            ConditionIs(("heart_failure",), status="now"),
            row(YES, "Active.", diagnosis("heart_failure")),
            row(NO, "A past one does not matter.", diagnosis("heart_failure", "resolved")),
            row(NO, "Nor does one in remission.", diagnosis("heart_failure", "remission")),
        ),
        excludes(
            "epilepsy present now; a seizure raises the question",
            ConditionIs(("epilepsy",), status="now", maybe=("seizure",)),
            row(unknown("needs-judgement"), "A seizure now.", diagnosis("seizure")),
            row(NO, "A seizure of the past does not matter.", diagnosis("seizure", "resolved")),
        ),
        excludes(
            "pregnancy, unless a delivery ended it",
            ConditionIs(("pregnancy",), closed_by=("delivery",)),
            row(NO, "A delivery ended it.", diagnosis("pregnancy", onset="2026-01-10"), done("delivery", "2026-09-30")),
            row(YES, "None is on record.", diagnosis("pregnancy", onset="2026-01-10")),
        ),
        excludes(
            "depression (the diagnosis may be mild)",
            ConditionIs(("depression",), mild=True),
            row(unknown("needs-judgement"), "The code does not say how severe it is.", diagnosis("depression")),
            row(NO, "Nothing on record.", basis="no-record"),
            row(unknown("unavailable"), "The problem list could not be fetched.", unread("conditions")),
            row(unknown("truncated"), "The problem list was not read to its end.", cut("conditions")),
        ),
        excludes(
            "epilepsy; a seizure raises the question",
            ConditionIs(("epilepsy",), maybe=("seizure",)),
            row(YES, "Epilepsy.", diagnosis("epilepsy")),
            row(unknown("needs-judgement"), "A seizure is not epilepsy.", diagnosis("seizure")),
            row(YES, "Epilepsy and a seizure.", diagnosis("seizure"), diagnosis("epilepsy")),
            row(NO, "Neither.", basis="no-record"),
        ),
        asks(
            "Not: heart failure",
            Not(ConditionIs(("heart_failure",))),
            row(NO, "A “not” around a diagnosis turns a demand into an exclusion.", diagnosis("heart_failure")),
            row(
                unknown("needs-judgement"),
                "So one encounter diagnosis does not decide.",
                diagnosis("heart_failure", listed="encounter", onset="2026"),
            ),
            row(YES, "Nothing on record.", basis="no-record"),
        ),
        excludes(
            "cancer named in a report",
            ConditionIs(("cancer",), reported=True),
            row(YES, "A report names it.", diagnosis("cancer", listed="report")),
            row(NO, "The problem list is not a report.", diagnosis("cancer"), basis="no-record"),
        ),
    ),
)
