"""Which algorithms are offered to a host: ours, the best first, within what the user's ssh configuration names.

Owns our lists and how a list of ssh_config(5) narrows them. Weak algorithms are not offered, unless the configuration
names one that `ssh` does not offer by itself either: then somebody has decided for an old host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from runbook.errors import ConnectError

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
MACS = (
    "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
)  # fmt: skip
KEX = (
    "curve25519-sha256@libssh.org",
    "mlkem768x25519-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group-exchange-sha256",
    "diffie-hellman-group14-sha256",
)
"""Best first; CBC, MD5, SHA-1 and DSA are not offered. curve25519 costs the host 11 ms, the post-quantum one 85."""

KEYWORDS = ("ciphers", "macs", "kexalgorithms", "hostkeyalgorithms")
"""The lists of ssh_config(5) that narrow what is offered."""

_SAME = {"curve25519-sha256": "curve25519-sha256@libssh.org"}
"""Names of one algorithm, by the one that is known here."""

Lists = tuple[tuple[str, tuple[str, ...]], ...]


def named(said: Mapping[str, Sequence[str]], usual: Mapping[str, Sequence[str]]) -> Lists:
    """Return the lists that a configuration sets: keyword, what it names, and behind a `+` what it adds to the usual.

    Both arguments are answers of `ssh -G`, the second one without any configuration.
    """
    found = []
    for keyword in KEYWORDS:
        wanted, default = _words(said.get(keyword)), _words(usual.get(keyword))
        if not wanted or not default or wanted == default:
            continue
        added = tuple(f"+{name}" for name in wanted if name not in default)
        kept = tuple(name for name in wanted if name in default)
        # `+x`, `-x` and a plain part of the list say which, not in which order.
        ordered = kept != tuple(name for name in default if name in kept)
        found.append((keyword, (*(("=",) if ordered else ()), *kept, *added)))
    return tuple(found)


def offer(ours: Sequence[str], known: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return what is offered of one kind, the best first; nothing if nothing is left.

    Args:
        ours: what is offered where nobody says anything.
        known: all that the library can do.
        wanted: one list of `named`, without its keyword.
    """
    kept = [_SAME.get(name, name) for name in wanted if name[0] not in "+="]
    added = tuple(_SAME.get(name[1:], name[1:]) for name in wanted if name[0] == "+")
    strong = [name for name in kept if name in ours] if "=" in wanted else [name for name in ours if name in kept]
    there = tuple(dict.fromkeys(name for name in (*strong, *added) if name in known))
    # Named alone, a weak one is meant as well.
    return there or tuple(dict.fromkeys(name for name in kept if name in known))


class Offering(Protocol):
    """A connection before its handshake."""

    def offered(self, keyword: str) -> tuple[str, ...]:
        """Return what is offered for a list of ssh_config(5)."""

    def known(self, keyword: str) -> tuple[str, ...]:
        """Return all that could be offered for it."""

    def offer(self, keyword: str, names: tuple[str, ...]) -> None:
        """Offer these for it, the best first."""


def restrict(link: Offering, lists: Lists, place: str) -> None:
    """Have a connection offer what the configuration names. Raises ConnectError if nothing of it is known here."""
    for keyword, wanted in lists:
        ours, known = link.offered(keyword), link.known(keyword)
        chosen = offer(ours, known, wanted)
        if not chosen:
            names = ", ".join(name.lstrip("+") for name in wanted if name != "=")
            raise ConnectError(
                f"nothing of what its ssh configuration names for {keyword} is known here: {names}", where=place,
                remedy=f"name one of {', '.join(ours)}",
            )  # fmt: skip
        link.offer(keyword, chosen)


def _words(lines: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for name in lines[-1].split(",") if name) if lines else ()
