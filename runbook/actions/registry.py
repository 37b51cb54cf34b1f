"""The catalogue: which actions and probes exist, and where their classes are.

Built-ins stand in a static table and are imported when asked for. Guests register a class under the entry point
group `runbook.actions`; looking for those costs tens of milliseconds, so it happens only for a name that is not in
the table and for the list of all names. A guest never takes the name of a built-in.
"""

from __future__ import annotations

from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, cast, get_args

from msgspec import Struct

from runbook.errors import ActionError
from runbook.model.scalar import Effect
from runbook.ports.action import Action, ActionInfo, Catalogue, Probe

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "runbook.actions"

BUILT_IN = {
    "cache.degrade": "runbook.actions.cache_degrade:CacheDegrade",
    "cache.restore": "runbook.actions.cache_restore:CacheRestore",
    "command": "runbook.actions.command:Command",
    "file.backup": "runbook.actions.file_backup:FileBackup",
    "file.checksum": "runbook.actions.file_checksum:FileChecksum",
    "file.edit": "runbook.actions.file_edit:FileEdit",
    "file.restore": "runbook.actions.file_restore:FileRestore",
    "file.whole": "runbook.actions.file_whole:FileWhole",
    "folder.backup": "runbook.actions.folder_backup:FolderBackup",
    "folder.restore": "runbook.actions.folder_restore:FolderRestore",
    "git.diff": "runbook.actions.git_diff:GitDiff",
    "git.restore": "runbook.actions.git_restore:GitRestore",
    "http": "runbook.actions.http:Http",
    "ldconfig.inspect": "runbook.actions.ldconfig_inspect:LdconfigInspect",
    "ldconfig.refresh": "runbook.actions.ldconfig_refresh:LdconfigRefresh",
    "metric.query": "runbook.actions.metric_query:MetricQuery",
    "process": "runbook.actions.process:Process",
    "queue.inspect": "runbook.actions.queue_inspect:QueueInspect",
    "queue.replay": "runbook.actions.queue_replay:QueueReplay",
    "runtime.status": "runbook.actions.runtime_status:RuntimeStatus",
    "runtime.switch": "runbook.actions.runtime_switch:RuntimeSwitch",
    "service.restart": "runbook.actions.service:ServiceRestart",
    "service.start": "runbook.actions.service:ServiceStart",
    "service.status": "runbook.actions.service:ServiceStatus",
    "service.stop": "runbook.actions.service:ServiceStop",
    "shell": "runbook.actions.command:Shell",
    "tcp": "runbook.actions.tcp:Tcp",
}
"""Name to `module:Class`, sorted by name."""

_READS = ("observe",)
_CHANGES = ("inspect", "plan", "apply", "settle", "verify", "drift", "undo", "undone")


def catalogue() -> Catalogue:
    """Return the actions and probes of this installation."""
    return Registry(BUILT_IN)


