"""Feedback and what follows from it, over HTTP with the real rules: kept, refused, muted, repeated, silent; and a store in trouble."""

import copy
import json
import sqlite3
from datetime import date, timedelta
from pathlib import Path

import callers
import pytest
from faults import trouble
from jsonschema import Draft202012Validator

from cds_service import pipeline, wire
from cds_service.app import create_app
from cds_service.config import Settings
from cds_service.store import open_store
from cds_service.web import feedback as feedback_page
from cds_service.web import memory
from cds_service.web.hooks import STATUSES

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "/cds-services/cell-therapy-trials"
FEEDBACK = f"{SERVICE}/feedback"
DAY = date(2026, 11, 1)
INSTANCE = "3f2b8c1e-5d4a-4c6b-9e7f-0a1b2c3d4e5f"
STAMP = "2026-11-01T09:30:00Z"
STRANGE = "00000000-0000-4000-8000-000000000000"
ANSWER = Draft202012Validator(json.loads((Path(wire.__file__).parent / "schemas" / "feedback.json").read_text()))
BOTH = ["NCT06469190", "NCT07266181"]  # of the fixture two-trials, best first


@pytest.fixture(scope="module")
def rules():
    return pipeline.load_rules(Settings.from_environment({}))


class Desk:
    """The service with a store of its own, a clock that the test turns, and one patient with two trials."""

    def __init__(self, rules, folder, monkeypatch, **environ):
        self.rules, self.path = rules, folder / "store.sqlite3"
        self.settings = Settings.from_environment({"CDS_DATABASE_URL": f"sqlite:///{self.path}", **environ})
        self.store, _ = open_store(self.settings)
        self.day = DAY
        monkeypatch.setattr(memory, "now", self.now)
        monkeypatch.setattr(feedback_page, "now", self.now)
        self.client = create_app(rules, self.settings, today=lambda: self.day, store=self.store).test_client()
        bundle = json.loads((ROOT / "fixtures" / "two-trials.json").read_text())
        self.resources = [e["resource"] for e in bundle["entry"]]

    def now(self):
        return (self.day - date(1970, 1, 1)).days * 86400

    def pass_days(self, days):
        self.day += timedelta(days=days)

    def prefetch(self):
        return trouble.prefetch(self.rules.templates, self.resources)

    def call(self, user="Practitioner/one", **members):
        prefetch = members.pop("prefetch", None) or self.prefetch()
        context = {"userId": user, "patientId": "two-trials"}
        asked = {"hook": "patient-view", "hookInstance": INSTANCE, "context": context, "prefetch": prefetch, **members}
        answer = self.client.post(SERVICE, json=asked)
        assert answer.status_code == 200, answer.json
        return answer.json["cards"]

    def trials(self, **members):
        return [card["source"]["topic"]["code"] for card in self.call(**members)]

    def say(self, *entries):
        return self.client.post(FEEDBACK, json={"feedback": list(entries)})

    def dismiss(self, trial, code="not-suitable"):
        (card,) = [c["uuid"] for c in self.call() if c["source"]["topic"]["code"] == trial]
        assert self.say(overridden(card, code)).status_code == 200

    def rows(self, sql):
        self.store.flush()
        with sqlite3.connect(self.path) as connection:
            found = connection.execute(sql).fetchall()
        connection.close()
        return found

    def tallies(self):
        self.store.flush()
        return {f"{t.trial}/{t.cohort}": t for t in self.store.report()[0]}


@pytest.fixture
def desks(rules, tmp_path, monkeypatch):
    made = []

    def make(**environ):
        made.append(Desk(rules, tmp_path, monkeypatch, **environ))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


@pytest.fixture
def desk(desks):
    return desks()


def overridden(card, code="not-suitable", stamp=STAMP, **members):
    reason = {"overrideReason": {"reason": {"system": "urn:cds-service:override-reasons", "code": code}}} if code else {}
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": stamp, **reason, **members}


def accepted(card, stamp=STAMP, **members):
    return {"card": card, "outcome": "accepted", "outcomeTimestamp": stamp, "acceptedSuggestions": [{"id": STRANGE}], **members}


# --- what is kept --------------------------------------------------------------------------------


