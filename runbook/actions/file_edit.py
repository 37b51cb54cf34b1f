"""`file.edit`: change some text of a file, or give it a content, and keep what was there.

The file is read to where Runbook runs, changed there, and swapped in by one rename; no editor runs on the target.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions import diff
from runbook.actions.capture import MEBIBYTE
from runbook.actions.file_content import write_file
from runbook.actions.file_operation import Spot, copy_file, remove_file, settle_present, settle_removed
from runbook.actions.file_replace import Replacement, replaced
from runbook.actions.file_state import FileState, Look, look, read_known
from runbook.actions.file_swap import swap_content
from runbook.actions.file_verdict import (
    backup_name,
    describe,
    gone,
    refuse_file,
    refuse_folder,
    refuse_name,
    same,
    same_owner,
)
from runbook.actions.form import PathText, Sudo, Timeout, With, absolute, folder_of, inside, typed
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Template
from runbook.ports.action import Already, Inspection, OpenOp, Proceed, Refuse, Settlement, StepPlan, Verdict, Work
from runbook.ports.target import Reader

MOST = MEBIBYTE
"""Bytes of a file that can be edited."""

_MODE = re.compile(r"0?o?[0-7]{3}")


class EditWith(With, frozen=True, kw_only=True):
    """Which file, and what is to become of it: either `replace` or `content`."""

    path: PathText
    replace: Annotated[tuple[Replacement, ...], Meta(description="What to replace, in this order")] = ()
    content: Annotated[Template | None, Meta(description="The whole content that the file gets")] = None
    create: Annotated[bool, Meta(description="With `content`: make the file if there is none")] = False
    mode: Annotated[Template, Meta(description='Permissions of a new file, such as "0640"')] = "0644"
    keep_in: Annotated[Template, Meta(description="Folder for the copy of the file; without it: beside the file")] = ""
    sudo: Sudo = False
    timeout: Timeout = 60.0

    def __post_init__(self) -> None:
        """Refuse an edit that says nothing, or two things."""
        if bool(self.replace) == (self.content is not None):
            raise ValueError("say either `replace` or `content`")
        if self.create and self.content is None:
            raise ValueError("a file can only be made with `content`")


class EditBefore(Struct, frozen=True):
    """The file as it was, what it becomes, and where its content is kept."""

    path: str
    present: FileState | None
    """None: there is no file."""
    sha256: str
    """Of the new content."""
    kept: str
    """Path of the copy; empty if there is no file."""
    diff: str = ""


class EditResult(Struct, frozen=True):
    """What the file holds, and where the content before it is kept."""

    path: str
    sha256: str
    kept: str = ""


class FileEdit:
    """Changes text of a file in one step, after keeping a verified copy of it."""

    name: ClassVar[str] = "file.edit"
    summary: ClassVar[str] = "Replace text in a file, or give it a content; what was there is kept"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = EditWith
    before = EditBefore
    result = EditResult

    def inspect(self, w: EditWith, t: Reader) -> Inspection[EditBefore]:
        """Refuse a file that is not as expected; work out what the edit makes of it."""
        try:
            path = absolute(w.path, "path")
            keep = absolute(w.keep_in, "keep_in") if w.keep_in else folder_of(path)
            _mode(w)
            now = look(t, path, sudo=w.sudo, timeout=w.timeout)
            no = _bad_place(w, path, now)
            if no:
                return no
            present = now.file if now.file.kind == "file" else None
            old = read_known(t, path, present, sudo=w.sudo, timeout=w.timeout) if present else b""
            new = _edited(w, old)
        except ActionError as error:
            return Refuse(f"{error.where}: {error.message}" if error.where else error.message, error.remedy)
        digest = sha256(new).hexdigest()
        kept = inside(keep, backup_name(path, now.stamp)) if present else ""
        before = EditBefore(path, present, digest, kept, _difference(path, present, old, new))
        if present and present.sha256 == digest:
            return Already(before, f"{path} is as the edit would leave it")
        room = look(t, path, sudo=w.sudo, timeout=w.timeout, folder=keep) if w.keep_in else now
        need = len(old) + len(new)
        no = refuse_folder(folder_of(path), now.folder, now.room, need) or refuse_folder(
            keep, room.folder, room.room, need
        )
        return no or Proceed(before)

    def plan(self, w: EditWith, b: EditBefore) -> StepPlan:
        """Say it with a symbol for the time, so that looking again does not make another plan of it."""
        new = inside(folder_of(b.path), f".{b.path.rpartition('/')[2]}.new")
        swap = typed(("mv", "--", new, b.path), sudo=w.sudo)
        if b.present is None:
            note = f"There is no file: it gets the mode {_mode(w):04o} and belongs to who writes it"
            return StepPlan(f"Make {b.path}", (swap,), b.diff, (note,), f"Remove {b.path}")
        kept = inside(folder_of(b.kept), backup_name(b.path, "TIME"))
        return StepPlan(
            words=f"Edit {b.path}, and keep what is there as {kept}",
            commands=(typed(("cp", "-p", "--", b.path, kept), sudo=w.sudo), swap),
            diff=b.diff,
            notes=("The swap is one rename; owner and mode stay. TIME is the clock of the target in UTC",),
            undo=f"Put back what was in {b.path}, byte for byte, unless somebody changed it since",
        )

    def apply(self, w: EditWith, b: EditBefore, work: Work) -> EditResult:
        """Keep a copy of the file, then swap: two operations. Where there is no file, one."""
        if b.present is not None:
            copy_file(work, "keep", b.path, _kept(w, b, b.present))

        def content() -> bytes:
            old = read_known(work.target, b.path, b.present, sudo=w.sudo, timeout=w.timeout) if b.present else b""
            return _edited(w, old)

        expected = b.present.sha256 if b.present else ""
        write_file(work, "write", _spot(w, b), expected, content, mode=None if b.present else _mode(w))
        return EditResult(b.path, b.sha256, b.kept)

    def settle(self, w: EditWith, b: EditBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the contents: each operation leads from one known content to another."""
        match o.intent.get("do"), b.present:
            case "copy", FileState() as present:
                return settle_present(_kept(w, b, present), None, o, t)
            case "remove", FileState() as present:
                return settle_removed(_kept(w, b, present), o, t)
            case "remove", None:
                return settle_removed(_spot(w, b), o, t)
            case "write", was:
                return settle_present(_spot(w, b), was, o, t)
            case "swap", FileState() as present:
                back = Spot(b.path, present.sha256, w.sudo, w.timeout)
                return settle_present(back, FileState("file", b.sha256), o, t)
            case other:
                raise ActionError(f"{self.name} knows no operation {other[0]!r}")

    def verify(self, w: EditWith, b: EditBefore, r: EditResult | None, t: Reader) -> Verdict:
        """Look for the new content under the mode and owner that the file had."""
        now = look(t, b.path, sudo=w.sudo, timeout=w.timeout).file
        return same_owner(b.path, now, b.sha256, b.present)

    def drift(self, w: EditWith, b: EditBefore, r: EditResult | None, t: Reader) -> Verdict:
        """Look whether the file still holds what was written; if apply broke off it may be as it was."""
        now = look(t, b.path, sudo=w.sudo, timeout=w.timeout).file
        if r is None and b.present is None and now.kind == "missing":
            return gone(b.path, now)
        if r is None and b.present is not None and now.sha256 == b.present.sha256:
            return same(b.path, now, b.present.sha256)
        return same(b.path, now, b.sha256)

    def undo(self, w: EditWith, b: EditBefore, r: EditResult | None, work: Work) -> None:
        """Put back what was there, then remove the copy of it; where there was no file, remove the new one."""
        if b.present is None:
            remove_file(work, "remove", _spot(w, b))
            return
        kept = _kept(w, b, b.present)
        swap_content(work, "put-back", kept, b.path, b.sha256)
        remove_file(work, "tidy", kept)

    def undone(self, w: EditWith, b: EditBefore, r: EditResult | None, t: Reader) -> Verdict:
        """Look whether the file is as it was: the same bytes, mode and owner, or none."""
        now = look(t, b.path, sudo=w.sudo, timeout=w.timeout).file
        return same_owner(b.path, now, b.present.sha256, b.present) if b.present else gone(b.path, now)


