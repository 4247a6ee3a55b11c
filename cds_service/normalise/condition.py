"""Condition and AllergyIntolerance → facts: which diagnosis, how sure, whether now, since when."""

from __future__ import annotations

from typing import Any

from cds_service import codes, dates
from cds_service.model.facts import Condition, Observation
from cds_service.model.vocabulary import Concept, Mapped
from cds_service.normalise.desk import LONG_AGO, Desk, Json, label, many, words_of
from cds_service.normalise.drugs import drugs_in
from cds_service.normalise.values import read_class

_GONE = frozenset({"refuted", "entered-in-error"})
_SURE = frozenset({"confirmed"})
_UNSURE = frozenset({"provisional", "differential", "unconfirmed", "presumed"})
_CLINICAL = ("active", "recurrence", "relapse", "remission", "resolved", "inactive")
_PAST = frozenset({"remission", "resolved", "inactive"})
_LISTS = frozenset({"problem-list-item", "health-concern"})
_LUPUS_CLASS = "isn_rps_class"

Hit = tuple[Concept, Mapped, Json]
Days = tuple[int, int]


def read(desk: Desk, resource: Json, reference: str) -> None:
    code = resource.get("code")
    if code is None:
        return
    hits = desk.mapped(code, "condition", "observation")
    guessed = False
    if not hits:
        hits = _by_name(desk, code)
        guessed = bool(hits)
    if not hits:
        desk.note_unmapped(code)
        return
    verification = _known(resource.get("verificationStatus"))
    if verification & _GONE or not desk.about(resource, reference):
        return
    if verification and not verification & (_SURE | _UNSURE):
        raise ValueError("not a status")  # what it says of the diagnosis is not known: present or past, it stays a question
    certain = not guessed and not verification & _UNSURE and (not verification or bool(verification & _SURE))
    onset, dated, date = _onset(desk, resource)
    if onset is None:
        return
    ended, abated = _abatement(desk, resource)
    clinical, known = _clinical(resource, abated, ended[0] > desk.as_of)
    until = (ended[0], min(ended[1], desk.as_of)) if ended[0] <= desk.as_of else (0, 0)
    listed, present = _listed(resource), certain and clinical not in _PAST
    for concept, mapped, coding in hits:
        value = label(code, coding, concept.name)
        if concept.kind == "condition":
            fact = Condition(concept.id, reference, clinical, certain and known, listed, *onset, dated, *until, False, date, value)
            desk.conditions.setdefault(concept.id, []).append(fact)
        elif mapped.code is not None and present:
            _add_class(desk, reference, concept.id, mapped.code, onset, date, value)
    if present:
        _stages(desk, resource, reference, hits, onset, date)


def _known(status: Any) -> set[str]:
    """Codes of a status. It is a CodeableConcept; a plain string is tolerated."""
    return set() if status is None else set(words_of(status))


def _by_name(desk: Desk, code: Json) -> list[Hit]:
    """A diagnosis that has no code but exactly one of our names: enough to raise the question, never to answer it."""
    text = code.get("text")
    if not text or code.get("coding"):
        return []
    concept = desk.concepts.get(desk.vocabulary.synonyms.get(codes.plain_text(text), ""))
    return [(concept, Mapped(concept.id, {}), {})] if concept is not None and concept.kind == "condition" else []


def _clinical(resource: Json, abated: bool, not_yet: bool) -> tuple[str, bool]:
    """The status as of the day, and whether it could be understood."""
    given = _known(resource.get("clinicalStatus"))
    found = [status for status in _CLINICAL if status in given]
    if not given:
        return ("active" if not_yet or not abated else "resolved"), True
    if not found:
        return "active", False  # a status of somebody's own: present, but not for sure
    if not_yet and found[0] in _PAST:
        return "active", True  # it ended after the day in question
    return found[0], True


def _listed(resource: Json) -> str:
    words = {word for category in many(resource.get("category")) for word in words_of(category)}
    return "encounter" if "encounter-diagnosis" in words and not words & _LISTS else "problem"


def _onset(desk: Desk, resource: Json) -> tuple[Days | None, bool, str]:
    """Days of onset, whether one was recorded, the date as written; None for what does not exist yet.

    `recordedDate` is when someone typed it: the onset is not later.
    """
    recorded = resource.get("recordedDate")
    typed = dates.interval(recorded) if recorded is not None else (0, 0)
    days, date = _moment(desk, resource, "onset")
    if days is None or not days[1]:
        if typed[0] > desk.as_of:
            return None, False, ""
        return (0, min(typed[1], desk.as_of)), False, date or (recorded or "")[:10]
    first, last = days
    if first > desk.as_of:
        return None, True, ""
    last = min(last, desk.as_of)
    if typed[1] and first <= typed[1] < last:
        last = typed[1]
    return (first, last), True, date


def _abatement(desk: Desk, resource: Json) -> tuple[Days, bool]:
    flag = resource.get("abatementBoolean")
    days, _ = _moment(desk, resource, "abatement")
    return days or (0, 0), days is not None or flag is True


