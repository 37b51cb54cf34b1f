"""Inventories: which form a file has, and Runbook's own form with its hosts, groups and variables.

    hosts:
      shop-1: {transport: ssh, address: 10.0.0.1, port: 22, user: ops, vars: {service: order-service}}
      shop-2: {key_file: ~/.ssh/shop}      # an alias of the ssh configuration
    groups:
      order: {hosts: [shop-1], vars: {…}, children: [payment]}
    vars: {…}

Variables of a host lie over those of its groups, those over the ones at the top; of two groups the one nearer to
the host wins, of equally near ones the one that stands later in the file. Ansible's forms are read by `ansible_ini`
and `ansible_tree`, their meaning is in `ansible`. Which hosts a pattern means is in `pattern`; whether a transport
exists is told when its host is chosen, in `later`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, Struct

from runbook.errors import InventoryError, PlaybookError
from runbook.loader.ansible_form import TAGS, looks_like_tree
from runbook.loader.diagnostic import Diagnostic, Findings, TooManyFaults, from_error
from runbook.loader.document import Document, parse, read_text, sha256_of
from runbook.loader.hostname import ADDRESS, DECLARED_LOCAL, HOST_NAME, USER
from runbook.model.convert import convert
from runbook.model.fault import Fault, ValuePath, did_you_mean, shown
from runbook.model.host import LOCAL, Host, Inventory
from runbook.model.scalar import Json, Name

if TYPE_CHECKING:
    from runbook.loader.ansible import Faults, Told

MAX_MEMBERSHIPS = 200_000
"""Groups and variables of all hosts together: a small file can mean a huge inventory."""

_ANSIBLE_REMEDY = "write address, port, user, key_file and transport"
_JUMPS = ("bastion", "gateway", "jump", "proxy", "ssh", "via")
_JUMP_REMEDY = (
    "write ProxyJump into your ssh configuration; it is read for a host whose `address` or `user` is left out here"
)
_TAG = re.compile(rf"(?<=[:\-\s])({'|'.join(sorted(TAGS, reverse=True))})(?=\s)")

Vars = Annotated[dict[Name, Json], Meta(description="Values for parameters of these names")]


class WrittenHost(Struct, frozen=True):
    """One host, as it stands in the file."""

    transport: Literal["local", "ssh", "chroot", ""] = ""
    address: str = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    user: str = ""
    key_file: str = ""
    root: str = ""
    vars: Vars = {}


class WrittenGroup(Struct, frozen=True):
    """One group, as it stands in the file."""

    hosts: tuple[str, ...] = ()
    vars: Vars = {}
    children: tuple[str, ...] = ()


class WrittenInventory(Struct, frozen=True):
    """A whole inventory file."""

    hosts: dict[str, WrittenHost | None] = {}
    groups: dict[str, WrittenGroup | None] = {}
    vars: Vars = {}


class InventoryFaults(InventoryError):
    """All faults of an inventory; as an error it shows the first."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        first = diagnostics[0]
        more = f" (and {len(diagnostics) - 1} more)" if len(diagnostics) > 1 else ""
        where = ":".join(str(part) for part in (first.file, first.line, first.column) if part)
        super().__init__(first.sentence() + more, where=where)
        self.diagnostics = diagnostics


def load_inventory(source: Path | str) -> Inventory:
    """Return the inventory in a file or a text (`str` is text); raises InventoryFaults with all that is wrong."""
    inventory, found = _load(source)
    if found:
        raise InventoryFaults(tuple(found))
    return inventory


def diagnose_inventory(source: Path | str) -> list[Diagnostic]:
    """Return all faults of an inventory; never raises them."""
    return _load(source)[1]


def _load(source: Path | str) -> tuple[Inventory, list[Diagnostic]]:
    file = str(source) if isinstance(source, Path) else ""
    text = ""
    try:
        text = read_text(source) if isinstance(source, Path) else source
        document = parse(text, file, tags=TAGS if _TAG.search(text) else frozenset())
    except PlaybookError as error:
        if text.startswith("#!"):
            return Inventory(), [_script(file)]
        return _ini(text, file) or (Inventory(), [from_error(error, file)])
    raw = document.value
    if isinstance(raw, dict) and looks_like_tree(raw):
        return _tree(raw, document, text)
    if isinstance(raw, (str, list)) and (told := _ini(text, file)) is not None:
        return told
    findings = Findings(file, document.marks)
    if not isinstance(raw, dict):
        findings.add((), f"an inventory is a mapping, this is {shown(raw)}", "hosts, groups and vars")
        return Inventory(), findings.found
    written, faults = convert(raw, WrittenInventory, text_of=document.marks.text_of)
    try:
        hosts = _checked(written, faults, findings)
    except TooManyFaults:
        findings.close()
        hosts = ()
    return Inventory(hosts, file, sha256_of(text)), sorted(set(findings.found))


