"""Hosts, and the inventory that names them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from runbook.model.scalar import Json

LOCAL = "local"
"""The name of the target that always exists: this machine."""

ONCE = "*"
"""The place of what runs once for all hosts; a wave of a stage has the place `*N`, counted from 1."""


class Host(Struct, frozen=True):
    """One target, as an inventory describes it."""

    name: str
    transport: Literal["local", "ssh", "chroot"] = "ssh"
    address: str = ""
    port: int = 0
    user: str = ""
    root: str = ""
    """Folder of the mounted root, for the transport `chroot`."""
    groups: tuple[str, ...] = ()
    key_file: str = ""
    """The identity file for the login, and then the only one; empty: what the ssh configuration says."""
    vars: dict[str, Json] = {}
    """Parameter values of this host: those of its groups with its own on top."""


class Inventory(Struct, frozen=True):
    """All hosts that are known, in the order of the file; `local` is always one of them."""

    hosts: tuple[Host, ...] = (Host(LOCAL, "local"),)
    path: str = ""
    sha256: str = ""
    """Of the file, and of those beside it."""
    beside: tuple[str, ...] = ()
    """The files beside it that were read as well."""


_UNREADABLE = "unreadable"


def unreadable(why: str) -> Json:
    """Return what stands in the variables of a host for a value that cannot be read here."""
    return {_UNREADABLE: why}


def why_unreadable(value: Json) -> str:
    """Return why a variable cannot be read; empty for one that can."""
    return str(value[_UNREADABLE]) if isinstance(value, dict) and set(value) == {_UNREADABLE} else ""