def test_accepted_and_overridden_are_kept_several_at_once(desk):
    first, second = [card["uuid"] for card in desk.call()]
    answer = desk.say(accepted(first), overridden(second, "patient-declines"))
    assert (answer.status_code, answer.json["issue"][0]["diagnostics"]) == (200, "Kept: 2.")
    ANSWER.validate(answer.json)
    tallies = desk.tallies()
    assert [(t.accepted, t.overridden, t.ignored) for t in tallies.values()] == [(1, (), 0), (0, (("patient-declines", 1),), 0)]


def test_a_repeat_changes_nothing(desk):
    card = desk.call()[0]["uuid"]
    same = ["2026-11-01T09:30:00Z", "2026-11-01T10:30:00.000+01:00", "2026-11-01t09:30:00z"]
    assert [desk.say(overridden(card, stamp=s)).status_code for s in same] == [200, 200, 200]
    assert desk.say(overridden(card.upper()), overridden(card)).status_code == 200
    assert desk.rows("select count(*) from feedback") == [(1,)]


def test_another_time_or_outcome_is_another_entry(desk):
    card = desk.call()[0]["uuid"]
    desk.say(overridden(card), overridden(card, stamp="2026-11-01T09:30:00.001Z"), accepted(card))
    assert desk.rows("select count(*) from feedback") == [(3,)]
    assert [t.accepted for t in desk.tallies().values()] == [1, 0]


@pytest.mark.parametrize("name", ["overrideReason", "overrideReasons"])
@pytest.mark.parametrize("shape", [lambda one: one, lambda one: [one]])
def test_the_reason_is_read_as_the_standard_and_as_epic_spell_it(desk, name, shape):
    card = desk.call()[0]["uuid"]
    reason = {"reason": {"code": "in-another-trial"}, "userComment": "Mrs Ann is in the other one"}
    assert desk.say(overridden(card, "", **{name: shape(reason)})).status_code == 200
    assert desk.rows("select reason, comment from feedback") == [("in-another-trial", 1)]


def test_a_dismissal_without_a_reason_is_kept(desk):
    assert desk.say(overridden(desk.call()[0]["uuid"], "")).status_code == 200
    assert desk.rows("select outcome, reason, comment from feedback") == [("overridden", "", 0)]


def test_an_unknown_card_is_kept_and_counted_apart(desk):
    assert desk.say(overridden(STRANGE)).status_code == 200
    assert desk.store.report() == ((), 1)


def test_feedback_that_comes_before_the_cards_own_row_is_about_that_card(desk, monkeypatch):
    waiting = []
    monkeypatch.setattr(desk.store, "serve", waiting.append)
    card = desk.call()[0]["uuid"]
    assert desk.say(overridden(card)).status_code == 200
    monkeypatch.undo()
    desk.store.serve(waiting[0])
    assert desk.tallies()["NCT06469190/pmn"].overridden == (("not-suitable", 1),)
    assert desk.store.report()[1] == 0


# --- what is refused -----------------------------------------------------------------------------

BAD = [
    ("x", "must be a JSON object."),
    ({}, "card must be the uuid of a card."),
    ({"card": "Mrs Ann"}, "card must be the uuid of a card."),
    (overridden(7), "card must be the uuid of a card."),
    (overridden(STRANGE) | {"outcome": "ignored"}, "outcome must be accepted or overridden."),
    (overridden(STRANGE) | {"outcome": ["accepted"]}, "outcome must be accepted or overridden."),
    (overridden(STRANGE, stamp="yesterday"), "outcomeTimestamp must be a time like 2026-11-01T09:30:00Z."),
    (overridden(STRANGE, stamp="2026-02-30T09:30:00Z"), "outcomeTimestamp must be a time like 2026-11-01T09:30:00Z."),
    (overridden(STRANGE, stamp="2026-11-01T09:30:00"), "outcomeTimestamp must be a time like 2026-11-01T09:30:00Z."),
    (overridden(STRANGE, stamp="2026-11-01T09:30:00+99:00"), "outcomeTimestamp must be a time like 2026-11-01T09:30:00Z."),
    (overridden(STRANGE, stamp="0001-01-01T00:00:00+23:00"), "outcomeTimestamp must be a time like 2026-11-01T09:30:00Z."),
    (overridden(STRANGE, stamp=None), "outcomeTimestamp must be a time like 2026-11-01T09:30:00Z."),
    (accepted(STRANGE) | {"acceptedSuggestions": []}, "acceptedSuggestions must be a list of objects with the id of a suggestion"),
    (accepted(STRANGE) | {"acceptedSuggestions": [{}]}, "acceptedSuggestions must be a list of objects with the id of a suggestion"),
    (accepted(STRANGE) | {"acceptedSuggestions": None}, "acceptedSuggestions must be a list of objects with the id of a suggestion"),
    (overridden(STRANGE, overrideReason="Mrs Ann"), "overrideReason must be a JSON object."),
    (overridden(STRANGE, "", overrideReasons=["Mrs Ann"]), "overrideReasons must be a JSON object."),
    (overridden(STRANGE, "Mrs Ann"), "the override reason must be a Coding with a code"),
    (overridden(STRANGE, "x" * 65), "the override reason must be a Coding with a code"),
    (overridden(STRANGE, overrideReason={"reason": "Mrs Ann"}), "the override reason must be a Coding with a code"),
]


