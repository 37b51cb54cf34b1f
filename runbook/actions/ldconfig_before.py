"""What `ldconfig.refresh` finds before it changes anything: what to write, and what would come of it.

What a fresh cache would say is worked out from a scan of the folders, and not by building one aside: a build is a
change, and as root it also rewrites ldconfig's notebook.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct

from runbook.actions import diff
from runbook.actions.file_state import FileState, Look, look, read_known
from runbook.actions.file_verdict import backup_name, refuse_file, refuse_folder, refuse_name
from runbook.actions.form import absolute, folder_of, inside
from runbook.actions.ldconfig_config import (
    check_folder,
    default_name,
    folders,
    is_included,
    read_config,
    with_folder,
)
from runbook.actions.ldconfig_operation import Link, missing_links
from runbook.actions.ldconfig_tool import (
    Cache,
    Order,
    Shared,
    ToolWith,
    check_tool,
    describe_files,
    read_cache,
    read_order,
)
from runbook.actions.ldconfig_view import ambiguous, cached, dangling, is_current, ordered, sonames, unindexed
from runbook.errors import ActionError
from runbook.model.scalar import Template
from runbook.ports.action import Already, Inspection, Proceed, Refuse
from runbook.ports.target import Reader

MOST_MOVES = 400
"""Lines that are shown of what would lead somewhere else."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.conf")


class RefreshWith(ToolWith, frozen=True, kw_only=True):
    """Which folder goes where in the search path; without one, the cache alone is built anew."""

    path: Annotated[Template, Meta(description="Folder with libraries that is to be in the search path")] = ""
    order: Annotated[
        Literal["first", "last"],
        Meta(description="`first`: before all other folders; `last`: behind them, if it is not there already"),
    ] = "first"
    name: Annotated[
        Template,
        Meta(description="File in the folder `<config>.d` that names it; the files are read in the order of names"),
    ] = ""


class RefreshBefore(Struct, frozen=True):
    """Both files as they were, and what is to be done."""

    path: str
    file: str
    """The file of the configuration that names the folder."""
    config: FileState | None
    """That file as it was; None: there is none."""
    config_sha256: str
    """What it is to hold; empty: it is not written."""
    config_kept: str
    cache: FileState | None
    cache_kept: str
    links: tuple[Link, ...] = ()
    diff: str = ""


class View(Struct, frozen=True):
    """Configuration, folders and cache at one time."""

    order: Order
    cache: Cache
    kinds: dict[str, Shared]
    first: str = ""
    """The first configured folder."""
    configured: frozenset[str] = frozenset()

    @property
    def is_current(self) -> bool:
        """Whether a fresh cache would lead every program to the same files."""
        return is_current(self.cache, self.order, self.kinds)

    def faults(self, w: RefreshWith) -> tuple[str, ...]:
        """Return what is not as the step wants it."""
        path = w.path.rstrip("/")
        wrong = []
        if path and w.order == "first" and self.first != path:
            wrong.append(f"{path} is not the first folder of {w.config}: {self.first or 'there is none'}")
        if path and path not in self.configured:
            wrong.append(f"{path} is not in {w.config}")
        wrong += [f"{folder} is not indexed in {w.cache}" for folder in unindexed(self.cache, self.order)]
        wrong += [
            f"{gone} is in the cache, and not there" for gone in dangling(self.cache, self.order) if _is_in(gone, path)
        ]
        if not wrong and not self.is_current:
            wrong.append(f"{w.cache} is not what {w.config} gives")
        return tuple(wrong)


def see(w: RefreshWith, t: Reader) -> View:
    """Look at all of it as it is. Raises ActionError if ldconfig does not answer."""
    lines = folders(read_config(t, w))
    order, cache = read_order(t, w), read_cache(t, w)
    kinds = describe_files(t, w, ambiguous(order, cache))
    return View(order, cache, kinds, lines[0].folder if lines else "", frozenset(line.folder for line in lines))


class Aim(Struct, frozen=True):
    """What the configuration is to say."""

    file: str
    """The file that names the folder."""
    place: Look
    content: bytes
    """What that file is to hold; empty: it stays."""
    folders: tuple[str, ...]
    """All configured folders, in their order, with that content."""

    @property
    def was(self) -> FileState | None:
        """The file as it is; None: there is none."""
        return self.place.file if self.place.file.kind == "file" else None


def gather(w: RefreshWith, t: Reader) -> Inspection[RefreshBefore]:
    """Look at everything and work out what is to be done.

    Raises ActionError, with the remedy, if that cannot be told.
    """
    check_tool(t, w)
    path = _checked(w)
    aim = _aim(w, t, path)
    at_cache = _look(w, t, w.cache)
    no = _bad_place(w.cache, at_cache) or (_bad_place(aim.file, aim.place) if aim.content else None)
    if no:
        return no
    order = _arranged(read_order(t, w, *([path] if path else [])), aim.folders, path)
    links = _links(w, t, order, path)
    cache = read_cache(t, w)
    kinds = describe_files(t, w, ambiguous(order, cache))
    before = RefreshBefore(
        path=path,
        file=aim.file,
        config=aim.was,
        config_sha256=sha256(aim.content).hexdigest() if aim.content else "",
        config_kept=_kept(aim.file, aim.place) if aim.content else "",
        cache=at_cache.file if at_cache.file.kind == "file" else None,
        cache_kept=_kept(w.cache, at_cache),
        links=links,
        diff=_difference(w, t, aim) + _moves(w, order, cache, kinds),
    )
    if not aim.content and not links and is_current(cache, order, kinds):
        return Already(before, f"{w.cache} is what {w.config} gives" + (f", with {path} in its place" if path else ""))
    return Proceed(before)


