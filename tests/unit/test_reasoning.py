"""One cohort's reasoning as a tree: the words, the text, the page. Facts and criteria by hand; the page also in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from zlib import crc32

import pytest
from spec.language import AS_OF, Given, above, at_least, at_most, below, days, diagnosis, done, drug, facts_of, lab, months, unread
from spec.trial_state import MN, ONE, trial_of
from spec.vocabulary import VOCABULARY

from cds_service import explain
from cds_service.evaluate import compile_rules
from cds_service.model.facts import Facts, later
from cds_service.model.outcomes import Answer
from cds_service.model.predicates import (
    All,
    Any,
    AtLeast,
    ConditionIs,
    Doubt,
    EventIs,
    Manual,
    Not,
    ObservationIs,
    Predicate,
    Response,
    Sex,
    Therapy,
    Unless,
    When,
)
from cds_service.model.trials import Cohort, Criterion, Interpretation
from cds_service.reasoning import Sheet, as_html, as_text, sheet

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
NASTY = "<img src=x onerror=alert(1)>&\"'{{ 7*7 }}\u202e\x1b[31m"
EGFR = ObservationIs(("egfr",), at_least(30.0), "mL/min/{1.73_m2}")
ALT = ObservationIs(("alt",), at_most(3.0), times=True)
HBSAG = ObservationIs(("hbsag",), result="positive")
NAMES = {c.id: c.name for c in VOCABULARY.concepts.values()} | {k.id: k.name for k in VOCABULARY.classes.values()}
READING = Interpretation("ninety is normal", "no number is given", (), False, "unreviewed")


def told(concept: str, number: float, **fields: str) -> Given:
    """A result in words of somebody's own."""
    given = lab(concept, number)
    return given._replace(facts=tuple(row._replace(**fields) for row in given.facts))


def criterion(predicate: Predicate, kind: str = "inclusion", label: str = "A criterion", **more: object) -> Criterion:
    return Criterion(f"{kind[:3]}-{crc32(repr((predicate, label)).encode())}", kind, f"{kind.capitalize()} 1", label, predicate, **more)


def made(criteria: Sequence[Criterion], given: Sequence[Given] = (), cohort: Cohort = ONE, facts: Facts | None = None) -> Sheet:
    trial = trial_of([cohort], *criteria)
    evaluator = compile_rules([trial], VOCABULARY)
    facts = facts or facts_of([diagnosis(MN, onset="2024-01-15"), *given])
    (assessment,) = evaluator.assess(facts)
    assessment = explain.with_deciders(assessment, facts, evaluator.reasoning, VOCABULARY)
    assessment = explain.with_look_again(assessment, facts, lambda day: later(facts, day), evaluator.outcome_on, evaluator.reasoning, VOCABULARY)
    answer = Answer(AS_OF, "Patient/p1", (assessment,), tuple(sorted(facts.incomplete.items())))
    return sheet(answer, assessment, lambda c: evaluator.reasoning(c, facts), NAMES)


def text(criteria: Sequence[Criterion], given: Sequence[Given] = ()) -> str:
    return as_text(made(criteria, given))


# --- text -------------------------------------------------------------------------------------


def test_the_whole_text_of_a_small_trial() -> None:
    criteria = [
        criterion(EGFR, label="eGFR at least 30"),
        criterion(Any((HBSAG, ConditionIs(("cancer",)))), "exclusion", "No hepatitis B, no cancer"),
        criterion(Manual("Ask for consent."), label="Consent"),
    ]
    assert text(criteria, [lab("egfr", 52)]) == (
        "NCT00000000/mn  CAR-T for membranous nephropathy\n"
        "Recruiting.\n"
        "Patient/p1 as of 1 Nov 2026: possible\n"
        "1 met on record · 1 unknown · 1 for the investigator\n"
        "\n"
        "What would decide it\n"
        "  - HBsAg (blood): decides it, whatever it shows\n"
        "\n"
        "When to look again\n"
        "  - 17 Apr 2027: eGFR at least 30 (too old from then on, unless repeated)\n"
        "\n"
        "Unknown (1)\n"
        "  No hepatitis B, no cancer [Exclusion 1]: no result on record\n"
        "    [unknown] Rules out: any of these\n"
        "      [unknown] HBsAg positive (no result on record)\n"
        "      [no] cancer, active (nothing on record)\n"
        "\n"
        "Needs a person (1)\n"
        "  Consent [Inclusion 1]: Ask for consent.\n"
        "    [for a person] Needs: Ask for consent.\n"
        "\n"
        "Met (1)\n"
        "  eGFR at least 30 [Inclusion 1]: 52 mL/min/1.73 m² on 18 Oct 2026\n"
        "    [yes] Needs: eGFR ≥ 30 mL/min/1.73 m²\n"
        "      = 52 mL/min/1.73 m² on 18 Oct 2026 [Observation/2]\n"
    )


