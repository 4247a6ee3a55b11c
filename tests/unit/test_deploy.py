"""The container, the compose file and the unit, as far as a machine without Docker can hold them to their promises."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cds_service.config import SETTINGS, Settings
from cds_service.server import guard
from cds_service.store.engine import address

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
UNIT = (ROOT / "deploy" / "cds-service.service").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(COMPOSE)["services"]


def instructions(text: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in joined.splitlines() if line.strip()]


def last_stage() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word, rest in instructions(DOCKERFILE):
        if word == "FROM":
            found = {}
        found.setdefault(word, []).append(rest)
    return found


def test_the_image_has_a_pinned_base_and_leaves_its_tools_behind() -> None:
    words = instructions(DOCKERFILE)
    assert words[0] == ("ARG", "PYTHON=python:3.12.11-slim-bookworm")
    assert [rest for word, rest in words if word == "FROM"] == ["${PYTHON} AS build", "${PYTHON}"]
    said = last_stage()
    assert said["COPY"] == ["--from=build /opt/cds-service /opt/cds-service"]
    assert all("uninstall" in run and " pip install" not in run and "apt" not in run for run in said["RUN"])
    assert not [word for word, _ in words if word == "ADD"] and "latest" not in DOCKERFILE


def test_the_image_runs_as_nobody_and_says_whether_it_lives() -> None:
    said = last_stage()
    assert said["USER"] == ["10001:10001"]
    assert "/health" in said["HEALTHCHECK"][0] and said["ENTRYPOINT"] == ['["cds-service"]']
    words = [word for word, _ in instructions(DOCKERFILE)]
    assert words.index("USER") > max(i for i, word in enumerate(words) if word == "RUN")


def test_the_build_is_given_what_the_wheel_needs_and_no_more() -> None:
    copied = {part for word, rest in instructions(DOCKERFILE) if word == "COPY" and "--from" not in rest for part in rest.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    needed = set(re.findall(r'^(\w+) = "cds_service/data/', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE))
    assert needed | {"cds_service", "pyproject.toml", "README.md", "LICENSE", "NOTICE"} == copied
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored and {line[1:] for line in ignored if line.startswith("!")} == copied


def test_the_compose_file_keeps_its_doors_shut_and_no_secret() -> None:
    service, database = SERVICES["service"], SERVICES["db"]
    assert service["ports"] == ["127.0.0.1:8080:8080"] and "ports" not in database
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert service["depends_on"] == {"db": {"condition": "service_healthy"}} and "healthcheck" in database
    assert set(service["networks"]) & set(database["networks"]) == {"inside"} and yaml.safe_load(COMPOSE)["networks"]["inside"]["internal"]
    for name, value in {**service["environment"], **database["environment"]}.items():
        assert not re.search("PASSWORD|KEY|SECRET|TOKEN", name) or re.fullmatch(r"\$\{[A-Z_]+:\?.+\}", value), name
    assert re.search(r"://cds:\$\{CDS_DB_PASSWORD:\?[^}]+\}@db/", service["environment"]["CDS_DATABASE_URL"])
    assert {".env", "deploy/clients.yaml"} <= set((ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
    assert re.fullmatch(r"postgres:\d+\.\d+-[a-z]+", database["image"])


def test_only_settings_that_there_are_are_set() -> None:
    known = {s.name for s in SETTINGS}
    assert {name for name in SERVICES["service"]["environment"] if name.startswith("CDS_")} <= known
    assert set(re.findall(r"^Environment=(CDS_\w+)", UNIT, re.MULTILINE)) <= known


def test_with_what_the_compose_file_sets_the_service_starts(tmp_path: Path) -> None:
    """It listens for others in there, so it needs clients, and the address that their tokens are for."""
    given = {
        "CDS_DB_PASSWORD": "p",
        "CDS_HASH_KEY": "k" * 32,
        "CDS_PUBLIC_URL": "https://cds.example/trials",
        "/etc/cds-service/clients.yaml": str(tmp_path / "c"),
    }
    (tmp_path / "c").touch()
    environ = {
        name: re.sub(r"\$\{(\w+):[?-][^}]*\}", lambda m: given.get(m[1], ""), value) for name, value in SERVICES["service"]["environment"].items()
    }
    environ = {name: given.get(value, value) for name, value in environ.items()}
    said = " ".join(last_stage()["CMD"])
    assert '"0.0.0.0"' in said
    guard(Settings.from_environment(environ), "0.0.0.0", False)  # noqa: S104 -- only looked at
    address(environ["CDS_DATABASE_URL"])
    assert [v["target"] for v in SERVICES["service"]["volumes"]] == [SERVICES["service"]["environment"]["CDS_CLIENTS"]]


def test_a_wrong_setting_is_not_tried_again_and_again() -> None:
    assert "RestartPreventExitStatus=2\n" in UNIT  # the exit status that docs/configuration.md names


def test_the_unit_listens_on_loopback_as_nobody_with_nothing_to_write() -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE))
    assert "--host 127.0.0.1" in settings["ExecStart"]
    for name, value in {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "CapabilityBoundingSet": "",
        "PrivateTmp": "yes",
    }.items():
        assert settings[name] == value
    assert int(settings["TimeoutStopSec"]) > 5  # longer than gunicorn waits for what is under way


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_can_read_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "cds-service.service"
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", UNIT), encoding="utf-8")  # the program is not installed here
    ran = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)  # noqa: S603, S607 -- ours
    assert (ran.returncode, ran.stderr) == (0, "")
