"""The names that templates and expressions see: params, steps, host, run, baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from runbook.engine.place import wave_of
from runbook.events.plain import thaw
from runbook.events.state import RunState
from runbook.expression import PerHost, render_tree
from runbook.model.host import Host
from runbook.model.plan import Plan, PlannedStep


class _Lazy(Mapping[str, object]):
    """A mapping whose values are made once, when they are first looked up."""

    def __init__(self, makers: Mapping[str, Callable[[], object]]) -> None:
        self._makers = makers
        self._made: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class Names:
    """Makes the names of one run for a step in a place."""

    def __init__(
        self,
        plan: Plan,
        run_id: str,
        params: Mapping[str, object],
        host_params: Mapping[str, Mapping[str, object]],
        include_params: Mapping[str, Mapping[str, object]],
    ) -> None:
        self._plan = plan
        self._units = {each.id: unit for unit in plan.units for each in unit.steps}
        self._run = {"id": run_id}
        self._params = params
        self._host_params = host_params
        self._include_params = include_params

    def params(self, target: str, scope: str = "") -> Mapping[str, object]:
        """Return the parameters that hold for a host (or for what runs once) inside an include."""
        own = self._host_params.get(self._host_of(target), {})
        params: Mapping[str, object] = {**self._params, **own}
        path = ""
        for part in scope.split("/") if scope else []:
            path = f"{path}/{part}" if path else part
            written = self._include_params.get(path, {})
            rendered = {key: render_tree(value, {"params": params}) for key, value in written.items()}
            params = rendered
        return params

    def at(self, state: RunState, step: PlannedStep, target: str) -> Mapping[str, object]:
        """Return all names for a step in a place; the costly ones are made when they are looked up."""
        host = self._plan.hosts.get(self._host_of(target))
        return _Lazy(
            {
                "params": lambda: self.params(target, step.scope),
                "steps": lambda: self._steps(state, step, target),
                "host": lambda: _host(host),
                "run": lambda: self._run,
                "baseline": lambda: {name: thaw(taken.value) for name, taken in state.baselines.items()},
            }
        )

    def _host_of(self, target: str) -> str:
        if target.startswith("*") and len(self._plan.hosts) == 1:
            return next(iter(self._plan.hosts))
        return target

    def _steps(self, state: RunState, step: PlannedStep, target: str) -> dict[str, object]:
        found: dict[str, dict[str, dict[str, object]]] = {}
        for (name, place), at in state.steps.items():
            scope, _, local = name.rpartition("/")
            if scope != step.scope:
                continue
            values = found.setdefault(local, {})
            values.setdefault("status", {})[place] = at.status
            for key, value in at.values.items():
                values.setdefault(key, {})[place] = thaw(value)
        self._fill_skipped(found, state, step.scope)
        prefix = f"{step.scope}/" if step.scope else ""
        return {
            name: {key: PerHost(at, self._here(f"{prefix}{name}", at, target)) for key, at in values.items()}
            for name, values in found.items()
        }

    def _here(self, name: str, per_host: Mapping[str, object], target: str) -> str | None:
        """Return the place whose value a target means: its own, or that of what ran once for its wave."""
        if target in per_host or target.startswith("*"):
            return target if target in per_host else None
        unit = self._units.get(name)
        wave = f"*{wave_of(unit, target) + 1}" if unit is not None else ""
        return wave if wave in per_host else None

    def _fill_skipped(self, found: dict[str, dict[str, dict[str, object]]], state: RunState, scope: str) -> None:
        """A skipped step yields null for every name that it would have captured."""
        for (name, place), at in state.steps.items():
            step_scope, _, local = name.rpartition("/")
            if at.status != "skipped" or step_scope != scope:
                continue
            try:
                source = self._plan.step(name).source
            except KeyError:
                continue
            decided = ("choice",) if source.choose is not None else ()
            for key in (*source.capture, *(source.ask or {}), *decided):
                found[local].setdefault(key, {})[place] = None


def _host(host: Host | None) -> dict[str, object]:
    if host is None:
        return {}
    return {"name": host.name, "address": host.address or host.name, "user": host.user, "port": host.port}
