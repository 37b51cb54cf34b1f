"""Checks of the order of steps: ids, places to go to, what activates what, and where everything runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from runbook.loader.diagnostic import Findings
from runbook.model.fault import ValuePath, did_you_mean, one_of
from runbook.model.playbook import Playbook, Stage, Step

END = "end"
"""The place behind the last step."""

_ON_FAILURE = ("ask", "stop", "undo", "continue")


class Placed(Struct, frozen=True):
    """A step or stage with its place in the order and in the file."""

    id: str
    unit: int
    """Position among the steps and stages of the top."""
    within: int
    """Position inside its stage; -1 for what stands at the top."""
    path: ValuePath
    item: Step | Stage
    raw: dict[str, Any]


def placed(playbook: Playbook, raw: dict[str, Any]) -> Iterator[Placed]:
    """Yield all steps and stages in their order, a stage before its steps; what is no mapping is left out."""
    written = raw.get("steps")
    for at, (item, its) in enumerate(zip(playbook.steps, written if isinstance(written, list) else [], strict=False)):
        if not isinstance(its, dict):
            continue
        path: ValuePath = ("steps", at)
        if isinstance(item, Step):
            yield Placed(item.id, at, -1, path, item, its)
            continue
        yield Placed(item.stage, at, -1, path, item, its)
        below = its.get("steps")
        for inner, (step, of_step) in enumerate(
            zip(item.steps, below if isinstance(below, list) else [], strict=False)
        ):
            if isinstance(of_step, dict):
                yield Placed(step.id, at, inner, (*path, "steps", inner), step, of_step)


class FlowCheck:
    """Knows the order of one playbook."""

    def __init__(self, findings: Findings, playbook: Playbook, raw: dict[str, Any]) -> None:
        self._findings = findings
        self._targets = tuple(playbook.targets)
        self.all = tuple(placed(playbook, raw))
        self.by_id: dict[str, Placed] = {}
        for each in self.all:
            self._register(each)

    def _register(self, each: Placed) -> None:
        if not each.id:
            return
        at = (*each.path, "stage" if isinstance(each.item, Stage) else "id")
        first = self.by_id.get(each.id)
        if first is not None:
            line = self._findings.marks.place(first.path).line
            self._findings.add(at, f"{each.id} is taken, line {line} has it", "an id of its own")
        elif each.id == END:
            self._findings.add(at, "end means the end of the playbook", "another id")
        else:
            self.by_id[each.id] = each

    def goto(self, path: ValuePath, target: str, here: Placed) -> None:
        """Check a place to go to: a later step or stage, or `end`."""
        if target == END:
            return
        there = self.by_id.get(target)
        if there is None:
            self._findings.add(
                path, f"there is no step {target}", "a later step or end", did_you_mean(target, self.by_id)
            )
        elif there.unit < here.unit or (there.unit == here.unit and there.within <= here.within):
            self._findings.add(
                path, f"{target} does not come later", "a later step or end", "a playbook never goes back"
            )
        elif there.within >= 0 and there.unit != here.unit:
            stage = next(each.id for each in self.all if each.unit == there.unit and each.within < 0)
            self._findings.add(path, f"{target} stands inside the stage {stage}", f"the stage {stage}")

    def on_failure(self, path: ValuePath, written: str, here: Placed | None) -> None:
        """Check what happens after a failure; without a place, `goto` is not possible."""
        word, colon, target = written.partition(":")
        if word == "goto" and colon and here is not None:
            self.goto(path, target.strip(), here)
        elif written and written not in _ON_FAILURE:
            choices = (*_ON_FAILURE, "goto:LATER-STEP") if here is not None else _ON_FAILURE
            self._findings.add(path, f"on_failure is {written}", one_of(choices), did_you_mean(word, choices))

    def on(self, here: Placed) -> None:
        """Check that it is said where a step or stage runs."""
        on, findings = here.item.on, self._findings
        if on:
            if not self._targets:
                findings.add((*here.path, "on"), f"there are no targets, so no {on}", "", "write targets: at the top")
            elif on not in self._targets:
                hint = did_you_mean(on, self._targets)
                findings.add((*here.path, "on"), f"{on} is not among the targets", one_of(self._targets), hint)
            return
        # Inside of a stage it is the stage that is told, not each of its steps.
        if len(self._targets) < 2 or here.within >= 0 or findings.is_broken((*here.path, "on")):
            return
        findings.add(here.path, f"{here.id or 'this'} does not say where it runs", f"on: {one_of(self._targets)}")

    def activates(self, here: Placed, effects: dict[str, str]) -> None:
        """Check that a step activates earlier steps that change something."""
        if not isinstance(here.item, Step):
            return
        for position, target in enumerate(here.item.activates):
            path = (*here.path, "activates", position)
            if target not in effects:
                later = target in self.by_id
                said = f"{target} does not come before this step" if later else f"there is no step {target}"
                self._findings.add(path, said, "an earlier step", did_you_mean(target, effects))
            elif effects[target] == "read":
                self._findings.add(path, f"{target} changes nothing", "an earlier step that changes something")
