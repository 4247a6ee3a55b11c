"""Settings: what the environment may say, and what each mistake is told."""

from dataclasses import fields
from datetime import date

import pytest

from cds_service import config
from cds_service.config import SETTINGS, Settings
from cds_service.errors import BadSetting


def test_an_empty_environment_gives_the_documented_defaults():
    settings = Settings.from_environment({"PATH": "/bin"})
    for row in SETTINGS:
        if row.default:
            assert getattr(settings, row.field) == row.read(row.default), row.name
    assert (settings.local_mappings, settings.upper_limits, settings.smart_url) == (None, None, "")
    assert (settings.sandbox, settings.as_of) == (False, None)


def test_every_field_but_the_command_lines_has_one_documented_setting():
    assert sorted(row.field for row in SETTINGS) == sorted({f.name for f in fields(Settings)} - {"sandbox", "as_of"})
    assert all(row.meaning.endswith(".") for row in SETTINGS)


def test_data_is_found_beside_the_package_and_inside_an_installed_one(tmp_path, monkeypatch):
    package = tmp_path / "cds_service"
    package.mkdir()
    monkeypatch.setattr(config, "PACKAGE", package)
    assert config.shipped("criteria") == tmp_path / "criteria"
    (package / "data" / "criteria").mkdir(parents=True)
    assert config.shipped("criteria") == package / "data" / "criteria"


def test_every_setting_is_read(tmp_path):
    local, limits = tmp_path / "local.csv", tmp_path / "limits.csv"
    local.write_text("")
    limits.write_text("")
    settings = Settings.from_environment(
        {
            "CDS_CRITERIA_DIR": str(tmp_path),
            "CDS_MAPPINGS_DIR": str(tmp_path),
            "CDS_SAMPLES": str(tmp_path),
            "CDS_LOCAL_MAPPINGS": str(local),
            "CDS_UPPER_LIMITS": str(limits),
            "CDS_MAX_CARDS": "5",
            "CDS_FHIR_HOSTS": "FHIR.Hospital.example, ehr.example:8443/R4 ,[::1]:9000",
            "CDS_FHIR_PRIVATE": "10.20.0.0/16, fd12:3456::/48,192.0.2.7",
            "CDS_FETCH_BYTES": "4096",
            "CDS_FETCH_BUDGET": "0.5",
            "CDS_MAX_BODY": "2048",
            "CDS_SMART_URL": "https://cds.example/launch",
            "CDS_CLIENTS": str(local),
            "CDS_PUBLIC_URL": "https://cds.example/trials/",
            "CDS_TOKEN_LIFETIME": "600",
            "CDS_CLOCK_SKEW": "0",
            "CDS_RATE_LIMIT": "0",
        },
        sandbox=True,
        as_of=date(2026, 11, 1),
    )
    assert settings == Settings(
        tmp_path,
        tmp_path,
        tmp_path,
        local,
        limits,
        5,
        ("fhir.hospital.example", "ehr.example:8443/R4", "[::1]:9000"),
        0.5,
        2048,
        "https://cds.example/launch",
        clients=local,
        public_url="https://cds.example/trials",
        token_lifetime=600,
        clock_skew=0,
        rate_limit=0,
        sandbox=True,
        as_of=date(2026, 11, 1),
        fhir_private=("10.20.0.0/16", "fd12:3456::/48", "192.0.2.7/32"),
        fetch_bytes=4096,
    )


