"""Patients in words → facts, without FHIR: what the record should come to be, said a second time and independently."""

from __future__ import annotations

import math

from cds_service import dates, formulas, units
from cds_service.model.facts import Condition, Event, Exposure, Facts, Observation, Patient
from cds_service.model.vocabulary import LISTS
from patients import values
from patients.codings import Codings
from patients.places import list_of, reference_of
from patients.words import Entry, Person

OBSERVED, ONSET, DONE = "2026-10-18", "2024-01-15", "2024-03-01"
KINDS = {"prescribed": "order", "stated": "statement", "given": "administration", "dispensed": "dispense"}
STAGED = "isn_rps_class"  #: what the stage of a diagnosis names
_VIRAL = ("hbv_dna", "hcv_rna", "cmv_dna", "ebv_dna")
_ASSAY = ("IU]", "RU}", "titer")


def span(text: str, default: str) -> tuple[int, int, str]:
    """First and last day, and the date as written. `none` is undated, nothing is the default."""
    text = text or default
    return (0, 0, "") if text == "none" else (*dates.interval(text), text[:10])


class Builder:
    """Facts of one patient as of a day."""

    def __init__(self, person: Person, codings: Codings, as_of: int) -> None:
        self.vocabulary = codings.vocabulary
        self.codings = codings
        self.as_of = as_of
        self.person = person
        born = person.born(as_of)
        days = dates.interval(born) if born else (0, 0)
        sex = person.person.get("sex", "male")
        self.patient = Patient("Patient/p1", days[0], min(days[1], as_of), None if sex == "unknown" else sex, person.person.get("deceased") == "yes")
        self.observations: dict[str, list[Observation]] = {}
        self.conditions: dict[str, list[Condition]] = {}
        self.events: dict[str, list[Event]] = {}
        self.exposures: dict[str, list[Exposure]] = {}

    def build(self) -> Facts:
        for entry in self.person.entries:
            name = list_of(entry, self.vocabulary)
            assert name in LISTS, f"{entry.concept} stands on no list"
            if self.person.lists.get(name) != "unavailable":
                getattr(self, f"add_{entry.kind}")(entry)
        self.compute()
        return Facts(
            self.patient,
            self.as_of,
            _newest_first(self.observations),
            _newest_first(self.conditions),
            _newest_first(self.events),
            {drug: sorted(rows, key=lambda e: -e.start_last) for drug, rows in self.exposures.items()},
            dict(self.person.lists),
        )

    # --- one entry --------------------------------------------------------------------------

    def add_conditions(self, entry: Entry) -> None:
        if entry.option("verification") in ("refuted", "entered-in-error"):
            return
        onset, recorded = entry.option("onset"), entry.option("recorded")
        dated = not recorded or bool(onset)
        first, last, date = span(onset, "none" if recorded else ONSET)
        if recorded and not onset:
            first, last, date = 0, dates.interval(recorded)[1], recorded
        if first > self.as_of:
            return
        ended = span(entry.option("abated"), "none")
        listed = {"": "problem", "encounter": "encounter", "report": "report"}[entry.option("category")]
        certain = entry.option("verification") not in ("provisional", "differential", "unconfirmed")
        made = Condition("", reference_of(entry), entry.value, certain, listed, first, min(last, self.as_of), dated and last > 0)
        made = made._replace(ended_first=ended[0], ended_last=ended[1], date=date, value=entry.concept)
        for concept in self.meant(entry, "condition"):
            self.conditions.setdefault(concept, []).append(made._replace(concept=concept))
        if certain and entry.value in ("active", "recurrence", "relapse"):
            self.add_class(entry, first, last, date)
        if entry.option("stage") and certain and entry.value in ("active", "recurrence", "relapse"):
            staged = Observation(STAGED, made.reference, made.first, made.last, code=entry.option("stage"), date=date, value=entry.option("stage"))
            self.observations.setdefault(STAGED, []).append(staged)
        if listed == "report":
            event = Event("pathology_report", reference_of(entry), first, last, False, date, "pathology report")
            self.events.setdefault("pathology_report", []).append(event)

    def add_class(self, entry: Entry, first: int, last: int, date: str) -> None:
        """The class that the code of a diagnosis names; recorded only, it is of any day until then."""
        for mapped in self.codings.written(entry.concept, entry.option("code")).meanings:
            if mapped.code is not None:
                made = Observation(mapped.concept, reference_of(entry), first or (1 if last else 0), last, code=mapped.code, date=date)
                self.observations.setdefault(mapped.concept, []).append(made)

    def add_allergies(self, entry: Entry) -> None:
        if entry.option("verification") in ("refuted", "entered-in-error"):
            return
        certain = entry.option("verification") != "unconfirmed"
        made = Condition("", reference_of(entry), entry.value, certain, "allergy", severe=entry.option("severe") == "yes", value=entry.concept)
        for concept in self.meant(entry, "condition", "drug"):
            self.conditions.setdefault(concept, []).append(made._replace(concept=concept))

    def add_events(self, entry: Entry) -> None:
        first, last, date = span(entry.option("date"), DONE)
        if entry.value != "done" or first > self.as_of:
            return
        for concept in self.meant(entry, "procedure"):
            self.events.setdefault(concept, []).append(Event(concept, reference_of(entry), first, last, False, date, entry.concept))

    def add_immunizations(self, entry: Entry) -> None:
        first, last, date = span(entry.option("date"), DONE)
        if entry.value == "done" and first <= self.as_of:
            for concept in self.meant(entry, "immunization"):
                self.events.setdefault(concept, []).append(Event(concept, reference_of(entry), first, last, False, date, entry.concept))

    def add_therapies(self, entry: Entry) -> None:
        first, last, date = span(entry.option("from"), "none")
        if first > self.as_of:
            return
        end_first, end_last, _ = span(entry.option("to"), "none")
        status = entry.option("status", "completed" if entry.option("to") else "active")
        ongoing = not end_last and status == "active" and entry.value in ("prescribed", "stated")
        if not end_last:
            end_first, end_last = (self.as_of, self.as_of) if ongoing else (first, last)
        elif status == "stopped" and entry.value == "prescribed":
            end_first = first  # before its planned end, and nobody wrote when
        today = self.as_of
        made = Exposure(
            entry.concept, reference_of(entry), KINDS[entry.value], first, last, min(end_first, today), min(end_last, today), ongoing, date=date
        )
        if "mg" in entry.options and entry.value != "given":  # the dose of one administration is not the dose of its day
            made = made._replace(mg_per_day=float(entry.options["mg"]))
        self.exposures.setdefault(entry.concept, []).append(made._replace(value=f"{entry.concept} {entry.value}"))

    def meant(self, entry: Entry, *kinds: str) -> list[str]:
        """Every concept that the code of an entry names."""
        found = [m.concept for m in self.codings.written(entry.concept, entry.option("code")).meanings]
        return [concept for concept in dict.fromkeys(found) if self.vocabulary.concepts[concept].kind in kinds]

    # --- observations -----------------------------------------------------------------------

    def add_observations(self, entry: Entry) -> None:
        first, last, date = span(entry.option("date"), OBSERVED)
        if entry.option("status", "final") not in ("final", "amended", "corrected") or first > self.as_of:
            return
        if "lookalike" in entry.options or ("text" in entry.options and not self.codings.says(entry.concept, entry.options["text"])):
            return
        written = entry.option("date")
        made = Observation(entry.concept, reference_of(entry), first, min(last, self.as_of), date=date, value=entry.value)
        made = made._replace(time=written if len(written) > 10 else "", formula=formula_of(entry), on_oxygen="oxygen" in entry.options)
        self.observations.setdefault(entry.concept, []).append(self.valued(made, entry))

    def valued(self, made: Observation, entry: Entry) -> Observation:
        value = values.read(entry.value)
        if value.result:
            return made._replace(result=values.RESULTS[value.result][0])
        if value.code:
            return made._replace(code=value.code)
        if value.titre is not None:
            return self.diluted(made, value)
        if value.number is None:
            return made._replace(problem="unreadable")
        unit = self.vocabulary.concepts[entry.concept].unit
        low, high = value.number, value.number
        low, high = (0.0, high) if value.comparator.startswith("<") else (low, math.inf) if value.comparator else (low, high)
        upper = float(entry.options["upper"]) if "upper" in entry.options else None
        given = unit_of(entry, unit)
        made = made._replace(value=f"{entry.value} {units.pretty(given)}".strip())
        scale = self.factor(entry, given, unit) if unit else 1.0  # without a unit of its own a test is read against its reference range
        if scale is None and entry.concept == "hba1c" and given == "mmol/mol":
            low = high = formulas.ngsp_from_ifcc(value.number)
            scale = 1.0
        if scale is None:
            return made._replace(problem="unit")
        made = made._replace(low=low * scale, high=high * scale, low_open=value.comparator == ">", high_open=value.comparator in ("<", ">", ">="))
        if upper is not None:
            made = made._replace(upper=upper * scale)
        return made._replace(result=_verdict(entry.concept, unit, value.number, value.comparator, upper))

    def diluted(self, made: Observation, value: values.Value) -> Observation:
        """Where titres are compared, a dilution is a number; where presence is asked for, it is a reaction."""
        below = value.comparator == "<"
        if self.vocabulary.concepts[made.concept].unit != "{titer}":
            return made._replace(result="negative" if below else "positive")
        assert value.titre is not None
        low = 0.0 if below else float(value.titre)
        high = math.inf if value.comparator == ">" else float(value.titre)
        return made._replace(
            low=low, high=high, low_open=value.comparator == ">", high_open=bool(value.comparator), result="negative" if below else None
        )

    def factor(self, entry: Entry, given: str, unit: str) -> float | None:
        for mapped in self.codings.choose(entry.concept, given, formula_of(entry)).meanings:
            if mapped.concept == entry.concept and given in mapped.factors:
                return mapped.factors[given]
        return 1.0 if given == unit else units.factor(given, unit, self.vocabulary.concepts[entry.concept].molar_mass)

    def compute(self) -> None:
        """From every usable creatinine: CKD-EPI and, with a weight, clearance for adults; bedside Schwartz where a height is known."""
        born = self.patient.born_first
        for row in self.observations.get("serum_creatinine", ()):
            if not born or row.problem or row.low is None or row.low != row.high or not row.first:
                continue
            age = dates.completed_years(born, row.last)
            made = row._replace(concept="egfr", computed=True, upper=None, result=None)
            if age >= 18 and self.patient.sex:
                female = self.patient.sex == "female"
                rate, other = formulas.ckd_epi_2021(row.low, age, female), formulas.ckd_epi_2009(row.low, age, female)
                made = made._replace(low=rate, high=rate, alternate=other, formula="ckd-epi-2021", value=f"{rate:.1f} computed")
                self.clear(row, age, female)
            elif age < 18 and (heights := self.observations.get("body_height")):
                rate = formulas.bedside_schwartz(heights[0].low or 0.0, row.low)
                made = made._replace(low=rate, high=rate, formula="schwartz", value=f"{rate:.1f} computed")
            else:
                continue
            self.observations.setdefault("egfr", []).append(made)

    def clear(self, creatinine: Observation, age: int, female: bool) -> None:
        """Cockcroft-Gault clearance with the weight nearest to the creatinine, no more than half a year from it."""
        weights = [w for w in self.observations.get("body_weight", ()) if w.low and w.last and abs(w.last - creatinine.last) <= 180]
        if weights and creatinine.low:
            kilograms = min(weights, key=lambda w: abs(w.last - creatinine.last)).low or 0.0
            rate = formulas.cockcroft_gault(creatinine.low, age, kilograms, female)
            made = creatinine._replace(concept="creatinine_clearance", low=rate, high=rate, formula="cockcroft-gault", computed=True)
            self.observations.setdefault("creatinine_clearance", []).append(made._replace(upper=None, result=None, value=f"{rate:.1f} computed"))