def _checked(written: WrittenInventory, faults: tuple[Fault, ...], findings: Findings) -> tuple[Host, ...]:
    for fault in faults:
        key = str(fault.path[-1]) if fault.at_key else ""
        hint = fault.hint
        if key.startswith("ansible_"):
            hint = f"Ansible's keys are not read; {_ANSIBLE_REMEDY}"
        elif key.lower().startswith(_JUMPS):
            hint = _JUMP_REMEDY
        findings.add(fault.path, fault.got, fault.expected, hint, at_key=fault.at_key)
    return _Builder(written, findings).hosts()


def _ini(text: str, file: str) -> tuple[Inventory, list[Diagnostic]] | None:
    """Return what an inventory of Ansible in its INI form means; None if the text is none."""
    from runbook.loader.ansible_ini import looks_like_ini, read_ini

    return _ansible(text, file, lambda faults: read_ini(text, faults)) if looks_like_ini(text) else None


def _tree(raw: dict[str, Any], document: Document, text: str) -> tuple[Inventory, list[Diagnostic]]:
    """Return what an inventory of Ansible as a tree means."""
    from runbook.loader.ansible_tree import read_tree

    return _ansible(text, document.file, lambda faults: read_tree(raw, document.marks, faults))


def _ansible(text: str, file: str, read: Callable[[Faults], Told]) -> tuple[Inventory, list[Diagnostic]]:
    """Return what an inventory of Ansible means, with the variables that lie beside it."""
    from runbook.loader.ansible import Faults, assemble
    from runbook.loader.ansible_folder import Folder

    faults = Faults(file)
    told = read(faults)
    beside: list[tuple[str, str]] = []
    if file and "_meta" not in text:
        # What `ansible-inventory` lists holds them already.
        groups, hosts = (Folder(Path(file).parent / name, faults) for name in ("group_vars", "host_vars"))
        told.group_files = groups.of(dict.fromkeys((*told.groups, "ungrouped")))
        told.host_files = hosts.of(told.hosts)
        beside = [*groups.read, *hosts.read]
    found = assemble(told, faults)
    digest = sha256_of("\0".join((text, *(each for _, each in beside))))
    return Inventory(found, file, digest, tuple(name for name, _ in beside)), sorted(set(faults.found))


def _script(file: str) -> Diagnostic:
    from runbook.loader.ansible import LISTED

    message = "this is a program, which is not run to learn the hosts"
    return Diagnostic(file, 1, 1, "error", message, "", f"run {LISTED}")


