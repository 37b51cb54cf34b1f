"""One playbook as a readable page, for `show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from runbook.cli.style import Style, table
from runbook.model.plan import PlannedStep, Unit
from runbook.model.playbook import Param, Stage, Step
from runbook.session.library import Page, ValueSource
from runbook.text import duration_text, one_line, sanitise
from runbook.text.hostlist import told

LINE = 400


def page_object(page: Page) -> dict[str, Any]:
    """Return the page as an object: the playbook as written, and what it means here."""
    playbook = page.playbook
    return {
        "id": playbook.id,
        "title": playbook.title,
        "path": page.path,
        "source": page.source,
        "trouble": page.trouble,
        "values": [value_object(value) for value in page.values],
        "playbook": msgspec.to_builtins(playbook),
        "steps": [_step_object(unit, step) for unit in page.plan.units for step in unit.steps] if page.plan else [],
    }


def _step_object(unit: Unit, step: PlannedStep) -> dict[str, Any]:
    return {
        "id": step.id,
        "stage": unit.id if unit.is_stage else "",
        "title": step.source.title,
        "uses": step.uses,
        "effect": step.effect,
        "hosts": list(step.hosts),
    }


def value_object(value: ValueSource) -> dict[str, Any]:
    """Return the value of a parameter with its sources."""
    found: dict[str, Any] = msgspec.to_builtins(value)
    found["candidates"] = [{"source": source, "value": text} for source, text in value.candidates]
    return found


def page_lines(page: Page, style: Style) -> Iterator[str]:
    """Return the page for people."""
    playbook = page.playbook
    yield f"{one_line(playbook.title, LINE)}  ({playbook.id})"
    facts = [playbook.severity, f"owner {playbook.owner}" if playbook.owner else "", f"{page.source}: {page.path}"]
    facts.append(f"reviewed {playbook.reviewed}" if playbook.reviewed else "never reviewed")
    yield one_line(" · ".join(fact for fact in facts if fact), LINE)
    if playbook.summary.strip():
        yield ""
        yield from _block(playbook.summary)
    if playbook.symptoms:
        yield ""
        yield f"Symptoms: {one_line(', '.join(playbook.symptoms), LINE)}"
    yield from _parameters(page)
    if playbook.targets:
        yield ""
        yield "Targets"
        for name, group in playbook.targets.items():
            hosts = group.hosts if isinstance(group.hosts, str) else ", ".join(group.hosts)
            yield f"  {name}: {one_line(hosts, LINE)}{_found(page, name)}"
    yield ""
    yield "Steps"
    for item in playbook.steps:
        yield from _item(item, style)
    if page.trouble:
        yield ""
        yield f"Not ready: {one_line(page.trouble, LINE)}"


def _found(page: Page, name: str) -> str:
    """Return which hosts a group of targets means here, as far as whole steps and stages run on it."""
    on = {item.stage if isinstance(item, Stage) else item.id: item.on for item in page.playbook.steps}
    only = len(page.playbook.targets) == 1
    units = page.plan.units if page.plan is not None else ()
    names = {host for unit in units if only or on.get(unit.id) == name for host in unit.hosts}
    return f" = {len(names)} host{'' if len(names) == 1 else 's'}, {told(names)}" if names else ""


def _rollout(stage: Stage) -> str:
    rollout = stage.rollout
    words = []
    if len(rollout.waves) > 1:
        words.append(f"waves {', '.join(map(str, rollout.waves))}")
    if rollout.max_unavailable is not None:
        words.append(f"at most {rollout.max_unavailable} unavailable")
    if rollout.pause:
        words.append(f"{duration_text(rollout.pause)} between waves")
    return "".join(f", {word}" for word in words)


def _parameters(page: Page) -> Iterator[str]:
    if not page.playbook.params:
        return
    yield ""
    yield "Parameters"
    known = {value.name: value for value in page.values}
    rows = [_parameter(name, param, known.get(name)) for name, param in page.playbook.params.items()]
    yield from (f"  {line}" for line in table(rows))


def _parameter(name: str, param: Param, known: ValueSource | None) -> list[str]:
    default = "" if param.default is None else str(param.default)
    value = known.value if known is not None else default
    shown = value or ("required" if param.required else "")
    return [name, str(param.type), f"{shown}{f'  from {known.source}' if known and known.source else ''}", param.help]


def _item(item: Step | Stage, style: Style) -> Iterator[str]:
    if isinstance(item, Step):
        yield from _step(item, style, "  ")
        return
    approval = "" if item.approve == "none" else ", needs approval"
    title = f": {one_line(item.title, LINE)}" if item.title else ""
    yield f"  {item.stage}{title} (stage{_rollout(item)}{approval})"
    for step in item.steps:
        yield from _step(step, style, "    ")


def _step(step: Step, style: Style, indent: str) -> Iterator[str]:
    notes = [_kind(step), step.effect or "", "" if step.approve == "none" else "needs approval"]
    title = f": {one_line(step.title, LINE)}" if step.title else ""
    yield f"{indent}{step.id}{title} ({', '.join(note for note in notes if note)})"
    if step.when:
        yield style.paint(f"{indent}  when {one_line(step.when, LINE)}", "muted")
    for line in _block(step.guide):
        yield f"{indent}  {line}"


def _kind(step: Step) -> str:
    kinds = ("command", "shell", "manual", "ask", "choose", "wait", "notify", "playbook")
    return step.uses or next((kind for kind in kinds if getattr(step, kind) is not None), "")


def _block(text: str) -> list[str]:
    return [line.rstrip() for line in sanitise(text).strip().split("\n")] if text.strip() else []


def explained(value: ValueSource) -> Iterator[str]:
    """Return in lines which source gave the value, and which ones it overrules."""
    yield f"{value.name} = {one_line(value.value, LINE)}"
    yield f"from {one_line(value.source, LINE)}" if value.source else "from nowhere: it has no value"
    for source, text in reversed(value.candidates[:-1]):
        yield f"  over {one_line(source, LINE)}: {one_line(text, LINE)}"
