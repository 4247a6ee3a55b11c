"""Lines: their shape, what every line of a call carries, and what never gets into one."""

import io
import json
import logging
import sys

import pytest

from cds_service.web import log


@pytest.fixture(autouse=True)
def fresh():
    log.forget()
    yield
    log.forget()


def one(text):
    (line,) = text.splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    return found


def test_an_event_is_one_line_of_json_on_stderr(capsys):
    log.event("answered", logging.WARNING, cards=["a"], missing=(), why="", status=None, count=0)
    out, err = capsys.readouterr()
    assert (out, one(err)) == ("", {"event": "answered", "level": "warning", "cards": ["a"], "count": 0})
    assert err.startswith('{"event":')


def test_the_audit_has_a_stream_of_its_own(capsys):
    log.audit("asked", patient="ab12", cards=0, cohorts=None)
    out, err = capsys.readouterr()
    assert (one(out), err) == ({"event": "asked", "level": "info", "patient": "ab12", "cards": 0}, "")


def test_every_line_of_a_call_carries_what_was_bound_and_the_next_call_does_not(capsys):
    log.call(hookInstance="u-1", client="")
    log.event("one")
    log.audit("two")
    out, err = capsys.readouterr()
    assert (one(err)["hookInstance"], one(out)["hookInstance"]) == ("u-1", "u-1") and "client" not in one(err)
    log.forget()
    log.event("three")
    assert "hookInstance" not in one(capsys.readouterr().err)


def test_what_is_no_json_is_named_by_its_type(capsys):
    log.event("odd", thing=ValueError("Mrs Ann"))
    assert one(capsys.readouterr().err)["thing"] == "ValueError"


def test_less_than_info_is_not_written(capsys):
    log.event("detail", logging.DEBUG)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("fault", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_log_that_nobody_reads_costs_no_answer(monkeypatch, fault):
    class Gone(io.StringIO):
        def write(self, _):
            raise fault

    monkeypatch.setattr(sys, "stderr", Gone())
    log.event("answered")


# --- gunicorn and the libraries ------------------------------------------------------------------


def record(name, message, *arguments, fault=None):
    exc_info = (type(fault), fault, fault.__traceback__) if fault else None
    return logging.LogRecord(name, logging.WARNING, "/x/pool.py", 7, message, arguments, exc_info, "grow")


def crash():
    raise ValueError("Mrs Ann")


def test_the_arbiter_may_speak_one_line():
    said = one(log.Line().format(record("gunicorn.error", "Worker (pid:%s) was sent SIGTERM!\nmore", 12)))
    assert said.pop("process") > 0
    assert said == {"event": "server", "message": "Worker (pid:12) was sent SIGTERM!", "level": "warning"}


def test_where_requests_are_answered_gunicorns_words_are_not_repeated(monkeypatch):
    monkeypatch.setattr(log.Line, "answering", True)
    with pytest.raises(ValueError, match="Ann") as caught:
        crash()
    text = log.Line().format(record("gunicorn.error", "Error handling request %s", "/Patient/123", fault=caught.value))
    said = one(text)
    assert (said["error"], said["frames"][-1].split(" ")[1]) == ("ValueError", "crash")
    assert "123" not in text.replace(str(said["process"]), "") and "Ann" not in text


def test_of_a_library_only_the_place_is_said():
    text = log.Line().format(record("urllib3.connectionpool", "Retrying after %s: /Patient?name=Ann", "x"))
    assert (one(text)["event"], one(text)["where"]) == ("library", "pool.py:7 grow")
    assert "Ann" not in text
