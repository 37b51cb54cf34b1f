"""Patterns of hosts: `all`, `group:NAME`, a host name, globs, lists with commas, `!` in front of what is left out."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from runbook.errors import NoTargetError
from runbook.loader.inventory import DECLARED_LOCAL
from runbook.model.fault import did_you_mean, shown
from runbook.model.host import LOCAL, Host, Inventory

_GROUP = "group:"


def match(inventory: Inventory, pattern: str) -> tuple[Host, ...]:
    """Return the hosts of a pattern: in the order of its parts, then in that of the inventory, each once.

    `all` and globs leave out `local` unless the inventory declares it or has nothing else: this machine is only
    changed when it is meant. Nothing but exclusions means `all` without them.

    Raises:
        NoTargetError: a part means no host, an exclusion included, or nothing is left.
    """
    parts = [part.strip() for part in pattern.split(",")]
    if not all(part.removeprefix("!").strip() for part in parts):
        raise NoTargetError(
            f"the pattern {shown(pattern)} has an empty part", remedy="write a host name, group:NAME or all"
        )
    left_out = {host.name for part in parts if part.startswith("!") for host in _part(inventory, part[1:].strip())}
    wanted = [part for part in parts if not part.startswith("!")] or ["all"]
    found = {host.name: host for part in wanted for host in _part(inventory, part)}
    remaining = tuple(host for name, host in found.items() if name not in left_out)
    if not remaining:
        raise NoTargetError(f"the pattern {shown(pattern)} leaves no host", remedy="exclude less")
    return remaining


def _part(inventory: Inventory, part: str) -> tuple[Host, ...]:
    if part.startswith(_GROUP):
        name = part.removeprefix(_GROUP)
        found = [host for host in inventory.hosts if any(fnmatchcase(group, name) for group in host.groups)]
        if not found:
            groups = {group for host in inventory.hosts for group in host.groups}
            raise _nothing(inventory, part, f"{_GROUP}{name}", [f"{_GROUP}{group}" for group in groups])
        return tuple(found)
    if part == "all":
        return _named(inventory)
    if any(sign in part for sign in "*?["):
        found = [host for host in _named(inventory) if fnmatchcase(host.name, part)]
    else:
        found = [host for host in inventory.hosts if host.name == part]
    if not found:
        groups = {group for host in inventory.hosts for group in host.groups}
        also = [f"{_GROUP}{part}"] if part in groups else []
        raise _nothing(inventory, part, also[0] if also else part, [*also, *(host.name for host in inventory.hosts)])
    return tuple(found)


def _named(inventory: Inventory) -> tuple[Host, ...]:
    """Return the hosts that `all` means."""
    named = tuple(host for host in inventory.hosts if host.name != LOCAL or host.address == DECLARED_LOCAL)
    return named or inventory.hosts


def _nothing(inventory: Inventory, part: str, near: str, known: Iterable[str]) -> NoTargetError:
    where = f" in {inventory.path}" if inventory.path else ""
    hint = did_you_mean(near, known) or "give an inventory with --inventory"
    return NoTargetError(f"{shown(part)} means no host{where}", remedy=hint)
