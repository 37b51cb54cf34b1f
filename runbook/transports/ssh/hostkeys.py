"""Host keys: whether the key that a host shows is one that is known for it. Strict, always.

Owns the reading of known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): plain and hashed names, wildcards, negation,
`[host]:port`, `@revoked` and `@cert-authority`. paramiko's own reader swallows the markers and knows no wildcards, so
that it would accept a revoked key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from fnmatch import fnmatchcase
from pathlib import Path
from shlex import quote

from msgspec import Struct

from runbook.errors import HostKeyError
from runbook.transports.ssh.settings import PORT, SshSettings

_MARKERS = {"@revoked", "@cert-authority"}
_IT = "this host"


class KnownKey(Struct, frozen=True):
    """One line of a known_hosts file that speaks of a host."""

    marker: str
    kind: str
    blob: bytes
    place: str
    """File and line."""


class UnknownHostKey(HostKeyError):
    """A host that no file knows; a person may say that the key is right."""

    def __init__(self, settings: SshSettings, kind: str, blob: bytes, way: tuple[SshSettings, ...] = ()) -> None:
        where = settings.known_hosts[0] if settings.known_hosts else "~/.ssh/known_hosts"
        port = f"-p {settings.port} " if settings.port != PORT else ""
        super().__init__(
            f"the key of {_IT} is not known: {kind} {fingerprint(blob)}",
            where=settings.place,
            remedy="compare the fingerprint with one that you got another way, then: "
            f"{_through(way)}ssh-keyscan {port}{settings.address} >> {where}",
        )
        self.kind = kind
        self.blob = blob


def of_hop(error: HostKeyError, behind: SshSettings) -> HostKeyError:
    """Return what was wrong with the key of a hop as it is told of the host behind it."""
    told = error.message.replace(_IT, f"this hop on the way to {behind.place}", 1)
    return HostKeyError(told, where=error.where, remedy=error.remedy)


def _through(way: tuple[SshSettings, ...]) -> str:
    """Return the beginning of a command line that runs it on the last hop: none but that one reaches the host."""
    if not way:
        return ""
    *before, last = (_hop(hop) for hop in way)
    ssh = f"ssh -F {quote(way[-1].config)}" if way[-1].config else "ssh"
    return f"{ssh} -J {','.join(before)} {last} " if before else f"{ssh} {last} "


def _hop(hop: SshSettings) -> str:
    if hop.name != hop.address:
        return hop.name
    return hop.place if hop.port == PORT else f"ssh://{hop.place}"


def fingerprint(blob: bytes) -> str:
    """Return the fingerprint as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def known_keys(settings: SshSettings) -> tuple[KnownKey, ...]:
    """Return all lines of the known_hosts files that speak of this host, marked ones too."""
    found: list[KnownKey] = []
    for file in settings.known_hosts:
        try:
            lines = Path(file).read_bytes().splitlines()
        except OSError:
            continue
        for number, line in enumerate(lines, 1):
            key = _read_line(line.decode("utf-8", "replace"), settings.key_name, f"{file}:{number}")
            if key is not None:
                found.append(key)
    return tuple(found)


def check(
    settings: SshSettings, kind: str, blob: bytes, known: tuple[KnownKey, ...], way: tuple[SshSettings, ...] = ()
) -> None:
    """Refuse a key that is revoked, changed or not known; returns if it is the right one.

    `way` are the hops before the host, for the remedy.

    Raises UnknownHostKey if the host is not known at all, HostKeyError for all else.
    """
    where, shown = settings.place, f"{kind} {fingerprint(blob)}"
    revoked = next((one for one in known if one.marker == "@revoked" and one.blob == blob), None)
    if revoked is not None or _is_listed(settings, blob):
        place = revoked.place if revoked is not None else settings.revoked
        raise HostKeyError(f"the key of {_IT} is revoked: {shown} ({place})", where=where, remedy=_DO_NOT)
    plain = [one for one in known if not one.marker]
    if any(one.blob == blob for one in plain):
        return
    if plain:
        others = ", ".join(f"{one.kind} {fingerprint(one.blob)} ({one.place})" for one in plain)
        raise HostKeyError(f"the key of {_IT} has changed: it shows {shown}, known is {others}", where=where,
                           remedy=_DO_NOT)  # fmt: skip
    authority = next((one for one in known if one.marker == "@cert-authority"), None)
    if authority is not None:
        raise HostKeyError(
            f"{_IT} is known by a certificate authority only ({authority.place}), which cannot be checked here;"
            f" it shows {shown}",
            where=where,
            remedy="add the key of the host itself to known_hosts",
        )
    raise UnknownHostKey(settings, kind, blob, way)


