"""A site's own certificate authorities (CDS_FHIR_CA) → what TLS trusts: them and the public ones."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
from urllib3.util.ssl_ import create_urllib3_context

from cds_service.errors import BadSetting


def trusting(bundle: Path | None) -> ssl.SSLContext | None:
    """None without a bundle: then what requests does by itself holds, which is to trust the public ones. Raises BadSetting.

    Beside, not in place of them: inside one hospital its own authority signs for the FHIR server, a public one for the keys.
    """
    if bundle is None:
        return None
    context = create_urllib3_context()
    context.load_verify_locations(certifi.where())
    try:
        context.load_verify_locations(bundle)
    except ssl.SSLError:
        raise BadSetting(
            f"CDS_FHIR_CA: {bundle} is not a list of certificates in PEM form (BEGIN CERTIFICATE); "
            "a binary one becomes PEM with: openssl x509 -inform der -in FILE"
        ) from None
    except OSError as fault:
        raise BadSetting(f"CDS_FHIR_CA: {bundle} cannot be read: {fault.strerror}; let the user that runs the service read it") from None
    return context
