"""Inventories of Ansible as trees: its YAML form, and what `ansible-inventory --list` says in JSON.

In YAML a group holds `hosts` (a mapping of names to variables), `children` (groups inside of it) and `vars`; in JSON
`hosts` and `children` are lists of names, and the variables of hosts stand in `_meta`.
https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yaml_inventory.html,
https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html#inventory-script-conventions
"""

from __future__ import annotations

from typing import Any

from runbook.loader.ansible import LISTED, Faults, Told, Var, check_group, check_host
from runbook.loader.ansible_form import GROUP_KEYS
from runbook.loader.hostrange import MOST, expand
from runbook.loader.mark import Marks
from runbook.model.fault import ValuePath, shown


def read_tree(raw: dict[str, Any], marks: Marks, faults: Faults) -> Told:
    """Return what the tree says; what cannot be read is a fault with its place."""
    told = Told({}, {})
    told.group("all")
    if "plugin" in raw:
        faults.add(1, 1, "this asks a plugin of Ansible for the hosts, which is not run", LISTED)
        return told
    reader = _Reader(told, marks, faults)
    for name, body in raw.items():
        if name != "_meta":
            reader.group((name,), name, body)
    meta = raw.get("_meta")
    hostvars = meta.get("hostvars") if isinstance(meta, dict) else None
    for name, values in hostvars.items() if isinstance(hostvars, dict) else ():
        reader.host(("_meta", "hostvars", name), name, values)
    return told


class _Reader:
    """Walks through the groups of one tree."""

    def __init__(self, told: Told, marks: Marks, faults: Faults) -> None:
        self._told = told
        self._marks = marks
        self._faults = faults

    def group(self, path: ValuePath, name: str, body: Any) -> None:
        """Read one group and those inside of it."""
        place = self._marks.place(path, at_key=True)
        check_group(name, place.line, place.column, self._faults)
        group = self._told.group(name)
        if isinstance(body, list):
            # The oldest form of an inventory script: nothing but names.
            body = {"hosts": body}
        if body is None:
            return
        if not isinstance(body, dict):
            self._fault(path, f"the group {name} is {shown(body)}", "hosts, children and vars")
            return
        for key in body.keys() - GROUP_KEYS:
            self._fault((*path, key), f"{shown(key)} is no part of a group", "hosts, children and vars", at_key=True)
        for at, host in self._entries((*path, "hosts"), body.get("hosts")):
            values = body["hosts"][host] if isinstance(body["hosts"], dict) else None
            for each in self.host(at, host, values):
                group.hosts[each] = None
        for at, child in self._entries((*path, "children"), body.get("children")):
            group.children[child] = None
            self.group(at, child, body["children"][child] if isinstance(body["children"], dict) else None)
        group.vars.update(self._vars((*path, "vars"), body.get("vars")))

    def host(self, path: ValuePath, written: str, values: Any) -> tuple[str, ...]:
        """Read one host, or a range of them, and return the names."""
        try:
            names = expand(written)
        except ValueError as error:
            self._fault(path, f"{shown(written)} {error}")
            return ()
        if len(self._told.hosts) + len(names) > MOST + len(self._told.hosts.keys() & set(names)):
            self._fault(path, f"these are more than {MOST} hosts", "split the inventory")
            return ()
        found = self._vars(path, values)
        place = self._marks.place(path, at_key=True)
        for name in names:
            check_host(name, place.line, place.column, self._faults)
            self._told.hosts.setdefault(name, {}).update(found)
        return names

    def _entries(self, path: ValuePath, found: Any) -> list[tuple[ValuePath, str]]:
        """Return the names in a list, or the keys of a mapping, with their paths."""
        match found:
            case None:
                return []
            case dict():
                return [((*path, key), key) for key in found]
            case list() if all(isinstance(each, str) for each in found):
                return [((*path, number), each) for number, each in enumerate(found)]
            case str():
                # YAML lets one name stand alone; Ansible takes it for a mapping with nothing in it.
                self._fault(path, f"{path[-1]} is {shown(found)}", f"write {path[-1]}: {{{found}: }}")
            case _:
                self._fault(path, f"{path[-1]} is {shown(found)}", "a mapping of names")
        return []

    def _vars(self, path: ValuePath, values: Any) -> dict[str, Var]:
        if values is None:
            return {}
        if not isinstance(values, dict):
            self._fault(path, f"variables are {shown(values)}", "write a mapping of names to values")
            return {}
        found: dict[str, Var] = {}
        for name, value in values.items():
            place = self._marks.place((*path, name), at_key=True)
            found[name] = Var(value, place.line, place.column)
        return found

    def _fault(self, path: ValuePath, message: str, hint: str = "", *, at_key: bool = False) -> None:
        place = self._marks.place(path, at_key=at_key)
        self._faults.add(place.line, place.column, message, hint)
