"""What `evaluate --format text` prints. Nouns are built by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cds_service.model.facts import Evidence, Fault, Unmapped
from cds_service.model.outcomes import (
    FALSE,
    MANUAL,
    NOT_APPLICABLE,
    TRUE,
    UNKNOWN,
    Answer,
    Assessment,
    Decider,
    Finding,
    LookAgain,
    NearMiss,
    Outcome,
    Question,
)
from cds_service.model.predicates import Age, ConditionIs, Limit, Manual, ObservationIs
from cds_service.model.trials import Cohort, Criterion, Interpretation, Trial
from cds_service.report import as_text

AS_OF = date(2026, 11, 1).toordinal()
MN = Cohort("pmn", "membranous nephropathy", "MN", ConditionIs(("mn",)))
IGAN = Cohort("igan", "IgA nephropathy", "IgAN", ConditionIs(("igan",)))
TRIAL = Trial(
    id="NCT06469190",
    title="A trial",
    product="CD19 CAR-NK",
    status="recruiting",
    phase="N/A",
    sponsor="a sponsor",
    url="https://clinicaltrials.gov/study/NCT06469190",
    sites=(),
    topic="t",
    last_update=None,
    verified_on=date(2025, 10, 9),
    completion=None,
    cohorts=(MN, IGAN),
    criteria=(),
    outline=(),
)
EGFR = Criterion("egfr", "inclusion", "Inclusion 4", "eGFR at least 45", ObservationIs(("egfr",), (Limit("ge", 45),), "mL/min/{1.73_m2}"))
CD19 = Criterion("cd19", "inclusion", "Inclusion 2", "CD19 on B cells", ObservationIs(("cd19",), (Limit("gt", 0),)), short="CD19")
CANCER = Criterion("cancer", "exclusion", "Exclusion 6", "No cancer", ConditionIs(("cancer",)))
CONSENT = Criterion("consent", "inclusion", "Inclusion 5", "Consent", Manual("ask"), why_manual="A document outside the record.")
MOOD = Criterion(
    "mood",
    "exclusion",
    "Exclusion 9",
    "No mental illness",
    ConditionIs(("depression",)),
    interpretation=Interpretation("severe illness", "the record names none", ("any illness",), False, "unreviewed"),
)
VALUE = Evidence("Observation/o1", "2026-10-18", "52 mL/min/1.73 m²")

MET = Outcome(EGFR, "met", Finding(TRUE, None, "recorded", (VALUE,)))
BARE = Outcome(CANCER, "met", Finding(TRUE, None, "no-record"))
NOT_MET = Outcome(EGFR, "not-met", Finding(FALSE, None, "recorded", (VALUE._replace(value="41 mL/min/1.73 m²"),)))
MISSING = Outcome(CD19, "unknown", Finding(UNKNOWN, "no-data", concepts=("cd19",)))
POINT = Outcome(MOOD, "unknown", Finding(UNKNOWN, "needs-judgement", None, (Evidence("Condition/c1", "2026", "Depression", False),)))
UNREAD = Outcome(CD19, "unknown", Finding(UNKNOWN, "unavailable", lists=("medication-statements",)))
ASK = Outcome(CONSENT, "manual", Finding(MANUAL, ask="Ask for written consent."))
ASIDE = Outcome(CD19, "not-applicable", Finding(NOT_APPLICABLE))


def report(*assessments, **more):
    return as_text(Answer(AS_OF, "Patient/123", assessments, **more), {"cd19": "CD19 B cells, flow cytometry"})


def assessed(*outcomes, status="possible", cohort=MN):
    return Assessment(TRIAL, cohort, status, outcomes)


def test_the_first_line_is_patient_day_and_counts():
    first = report(assessed(MET), assessed(NOT_MET, status="excluded", cohort=IGAN)).split("\n")[0]
    assert first == "Patient/123 as of 1 Nov 2026: 2 patient groups of 1 trial checked, 1 possible, 1 excluded."


def test_a_possible_cohort_reads_as_designed():
    text = report(assessed(MET, BARE, MISSING, POINT, ASK, ASIDE))
    assert text.split("\n\n", 1)[1] == (
        "POSSIBLE  NCT06469190/pmn  CD19 CAR-NK for membranous nephropathy\n"
        "  Recruiting. Record last verified Oct 2025: ask if it still recruits.\n"
        "  Nothing on record rules this trial out.\n"
        "  1 met on record · 1 with no record of the excluded condition · 1 result missing · 1 point open ·\n"
        "  1 for the investigator · 1 does not apply\n"
        "\n"
        "  Missing (1)\n"
        "    - CD19 on B cells [Inclusion 2]: no result on record (would settle it: CD19 B cells, flow\n"
        "      cytometry)\n"
        "\n"
        "  Open questions (1)\n"
        "    - No mental illness [Exclusion 9]: the code cannot say how severe or how current, Condition/c1;\n"
        "      record unclear, read as: severe illness; could be read as: any illness (unreviewed)\n"
        "\n"
        "  For the investigator (1)\n"
        "    - Consent [Inclusion 5]: Ask for written consent (a document outside the record)\n"
        "\n"
        "  Met (1)\n"
        "    - eGFR at least 45 [Inclusion 4]: 52 mL/min/1.73 m² (18 Oct 2026), Observation/o1\n"
        "\n"
        "  No record of (1)\n"
        "    - No cancer [Exclusion 6]\n"
    )


def test_what_would_change_the_answer_stands_before_the_criteria_and_is_cut_to_three():
    decides = [Decider((f"test_{i}",), ("cd19",), "excluded", "blood") for i in range(4)] + [Decider(("cd19", "sex"), ("cd19",), "either", "blood")]
    again = [LookAgain(AS_OF + 10 * i, c, "", "met", "unknown", True) for i in (4, 1, 2, 3) for c in ("cd19", "egfr")]
    again.append(LookAgain(AS_OF + 60, "cancer", "", "not-met", "met"))
    changed = replace(
        assessed(MET, BARE, MISSING, POINT), decides=tuple(decides), look_again=tuple(again), questions=(Question("mood", "Judge: how severe."),)
    )
    assert (
        "\n"
        "  What would decide it (the first 3 of 5)\n"
        "    - Test 0 (blood): can rule the trial out\n"
        "    - Test 1 (blood): can rule the trial out\n"
        "    - Test 2 (blood): can rule the trial out\n"
        "\n"
        "  Questions that no result settles (1)\n"
        "    - No mental illness: Judge: how severe.\n"
        "\n"
        "  When to look again (the first 3 of 5)\n"
        "    - 31 Dec 2026: No cancer (no longer rules the patient out)\n"
        "    - 11 Nov 2026: eGFR at least 45; CD19 (too old from then on, unless repeated)\n"
        "    - 21 Nov 2026: eGFR at least 45; CD19 (too old from then on, unless repeated)\n"
        "\n"
        "  Missing (1)\n"
    ) in report(changed)
    few = replace(changed, decides=changed.decides[4:], look_again=(), questions=())
    assert "What would decide it (1)\n    - CD19 B cells, flow cytometry and sex (blood): decides it, whatever it shows\n" in report(few)
    assert "look again" not in report(few) and "Questions" not in report(few)


def test_a_near_miss_and_a_computed_value_beside_a_reported_one_are_shown():
    near = MET._replace(finding=MET.finding._replace(near=NearMiss("47 mL/min/1.73 m² on 2026-10-18", "at least 45 mL/min/1.73 m²")))
    assert "Observation/o1; close to the limit: at least 45 mL/min/1.73 m²" in " ".join(report(assessed(near)).split())
    beside = VALUE._replace(value="44 mL/min/1.73 m²", used=False, note="computed, beside a reported value", reference="Observation/o2")
    earlier = beside._replace(note="earlier", value="60 mL/min/1.73 m²")
    text = " ".join(report(assessed(MET._replace(finding=MET.finding._replace(evidence=(VALUE, beside, earlier))))).split())
    assert "44 mL/min/1.73 m² (18 Oct 2026), computed, beside a reported value, Observation/o2" in text
    assert "60 mL/min" not in text


def test_a_reading_is_told_only_where_it_matters():
    missing = MISSING._replace(criterion=MOOD)
    assert "record unclear" not in report(assessed(missing, BARE._replace(criterion=MOOD)))
    ruled_out = " ".join(report(assessed(NOT_MET._replace(criterion=MOOD), status="excluded")).split())
    assert "record unclear, read as: severe illness; could be read as: any illness (unreviewed)" in ruled_out


def test_an_excluded_cohort_says_by_what():
    text = report(assessed(NOT_MET, MET, status="excluded"))
    assert "Ruled out by: eGFR at least 45." in text
    assert "- eGFR at least 45 [Inclusion 4]: 41 mL/min/1.73 m² (18 Oct 2026), Observation/o1" in text
    assert "1 not met" in text


def test_candidates_come_before_possible_before_excluded_and_the_rest_is_one_line():
    other = [assessed(status="not-applicable", cohort=c) for c in (MN, IGAN)]
    text = report(assessed(NOT_MET, status="excluded"), *other, assessed(MET), assessed(MET, ASK, status="candidate"))
    places = [text.index(word) for word in ("CANDIDATE", "POSSIBLE", "EXCLUDED", "NOT APPLICABLE")]
    assert places == sorted(places)
    assert "Every criterion the record can answer is met. 1 needs a person." in text
    assert "first: NCT06469190/pmn (MN),\n  NCT06469190/igan (IgAN)." in text


def test_what_was_not_read_is_said_first_and_again_at_the_end():
    text = report(assessed(MET, UNREAD), incomplete=(("medication-statements", "unavailable"),))
    assert "Check incomplete: the medication list did not load. This says nothing about the patient." in text.split("\n\n")[0]
    assert "Not checked: a list was not read (1)\n    - CD19 on B cells [Inclusion 2]: the medication list did not load" in text
    assert "COVERAGE\n  Lists not read whole: the medication list did not load." in text


def test_coverage_lists_faults_and_the_commonest_unmapped_codes():
    codes = tuple(Unmapped("urn:x", f"c{i:02}", "a test", i) for i in range(1, 21))
    text = report(assessed(MET), faults=(Fault("Observation/o9", "no value"),), unmapped=codes)
    end = text[text.index("COVERAGE") :]
    assert "Entries that could not be used (1)\n    - Observation/o9: no value" in end
    assert "Codes that no criterion knows (20)\n    - urn:x c20 a test (20 times)" in end
    assert "… and 5 more" in end
    assert "c05" not in end


def test_nothing_left_out_means_no_coverage_block():
    assert "COVERAGE" not in report(assessed(MET))


def test_lines_keep_to_100_columns_and_to_plain_spaces():
    wordy = Outcome(
        Criterion("w", "inclusion", "Inclusion 1", "a very long label " * 20, ConditionIs(("x",))),
        "met",
        Finding(TRUE, None, "recorded", (VALUE, VALUE._replace(value="x" * 300))),
    )
    text = report(assessed(wordy, MISSING, POINT), unmapped=(Unmapped("urn:" + "y" * 150, "c", "", 1),))
    assert max(len(line) for line in text.split("\n")) <= 100
    assert "\u00a0" not in text
    assert text.endswith("\n") and not text.endswith("\n\n")


@pytest.mark.parametrize("born", ["1980-01-01", "born 1980"])
def test_a_birth_date_is_never_printed_but_an_age_is(born):
    age = Criterion("age", "inclusion", "Inclusion 1", "Age 18 to 70", Age(18, 70))
    text = report(assessed(Outcome(age, "met", Finding(TRUE, None, "recorded", (Evidence("Patient/123", born, born),)))))
    assert "1980" not in text
    told = report(assessed(Outcome(age, "met", Finding(TRUE, None, "recorded", (Evidence("Patient/123", "", "46 years"),)))))
    assert "- Age 18 to 70 [Inclusion 1]: 46 years" in told


@pytest.mark.parametrize(
    ("basis", "note", "end"),
    [
        ("computed", "", "(18 Oct 2026), Observation/o1 (computed)"),
        ("computed", "computed by CKD-EPI 2021", "(18 Oct 2026), computed by CKD-EPI 2021, Observation/o1"),
        ("assumed", "", "(18 Oct 2026), Observation/o1 (upper limit from site settings)"),
        ("recorded", "formula not named", "(18 Oct 2026), formula not named, Observation/o1"),
    ],
)
def test_basis_and_notes_are_told(basis, note, end):
    text = report(assessed(Outcome(EGFR, "met", Finding(TRUE, None, basis, (VALUE._replace(note=note),)))))
    assert " ".join(text.split()).endswith(end)


def test_the_value_of_an_open_criterion_is_shown_with_its_reference():
    stale = Outcome(CD19, "unknown", Finding(UNKNOWN, "stale", None, (VALUE._replace(date="2025-01-02", used=False),), None, ("cd19",)))
    assert "- CD19 on B cells [Inclusion 2]: last 2 Jan 2025, older than 6 months, Observation/o1" in report(assessed(stale))


def test_what_a_person_is_asked_shows_what_is_on_record_beside():
    ask = Outcome(CONSENT, "manual", Finding(MANUAL, ask="Ask", evidence=(VALUE,)))
    assert "on record: 52 mL/min/1.73 m² (18 Oct 2026), Observation/o1" in " ".join(report(assessed(ask)).split())


def test_terminal_control_codes_do_not_reach_the_terminal():
    text = report(assessed(Outcome(EGFR, "met", Finding(TRUE, None, "recorded", (VALUE._replace(value="\x1b[31m52"),)))))
    assert "\x1b" not in text


def test_no_trials_is_still_a_sentence():
    assert report() == "Patient/123 as of 1 Nov 2026: 0 patient groups of 0 trials checked.\n"


def test_names_are_optional():
    assert "no result on record\n" in as_text(Answer(AS_OF, "Patient/1", (assessed(MISSING),)))
