"""The folders `group_vars` and `host_vars` beside an inventory of Ansible: which files there speak for whom.

Owns finding and reading them. A name may have a file (`NAME`, `NAME.yml`, `.yaml`, `.json`, the first that is there) or
a folder of such files, which are read by name. Which of two values wins is the business of `ansible`.
https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#organizing-host-and-group-variables
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from runbook.errors import PlaybookError
from runbook.loader.ansible import LISTED, Faults, Var
from runbook.loader.ansible_form import TAGS
from runbook.loader.document import parse, read_text
from runbook.model.fault import shown

ENDINGS = ("", ".yml", ".yaml", ".json")
_TAG = re.compile(r"!(vault|unsafe)")
_VAULT = "$ANSIBLE_VAULT;"
_DEEPEST = 8


class Folder:
    """One of the two folders."""

    def __init__(self, place: Path, faults: Faults) -> None:
        """Look at a folder, which need not be there."""
        self._place = place
        self._faults = faults
        self._there = {each.name for each in place.iterdir()} if place.is_dir() else set()
        self.read: list[tuple[str, str]] = []
        """Name and text of each file that was read."""

    def of(self, names: Iterable[str]) -> dict[str, dict[str, Var]]:
        """Return the variables of these names, of those that have some; what cannot be read is a fault."""
        if not self._there:
            return {}
        found = {name: dict(self._vars(name)) for name in names}
        return {name: values for name, values in found.items() if values}

    def _vars(self, name: str) -> Iterator[tuple[str, Var]]:
        ending = next((each for each in ENDINGS if f"{name}{each}" in self._there), None)
        if ending is None:
            return
        for path in self._files(self._place / f"{name}{ending}", 0):
            yield from self._values(path)

    def _files(self, path: Path, depth: int) -> Iterator[Path]:
        """Yield a file, or those in a folder that Ansible would read."""
        if not path.is_dir():
            yield path
            return
        if depth > _DEEPEST:
            self._faults.add(0, 0, "the folders lie too deep in each other", LISTED, file=str(path))
            return
        for each in sorted(path.iterdir(), key=lambda each: each.name):
            if not each.name.startswith(".") and not each.name.endswith("~") and each.suffix in ENDINGS:
                yield from self._files(each, depth + 1)

    def _values(self, path: Path) -> Iterator[tuple[str, Var]]:
        file = str(path)
        try:
            text = read_text(path)
            if text.startswith(_VAULT):
                self._faults.add(1, 1, "the file is encrypted by Ansible Vault", f"run {LISTED}", file=file)
                return
            document = parse(text, file, tags=TAGS if _TAG.search(text) else frozenset())
        except PlaybookError as error:
            self._faults.add(error.line, error.column, error.message, error.remedy, file=file)
            return
        self.read.append((file, text))
        if document.value is None:
            return
        if not isinstance(document.value, dict):
            self._faults.add(1, 1, f"variables are {shown(document.value)}", "a mapping of names to values", file=file)
            return
        for name, value in document.value.items():
            place = document.marks.place((name,), at_key=True)
            yield name, Var(value, place.line, place.column, file)
