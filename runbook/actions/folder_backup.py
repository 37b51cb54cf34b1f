"""`folder.backup`: a verified copy of a folder; what is as in the last copy is linked to it, not copied again.

Every copy is whole by itself: one can be removed without harm to the others. It appears under its name complete or not
at all, with the manifest that `folder.restore` checks it by.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.capture import change, require_exit
from runbook.actions.file_operation import still_open
from runbook.actions.file_verdict import BACKUP, backup_name, refuse_folder, refuse_name
from runbook.actions.folder_state import (
    DATA,
    LIST,
    FolderState,
    are_gone,
    look_folder,
    no_folder,
    refuse_no_folder,
    same_folder,
)
from runbook.actions.form import Sudo, Timeout, With, absolute, inside, script, typed
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Json, Template
from runbook.ports.action import (
    Done,
    Inspection,
    NotDone,
    OpenOp,
    Proceed,
    Refuse,
    Settlement,
    StepPlan,
    Unknown,
    Verdict,
    Work,
)
from runbook.ports.target import Cmd, OpKey, Reader

FolderText = Annotated[Template, Meta(description="Absolute path of a folder on the target")]

_COPY = (
    LIST
    + r"""
umask 077
src=$1 dest=$2 want=$3 prev=$4 part=$2.part
if [ -e "$dest" ] || [ -L "$dest" ]; then echo "$dest is there already and is not overwritten" >&2; exit 73; fi
rm -rf -- "$part"
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
mkdir -- "$part" || exit
trap 'rm -rf -- "$part"' EXIT
list "$src" > "$part/manifest" || exit
if [ "$(sum < "$part/manifest")" != "$want" ]; then echo "$src changed after it was looked at" >&2; exit 65; fi
linked=0
if [ -n "$prev" ] && list "$prev/data" > "$part/before" 2>/dev/null; then
  comm -12 "$part/manifest" "$part/before" > "$part/common"
  sed -n 's/^s [0-9a-f]* //p' "$part/common" | sort > "$part/content"
  sed -n 's/^p [0-9a-fA-F]* [0-9]* [0-9]* //p' "$part/common" | sort > "$part/state"
  comm -12 "$part/content" "$part/state" > "$part/same"
  mkdir -- "$part/data" || exit
  (cd -- "$src" && find . -type d) | sort | while IFS= read -r d; do mkdir -p -- "$part/data/$d" || exit; done || exit
  while IFS= read -r f; do ln -- "$prev/data/$f" "$part/data/$f" || exit; done < "$part/same" || exit
  linked=$(wc -l < "$part/same" | tr -d ' ')
  (cd -- "$src" && find . ! -type d) | sort | comm -23 - "$part/same" | while IFS= read -r f; do
    cp -pP -- "$src/$f" "$part/data/$f" || exit
  done || exit
  (cd -- "$src" && find . -type d) | sort -r | while IFS= read -r d; do
    set -- $(stat -c '%a %u %g' -- "$src/$d" 2>/dev/null || stat -f '%Mp%Lp %u %g' -- "$src/$d")
    { [ "$(id -u)" != 0 ] || chown "$2:$3" -- "$part/data/$d"; } && chmod "$1" -- "$part/data/$d" &&
      touch -r "$src/$d" -- "$part/data/$d" || exit
  done || exit
  rm -f -- "$part/before" "$part/common" "$part/content" "$part/state" "$part/same"
else
  cp -pPR -- "$src" "$part/data" || exit
fi
if [ "$(digest "$part/data")" != "$want" ]; then
  echo "the copy of $src is not the same: it changed meanwhile, or its owners could not be kept" >&2; exit 65
fi
sync
mv -- "$part" "$dest" || exit
trap - EXIT
echo "linked $linked"
"""
)

_REMOVE = (
    LIST
    + r"""
f=$1 want=$2
rm -rf -- "$f.part"
if [ ! -e "$f" ] && [ ! -L "$f" ]; then exit 0; fi
if [ -L "$f" ] || [ "$(digest "$f/data")" != "$want" ] || [ "$(sum < "$f/manifest")" != "$want" ]; then
  echo "$f was changed by somebody else and is not removed" >&2; exit 65