@pytest.mark.parametrize(("entry", "why"), BAD, ids=range(len(BAD)))
def test_a_bad_entry_is_refused_with_its_place_and_reason_and_the_good_ones_are_kept(desk, entry, why, capsys):
    answer = desk.say(accepted(STRANGE), entry, accepted(STRANGE, stamp="2026-11-02T09:30:00Z"))
    assert answer.status_code == 200
    ANSWER.validate(answer.json)
    kept, refused = answer.json["issue"]
    assert kept["diagnostics"] == "Kept: 2."
    assert (refused["severity"], refused["expression"]) == ("error", ["feedback[1]"])
    assert refused["diagnostics"].startswith(f"feedback[1]: {why}")
    assert desk.rows("select count(*) from feedback") == [(2,)]
    assert "Ann" not in answer.get_data(as_text=True) + capsys.readouterr().err


def test_where_nothing_can_be_kept_the_request_is_refused(desk):
    answer = desk.say({}, {})
    assert (answer.status_code, [i["expression"] for i in answer.json["issue"]]) == (400, [["feedback[0]"], ["feedback[1]"]])


@pytest.mark.parametrize("body", [[], {}, {"feedback": []}, {"feedback": {}}, {"feedback": None}, "x", None, {"feedback": [{}] * 1001}])
def test_a_body_without_a_list_of_entries_is_400(desk, body):
    answer = desk.client.post(FEEDBACK, json=body)
    assert answer.status_code == 400
    ANSWER.validate(answer.json)


def test_comments_ids_and_names_are_kept_nowhere(desk, capsys):
    card = desk.call(fhirServer="https://ehr.example/fhir")[0]["uuid"]
    spoken = "Mrs Ann, born 1980"
    reason = {"reason": {"code": "not-suitable", "display": spoken}, "userComment": spoken}
    desk.say(overridden(card, "", overrideReason=reason, userComment=spoken))
    desk.store.close()
    kept = b"".join(path.read_bytes() for path in desk.path.parent.iterdir())
    values = {str(r["valueQuantity"]["value"]) for r in desk.resources if "valueQuantity" in r and "." in str(r["valueQuantity"]["value"])}
    references = {f"{r['resourceType']}/{r['id']}" for r in desk.resources}
    for text in {"Ann", "1980", "two-trials", "Practitioner/one", "ehr.example"} | values | references:
        assert text.encode() not in kept, text
    assert "Ann" not in capsys.readouterr().err


# --- mutes ---------------------------------------------------------------------------------------


def test_a_dismissed_trial_is_silent_for_the_patient_and_the_other_is_not(desk):
    assert desk.trials() == BOTH
    desk.dismiss(BOTH[0])
    assert desk.trials() == BOTH[1:]
    assert desk.trials(user="Practitioner/two") == BOTH[1:]
    assert [row[0] for row in desk.rows("select distinct shown from served order by 1")] == ["muted", "shown"]


def test_a_muted_trial_takes_nobodys_place(desks):
    desk = desks(CDS_MAX_CARDS="1")
    assert desk.trials() == BOTH[:1]
    desk.dismiss(BOTH[0])
    assert desk.trials() == BOTH[1:]


