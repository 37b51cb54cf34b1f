"""The checks of a whole playbook beyond its structure: head, parameters, targets, steps, guards.

Each finding is noted and the checks go on, so that an author sees all faults at once. What the conversion found
already is not told twice.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from runbook.loader.check_act import ActCheck
from runbook.loader.check_flow import FlowCheck, Placed
from runbook.loader.check_name import NameCheck
from runbook.loader.check_param import check_params
from runbook.loader.check_step import StepCheck
from runbook.loader.diagnostic import Findings
from runbook.model.fault import did_you_mean, one_of, shown
from runbook.model.playbook import Baseline, Guard, Playbook, Stage, Step
from runbook.ports.action import Catalogue
from runbook.text.unit import share

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def check(playbook: Playbook, raw: dict[str, Any], findings: Findings, catalogue: Catalogue, stem: str = "") -> None:
    """Note all faults of a converted playbook; `stem` is the name of its file, which the id has to be."""
    names = NameCheck(findings, playbook.params, (each.id for each in playbook.baseline))
    acts = ActCheck(findings, names, catalogue)
    flow = FlowCheck(findings, playbook, raw)
    names.later.update({each.id: at for at, each in enumerate(flow.all) if isinstance(each.item, Step)})
    steps = StepCheck(findings, names, acts, flow)
    _head(playbook, raw, findings, stem)
    params = raw.get("params")
    check_params(findings, ("params",), playbook.params, params if isinstance(params, dict) else {})
    _targets(playbook, findings)
    flow.on_failure(("defaults", "on_failure"), playbook.defaults.on_failure, None)
    if playbook.defaults.timeout <= 0 and not findings.is_broken(("defaults",)):
        findings.add(("defaults", "timeout"), "timeout is not positive", "a duration such as 60s")
    _watches(playbook, raw, findings, flow, acts)
    for here in flow.all:
        if isinstance(here.item, Stage):
            _stage(here, here.item, findings, names, flow, steps)
        else:
            steps.step(here, here.item)


def _head(playbook: Playbook, raw: dict[str, Any], findings: Findings, stem: str) -> None:
    if stem and playbook.id and playbook.id != stem and not findings.is_broken(("id",)):
        findings.add(("id",), f"the id is {playbook.id}, the file is called {stem}", "the same word", "rename one")
    for key in ("title", "owner"):
        text = getattr(playbook, key)
        if "\n" in text.strip():
            findings.add((key,), f"{key} has more than one line", "one line")
    if "title" in raw and not playbook.title.strip() and not findings.is_broken(("title",)):
        findings.add(("title",), "the title is empty", "one line for lists")
    reviewed = playbook.reviewed
    if not reviewed or findings.is_broken(("reviewed",)):
        return
    try:
        day = dt.date.fromisoformat(reviewed) if _DATE.fullmatch(reviewed) else None
    except ValueError:
        day = None
    if day is None:
        findings.add(("reviewed",), f"{shown(reviewed)} is no date", "a day such as 2026-11-01")
    elif day > dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1):
        # One day of grace: somewhere it is tomorrow already.
        findings.add(("reviewed",), f"{reviewed} is in the future", "the day of the last review")


def _targets(playbook: Playbook, findings: Findings) -> None:
    for name, group in playbook.targets.items():
        at = ("targets", name)
        patterns = (group.hosts,) if isinstance(group.hosts, str) else group.hosts
        if (not patterns or not all(pattern.strip() for pattern in patterns)) and not findings.is_broken(at):
            findings.add((*at, "hosts"), "a pattern is empty", "a host name, group:NAME, all, or a list of them")
        if any("{{" in pattern for pattern in patterns):
            findings.add((*at, "hosts"), "targets take no templates", "", "choose hosts with --limit")
        if group.max is not None and group.max < group.min:
            findings.add((*at, "max"), "max is smaller than min")
        if group.pick == "one" and group.min > 1:
            findings.add((*at, "min"), "pick: one takes a single host", "min: 1, or no pick")


def _watches(playbook: Playbook, raw: dict[str, Any], findings: Findings, flow: FlowCheck, acts: ActCheck) -> None:
    """Check baselines and guards: probes that exist, expressions over names that exist, steps that exist."""
    written: list[tuple[str, Baseline | Guard, int]] = [
        *(("baseline", item, at) for at, item in enumerate(playbook.baseline)),
        *(("guards", item, at) for at, item in enumerate(playbook.guards)),
    ]
    for key, watch, at in written:
        found = raw.get(key)
        inner = found[at] if isinstance(found, list) and at < len(found) and isinstance(found[at], dict) else {}
        acts.watch((key, at), watch.uses, inner)
        if isinstance(watch, Guard):
            acts.names.watched((key, at, "fail_when"), watch.fail_when)
            acts.names.template((key, at, "every"), watch.every, params_only=True, place="a duration")
        elif watch.at is not None:
            acts.history((key, at, "at"), watch.uses)
            acts.names.template((key, at, "at"), watch.at, params_only=True, place="a duration")
        acts.names.settled((key, at, "when"), watch.when)
    for key, ids in (("baseline", [b.id for b in playbook.baseline]), ("guards", [g.id for g in playbook.guards])):
        for at, name in enumerate(ids):
            if name and name in ids[:at]:
                findings.add((key, at, "id"), f"{name} stands twice", "an id of its own")
    for at, guard in enumerate(playbook.guards):
        if guard.arm_after and guard.arm_after not in flow.by_id:
            findings.add(
                ("guards", at, "arm_after"),
                f"there is no step {guard.arm_after}",
                one_of(flow.by_id),
                did_you_mean(guard.arm_after, flow.by_id),
            )
        if not isinstance(guard.every, str) and guard.every <= 0 and not findings.is_broken(("guards", at)):
            findings.add(("guards", at, "every"), "every is not positive", "a duration such as 30s")


def _stage(here: Placed, stage: Stage, findings: Findings, names: NameCheck, flow: FlowCheck, steps: StepCheck) -> None:
    path = here.path
    names.template((*path, "title"), stage.title, params_only=True, place="a title")
    names.expression((*path, "when"), stage.when)
    steps.approve((*path, "approve"), stage.approve)
    flow.on(here)
    flow.on_failure((*path, "on_failure"), stage.on_failure, here)
    rollout = stage.rollout
    if stage.rollout.pause < 0:
        findings.add((*path, "rollout", "pause"), "pause is negative", "a duration such as 30s")
    if findings.is_broken((*path, "rollout")):
        return
    if not rollout.waves:
        findings.add((*path, "rollout", "waves"), "there are no waves", "a list such as [1, 10%, 50%, 100%]")
    last: dict[bool, float] = {}
    for at, size in enumerate(rollout.waves):
        spot = (*path, "rollout", "waves", at)
        number = _share(findings, spot, size)
        percent = isinstance(size, str) and "%" in size
        if number <= last.get(percent, 0) and number > 0:
            findings.add(spot, f"{size} is not more than the wave before", "", "sizes are cumulative")
        last[percent] = max(number, last.get(percent, 0))
    if rollout.max_unavailable is not None:
        _share(findings, (*path, "rollout", "max_unavailable"), rollout.max_unavailable)


def _share(findings: Findings, path: tuple[str | int, ...], size: int | str) -> float:
    """Return the number of a count or percentage, 0 after noting that it is neither."""
    text = str(size).strip()
    try:
        share(text, 1)
        number = float(text.rstrip("% "))
    except ValueError as error:
        findings.add(path, str(error).rstrip("."))
        return 0
    if number <= 0:
        findings.add(path, f"{size} is no host at all", "at least 1, or a percentage above 0%")
    return number
