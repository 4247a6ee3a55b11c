"""Where the key of the hashes comes from that stand for people in a SQLite store."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from cds_service.errors import BadSetting


def key_beside(database: Path) -> bytes:
    """The key of a SQLite store, made at the first start: 32 random bytes in hexadecimal, for the owner's eyes only."""
    path = database.with_name(database.name + ".key")
    if not path.exists():
        try:
            _make(path)
        except OSError as fault:
            raise BadSetting(f"cannot write the key {path}: {fault.strerror}; set CDS_HASH_KEY, or CDS_DATABASE_URL to another place") from None
    return _read(path)


def _make(path: Path) -> None:
    """Whole or not at all, and never over another: two services may start at once."""
    handle, draft = tempfile.mkstemp(dir=path.parent)  # 0600 from the first moment
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)


def _read(path: Path) -> bytes:
    try:
        key = path.read_bytes().strip()
        mode = path.stat().st_mode
    except OSError as fault:
        raise BadSetting(f"cannot read the key {path}: {fault.strerror}") from None
    if len(key) < 32:
        raise BadSetting(f"the key {path} has fewer than 32 characters: put it back from a backup, or set CDS_HASH_KEY")
    if mode & 0o077:
        raise BadSetting(f"the key {path} can be read by others: chmod 600 {path}")
    return key