def _aim(w: RefreshWith, t: Reader, path: str) -> Aim:
    """Work out which file has to say what. Raises ActionError if that would not put the folder where it should be."""
    config = read_config(t, w)
    now = tuple(line.folder for line in folders(config))
    file = inside(f"{w.config}.d", w.name or default_name(path, w.order)) if path else w.config
    place = _look(w, t, file)
    if not path or (path in now and (w.order == "last" or now[0] == path)):
        return Aim(file, place, b"", now)
    if not is_included(config, file):
        remedy = f"add a line `include {_last(w.config)}.d/*.conf` to it"
        raise ActionError(f"{w.config} does not read {file}", remedy=remedy)
    content = with_folder(_content(w, t, file, place), path, w.order)
    lines = folders(config, {file: content.decode("utf-8", "surrogateescape")})
    if w.order == "first" and lines[0].folder != path:
        raise ActionError(
            f"{lines[0].folder} ({lines[0].file}) would still come before {path}",
            remedy="give a `name` that sorts before it, or change that file",
        )
    return Aim(file, place, content, tuple(line.folder for line in lines))


def _checked(w: RefreshWith) -> str:
    """Return the folder as the configuration names it. Raises ActionError for what cannot be in one."""
    if w.name and not _NAME.fullmatch(w.name):
        raise ActionError(
            f"{w.name!r} is no name for a file of the configuration", where="name", remedy="end it in .conf"
        )
    if not w.path:
        return ""
    path = absolute(w.path, "path")
    check_folder(path)
    return path


def _look(w: ToolWith, t: Reader, path: str) -> Look:
    return look(t, path, sudo=w.sudo, timeout=w.timeout)


def _kept(path: str, now: Look) -> str:
    """Return where the copy of a file goes; empty if there is no file."""
    return inside(folder_of(path), backup_name(path, now.stamp)) if now.file.kind == "file" else ""


def _bad_place(path: str, now: Look) -> Refuse | None:
    """Refuse a file that cannot be replaced."""
    if now.file.link:
        return Refuse(f"{path} is a symbolic link", "name the file that it points to")
    if now.file.kind not in {"file", "missing"}:
        return refuse_file(path, now.file)
    return refuse_name(path) or refuse_folder(folder_of(path), now.folder, now.room, 3 * now.file.size)


def _content(w: ToolWith, t: Reader, file: str, place: Look) -> bytes:
    is_there = place.file.kind == "file"
    return read_known(t, file, place.file, sudo=w.sudo, timeout=w.timeout) if is_there else b""


def _arranged(order: Order, names: tuple[str, ...], path: str) -> Order:
    """Return the folders as a scan would give them with these configured, of which one was scanned in front."""
    known = {folder.path: folder for folder in order.folders}
    if path and path not in known:
        raise ActionError(f"there is no folder {path}", remedy="name the folder that holds the libraries")
    configured = [known[name] for name in dict.fromkeys(names) if name in known]
    rest = [folder for folder in order.folders if folder not in configured]
    return Order((*configured, *rest), order.absent)


def _links(w: RefreshWith, t: Reader, order: Order, path: str) -> tuple[Link, ...]:
    """Return the links that the folder lacks. Raises ActionError if there is nothing to index in it."""
    if not path:
        return ()
    folder = next(folder for folder in order.folders if folder.path == path)
    if not folder.libraries and not folder.links:
        raise ActionError(f"there is no library in {path}", remedy="name the folder that holds the libraries")
    return missing_links(t, w, path, folder.libraries)


def _difference(w: RefreshWith, t: Reader, aim: Aim) -> str:
    """Return the change of the configuration; empty if it stays."""
    if not aim.content:
        return ""
    labels = (f"{aim.file} (now)", f"{aim.file} (new)")
    old = _content(w, t, aim.file, aim.place)
    lines = diff.unified(aim.file, old, aim.content, labels=labels)
    return lines or f"--- {labels[0]}\n+++ {labels[1]}: {len(aim.content)} bytes, no text\n"


def _moves(w: RefreshWith, order: Order, cache: Cache, kinds: dict[str, Shared]) -> str:
    """Return for which sonames programs get another file, in the form of a diff; empty if for none."""
    known = sonames(order, cache)
    now = {key: path for key, path in cached(cache, kinds).items() if key[0] in known}
    new = ordered(order, cache, kinds)
    changed = sorted(key for key in now.keys() | new.keys() if now.get(key) != new.get(key))
    lines = [
        f"{sign}{key[0]} => {winners[key]}\n"
        for key in changed
        for sign, winners in (("-", now), ("+", new))
        if key in winners
    ]
    if not lines:
        return ""
    more = f"… {len(lines) - MOST_MOVES} more lines\n" if len(lines) > MOST_MOVES else ""
    return f"--- {w.cache} (now)\n+++ {w.cache} (new)\n{''.join(lines[:MOST_MOVES])}{more}"


def _is_in(path: str, folder: str) -> bool:
    return bool(folder) and folder_of(path) == folder


def _last(path: str) -> str:
    return path.rpartition("/")[2]
