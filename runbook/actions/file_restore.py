"""`file.restore`: put the content of a backup in the place of a file, and keep what was there."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions import diff
from runbook.actions.file_operation import Spot, copy_file, remove_file, settle_present, settle_removed
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


class RestoreWith(With, frozen=True, kw_only=True):
    """Which file, from which backup."""

    path: PathText
    backup: Annotated[Template, Meta(description="Absolute path of the backup on the same target")]
    sha256: Annotated[
        Template, Meta(description="SHA-256 that the backup must have; without it, a damaged backup is not noticed")
    ] = ""
    keep_in: Annotated[
        Template, Meta(description="Folder for the copy of the present file; without it: beside the file")
    ] = ""
    sudo: Sudo = False
    timeout: Timeout = 60.0


class RestoreBefore(Struct, frozen=True):
    """The file as it was, the backup, and where the present content is kept."""

    path: str
    present: FileState | None
    """None: there is no file."""
    backup: str
    good: FileState
    kept: str
    """Path of the copy of the present file; empty if there is none."""
    diff: str = ""


class RestoreResult(Struct, frozen=True):
    """What was put in place, and where the content before it is kept."""

    path: str
    sha256: str
    kept: str = ""


class FileRestore:
    """Swaps a file for its backup in one step, after keeping a verified copy of what was there."""

    name: ClassVar[str] = "file.restore"
    summary: ClassVar[str] = "Put a verified backup in the place of a file; what was there is kept"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = RestoreWith
    before = RestoreBefore
    result = RestoreResult

    def inspect(self, w: RestoreWith, t: Reader) -> Inspection[RestoreBefore]:
        """Refuse a bad backup, and a place that cannot be written; compare the two contents."""
        try:
            path, backup = absolute(w.path, "path"), absolute(w.backup, "backup")
            keep = absolute(w.keep_in, "keep_in") if w.keep_in else folder_of(path)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        good = look(t, backup, sudo=w.sudo, timeout=w.timeout).file
        now = look(t, path, sudo=w.sudo, timeout=w.timeout, copy=not w.keep_in)
        room = look(t, path, sudo=w.sudo, timeout=w.timeout, folder=keep, copy=True) if w.keep_in else now
        no = _bad_backup(backup, good, w.sha256) or _bad_place(path, now, good.size)
        if no:
            return no
        present = now.file if now.file.kind == "file" else None
        kept = inside(keep, backup_name(path, room.stamp)) if present else ""
        before = RestoreBefore(path, present, backup, good, kept)
        if present and present.sha256 == good.sha256:
            return Already(before, f"{path} has the content of the backup")
        if present:
            need = present.size + (good.size if keep == folder_of(path) else 0)
            no = refuse_folder(keep, room.folder, room.room, need)
        return no or Proceed(RestoreBefore(path, present, backup, good, kept, _difference(w, t, before)))

    def plan(self, w: RestoreWith, b: RestoreBefore) -> StepPlan:
        """Say it with a symbol for the time, so that looking again does not make another plan of it."""
        notes = [] if w.sha256 else ["No sha256 is given: whether the backup is whole cannot be told"]
        if not b.present:
            command = typed(("cp", "-p", "--", b.backup, b.path), sudo=w.sudo)
            notes.append("There is no file: mode and owner come from the backup")
            return StepPlan(f"Put {b.path} back from {b.backup}", (command,), b.diff, tuple(notes), f"Remove {b.path}")
        kept = inside(folder_of(b.kept), backup_name(b.path, "TIME"))
        new = inside(folder_of(b.path), f".{b.path.rpartition('/')[2]}.new")
        commands = (("cp", "-p", "--", b.path, kept), ("cp", "--", b.backup, new), ("mv", "--", new, b.path))
        return StepPlan(
            words=f"Replace {b.path} by {b.backup}, and keep what is there as {kept}",
            commands=tuple(typed(command, sudo=w.sudo) for command in commands),
            diff=b.diff,
            notes=(*notes, "The swap is one rename; owner and mode stay. TIME is the clock of the target in UTC"),
            undo=f"Put back what was in {b.path}, byte for byte, unless somebody changed it since",
        )

    def apply(self, w: RestoreWith, b: RestoreBefore, work: Work) -> RestoreResult:
        """Keep a copy of the present file, then swap: two operations. Where there is no file, one copy."""
        if b.present is None:
            copy_file(work, "place", b.backup, _target(w, b))
        else:
            copy_file(work, "keep", b.path, _kept(w, b, b.present))
            swap_content(work, "swap", Spot(b.backup, b.good.sha256, w.sudo, w.timeout), b.path, b.present.sha256)
        return RestoreResult(b.path, b.good.sha256, b.kept)

    def settle(self, w: RestoreWith, b: RestoreBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the contents: each operation leads from one known content to another."""
        match o.intent.get("do"), b.present:
            case "copy", None:
                return settle_present(_target(w, b), None, o, t)
            case "copy", FileState() as present:
                return settle_present(_kept(w, b, present), None, o, t)
            case "remove", None:
                return settle_removed(_target(w, b), o, t)
            case "remove", FileState() as present:
                return settle_removed(_kept(w, b, present), o, t)
            case _, FileState() as present:
                back = o.intent.get("sha256") == present.sha256
                old, new = (b.good, present) if back else (present, b.good)
                return settle_present(Spot(b.path, new.sha256, w.sudo, w.timeout), old, o, t)
            case other:
                raise ActionError(f"{self.name} knows no operation {other[0]!r}")

    def verify(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look for the content of the backup under the mode and owner that the file had."""
        now = look(t, b.path, sudo=w.sudo, timeout=w.timeout).file
        return same_owner(b.path, now, b.good.sha256, b.present)

    def drift(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look whether the file still holds what was restored; if apply broke off it may be as it was."""
        now = look(t, b.path, sudo=w.sudo, timeout=w.timeout).file
        if r is None and b.present is None and now.kind == "missing":
            return gone(b.path, now)
        if r is None and b.present is not None and now.sha256 == b.present.sha256:
            return same(b.path, now, b.present.sha256)
        return same(b.path, now, b.good.sha256)

    def undo(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, work: Work) -> None:
        """Put back what was there, then remove the copy of it; where there was no file, remove the restored one."""
        if b.present is None:
            remove_file(work, "remove", _target(w, b))
            return
        kept = _kept(w, b, b.present)
        swap_content(work, "put-back", kept, b.path, b.good.sha256)
        remove_file(work, "tidy", kept)

    def undone(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look whether the file is as it was: the same bytes, mode and owner, or none."""
        now = look(t, b.path, sudo=w.sudo, timeout=w.timeout).file
        return same_owner(b.path, now, b.present.sha256, b.present) if b.present else gone(b.path, now)


def _target(w: RestoreWith, b: RestoreBefore) -> Spot:
    return Spot(b.path, b.good.sha256, w.sudo, w.timeout)


def _kept(w: RestoreWith, b: RestoreBefore, present: FileState) -> Spot:
    return Spot(b.kept, present.sha256, w.sudo, w.timeout)


def _bad_backup(backup: str, good: FileState, sha256: str) -> Refuse | None:
    """Refuse a backup that is missing, damaged or doubtful: restoring it would make things worse."""
    if good.kind != "file":
        no = refuse_file(backup, good)
        return Refuse(f"the backup is bad: {no.why}", no.remedy)
    if sha256 and good.sha256 != sha256.strip().lower():
        why = f"the backup is bad: {backup} has SHA-256 {good.sha256}, expected {sha256}"
        return Refuse(why, "use another backup")
    if not good.size and not sha256:
        return Refuse(f"the backup {backup} is empty", "if that is meant, state its sha256")
    return None


def _bad_place(path: str, now: Look, need: int) -> Refuse | None:
    if now.file.link:
        return Refuse(f"{path} is a symbolic link", "name the file that it points to")
    if now.file.kind not in {"file", "missing"}:
        return refuse_file(path, now.file)
    return refuse_name(path) or refuse_folder(folder_of(path), now.folder, now.room, need)


def _difference(w: RestoreWith, t: Reader, b: RestoreBefore) -> str:
    """Return what the swap changes: a diff of two texts, else sizes and hashes."""
    old = b.present or FileState("missing")
    if max(old.size, b.good.size) <= diff.MOST_BYTES:
        new_text = read_known(t, b.backup, b.good, sudo=w.sudo, timeout=w.timeout)
        old_text = read_known(t, b.path, old, sudo=w.sudo, timeout=w.timeout) if b.present else b""
        lines = diff.unified(b.path, old_text, new_text)
        if lines is not None:
            return lines
    return f"--- {b.path} (now): {describe(old)}\n+++ {b.path} (restored): {describe(b.good)}\n"
