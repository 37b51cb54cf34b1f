"""Binding: a step's written arguments, filled in once for a place and turned into the action's typed model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import cast

import msgspec
from msgspec import Struct

from runbook.engine.services import Services
from runbook.errors import ActionError
from runbook.events.plain import freeze, thaw, unwrapped, wrapped
from runbook.events.state import RunState
from runbook.expression import render_tree
from runbook.model.convert import convert
from runbook.model.plan import PlannedAct, PlannedStep
from runbook.model.scalar import Json
from runbook.ports.action import ActionInfo
from runbook.secret import Secret


class Bound(Struct, frozen=True):
    """The arguments of one step or act in one place."""

    arguments: dict[str, Json]
    """For the record: secrets are `{"secret": NAME}`."""
    model: Struct
    """For the action."""


def written(step: PlannedStep | PlannedAct, state: RunState) -> Mapping[str, Json]:
    """Return the arguments as written, or as a person edited them in this run."""
    if isinstance(step, PlannedStep) and step.id in state.edits:
        return {**step.with_, **{name: thaw(value) for name, value in state.edits[step.id].items()}}
    return step.with_


def bind(
    services: Services,
    info: ActionInfo,
    raw: Mapping[str, Json],
    names: Mapping[str, object],
    *,
    is_literal: bool = False,
) -> Bound:
    """Fill in the templates and return the typed arguments. Raises ExpressionError, ActionError."""
    rendered = cast("dict[str, object]", dict(raw) if is_literal else render_tree(dict(raw), names))
    return Bound(_recorded(services, rendered), _typed(info, rendered))


def rebind(services: Services, info: ActionInfo, recorded: Mapping[str, Json]) -> Struct:
    """Return the typed arguments of a recorded plan; secrets are put in anew. Raises ActionError."""
    return _typed(info, {key: _revealed(services, item) for key, item in recorded.items()})


def form_of(step: PlannedStep, raw: Mapping[str, Json], target: str) -> str:
    """Return the SHA-256 of a step as written for a host: its symbols stand for what is known later."""
    return _sha256([step.uses, step.effect, dict(raw), target])


def digest_of(step: PlannedStep, arguments: Mapping[str, Json], target: str, shown: list[str]) -> str:
    """Return the SHA-256 of exactly what was shown for a host."""
    return _sha256([step.uses, step.effect, dict(arguments), target, shown])


def _sha256(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _typed(info: ActionInfo, rendered: Mapping[str, object]) -> Struct:
    model, faults = convert(dict(rendered), info.model, lenient=True)
    if faults:
        fault = faults[0]
        where = ".".join(str(part) for part in fault.path)
        raise ActionError(f"{where or info.name}: {fault.got}: expected {fault.expected}", remedy=fault.hint)
    return model


def _recorded(services: Services, value: object) -> dict[str, Json]:
    # The arguments themselves are no value that could read as something else.
    return {key: _by_reference(services, item) for key, item in cast("dict[str, object]", value).items()}


def _by_reference(services: Services, value: object) -> Json:
    match value:
        case Secret():
            return {"secret": next((n for n, s in services.secrets.items() if s is value), "")}
        case dict():
            return wrapped({str(key): _by_reference(services, item) for key, item in value.items()})
        case list() | tuple():
            return [_by_reference(services, item) for item in value]
        case _:
            return freeze(value)


def _revealed(services: Services, value: Json) -> object:
    match value:
        case dict() if set(value) == {"secret"}:
            name = str(value["secret"])
            if name not in services.secrets:
                raise ActionError(f"the secret {name} is not known in this session", remedy="give it again")
            return services.secrets[name]
        case dict():
            number = thaw(value)
            if not isinstance(number, dict):
                return number
            return {key: _revealed(services, item) for key, item in unwrapped(value).items()}
        case list():
            return [_revealed(services, item) for item in value]
        case _:
            return value
