"""The Patient resource → who this is: birth as an interval of days, sex, whether still alive."""

from __future__ import annotations

from cds_service import dates
from cds_service.model.facts import Fault, Patient
from cds_service.normalise.desk import UNREADABLE, Json


def read(resource: Json | None, reference: str, as_of: int, faults: list[Fault]) -> Patient:
    if resource is None:
        return Patient(reference)
    first = last = 0
    try:
        if resource.get("birthDate") is not None:
            first, last = dates.interval(resource["birthDate"])
            if first > as_of:
                raise ValueError("born after the day in question")
            last = min(last, as_of)
    except UNREADABLE:
        first = last = 0
        faults.append(Fault(reference, "birthDate cannot be read"))
    gender = resource.get("gender")
    return Patient(reference, first, last, gender if gender in ("female", "male") else None, _deceased(resource, as_of, reference, faults))


def _deceased(resource: Json, as_of: int, reference: str, faults: list[Fault]) -> bool:
    died = resource.get("deceasedDateTime")
    if died is not None:
        try:
            return dates.interval(died)[0] <= as_of
        except UNREADABLE:
            faults.append(Fault(reference, "deceasedDateTime cannot be read"))
            return True  # whenever it was, someone recorded a death
    flag = resource.get("deceasedBoolean")
    if flag is not None and not isinstance(flag, bool):
        faults.append(Fault(reference, "deceasedBoolean cannot be read"))
    return flag is True