def unit_of(entry: Entry, canonical: str) -> str:
    """As written; `none` is a number without a unit."""
    given = entry.option("unit", canonical)
    return "" if given == "none" else given


def formula_of(entry: Entry) -> str | None:
    """The equation that a reported eGFR names; `none` names none."""
    if entry.concept != "egfr":
        return None
    named = entry.option("formula", "ckd-epi-2021")
    return None if named == "none" else named


def _verdict(concept: str, unit: str, number: float, comparator: str, upper: float | None) -> str | None:
    """Positive or negative, where a number says so."""
    if concept in _VIRAL:
        return None if comparator.startswith("<") else "positive" if number > 0 else "negative"
    if upper is None or comparator or not (not unit or any(part in unit for part in _ASSAY)):
        return None
    return "positive" if number > upper else "negative"


def _newest_first(rows: dict[str, list]) -> dict[str, list]:
    def order(row: Observation | Condition | Event) -> tuple[object, ...]:
        moment = dates.instant(row.time) or 0.0 if isinstance(row, Observation) and row.time else 0.0
        return -row.last, -row.first, -moment, row.reference

    return {concept: sorted(found, key=order) for concept, found in rows.items()}


def build(person: Person, codings: Codings, as_of: int) -> Facts:
    return Builder(person, codings, as_of).build()