def _moment(desk: Desk, resource: Json, name: str) -> tuple[Days | None, str]:
    """onset[x] or abatement[x] as days, and as written; (0, 0) for one that is given and cannot be dated."""
    text = resource.get(f"{name}DateTime")
    if text is not None:
        return dates.interval(text), text[:10]
    period = resource.get(f"{name}Period")
    if period is not None:
        return desk.period(period), (period.get("start") or period.get("end") or "")[:10]
    age, span = resource.get(f"{name}Age"), resource.get(f"{name}Range")
    if age is not None:
        return desk.at_age(age, age), ""
    if span is not None:
        return desk.at_age(span.get("low"), span.get("high")), ""
    words = resource.get(f"{name}String")
    if words is None:
        return None, ""
    try:
        return dates.interval(words), words
    except ValueError:
        return (0, 0), ""


def _stages(desk: Desk, resource: Json, reference: str, hits: list[Hit], onset: Days, date: str) -> None:
    """A class in Condition.stage; words count only where the diagnosis is lupus nephritis."""
    lupus = any(concept.id.startswith(("lupus_nephritis", "ln_")) for concept, _, _ in hits)
    for stage in many(resource.get("stage")):
        summary = stage.get("summary")
        if summary is not None:
            class_of(desk, summary, reference, lupus, onset, date)


def class_of(desk: Desk, codeable: Json, reference: str, lupus: bool, days: Days, date: str) -> None:
    """A class or grade that a stage or a conclusion names, as an observation of it."""
    words = codeable.get("text") or ""
    coded = [hit for hit in desk.mapped(codeable, "observation") if hit[1].code is not None]
    named = read_class(_LUPUS_CLASS, words) if lupus and words and _LUPUS_CLASS in desk.concepts else None
    if named is not None:
        _add_class(desk, reference, _LUPUS_CLASS, named, days, date, label(codeable, {}, named))
    for concept, mapped, coding in coded:
        if named is None or concept.id != _LUPUS_CLASS:
            _add_class(desk, reference, concept.id, mapped.code or "", days, date, label(codeable, coding, concept.name))


def _add_class(desk: Desk, reference: str, concept: str, code: str, days: Days, date: str, value: str) -> None:
    first = LONG_AGO if days[1] and not days[0] else days[0]  # known only to be no later
    fact = Observation(concept, reference, first, days[1], code=code, date=date, value=value)
    facts = desk.observations.setdefault(concept, [])
    if fact not in facts:
        facts.append(fact)


# --- allergies ---------------------------------------------------------------------------------------------

_DENIAL = ("no known", "no allerg", "not allergic", "denies", "nkda", "无", "否认")


_DRUG_ALLERGY = "drug_allergy_status"
_NO_DRUG = frozenset({"food", "environment"})


def read_allergy(desk: Desk, resource: Json, reference: str) -> None:
    """An allergy counts under the drug that it names; one that is only an intolerance counts when it is severe.

    A severe one to a drug of no table of ours raises the question of a drug allergy; a reaction that is
    coded as anaphylaxis is one.
    """
    named: dict[str, str] = {}
    code = resource.get("code")
    reactions = [reaction for reaction in many(resource.get("reaction"))]
    for codeable in (code, *(reaction.get("substance") for reaction in reactions)):
        if codeable is None:
            continue
        text = (codeable.get("text") or "").lower()
        if any(word in text for word in _DENIAL):
            return
        for concept in drugs_in(desk, codeable):
            named.setdefault(concept, label(codeable, next(iter(codeable.get("coding") or ()), {}), concept))
        for found, _, coding in desk.mapped(codeable, "condition"):
            named.setdefault(found.id, label(codeable, coding, found.name))
    for manifestation in (one for reaction in reactions for one in many(reaction.get("manifestation"))):
        for found, _, coding in desk.mapped(manifestation, "condition"):
            named.setdefault(found.id, label(manifestation, coding, found.name))
    severe = resource.get("criticality") == "high" or any(reaction.get("severity") == "severe" for reaction in reactions)
    if not named and severe and _DRUG_ALLERGY in desk.concepts and not _NO_DRUG & set(many(resource.get("category"))):
        named[_DRUG_ALLERGY] = label(code or {}, next(iter((code or {}).get("coding") or ()), {}), "severe allergy")
    if not named:
        if code is not None:
            desk.note_unmapped(code)
        return
    verification = _known(resource.get("verificationStatus"))
    if verification & _GONE or not desk.about(resource, reference, "patient"):
        return
    if resource.get("type") == "intolerance" and not severe:
        return
    onset, dated, date = _onset(desk, resource)
    if onset is None:
        return
    status, known = _clinical(resource, False, False)
    certain = known and not verification & _UNSURE
    for concept, value in named.items():
        fact = Condition(concept, reference, status, certain, "allergy", onset[0], onset[1], dated, severe=severe, date=date, value=value)
        desk.conditions.setdefault(concept, []).append(fact)
