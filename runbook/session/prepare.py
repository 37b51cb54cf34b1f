"""Preparing: from an order, or from the record of a run, to a plan with its values. Reads files; asks no target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from runbook import loader
from runbook.actions import catalogue
from runbook.config import Settings, check_owner, find_playbook
from runbook.engine.guard import watching
from runbook.engine.plan import Planner, bounded, digest_of
from runbook.errors import JournalBroken, NoTargetError, PlaybookError, RunbookError, UsageError
from runbook.events.fact import SessionOpened
from runbook.events.plain import freeze, thaw
from runbook.loader.param import SecretRef
from runbook.model.built import built
from runbook.model.host import Host, Inventory
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.model.playbook import Include, Playbook, Step, UndoNone
from runbook.model.scalar import Effect, Json
from runbook.ports.action import Catalogue
from runbook.session.order import Adhoc, Order
from runbook.session.provenance import provenance
from runbook.session.value import Values, from_record, recorded, resolve
from runbook.text.hostlist import collapsed
from runbook.transports import BUILT_IN

AVAILABLE = frozenset(BUILT_IN)
"""The transports that this installation has."""


class Prepared(Struct, frozen=True, kw_only=True):
    """Everything about a run that is known before a target is asked."""

    plan: Plan
    values: Values
    include_params: dict[str, dict[str, Json]]
    snapshot: dict[str, Json]
    """What `session.opened` says of the playbook."""
    actions: Catalogue
    playbook: Playbook | None = None


class Includes:
    """Finds the included playbooks of a loaded one, and gathers their parameters by scope."""

    def __init__(self, loaded: loader.Loaded) -> None:
        self._scopes: dict[str, loader.Loaded] = {"": loaded}
        self.params: dict[str, dict[str, Json]] = {}

    def __call__(self, written: str, scope: str) -> Playbook:
        outer = self._scopes[scope.rpartition("/")[0]]
        inner = outer.includes[written]
        self._scopes[scope] = inner
        given = _given(outer.playbook, scope.rpartition("/")[2])
        self.params[scope] = {
            name: given[name] if name in given else _plain(loader.check_value(name, param, param.default))
            for name, param in inner.playbook.params.items()
        }
        return inner.playbook


def _plain(value: Json | SecretRef) -> Json:
    return value.text() if isinstance(value, SecretRef) else value


def _given(playbook: Playbook, step_id: str) -> Mapping[str, Json]:
    for item in playbook.steps:
        if isinstance(item, Step) and item.id == step_id and isinstance(item.playbook, Include):
            return item.playbook.params
    return {}


def prepare(settings: Settings, order: Order) -> Prepared:
    """Prepare an order. Raises PlaybookError, InventoryError, ConfigError, UsageError."""
    found = find_playbook(settings, order.playbook)
    actions = catalogue()
    loaded = loader.load_playbook(found.path, actions, lambda written, file: included(settings, written, file))
    inventory = load_hosts(order.inventory)
    plan, includes = _plan(loaded, actions, inventory, order.limit, most=order.parallel)
    values = resolve(loaded.playbook, plan.hosts, files=order.vars_files, given=order.values)
    snapshot = _snapshot(loaded, found.path, found.source)
    return Prepared(
        plan=watching(plan, values.common),
        values=values,
        include_params=includes.params,
        snapshot=snapshot,
        actions=actions,
        playbook=loaded.playbook,
    )


def snapshot_of(settings: Settings, written: str) -> dict[str, Json]:
    """Return what a record would say of a playbook as it is now. Raises PlaybookError, ConfigError, UsageError."""
    found = find_playbook(settings, written)
    loaded = loader.load_playbook(found.path, catalogue(), lambda name, file: included(settings, name, file))
    return _snapshot(loaded, found.path, found.source)


def included(settings: Settings, written: str, file: str) -> Path:
    """Find an include: a path from the including file, or an id in its folder, else in the playbook folders."""
    if "/" in written or written.endswith((".yaml", ".yml")):
        path = Path(file).parent / written
        check_owner(path)
        return path
    beside = Path(file).parent / f"{written}.yaml"
    if beside.is_file():
        check_owner(beside)
        return beside
    try:
        return find_playbook(settings, written).path
    except UsageError as missing:
        raise PlaybookError(missing.message, file=file, remedy=missing.remedy) from missing


def load_hosts(path: Path | None) -> Inventory:
    """Return an inventory; without a file the one that knows this machine. Raises InventoryError, ConfigError."""
    if path is None:
        return Inventory()
    check_owner(path)
    found = loader.load_inventory(path)
    for beside in found.beside:
        check_owner(Path(beside))
    return found


def _plan(
    loaded: loader.Loaded,
    actions: Catalogue,
    inventory: Inventory,
    limit: str,
    targets: Mapping[str, tuple[str, ...]] | None = None,
    *,
    most: int = 0,
) -> tuple[Plan, Includes]:
    includes = Includes(loaded)
    plan = Planner(actions, inventory, loader.match, includes).plan(loaded.playbook, limit=limit, targets=targets)
    loader.refuse_transport(tuple(plan.hosts.values()), AVAILABLE)
    return bounded(plan, most), includes


def _snapshot(loaded: loader.Loaded, path: Path, source: str) -> dict[str, Json]:
    return {
        "id": loaded.playbook.id,
        "title": loaded.playbook.title,
        "path": str(path.absolute()),
        "source": source,
        "sha256": loaded.sha256,
        "text": loaded.text,
        "includes": _texts(loaded),
        **provenance(path),
    }


def _texts(loaded: loader.Loaded) -> dict[str, Json]:
    return {
        written: {"path": inner.path, "sha256": inner.sha256, "text": inner.text, "includes": _texts(inner)}
        for written, inner in loaded.includes.items()
    }


def prepare_again(settings: Settings, opened: SessionOpened, order: Order) -> tuple[Prepared, tuple[str, ...]]:
    """Prepare the replay of a recorded run, and say what differs from it.

    Playbook and values are the recorded ones (values may be set anew); hosts are looked up and secrets fetched now.
    """
    actions = catalogue()
    loaded = _load_texts(opened.playbook, actions)
    recorded_inventory = str(opened.options.get("inventory") or "")
    path = order.inventory or (Path(recorded_inventory) if recorded_inventory else None)
    # A run on few hosts is not replayed on all of them because nobody thought of it.
    limit = order.limit or str(opened.options.get("limit") or "")
    plan, includes = _plan(loaded, actions, load_hosts(path), limit, most=order.parallel)
    before = from_record(_thawed(opened.params))
    changed = resolve(loaded.playbook, plan.hosts, files=order.vars_files, given=order.values)
    set_anew = {name for name, source in changed.sources.items() if name in order.values or source not in _UNSET}
    common = {**before, **{name: changed.common[name] for name in set_anew}}
    per_host = {
        host: {name: value for name, value in values.items() if name not in before or before[name] is None}
        for host, values in changed.per_host.items()
    }
    values = Values(common, per_host, dict.fromkeys(common, "the record of the run"), {})
    prepared = Prepared(
        plan=watching(plan, values.common),
        values=values,
        include_params=includes.params,
        snapshot=opened.playbook,
        actions=actions,
        playbook=loaded.playbook,
    )
    return prepared, tuple(_differences(settings, opened, prepared, set_anew, before))


_UNSET = ("default of the playbook", "inventory")


def _differences(
    settings: Settings,
    opened: SessionOpened,
    prepared: Prepared,
    set_anew: set[str],
    before: Mapping[str, Json | SecretRef],
) -> list[str]:
    told: list[str] = []
    snapshot = opened.playbook
    try:
        present = loader.load_playbook(find_playbook(settings, str(snapshot["path"])).path, prepared.actions)
    except RunbookError:
        told.append(f"the playbook {snapshot['path']} cannot be read any more; its recorded text is used")
    else:
        if present.sha256 != snapshot["sha256"]:
            told.append(f"the playbook {snapshot['path']} was changed since; its recorded text is used")
    names = [str(host.get("name")) for host in opened.hosts if isinstance(host, dict)]
    if names != list(prepared.plan.hosts):
        told.append(f"hosts then: {collapsed(names)}; now: {collapsed(prepared.plan.hosts)}")
    told.extend(
        f"{name} is set anew" for name in sorted(set_anew) if before.get(name) != prepared.values.common.get(name)
    )
    return told


def from_snapshot(opened: SessionOpened) -> Prepared:
    """Prepare a recorded run as it was: playbook text, hosts and values come from the record alone.

    Raises JournalBroken if the record does not say enough.
    """
    actions = catalogue()
    hosts = tuple(msgspec.convert(thaw(host), built(Host)) for host in opened.hosts)
    common, per_host = (
        from_record(_thawed(opened.params)),
        {host: from_record(_thawed(values)) for host, values in opened.host_params.items()},
    )
    values = Values(common, per_host, dict.fromkeys(common, "the record of the run"), {})
    snapshot = opened.playbook
    if "adhoc" in snapshot:
        adhoc = msgspec.convert(thaw(snapshot["adhoc"]), built(Adhoc))
        return _adhoc(adhoc, actions, hosts, snapshot)
    try:
        loaded = _load_texts(snapshot, actions)
    except PlaybookError as error:
        raise JournalBroken(f"the recorded playbook cannot be read: {error}") from error
    inventory = Inventory(hosts=hosts)
    targets = {name: tuple(names) for name, names in opened.targets.items()}
    most = opened.options.get("parallel")
    plan, includes = _plan(loaded, actions, inventory, "", targets, most=most if isinstance(most, int) else 0)
    return Prepared(
        plan=watching(plan, values.common),
        values=values,
        include_params=includes.params,
        snapshot=snapshot,
        actions=actions,
        playbook=loaded.playbook,
    )


def _thawed(values: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value if _is_reference(value) else thaw(value) for name, value in values.items()}


def _is_reference(value: Json) -> bool:
    return isinstance(value, dict) and set(value) == {"secret"}


def _load_texts(snapshot: Mapping[str, Any], actions: Catalogue) -> loader.Loaded:
    known: dict[tuple[str, str], Mapping[str, Any]] = {}

    def gather(outer: Mapping[str, Any]) -> None:
        for written, inner in outer.get("includes", {}).items():
            known[written, str(outer["path"])] = inner
            gather(inner)

    gather(snapshot)

    def find(written: str, file: str) -> loader.Source:
        inner = known.get((written, file))
        if inner is None:
            raise PlaybookError(f"the record has no text of the included playbook {written}", file=file)
        return loader.Source(str(inner["text"]), str(inner["path"]))

    return loader.load_playbook(loader.Source(str(snapshot["text"]), str(snapshot["path"])), actions, find)


def prepare_adhoc(order: Adhoc) -> Prepared:
    """Prepare an ad-hoc command. Raises InventoryError, NoTargetError."""
    actions = catalogue()
    inventory = load_hosts(order.inventory)
    hosts = loader.match(inventory, order.on)
    if order.limit:
        allowed = {host.name for host in loader.match(inventory, order.limit)}
        hosts = tuple(host for host in hosts if host.name in allowed)
        if not hosts:
            raise NoTargetError(f"--on {order.on} and --limit {order.limit} have no host in common")
    loader.refuse_transport(hosts, AVAILABLE)
    snapshot: dict[str, Json] = {
        "id": "exec",
        "title": "Ad-hoc command",
        "adhoc": freeze(msgspec.structs.replace(order, inventory=None)),
    }
    return _adhoc(order, actions, hosts, snapshot)


def _adhoc(order: Adhoc, actions: Catalogue, hosts: tuple[Host, ...], snapshot: dict[str, Json]) -> Prepared:
    effect: Effect = {"read": "read", "change": "change", "destructive": "destructive"}[order.effect]  # type: ignore[assignment]
    names = tuple(host.name for host in hosts)
    step = PlannedStep(
        id="exec",
        kind="probe" if effect == "read" else "action",
        uses="command",
        with_={"argv": list(order.argv), "sudo": order.sudo, "timeout": f"{order.timeout:g}s"},
        # Whoever types a command has had a shell fill in all.
        is_literal=True,
        effect=effect,
        hosts=names,
        once=False,
        timeout=order.timeout,
        on_failure="stop",
        parallel=20,
        undo=None if effect == "read" else UndoNone(none="ad-hoc command"),
        source=Step(id="exec", command=order.argv, effect=effect, title=_literal(" ".join(order.argv)[:200])),
    )
    unit = Unit(
        id="exec",
        title=step.source.title,
        is_stage=False,
        hosts=names,
        waves=(names,),
        when="",
        approve="none" if effect == "read" else "operator",
        on_failure="stop",
        parallel=20,
        steps=(step,),
    )
    plan = Plan(playbook="exec", title="Ad-hoc command", units=(unit,), hosts={h.name: h for h in hosts})
    plan = msgspec.structs.replace(plan, digest=digest_of(plan))
    return Prepared(plan=plan, values=Values({}, {}, {}, {}), include_params={}, snapshot=snapshot, actions=actions)


def _literal(text: str) -> str:
    """Return the template that stands for a text as it is."""
    return re.sub(r"\{(?=[{%#])", "{{ '{' }}", text)


def opening(prepared: Prepared, **more: Any) -> SessionOpened:
    """Return the fact that opens the first session of a run."""
    return SessionOpened(
        playbook=prepared.snapshot,
        hosts=[freeze(host) for host in prepared.plan.hosts.values()],
        targets={name: list(names) for name, names in prepared.plan.targets.items()},
        params={name: _frozen(value) for name, value in recorded(prepared.values.common).items()},
        host_params={
            host: {name: _frozen(value) for name, value in recorded(values).items()}
            for host, values in prepared.values.per_host.items()
        },
        plan_digest=prepared.plan.digest,
        **more,
    )


def _frozen(value: Json) -> Json:
    return value if _is_reference(value) else freeze(value)
