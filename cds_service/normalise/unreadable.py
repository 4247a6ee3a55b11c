"""Why a resource cannot be read: the full FHIR models say it, without repeating any value."""

from __future__ import annotations

import re

from cds_service.model.sent import MEMBERS
from cds_service.normalise.desk import UNREADABLE, Json

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
_SHOWN = 3

#: Kinds of pydantic errors that have a plain name; others are given as they are.
_KINDS = {
    "missing": "is missing",
    "model_field_validation.missing": "is missing",
    "extra_forbidden": "does not belong there",
    "model_validation_format": "has the wrong type",
    "string_type": "is not a text",
    "bool_type": "is not true or false",
    "int_type": "is not a whole number",
    "list_type": "is not a list",
    "dict_type": "is not an object",
    "value_error": "is not a valid value",
}


def why(resource: Json) -> str:
    """One line that names fields and what is wrong with them. Error messages quote input, so none is passed on."""
    # Half a second and much memory: loaded only for a record that needs it.
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    if resource["resourceType"] == "Observation":  # what nobody reads need not be right
        resource = {name: value for name, value in resource.items() if name == "resourceType" or name in MEMBERS}
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValidationError as error:
        reasons = [_reason(fault["loc"], fault["type"]) for fault in error.errors(include_url=False, include_context=False, include_input=False)]
        return "cannot be read: " + "; ".join(dict.fromkeys(reasons[:_SHOWN]))
    except UNREADABLE:
        return "cannot be read: not a FHIR resource"
    return "cannot be read: a value outside what its type allows"


def _reason(place: tuple[int | str, ...], kind: str) -> str:
    if kind == "extra_forbidden":
        place = (*place[:-1], "an unknown field")  # its name is the sender's own: it could be anything
    names = [part for part in place if isinstance(part, str) and part != "root" and (_FIELD.fullmatch(part) or part == "an unknown field")]
    return f"{'.'.join(names) or 'the resource'} {_KINDS.get(kind, kind.replace('_', ' ').replace('.', ' '))}"
