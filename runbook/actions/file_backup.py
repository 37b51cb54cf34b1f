"""`file.backup`: a verified copy of a file before something is done to it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.file_operation import Spot, copy_file, remove_file, settle_present, settle_removed
from runbook.actions.file_state import FileState, look
from runbook.actions.file_verdict import BACKUP, backup_name, gone, refuse_file, refuse_folder, refuse_name, same
from runbook.actions.form import PathText, Sudo, Timeout, With, absolute, folder_of, inside, typed
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Template
from runbook.ports.action import Inspection, OpenOp, Proceed, Refuse, Settlement, StepPlan, Verdict, Work
from runbook.ports.target import Reader
from runbook.text import size_text


class BackupWith(With, frozen=True, kw_only=True):
    """What to copy, and where to."""

    path: PathText
    to: Annotated[Template, Meta(description="Folder for the copy; it must exist. Without it: beside the file")] = ""
    sudo: Sudo = False
    timeout: Timeout = 60.0


class BackupBefore(Struct, frozen=True):
    """The file as it was, and the name that its copy gets."""

    path: str
    file: FileState
    backup: str


class BackupResult(Struct, frozen=True):
    """Where the copy is; `backup` and `sha256` are what `file.restore` wants."""

    path: str
    backup: str
    sha256: str
    size: int


class FileBackup:
    """Copies a file to a time-stamped name with its mode, times and owner, and checks the copy."""

    name: ClassVar[str] = "file.backup"
    summary: ClassVar[str] = "Copy a file to a time-stamped name and verify the copy"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = BackupWith
    before = BackupBefore
    result = BackupResult

    def inspect(self, w: BackupWith, t: Reader) -> Inspection[BackupBefore]:
        """Refuse unless there is a readable file and a writable folder with room for the copy."""
        try:
            path = absolute(w.path, "path")
            folder = absolute(w.to, "to") if w.to else folder_of(path)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        seen = look(t, path, sudo=w.sudo, timeout=w.timeout, folder=folder, copy=True)
        if seen.file.kind != "file":
            return refuse_file(path, seen.file)
        no = refuse_name(path) or refuse_folder(folder, seen.folder, seen.room, seen.file.size)
        return no or Proceed(BackupBefore(path, seen.file, inside(folder, backup_name(path, seen.stamp, BACKUP))))

    def plan(self, w: BackupWith, b: BackupBefore) -> StepPlan:
        """Say it with a symbol for the time, so that looking again does not make another plan of it."""
        shown = inside(folder_of(b.backup), backup_name(b.path, "TIME", BACKUP))
        return StepPlan(
            words=f"Copy {b.path} to {shown}",
            commands=(typed(("cp", "-p", "--", b.path, shown), sudo=w.sudo),),
            notes=(f"{size_text(b.file.size)}; TIME is the clock of the target in UTC",),
            undo="Remove the copy if nobody changed it",
        )

    def apply(self, w: BackupWith, b: BackupBefore, work: Work) -> BackupResult:
        """Copy, in one operation."""
        copy_file(work, "copy", b.path, _spot(w, b))
        return BackupResult(b.path, b.backup, b.file.sha256, b.file.size)

    def settle(self, w: BackupWith, b: BackupBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the copy, which appears complete or not at all."""
        if o.intent.get("do") == "remove":
            return settle_removed(_spot(w, b), o, t)
        return settle_present(_spot(w, b), None, o, t)

    def verify(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, t: Reader) -> Verdict:
        """Compare the content of the copy with what the file held when it was looked at."""
        now = look(t, b.backup, sudo=w.sudo, timeout=w.timeout).file
        return same(b.backup, now, b.file.sha256)

    def drift(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, t: Reader) -> Verdict:
        """Look whether the copy is still what was copied; if apply broke off there may be none yet."""
        now = look(t, b.backup, sudo=w.sudo, timeout=w.timeout).file
        return gone(b.backup, now) if r is None and now.kind == "missing" else same(b.backup, now, b.file.sha256)

    def undo(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, work: Work) -> None:
        """Remove the copy, in one operation, unless somebody changed it."""
        remove_file(work, "remove", _spot(w, b))

    def undone(self, w: BackupWith, b: BackupBefore, r: BackupResult | None, t: Reader) -> Verdict:
        """Look whether the copy is gone."""
        now = look(t, b.backup, sudo=w.sudo, timeout=w.timeout).file
        return gone(b.backup, now)


def _spot(w: BackupWith, b: BackupBefore) -> Spot:
    return Spot(b.backup, b.file.sha256, w.sudo, w.timeout)
