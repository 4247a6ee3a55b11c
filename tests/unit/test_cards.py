"""Which trials make a card, and the words on it. Nouns are built by hand; no criteria file is read."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import date

import pytest

from cds_service.cards import compose
from cds_service.cards.markdown import escape, strong
from cds_service.model.cards import Card
from cds_service.model.facts import Evidence
from cds_service.model.outcomes import MANUAL, REASONS, TRUE, UNKNOWN, Answer, Assessment, Finding, Outcome
from cds_service.model.predicates import Age, All, ConditionIs, Doubt, Limit, Manual, Not, ObservationIs, Period, Response, Therapy, Trend
from cds_service.model.predicates import Any as AnyOf
from cds_service.model.trials import Cohort, Criterion, Site, Trial
from cds_service.model.vocabulary import Coding

DETAIL = sys.modules["cds_service.cards.detail"]  # the package names its function, not the module
AS_OF = date(2026, 11, 1).toordinal()
N = "\u00a0"
EGFR_UNIT = "mL/min/{1.73_m2}"
ORDERS = {
    "cd19_b_cells": Coding("http://loinc.org", "8116-0", "CD19 cells by flow cytometry"),
    "inr": Coding("http://loinc.org", "5902-2", "Coagulation panel"),
    "prothrombin_time": Coding("http://loinc.org", "5902-2", "Coagulation panel"),
    "neutrophils": Coding("http://loinc.org", "58410-2", "Blood count"),
    "lvef": Coding("http://loinc.org", "10230-1", "Echocardiogram"),
}
NAMES = {
    "rituximab": "Rituximab",
    "calcineurin_inhibitor": "calcineurin inhibitor",
    "glucocorticoid": "steroids",
    "cyclophosphamide": "cyclophosphamide",
    "egfr": "eGFR",
    "ast": "AST",
    "hbsag": "HBsAg",
}


def lab(concept, op=None, value=0.0, unit="", **more):
    return ObservationIs((concept,), (Limit(op, value),) if op else (), unit, **more)


def criterion(id_, needs, **more):
    given = {"kind": "inclusion", "ref": "Inclusion 1", "label": f"label of {id_}", **more}
    return Criterion(id=id_, needs=needs, **given)


def seen(value, day="2026-10-18", ref="Observation/o1", used=True, note="", concept=""):
    return Evidence(ref, day, value, used, note, concept)


def met(crit, *evidence, basis="recorded"):
    return Outcome(crit, "met", Finding(TRUE, None, basis, evidence))


def unknown(crit, reason="no-data", *evidence, concepts=(), lists=()):
    return Outcome(crit, "unknown", Finding(UNKNOWN, reason, None, evidence, None, concepts, lists))


def manual(crit, ask="Ask"):
    return Outcome(crit, "manual", Finding(MANUAL, ask=ask))


def bare(n):
    return [met(criterion(f"exc-{i}", ConditionIs((f"c{i}",)), kind="exclusion"), basis="no-record") for i in range(n)]


PROTEIN = criterion("protein", lab("urine_protein_24h", "ge", 3.5, "g/d"), short="24-hour protein", pivotal=True)
EGFR = criterion("egfr", lab("egfr", "ge", 45, EGFR_UNIT, formula="ckd-epi"), short="eGFR")
CD19 = criterion("cd19", lab("cd19_b_cells", "gt", 0), short="CD19 on B cells by flow cytometry")
CLOTTING = criterion("inr", lab("inr", "le", 1.5, times=True), short="INR and PT")
NEUTROPHILS = criterion("anc", lab("neutrophils", "ge", 1, "10*9/L"), short="Neutrophil count")
THERAPY = criterion(
    "therapy",
    Response(
        Therapy(
            regimens=(
                Therapy(any_of=("rituximab",), duration=Period(6, "months")),
                Therapy(any_of=("calcineurin_inhibitor",), duration=Period(6, "months")),
                Therapy(all_of=("glucocorticoid", "cyclophosphamide"), duration=Period(6, "months")),
            )
        ),
        Trend("urine_protein_24h", "fall", Limit("lt", 50), "baseline"),
    ),
    short="Failure of treatment",
    topic="earlier treatment",
    pivotal=True,
)
CONSENT = criterion("consent", Manual("consent"), short="consent")
PROTEIN_MET = met(PROTEIN, seen("9.1 g/24 h", "2026-10-20"))
EGFR_MET = met(EGFR, seen("52 mL/min/1.73 m²"), seen("64 mL/min/1.73 m²", "2026-02-10", "Observation/o0", used=False, note="earlier"))


def trial(**changes):
    cohort = Cohort("pmn", "membranous nephropathy", "MN", ConditionIs(("mn",)))
    base = Trial(
        id="NCT06469190",
        title="A trial",
        product="CD19 CAR-NK",
        status="recruiting",
        phase="N/A",
        sponsor="a sponsor",
        url="https://clinicaltrials.gov/study/NCT06469190",
        sites=(Site("Changhai Hospital", "Shanghai", "China"),),
        topic="trial-nct06469190",
        last_update=None,
        verified_on=date(2025, 10, 9),
        completion=None,
        cohorts=(cohort,),
        criteria=(),
        outline=(),
        intervention="KN5501",
    )
    return replace(base, **changes)


def assessed(*outcomes, status="possible", of=None, cohort=None):
    of = of or trial()
    return Assessment(of, cohort or of.cohorts[0], status, tuple(outcomes))


def answer(*assessments, incomplete=()):
    return Answer(AS_OF, "Patient/p1", assessments, incomplete)


def one(*outcomes, incomplete=(), fresh=None, **more) -> Card:
    (card,) = compose(answer(assessed(*outcomes, **more), incomplete=incomplete), 3, "", ORDERS, NAMES, fresh or {})
    return card


THREE_MISSING = (
    PROTEIN_MET,
    *bare(4),
    EGFR_MET,
    unknown(CD19, concepts=("cd19_b_cells",)),
    unknown(CLOTTING, "stale", seen("1.1", "2026-03-02", used=False), concepts=("inr", "prothrombin_time")),
    unknown(NEUTROPHILS, "no-data", seen("58 %", used=False, note="shown, does not decide"), concepts=("neutrophils",)),
)


# --- the summary ------------------------------------------------------------------------------


def test_a_candidate_says_how_much_is_met_and_how_many_need_a_person():
    card = one(PROTEIN_MET, *bare(24), *[manual(criterion(f"m{i}", Manual("x"))) for i in range(6)], status="candidate")
    assert card.summary == ("Trial may fit: CD19 CAR-NK for membranous nephropathy. All 25 criteria the record can answer are met; 6 need a person.")


def test_a_candidate_without_open_questions_names_no_person():
    assert one(PROTEIN_MET, *bare(1), status="candidate").summary.endswith("All 2 criteria the record can answer are met.")
    assert one(PROTEIN_MET, *bare(1), manual(CONSENT), status="candidate").summary.endswith("are met; 1 needs a person.")


def test_one_or_two_missing_results_are_named():
    card = one(PROTEIN_MET, unknown(CLOTTING, concepts=("inr",)), unknown(NEUTROPHILS, concepts=("neutrophils",)))
    assert card.summary == (
        "Trial may fit: CD19 CAR-NK for membranous nephropathy. Nothing on record rules it out; missing: INR and PT, neutrophil count."
    )


def test_three_missing_results_are_counted():
    expected = "Trial may fit: CD19 CAR-NK for membranous nephropathy. Nothing on record rules it out; 3 results are missing."
    assert one(*THREE_MISSING).summary == expected


def test_points_that_no_test_settles_are_not_called_results():
    doubt = unknown(criterion("x", Doubt(ConditionIs(("depression",)), "needs-judgement"), short="depression"), "needs-judgement")
    therapy = unknown(THERAPY)
    assert one(PROTEIN_MET, doubt, therapy).summary.endswith("Nothing on record rules it out; 2 points are open.")
    assert one(PROTEIN_MET, doubt).summary.endswith("; 1 point is open.")


def test_results_and_points_are_told_apart():
    doubt = unknown(criterion("x", ConditionIs(("depression",))), "ambiguous-record")
    card = one(PROTEIN_MET, unknown(CD19, concepts=("cd19_b_cells",)), doubt)
    assert card.summary.endswith("Nothing on record rules it out; 1 result is missing, 1 point is open.")


def test_a_list_that_was_not_read_outranks_missing_results():
    lost = unknown(THERAPY, "unavailable", lists=("medication-statements",))
    card = one(*THREE_MISSING, lost, incomplete=(("medication-statements", "unavailable"),))
    assert card.summary == ("Trial may fit: CD19 CAR-NK for membranous nephropathy. Check incomplete: the medication list could not be read.")


def test_a_list_that_arrived_in_part_is_not_said_to_be_unreadable():
    lost = unknown(THERAPY, "truncated", lists=("conditions",))
    assert one(PROTEIN_MET, lost).summary.endswith("Check incomplete: only part of the problem list arrived.")


LONG = Cohort("x", "refractory or relapsing antineutrophil cytoplasmic antibody associated vasculitis", "AAV", ConditionIs(("x",)))


def test_a_long_disease_gives_way_to_its_short_name():
    card = one(*THREE_MISSING, cohort=LONG)
    assert card.summary == "Trial may fit: CD19 CAR-NK for AAV. Nothing on record rules it out; 3 results are missing."


def test_a_summary_still_too_long_names_no_missing_item():
    wordy = criterion("w", lab("lvef", "ge", 55, "%"), short="left ventricular ejection fraction measured by transthoracic echocardiography at rest")
    card = one(PROTEIN_MET, unknown(wordy, concepts=("lvef",)), cohort=LONG)
    assert card.summary == "Trial may fit: CD19 CAR-NK for AAV. Nothing on record rules it out; 1 result is missing."


@pytest.mark.parametrize("length", [20, 60, 100, 120, 139, 200])
@pytest.mark.parametrize("kind", ["candidate", "possible", "incomplete"])
def test_a_summary_is_under_140_characters_and_never_cut_inside_a_word(length, kind):
    product = ("autologous chimeric antigen receptor " * 9)[:length].rsplit(" ", 1)[0]
    of = trial(product=product, cohorts=(replace(LONG, short_disease=LONG.disease),))
    outcomes = {
        "candidate": (PROTEIN_MET, manual(CONSENT)),
        "possible": THREE_MISSING,
        "incomplete": (PROTEIN_MET, unknown(THERAPY, "unavailable", lists=("medication-statements", "conditions", "results-blood"))),
    }[kind]
    card = one(*outcomes, of=of, status="candidate" if kind == "candidate" else "possible")
    assert len(card.summary) < 140
    allowed = set(re.findall(r"\w+", f"{product} {LONG.disease} {of.id}"))
    words = re.findall(r"\w+", card.summary.split(". ")[0].removeprefix("Trial may fit: "))
    assert set(words) <= allowed | {"for"}
    assert card.summary.endswith(".")


# --- the detail -------------------------------------------------------------------------------


def test_a_whole_possible_card_reads_as_designed():
    few = [o for o in THREE_MISSING if o.finding.basis != "no-record"]
    card = one(*few, fresh={"inr": 180, "prothrombin_time": 180})
    assert card.detail.replace(N, " ") == (
        "**Missing, and would decide it (3)**\n"
        "- CD19 on B cells by flow cytometry: no result on record\n"
        "- INR and PT: last 2 Mar 2026, older than 6 months\n"
        "- Neutrophil count: only a share, 58 % (18 Oct 2026); needs at least 1 × 10⁹/L\n"
        "\n"
        "**Met (2),** among them 24-hour protein **9.1** g/24 h (20 Oct 2026); needs at least 3.5 g/24 h\n"
        "\n"
        "**Watch:** eGFR **52** (18 Oct 2026); needs at least 45; was 64 on 10 Feb 2026\n"
        "\n"
        "**Trial:** NCT06469190, KN5501, Changhai Hospital, Shanghai. Record last verified Oct 2025: ask if it still recruits.\n"
        "\n"
        "*Record read 1 Nov 2026. Supports your judgement; the study team decides.*"
    )


def test_dates_and_units_are_held_together():
    detail = one(*THREE_MISSING).detail
    for kept in (f"2{N}Mar{N}2026", f"58{N}%", f"1{N}×{N}10⁹/L", f"**9.1**{N}g/24{N}h", f"Record read 1{N}Nov{N}2026"):
        assert kept in detail


def test_a_whole_incomplete_card_reads_as_designed():
    lost = [unknown(replace(THERAPY, id=f"t{i}"), "unavailable", lists=("medication-statements",)) for i in range(3)]
    card = one(PROTEIN_MET, *lost, incomplete=(("medication-statements", "unavailable"),))
    assert card.detail.replace(N, " ").split("\n\n") == [
        "**Check incomplete.** The medication list did not load, so 3 criteria on earlier treatment are open. This says nothing about the patient.",
        "**Met (1),** among them 24-hour protein **9.1** g/24 h (20 Oct 2026); needs at least 3.5 g/24 h",
        "**You may know:** 6 months or more of rituximab, a calcineurin inhibitor, or steroids with cyclophosphamide?",
        "**Trial:** NCT06469190, KN5501, Changhai Hospital, Shanghai. Record last verified Oct 2025: ask if it still recruits.",
        "*Record read 1 Nov 2026. Supports your judgement; the study team decides.*",
    ]


def test_a_whole_candidate_card_gives_the_reasons_pivotal_first():
    risk = criterion("risk", AnyOf((lab("egfr", "lt", 60, EGFR_UNIT), lab("urine_protein_24h", "gt", 8, "g/d"))), short="High risk", pivotal=True)
    card = one(
        EGFR_MET,
        met(risk, seen("52 mL/min/1.73 m²", concept="egfr")),
        PROTEIN_MET,
        *bare(2),
        manual(CONSENT),
        manual(criterion("s", Manual("x"), short="planned surgery")),
        status="candidate",
    )
    blocks = card.detail.replace(N, " ").split("\n\n")
    assert blocks[0] == (
        "**Why it may fit**\n"
        "- High risk: eGFR **52** mL/min/1.73 m² (18 Oct 2026); needs below 60\n"
        "- 24-hour protein **9.1** g/24 h (20 Oct 2026); needs at least 3.5 g/24 h\n"
        "- eGFR **52** mL/min/1.73 m² (18 Oct 2026); needs at least 45"
    )
    assert blocks[1] == "**Met (5),** among them 2 with no record of the excluded condition"
    assert blocks[2] == "**Need a person (2):** consent; planned surgery"


def test_the_whole_detail_has_at_most_twelve_lines_when_everything_has_something_to_say():
    doubts = [unknown(criterion(f"d{i}", ConditionIs(("x",)), short=f"point {i}"), "needs-judgement") for i in range(9)]
    asks = [manual(criterion(f"m{i}", Manual("x"), short=f"a long question number {i} for the investigator")) for i in range(12)]
    missing = [unknown(replace(CD19, id=f"c{i}", short=f"test {i}"), concepts=("cd19_b_cells",)) for i in range(9)]
    lost = unknown(THERAPY, "unavailable", lists=("medication-statements",))
    detail = one(PROTEIN_MET, EGFR_MET, *bare(8), *missing, *doubts, *asks, lost).detail
    lines = [line for line in detail.split("\n") if line.strip()]
    assert len(lines) == 12
    assert "**Missing, and would decide it (9)**" in lines
    assert sum(line.startswith("- ") for line in lines) == 3
    (person,) = [line for line in lines if line.startswith("**Need a person (12):**")]
    assert re.search(r"number 0 for the investigator; .*; and \d+ more$", person)
    assert len(person) < 210


def test_missing_results_of_one_name_are_one_line_and_pivotal_ones_come_first():
    pt = replace(CLOTTING, id="pt")
    activity = criterion("bvas", lab("bvas", "ge", 15), short="BVAS", pivotal=True)
    card = one(
        PROTEIN_MET,
        unknown(CLOTTING, concepts=("inr",)),
        unknown(pt, concepts=("prothrombin_time",)),
        unknown(activity, concepts=("bvas",)),
        unknown(CD19, concepts=("cd19_b_cells",)),
    )
    listed = [line for line in card.detail.split("\n") if line.startswith("- ")]
    assert [line.split(":")[0] for line in listed] == ["- BVAS", "- INR and PT", "- CD19 on B cells by flow cytometry"]
    assert "3 results are missing" in card.summary


def reason(crit, why, *evidence, concepts=("x",), fresh=None, lists=()):
    card = one(PROTEIN_MET, unknown(crit, why, *evidence, concepts=concepts, lists=lists), fresh=fresh)
    line = next(line for line in card.detail.split("\n") if line.startswith(("- ", "**Open")))
    return line.replace(N, " ")


def lft(**more):
    return criterion("alt", lab("alt", "le", 2.5, "U/L", times=True), short="ALT", **more)


@pytest.mark.parametrize(
    ("crit", "why", "evidence", "expected"),
    [
        (EGFR, "comparator", [seen("> 40 mL/min/1.73 m²")], '- eGFR: reported as "> 40 mL/min/1.73 m²" (18 Oct 2026), cannot be held against 45'),
        (EGFR, "comparator", [seen("<60 mL/min")], '- eGFR: reported as "&lt;60 mL/min" (18 Oct 2026), cannot be held against 45'),
        (EGFR, "unit", [seen("52 mL/min")], "- eGFR **52** mL/min (18 Oct 2026): unit missing or not convertible; needs at least 45 mL/min/1.73 m²"),
        (EGFR, "unit", [seen("52")], "- eGFR **52** (18 Oct 2026): unit missing or not convertible; needs at least 45 mL/min/1.73 m²"),
        (
            EGFR,
            "method",
            [seen("52 mL/min/1.73 m²")],
            "- eGFR **52** mL/min/1.73 m² (18 Oct 2026): measured by a method this trial does not accept; needs at least 45",
        ),
        (NEUTROPHILS, "unit", [seen("58 %")], "- Neutrophil count: only a share, 58 % (18 Oct 2026); needs at least 1 × 10⁹/L"),
        (
            lft(),
            "no-reference-range",
            [seen("80 U/L")],
            "- ALT **80** U/L (18 Oct 2026): the laboratory gave no upper limit; needs at most 2.5 × upper limit",
        ),
        (EGFR, "imprecise-date", [seen("52 mL/min/1.73 m²", "2026")], "- eGFR: date is only 2026"),
        (EGFR, "imprecise-date", [seen("52 mL/min/1.73 m²", "")], "- eGFR: no date on record"),
        (
            EGFR,
            "conflicting",
            [seen("44 mL/min"), seen("46 mL/min", ref="Observation/o2")],
            "- eGFR: results disagree: **44** mL/min (18 Oct 2026), **46** mL/min (18 Oct 2026)",
        ),
        (EGFR, "conflicting", [seen("44 mL/min/1.73 m²")], "- eGFR **44** mL/min/1.73 m² (18 Oct 2026): two formulas disagree; needs at least 45"),
        (EGFR, "unreadable", [], "- eGFR: one entry could not be read"),
        (EGFR, "stale", [seen("52 mL/min/1.73 m²", "2026-02")], "- eGFR: last Feb 2026, older than 6 months"),
        (EGFR, "stale", [seen("52 mL/min/1.73 m²", "2026-10-01")], "- eGFR: last 1 Oct 2026, too old to decide"),
        (
            PROTEIN,
            "no-data",
            [seen("9.1 g/24 h", used=True)],
            "- 24-hour protein **9.1** g/24 h (18 Oct 2026): too few values to decide; needs at least 3.5 g/24 h",
        ),
    ],
)
def test_reasons_are_said_in_words(crit, why, evidence, expected):
    assert reason(crit, why, *[e._replace(used=e.used and why == "no-data") for e in evidence], concepts=crit.needs.concepts) == expected


def test_the_age_limit_of_a_value_is_the_criterions_own_or_the_concepts():
    own = criterion("hcg", lab("hcg", "lt", 5, "IU/L", within=Period(7, "days")), short="hCG")
    assert reason(own, "stale", seen("1 IU/L", "2026-10-01", used=False), concepts=("hcg",)).endswith("older than 7 days")
    assert reason(EGFR, "stale", seen("52", "2025-01-01", used=False), concepts=("egfr",), fresh={"egfr": 365}).endswith("older than 12 months")
    assert reason(EGFR, "stale", seen("52", "2025-01-01", used=False), concepts=("egfr",), fresh={"egfr": 30}).endswith("older than 30 days")


def test_points_are_listed_with_their_reason_and_are_not_missing_results():
    doubt = criterion("x", ConditionIs(("depression",)), short="Depression")
    assert reason(doubt, "needs-judgement", concepts=()) == "**Open (1):** depression, the code cannot say how severe or how current"
    assert reason(doubt, "ambiguous-record", concepts=()) == "**Open (1):** depression, the trial record can be read two ways"
    assert reason(THERAPY, "no-data", concepts=()) == "**Open (1):** failure of treatment, nothing on record"
    line = reason(CD19, "needs-judgement", seen("0 /µL"), concepts=("cd19_b_cells",))
    assert line == "**Open (1):** CD19 on B cells by flow cytometry **0** /µL (18 Oct 2026), needs a clinician's judgement"


@pytest.mark.parametrize(
    ("needs", "kind", "words"),
    [
        (lab("spo2", "gt", 92, "%"), "inclusion", "needs more than 92 %"),
        (lab("egfr", "lt", 30, "mL"), "exclusion", "needs at least 30 mL"),
        (lab("spo2", "le", 92, "%"), "exclusion", "needs more than 92 %"),
        (Not(lab("x", "ge", 5, "g")), "inclusion", "needs below 5 g"),
        (Not(lab("x", "gt", 5, "g")), "exclusion", "needs more than 5 g"),
        (All((lab("alt", "le", 2.5, times=True), ConditionIs(("y",)))), "inclusion", "needs at most 2.5 × upper limit"),
        (ObservationIs(("x",), (Limit("ge", 3), Limit("le", 10)), "g"), "inclusion", "needs at least 3 g and at most 10 g"),
        (ObservationIs(("ana",), (Limit("ge", 80),), titre=True), "inclusion", "needs at least 1:80"),
        (lab("x", "ge", 1200, "g"), "inclusion", "needs at least 1,200 g"),
    ],
)
def test_limits_are_worded_in_the_direction_that_is_good(needs, kind, words):
    line = reason(criterion("c", needs, kind=kind, short="Test"), "unit", seen("7 apples"), concepts=("x", "egfr", "spo2", "alt", "ana"))
    assert line.endswith(f": unit missing or not convertible; {words}")


@pytest.mark.parametrize(
    "needs",
    [
        AnyOf((lab("x", "ge", 5, "g"), lab("x", "ge", 9, "g"))),
        Doubt(lab("x", "ge", 5, "g"), "needs-judgement"),
        Trend("x", "fall", Limit("lt", 50), "baseline"),
        ObservationIs(("x",), result="negative"),
    ],
)
def test_no_limit_is_named_where_there_is_no_single_one(needs):
    assert reason(criterion("c", needs, short="Test"), "unit", seen("7 apples")).endswith("not convertible")


def test_a_value_is_not_given_the_name_of_a_criterion_that_asks_several_things():
    both = criterion("r", AnyOf((lab("egfr", "lt", 60, EGFR_UNIT), lab("protein", "gt", 8, "g/d"))), short="risk class")
    line = reason(both, "unit", seen("58 mL/min"), concepts=("egfr", "protein"))
    assert line == "- Risk class: **58** mL/min (18 Oct 2026), unit missing or not convertible"


def test_a_range_that_excludes_is_not_put_into_short_words():
    needs = ObservationIs(("x",), (Limit("ge", 3), Limit("le", 10)), "g")
    assert reason(criterion("c", needs, kind="exclusion", short="Test"), "unit", seen("7 apples")).endswith("not convertible")


def fact(outcome):
    detail = one(outcome, unknown(CD19, concepts=("cd19_b_cells",)), unknown(THERAPY, "unavailable", lists=("conditions",))).detail
    return next((line for line in detail.replace(N, " ").split("\n") if line.startswith("**Met")), "")


def test_the_one_fact_prefers_a_pivotal_criterion():
    order = [EGFR_MET, PROTEIN_MET]
    assert "24-hour protein" in one(*order, unknown(CD19, concepts=("cd19_b_cells",))).detail.split("**Met (2),**")[1].split("\n")[0]


def test_comparators_of_values_are_words():
    assert "eGFR **above 60** mL/min/1.73 m² (18 Oct 2026)" in fact(met(EGFR, seen(">60 mL/min/1.73 m²")))
    assert "eGFR **at most 60** mL/min" in fact(met(EGFR, seen("<= 60 mL/min")))


def test_a_computed_value_says_so():
    assert "eGFR **52** mL/min/1.73 m² (18 Oct 2026, computed); needs at least 45" in fact(met(EGFR, seen("52 mL/min/1.73 m²"), basis="computed"))


def test_the_upper_limit_is_shown_where_it_is_known():
    own = fact(met(lft(), seen("80 U/L", note="upper limit 40 U/L")))
    assert own.endswith("ALT **80** U/L (18 Oct 2026); needs at most 2.5 × upper limit (40 U/L)")
    assert fact(met(lft(), seen("9 µmol/L", note="upper limit 1.2"))).endswith("needs at most 2.5 × upper limit")
    assert fact(met(lft(), seen("80 U/L", note="upper limit from site settings"))).endswith(
        "needs at most 2.5 × upper limit, upper limit from site settings"
    )


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("MedicationRequest", "prescribed"),
        ("MedicationStatement", "listed"),
        ("MedicationAdministration", "given"),
        ("MedicationDispense", "dispensed"),
    ],
)
def test_an_order_is_prescribed_never_taken(kind, word):
    line = fact(met(THERAPY, seen("tacrolimus (order)", "2026-03-01", f"{kind}/m1", note="7 months")))
    assert line.endswith(f"failure of treatment: tacrolimus, {word} 1 Mar 2026 (7 months)")


def test_a_criterion_without_a_short_name_is_called_by_its_label():
    plain = criterion("p", lab("p", "ge", 5, "g"), label="Protein at least 5 g")
    assert fact(met(plain, seen("9 g"))) == "**Met (1),** among them protein at least 5 g: **9** g (18 Oct 2026)"


def test_words_and_titres_are_shown_as_recorded():
    hbsag = criterion("h", ObservationIs(("hbsag",), result="positive"), kind="exclusion", short="HBsAg")
    assert "HBsAg **negative** (18 Oct 2026)" in fact(met(hbsag, seen("negative")))
    ana = criterion("a", ObservationIs(("ana",), (Limit("ge", 80),), titre=True), short="ANA")
    assert "ANA **1:160** (18 Oct 2026)" in fact(met(ana, seen("1:160")))


def several(*needs, **more):
    return criterion("several", AnyOf(needs), **{"short": "Kidney and liver", **more})


KIDNEY_AND_LIVER = several(lab("egfr", "ge", 45, EGFR_UNIT), lab("ast", "le", 80, "U/L"))


def test_where_a_criterion_asks_for_several_tests_the_fact_says_which_and_its_own_limit():
    assert "kidney and liver: eGFR **52** mL/min/1.73 m² (18 Oct 2026); needs at least 45" in fact(
        met(KIDNEY_AND_LIVER, seen("52 mL/min/1.73 m²", concept="egfr"))
    )
    assert "kidney and liver: AST **24** U/L (18 Oct 2026); needs at most 80 U/L" in fact(met(KIDNEY_AND_LIVER, seen("24 U/L", concept="ast")))
    alike = several(lab("ast", "le", 80, "U/L"), lab("alt", "le", 80, "U/L"), short="Liver")
    assert "liver: AST **24** U/L (18 Oct 2026); needs at most 80 U/L" in fact(met(alike, seen("24 U/L", concept="ast")))
    assert "liver **24** U/L (18 Oct 2026); needs at most 80 U/L" in fact(met(alike, seen("24 U/L")))  # nothing says which
    words = several(ObservationIs(("hbsag",), result="negative"), ObservationIs(("hbv_dna",), result="not-detected"), short="Hepatitis B")
    assert "hepatitis B: HBsAg **negative** (18 Oct 2026)" in fact(met(words, seen("negative", concept="hbsag")))


def test_where_a_criterion_asks_for_one_test_its_name_is_enough():
    assert "eGFR **52** mL/min/1.73 m² (18 Oct 2026); needs at least 45" in fact(met(EGFR, seen("52 mL/min/1.73 m²", concept="egfr")))


@pytest.mark.parametrize(
    ("why", "evidence", "expected"),
    [
        (
            "unit",
            [seen("58 mL/min", concept="egfr")],
            "eGFR **58** mL/min (18 Oct 2026), unit missing or not convertible; needs at least 45 mL/min/1.73 m²",
        ),
        ("unit", [seen("58 mL/min")], "**58** mL/min (18 Oct 2026), unit missing or not convertible"),
        ("stale", [seen("52", "2025-02-10", concept="egfr")], "eGFR last 10 Feb 2025, older than 6 months"),
        ("comparator", [seen("<90 U/L", concept="ast")], 'AST reported as "&lt;90 U/L" (18 Oct 2026), cannot be held against 80'),
        (
            "conflicting",
            [seen("44 mL/min", concept="egfr"), seen("90 U/L", ref="Observation/o2", concept="ast")],
            "results disagree: eGFR **44** mL/min (18 Oct 2026), AST **90** U/L (18 Oct 2026)",
        ),
        (
            "no-data",
            [seen("52 mL/min/1.73 m²", concept="egfr")],
            "eGFR **52** mL/min/1.73 m² (18 Oct 2026), too few values to decide; needs at least 45",
        ),
    ],
)
def test_one_of_several_tests_is_named_where_it_cannot_decide(why, evidence, expected):
    assert reason(KIDNEY_AND_LIVER, why, *evidence, concepts=("egfr", "ast")) == f"- Kidney and liver: {expected}"


def test_where_one_of_several_tests_is_on_record_the_others_are_named_as_missing():
    assert reason(KIDNEY_AND_LIVER, "no-data", concepts=("ast",)) == "- Kidney and liver: no result for AST on record"
    assert reason(KIDNEY_AND_LIVER, "no-data", concepts=("egfr", "ast")) == "- Kidney and liver: no result on record"


def test_another_test_shown_beside_a_missing_one_is_named():
    beside = seen("3.2 g/g", used=False, note="shown, does not decide", concept="egfr")
    assert reason(PROTEIN, "no-data", beside) == "- 24-hour protein: no result on record; another test shows eGFR **3.2** g/g (18 Oct 2026)"


def test_an_upper_limit_is_named_where_a_value_cannot_be_held_against_it():
    assert reason(lft(), "comparator", seen("> 80 U/L"), concepts=("alt",)).endswith("cannot be held against 2.5 × upper limit")
    held = reason(lft(), "unit", seen("80", note="upper limit 40 <U>/L"), concepts=("alt",))
    assert held == "- ALT **80** (18 Oct 2026): unit missing or not convertible; needs at most 2.5 × upper limit (40 &lt;U>/L)"


def test_a_date_that_cannot_be_worded_is_shown_as_it_stands():
    assert "24-hour protein **9.1** g/24 h (2026-W42-3)" in fact(met(PROTEIN, seen("9.1 g/24 h", "2026-W42-3")))
    assert "24-hour protein **9.1** g/24 h (\\*soon\\*)" in fact(met(PROTEIN, seen("9.1 g/24 h", "*soon*")))


def test_nothing_of_the_person_is_on_the_card():
    age = criterion("age", Age(18, 70), label="Age 18 to 70")
    text = fact(met(age, Evidence("Patient/p1", "1980-01-01", "1980-01-01")))
    assert "1980" not in text and text == ""


# --- watch ------------------------------------------------------------------------------------


def watched(outcome):
    detail = one(PROTEIN_MET, outcome, unknown(CD19, concepts=("cd19_b_cells",))).detail
    return next((line for line in detail.replace(N, " ").split("\n") if line.startswith("**Watch")), "")


def pair(crit, now, before, unit="mL/min/1.73 m²"):
    return met(crit, seen(f"{now} {unit}"), seen(f"{before} {unit}", "2026-02-10", "Observation/o0", used=False))


CEILING = criterion("c", lab("egfr", "gt", 45, EGFR_UNIT), kind="exclusion", short="eGFR")


@pytest.mark.parametrize(
    ("crit", "now", "before", "expected"),
    [
        (EGFR, 52, 64, True),
        (EGFR, 54, 64, True),  # 20 % over the limit
        (EGFR, 55, 64, False),  # farther than that
        (EGFR, 52, 50, False),  # moving away
        (EGFR, 52, 52, False),
        (CEILING, 40, 30, True),  # an exclusion above 45: rising towards it
        (CEILING, 40, 44, False),
        (CEILING, 35, 30, False),
    ],
)
def test_watch_needs_a_value_near_its_limit_and_moving_towards_it(crit, now, before, expected):
    assert bool(watched(pair(crit, now, before))) is expected


def test_watch_says_both_values_and_the_limit():
    assert watched(pair(CEILING, 40, 30)) == "**Watch:** eGFR **40** (18 Oct 2026); needs at most 45; was 30 on 10 Feb 2026"


def test_watch_does_not_compare_values_in_different_units():
    assert not watched(met(EGFR, seen("52 mL/min/1.73 m²"), seen("64 mL/min", "2026-02-10", used=False)))
    assert not watched(pair(EGFR, 52, 64, "mL/min"))


def test_watch_needs_two_values():
    assert not watched(met(EGFR, seen("52 mL/min/1.73 m²")))
    assert not watched(met(EGFR, seen("52 mL/min/1.73 m²"), seen("64 mL/min/1.73 m²", "2026-12-10", used=False)))


def test_watch_says_which_of_several_tests_and_compares_it_with_itself():
    liver = several(lab("ast", "le", 80, "U/L"), lab("alt", "le", 80, "U/L"), short="Liver")
    now, other = seen("75 U/L", concept="ast"), seen("50 U/L", "2026-03-10", "Observation/o0", used=False, concept="alt")
    before = seen("60 U/L", "2026-02-10", "Observation/o1", used=False, concept="ast")
    assert watched(met(liver, now, other, before)) == "**Watch:** Liver: AST **75** (18 Oct 2026); needs at most 80 U/L; was 60 on 10 Feb 2026"
    assert not watched(met(liver, now, other))


@pytest.mark.parametrize(
    ("needs", "now", "before"),
    [
        (lab("alt", "le", 80, times=True), "78 U/L", "60 U/L"),  # times the upper limit: not the value's own scale
        (ObservationIs(("x",), (Limit("ge", 50), Limit("le", 80)), "U/L"), "78 U/L", "60 U/L"),
        (lab("x", "le", 80, "U/L"), "< 78 U/L", "60 U/L"),
        (lab("x", "le", 80, "U/L"), "negative", "60 U/L"),
    ],
)
def test_watch_needs_numbers_and_one_limit_on_their_scale(needs, now, before):
    assert not watched(met(criterion("c", needs, short="Test"), seen(now), seen(before, "2026-02-10", "Observation/o0", used=False)))


def test_the_nearest_value_is_watched():
    near = criterion("near", lab("egfr", "ge", 50, EGFR_UNIT), short="Near")
    detail = one(PROTEIN_MET, EGFR_MET, pair(near, 51, 64), unknown(CD19, concepts=("cd19_b_cells",))).detail
    assert "**Watch:** Near" in detail


def test_the_last_year_before_an_age_limit_is_watched():
    age = criterion("age", Age(18, 70), label="Age 18 to 70")
    assert watched(met(age, Evidence("Patient/p1", "", "70 years"))) == "**Watch:** age **70**; needs at most 70"
    assert not watched(met(age, Evidence("Patient/p1", "", "69 years")))
    assert not watched(met(age, Evidence("Patient/p1", "", "18 years")))


# --- you may know -----------------------------------------------------------------------------


def asked(crit, why="unavailable"):
    detail = one(PROTEIN_MET, unknown(crit, why, lists=("medication-statements",) if why == "unavailable" else ())).detail
    return next((line for line in detail.split("\n") if line.startswith("**You may know")), "")


def test_the_question_is_asked_only_where_a_list_is_missing_and_treatment_is_pivotal():
    assert asked(THERAPY)
    assert not asked(THERAPY, "no-data")
    assert not asked(replace(THERAPY, pivotal=False))
    assert not asked(replace(EGFR, pivotal=True))


@pytest.mark.parametrize(
    ("therapy", "words"),
    [
        (Therapy(any_of=("rituximab",), duration=Period(6, "months"), strict=True), "More than 6 months of rituximab?"),
        (Therapy(any_of=("rituximab", "mycophenolate_mofetil"), distinct=2), "2 of: rituximab or mycophenolate mofetil?"),
        (Therapy(any_of=("rituximab",), duration=Period(1, "years")), "1 year or more of rituximab?"),
        (Therapy(any_of=("immunosuppressant",), duration=Period(6, "months")), "6 months or more of an immunosuppressant?"),
        (AnyOf((Therapy(any_of=("rituximab",), duration=Period(6, "months")), Therapy(any_of=("rituximab",)))), "6 months or more of rituximab?"),
        (
            Therapy(
                regimens=(
                    Therapy(any_of=("rituximab",), duration=Period(6, "months")),
                    Therapy(any_of=("cyclophosphamide",), duration=Period(3, "months")),
                )
            ),
            "6 months or more of rituximab or 3 months or more of cyclophosphamide?",
        ),
    ],
)
def test_the_question_is_worded_from_the_criterion(therapy, words):
    assert asked(replace(THERAPY, needs=All((ConditionIs(("mn",)), therapy)))) == f"**You may know:** {words}"


# --- the unread lists -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({"conditions": "unavailable"}, "The problem list did not load, so"),
        ({"conditions": "truncated"}, "Only part of the problem list arrived, so"),
        ({"medication-requests": "unavailable", "medication-statements": "unavailable"}, "The medication lists did not load, so"),
        ({"results-kidney": "unavailable", "results-blood": "unavailable", "procedures": "unavailable"}, "The test results and procedure list did"),
        (
            {"conditions": "truncated", "procedures": "unavailable"},
            "The procedure list did not load and only part of the problem list arrived, so",
        ),
    ],
)
def test_unread_lists_are_named_as_a_clinician_calls_them(lists, words):
    lost = unknown(THERAPY, "unavailable", lists=tuple(lists))
    assert f"**Check incomplete.** {words}" in one(PROTEIN_MET, lost, incomplete=tuple(lists.items())).detail


def test_a_list_that_this_trial_does_not_need_leaves_the_check_complete():
    card = one(*THREE_MISSING, incomplete=(("immunizations", "unavailable"),))
    assert "Check incomplete" not in card.summary + card.detail
    assert card.suggestions


# --- the trial line ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phase": "Phase 1", "verified_on": date(2026, 5, 1)}, "NCT06469190, phase 1, Changhai Hospital, Shanghai."),
        ({"phase": "PHASE1/PHASE2", "verified_on": date(2026, 10, 1)}, "NCT06469190, phase 1/2, Changhai Hospital, Shanghai."),
        ({"phase": "early phase 1", "verified_on": date(2026, 10, 1)}, "NCT06469190, early phase 1, Changhai Hospital, Shanghai."),
        ({"phase": "Phase I/II", "verified_on": date(2026, 10, 1)}, "NCT06469190, phase I/II, Changhai Hospital, Shanghai."),
        ({"phase": "KN5501 pilot study", "verified_on": date(2026, 10, 1)}, "NCT06469190, KN5501 pilot study, Changhai Hospital, Shanghai."),
        ({"intervention": "", "verified_on": date(2026, 10, 1), "sites": ()}, "NCT06469190."),
        (
            {"verified_on": date(2026, 4, 30)},
            "NCT06469190, KN5501, Changhai Hospital, Shanghai. Record last verified Apr 2026: ask if it still recruits.",
        ),
        (
            {"completion": date(2026, 7, 31)},
            "NCT06469190, KN5501, Changhai Hospital, Shanghai. Expected completion passed Jul 2026: ask if it still recruits.",
        ),
        (
            {"completion": date(2027, 7, 31), "verified_on": date(2026, 10, 1), "sites": (Site("A", "Xi'an", "China"), Site("B", "C", "D"))},
            "NCT06469190, KN5501, A, Xi'an and 1 other site.",
        ),
    ],
)
def test_the_trial_line(changes, words):
    detail = one(PROTEIN_MET, unknown(CD19, concepts=("cd19_b_cells",)), of=trial(**changes)).detail
    assert f"**Trial:** {words}" in detail.replace(N, " ").split("\n")


# --- which trials make a card -----------------------------------------------------------------


def other(nct, **changes):
    return trial(id=nct, url=f"https://clinicaltrials.gov/study/{nct}", topic=nct.lower(), **changes)


def ids(*assessments, maximum=3):
    return [card.assessments[0].trial.id for card in compose(answer(*assessments), maximum)]


MISSING = unknown(CD19, concepts=("cd19_b_cells",))


def test_candidates_come_first_then_the_fewest_unknown_then_the_nct_number():
    found = ids(
        assessed(PROTEIN_MET, MISSING, MISSING, of=other("NCT1")),
        assessed(PROTEIN_MET, MISSING, of=other("NCT4")),
        assessed(PROTEIN_MET, MISSING, of=other("NCT3")),
        assessed(PROTEIN_MET, of=other("NCT9"), status="candidate"),
        maximum=9,
    )
    assert found == ["NCT9", "NCT3", "NCT4", "NCT1"]


def test_at_most_so_many_cards():
    many = [assessed(PROTEIN_MET, of=other(f"NCT{i}"), status="candidate") for i in range(5)]
    assert len(compose(answer(*many))) == 3
    assert len(compose(answer(*many), 1)) == 1
    assert compose(answer(*many), 0) == ()


@pytest.mark.parametrize("status", ["excluded", "not-applicable"])
def test_only_possible_and_candidate_make_a_card(status):
    assert not compose(answer(assessed(PROTEIN_MET, MISSING, status=status)))


@pytest.mark.parametrize("status", ["candidate", "possible"])
def test_a_trial_that_does_not_recruit_makes_no_card(status):
    assert not compose(answer(assessed(PROTEIN_MET, status=status, of=trial(status="active-not-recruiting"))))


class Unread(tuple):
    def __iter__(self):
        raise AssertionError("the criteria of a cohort that is not on record were looked at")


@pytest.mark.parametrize("status", ["excluded", "not-applicable"])
def test_cohorts_without_a_card_are_not_worked_through(status):
    closed = Assessment(trial(), trial().cohorts[0], status, Unread((PROTEIN_MET,)))
    (card,) = compose(answer(closed, assessed(PROTEIN_MET, MISSING)))
    assert closed in card.assessments


def test_a_possible_trial_needs_something_pivotal_on_record():
    assert not compose(answer(assessed(EGFR_MET, unknown(PROTEIN, concepts=("urine_protein_24h",)))))
    assert compose(answer(assessed(EGFR_MET, PROTEIN_MET, MISSING)))
    assert compose(answer(assessed(EGFR_MET, status="candidate")))


@pytest.mark.parametrize("why", ["unavailable", "truncated"])
def test_an_unread_list_that_keeps_the_pivotal_open_makes_an_incomplete_card(why):
    (card,) = compose(answer(assessed(EGFR_MET, unknown(THERAPY, why, lists=("medication-statements",)))))
    assert "Check incomplete" in card.summary
    assert card.suggestions == ()


def test_an_unread_list_that_keeps_only_other_criteria_open_makes_no_card():
    lost = unknown(EGFR, "unavailable", lists=("results-kidney",))
    assert not compose(answer(assessed(unknown(PROTEIN, concepts=("urine_protein_24h",)), lost)))


def test_one_card_a_trial_for_its_best_cohort_with_all_cohorts_attached():
    a, b, c = (Cohort(x, f"disease {x}", x, ConditionIs((x,))) for x in "abc")
    of = trial(cohorts=(a, b, c))
    cohorts = [
        assessed(PROTEIN_MET, MISSING, of=of, cohort=a),
        assessed(PROTEIN_MET, of=of, cohort=b, status="candidate"),
        assessed(status="excluded", of=of, cohort=c),
    ]
    (card,) = compose(answer(*cohorts))
    assert "disease b" in card.summary
    assert [x.cohort.id for x in card.assessments] == ["a", "b", "c"]
    muted = assessed(EGFR_MET, of=of, cohort=b)  # fewer unknown, but nothing pivotal
    (card,) = compose(answer(cohorts[0], muted))
    assert "disease a" in card.summary


# --- suggestions, links, source ---------------------------------------------------------------


def test_orders_follow_the_missing_list_one_a_test_then_the_referral():
    card = one(*THREE_MISSING, unknown(criterion("lvef", lab("lvef", "ge", 55, "%"), short="LVEF"), concepts=("lvef",)))
    assert [s.label for s in card.suggestions] == [
        "Draft order: CD19 cells by flow cytometry",
        "Draft order: Coagulation panel",
        "Draft order: Blood count",
        "Draft referral to the trial coordinator",
    ]
    assert card.suggestions[0].draft.coding == ORDERS["cd19_b_cells"]
    assert [s.draft.kind for s in card.suggestions] == ["order", "order", "order", "referral"]
    assert card.suggestions[-1].draft.url == card.links[-1].url
    assert "NCT06469190" in card.suggestions[-1].draft.text


def test_of_two_tests_that_would_each_do_one_is_ordered_under_our_short_name():
    share = Coding("http://loinc.org", "8117-8", "CD19 cells/100 cells in Blood")
    either = replace(
        CD19, needs=AnyOf((ObservationIs(("cd19_b_cells", "cd19_share"), result="detected"), Doubt(lab("cd19_share"), "needs-judgement")))
    )
    outcome = unknown(either, concepts=("cd19_b_cells", "cd19_share"))
    (card,) = compose(answer(assessed(PROTEIN_MET, outcome)), 3, "", {**ORDERS, "cd19_share": share}, {"cd19_b_cells": "CD19 B cells"})
    assert [s.label for s in card.suggestions] == ["Draft order: CD19 B cells", "Draft referral to the trial coordinator"]


def test_nothing_is_ordered_for_a_concept_without_a_test_or_for_a_point_of_judgement():
    card = one(PROTEIN_MET, unknown(criterion("s", lab("score", "ge", 1), short="SLEDAI-2K"), concepts=("sledai_2k",)))
    assert [s.label for s in card.suggestions] == ["Draft referral to the trial coordinator"]
    doubt = unknown(CD19, "needs-judgement", seen("0 /µL"), concepts=("cd19_b_cells",))
    assert [s.label for s in one(PROTEIN_MET, doubt).suggestions] == ["Draft referral to the trial coordinator"]


def test_links_source_and_topic():
    (card,) = compose(answer(assessed(PROTEIN_MET, MISSING)), 3, "https://sidebar.example/launch")
    assert [(link.label, link.url, link.kind) for link in card.links] == [
        ("See every criterion", "https://sidebar.example/launch", "smart"),
        ("Registry record", "https://clinicaltrials.gov/study/NCT06469190", "absolute"),
    ]
    assert (card.source_label, card.source_url) == ("ClinicalTrials.gov", "https://clinicaltrials.gov")
    assert card.topic == "trial-nct06469190"
    assert [link.label for link in one(PROTEIN_MET, MISSING).links] == ["Registry record"]


def test_nothing_of_a_record_is_kept_between_patients(monkeypatch):
    kept = []
    monkeypatch.setattr(DETAIL, "INK", DETAIL.INK._replace(own=lambda words: kept.append(words) or escape(words)))
    mark = "Wanda"
    odd = seen(f"52 {mark}/L", note=f"upper limit 7 {mark}/L", concept="alt")
    outcomes = [met(o, odd, odd._replace(used=False, date="2026-01-01")) for o in (PROTEIN, EGFR, lft(), CLOTTING, KIDNEY_AND_LIVER)]
    outcomes.append(met(THERAPY, seen(f"{mark} tablets", ref="MedicationRequest/1", note=mark), seen(mark, mark, "Condition/1")))
    outcomes += [unknown(lft(), why, odd, concepts=("alt",)) for why in REASONS]
    outcomes += [unknown(replace(lft(), short=f"test {why}"), why, odd, concepts=("alt",)) for why in REASONS]
    said = "".join(one(*outcomes, status=status).detail for status in ("possible", "candidate"))
    assert mark in said
    assert kept and not [words for words in kept if mark in words]


# --- Markdown ---------------------------------------------------------------------------------

NASTY = [
    "age <eighteen>",
    "<img src=x onerror=alert(1)>",
    "~x~ and ~~y~~",
    "*a* **b** _c_ __d__",
    "a|b",
    "[link](http://evil.example) ![i](x)",
    "`code` ``more``",
    "back\\slash \\*",
    "# heading",
    "> quote",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "=== under",
    "&lt;b&gt; &amp; &#60; A & B",
    "<!-- comment -->",
    "line\nbreak\r\n\r\n# next",
    "<https://auto.example>",
    "[^1] [x]: y",
    "***",
    "tail \\",
    "1",
    "9_000_x",
]


def as_read(text):
    return re.sub(r"\s+", " ", text.replace("\u2060", "")).strip()


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("frame", ["{}", "- {}: no result on record", "see {} here"])
def test_markdown_shows_record_text_as_it_stands(text, frame):
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    kinds, shown = set(), ""
    for token in parser.parse(frame.format(escape(text))):
        kinds.add(token.type)
        for child in token.children or ():
            kinds.add(child.type)
            shown += child.content
    wrappers = {f"{block}_{end}" for block in ("paragraph", "bullet_list", "list_item") for end in ("open", "close")}
    assert kinds <= {"inline", "text", "text_special", *wrappers}
    assert as_read(shown) == as_read(frame.format(text).removeprefix("- " if frame.startswith("- ") else ""))
    assert ("bullet_list_open" in kinds) is frame.startswith("- ")


@pytest.mark.parametrize("text", NASTY)
def test_a_bold_value_stays_bold_and_literal(text):
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    (inline,) = [t for t in parser.parse(f"eGFR {strong(text)}\u00a0mL") if t.type == "inline"]
    inner = [child.type for child in inline.children]
    assert inner.count("strong_open") == 1
    assert set(inner) <= {"text", "text_special", "strong_open", "strong_close"}


@pytest.mark.parametrize("text", NASTY)
def test_no_mark_is_left_unescaped(text):
    escaped = escape(text)
    assert "<" not in escaped and "\n" not in escaped
    assert not re.search(r"(?<!\\)(?:\\\\)*[*_~|\[\]`]", escaped.replace("\\\\", ""))
    assert not re.match(r"[#>+=-]", escaped)


@pytest.mark.parametrize("text", ["see http://evil.example/x", "www.evil.example", "a@evil.example"])
def test_an_address_in_a_record_does_not_become_a_link(text):
    assert not re.search(r"https?://\w|www\.\w|\w@\w", escape(text))


def test_control_and_direction_marks_are_dropped():
    assert escape("a\x1b[31mb\u202ec\u200bd") == "a \\[31mbcd"


def test_whatever_a_record_says_the_card_keeps_its_form():
    for text in NASTY:
        hostile = criterion("h", lab("x", "ge", 5, "g"), short=text, label=text, pivotal=True)
        doubt = criterion("d", ConditionIs(("x",)), short=f"{text} d", topic=text)
        detail = one(
            met(hostile, seen(text)),
            unknown(replace(hostile, id="u", pivotal=False), "comparator", seen(text), concepts=("x",)),
            unknown(doubt, "needs-judgement", seen(text, ref="Condition/c"), concepts=()),
            manual(replace(CONSENT, short=text)),
            of=trial(intervention=text, sites=(Site(text, text, text),), product=text),
        ).detail
        lines = [line for line in detail.split("\n") if line.strip()]
        assert len(lines) <= 12
        assert "<" not in detail
        assert [line for line in lines if not line.startswith(("- ", "**", "*Record read"))] == []


def test_a_very_long_value_is_cut_between_words():
    value = "a rambling comment that a laboratory has put where a value should stand " * 5
    line = fact(met(replace(PROTEIN, short="Protein"), seen(value)))
    assert len(line) < 140 and " …" in line
