"""Certificates of users: which one belongs to a key, and what it says of who may log in with it, and when.

Owns the reading of their fields (PROTOCOL.certkeys of OpenSSH). Whether one is good is for the host to say.
"""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from datetime import UTC, datetime
from typing import Any

_FOREVER = 1 << 62


def certified(key: Any, files: tuple[str, ...], user: str) -> tuple[str, Any] | None:
    """Return the key with the first certificate that is made for it, and what is to say of that one; None: no such."""
    for file in files:
        # One that belongs to another key, or is none.
        with suppress(Exception):
            found = copy(key)
            found.load_certificate(file)
            return _told(found.public_blob.key_blob, key.asbytes(), user), found
    return None


def _told(certificate: bytes, public: bytes, user: str) -> str:
    """Return in words why a host would not take it, empty if nothing speaks against it. ValueError: of another key."""
    from paramiko.message import Message

    own, fields = Message(public), Message(certificate)
    own.get_string()  # the kind
    fields.get_string()
    fields.get_string()  # the nonce
    parts = own.get_remainder()
    if fields.get_bytes(len(parts)) != parts:
        raise ValueError("a certificate of another key")
    fields.get_int64()  # its serial number
    fields.get_int()  # for users
    fields.get_string()  # its name
    names, left = [], Message(fields.get_string())
    while left.get_remainder():
        names.append(left.get_string().decode("utf-8", "replace"))
    begin, end = fields.get_int64(), fields.get_int64()
    now = datetime.now(UTC).timestamp()
    if end < _FOREVER and now >= end:
        return f"expired {_time(end)}"
    if begin > now:
        return f"not valid before {_time(begin)}"
    return f"made for {', '.join(names)} only" if names and user not in names else ""


def _time(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
