"""Checks of steps: one kind each, the keys that go with it, effects, and the way back of every change."""

from __future__ import annotations

import re
from typing import Any

from runbook.loader.check_act import CLAIMED, RUNS, SURROUNDINGS, ActCheck, observed
from runbook.loader.check_flow import FlowCheck, Placed
from runbook.loader.check_name import NameCheck
from runbook.loader.check_param import check_params
from runbook.loader.diagnostic import Findings
from runbook.loader.later import LATER, PEER_REMEDY, needs_peer
from runbook.loader.lone import key_of_act
from runbook.model.convert import keys_of
from runbook.model.fault import ValuePath, did_you_mean, one_of
from runbook.model.playbook import Approve, Notify, Retry, Step, UndoNone
from runbook.ports.action import ActionInfo

STEERING = frozenset({"pause", "abort"})
"""Answers that every question has: an option of this name could not be told from them."""

KINDS = (*RUNS, "manual", "ask", "choose", "wait", "notify", "playbook")

_EVERYWHERE = frozenset({"id", "title", "guide", "on", "when"})
_ALLOWED = {
    "manual": _EVERYWHERE | {"on_failure"},
    "ask": _EVERYWHERE | {"on_failure"},
    "choose": _EVERYWHERE | {"on_failure"},
    "wait": _EVERYWHERE | {"on_failure"},
    "notify": _EVERYWHERE | {"on_failure", "timeout"},
    "playbook": _EVERYWHERE,
}
_CHANGES_ONLY = ("undo", "activates", "idempotent")
_READS_ONLY = ("expect", "until")
_REASON = 3
"""Letters that a reason has at least."""

_RETRY = re.compile(r"connect|timeout|exit:(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])")


