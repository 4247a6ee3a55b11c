"""Bytes of a request → its JSON: results stay as they were sent, and whatever is unusual is parsed the plain way."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from cds_service.errors import BadRequest
from cds_service.fetch.bundles import read_page
from cds_service.model.sent import SentBundle, as_json
from cds_service.wire import body_reader

KEYS = ("patient", "results-kidney", "results-blood")
read = body_reader(KEYS)


def result(**fields: Any) -> dict[str, Any]:
    quantity = {"value": 5, "unit": "g/L"}
    return {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, "valueQuantity": quantity} | fields


def page(*resources: Any, **fields: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r, "search": {"mode": "match"}} for r in resources]} | fields


def body_of(bundle: Any, **fields: Any) -> Any:
    return read(orjson.dumps({"hook": "patient-view", "prefetch": {"results-kidney": bundle}} | fields))


def kept(bundle: Any) -> object:
    return body_of(bundle)["prefetch"]["results-kidney"]


def test_results_stay_as_they_were_sent_and_say_the_same():
    sent = result(text={"div": "<p>narrative</p>"}, effectiveDateTime="2026-10-18", referenceRange=[{"high": {"value": 9}}])
    part = read_page(kept(page(sent)))
    assert [as_json(each) for each in part.sent] == [{name: value for name, value in sent.items() if name != "text"}]
    assert (part.resources, part.matches, part.state, part.kinds) == ((), 1, None, {"Observation"})


@pytest.mark.parametrize("entry", [None, []])
def test_a_page_without_entries_holds_nothing(entry):
    part = read_page(kept(page(entry=entry)))
    assert (list(part.resources), list(part.sent), part.state) == ([], [], None)


def test_null_is_an_answer_and_an_absent_key_is_none():
    assert body_of(None)["prefetch"] == {"results-kidney": None}
    assert read(b'{"prefetch": {}}') == {"prefetch": {}}
    assert read(b'{"prefetch": null}') == {"prefetch": None}


def test_a_servers_word_among_the_results_is_a_hint():
    hint = {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}, "search": {"mode": "outcome"}}
    sent = page(result())
    sent["entry"].append(hint)
    assert isinstance(kept(sent), SentBundle)
    part = read_page(kept(sent))
    assert ([r["id"] for r in part.resources], part.state) == (["o"], None)


def test_an_error_among_the_results_means_that_some_are_missing():
    sent = page(result())
    sent["entry"].append({"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}})
    assert read_page(kept(sent)).state == "truncated"


def test_a_next_page_is_seen():
    link = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    assert read_page(kept(page(result(), link=link))).following == link[0]["url"]
    assert read_page(kept(page(result(), link=[{"relation": "next"}]))).whys == ("a next link without an address",)


@pytest.mark.parametrize(
    "odd",
    [
        page(result(), {"resourceType": "Patient", "id": "p"}),
        page(result(status="nonsense")),
        page(result(id=5)),
        page({"resourceType": "Observation", "status": "final"}),
        page(result(effectiveDateTime=5)),
        page("not a resource"),
        {"resourceType": "OperationOutcome"},
        {"type": "searchset", "entry": []},
        {"resourceType": "Nonsense", "type": "searchset", "entry": []},
        ["no", "page"],
        5,
    ],
)
def test_what_is_unusual_is_parsed_the_plain_way(odd):
    assert kept(odd) == odd


def test_a_value_under_a_name_of_its_own_is_not_lost():
    """Else a newer result that nobody can read would look like none, and an older one would decide."""
    odd = result()
    odd["valueQuantityOfMine"] = odd.pop("valueQuantity")
    assert kept(page(odd)) == page(odd)


@pytest.mark.parametrize("member", ["component", "hasMember", "dataAbsentReason"])
def test_a_panel_and_a_missing_value_are_nothing_unusual(member):
    odd = result(**{member: []})
    del odd["valueQuantity"]
    assert isinstance(kept(page(odd)), SentBundle)


@pytest.mark.parametrize("prefetch", [5, [], "x", {"results-kidney": {"resourceType": "Bundle", "entry": {}}}])
def test_a_prefetch_of_another_shape_is_left_for_the_reader_of_the_request(prefetch):
    assert read(orjson.dumps({"prefetch": prefetch})) == {"prefetch": prefetch}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"hook": NaN}',
        b'{"other": "\xff"}',
        b'{"prefetch": {"results-kidney": {"resourceType": "Bundle", "other": "\xff"}}}',
        b'{"prefetch": {"results-kidney": {"resourceType": "Bundle", "other": NaN}}}',
        b'{"other": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
def test_what_is_no_json_is_refused_wherever_it_stands(data):
    with pytest.raises(BadRequest, match="not JSON"):
        read(data)


def test_a_number_beyond_all_numbers_is_unreadable_and_not_lost():
    data = orjson.dumps({"prefetch": {"results-kidney": page(result())}}).replace(b'"value":5', b'"value":1e999')
    body: Any = read(data)
    (each,) = read_page(body["prefetch"]["results-kidney"]).sent
    assert as_json(each)["valueQuantity"] != as_json(each)["valueQuantity"], "not a number"


def test_other_members_of_the_request_are_dropped_and_ours_kept():
    told = {"hook": "h", "hookInstance": "i", "fhirServer": "f", "fhirAuthorization": {"a": 1}, "context": {"c": 2}, "extension": {"e": 3}}
    assert read(orjson.dumps(told | {"more": 1})) == told