def test_nothing_left_is_an_empty_list(desk):
    for trial in BOTH:
        desk.dismiss(trial)
    assert desk.trials() == []


def newer(desk, identity, **members):
    """The newest result of a kind, once more on the last day of the record."""
    (newest,) = [r for r in desk.resources if r["id"] == f"two-trials-{identity}"]
    desk.resources.append(copy.deepcopy(newest) | {"id": f"two-trials-{identity}-new", "effectiveDateTime": "2026-10-30"} | members)


def test_it_speaks_again_when_its_pivotal_data_change(desk):
    desk.dismiss(BOTH[0])
    newer(desk, "protein24h-20261020")
    assert desk.trials() == BOTH


def test_it_speaks_again_when_a_pivotal_value_is_corrected(desk):
    desk.dismiss(BOTH[0])
    (newest,) = [r for r in desk.resources if r["id"] == "two-trials-protein24h-20261020"]
    newest["valueQuantity"]["value"] = 7.7
    assert desk.trials() == BOTH


@pytest.mark.parametrize("identity", ["alt-20261018", "egfr-20261018", "bp-20261028", "neutrophils-20261018", "hbsag-20260922"])
def test_one_more_result_for_what_was_known_is_no_news(desk, identity):
    """Else a dismissed card would be back with the next blood count."""
    desk.dismiss(BOTH[0])
    newer(desk, identity)
    assert BOTH[0] not in desk.trials()


def test_a_first_result_for_what_was_missing_is_news(desk):
    missing = [r for r in desk.resources if r["id"] == "two-trials-lvef-20260803"]
    desk.resources = [r for r in desk.resources if r not in missing]
    desk.dismiss(BOTH[0])
    assert BOTH[0] not in desk.trials()
    desk.resources += missing
    assert BOTH[0] in desk.trials()


def test_neither_days_nor_order_nor_what_no_criterion_reads_are_news(desk):
    desk.dismiss(BOTH[0])
    desk.resources.reverse()
    height = {"resourceType": "Observation", "id": "x", "status": "final", "code": {"text": "shoe size"}, "effectiveDateTime": "2026-10-30"}
    desk.resources.append(height | {"subject": {"reference": "Patient/two-trials"}, "valueInteger": 42})
    for _ in range(3):
        desk.pass_days(30)
        assert BOTH[0] not in desk.trials()


def test_it_speaks_again_when_the_mute_has_run_out(desks):
    desk = desks(CDS_MUTE_DAYS="30")
    desk.dismiss(BOTH[0])
    desk.pass_days(30)
    assert desk.trials() == BOTH[1:]
    desk.pass_days(1)
    assert desk.trials() == BOTH


def test_no_mute_where_the_site_wants_none(desks):
    desk = desks(CDS_MUTE_DAYS="0")
    desk.dismiss(BOTH[0])
    assert desk.trials() == BOTH


@pytest.mark.parametrize("code", ["", "not-suitable", "known-not-eligible", "already-discussed", "card-wrong", "a-code-of-the-hospital"])
def test_every_dismissal_mutes(desk, code):
    desk.dismiss(BOTH[0], code)
    assert desk.trials() == BOTH[1:]


def test_but_not_now_does_not(desk):
    desk.dismiss(BOTH[0], "not-now")
    assert desk.trials() == BOTH


def test_what_was_accepted_is_not_offered_again(desk):
    desk.say(accepted(desk.call()[0]["uuid"]))
    desk.store.flush()
    assert desk.trials() == BOTH[1:]


def test_a_list_that_cannot_be_read_is_no_news(desk):
    desk.dismiss(BOTH[0])
    partly = desk.prefetch() | {"results-other": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}}
    assert BOTH[0] not in desk.trials(prefetch=partly)


def test_the_same_id_in_another_hospital_is_another_patient(desk):
    here = {"fhirServer": "https://one.example/fhir"}
    card = desk.call(**here)[0]["uuid"]
    desk.say(overridden(card))
    desk.store.flush()
    assert desk.trials(**here) == BOTH[1:]
    assert desk.trials(fhirServer="https://two.example/fhir") == BOTH