fi
mv -- "$f" "$f.part" && rm -rf -- "$f.part"
"""
)


class FolderBackupWith(With, frozen=True, kw_only=True):
    """What to copy, and where to."""

    path: FolderText
    to: Annotated[Template, Meta(description="Folder for the copies; it must exist, outside of what is copied")]
    sudo: Sudo = False
    timeout: Timeout = 600.0


class FolderBackupBefore(Struct, frozen=True):
    """The folder as it was, the name that its copy gets, and the copy before."""

    path: str
    folder: FolderState
    backup: str
    previous: str = ""


class FolderBackupResult(Struct, frozen=True):
    """Where the copy is; `backup` and `sha256` are what `folder.restore` wants."""

    path: str
    backup: str
    sha256: str
    """Of the manifest."""
    files: int
    size: int
    linked: int = 0
    """Files that are as in the copy before, and take no room."""


class FolderBackup:
    """Copies a folder to a time-stamped name, linking what has not changed, and checks the copy."""

    name: ClassVar[str] = "folder.backup"
    summary: ClassVar[str] = "Copy a folder to a time-stamped name, link what is unchanged, and verify the copy"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = FolderBackupWith
    before = FolderBackupBefore
    result = FolderBackupResult

    def inspect(self, w: FolderBackupWith, t: Reader) -> Inspection[FolderBackupBefore]:
        """Refuse unless there is a folder that can be read whole, and a place with room for a copy."""
        try:
            path, to = absolute(w.path, "path"), absolute(w.to, "to")
            if path == "/" or f"{to}/".startswith(f"{path}/"):
                return Refuse(f"{to} lies in what is to be copied", "name a folder outside of it")
            base = path.rpartition("/")[2]
            seen = look_folder(t, path, sudo=w.sudo, timeout=w.timeout, to=to, base=base)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        if seen.folder.kind != "folder":
            return refuse_no_folder(path, seen.folder)
        need = 0 if seen.previous else seen.folder.size
        no = refuse_name(path) or refuse_folder(to, seen.place, seen.room, need)
        backup = inside(to, backup_name(path, seen.stamp, BACKUP))
        previous = inside(to, seen.previous) if seen.previous else ""
        return no or Proceed(FolderBackupBefore(path, seen.folder, backup, previous))

    def plan(self, w: FolderBackupWith, b: FolderBackupBefore) -> StepPlan:
        """Say it with a symbol for the time, so that looking again does not make another plan of it."""
        shown = inside(b.backup.rpartition("/")[0], backup_name(b.path, "TIME", BACKUP))
        last = f"Files that are as in {b.previous} are linked to it" if b.previous else "There is no copy before"
        return StepPlan(
            words=f"Copy the folder {b.path} to {shown}",
            commands=(typed(("cp", "-pPR", "--", b.path, inside(shown, DATA)), sudo=w.sudo),),
            notes=(f"{b.folder.line()}. {last}; TIME is the clock of the target in UTC",),
            undo="Remove the copy if nobody changed it",
        )

    def apply(self, w: FolderBackupWith, b: FolderBackupBefore, work: Work) -> FolderBackupResult:
        """Copy, in one operation."""

        def body(key: OpKey) -> Mapping[str, Json]:
            argv = script(_COPY, b.path, b.backup, b.folder.digest, b.previous)
            got = require_exit(
                change(work, key, Cmd(argv, timeout=w.timeout, sudo=w.sudo, files=True)),
                f"copying {b.path}",
                where=key.target,
            )
            return {"sha256": b.folder.digest, "linked": int(got.out.rpartition("linked ")[2] or 0)}

        receipt = work.op("copy", {"do": "copy", "from": b.path, "to": b.backup, "sha256": b.folder.digest}, body)
        linked = receipt.get("linked")
        counts = (b.folder.files, b.folder.size, linked if isinstance(linked, int) else 0)
        return FolderBackupResult(b.path, b.backup, b.folder.digest, *counts)

    def settle(self, w: FolderBackupWith, b: FolderBackupBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the copy, which appears complete or not at all."""
        pending = still_open(o, t)
        now = _content(w, b, t)
        if o.intent.get("do") == "remove":
            # A rest of it may lie under another name: removing it again takes that away, too.
            if are_gone(t, b.backup, f"{b.backup}.part", sudo=w.sudo, timeout=w.timeout):
                return Done({"removed": b.backup}, (f"{b.backup} is gone",))
            return pending or NotDone((f"{b.backup}: {now.line()}",))
        if now.kind == "folder" and now.digest == now.manifest == b.folder.digest:
            return Done({"sha256": b.folder.digest}, (f"{b.backup} is whole",))
        if pending is not None:
            return pending
        if now.kind == "missing":
            return NotDone((f"there is no {b.backup}",))
        return Unknown((f"{b.backup} is not what was to be made: {now.line()}",))

    def verify(self, w: FolderBackupWith, b: FolderBackupBefore, r: FolderBackupResult | None, t: Reader) -> Verdict:
        """Compare the copy, and the manifest that lies with it, with what the folder held when it was looked at."""
        now = _content(w, b, t)
        if now.kind == "folder" and now.manifest != b.folder.digest:
            return Verdict("bad", (f"the manifest in {b.backup} is not that of {b.path}",))
        return same_folder(b.backup, now, b.folder.digest)

    def drift(self, w: FolderBackupWith, b: FolderBackupBefore, r: FolderBackupResult | None, t: Reader) -> Verdict:
        """Look whether the copy is still what was copied; if apply broke off there may be none yet."""
        now = _content(w, b, t)
        if r is None and now.kind == "missing":
            return no_folder(b.backup, now)
        return self.verify(w, b, r, t)

    def undo(self, w: FolderBackupWith, b: FolderBackupBefore, r: FolderBackupResult | None, work: Work) -> None:
        """Remove the copy, in one operation, unless somebody changed it."""

        def body(key: OpKey) -> Mapping[str, Json]:
            argv = script(_REMOVE, b.backup, b.folder.digest)
            got = change(work, key, Cmd(argv, timeout=w.timeout, sudo=w.sudo, files=True))
            require_exit(got, f"removing {b.backup}", where=key.target)
            return {"removed": b.backup}

        work.op("remove", {"do": "remove", "path": b.backup, "sha256": b.folder.digest}, body)

    def undone(self, w: FolderBackupWith, b: FolderBackupBefore, r: FolderBackupResult | None, t: Reader) -> Verdict:
        """Look whether the copy is gone."""
        return no_folder(b.backup, _content(w, b, t))


def _content(w: FolderBackupWith, b: FolderBackupBefore, t: Reader) -> FolderState:
    return look_folder(t, inside(b.backup, DATA), sudo=w.sudo, timeout=w.timeout).folder
