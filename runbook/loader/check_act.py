"""Checks of what a step, a probe or an undo step runs: its one kind, its arguments, its surroundings."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from runbook.errors import RunbookError, UsageError
from runbook.expression import is_template
from runbook.loader.check_name import PROBED, NameCheck
from runbook.loader.diagnostic import Findings
from runbook.loader.later import LATER
from runbook.loader.param import check_value
from runbook.model.convert import convert, keys_of, takes_anything
from runbook.model.fault import Fault, ValuePath, did_you_mean, shown
from runbook.model.playbook import Act, Param, ParamType
from runbook.ports.action import ActionInfo, Catalogue

RUNS = ("uses", "command", "shell")
SURROUNDINGS = ("sudo", "env", "cwd", "stdin")
CLAIMED = frozenset({"command", "shell"})
"""What nobody but the author knows the effect of."""

_ADDRESSES: dict[str, dict[str, ParamType]] = {
    "http": {"url": "url"},
    "metric.query": {"url": "url"},
    "tcp": {"host": "host"},
}
"""Arguments of network probes that name a place."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_SECRETS = frozenset({"argv", "script"})


class ActCheck(Struct, frozen=True):
    """Checks acts of one playbook."""

    findings: Findings
    names: NameCheck
    catalogue: Catalogue

    def info(self, name: str, path: ValuePath) -> ActionInfo | None:
        """Return what is known of an action; notes a fault if there is none."""
        try:
            found = self.catalogue.info(name)
            if found is not None:
                return found
            known = self.catalogue.names()
        except RunbookError as error:
            self.findings.add(path, f"{name} cannot be used: {error.message}", "", error.remedy)
            return None
        hint = LATER.get(name, "") or did_you_mean(name, known) or f"known: {', '.join(known)}"
        self.findings.add(path, f"there is no action or probe {name}", "", hint)
        return None

    def act(self, path: ValuePath, act: Act, raw: dict[str, Any], *, probe: bool) -> None:
        """Check a probe of `verify` or a step of `undo`."""
        given = [kind for kind in RUNS if kind in raw]
        if len(given) != 1:
            if not self.findings.is_broken(path) or len(given) > 1:
                said = f"{' and '.join(given)} stand together" if given else "nothing to run"
                self.findings.add(path, said, f"exactly one of {', '.join(RUNS)}")
            return
        info = self.arguments(path, act, raw)
        if probe and info is not None and not info.is_probe and info.name not in CLAIMED:
            self.findings.add((*path, "uses"), f"{info.name} changes its target", "a probe", "verify only reads")
        if not probe:
            for key in ("expect", "until"):
                if key in raw:
                    self.findings.add((*path, key), f"{key} does not go with an undo step", at_key=True)
        self.expect(path, act, raw, info)

    def arguments(
        self, path: ValuePath, act: Act, raw: dict[str, Any], verify: dict[str, Any] | None = None
    ) -> ActionInfo | None:
        """Check `uses`/`command`/`shell` with all that surrounds it; return what is known of the action."""
        names = self.names
        names.template((*path, "title"), act.title, params_only=True, place="a title")
        for key, value in act.env.items():
            if not _VARIABLE.fullmatch(key):
                said = f"{shown(key)} cannot be the name of a variable"
                self.findings.add((*path, "env", key), said, "letters, digits and _", at_key=True)
            names.template((*path, "env", key), value, secrets=True)
        names.template((*path, "cwd"), act.cwd, place="the name of a folder")
        names.template((*path, "stdin"), act.stdin, secrets=True)
        self.durations(path, act)
        if "uses" in raw:
            return self.uses(path, act, raw, verify)
        if "with" in raw:
            self.findings.add((*path, "with"), "with goes with uses", "", "write the arguments out", at_key=True)
        if act.command is not None:
            self.argv((*path, "command"), act.command)
            return self.catalogue.info("command")
        if act.shell is not None:
            self.script((*path, "shell"), act.shell)
            return self.catalogue.info("shell")
        return None

    def uses(self, path: ValuePath, act: Act, raw: dict[str, Any], verify: dict[str, Any] | None) -> ActionInfo | None:
        """Check a long form: the arguments against the model of the action, templates allowed anywhere."""
        if not act.uses:
            return None
        info = self.info(act.uses, (*path, "uses"))
        written = raw.get("with", {})
        if info is None or not isinstance(written, dict):
            self.names.tree((*path, "with"), written, secrets=True)
            return info
        if "verify" in written and verify is not None:
            self.findings.add((*path, "with", "verify"), "verify stands beside with, not in it", at_key=True)
        arguments = dict(written)
        known = keys_of(info.model)
        for key in (key for key in SURROUNDINGS if key in raw):
            if key not in known:
                self.findings.add((*path, key), f"{key} does not go with {act.uses}", at_key=True)
            elif key in written:
                self.findings.add((*path, key), f"{key} stands twice, here and in with", at_key=True)
            else:
                arguments[key] = raw[key]
        if verify is not None and "verify" in known:
            arguments["verify"] = verify
        self._bind(path, arguments, written, info)
        self._addresses(path, written, info)
        for key, value in written.items():
            at = (*path, "with", key)
            if act.uses == "shell" and key == "script":
                self.script(at, value)
                continue
            welcome = key not in _NO_SECRETS and takes_anything(info.model, key)
            self.names.tree(at, value, secrets=welcome, place=f"the argument {key}")
        return info

    def _addresses(self, path: ValuePath, written: dict[str, Any], info: ActionInfo) -> None:
        """Check addresses that are written out: what a template gives is checked when it is known."""
        for key, kind in _ADDRESSES.get(info.name, {}).items():
            value = written.get(key)
            if isinstance(value, str) and not is_template(value):
                try:
                    check_value(key, Param(type=kind), value)
                except UsageError as error:
                    self.findings.add((*path, "with", key), error.message, "", error.remedy)

    def watch(self, path: ValuePath, name: str, raw: dict[str, Any]) -> None:
        """Check the probe of a baseline or a guard."""
        if not name:
            return
        info = self.uses(path, Act(uses=name), raw, None)
        if info is not None and (not info.is_probe or info.name in CLAIMED):
            self.findings.add((*path, "uses"), f"{name} changes its target or only claims to read", "a probe")

    def history(self, path: ValuePath, name: str) -> None:
        """Check that a probe can look back, as a baseline wants it that says how long ago."""
        info = self.catalogue.info(name) if name else None
        if info is not None and "at" not in info.model.__struct_fields__:
            said = f"{name} only tells how it is at this moment"
            self.findings.add(path, said, "a probe of a history, such as metric.query", f"remove {path[-1]}")

    def _bind(self, path: ValuePath, arguments: dict[str, Any], written: dict[str, Any], info: ActionInfo) -> None:
        _, faults = convert(arguments, info.model, (*path, "with"), templates=True)
        for fault in faults:
            at = fault.path
            if len(at) > len(path) + 1 and at[len(path) + 1] not in written:
                # It stands beside `with`, not in it.
                at = (*path, *at[len(path) + 1 :])
            self.findings.add_fault(Fault(at, fault.at_key, fault.got, fault.expected, fault.hint))
        self._choices((*path, "with"), written, info)

    def _choices(self, path: ValuePath, written: dict[str, Any], info: ActionInfo) -> None:
        """Check each word that a parameter can have where it alone fills an argument in."""
        for key, value in written.items():
            name, words = self.names.choices_of(value)
            for word in words:
                _, faults = convert({key: word}, info.model, path, lenient=True, templates=True)
                for fault in (fault for fault in faults if fault.path == (*path, key)):
                    said = f"the choice {word} of params.{name} does not fit: {fault.got}"
                    self.findings.add_fault(Fault(fault.path, fault.at_key, said, fault.expected, fault.hint))

    def argv(self, path: ValuePath, argv: tuple[str, ...]) -> None:
        """Check a program and its arguments."""
        if not argv or not argv[0]:
            self.findings.add(path, "there is no program to run", "a list such as [systemctl, status, nginx]")
        for position, word in enumerate(argv):
            self.names.template((*path, position), word, place="argv, where every process list shows it")

    def script(self, path: ValuePath, script: object) -> None:
        """Check a script: it takes no templates at all."""
        if not isinstance(script, str):
            return
        offset = script.find("{{")
        if offset >= 0:
            self.findings.add_inside(
                path,
                script,
                offset,
                "a shell script takes no templates",
                'pass it by env: {NAME: "{{ … }}"}, write "$NAME"',
            )
        elif not script.strip():
            self.findings.add(path, "the script is empty", "a POSIX sh script")

    def durations(self, path: ValuePath, act: Act) -> None:
        """Check times for what makes no sense."""
        findings, until = self.findings, act.until
        if act.timeout is not None and act.timeout <= 0:
            findings.add((*path, "timeout"), "timeout is not positive", "a duration such as 30s")
        if until is None or findings.is_broken((*path, "until")):
            return
        at = (*path, "until")
        for key, value in (("every", until.every), ("within", until.within), ("for", until.for_)):
            if isinstance(value, str):
                self.names.template((*at, key), value, params_only=True, place="a duration")
        every, within, for_ = (None if isinstance(v, str) else v for v in (until.every, until.within, until.for_))
        for key, number in (("every", every), ("within", within)):
            if number is not None and number <= 0:
                findings.add((*at, key), f"{key} is not positive", "a duration such as 5s")
        if for_ is not None and for_ < 0:
            findings.add((*at, "for"), "for is negative", "a duration such as 20s")
        if every is not None and within is not None and every > within:
            findings.add((*at, "every"), "every is longer than within", "at least one sample before the time is up")
        if for_ is not None and within is not None and for_ > within:
            findings.add((*at, "for"), "for is longer than within", "a shorter time to hold")

    def expect(self, path: ValuePath, act: Act, raw: dict[str, Any], info: ActionInfo | None) -> None:
        """Check what a probe is judged by."""
        if "expect" in raw:
            self.names.expression((*path, "expect"), act.expect, observed(info))


def observed(info: ActionInfo | None) -> dict[str, object]:
    """Return the names that an expression sees of the probe or action that it belongs to."""
    found: dict[str, object] = dict.fromkeys(PROBED)
    if info is not None:
        found["result"] = frozenset(keys_of(info.result))
    return found