def test_another_clients_word_about_a_card_mutes_nothing(desk, monkeypatch):
    card = desk.call()[0]["uuid"]
    desk.store.flush()
    monkeypatch.setattr(feedback_page, "client_name", lambda: "another")
    desk.say(overridden(card))
    assert desk.trials() == BOTH


@pytest.fixture
def two_clients(desks, tmp_path, monkeypatch):
    """A desk that clients "one" and "two" call: `desk.caller` says which."""
    keys = {"keys": {"keys": [callers.jwk("ec-1")]}}
    path = callers.client_file(tmp_path, *({"name": name, "iss": f"https://{name}.example", **keys} for name in ("one", "two")))
    desk = desks(CDS_CLIENTS=str(path), CDS_PUBLIC_URL=callers.PUBLIC, CDS_REPEAT_DAYS="7")
    post = desk.client.post

    def signed(address, **members):
        return post(address, headers=callers.bearer(iss=f"https://{desk.caller}.example", aud=callers.PUBLIC + address), **members)

    monkeypatch.setattr(desk.client, "post", signed)
    return desk


def test_a_client_that_names_anothers_server_and_patient_silences_nothing_there(two_clients):
    desk, theirs = two_clients, {"fhirServer": "https://one.example/fhir"}
    desk.caller = "two"
    for card in desk.call(**theirs):
        desk.say(overridden(card["uuid"]))
    assert desk.trials(**theirs) == []
    desk.caller = "one"
    assert desk.trials(**theirs) == BOTH, "neither muted nor taken for a repeat"


def test_a_client_that_is_first_with_a_word_about_anothers_card_does_not_take_its_place(two_clients):
    desk = two_clients
    desk.caller = "one"
    card = desk.call()[0]["uuid"]
    for desk.caller in ("two", "one"):
        desk.say(overridden(card))
    assert desk.rows("select client from feedback order by id") == [("two",), ("one",)]


def test_a_hospital_is_the_same_however_its_address_is_spelt(desk):
    desk.say(overridden(desk.call(fhirServer="https://one.example/fhir")[0]["uuid"]))
    assert desk.trials(fhirServer="HTTPS://One.example:443/fhir/") == BOTH[1:]


# --- repeats and silence -------------------------------------------------------------------------


def test_a_card_is_shown_every_time_unless_the_site_says_otherwise(desk):
    assert [desk.trials(), desk.trials()] == [BOTH, BOTH]


def test_an_unchanged_card_is_not_repeated_to_the_same_clinician(desks):
    desk = desks(CDS_REPEAT_DAYS="7")
    assert desk.trials() == BOTH
    desk.store.flush()
    assert desk.trials() == []
    assert desk.trials(user="Practitioner/two") == BOTH
    desk.pass_days(8)
    assert desk.trials() == BOTH


def test_in_silent_mode_everything_is_recorded_and_nothing_is_shown(desks):
    desk = desks(CDS_SILENT="yes")
    assert [desk.trials(), desk.trials()] == [[], []]
    assert desk.client.get("/cds-services").json["services"][0]["id"] == "cell-therapy-trials"
    assert desk.rows("select shown, count(*) from served group by 1") == [("silent", 4)]
    assert [(t.served, t.shown, t.ignored) for t in desk.tallies().values()] == [(2, 0, 0), (2, 0, 0)]


# --- known not eligible --------------------------------------------------------------------------


def test_known_not_eligible_is_offered_and_told_against_the_criterion_that_is_named(desk):
    card = desk.call()[0]
    (reason,) = [r for r in card["overrideReasons"] if r["code"] == "known-not-eligible"]
    assert reason["display"] == "Already known not eligible"
    desk.say(overridden(card["uuid"], "known-not-eligible", extension={"org.cds-service.criterion": "inc-pmn-egfr"}))
    assert desk.tallies()["NCT06469190/pmn"].known == (("inc-pmn-egfr", 1),)


@pytest.mark.parametrize("named", [{}, {"org.cds-service.criterion": "Mrs Ann"}, {"org.cds-service.criterion": 5}, []])
def test_where_none_is_named_it_is_told_against_all_that_were_open(desk, named):
    card = desk.call()[0]
    (said,) = [a for a in card["extension"]["org.cds-service.assessment"]["assessments"] if a["cohort"] == "pmn"]
    still_open = {c["id"] for c in said["criteria"] if c["outcome"] in ("unknown", "manual")}
    desk.say(overridden(card["uuid"], "known-not-eligible", extension=named))
    assert {name for name, _ in desk.tallies()["NCT06469190/pmn"].known} == still_open and still_open


