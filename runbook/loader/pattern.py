"""Patterns of hosts, as users of Ansible know them: `web:&prod:!web3`, `web*`, `web[0:2]`, `~web[1-3]`, `a,b`.

A part is `all`, a host, a group (`group:NAME` where a host has the same name), a glob over both, or `~` and a regular
expression. `&` keeps only hosts that are in it, `!` leaves its hosts out; what stands behind a name in brackets picks
from its hosts by position. https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

from runbook.errors import NoTargetError, PlaybookError, UsageError
from runbook.loader.hostname import DECLARED_LOCAL
from runbook.model.fault import did_you_mean, shown
from runbook.model.host import LOCAL, Host, Inventory

_GROUP = "group:"
_SPLIT = re.compile(r"(?:,|(?<!^group)(?<![,:&!\s]group):)(?![^\[\]]*\])")
"""Commas and colons part, but for those of `group:` and those in brackets."""
_PICK = re.compile(r"(.*[^\[\]])\[(-?\d+|-?\d*:-?\d*)\]")
_FILE = re.compile(r"(^|,)\s*@([^,]+)")
_LONGEST = 500


def match(inventory: Inventory, pattern: str) -> tuple[Host, ...]:
    """Return the hosts of a pattern: in the order of its parts, then in that of the inventory, each once.

    `all` and globs leave out `local` unless the inventory declares it or has nothing else: this machine is only
    changed when it is meant. Nothing but exclusions and intersections means `all` before them.

    Raises:
        NoTargetError: a part means no host, an exclusion included, or nothing is left.
    """
    parts = _parts(pattern)
    plain = [part for part in parts if part[0] not in "&!"] or ["all"]
    found = {host.name: host for part in plain for host in _part(inventory, part)}
    for part in (part for part in parts if part[0] == "&"):
        both = {host.name for host in _part(inventory, part[1:].strip())}
        found = {name: host for name, host in found.items() if name in both}
    left_out = {host.name for part in parts if part[0] == "!" for host in _part(inventory, part[1:].strip())}
    remaining = tuple(host for name, host in found.items() if name not in left_out)
    if not remaining:
        remedy = "exclude less" if left_out else "no host is in all of its groups"
        raise NoTargetError(f"the pattern {shown(pattern)} leaves no host", remedy=remedy)
    return remaining


def with_files(pattern: str) -> str:
    """Return a pattern with the lines of each file in place of its part `@FILE`: a pattern per line, `#` for remarks.

    Such are the retry files of Ansible. A part with a file ends at the next comma.
    Raises UsageError if a file cannot be read, NoTargetError if it names nothing.
    """
    if "@" not in pattern:
        return pattern
    return _FILE.sub(lambda found: f"{found[1]}{_listed(found[2].strip())}", pattern)


def _listed(file: str) -> str:
    try:
        from runbook.loader.document import read_text

        lines = read_text(Path(file).expanduser()).removeprefix("\ufeff").splitlines()
    except PlaybookError as error:
        raise UsageError(
            f"the targets of @{file} cannot be read: {error.message}", remedy="name a file with a target per line"
        ) from error
    named = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    if not named:
        raise NoTargetError(f"@{file} names no target")
    return ",".join(named)


def _parts(pattern: str) -> list[str]:
    parts = [part.strip() for part in _SPLIT.split(pattern)]
    if not all(part.lstrip("&!").strip() for part in parts):
        raise NoTargetError(
            f"the pattern {shown(pattern)} has an empty part", remedy="write a host name, a group or all"
        )
    return parts


def _part(inventory: Inventory, part: str) -> tuple[Host, ...]:
    picked = None if part.startswith("~") else _PICK.fullmatch(part)
    among = _meant(inventory, picked[1]) if picked is not None else ()
    # `web[1]` is the second host of `web` where there is a `web`, else a glob that means web1.
    found = _picked(among, picked[2]) if picked is not None and among else _meant(inventory, part)
    if not found and picked is not None and among:
        count = f"{picked[1]} has {len(among)} host{'' if len(among) == 1 else 's'}, counted from 0"
        raise NoTargetError(f"{shown(part)} means no host", remedy=count)
    if not found:
        raise _nothing(inventory, picked[1] if picked is not None else part)
    return found


def _meant(inventory: Inventory, part: str) -> tuple[Host, ...]:
    """Return the hosts of a part without a choice among them; nothing if it means none."""
    if part.startswith("~"):
        expression = _compiled(part)
        return _by(inventory, lambda name: expression.match(name) is not None)
    if part.startswith(_GROUP):
        name = part.removeprefix(_GROUP)
        return tuple(host for host in inventory.hosts if any(fnmatchcase(group, name) for group in host.groups))
    if part == "all":
        return _named(inventory)
    if any(sign in part for sign in "*?["):
        return _by(inventory, lambda name: fnmatchcase(name, part))
    named = tuple(host for host in inventory.hosts if host.name == part)
    return named or tuple(host for host in inventory.hosts if part in host.groups)


def _by(inventory: Inventory, fits: Callable[[str], bool]) -> tuple[Host, ...]:
    """Return the hosts whose name, or the name of one of whose groups, fits."""
    groups = {group for host in inventory.hosts for group in host.groups}
    fitting = {group for group in groups if fits(group)}
    return tuple(host for host in _named(inventory) if fits(host.name) or not fitting.isdisjoint(host.groups))


def _compiled(part: str) -> re.Pattern[str]:
    try:
        return re.compile(part[1:][:_LONGEST])
    except re.error as error:
        raise NoTargetError(f"{shown(part)} is no regular expression: {error}", remedy="mend it") from error


def _picked(found: tuple[Host, ...], choice: str) -> tuple[Host, ...]:
    """Return the hosts at a position, or from a first to a last one, both included, as Ansible counts them."""
    first, colon, last = choice.partition(":")
    if not colon:
        position = int(first)
        return found[position : position + 1 or None] if -len(found) <= position < len(found) else ()
    begin = int(first or 0)
    end = int(last) if last else len(found) - 1
    return found[begin : (end + 1) or None]


def _named(inventory: Inventory) -> tuple[Host, ...]:
    """Return the hosts that `all` means."""
    named = tuple(host for host in inventory.hosts if host.name != LOCAL or host.address == DECLARED_LOCAL)
    return named or inventory.hosts


def _nothing(inventory: Inventory, part: str) -> NoTargetError:
    where = f" in {inventory.path}" if inventory.path else ""
    groups = sorted({group for host in inventory.hosts for group in host.groups})
    hosts = [host.name for host in inventory.hosts]
    if part.startswith(_GROUP):
        hint = did_you_mean(part, [f"{_GROUP}{group}" for group in groups]) or _as_group(inventory, part, groups)
    else:
        hint = did_you_mean(part, [*hosts, *groups])
    if not hint and (inventory.path or groups):
        hint = f"there are {_some([*groups, *hosts])}"
    return NoTargetError(f"{shown(part)} means no host{where}", remedy=hint or "give an inventory with --inventory")


def _as_group(inventory: Inventory, part: str, groups: list[str]) -> str:
    """Return how a group is written where there is only a host of its name, or no group at all."""
    name = part.removeprefix(_GROUP)
    hosts = [host.name for host in inventory.hosts if host.name != LOCAL]
    if not inventory.path or not hosts or (groups and name not in hosts):
        return ""
    is_ini = Path(inventory.path).suffix in {"", ".ini"}
    written = f"[{name}]" if is_ini else f"groups: {{{name}: {{hosts: [{name if name in hosts else _some(hosts)}]}}}}"
    return f"there is {'a host of that name, not a group' if name in hosts else 'no group'}; write {written}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