class Registry:
    """A catalogue over a table of built-ins and the entry points of this installation."""

    def __init__(self, table: dict[str, str]) -> None:
        self._table = table
        self._classes: dict[str, type | None] = {}
        self._infos: dict[str, ActionInfo] = {}
        self._guests: dict[str, list[EntryPoint]] | None = None
        self._lock = RLock()

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted, without loading what they stand for."""
        return tuple(sorted({*self._table, *self._entry_points()}))

    def info(self, name: str) -> ActionInfo | None:
        """Return what is known of an action, None if there is none of this name.

        Raises ActionError, naming its distribution, if a guest of this name cannot be used.
        """
        if name not in self._infos:
            found = self._find(name)
            if found is None:
                return None
            self._infos[name] = _info(name, found)
        return self._infos[name]

    def action(self, name: str) -> Action[Struct, Struct, Struct]:
        """Return the action; raises KeyError, or ActionError for a guest that cannot be used."""
        return cast("Action[Struct, Struct, Struct]", self._make(name, _CHANGES))

    def probe(self, name: str) -> Probe[Struct, Struct]:
        """Return the probe; raises KeyError, or ActionError for a guest that cannot be used."""
        return cast("Probe[Struct, Struct]", self._make(name, _READS))

    def _make(self, name: str, methods: tuple[str, ...]) -> object:
        found = self._find(name)
        if found is None or not _has(found, methods):
            raise KeyError(name)
        return found()

    def _find(self, name: str) -> type | None:
        with self._lock:
            if name not in self._classes:
                place = self._table.get(name)
                self._classes[name] = _built_in(place) if place else self._guest(name)
            return self._classes[name]

    def _entry_points(self) -> dict[str, list[EntryPoint]]:
        with self._lock:
            if self._guests is None:
                from importlib.metadata import entry_points

                guests: dict[str, list[EntryPoint]] = {}
                for point in entry_points(group=GROUP):
                    guests.setdefault(point.name, []).append(point)
                self._guests = guests
            return self._guests

    def _guest(self, name: str) -> type | None:
        points = self._entry_points().get(name, [])
        # One distribution can be found twice (a checkout and its installed form); the place decides what it is.
        if len({point.value for point in points}) > 1:
            offers = " and ".join(sorted({_distribution(point) for point in points}))
            raise ActionError("more than one guest has this name", where=name, remedy=f"remove one of: {offers}")
        return _load(points[0]) if points else None


def _info(name: str, found: type) -> ActionInfo:
    known = cast("type[Action[Struct, Struct, Struct]]", found)
    return ActionInfo(
        name=name,
        summary=known.summary,
        effect=known.effect,
        model=known.model,
        result=known.result,
        is_probe=not _has(found, _CHANGES),
        once=known.once,
        brings_verify=bool(getattr(known, "brings_verify", False)),
        brings_undo=bool(getattr(known, "brings_undo", False)),
        paced=bool(getattr(known, "paced", False)),
    )


def _built_in(place: str) -> type:
    module, _, attribute = place.partition(":")
    return cast("type", getattr(import_module(module), attribute))


def _load(point: EntryPoint) -> type:
    """Import a guest. Raises ActionError for whatever goes wrong in its code: this is the border to it."""
    remedy = f"repair or remove the distribution {_distribution(point)}"
    try:
        found = point.load()
    except (Exception, SystemExit) as error:
        why = f"cannot be loaded from {point.value}: {type(error).__name__}: {error}"
        raise ActionError(why, where=point.name, remedy=remedy) from error
    wrong = _fault(found)
    if wrong:
        raise ActionError(f"{point.value} is no action or probe: {wrong}", where=point.name, remedy=remedy)
    return cast("type", found)


def _fault(found: object) -> str:
    """Say what a guest lacks; empty if it has all that the catalogue tells of it."""
    if not isinstance(found, type):
        return "it is no class"
    for word in ("name", "summary"):
        if not isinstance(getattr(found, word, None), str):
            return f"it has no text `{word}`"
    if getattr(found, "effect", None) not in get_args(Effect):
        return "its `effect` is none of " + ", ".join(get_args(Effect))
    if not isinstance(getattr(found, "once", None), bool):
        return "it does not say whether it runs `once`"
    structs = ("model", "result") if _has(found, _READS) else ("model", "before", "result")
    for word in structs:
        kind = getattr(found, word, None)
        if not (isinstance(kind, type) and issubclass(kind, Struct)):
            return f"its `{word}` is no msgspec Struct"
    if not _has(found, _READS) and not _has(found, _CHANGES):
        lacks = [method for method in _CHANGES if not callable(getattr(found, method, None))]
        return f"it has no `observe`, and not all of an action: {', '.join(lacks)} missing"
    return ""


def _has(found: type, methods: tuple[str, ...]) -> bool:
    return all(callable(getattr(found, method, None)) for method in methods)


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "of unknown name"