def test_an_empty_value_counts_as_not_set():
    assert Settings.from_environment({"CDS_MAX_CARDS": " ", "CDS_LOCAL_MAPPINGS": ""}) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CDS_MAX_CARD", "3", "CDS_MAX_CARD: no such setting; did you mean CDS_MAX_CARDS?"),
        ("CDS_ZZZZZZZ", "3", "CDS_ZZZZZZZ: no such setting; there are CDS_CRITERIA_DIR"),
        ("CDS_MAX_CARDS", "many", "CDS_MAX_CARDS: must be a whole number from 1 to 20"),
        ("CDS_MAX_CARDS", "0", "CDS_MAX_CARDS: must be a whole number from 1 to 20"),
        ("CDS_MAX_CARDS", "21", "CDS_MAX_CARDS: must be a whole number from 1 to 20"),
        ("CDS_MAX_CARDS", "-1", "CDS_MAX_CARDS: must be a whole number"),
        ("CDS_MAX_CARDS", "３", "CDS_MAX_CARDS: must be a whole number"),
        ("CDS_MAX_BODY", "1", "CDS_MAX_BODY: must be a whole number from 1024"),
        ("CDS_FETCH_BUDGET", "2s", "CDS_FETCH_BUDGET: must be seconds"),
        ("CDS_FETCH_BUDGET", "nan", "CDS_FETCH_BUDGET: must be seconds"),
        ("CDS_FETCH_BUDGET", "61", "CDS_FETCH_BUDGET: must be seconds"),
        ("CDS_FETCH_BUDGET", "0", "CDS_FETCH_BUDGET: must be seconds"),
        ("CDS_FHIR_HOSTS", "https://fhir.example", "CDS_FHIR_HOSTS: must be a comma list of host or host:port"),
        ("CDS_FHIR_HOSTS", "*.example", "CDS_FHIR_HOSTS: must be a comma list"),
        ("CDS_FHIR_HOSTS", ",", "CDS_FHIR_HOSTS: must be a comma list"),
        ("CDS_FHIR_HOSTS", "fhir.example/../x", "CDS_FHIR_HOSTS: must be a comma list"),
        ("CDS_FHIR_HOSTS", "fhir.example/a%2fb", "CDS_FHIR_HOSTS: must be a comma list"),
        ("CDS_FHIR_HOSTS", "fhir.example//a", "CDS_FHIR_HOSTS: must be a comma list"),
        ("CDS_FHIR_PRIVATE", "10.0.0.1/8", "CDS_FHIR_PRIVATE: must be a comma list of networks or addresses"),
        ("CDS_FHIR_PRIVATE", "intranet", "CDS_FHIR_PRIVATE: must be a comma list of networks"),
        ("CDS_FETCH_BYTES", "0", "CDS_FETCH_BYTES: must be a whole number from 1024"),
        ("CDS_SMART_URL", "http://cds.example/launch", "CDS_SMART_URL: must be an https:// address"),
        ("CDS_SMART_URL", "https://me@cds.example", "CDS_SMART_URL: must be an https:// address"),
        ("CDS_SMART_URL", "https://[x", "CDS_SMART_URL: must be an https:// address"),
        ("CDS_SMART_URL", "cds.example", "CDS_SMART_URL: must be an https:// address"),
        ("CDS_CLIENTS", "/no/such.yaml", "CDS_CLIENTS: no file /no/such.yaml"),
        ("CDS_PUBLIC_URL", "http://cds.example", "CDS_PUBLIC_URL: must be an https:// address"),
        ("CDS_PUBLIC_URL", "https://cds.example/?x", "CDS_PUBLIC_URL: must be an address without query or fragment"),
        ("CDS_PUBLIC_URL", "https://cds.example/#x", "CDS_PUBLIC_URL: must be an address without query or fragment"),
        ("CDS_PUBLIC_URL", "https://cds.example/a b", "CDS_PUBLIC_URL: must be an address without query or fragment"),
        ("CDS_TOKEN_LIFETIME", "29", "CDS_TOKEN_LIFETIME: must be a whole number from 30 to 86400"),
        ("CDS_CLOCK_SKEW", "-1", "CDS_CLOCK_SKEW: must be a whole number from 0 to 300"),
        ("CDS_RATE_LIMIT", "10/minute", "CDS_RATE_LIMIT: must be a whole number from 0"),
        ("CDS_CRITERIA_DIR", "/no/such/place", "CDS_CRITERIA_DIR: no directory /no/such/place"),
        ("CDS_SAMPLES", "/no/such/place", "CDS_SAMPLES: no directory /no/such/place"),
        ("CDS_LOCAL_MAPPINGS", "/no/such.csv", "CDS_LOCAL_MAPPINGS: no file /no/such.csv"),
        ("CDS_UPPER_LIMITS", "/", "CDS_UPPER_LIMITS: no file /"),
        ("CDS_HASH_KEY", "too short", "CDS_HASH_KEY: must be 32 characters or more"),
        ("CDS_MUTE_DAYS", "-1", "CDS_MUTE_DAYS: must be a whole number from 0 to 3650"),
        ("CDS_REPEAT_DAYS", "366", "CDS_REPEAT_DAYS: must be a whole number from 0 to 365"),
        ("CDS_SILENT", "true", "CDS_SILENT: must be yes or no"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_it_may_be(name, value, message):
    with pytest.raises(BadSetting) as refused:
        Settings.from_environment({name: value})
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_plain_http_is_allowed_for_a_sidebar_on_loopback():
    assert Settings.from_environment({"CDS_SMART_URL": "http://localhost:8080/launch"}).smart_url == "http://localhost:8080/launch"


def test_a_date_is_set_in_the_sandbox_only():
    with pytest.raises(BadSetting, match="--sandbox"):
        Settings.from_environment({}, as_of=date(2026, 11, 1))


def test_what_holds_is_shown_and_secrets_are_not(monkeypatch):
    rows = (*SETTINGS, SETTINGS[0]._replace(name="CDS_HASH_KEY"), SETTINGS[0]._replace(name="CDS_DATABASE_URL"))
    monkeypatch.setattr(config, "SETTINGS", rows)
    environ = {"CDS_HASH_KEY": "hush", "CDS_DATABASE_URL": "", "CDS_MAX_CARDS": " 5 "}
    shown = {name: (value, given) for name, value, given in config.effective(environ)}
    assert shown["CDS_HASH_KEY"] == ("***", True)
    assert shown["CDS_DATABASE_URL"] == ("", False)
    assert (shown["CDS_MAX_CARDS"], shown["CDS_FETCH_BUDGET"]) == (("5", True), ("2", False))


def test_with_clients_no_fhir_server_is_asked_that_nobody_names(tmp_path):
    """Loopback is the default for trying out."""
    path = tmp_path / "clients.yaml"
    path.touch()
    assert Settings.from_environment({}).fhir_hosts
    assert Settings.from_environment({"CDS_CLIENTS": str(path)}).fhir_hosts == ()
    assert Settings.from_environment({"CDS_CLIENTS": str(path), "CDS_FHIR_HOSTS": "localhost"}).fhir_hosts == ("localhost",)
