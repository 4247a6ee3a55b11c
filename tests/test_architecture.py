"""The floors of docs/decisions/0001: imports only go down, verbs never import each other, no circles, FHIR and HTTP in their rooms."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "cds_service"

FLOORS = {
    1: {"model", "logic", "units", "unit_spelling", "formulas", "codes", "dates", "errors", "config", "words", "unexpected"}
    | {"yaml_lines", "shape", "metrics", "keyed", "certificates"},
    2: {"wire", "fetch", "normalise", "evaluate", "cards", "report", "trial_page", "ehr_sheets", "criteria", "mappings", "explain", "reasoning"}
    | {"trust", "about", "store"},
    3: {"pipeline", "hooks"},
    4: {"web"},
    5: {"app", "cli", "__main__", "batch", "checks", "demo", "server", "gunicorn_conf", "wsgi", "feedback_report"},
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}

#: Third-party modules and the only rooms that may use them.
ONLY_IN = {
    "flask": {"web", "app", "server"},
    "flask_cors": {"web", "app"},
    "gunicorn": {"server", "gunicorn_conf"},
    "prometheus_client": {"metrics"},
    "structlog": {"web"},
    "yaml": {"yaml_lines"},
    "jsonschema": {"criteria"},
    "requests": {"fetch", "demo", "trust"},
    "urllib3": {"fetch", "trust", "certificates"},
    "msgspec": {"model", "wire", "fetch", "normalise"},
    "rich": {"demo"},
    "jwt": {"trust"},
    "limits": {"web"},
    "click": {"cli", "batch", "checks", "server", "feedback_report"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "psycopg": {"store"},
    "fhir": {"normalise", "wire", "checks"},
    "pint": {"units"},
    "ucumvert": {"units"},
}

#: Member names of FHIR resources that no rule, card or page may know: reading them is normalising.
FHIR_NAMES = {
    "valueQuantity", "valueCodeableConcept", "valueString", "effectiveDateTime", "effectivePeriod", "referenceRange", "onsetDateTime",
    "abatementDateTime", "clinicalStatus", "verificationStatus", "medicationCodeableConcept", "medicationReference", "dosageInstruction",
    "authoredOn", "whenHandedOver", "birthDate", "conclusionCode", "performedDateTime",
}  # fmt: skip
READS_FHIR = {"normalise", "fetch", "wire", "demo"}
#: A noun that three of these rooms hand on, with FHIR's own member names: docs/decisions/0008.
SENT = "cds_service.model.sent"
CDS_NAMES = {"hookInstance", "overrideReasons", "selectionBehavior", "fhirServer", "fhirAuthorization", "systemActions"}
SPEAKS_CDS = {"wire", "demo"}

FILES = sorted(p for p in PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(p): p for p in FILES}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, and whether it does so at load time (not inside a function, not for types alone)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)}
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            lazy |= {id(n) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in lazy
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else str(node.module), id(node) not in lazy


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_room_has_its_floor(path: Path) -> None:
    name = room(module_of(path))
    assert name == "" or name in FLOOR, f"{name} is on no floor: give it one here and in docs/decisions/0001"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_go_down_and_verbs_do_not_import_each_other(path: Path) -> None:
    here = room(module_of(path))
    if not here:
        return
    for imported, _ in imports(path):
        there = room(imported) if imported.startswith("cds_service") else ""
        if not there or there == here:
            continue
        assert FLOOR[there] <= FLOOR[here], f"{here} (floor {FLOOR[here]}) imports {there} (floor {FLOOR[there]})"
        assert not FLOOR[there] == FLOOR[here] == 2, f"{here} and {there} are both verbs: join them in pipeline"


def test_no_circles() -> None:
    graph = {name: {i for i, at_load in imports(p) if at_load and i in MODULES and i != name} for name, p in MODULES.items()}
    for package in [m for m in MODULES if MODULES[m].name == "__init__.py"]:
        graph[package] = {i for i in graph[package]}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as circle:
        pytest.fail(" → ".join(circle.args[1]))


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    here = room(module_of(path))
    for imported, _ in imports(path):
        allowed = ONLY_IN.get(imported.split(".")[0])
        assert allowed is None or here in allowed, f"{here} imports {imported}; only {sorted(allowed)} may"


#: Modules whose distribution is called otherwise, or comes with another that is declared.
COMES_WITH = {"yaml": "pyyaml", "jwt": "pyjwt", "fhir": "fhir.resources", "flask_cors": "flask-cors", "prometheus_client": "prometheus-client"} | {
    "werkzeug": "flask", "jinja2": "flask", "markupsafe": "flask", "urllib3": "requests", "certifi": "requests", "lark": "ucumvert",
    "pydantic": "fhir.resources", "sekmet": "sekmet-fhir", "cryptography": "pyjwt",
}  # fmt: skip
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[\[<>=~! ]", line, maxsplit=1)[0].lower() for line in requirements}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_what_is_imported_is_installed_with_us(path: Path) -> None:
    """A shared environment hides a dependency that nobody declared; a fresh one does not start."""
    given = names(DECLARED["dependencies"]) | (names(DECLARED["optional-dependencies"]["demo"]) if room(module_of(path)) == "demo" else set())
    for imported, _ in imports(path):
        top = imported.split(".")[0]
        if top != "cds_service" and top not in sys.stdlib_module_names:
            assert COMES_WITH.get(top, top).lower() in given, f"{path.name} imports {top}, which pyproject.toml does not name"


def strings(path: Path) -> Iterator[tuple[str, int]]:
    """Texts, and the names of members: of a class, or asked of an object."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node.lineno


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_fhir_and_hook_member_names_stay_in_their_rooms(path: Path) -> None:
    here = room(module_of(path))
    for text, line in strings(path):
        assert here in READS_FHIR or module_of(path) == SENT or text not in FHIR_NAMES, f"{path.name}:{line} knows the FHIR member {text}"
        assert here in SPEAKS_CDS or text not in CDS_NAMES, f"{path.name}:{line} knows the CDS Hooks member {text}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_keep_a_size_that_can_be_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400, f"{path.name} has grown a second job"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or node.lineno) - node.lineno < 60, f"{path.name}:{node.lineno} {node.name} is too long"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert said and said.splitlines()[0].endswith((".", ":")), f"{path.name} does not open with a sentence"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_nothing_is_swallowed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")):
            assert node.type is not None and node.name, f"{path.name}:{node.lineno} catches everything without looking at it"
            used = any(isinstance(n, ast.Name) and n.id == node.name for stmt in node.body for n in ast.walk(stmt))
            reraised = any(isinstance(n, ast.Raise) for stmt in node.body for n in ast.walk(stmt))
            assert used or reraised, f"{path.name}:{node.lineno} does not report what it caught"


def test_no_room_is_a_lumber_room() -> None:
    assert not [m for m in MODULES if m.rsplit(".", 1)[-1] in ("utils", "util", "common", "helpers", "manager")]
