"""Checks of names: what templates and expressions refer to must exist where they stand, and secrets stay out.

Owns which names are known at which point of a playbook. Grammar and meaning belong to `runbook.expression`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from runbook.errors import ExpressionError
from runbook.expression import Path, check_names, compile_expression, is_template, names_of, spell
from runbook.loader.diagnostic import Findings
from runbook.model.fault import ValuePath, shown
from runbook.model.playbook import Param

HOST = frozenset({"name", "address", "user", "port"})
RUN = frozenset({"id"})
PROBED = ("value", "status", "exit", "stdout", "stderr", "json", "result")
"""What an expression sees of the probe or action that it belongs to."""


_ALONE = re.compile(r"\s*\{\{\s*params\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}\s*")


class NameCheck:
    """The names that are known at the present point of a playbook."""

    def __init__(self, findings: Findings, params: Mapping[str, Param], baselines: Iterable[str]) -> None:
        self._findings = findings
        self._params: dict[str, object] = dict.fromkeys(params)
        self._choices = {name: param.choices for name, param in params.items() if param.type == "choice"}
        self._secrets = {name for name, param in params.items() if param.type == "secret"}
        self.steps: dict[str, dict[str, object]] = {}
        """What the steps so far have captured."""
        self.later: dict[str, int] = {}
        """All other steps, with their position, to tell later ones from misspelt ones."""
        self._unsure = False
        """A step has no usable id: an unknown step may be that one."""
        self._known: dict[str, object] = {
            "params": self._params,
            "steps": self.steps,
            "host": HOST,
            "run": RUN,
            "baseline": set(baselines),
        }
        self._only_params: dict[str, object] = {"params": self._params}

    def choices_of(self, value: object) -> tuple[str, tuple[str, ...]]:
        """Return the parameter that alone makes up a text, and the words that it can have; nothing if none does."""
        found = _ALONE.fullmatch(value) if isinstance(value, str) else None
        return (found[1], self._choices.get(found[1], ())) if found is not None else ("", ())

    def finish(self, step_id: str, captures: Iterable[str]) -> None:
        """Make the values of a step known to what comes behind it."""
        if not step_id:
            self._unsure = True
            return
        self.steps[step_id] = {**dict.fromkeys(captures), "status": None}
        self.later.pop(step_id, None)

    def template(
        self, path: ValuePath, text: object, *, params_only: bool = False, secrets: bool = False, place: str = "here"
    ) -> None:
        """Check a text in which names are filled in.

        Args:
            params_only: only parameters are known, as in titles.
            secrets: a secret may stand in it, alone.
            place: what the text becomes, for the message about secrets.
        """
        if type(text) is not str or not is_template(text):
            return
        try:
            names = names_of(text)
        except ExpressionError as error:
            self._syntax(path, text, error)
            return
        self._check(path, text, names, self._only_params if params_only else self._known, params_only=params_only)
        self._secret(path, text, names, allowed=secrets, place=place)

    def tree(self, path: ValuePath, value: object, *, secrets: bool = False, place: str = "here") -> None:
        """Check all texts of nested mappings and lists."""
        if isinstance(value, str):
            self.template(path, value, secrets=secrets, place=place)
        elif isinstance(value, dict):
            for key, item in value.items():
                if is_template(key):
                    self._findings.add((*path, key), "a key cannot be filled in", "", "write it out", at_key=True)
                self.tree((*path, key), item, secrets=secrets, place=place)
        elif isinstance(value, list | tuple):
            for position, item in enumerate(value):
                self.tree((*path, position), item, secrets=secrets, place=place)

    def expression(self, path: ValuePath, text: str, extra: Mapping[str, object] | None = None) -> None:
        """Check an expression; `extra` are names that only it sees."""
        if not text:
            return
        if is_template(text):
            offset = text.find("{{")
            self._findings.add_inside(path, text, offset, "this is an expression already", "write it without {{ }}")
            return
        try:
            names = compile_expression(text).names
        except ExpressionError as error:
            self._syntax(path, text, error)
            return
        self._check(path, text, names, {**self._known, **(extra or {})})
        self._secret(path, text, names, allowed=False, place="an expression")

    def watched(self, path: ValuePath, text: str) -> None:
        """Check the condition of a guard: it belongs to no step and to no host."""
        before = self._known
        self._known = {name: before[name] for name in ("params", "baseline")}
        self.expression(path, text, dict.fromkeys(PROBED))
        self._known = before

    def settled(self, path: ValuePath, text: str) -> None:
        """Check a condition that is decided before anything runs: it knows parameters alone."""
        before = self._known
        self._known = self._only_params
        self.expression(path, text)
        self._known = before

    def _check(
        self,
        path: ValuePath,
        text: str,
        names: frozenset[Path],
        known: Mapping[str, Any],
        *,
        params_only: bool = False,
    ) -> None:
        for name in sorted(names):
            for message in check_names([name], known):
                said, _, hint = message.partition("; ")
                if params_only and name[0] in self._known and name[0] != "params":
                    said, hint = f"{spell(name)} is not known here", "only params are"
                elif name[0] == "steps" and len(name) > 1:
                    if self._unsure and name[1] not in self.steps and name[1] not in self.later:
                        continue
                    said, hint = self._step(name, said, hint)
                elif name[0] in PROBED and name[0] not in known:
                    said, hint = f"{name[0]} is not known here", "it belongs into expect or capture"
                self._findings.add_inside(path, text, _offset(text, name), said, hint)

    def _step(self, name: Path, said: str, hint: str) -> tuple[str, str]:
        step_id = name[1]
        if step_id in self.later:
            return f"step {step_id} does not come before this one", "only values of earlier steps are known"
        captured = [key for key in self.steps.get(step_id, {}) if key != "status"]
        if step_id in self.steps and len(name) > 2 and not captured:
            return f"step {step_id} captures nothing", f"write capture: {{{name[2]}: …}} there"
        return said, hint

    def _secret(self, path: ValuePath, text: str, names: frozenset[Path], *, allowed: bool, place: str) -> None:
        for name in sorted(names):
            if name[0] != "params" or len(name) < 2 or name[1] not in self._secrets:
                continue
            at = _offset(text, name)
            if not allowed:
                self._findings.add_inside(
                    path, text, at, f"the secret {name[1]} would stand in {place}", "pass it by env or stdin"
                )
            elif not (text.startswith("{{") and text.endswith("}}") and text.count("{{") == 1):
                self._findings.add_inside(
                    path, text, at, f"the secret {name[1]} must stand alone", f'write "{{{{ {spell(name)} }}}}"'
                )

    def _syntax(self, path: ValuePath, text: str, error: ExpressionError) -> None:
        lines = text.split("\n")
        offset = sum(len(line) + 1 for line in lines[: max(error.line - 1, 0)]) + max(error.column - 1, 0)
        message = f"{shown(text, 60)}: {error.message}"
        self._findings.add_inside(path, text, min(offset, len(text)), message, error.remedy)


def _offset(text: str, name: Path) -> int:
    found = text.find(spell(name))
    return found if found >= 0 else max(text.find(name[0]), 0)
