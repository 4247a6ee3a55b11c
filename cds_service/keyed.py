"""Keyed hashes: the only form in which a patient, a clinician or deciding data are kept, or stand in a log."""

from __future__ import annotations

import hmac


class Keys:
    """HMAC-SHA256, cut to 128 bits. Without the key nobody can tell by trial and error whose hash it is."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Keys(…)"

    def of(self, kind: str, *parts: str) -> str:
        """32 hexadecimal digits. `kind` keeps a patient and a practitioner of the same id apart."""
        return hmac.digest(self._key, "\x1f".join((kind, *parts)).encode("utf-8", "surrogatepass"), "sha256")[:16].hex()