def _spot(w: EditWith, b: EditBefore) -> Spot:
    return Spot(b.path, b.sha256, w.sudo, w.timeout)


def _kept(w: EditWith, b: EditBefore, present: FileState) -> Spot:
    return Spot(b.kept, present.sha256, w.sudo, w.timeout)


def _edited(w: EditWith, old: bytes) -> bytes:
    """Return the content after the edit. Raises ActionError if the file is not as expected."""
    return w.content.encode() if w.content is not None else replaced(old, w.replace)


def _mode(w: EditWith) -> int:
    """Return the permissions of a new file. Raises ActionError for what is none."""
    if not _MODE.fullmatch(w.mode):
        raise ActionError(f"{w.mode!r} is no mode", where="mode", remedy='write permissions such as "0640"')
    return int(w.mode.replace("o", ""), 8)


def _bad_place(w: EditWith, path: str, now: Look) -> Refuse | None:
    """Refuse what cannot be edited."""
    if now.file.link:
        return Refuse(f"{path} is a symbolic link", "name the file that it points to")
    if now.file.kind == "missing" and w.create:
        return refuse_name(path)
    if now.file.kind != "file":
        return refuse_file(path, now.file)
    if now.file.size > MOST:
        return Refuse(f"{path} is larger than 1 MiB", "edit it with a `command` step")
    return refuse_name(path)


def _difference(path: str, present: FileState | None, old: bytes, new: bytes) -> str:
    """Return what the edit changes: a diff of two texts, else sizes and hashes; empty if nothing."""
    if present and old == new:
        return ""
    labels = (f"{path} (now)", f"{path} (edited)")
    lines = diff.unified(path, old, new, labels=labels)
    if lines is not None:
        return lines
    found = describe(present or FileState("missing"))
    return f"--- {labels[0]}: {found}\n+++ {labels[1]}: {len(new)} bytes, SHA-256 {sha256(new).hexdigest()[:12]}…\n"
