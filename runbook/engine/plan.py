"""Planning: the playbook flattened into units, steps, hosts and waves, before any target is asked.

Pure. Includes are put in their place, short forms resolved, groups matched, waves counted. What depends on a
target is planned later, step by step, by the action itself.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from runbook.errors import NoTargetError, PlaybookError
from runbook.model.host import LOCAL, Host, Inventory
from runbook.model.plan import Plan, PlannedAct, PlannedStep, StepKind, Unit
from runbook.model.playbook import Act, Include, Notify, Playbook, Stage, Step
from runbook.model.scalar import Effect, Json
from runbook.ports.action import Catalogue

Match = Callable[[Inventory, str], tuple[Host, ...]]
"""Finds the hosts of a pattern; raises NoTargetError."""

Includes = Callable[[str, str], Playbook]
"""Finds an included playbook by what is written and the scope that it stands in."""


class Planner:
    """Makes the plan of one playbook for one inventory."""

    def __init__(self, catalogue: Catalogue, inventory: Inventory, match: Match, includes: Includes) -> None:
        self._catalogue = catalogue
        self._inventory = inventory
        self._match = match
        self._includes = includes

    def plan(
        self, playbook: Playbook, *, limit: str = "", targets: Mapping[str, tuple[str, ...]] | None = None
    ) -> Plan:
        """Return the plan. Raises NoTargetError, PlaybookError.

        With `targets`, which are those of an earlier plan, no pattern is looked at: among fewer hosts it would mean
        others.
        """
        groups = self._as_before(targets) if targets else self._groups(playbook, limit)
        units = tuple(self._units(playbook, groups, scope=""))
        named = {name for unit in units for name in unit.hosts}
        hosts = {h.name: h for found in groups.values() for h in found if h.name in named}
        plan = Plan(
            playbook=playbook.id,
            title=playbook.title,
            units=units,
            hosts=hosts,
            targets={name: tuple(h.name for h in found if h.name in hosts) for name, found in groups.items()},
            baseline=playbook.baseline,
            guards=playbook.guards,
        )
        return replace(plan, digest=digest_of(plan))

    def _as_before(self, targets: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Host, ...]]:
        known = {host.name: host for host in self._inventory.hosts}
        return {group: tuple(known[name] for name in names if name in known) for group, names in targets.items()}

    def _groups(self, playbook: Playbook, limit: str) -> dict[str, tuple[Host, ...]]:
        allowed = {h.name for h in self._match(self._inventory, limit)} if limit else None
        if not playbook.targets:
            here = self._match(self._inventory, LOCAL)
            if allowed is not None and LOCAL not in allowed:
                raise NoTargetError(f"the playbook runs on {LOCAL}, and --limit {limit} leaves that out")
            return {"": here}
        groups: dict[str, tuple[Host, ...]] = {}
        for name, group in playbook.targets.items():
            patterns = (group.hosts,) if isinstance(group.hosts, str) else group.hosts
            found = tuple({h.name: h for p in patterns for h in self._match(self._inventory, p)}.values())
            if allowed is not None:
                found = tuple(h for h in found if h.name in allowed)
            if group.pick == "one":
                found = found[:1]
            _check_count(name, found, group.min, group.max)
            groups[name] = found
        return groups

    def _units(self, playbook: Playbook, groups: Mapping[str, tuple[Host, ...]], scope: str) -> list[Unit]:
        units: list[Unit] = []
        for item in playbook.steps:
            if isinstance(item, Stage):
                units.append(self._stage(playbook, item, groups, scope))
            elif item.playbook is not None:
                units.extend(self._include(item, groups, scope))
            else:
                hosts = _hosts(item.on, groups, item.id)
                step = self._step(playbook, item, hosts, scope, None)
                units.append(_alone(step, item))
        return units

    def _include(self, item: Step, groups: Mapping[str, tuple[Host, ...]], scope: str) -> list[Unit]:
        written = item.playbook
        name = written.id if isinstance(written, Include) else str(written)
        inner_scope = f"{scope}/{item.id}" if scope else item.id
        if inner_scope.count("/") >= 8:
            raise PlaybookError(f"includes are nested too deep at {inner_scope}", remedy="a playbook includes itself")
        included = self._includes(name, inner_scope)
        hosts = _hosts(item.on, groups, item.id)
        inner = dict.fromkeys(included.targets, hosts) or {"": hosts}
        units = self._units(included, inner, inner_scope)
        if not item.when:
            return units
        return [replace(u, outer=((scope, item.when), *u.outer)) for u in units]

    def _stage(self, playbook: Playbook, stage: Stage, groups: Mapping[str, tuple[Host, ...]], scope: str) -> Unit:
        own = () if not stage.on and all(s.on for s in stage.steps) else _hosts(stage.on, groups, stage.stage)
        by_step = [_hosts(s.on, groups, s.id) if s.on else own for s in stage.steps]
        # A step may run on another group than its stage: its hosts go through the waves as well.
        hosts = tuple({h.name: h for found in (own, *by_step) for h in found}.values())
        steps = tuple(
            self._step(playbook, s, found, scope, stage) for s, found in zip(stage.steps, by_step, strict=True)
        )
        limit = stage.rollout.max_unavailable
        return Unit(
            id=f"{scope}/{stage.stage}" if scope else stage.stage,
            title=stage.title or stage.stage,
            is_stage=True,
            hosts=tuple(h.name for h in hosts),
            waves=waves_of(tuple(h.name for h in hosts), stage.rollout.waves),
            when=stage.when,
            approve=stage.approve,
            on_failure=stage.on_failure or playbook.defaults.on_failure,
            parallel=stage.parallel or playbook.defaults.parallel,
            max_unavailable=None if limit is None else count_of(limit, len(hosts)),
            pause=stage.rollout.pause,
            steps=steps,
        )

    def _step(
        self, playbook: Playbook, step: Step, hosts: tuple[Host, ...], scope: str, stage: Stage | None
    ) -> PlannedStep:
        kind, uses, arguments, effect, once = self._kind(step)
        timeout = step.timeout or playbook.defaults.timeout
        arguments = self._limited(uses, arguments, step.timeout, timeout)
        checks: tuple[PlannedAct, ...] = ()
        if isinstance(step.verify, dict) and step.unchecked is None:
            arguments = arguments | {"verify": step.verify}
        elif isinstance(step.verify, tuple):
            checks = tuple(self._act(act, timeout) for act in step.verify)
        undo = step.undo
        on_failure = step.on_failure or (stage.on_failure if stage else "") or playbook.defaults.on_failure
        return PlannedStep(
            id=f"{scope}/{step.id}" if scope else step.id,
            kind=kind,
            uses=uses,
            with_=arguments,
            effect=effect,
            hosts=tuple(h.name for h in hosts),
            once=once,
            timeout=timeout,
            on_failure=_scoped(on_failure, scope),
            parallel=step.parallel or (stage.parallel if stage else None) or playbook.defaults.parallel,
            checks=checks,
            undo=tuple(self._act(a, timeout) for a in undo) if isinstance(undo, tuple) else undo,
            scope=scope,
            source=step,
        )

    def _kind(self, step: Step) -> tuple[StepKind, str, dict[str, Json], Effect, bool]:
        """Return kind, action name, arguments, effect, and whether it runs once."""
        if step.manual is not None:
            return "manual", "manual", {}, "read", True
        if step.ask is not None:
            return "ask", "ask", {}, "read", True
        if step.choose is not None:
            return "choose", "choose", {}, "read", True
        if step.wait is not None:
            return "wait", "wait", {}, "read", True
        if step.notify is not None:
            note = step.notify if isinstance(step.notify, Notify) else Notify(message=step.notify)
            return "notify", "notify", {"message": note.message, "command": list(note.command)}, "read", True
        uses, arguments = arguments_of(step)
        info = self._catalogue.info(uses)
        if info is None:
            raise PlaybookError(f"step {step.id} uses {uses}, which does not exist here")
        if uses in ("command", "shell"):
            effect: Effect = step.effect or "change"
            return ("probe" if effect == "read" else "action"), uses, arguments, effect, False
        effect = step.effect if step.effect == "destructive" and info.effect != "read" else info.effect
        return ("probe" if info.is_probe else "action"), uses, arguments, effect, info.once

    def _limited(
        self, uses: str, arguments: dict[str, Json], written: float | None, inherited: float
    ) -> dict[str, Json]:
        """Pass the limit of the step on to an action that has one of its own and was not told another.

        A command takes the playbook's default; a probe of the network keeps its own, shorter one unless told.
        """
        limit = written or (inherited if uses in ("command", "shell") else None)
        info = self._catalogue.info(uses)
        if limit is None or "timeout" in arguments or info is None or "timeout" not in info.model.__struct_fields__:
            return arguments
        return arguments | {"timeout": f"{limit:g}s"}

    def _act(self, act: Act, timeout: float) -> PlannedAct:
        uses, arguments = arguments_of(act)
        arguments = self._limited(uses, arguments, act.timeout, timeout)
        return PlannedAct(
            uses=uses, with_=arguments, timeout=act.timeout or timeout, expect=act.expect, title=act.title, source=act
        )


def arguments_of(act: Act) -> tuple[str, dict[str, Json]]:
    """Return the name of the action and its arguments, whichever short form was written."""
    common: dict[str, Any] = {}
    if act.sudo:
        common["sudo"] = True
    if act.env:
        common["env"] = dict(act.env)
    if act.cwd:
        common["cwd"] = act.cwd
    if act.stdin:
        common["stdin"] = act.stdin
    if act.command is not None:
        return "command", {"argv": list(act.command), **common}
    if act.shell is not None:
        return "shell", {"script": act.shell, **common}
    return act.uses, {**act.with_, **common}


def waves_of(hosts: tuple[str, ...], sizes: tuple[int | str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the hosts that each wave adds: sizes are cumulative, rounded up; the last wave takes the rest."""
    waves: list[tuple[str, ...]] = []
    taken = 0
    for size in (*sizes, "100%"):
        upto = min(len(hosts), max(taken, count_of(size, len(hosts))))
        if upto > taken:
            waves.append(hosts[taken:upto])
            taken = upto
    return tuple(waves)


