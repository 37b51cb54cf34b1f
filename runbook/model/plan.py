"""The plan of a run: the playbook flattened, with hosts and waves, before anything is known of the targets."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from runbook.model.host import Host
from runbook.model.playbook import Act, Approve, Baseline, Guard, Step, UndoNone
from runbook.model.scalar import Effect, Json

StepKind: TypeAlias = Literal["action", "probe", "manual", "ask", "choose", "wait", "notify"]


class PlannedAct(Struct, frozen=True, kw_only=True):
    """A probe or an undo step, in the one form `uses` + `with`."""

    uses: str
    with_: dict[str, Json]
    timeout: float
    expect: str = ""
    title: str = ""
    source: Act


class PlannedStep(Struct, frozen=True, kw_only=True):
    """One step of the plan; its short forms are resolved."""

    id: str
    """Unique in the run; steps of an included playbook are `INCLUDE/STEP`."""
    kind: StepKind
    uses: str
    """Name of the action or probe; the kind for all else."""
    with_: dict[str, Json]
    """Arguments with their templates not yet filled in; `verify` options under the key `verify`."""
    is_literal: bool = False
    """Its arguments are taken as they are: braces in them are no templates."""
    effect: Effect
    hosts: tuple[str, ...]
    once: bool
    """Runs once (per wave in a stage), not per host."""
    timeout: float
    on_failure: str
    parallel: int
    checks: tuple[PlannedAct, ...] = ()
    """Written verify probes, besides what the action brings."""
    undo: UndoNone | tuple[PlannedAct, ...] | None = None
    """Written undo; None leaves it to the action."""
    scope: str = ""
    """The include that the step came by; its `params` are those of that include."""
    source: Step


class Unit(Struct, frozen=True, kw_only=True):
    """A stage, or a step that stands alone (a stage of one step and one wave)."""

    id: str
    title: str
    is_stage: bool
    hosts: tuple[str, ...]
    waves: tuple[tuple[str, ...], ...]
    """The hosts that each wave adds; never an empty wave."""
    when: str
    outer: tuple[tuple[str, str], ...] = ()
    """Conditions of the includes that brought it: the scope whose names they see, and the expression."""
    approve: Approve
    on_failure: str
    parallel: int
    max_unavailable: int | None = None
    pause: float = 0.0
    steps: tuple[PlannedStep, ...]


class Plan(Struct, frozen=True, kw_only=True):
    """All that a run will do, as far as it is known before it starts."""

    playbook: str
    title: str
    units: tuple[Unit, ...]
    hosts: dict[str, Host]
    targets: dict[str, tuple[str, ...]] = {}
    """The hosts of each group of targets, by its name; of a playbook without targets the name is empty."""
    baseline: tuple[Baseline, ...] = ()
    guards: tuple[Guard, ...] = ()
    digest: str = ""
    """SHA-256 over units, hosts and parameters."""

    def step(self, step_id: str) -> PlannedStep:
        """Return the step with this id; raises KeyError."""
        for unit in self.units:
            for step in unit.steps:
                if step.id == step_id:
                    return step
        raise KeyError(step_id)
