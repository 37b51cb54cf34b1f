"""What an inventory of Ansible says, whatever form it was written in: its groups, its variables, and our hosts.

Owns the meaning: which variable wins, what the connection variables become, and the refusal of those that cannot be
honoured. `ansible_ini` and `ansible_tree` read the forms. Of groups the deeper one wins, of equally deep ones that
with the higher `ansible_group_priority`, then the later by name, as in Ansible.

A value that only Ansible can read (a template, a vault) is kept as such, and refused when a playbook wants it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from runbook.loader.diagnostic import MAX_FAULTS, MAX_WORDS, Diagnostic
from runbook.loader.hostname import ADDRESS, HOST_NAME, USER
from runbook.model.fault import shown
from runbook.model.host import LOCAL, Host, unreadable
from runbook.model.scalar import Json
from runbook.text.sanitise import one_line

LISTED = "ansible-inventory -i FILE --list > hosts.json, and name that file"
"""What always works: Ansible itself says what its inventory means."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

_SAYS = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_ssh_private_key_file": "key_file",
    "ansible_private_key_file": "key_file",
    "ansible_connection": "transport",
}
"""The variables that are honoured. Where two say the same, the first of this table wins."""

_SSH = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh"})
_HERE = frozenset({"local", "ansible.builtin.local"})

_IDLE = re.compile(r"ansible_(\w+_interpreter|group_priority|shell_type|shell_executable|facts|check_mode)")
"""What says nothing about the way to a host, or only something about a Python that is not needed there."""

_REMEDIES = {
    "become": "write sudo: true in the steps that need it",
    "password": "passwords are asked for, or use a key",
    "pass": "passwords are asked for, or use a key",
    "args": "put it into the ssh configuration, and leave ansible_host out",
}


class Var(Struct, frozen=True):
    """One variable with its place."""

    value: Json
    line: int = 0
    column: int = 0
    file: str = ""
    """Where it stands, if not in the inventory itself."""


class Group(Struct):
    """One group as far as it was read."""

    hosts: dict[str, None]
    children: dict[str, None]
    vars: dict[str, Var]


class Told(Struct):
    """All that was read."""

    hosts: dict[str, dict[str, Var]]
    """The variables of each host itself, in the order of the file."""
    groups: dict[str, Group]
    group_files: dict[str, dict[str, Var]] = {}
    """What `group_vars` says of groups."""
    host_files: dict[str, dict[str, Var]] = {}
    """What `host_vars` says of hosts."""

    def group(self, name: str) -> Group:
        """Return a group, which is new if nobody has named it yet."""
        return self.groups.setdefault(name, Group({}, {}, {}))