def count_of(size: int | str, total: int) -> int:
    """Return a count, written as a number or a percentage of `total`, rounded up, at least 1."""
    text = str(size).strip()
    count = math.ceil(total * float(text[:-1]) / 100 - 1e-9) if text.endswith("%") else int(text)
    return max(1, count)


def bounded(plan: Plan, most: int) -> Plan:
    """Return the plan with at most so many hosts at once; what is stricter stays. 0 changes nothing."""
    if most <= 0:
        return plan
    units = tuple(
        replace(
            unit,
            parallel=min(unit.parallel, most),
            steps=tuple(replace(step, parallel=min(step.parallel, most)) for step in unit.steps),
        )
        for unit in plan.units
    )
    narrow = replace(plan, units=units)
    return replace(narrow, digest=digest_of(narrow))


def digest_of(plan: Plan) -> str:
    """Return the SHA-256 of a plan's units and hosts in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode([plan.units, plan.hosts], order="sorted")).hexdigest()


def _alone(step: PlannedStep, source: Step) -> Unit:
    return Unit(
        id=step.id,
        title=source.title or step.id,
        is_stage=False,
        hosts=step.hosts,
        waves=(step.hosts,),
        when="",
        approve=source.approve,
        on_failure=step.on_failure,
        parallel=step.parallel,
        steps=(step,),
    )


def _hosts(on: str, groups: Mapping[str, tuple[Host, ...]], where: str) -> tuple[Host, ...]:
    if on:
        if on not in groups:
            raise PlaybookError(f"{where} runs on {on}, which is not among the targets")
        return groups[on]
    if len(groups) == 1:
        return next(iter(groups.values()))
    raise PlaybookError(f"{where} does not say where it runs", remedy=f"write on: one of {', '.join(groups)}")


def _scoped(on_failure: str, scope: str) -> str:
    if scope and on_failure.startswith("goto:") and on_failure != "goto:end":
        return f"goto:{scope}/{on_failure[5:]}"
    return on_failure


def _check_count(name: str, found: tuple[Host, ...], least: int, most: int | None) -> None:
    if not found:
        raise NoTargetError(f"the targets {name} match no host", remedy="check --limit and the inventory")
    if len(found) < least:
        raise NoTargetError(f"the targets {name} match {len(found)} hosts, at least {least} are needed")
    if most is not None and len(found) > most:
        raise NoTargetError(f"the targets {name} match {len(found)} hosts, at most {most} are allowed")