@pytest.mark.parametrize(
    ("predicate", "said"),
    [
        (All((EGFR, HBSAG)), "Needs: all of these"),
        (Any((EGFR, HBSAG)), "Needs: any of these"),
        (AtLeast(2, (EGFR, HBSAG, ALT)), "Needs: at least 2 of these"),
        (Not(HBSAG), "Needs: not this"),
        (Doubt(EGFR, "needs-judgement"), "Needs: where this holds, a person has to judge"),
        (Doubt(EGFR, "ambiguous-record"), "Needs: where this holds, the trial record can be read two ways"),
        (When(Sex("female"), EGFR), "[yes] whom: female"),
        (When(Sex("female"), EGFR), "[unknown] what: eGFR ≥ 30"),
        (Unless(EGFR, HBSAG), "Needs: with an exception"),
        (Unless(EGFR, HBSAG), "[unknown] exception: HBsAg positive"),
        (Unless(EGFR, HBSAG, "unknown"), "Needs: with an exception that leaves it open"),
        (Response(Therapy(("glucocorticoid",), duration=months(6)), EGFR), "Needs: after glucocorticoid for at least 6 months: eGFR ≥ 30"),
        (EventIs(("kidney_biopsy",), within=days(90)), "Needs: kidney biopsy within the last 90 days"),
    ],
)
def test_each_kind_of_question_is_headed_in_words(predicate: Predicate, said: str) -> None:
    from cds_service.model.facts import Patient

    facts = replace(facts_of([diagnosis(MN, onset="2024-01-15")]), patient=Patient("Patient/p1", AS_OF - 15_000, AS_OF - 15_000, "female"))
    assert said in as_text(made([criterion(predicate)], facts=facts))


def test_no_record_unknown_and_manual_are_counted_apart() -> None:
    criteria = [
        criterion(EGFR),
        criterion(HBSAG, "exclusion"),
        criterion(ConditionIs(("cancer",)), "exclusion"),
        criterion(Manual("Ask."), label="Consent"),
        criterion(When(Sex("female"), EGFR), label="For women"),
        criterion(ObservationIs(("lvef",), below(50.0)), "exclusion", "Heart"),
    ]
    from cds_service.model.facts import Patient

    given = [diagnosis(MN, onset="2024-01-15"), lab("egfr", 52), lab("lvef", 40)]
    facts = replace(facts_of(given), patient=Patient("Patient/p1", AS_OF - 15_000, AS_OF - 15_000, "male"))
    assert made(criteria, facts=facts).counts == (
        "1 met on record · 1 with no record of the excluded condition · 1 not met · 1 unknown · 1 for the investigator · 1 does not apply"
    )


def test_a_near_miss_is_told_with_its_limit_and_the_value_before() -> None:
    near = text([criterion(EGFR)], [lab("egfr", 32), lab("egfr", 40, "2026-04-02")])
    assert "close to its limit: 32 mL/min/1.73 m² on 18 Oct 2026; limit at least 30 mL/min/1.73 m²; was 40" in " ".join(near.split())
    assert "2 Apr 2026" in near
    assert "close to its limit" not in text([criterion(EGFR)], [lab("egfr", 52)])
    assert "close to its limit: 3.2 × upper limit on 2 Nov 2025; limit at most 3 × upper limit" in " ".join(
        text([criterion(replace(ALT, fresh=False))], [lab("alt", 128, "2025-11-02", upper=40.0)]).split()
    )


def test_two_values_of_one_day_that_disagree_are_both_shown() -> None:
    said = text([criterion(EGFR)], [lab("egfr", 25), lab("egfr", 35)])
    assert "A criterion [Inclusion 1]: results disagree" in said
    assert "= 25 mL/min/1.73 m²" in said and "= 35 mL/min/1.73 m²" in said


def test_a_computed_value_stands_beside_a_reported_one() -> None:
    said = text([criterion(EGFR)], [lab("egfr", 52), lab("egfr", 48, computed=True)])
    assert "A criterion [Inclusion 1]: 52 mL/min/1.73 m² on 18 Oct 2026\n" in said
    assert "= 48 mL/min/1.73 m² on 18 Oct 2026 [Observation/3] (computed, beside a reported value)" in said