_DO_NOT = "do not go on before you know why: ask who runs the host; only then remove the line from known_hosts"


def preferred(kinds: tuple[str, ...], known: tuple[KnownKey, ...]) -> tuple[str, ...]:
    """Order algorithms so that those for which a key is known come first: else a host with two keys looks changed."""
    have = {one.kind for one in known if not one.marker}
    have |= {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in have else set()
    return (*(k for k in kinds if k in have), *(k for k in kinds if k not in have))


def remember(settings: SshSettings, kind: str, blob: bytes) -> str:
    """Add a key that a person has accepted to the user's known_hosts file; return the file."""
    file = Path(settings.known_hosts[0] if settings.known_hosts else os.path.expanduser("~/.ssh/known_hosts"))
    name = hashed(settings.key_name) if settings.hash_known_hosts else settings.key_name
    line = f"{name} {kind} {base64.b64encode(blob).decode()}\n"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole = not file.exists() or file.read_bytes()[-1:] in {b"", b"\n"}
    with file.open("a", encoding="utf-8") as out:
        out.write(line if whole else f"\n{line}")
    return str(file)


def hashed(name: str, salt: bytes | None = None) -> str:
    """Return a name as HashKnownHosts writes it."""
    salt = salt if salt is not None else os.urandom(20)
    digest = hmac.new(salt, name.encode(), "sha1").digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def _read_line(line: str, name: str, place: str) -> KnownKey | None:
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0].startswith("@") else ""
    if (marker and marker not in _MARKERS) or len(words) < 3 or not _names(words[0], name):
        return None
    try:
        return KnownKey(marker, words[1], base64.b64decode(words[2], validate=True), place)
    except (binascii.Error, ValueError):
        return None


def _names(patterns: str, name: str) -> bool:
    """Tell whether a list of patterns means a host; a negated pattern that fits rules it out."""
    if patterns.startswith("|"):
        return _is_hash_of(patterns, name)
    fits = False
    for pattern in patterns.lower().split(","):
        negated = pattern.startswith("!")
        if _fits(pattern.removeprefix("!"), name):
            if negated:
                return False
            fits = True
    return fits


def _fits(pattern: str, name: str) -> bool:
    # Most are plain names, and a long file of them would be a long time turned into expressions.
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    # Only these are special; brackets belong to [host]:port.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _is_hash_of(written: str, name: str) -> bool:
    parts = written.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        return hmac.compare_digest(written, hashed(name, base64.b64decode(parts[2])))
    except (binascii.Error, ValueError):
        return False


def _is_listed(settings: SshSettings, blob: bytes) -> bool:
    """Tell whether RevokedHostKeys lists a key; a file that cannot be read revokes all, as ssh_config(5) has it."""
    if not settings.revoked:
        return False
    try:
        data = Path(settings.revoked).read_bytes()
    except OSError as error:
        raise HostKeyError(
            f"the list of revoked keys cannot be read: {error.strerror}", where=settings.revoked
        ) from error
    if data.startswith(b"SSHKRL"):
        raise HostKeyError(
            "a list of revoked keys in binary form cannot be checked here", where=settings.revoked,
            remedy="list the keys as text",
        )  # fmt: skip
    encoded = base64.b64encode(blob)
    return any(encoded in line.split() for line in data.splitlines())