class _Builder:
    """Checks what was written against itself and puts the variables together."""

    def __init__(self, written: WrittenInventory, findings: Findings) -> None:
        self._findings = findings
        self._top = written.vars
        self._hosts = {name: host or WrittenHost() for name, host in written.hosts.items()}
        self._groups = {name: group or WrittenGroup() for name, group in written.groups.items()}
        self._order = {name: at for at, name in enumerate(self._groups)}
        self._holding: dict[str, list[str]] = {}
        """The groups that name a host, by host."""
        self._above: dict[str, list[str]] = {}
        """The groups that have a group for a child, by child."""
        for name, group in self._groups.items():
            for host in group.hosts:
                self._holding.setdefault(host, []).append(name)
            for child in dict.fromkeys(group.children):
                self._above.setdefault(child, []).append(name)

    def hosts(self) -> tuple[Host, ...]:
        """Return all hosts in the order of the file; `local` is first where the file does not have it."""
        self._check_groups()
        found: list[Host] = []
        memberships = 0
        for name, host in self._hosts.items():
            found.append(self._host(name, host))
            memberships += len(found[-1].groups) + len(found[-1].vars)
            if memberships > MAX_MEMBERSHIPS:
                self._findings.add(("groups",), "too many hosts are in too many groups", "", "split the inventory")
                return ()
        if LOCAL not in self._hosts:
            groups, values = self._belongings(LOCAL)
            found.insert(0, Host(LOCAL, "local", groups=groups, vars=values))
        return tuple(found)

    def _host(self, name: str, host: WrittenHost) -> Host:
        self._check_host(("hosts", name), name, host)
        groups, values = self._belongings(name)
        return Host(
            name=name,
            transport=host.transport or ("local" if name == LOCAL else "ssh"),
            address=host.address or (DECLARED_LOCAL if name == LOCAL else ""),
            port=host.port,
            user=host.user,
            root=host.root,
            key_file=host.key_file,
            groups=groups,
            vars={**values, **host.vars},
        )

    def _check_host(self, path: ValuePath, name: str, host: WrittenHost) -> None:
        add = self._findings.add
        if not HOST_NAME.fullmatch(name) or name == "all":
            add(path, f"{shown(name)} is no name for a host", "letters, digits, dots and dashes", at_key=True)
        if name == LOCAL and host.transport not in {"", "local"}:
            add((*path, "transport"), "local is this machine", "transport: local")
        if host.address and not ADDRESS.fullmatch(host.address):
            add((*path, "address"), f"address is {shown(host.address)}", "a host name or an address")
        if host.user and not USER.fullmatch(host.user):
            add((*path, "user"), f"user is {shown(host.user)}", "a login name")
        transport = host.transport or ("local" if name == LOCAL else "ssh")
        given: dict[str, Any] = {
            "address": host.address,
            "port": host.port,
            "user": host.user,
            "key_file": host.key_file,
        }
        for key in (key for key, value in given.items() if value and transport != "ssh"):
            add((*path, key), f"{key} does not go with transport {transport}", at_key=True)
        if transport == "chroot" and not host.root.startswith("/"):
            add(path, "a chroot needs the folder of its root", "root: /mnt/…")
        elif transport != "chroot" and host.root:
            add((*path, "root"), f"root does not go with transport {transport}", at_key=True)

    def _check_groups(self) -> None:
        add = self._findings.add
        for name, group in self._groups.items():
            path = ("groups", name)
            if not HOST_NAME.fullmatch(name):
                add(path, f"{shown(name)} is no name for a group", "letters, digits, dots and dashes", at_key=True)
            for at, host in enumerate(group.hosts):
                if host not in self._hosts and host != LOCAL:
                    add(
                        (*path, "hosts", at),
                        f"there is no host {host}",
                        "a name of hosts",
                        did_you_mean(host, self._hosts),
                    )
            for at, child in enumerate(group.children):
                if child not in self._groups:
                    hint = did_you_mean(child, self._groups)
                    add((*path, "children", at), f"there is no group {child}", "a name of groups", hint)
        circular = self._circular()
        if circular:
            add(("groups", circular), f"{circular} is a part of itself", "", "remove one of the children", at_key=True)

    def _circular(self) -> str:
        """Return a group that lies below itself, empty if none does."""
        waiting = {name: {c for c in group.children if c in self._groups} for name, group in self._groups.items()}
        ready = [name for name, children in waiting.items() if not children]
        while ready:
            done = ready.pop()
            waiting.pop(done)
            for above in self._above.get(done, ()):
                waiting[above].discard(done)
                if not waiting[above]:
                    ready.append(above)
        # Each group that is left has a child that is left: going down must come round.
        seen: dict[str, None] = {}
        name = min(waiting, key=self._order.__getitem__, default="")
        while name and name not in seen:
            seen[name] = None
            name = min(waiting[name], key=self._order.__getitem__)
        return name

    def _groups_of(self, host: str) -> dict[str, int]:
        """Return the groups of a host with their distance: 0 names the host, 1 has such a group for a child."""
        distance = dict.fromkeys(self._holding.get(host, ()), 0)
        front = list(distance)
        step = 0
        while front:
            step += 1
            front = [above for name in front for above in self._above.get(name, ()) if above not in distance]
            distance.update(dict.fromkeys(front, step))
        return distance

    def _belongings(self, host: str) -> tuple[tuple[str, ...], dict[str, Json]]:
        """Return the groups of a host in the order of the file, and what they and the top say of variables."""
        distance = self._groups_of(host)
        merged: dict[str, Json] = dict(self._top)
        for name in sorted(distance, key=lambda name: (-distance[name], self._order[name])):
            merged.update(self._groups[name].vars)
        return tuple(sorted(distance, key=self._order.__getitem__)), merged
