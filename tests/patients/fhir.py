"""Patients in words → FHIR R4 resources and the prefetch of a hook request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cds_service import dates
from patients import values
from patients.codings import Codings
from patients.facts import DONE, OBSERVED, ONSET, formula_of, unit_of
from patients.places import list_of, reference_of
from patients.words import Entry, Person

Json = dict[str, Any]
SNOMED, LOINC, UCUM = "http://snomed.info/sct", "http://loinc.org", "http://unitsofmeasure.org"
SUBJECT = {"reference": "Patient/p1"}
_TERMS = "http://terminology.hl7.org/CodeSystem/"
_CATEGORIES = {"": "problem-list-item", "encounter": "encounter-diagnosis"}


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": _TERMS + system, "code": code}]}


class Writer:
    """Writes one patient's resources."""

    def __init__(self, person: Person, codings: Codings, as_of: int) -> None:
        self.person = person
        self.codings = codings
        self.concepts = codings.vocabulary.concepts
        self.as_of = as_of

    def patient(self) -> Json:
        found: Json = {"resourceType": "Patient", "id": "p1"}
        if born := self.person.born(self.as_of):
            found["birthDate"] = born
        sex = self.person.person.get("sex", "male")
        found["gender"] = sex
        if self.person.person.get("deceased") == "yes":
            found["deceasedBoolean"] = True
        return found

    def resources(self) -> list[tuple[str, Json]]:
        """(list, resource)."""
        return [(list_of(entry, self.codings.vocabulary), self.resource(entry)) for entry in self.person.entries]

    def resource(self, entry: Entry) -> Json:
        kind, identity = reference_of(entry).split("/")
        found: Json = {"resourceType": kind, "id": identity}
        match kind:
            case "Observation":
                return found | self.observation(entry)
            case "Condition":
                return found | self.condition(entry)
            case "DiagnosticReport":
                return found | self.report(entry)
            case "Procedure":
                status = {"done": "completed", "planned": "preparation", "not-done": "not-done"}[entry.value]
                return (
                    found | {"status": status, "code": self.code(entry), "subject": SUBJECT} | _dated("performedDateTime", entry.option("date"), DONE)
                )
            case "AllergyIntolerance":
                return found | self.allergy(entry)
            case "Immunization":
                status = "completed" if entry.value == "done" else "not-done"
                moment = _dated("occurrenceDateTime", entry.option("date"), DONE) or {"occurrenceString": "not known"}
                return found | {"status": status, "vaccineCode": self.code(entry), "patient": SUBJECT} | moment
            case _:
                return found | self.medication(entry)

    def code(self, entry: Entry, unit: str = "") -> Json:
        name = self.concepts[entry.concept].name if entry.concept in self.concepts else entry.concept
        if entry.kind != "observations":
            return self.codings.written(entry.concept, entry.option("code")).coding(name)
        if "text" in entry.options:
            return {"text": entry.options["text"]}
        if "lookalike" in entry.options:
            return self.codings.other(entry.concept, entry.options["lookalike"]).coding("a look-alike")
        return self.codings.choose(entry.concept, unit, formula_of(entry)).coding(name)

    # --- one kind each ----------------------------------------------------------------------

    def observation(self, entry: Entry) -> Json:
        value = values.read(entry.value)
        canonical = self.concepts[entry.concept].unit if value.number is not None else ""
        unit = unit_of(entry, canonical) if value.number is not None else ""
        found: Json = {"status": entry.option("status", "final"), "code": self.code(entry, unit or canonical), "subject": SUBJECT}
        found |= _dated("effectiveDateTime", entry.option("date"), OBSERVED)
        if value.result:
            _, code, display = values.RESULTS[value.result]
            found["valueCodeableConcept"] = {"coding": [{"system": SNOMED, "code": code, "display": display}]}
        elif value.code and (answer := self.codings.of_class(entry.concept, value.code)):
            found["valueCodeableConcept"] = {"coding": [{"system": answer[0], "code": answer[1]}]}
        elif value.number is None:
            found["valueString"] = value.text
        else:
            found["valueQuantity"] = _quantity(value.digits, unit) | ({"comparator": value.comparator} if value.comparator else {})
        if "upper" in entry.options:
            found["referenceRange"] = [{"high": _quantity(entry.options["upper"], unit)}]
        if "oxygen" in entry.options:
            flow = {"coding": [{"system": LOINC, "code": "3151-8", "display": "Inhaled oxygen flow rate"}]}
            found["component"] = [{"code": flow, "valueQuantity": _quantity(entry.options["oxygen"], "L/min")}]
        return found

    def condition(self, entry: Entry) -> Json:
        verification = entry.option("verification", "confirmed")
        found: Json = {"code": self.code(entry), "subject": SUBJECT}
        found["verificationStatus"] = _coded("condition-ver-status", verification)
        found["category"] = [_coded("condition-category", _CATEGORIES[entry.option("category")])]
        if verification != "entered-in-error":  # con-5: such an entry has no clinical status
            found["clinicalStatus"] = _coded("condition-clinical", entry.value)
        if entry.option("recorded"):
            found["recordedDate"] = entry.option("recorded")
        found |= _dated("onsetDateTime", entry.option("onset"), "none" if entry.option("recorded") else ONSET)
        if entry.option("abated"):
            found["abatementDateTime"] = entry.option("abated")
        if entry.option("stage"):
            found["stage"] = [{"summary": {"text": entry.option("stage")}}]
        return found

    def allergy(self, entry: Entry) -> Json:
        verification = entry.option("verification", "confirmed")
        found: Json = {"code": self.code(entry), "patient": SUBJECT, "type": "allergy"}
        found["verificationStatus"] = _coded("allergyintolerance-verification", verification)
        if verification != "entered-in-error":  # ait-2: the same
            found["clinicalStatus"] = _coded("allergyintolerance-clinical", entry.value)
        if entry.option("severe") == "yes":
            found["criticality"] = "high"
        return found

    def report(self, entry: Entry) -> Json:
        found: Json = {"status": "final", "subject": SUBJECT}
        if entry.kind == "conditions":
            found["code"] = self.codings.choose("pathology_report").coding("Surgical pathology study")
            found["conclusionCode"] = [self.code(entry)]
            return found | _dated("effectiveDateTime", entry.option("onset"), ONSET)
        found["code"] = self.code(entry)
        if entry.value != "done":
            found["status"] = "registered"
        return found | _dated("effectiveDateTime", entry.option("date"), DONE)

    def medication(self, entry: Entry) -> Json:
        start, end = entry.option("from"), entry.option("to")
        status = entry.option("status", "completed" if end else "active")
        period = {key: value for key, value in (("start", start), ("end", end)) if value}
        found: Json = {"medicationCodeableConcept": self.code(entry), "subject": SUBJECT, "status": status}
        match entry.value:
            case "prescribed":
                found |= {"intent": "order"} | ({"authoredOn": start} if start else {})
                if dosage := _dosage(entry.option("mg"), period if end else {}):
                    found["dosageInstruction"] = [dosage]
            case "stated":
                found |= {"effectivePeriod": period} if period else {}
                if dosage := _dosage(entry.option("mg"), {}):
                    found["dosage"] = [dosage]
            case "given":
                found |= {"status": "completed"} | ({"effectivePeriod": period} if end else {"effectiveDateTime": start})
                if "mg" in entry.options:
                    found["dosage"] = {"dose": _quantity(entry.options["mg"], "mg")}
            case _:
                days = dates.interval(end)[0] - dates.interval(start)[0] if end else 0
                supply = {"value": days, "unit": "days", "system": UCUM, "code": "d"}
                found |= {"status": "completed", "whenHandedOver": start} | ({"daysSupply": supply} if end else {})
                if dosage := _dosage(entry.option("mg"), {}):
                    found["dosageInstruction"] = [dosage]
        return found


