"""Code systems and codes as EHRs write them, and what look-ups make of them."""

from __future__ import annotations

import pytest

from cds_service import codes
from cds_service.codes import ATC, CVX, HCPCS, ICD10, ICD10CM, ICD10PCS, INTERPRETATION, LOINC, RXNORM, SCORES, SNOMED
from cds_service.model.vocabulary import Mapped, Vocabulary

ALIASES = [
    (
        SNOMED,
        ["http://snomed.info/sct", "https://snomed.info/sct", "http://snomed.info/sct/", "urn:oid:2.16.840.1.113883.6.96", "2.16.840.1.113883.6.96"],
    ),
    (SNOMED, ["http://snomed.info/sct/900000000000207008/version/20240901", " HTTP://SNOMED.INFO/SCT "]),
    (LOINC, ["http://loinc.org", "https://loinc.org/", "urn:oid:2.16.840.1.113883.6.1"]),
    (ICD10CM, ["http://hl7.org/fhir/sid/icd-10-cm", "urn:oid:2.16.840.1.113883.6.90", "http://terminology.hl7.org/CodeSystem/icd10CM"]),
    (
        ICD10,
        ["http://hl7.org/fhir/sid/icd-10", "https://hl7.org/fhir/sid/icd-10/", "urn:oid:2.16.840.1.113883.6.3", "urn:oid:2.16.156.10011.2.3.3.11"],
    ),
    (ICD10, ["http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://hl7.org/fhir/sid/icd-10-cn"]),
    (ICD10PCS, ["http://www.cms.gov/Medicare/Coding/ICD10", "http://hl7.org/fhir/sid/icd-10-pcs", "urn:oid:2.16.840.1.113883.6.4"]),
    (HCPCS, ["http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "urn:oid:2.16.840.1.113883.6.285"]),
    (RXNORM, ["http://www.nlm.nih.gov/research/umls/rxnorm", "https://www.nlm.nih.gov/research/umls/rxnorm/", "urn:oid:2.16.840.1.113883.6.88"]),
    (ATC, ["http://www.whocc.no/atc", "https://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73", "http://fhir.de/CodeSystem/bfarm/atc"]),
    (CVX, ["http://hl7.org/fhir/sid/cvx", "urn:oid:2.16.840.1.113883.12.292"]),
    (INTERPRETATION, ["http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "http://hl7.org/fhir/v2/0078"]),
    (SCORES, ["urn:cds-service:scores"]),
]


@pytest.mark.parametrize(("uri", "written"), [(uri, text) for uri, texts in ALIASES for text in texts])
def test_every_name_of_a_code_system_becomes_one_uri(uri: str, written: str) -> None:
    assert codes.normalise_system(written) == uri


@pytest.mark.parametrize("uri", ["http://hospital.example/labs", "urn:oid:1.2.3", "http://hl7.org/fhir/sid/icd-9-cm", ""])
def test_a_system_that_is_not_known_keeps_its_name(uri: str) -> None:
    assert codes.normalise_system(uri) == uri


@pytest.mark.parametrize(
    ("system", "written", "expected"),
    [
        (ICD10CM, "M32.14", ("M3214",)),
        (ICD10CM, " m3214 ", ("M3214",)),
        (ICD10CM, "B20.X", ("B20",)),
        (ICD10CM, "T80.82XA", ("T8082",)),
        (ICD10CM, "S06.0X0A", ("S060X0A",)),
        (ICD10CM, "C4A.9", ("C4A9",)),
        (ICD10CM, "N04.900x007", ("N049",)),  # a Chinese code under the wrong URI
        (ICD10, "M32.14", ("M321",)),  # not the American M32.14
        (ICD10, "N04.900x007", ("N049",)),
        (ICD10, "N05.803y001", ("N058",)),
        (ICD10, "I10X", ("I10",)),
        (ICD10, "N04.-", ("N04",)),
        (ICD10, "M32.101+N08.5*", ("M321", "N085", "M321+N085")),
        (ICD10, "N08.5*M32.1†", ("N085", "M321", "M321+N085")),
        (ICD10, "A17.0† G01*", ("A170", "G01", "A170+G01")),
        (ICD10, "M32.1+M32.1", ("M321",)),
        (ICD10, "C81-C96", ()),
        (ICD10CM, "none", ()),
        (SNOMED, " 77386006 |Pregnant| ", ("77386006",)),
        (LOINC, "la6576-8", ("LA6576-8",)),
        (ATC, "l04ad02", ("L04AD02",)),
        (CVX, "3", ("03",)),
        (CVX, "187", ("187",)),
        (SCORES, "SLEDAI-2K", ("sledai-2k",)),
        (ICD10PCS, "0tb00zx", ("0TB00ZX",)),
        (RXNORM, "", ()),
        ("http://hospital.example/labs", " eGFR ", ("eGFR",)),
    ],
)
def test_codes_are_read_as_they_are_written(system: str, written: str, expected: tuple[str, ...]) -> None:
    assert codes.normalise_code(system, written) == expected


@pytest.mark.parametrize("code", ["22298006", "77386006", "68815009", "1293269004", "295101000119105", "28191000119109"])
def test_snomed_ids_carry_their_check_digit(code: str) -> None:
    assert codes.verhoeff_ok(code)
    for place in range(1, len(code)):  # any one digit changed is noticed
        other = str((int(code[place]) + 1) % 10)
        assert not codes.verhoeff_ok(code[:place] + other + code[place + 1 :])


@pytest.mark.parametrize("code", ["2.8191E+13", "1081801000112100", "", "12", "022298006", "2229800a", "１２３４５６", "1" * 19])
def test_damaged_snomed_ids_are_refused(code: str) -> None:
    assert not codes.verhoeff_ok(code)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("SLEDAI-2K", "sledai 2k"),
        ("  SLEDAI–2K (Total) ", "sledai 2k total"),
        ("BVAS/WG", "bvas wg"),
        ("ＷＨＯ functional class", "who functional class"),
        ("利妥昔单抗", "利妥昔单抗"),
        ("--", ""),
    ],
)
def test_names_are_compared_without_case_and_punctuation(text: str, plain: str) -> None:
    assert codes.plain_text(text) == plain


def named(*concepts: str) -> tuple[Mapped, ...]:
    return tuple(Mapped(concept, {}) for concept in concepts)


@pytest.fixture
def vocabulary() -> Vocabulary:
    exact = {
        (ICD10CM, "M3214"): named("lupus_nephritis"),
        (ICD10, "N085"): named("perhaps_lupus_nephritis"),
        (ICD10, "M321+N085"): named("lupus_nephritis"),
        (ICD10, "I10"): named("hypertension"),
        (ATC, "L04AD02"): named("tacrolimus"),
        (RXNORM, "103"): named("mercaptopurine"),
        (CVX, "03"): named("live_vaccine"),
    }
    prefixes = {
        ICD10CM: {"M32": named("sle"), "N04": named("nephrotic"), "N042": named("membranous")},
        ICD10: {"M32": named("sle")},
        ATC: {"L04A": named("immunosuppressant"), "L04AD": named("calcineurin_inhibitor")},
    }
    return Vocabulary({}, exact, prefixes)


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        (ICD10CM, "M32.14", ["lupus_nephritis", "sle"]),
        (ICD10CM, "N04.21", ["membranous", "nephrotic"]),
        (ICD10CM, "N05.2", []),
        (ICD10, "M32.14", ["sle"]),
        (ICD10, "M32.101+N08.5*", ["sle", "lupus_nephritis"]),
        (ICD10, "N08.5*", ["perhaps_lupus_nephritis"]),
        (ICD10, "I10+N08.5*", ["hypertension", "perhaps_lupus_nephritis"]),
        ("urn:oid:2.16.840.1.113883.6.90", "m3214", ["lupus_nephritis", "sle"]),
        (ATC, "L04AD02", ["tacrolimus"]),
        (ATC, "L04AD99", ["calcineurin_inhibitor"]),
        (ATC, "L04AX04", ["immunosuppressant"]),
        (ATC, "L04", []),
        (RXNORM, "103", ["mercaptopurine"]),
        (RXNORM, "1030", []),
        (CVX, "103", []),
        (CVX, "3", ["live_vaccine"]),
        ("", "103", []),
        (RXNORM, "", []),
        ("http://hospital.example", "103", []),
    ],
)
def test_a_code_names_what_its_own_system_says(vocabulary: Vocabulary, system: str, code: str, expected: list[str]) -> None:
    for _ in range(2):  # the second answer comes from memory
        assert [mapped.concept for mapped in codes.lookup(vocabulary, system, code)] == expected


def test_remembered_look_ups_are_bounded(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "MEMO_LIMIT", 10)
    for number in range(100):
        codes.lookup(vocabulary, RXNORM, str(number))
    assert len(vocabulary.memo) <= 10
    assert [mapped.concept for mapped in codes.lookup(vocabulary, RXNORM, "103")] == ["mercaptopurine"]
