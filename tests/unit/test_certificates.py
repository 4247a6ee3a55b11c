"""CDS_FHIR_CA over real TLS on loopback: a hospital's own authority, for its FHIR server and for its clients' keys."""

import errno
import os
import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from types import SimpleNamespace

import callers
import certifi
import faults
import pytest
from callers import ISSUER, PUBLIC, bearer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cds_service import certificates
from cds_service.app import create_app
from cds_service.certificates import trusting
from cds_service.config import Settings
from cds_service.errors import BadSetting
from cds_service.fetch.questions import Failed, Question
from cds_service.model.hooks import Access
from cds_service.model.vocabulary import Vocabulary
from cds_service.trust import KeySets

PATIENT = {"resourceType": "Patient", "id": "p1"}
RULES = SimpleNamespace(trials=(), vocabulary=Vocabulary({}, {}, {}), templates={})


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def unsigned(subject, issuer, key):
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    return made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """`ca`: PEM file of an authority; `tls`: a server's context with a certificate of it for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(ours.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    ca = unsigned(name("Hospital CA"), name("Hospital CA"), ours).add_extension(x509.BasicConstraints(True, 0), critical=True)
    ca = ca.add_extension(usage, critical=True).add_extension(identifier, critical=False).sign(ours, SHA256())
    leaf = unsigned(name("ehr"), name("Hospital CA"), theirs)
    leaf = leaf.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False).sign(ours, SHA256())
    (folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    pair = theirs.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + leaf.public_bytes(Encoding.PEM)
    (folder / "server.pem").write_bytes(pair)
    (folder / "ca.der").write_bytes(ca.public_bytes(Encoding.DER))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem")
    return SimpleNamespace(ca=folder / "ca.pem", der=folder / "ca.der", tls=tls)


@pytest.fixture
def ehr(hospital):
    server = faults.Server({"entry": [{"resource": PATIENT}]})
    server.http.socket = hospital.tls.wrap_socket(server.http.socket, server_side=True)
    server.base = server.base.replace("http:", "https:")
    with faults.running(server):
        yield server


def asked(ehr, environ):
    server = create_app(RULES, Settings.from_environment(environ)).extensions["fhir_server"]
    with closing(server):
        return server.talk(Access(ehr.base, "Hush-7731")).ask(Question(f"{ehr.base}/Patient/p1"))


def test_a_fhir_server_of_the_hospitals_authority_is_asked(ehr, hospital):
    assert asked(ehr, {"CDS_FHIR_CA": str(hospital.ca)}) == PATIENT


def test_without_it_the_token_is_not_sent_there(ehr):
    with pytest.raises(Failed, match="no TLS connection with a certificate that is trusted"):
        asked(ehr, {})
    assert ehr.tokens == []


def test_keys_come_from_an_address_of_the_hospitals_authority(hospital, tmp_path):
    with callers.key_server(hospital.tls) as server:
        path = callers.client_file(tmp_path, {"name": "ehr", "iss": ISSUER, "jku": f"{server.base}/jwks"})
        environ = {"CDS_CLIENTS": str(path), "CDS_PUBLIC_URL": PUBLIC}
        for more, status in (({}, 401), ({"CDS_FHIR_CA": str(hospital.ca)}, 200)):
            http = create_app(RULES, Settings.from_environment({**environ, **more})).test_client()
            assert http.get("/cds-services", headers=bearer(aud=f"{PUBLIC}/cds-services")).status_code == status
        assert server.asked == ["/jwks"]


def test_a_refused_certificate_is_told_of_in_a_word_of_its_own(hospital):
    told = []
    with callers.key_server(hospital.tls) as server:
        sets = KeySets(frozenset({f"{server.base}/jwks"}), lambda address, why: told.append(why))
        assert sets.find(f"{server.base}/jwks", "ec-1", "ES384") is None
    assert told == ["no-trusted-certificate"]


def test_the_public_authorities_are_trusted_besides(hospital):
    public = len(ssl.create_default_context(cafile=certifi.where()).get_ca_certs())
    assert public > 50 and len(trusting(hospital.ca).get_ca_certs()) == public + 1
    assert trusting(None) is None


def test_a_certificate_for_another_name_is_refused(ehr, hospital):
    ehr.base = ehr.base.replace("127.0.0.1", "localhost")
    with pytest.raises(Failed, match="no TLS connection"):
        asked(ehr, {"CDS_FHIR_CA": str(hospital.ca)})
    assert ehr.tokens == []


@pytest.mark.parametrize("what", ["der", "text", "empty"])
def test_what_is_no_list_of_certificates_is_refused_with_what_to_do(hospital, tmp_path, what):
    path = tmp_path / "ca.pem"
    path.write_bytes({"der": hospital.der.read_bytes(), "text": b"not a certificate", "empty": b""}[what])
    with pytest.raises(BadSetting, match=r"CDS_FHIR_CA: .*ca\.pem is not a list of certificates in PEM form .* openssl x509 -inform der"):
        create_app(RULES, Settings.from_environment({"CDS_FHIR_CA": str(path)}))


def test_a_file_that_may_not_be_read_is_refused_with_what_to_do(tmp_path, monkeypatch):
    """Root may read everything, so the system's word is made here."""
    path = tmp_path / "ca.pem"

    class Closed:
        def load_verify_locations(self, bundle):
            if bundle == path:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(certificates, "create_urllib3_context", Closed)
    with pytest.raises(BadSetting, match="cannot be read: Permission denied"):
        trusting(path)


def test_a_file_that_has_gone_is_refused(tmp_path):
    with pytest.raises(BadSetting, match="cannot be read: No such file"):
        trusting(tmp_path / "gone.pem")
    with pytest.raises(BadSetting, match="CDS_FHIR_CA: no file"):
        Settings.from_environment({"CDS_FHIR_CA": str(tmp_path / "gone.pem")})