class Faults:
    """What is wrong with one inventory, with places."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[Diagnostic] = []

    def add(self, line: int, column: int, message: str, hint: str = "", *, file: str = "") -> None:
        """Note a fault, in the inventory itself or in a file beside it; a few hundred are enough for everybody."""
        if len(self.found) <= MAX_FAULTS:
            words = (one_line(text, MAX_WORDS) for text in (message, "", hint))
            self.found.append(Diagnostic(file or self.file, line, column, "error", *words))


def check_host(name: str, line: int, column: int, faults: Faults) -> None:
    """Note a name that no host can have."""
    if not HOST_NAME.fullmatch(name) or name == "all":
        hint = "give it a name, and this as ansible_host" if ":" in name else "letters, digits, dots and dashes"
        faults.add(line, column, f"{shown(name)} is no name for a host", hint)


def check_group(name: str, line: int, column: int, faults: Faults) -> None:
    """Note a name that no group can have: in patterns some signs mean something."""
    if not HOST_NAME.fullmatch(name):
        faults.add(line, column, f"{shown(name)} is no name for a group", "letters, digits, dots and dashes")


def assemble(told: Told, faults: Faults) -> tuple[Host, ...]:
    """Return the hosts in the order of the file; `local` is first where the file does not have it."""
    depth = _depths(told, faults)
    if depth is None:
        return ()
    above = _parents(told)
    order = sorted(told.groups, key=lambda name: (depth[name], _priority(told.groups[name]), name))
    rank = {name: at for at, name in enumerate(order)}
    direct: dict[str, list[str]] = {}
    for name, group in told.groups.items():
        for host in group.hosts:
            direct.setdefault(host, []).append(name)
    hosts: list[Host] = []
    refused: set[tuple[str, int, int, str]] = set()
    for name, own in told.hosts.items():
        groups = _closure(direct.get(name, ()), above)
        merged: dict[str, Var] = dict(told.group("all").vars)
        ordered = sorted(groups, key=rank.__getitem__)
        for each in ordered:
            merged |= told.groups[each].vars
        kept = tuple(group for group in told.groups if group in groups and group != "all") or ("ungrouped",)
        # As in Ansible the files of `all` stand above what the inventory itself says of any group.
        for each in (
            dict.fromkeys(("all", *ordered, *(kept if kept == ("ungrouped",) else ()))) if told.group_files else ()
        ):
            merged |= told.group_files.get(each, {})
        merged |= own
        merged |= told.host_files.get(name, {})
        hosts.append(_host(name, kept, merged, faults, refused))
    if LOCAL not in told.hosts:
        hosts.insert(0, Host(LOCAL, "local"))
    return tuple(hosts)


def _priority(group: Group) -> int:
    value = group.vars["ansible_group_priority"].value if "ansible_group_priority" in group.vars else 1
    return int(value) if isinstance(value, (int, str)) and str(value).lstrip("-").isdigit() else 1


def _parents(told: Told) -> dict[str, list[str]]:
    above: dict[str, list[str]] = {}
    for name, group in told.groups.items():
        for child in group.children:
            above.setdefault(child, []).append(name)
    return above


def _closure(direct: Iterable[str], above: dict[str, list[str]]) -> set[str]:
    found = set(direct)
    front = list(found)
    while front:
        front = [name for each in front for name in above.get(each, ()) if name not in found]
        found.update(front)
    return found


def _depths(told: Told, faults: Faults) -> dict[str, int] | None:
    """Return how deep each group lies below `all`; None if one lies below itself."""
    above = _parents(told)
    waiting = {name: set(above.get(name, ())) for name in told.groups}
    depth = {name: 0 if name == "all" else 1 for name in told.groups}
    ready = [name for name, parents in waiting.items() if not parents]
    while ready:
        name = ready.pop()
        waiting.pop(name)
        for child in told.groups[name].children:
            depth[child] = max(depth[child], depth[name] + 1)
            waiting[child].discard(name)
            if not waiting[child]:
                ready.append(child)
    if waiting:
        faults.add(0, 0, f"the group {next(iter(waiting))} is a part of itself", "remove one of the children")
        return None
    return depth


def _host(
    name: str, groups: tuple[str, ...], merged: dict[str, Var], faults: Faults, refused: set[tuple[str, int, int, str]]
) -> Host:
    said: dict[str, Any] = {}
    values: dict[str, Json] = {}
    for variable, var in merged.items():
        if variable in _SAYS:
            continue
        if not variable.startswith("ansible_"):
            if _NAME.fullmatch(variable):
                values[variable] = _readable(var.value)
            continue
        place = (var.file, var.line, var.column, variable)
        # The same line of a group speaks for all its hosts and is told once.
        if not _IDLE.fullmatch(variable) and not _is_off(var.value) and place not in refused:
            refused.add(place)
            remedy = next((text for word, text in _REMEDIES.items() if word in variable), "leave it out")
            faults.add(var.line, var.column, f"{variable} cannot be honoured", remedy, file=var.file)
    for variable, field in _SAYS.items():
        if variable in merged and field not in said and not _is_off(merged[variable].value):
            said[field] = _connection(name, variable, field, merged[variable], faults)
    transport: Literal["local", "ssh"] = said.pop("transport", None) or ("local" if name == LOCAL else "ssh")
    if transport == "local":
        # What says where a host is says nothing about this machine.
        return Host(name, "local", groups=groups, vars=values)
    fields = {field: value for field, value in said.items() if value is not None}
    return Host(name, "ssh", groups=groups, vars=values, **fields)


def _is_off(value: Json) -> bool:
    return value is None or value is False or (isinstance(value, str) and value.lower() in ("", "no", "false"))


def _connection(name: str, variable: str, field: str, var: Var, faults: Faults) -> Any:
    """Return what a connection variable says, None with a fault if it cannot be used."""
    value = _readable(var.value) if isinstance(var.value, dict) else var.value
    if isinstance(value, dict) or (isinstance(value, str) and ("{{" in value or "{%" in value)):
        what = "is encrypted" if isinstance(value, dict) else "is a template"
        faults.add(
            var.line, var.column, f"{variable} of {name} {what}, which only Ansible can read", LISTED, file=var.file
        )
        return None
    text = str(value)
    match field:
        case "port" if text.isascii() and text.isdigit() and 0 < int(text) <= 65535:
            return int(text)
        case "address" if ADDRESS.fullmatch(text):
            return text
        case "user" if USER.fullmatch(text):
            return text
        case "key_file" if isinstance(value, str):
            return text
        case "transport" if text in _SSH:
            return "ssh"
        case "transport" if text in _HERE:
            return "local"
        case "transport":
            hint = "there are ssh and local"
            faults.add(var.line, var.column, f"{name} has the connection {shown(text)}", hint, file=var.file)
        case _:
            faults.add(var.line, var.column, f"{variable} of {name} is {shown(value)}", file=var.file)
    return None


def _readable(value: Json) -> Json:
    """Return the value of a variable, or what stands for one that only Ansible can read."""
    if isinstance(value, dict) and set(value) == {"__ansible_unsafe"}:
        return value["__ansible_unsafe"]
    found = _unread(value)
    return unreadable(found) if found else value


def _unread(value: Json) -> str:
    match value:
        case str():
            return "a template, which only Ansible evaluates" if "{{" in value or "{%" in value else ""
        case dict() if "__ansible_vault" in value:
            return "encrypted by Ansible Vault"
        case dict():
            return next((why for each in value.values() if (why := _unread(each))), "")
        case list():
            return next((why for each in value if (why := _unread(each))), "")
        case _:
            return ""