def test_how_an_unclear_record_was_read_is_told_with_its_review() -> None:
    assert "how this was read: ninety is normal Why: no number is given Review: unreviewed." in text([criterion(EGFR, interpretation=READING)])


def test_what_was_not_read_is_said_before_everything_else() -> None:
    facts = facts_of([diagnosis(MN, onset="2024-01-15"), unread("results-kidney")])
    said = as_text(made([criterion(EGFR)], facts=facts))
    assert said.index("Check incomplete: results kidney: the list did not load") < said.index("Unknown (1)")


def test_days_are_grouped_and_what_changes_by_itself_comes_first() -> None:
    criteria = [
        criterion(EGFR, short="eGFR"),
        criterion(ObservationIs(("spo2",), at_least(92.0)), short="saturation"),
        criterion(EventIs(("vaccine_live",), within=days(28), absent="no"), "exclusion", short="live vaccine"),
        criterion(EventIs(("surgery",), within=days(450), absent="no"), "exclusion", short="surgery"),
    ]
    given = [lab("egfr", 52), lab("spo2", 97), done("vaccine_live", "2026-10-20"), done("surgery", "2026-10-30")]
    assert list(made(criteria, given).look_again) == [
        "18 Nov 2026: live vaccine (no longer rules the patient out)".replace(" Nov ", "\u00a0Nov\u00a0"),
        "17 Apr 2027: eGFR; saturation (too old from then on, unless repeated)".replace(" Apr ", "\u00a0Apr\u00a0"),
        "24 Jan 2028: surgery (no longer rules the patient out)".replace(" Jan ", "\u00a0Jan\u00a0"),
    ]


def test_a_reached_duration_and_a_stale_hcg_are_worded_as_outcomes() -> None:
    steroid = criterion(Therapy(("glucocorticoid",), duration=months(6)), short="steroids")
    hcg = criterion(ObservationIs(("hcg",), result="positive", absent="manual", ask="Arrange hCG."), "exclusion", short="hCG")
    lines = made([steroid, hcg], [drug("prednisone", "2026-08-31", ongoing=True), lab("hcg", "negative")]).look_again
    assert [line.split(": ", 1)[1] for line in lines] == [
        "steroids (unknown now, met from then on)",
        "hCG (met now, for the investigator from then on)",
    ]


def test_many_facts_are_shortened_and_the_same_facts_are_one_line() -> None:
    names = ("egfr", "lvef", "hbsag", "upcr", "alt", "spo2", "hba1c", "bnp")
    predicates = [ObservationIs((name,), above(1.0)) if name != "hbsag" else Not(HBSAG) for name in names]
    decides = made([criterion(All(tuple(predicates)))]).decides
    assert decides[-1] == "ALT, BNP, eGFR, HbA1c, HBsAg and 3 more (blood): decides it, whatever it shows"
    (both,) = made([criterion(Response(Therapy(("glucocorticoid",), duration=months(6)), EGFR))]).decides
    assert both == "eGFR and glucocorticoid (blood): can rule the trial out or leaves nothing open where all of it fits"


def test_lines_keep_to_100_columns_and_no_control_code_reaches_the_terminal() -> None:
    deep: Predicate = EGFR
    for _ in range(40):
        deep = Any((deep, HBSAG))
    said = text([criterion(deep, label="long words " * 30)], [told("egfr", 52, value=NASTY + "y" * 300)])
    assert max(len(line) for line in said.splitlines()) <= 100
    assert "\x1b" not in said and "\u202e" not in said and "\u00a0" not in said


# --- page -------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "tags close in order"

    def handle_data(self, data: str) -> None:
        self.text += data


def nasty() -> Sheet:
    """Hostile words everywhere a word can come from."""
    cohort = Cohort("mn", f"disease {NASTY}", "MN", ConditionIs((MN,), status="gate"))
    criteria = [
        criterion(EGFR, label=f"label {NASTY}", interpretation=replace(READING, reading=f"reading {NASTY}")),
        criterion(ConditionIs(("cancer",)), "exclusion", "cancer"),
        criterion(Manual(f"ask {NASTY}"), label="Consent"),
        criterion(HBSAG, "exclusion", f"open {NASTY}"),
    ]
    (cancer,) = facts_of([diagnosis("cancer", "active", "2026-01-01")]).conditions["cancer"]
    facts = facts_of([diagnosis(MN, onset="2024-01-15"), told("egfr", 32, value=f"value {NASTY}", note=f"note {NASTY}")])
    hostile = cancer._replace(value=f"condition {NASTY}", reference=f"Condition/{NASTY}")
    return made(criteria, cohort=cohort, facts=replace(facts, conditions={**facts.conditions, "cancer": [hostile]}))