# --- no store, and a store in trouble ------------------------------------------------------------


def test_without_a_store_feedback_is_told_so(rules):
    client = create_app(rules, Settings.from_environment({})).test_client()
    answer = client.post(FEEDBACK, json={"feedback": [overridden(STRANGE)]})
    assert answer.status_code == 404
    assert "keeps no feedback" in answer.json["issue"][0]["diagnostics"]


def test_with_the_store_locked_feedback_is_503_and_nothing_is_half_written(desk, monkeypatch, capsys):
    desk.call()
    desk.store.flush()
    monkeypatch.setattr(desk.store, "_engine", desk.store._quick_engine)  # which gives up sooner
    lock = sqlite3.connect(desk.path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    answer = desk.say(overridden(STRANGE), accepted(STRANGE))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    ANSWER.validate(answer.json)
    assert desk.trials() == BOTH  # a reader needs no lock
    lock.close()
    assert desk.rows("select count(*) from feedback") == [(0,)]
    assert desk.store.losses["feedback"] == 2
    assert '"event":"store trouble","what":"feedback","count":2,"error":"OperationalError"' in capsys.readouterr().err
    assert desk.say(overridden(STRANGE), accepted(STRANGE)).status_code == 200


def test_with_the_store_gone_cards_are_shown_rather_than_muted(desk, capsys):
    desk.dismiss(BOTH[0])
    desk.store.flush()
    with sqlite3.connect(desk.path) as connection:
        connection.execute("alter table feedback rename to elsewhere")
    connection.close()
    assert [desk.trials(), desk.trials()] == [BOTH, BOTH]
    assert desk.store.losses == {"mute lookup": 1}  # the second call did not ask again
    assert "OperationalError" in capsys.readouterr().err
    assert desk.say(overridden(STRANGE)).status_code == 503


def test_who_has_no_card_costs_the_store_nothing(desk, monkeypatch):
    monkeypatch.setattr(desk.store, "heard", lambda *rest: pytest.fail("asked"))
    desk.resources = [r for r in desk.resources if r["resourceType"] == "Patient"]
    assert desk.trials() == []
    assert desk.rows("select count(*) from served") == [(0,)]


# --- the route -----------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_413(desks):
    assert desks(CDS_MAX_BODY="1024").say("x" * 2000).status_code == 413


SHOWN = {
    200: lambda desk: desk.say(overridden(STRANGE)),
    400: lambda desk: desk.say({}),
    404: lambda desk: desk.client.post("/cds-services/other/feedback", json={"feedback": [overridden(STRANGE)]}),
    405: lambda desk: desk.client.delete(FEEDBACK),
    415: lambda desk: desk.client.post(FEEDBACK, data="feedback", content_type="text/plain"),
    503: lambda desk: desk.rows("drop table feedback") or desk.say(overridden(STRANGE)),
}


@pytest.mark.parametrize("status", SHOWN)
def test_the_route_shows_its_status_as_json_that_a_browser_may_read(desk, status):
    answer = SHOWN[status](desk)
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    ANSWER.validate(answer.json)


def test_every_documented_status_is_shown_here():
    assert {*SHOWN, 401, 413, 429} == set(STATUSES["POST /cds-services/{id}/feedback"])


def test_feedback_needs_a_token_for_its_own_address(desks, tmp_path):
    desk = desks(CDS_CLIENTS=str(callers.client_file(tmp_path)), CDS_PUBLIC_URL=callers.PUBLIC, CDS_RATE_LIMIT="1")
    body = {"feedback": [overridden(STRANGE)]}
    assert desk.client.post(FEEDBACK, json=body).status_code == 401
    assert desk.client.post(FEEDBACK, json=body, headers=callers.bearer()).status_code == 401, "a token for the service itself"
    ours = f"{callers.PUBLIC}/cds-services/cell-therapy-trials/feedback"
    assert [desk.client.post(FEEDBACK, json=body, headers=callers.bearer(aud=ours)).status_code for _ in range(2)] == [200, 429]