def _dated(field: str, text: str, default: str) -> Json:
    text = text or default
    return {} if text == "none" else {field: text}


def _dosage(milligrams: str, bounds: Json) -> Json:
    """So many milligrams once a day, for so long."""
    repeat: Json = {"boundsPeriod": bounds} if bounds else {}
    if not milligrams:
        return {"timing": {"repeat": repeat}} if repeat else {}
    daily = repeat | {"frequency": 1, "period": 1, "periodUnit": "d"}
    return {"timing": {"repeat": daily}, "doseAndRate": [{"doseQuantity": _quantity(milligrams, "mg")}]}


def _quantity(digits: str, unit: str) -> Json:
    number = float(digits) if "." in digits else int(digits)
    return {"value": number} | ({"unit": unit, "system": UCUM, "code": unit} if unit else {})


def bundle(person: Person, codings: Codings, as_of: int) -> Json:
    """The whole record as a collection."""
    writer = Writer(person, codings, as_of)
    resources = [writer.patient(), *(resource for _, resource in writer.resources())]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource} for resource in resources]}


def prefetch(person: Person, codings: Codings, as_of: int, keys: Iterable[str]) -> Json:
    """Every key sent: what is on its list, an OperationOutcome where it failed, one page where it is not whole."""
    writer = Writer(person, codings, as_of)
    found: Json = {}
    filed: dict[str, list[Json]] = {}
    for name, resource in writer.resources():
        filed.setdefault(name, []).append(resource)
    for key in keys:
        name = key.rstrip("0123456789").rstrip("-")
        if key == "patient":
            found[key] = writer.patient()
        elif person.lists.get(name) == "unavailable":
            issue = {"severity": "error", "code": "timeout", "diagnostics": "the query failed"}
            found[key] = {"resourceType": "OperationOutcome", "issue": [issue]}
        else:
            resources = filed.pop(name, [])
            page: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(resources)}
            page["entry"] = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
            if person.lists.get(name) == "truncated":
                page["link"] = [{"relation": "next", "url": "http://127.0.0.1/fhir?page=2"}]
            found[key] = page if resources or "link" in page else None
    return found


def request(person: Person, codings: Codings, as_of: int, keys: Iterable[str]) -> Json:
    """A patient-view request with everything in prefetch; the sandbox takes the day from its extension."""
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/u1", "patientId": "p1"},
        "prefetch": prefetch(person, codings, as_of, keys),
        "extension": {"org.cds-service.as-of": dates.iso(as_of)},
    }