def test_everything_is_escaped_and_no_word_becomes_a_tag() -> None:
    html = as_html(nasty())
    page = Page(html)
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "span", "main", "section", "ol", "ul", "li", "details",
        "summary", "strong", "footer",
    }  # fmt: skip
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    for origin in ("disease", "label", "reading", "ask", "open", "value", "note", "condition"):
        assert f"{origin} <img src=x onerror=alert(1)>" in page.text, origin
    assert "49" not in page.text, "nothing from a record is a template"


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    html = as_html(nasty())
    assert not re.search(r"https?://|//[a-z]|url\(|@import|<script|<link|<iframe|src=(?!x onerror)", html.replace("&lt;img src=x", ""))
    policy = next(a["content"] for tag, a in Page(html).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_what_is_open_is_open_on_the_page_and_the_rest_is_folded() -> None:
    criteria = [criterion(EGFR), criterion(HBSAG, "exclusion"), criterion(Manual("Ask."), label="Consent")]
    page = Page(as_html(made(criteria, [lab("egfr", 52)])))
    assert ["open" in a for tag, a in page.tags if tag == "details"] == [True, False, False]
    for words in ("What would decide it", "When to look again", "Unknown (1)", "Needs a person (1)", "Met (1)"):
        assert words in page.text
    assert "Questions" not in page.text and "Not met" not in page.text


def test_a_question_has_its_place_on_the_page() -> None:
    page = Page(as_html(made([criterion(Doubt(ConditionIs((MN,)), "needs-judgement"), short="severity")])))
    assert "Questions that no result settles" in page.text and "A criterion: Judge: severity." in page.text


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [320, 900])
def test_in_a_browser_nothing_scrolls_sideways_and_nothing_is_loaded(width: int, tmp_path: Path) -> None:
    """The page has no script of its own, so a frame of the wanted width around it measures it."""
    deep: Predicate = EGFR
    for _ in range(8):
        deep = Any((deep, All((HBSAG, EGFR))))
    inner = as_html(made([criterion(deep, label="deep"), criterion(Not(HBSAG), label="x" * 200)], [told("egfr", 32, value="y" * 200)]))
    inner = inner.replace("<details>", "<details open>")
    measure = (
        f"<!doctype html><body><iframe id=f style='width:{width}px;height:600px;border:0'></iframe><pre id=said></pre><script>"
        f"const f = document.getElementById('f'); f.onload = () => {{ const d = f.contentDocument.documentElement;"
        "document.getElementById('said').textContent = JSON.stringify({need: d.scrollWidth, have: d.clientWidth,"
        "loaded: f.contentWindow.performance.getEntriesByType('resource').length, items: f.contentDocument.querySelectorAll('details').length}); };"
        f"f.srcdoc = {json.dumps(inner).replace('</', '<' + chr(92) + '/')};</script>"
    )
    (tmp_path / "measure.html").write_text(measure, encoding="utf-8")
    ran = subprocess.run(  # noqa: S603 -- our own page
        [
            str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom",
            (tmp_path / "measure.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(re.search(r'<pre id="said">(.*?)</pre>', ran.stdout).group(1))
    assert found == {"need": found["have"], "have": found["have"], "loaded": 0, "items": 2} and found["have"] <= width


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_opens_the_file_itself_and_no_hostile_word_becomes_an_image(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(as_html(nasty()), encoding="utf-8")
    ran = subprocess.run(  # noqa: S603 -- our own page
        [
            str(CHROMIUM), *FLAGS, "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
            (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "<h1>CAR-T for disease &lt;img" in ran.stdout and "<img" not in ran.stdout
    assert "CONSOLE" not in ran.stderr, "no policy was violated and nothing failed to load"


def test_a_near_miss_by_an_upper_limit_of_the_site_is_told_too() -> None:
    site = replace(VOCABULARY, upper_limits={"alt": 40.0})
    evaluator = compile_rules([trial_of([ONE], criterion(ALT))], site)
    (assessment,) = evaluator.assess(facts_of([diagnosis(MN, onset="2024-01-15"), lab("alt", 118)]))
    finding = assessment.outcomes[0].finding
    assert finding.basis == "assumed" and finding.near is not None
    assert finding.near[:2] == ("2.95 × upper limit on 2026-10-18", "at most 3 × upper limit")