class StepCheck:
    """Checks the steps of one playbook, in their order."""

    def __init__(self, findings: Findings, names: NameCheck, acts: ActCheck, flow: FlowCheck) -> None:
        self._findings = findings
        self._names = names
        self._acts = acts
        self._flow = flow
        self.effects: dict[str, str] = {}
        """What the steps so far do; the ids of earlier steps."""

    def step(self, here: Placed, step: Step) -> None:
        """Check one step, then make its values known to the next ones."""
        findings, path, raw = self._findings, here.path, here.raw
        given = [kind for kind in KINDS if kind in raw]
        self.common(path, step)
        self._flow.on(here)
        self._flow.on_failure((*path, "on_failure"), step.on_failure, here)
        effect = "read"
        if len(given) > 1:
            findings.add(
                (*path, given[1]), f"{' and '.join(given)} stand together", "one of them per step", at_key=True
            )
        elif not given:
            if not findings.is_broken(path):
                findings.add(path, "the step has nothing to do", f"exactly one of {', '.join(KINDS)}")
        elif given[0] in RUNS:
            effect = self.action(here, step)
        else:
            self.other(here, step, given[0])
        self._names.finish(step.id, self.captures(step))
        if step.id:
            self.effects[step.id] = effect

    def captures(self, step: Step) -> list[str]:
        """Return the names that later steps can use."""
        return [*step.capture, *(step.ask or {}), *(["choice"] if step.choose is not None else [])]

    def common(self, path: ValuePath, step: Step) -> None:
        """Check what every kind of step may have."""
        self._names.template((*path, "guide"), step.guide, params_only=True, place="the guide")
        self._names.expression((*path, "when"), step.when)

    def approve(self, path: ValuePath, approve: Approve) -> None:
        """Refuse approvals that need a second person."""
        if needs_peer(approve):
            self._findings.add(path, LATER["peer"], "", PEER_REMEDY)
        elif not isinstance(approve, str) and approve.expires is not None and approve.expires <= 0:
            self._findings.add((*path, "expires"), "expires is not positive", "a duration such as 30m")

    def other(self, here: Placed, step: Step, kind: str) -> None:
        """Check a step that runs nothing on a target."""
        findings, path = self._findings, here.path
        for key in here.raw:
            if key != kind and key not in _ALLOWED[kind] and key in keys_of(Step):
                findings.add((*path, key), f"{key} does not go with {kind}", at_key=True)
        names = self._names
        names.template((*path, "title"), step.title, params_only=True, place="a title")
        if step.manual is not None:
            names.template((*path, "manual"), step.manual, params_only=True, place="an instruction")
            if not step.manual.strip() and not findings.is_broken((*path, "manual")):
                findings.add((*path, "manual"), "there is nothing to do by hand", "an instruction")
        if step.ask is not None:
            fields = here.raw["ask"] if isinstance(here.raw["ask"], dict) else {}
            if not step.ask and not findings.is_broken((*path, "ask")):
                findings.add((*path, "ask"), "the form has no fields", "NAME: {type: …}")
            check_params(findings, (*path, "ask"), step.ask, fields)
        if step.playbook is not None and here.within >= 0:
            findings.add(
                (*path, "playbook"),
                "a stage cannot include a playbook",
                "",
                "put it in front of the stage",
                at_key=True,
            )
        if step.choose is not None:
            self.choose(here, step)
        if step.wait is not None and step.wait <= 0 and not findings.is_broken((*path, "wait")):
            findings.add((*path, "wait"), "wait is not positive", "a duration such as 30s")
        if step.notify is not None:
            self.notify((*path, "notify"), step.notify)

    def choose(self, here: Placed, step: Step) -> None:
        """Check a decision."""
        assert step.choose is not None
        path = (*here.path, "choose")
        self._names.template((*path, "question"), step.choose.question, params_only=True, place="a question")
        seen: set[str] = set()
        for position, option in enumerate(step.choose.options):
            at = (*path, "options", position)
            self._names.template((*at, "title"), option.title, params_only=True, place="a title")
            if option.id in STEERING:
                self._findings.add((*at, "id"), f"{option.id} is what every question offers", "another word")
            if option.id and option.id in seen:
                self._findings.add((*at, "id"), f"{option.id} stands twice", "an id of its own")
            seen.add(option.id)
            if option.goto:
                self._flow.goto((*at, "goto"), option.goto, here)

    def notify(self, path: ValuePath, notify: str | Notify) -> None:
        """Check a message to people."""
        if isinstance(notify, str):
            self._names.template(path, notify, params_only=True, place="a message")
            return
        self._names.template((*path, "message"), notify.message, params_only=True, place="a message")
        for position, word in enumerate(notify.command):
            if "{{" in word:
                self._findings.add(
                    (*path, "command", position), "this command takes no templates", "", "the message arrives by stdin"
                )

    def action(self, here: Placed, step: Step) -> str:
        """Check a step that runs an action or a probe; return its effect."""
        path, raw = here.path, here.raw
        verify = step.verify if isinstance(step.verify, dict) and step.unchecked is None else None
        info = self._acts.arguments(path, step, raw, verify)
        for key, expression in step.capture.items():
            self._names.expression((*path, "capture", key), expression, observed(info))
        self.approve((*path, "approve"), step.approve)
        self._acts.expect(path, step, raw, info)
        for position, pattern in enumerate(step.redact):
            self.pattern((*path, "redact", position), pattern)
        if step.retry is not None:
            self.retry((*path, "retry"), step.retry)
        claimed = "uses" not in raw or step.uses in CLAIMED
        if info is None and not claimed:
            return step.effect or "change"
        effect = self.effect(path, step, info, claimed=claimed)
        if effect is None:
            self.written_checks(here, step, info)
            return "change"
        self.fitting(here, step, effect)
        self._flow.activates(here, self.effects)
        self.written_checks(here, step, info)
        if effect != "read":
            self.way_back(here, step, info, claimed=claimed)
        return effect

    def effect(self, path: ValuePath, step: Step, info: ActionInfo | None, *, claimed: bool) -> str | None:
        """Return what the step does to its target, None if it does not say it and nobody else knows."""
        findings = self._findings
        if claimed:
            if step.effect is None and not findings.is_broken(path):
                findings.add(
                    path, "a command must say what it does", "effect: read, change or destructive", "only you know it"
                )
            return step.effect
        assert info is not None
        if step.effect is None or step.effect == info.effect:
            return info.effect
        if info.effect == "read" or step.effect == "read":
            findings.add(
                (*path, "effect"), f"{info.name} is {info.effect}, not {step.effect}", info.effect, "leave effect out"
            )
            return info.effect
        return "destructive"

    def fitting(self, here: Placed, step: Step, effect: str) -> None:
        """Check that keys for changes stand at changes, keys for probes at probes."""
        for key in _CHANGES_ONLY if effect == "read" else _READS_ONLY:
            if key not in here.raw or (key == "undo" and isinstance(step.undo, UndoNone)):
                continue
            what = "changes nothing" if effect == "read" else "changes its target"
            hint = "" if effect == "read" else "write it in a probe of verify"
            self._findings.add((*here.path, key), f"{key} does not go with a step that {what}", "", hint, at_key=True)

    def written_checks(self, here: Placed, step: Step, info: ActionInfo | None) -> None:
        """Check the probes of `verify` and the steps of `undo`."""
        path = here.path
        if step.unchecked is not None:
            self.unchecked((*path, "verify"), step.unchecked, info)
        elif isinstance(step.verify, dict) and (info is None or "verify" not in keys_of(info.model)):
            name = info.name if info is not None else "this step"
            key = key_of_act(step.verify)
            said = "verify is one probe without a list" if key else f"{name} has no check with options"
            hint = f"write the probe as an item of a list: verify: [{{{key}: …}}]" if key else ""
            self._findings.add((*path, "verify"), said, "a list of probes", hint, at_key=True)
        if isinstance(step.verify, tuple):
            self._acts_of((*path, "verify"), step.verify, here.raw.get("verify"), probe=True)
        if isinstance(step.undo, tuple):
            # A way back may use what its own step has captured.
            self._names.finish(step.id, self.captures(step))
            self._acts_of((*path, "undo"), step.undo, here.raw.get("undo"), probe=False)

    def unchecked(self, path: ValuePath, reason: object, info: ActionInfo | None) -> None:
        """Check why nothing checks a change: that is for who knows no check, and has a reason."""
        if info is not None and info.brings_verify:
            self._findings.add(path, f"{info.name} has a check of its own", "", "leave verify out", at_key=True)
        elif not isinstance(reason, str) or len(reason) < _REASON:
            self._findings.add((*path, "none"), "none wants a reason", "why nothing can or need be checked")

    def _acts_of(self, path: ValuePath, acts: tuple[Any, ...], raw: object, *, probe: bool) -> None:
        if not acts and not self._findings.is_broken(path):
            self._findings.add(path, "the list is empty", "at least one probe" if probe else "at least one step")
        for position, (act, written) in enumerate(zip(acts, raw if isinstance(raw, list) else [], strict=False)):
            if isinstance(written, dict):
                self._acts.act((*path, position), act, written, probe=probe)

    def way_back(self, here: Placed, step: Step, info: ActionInfo | None, *, claimed: bool) -> None:
        """Check that a change is verified and knows its way back."""
        if self._findings.is_broken(here.path):
            return
        brings_verify = not claimed and info is not None and info.brings_verify
        brings_undo = not claimed and info is not None and info.brings_undo
        name = here.raw.get("uses") or ("command" if step.command is not None else "shell")
        said = isinstance(step.verify, tuple) or step.unchecked is not None or key_of_act(step.verify)
        if not brings_verify and not said:
            self._findings.add(
                here.path,
                f"nothing checks what {name} changed",
                "verify: a list of probes",
                'or say why: verify: {none: "reason"}',
            )
        if not brings_undo and step.undo is None:
            self._findings.add(
                here.path, f"{name} knows no way back", "undo: a list of steps", 'or say why: undo: {none: "reason"}'
            )

    def pattern(self, path: ValuePath, pattern: str) -> None:
        """Check an expression that hides parts of the output; the masker uses Python's own."""
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            self._findings.add(path, f"this is no regular expression: {error}")

    def retry(self, path: ValuePath, retry: Retry) -> None:
        """Check when and how often an attempt is made again."""
        if retry.delay < 0:
            self._findings.add((*path, "delay"), "delay is negative", "a duration such as 2s")
        for position, word in enumerate(retry.on):
            if not _RETRY.fullmatch(word):
                hint = did_you_mean(word, ("connect", "timeout"))
                self._findings.add((*path, "on", position), f"{word} is nothing to retry on", _RETRY_WORDS, hint)


_RETRY_WORDS = one_of(("connect", "timeout", "exit:N"))
assert frozenset(SURROUNDINGS) <= frozenset(keys_of(Step))
