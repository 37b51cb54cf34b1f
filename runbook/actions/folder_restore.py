"""`folder.restore`: a verified backup of a folder comes in the place of the folder; what was there is kept beside it.

The backup is compared with its manifest first: a bad one is refused, and nothing is touched. The new folder is built
and compared beside the old one; then two renames change them, so that the way back is two renames, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.capture import answer, change, require_exit
from runbook.actions.file_operation import still_open
from runbook.actions.file_verdict import backup_name, refuse_folder, refuse_name
from runbook.actions.folder_backup import FolderText
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
from runbook.actions.form import Sudo, Timeout, With, absolute, folder_of, inside, script, typed
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Json, Template
from runbook.ports.action import (
    Already,
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

MOST_SHOWN = 40
"""Paths that a plan names."""

_DIFF = (
    LIST
    + r"""
a=$(list "$1") && b=$(list "$2") || exit
printf '%s\n' "$a" | sed 's/^/-/'
printf '%s\n' "$b" | sed 's/^/+/'
"""
)

_SWAP = (
    LIST
    + r"""
path=$1 data=$2 want=$3 was=$4 kept=$5 new=$1.runbook-new
is() { [ -d "$1" ] && [ ! -L "$1" ] && [ "$(digest "$1")" = "$2" ]; }
if is "$path" "$want" && { [ -z "$was" ] || is "$kept" "$was"; }; then rm -rf -- "$new"; exit 0; fi
if ! is "$new" "$want"; then
  rm -rf -- "$new"; cp -pPR -- "$data" "$new" || exit
  if ! is "$new" "$want"; then echo "the copy of $data is not the same: its owners need sudo" >&2; exit 65; fi
  sync
fi
if [ -n "$was" ] && [ ! -e "$kept" ]; then
  if ! is "$path" "$was"; then echo "$path changed after it was looked at" >&2; rm -rf -- "$new"; exit 65; fi
  mv -- "$path" "$kept" || exit
fi
if [ -e "$path" ] || [ -L "$path" ]; then echo "$path appeared meanwhile and is not overwritten" >&2; exit 73; fi
mv -- "$new" "$path" && sync
"""
)

_BACK = (
    LIST
    + r"""
path=$1 good=$2 was=$3 kept=$4 new=$1.runbook-new
is() { [ -d "$1" ] && [ ! -L "$1" ] && [ "$(digest "$1")" = "$2" ]; }
if [ -n "$was" ] && [ ! -e "$kept" ]; then
  if is "$path" "$was"; then rm -rf -- "$new"; exit 0; fi
  echo "$kept is not there" >&2; exit 66
fi
if [ -n "$was" ] && ! is "$kept" "$was"; then echo "$kept was changed by somebody else" >&2; exit 65; fi
if [ -e "$path" ] || [ -L "$path" ]; then
  if ! is "$path" "$good"; then echo "$path was changed by somebody else and is not overwritten" >&2; exit 65; fi
  rm -rf -- "$new"; mv -- "$path" "$new" || exit
fi
if [ -n "$was" ]; then mv -- "$kept" "$path" || exit; fi
sync; rm -rf -- "$new"
"""
)


class FolderRestoreWith(With, frozen=True, kw_only=True):
    """Which folder, and which backup of it."""

    path: FolderText
    backup: Annotated[Template, Meta(description="Absolute path of the backup that folder.backup has made")]
    sha256: Annotated[Template, Meta(description="SHA-256 of its manifest, as folder.backup told it")] = ""
    sudo: Sudo = False
    timeout: Timeout = 600.0


class FolderRestoreBefore(Struct, frozen=True):
    """Both folders as they were."""

    path: str
    present: FolderState | None
    backup: str
    good: FolderState
    kept: str
    diff: str = ""


class FolderRestoreResult(Struct, frozen=True):
    """What the folder is now, and where the one that was there is kept."""

    path: str
    sha256: str
    kept: str = ""


class FolderRestore:
    """Puts a verified backup in the place of a folder, after which the old one lies beside it."""

    name: ClassVar[str] = "folder.restore"
    summary: ClassVar[str] = "Put a verified backup in the place of a folder; what was there is kept"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = FolderRestoreWith
    before = FolderRestoreBefore
    result = FolderRestoreResult

    def inspect(self, w: FolderRestoreWith, t: Reader) -> Inspection[FolderRestoreBefore]:
        """Refuse a bad backup, and a place that cannot be written; compare the two contents."""
        try:
            path, backup = absolute(w.path, "path"), absolute(w.backup, "backup")
            good = look_folder(t, inside(backup, DATA), sudo=w.sudo, timeout=w.timeout).folder
            now = look_folder(t, path, sudo=w.sudo, timeout=w.timeout)
            no = _bad_backup(backup, good, w.sha256.strip().lower())
            no = no or _bad_place(path, now.folder) or refuse_folder(folder_of(path), now.place, now.room, good.size)
            if no:
                return no
            present = now.folder if now.folder.kind == "folder" else None
            kept = inside(folder_of(path), backup_name(path, now.stamp)) if present else ""
            before = FolderRestoreBefore(path, present, backup, good, kept)
            if present and present.digest == good.digest:
                return Already(before, f"{path} has the content of the backup")
            diff = _difference(t, w, before) if present else ""
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        return Proceed(FolderRestoreBefore(path, present, backup, good, kept, diff))

    def plan(self, w: FolderRestoreWith, b: FolderRestoreBefore) -> StepPlan:
        """Say it with a symbol for the time, so that looking again does not make another plan of it."""
        new, data = f"{b.path}.runbook-new", inside(b.backup, DATA)
        commands: list[tuple[str, ...]] = [("cp", "-pPR", "--", data, new)]
        kept = inside(folder_of(b.path), backup_name(b.path, "TIME"))
        if b.present:
            commands.append(("mv", "--", b.path, kept))
        commands.append(("mv", "--", new, b.path))
        notes = [f"The backup is whole: {b.good.line()}"]
        notes += [] if w.sha256 else ["No sha256 is given: that it is the right backup is not proved"]
        notes += (
            ["Between the two renames there is no folder. TIME is the clock of the target in UTC"] if b.present else []
        )
        keeps = f", and keep what is there as {kept}" if b.present else ""
        return StepPlan(
            words=f"Put {b.path} back from {b.backup}{keeps}",
            commands=tuple(typed(command, sudo=w.sudo) for command in commands),
            diff=b.diff,
            notes=tuple(notes),
            undo=f"Rename {kept} back to {b.path}" if b.present else f"Remove {b.path}, unless somebody changed it",
        )

    def apply(self, w: FolderRestoreWith, b: FolderRestoreBefore, work: Work) -> FolderRestoreResult:
        """Build the new folder and change the two, in one operation that can be gone on with where it broke off."""
        was = b.present.digest if b.present else ""
        words = (b.path, inside(b.backup, DATA), b.good.digest, was, b.kept)
        self._run(w, work, "swap", {"do": "swap", "sha256": b.good.digest, "instead_of": was}, script(_SWAP, *words))
        return FolderRestoreResult(b.path, b.good.digest, b.kept)

    def settle(self, w: FolderRestoreWith, b: FolderRestoreBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the folder; whatever of it is done, both operations go on where they broke off."""
        pending = still_open(o, t)
        now = look_folder(t, b.path, sudo=w.sudo, timeout=w.timeout).folder
        was = b.present.digest if b.present else ""
        if o.intent.get("do") == "swap" and now.kind == "folder" and now.digest == b.good.digest:
            return Done({"sha256": b.good.digest}, (f"{b.path}: {now.line()}",))
        if o.intent.get("do") == "put back" and self._is_back(w, b, now, t):
            return Done({"sha256": was}, (f"{b.path}: {now.line()}",))
        if pending is not None:
            return pending
        if now.kind == "missing" or (now.kind == "folder" and now.digest in (was, b.good.digest)):
            return NotDone((f"{b.path}: {now.line()}",))
        return Unknown((f"{b.path} is neither as before nor as wanted: {now.line()}",))

    def _is_back(self, w: FolderRestoreWith, b: FolderRestoreBefore, now: FolderState, t: Reader) -> bool:
        """Tell whether the folder is as it was, and nothing of the restored one is left."""
        rests = (f"{b.path}.runbook-new", *((b.kept,) if b.kept else ()))
        as_before = now.digest == b.present.digest if b.present else now.kind == "missing"
        return as_before and are_gone(t, *rests, sudo=w.sudo, timeout=w.timeout)

    def verify(self, w: FolderRestoreWith, b: FolderRestoreBefore, r: FolderRestoreResult | None, t: Reader) -> Verdict:
        """Compare every path, mode, owner and byte with the backup, by the manifests."""
        return same_folder(b.path, look_folder(t, b.path, sudo=w.sudo, timeout=w.timeout).folder, b.good.digest)

    def drift(self, w: FolderRestoreWith, b: FolderRestoreBefore, r: FolderRestoreResult | None, t: Reader) -> Verdict:
        """Look whether the folder still is what was restored; if apply broke off it may be as it was, or away."""
        now = look_folder(t, b.path, sudo=w.sudo, timeout=w.timeout).folder
        if r is None and now.kind == "missing":
            return no_folder(b.path, now)
        if r is None and b.present is not None and now.digest == b.present.digest:
            return same_folder(b.path, now, b.present.digest)
        return same_folder(b.path, now, b.good.digest)

    def undo(self, w: FolderRestoreWith, b: FolderRestoreBefore, r: FolderRestoreResult | None, work: Work) -> None:
        """Change the two back, and remove the restored one; where there was no folder, remove it."""
        was = b.present.digest if b.present else ""
        argv = script(_BACK, b.path, b.good.digest, was, b.kept)
        self._run(w, work, "put-back", {"do": "put back", "sha256": was, "instead_of": b.good.digest}, argv)

    def undone(self, w: FolderRestoreWith, b: FolderRestoreBefore, r: FolderRestoreResult | None, t: Reader) -> Verdict:
        """Look whether the folder is as it was, or gone."""
        now = look_folder(t, b.path, sudo=w.sudo, timeout=w.timeout).folder
        return same_folder(b.path, now, b.present.digest) if b.present else no_folder(b.path, now)

    def _run(self, w: FolderRestoreWith, work: Work, name: str, intent: dict[str, Json], argv: tuple[str, ...]) -> None:
        def body(key: OpKey) -> Mapping[str, Json]:
            got = change(work, key, Cmd(argv, timeout=w.timeout, sudo=w.sudo, files=True))
            require_exit(got, f"{name} of {w.path}", where=key.target)
            return {"sha256": intent["sha256"]}

        work.op(name, intent, body)


def _bad_backup(backup: str, good: FolderState, sha256: str) -> Refuse | None:
    """Refuse a backup that is missing or damaged: restoring it would make things worse."""
    if good.kind != "folder":
        no = refuse_no_folder(inside(backup, DATA), good)
        return Refuse(f"the backup is bad: {no.why}", no.remedy)
    if not good.manifest or good.manifest != good.digest:
        return Refuse(f"the backup is bad: {backup} is not what its manifest says", "use another backup")
    if sha256 and good.digest != sha256:
        return Refuse(
            f"the backup is bad: its manifest has SHA-256 {good.digest}, expected {sha256}", "use another one"
        )
    return None


def _bad_place(path: str, now: FolderState) -> Refuse | None:
    if path == "/":
        return Refuse("the root folder cannot be changed under a running system", "name a folder below it")
    if now.kind not in ("folder", "missing"):
        return refuse_no_folder(path, now)
    return refuse_name(path)


def _difference(t: Reader, w: FolderRestoreWith, b: FolderRestoreBefore) -> str:
    """Return which paths the restore changes, adds and removes, at most so many."""
    argv = script(_DIFF, b.path, inside(b.backup, DATA))
    got = require_exit(
        answer(t, Cmd(argv, timeout=w.timeout, sudo=w.sudo, files=True)), f"comparing {b.path}", where=t.host.name
    )
    old, new = ({line[1:] for line in got.out.splitlines() if line.startswith(sign)} for sign in ("-", "+"))
    paths = {sign: {_path(line) for line in lines} for sign, lines in (("-", old - new), ("+", new - old))}
    signs = {name: "~" if name in paths["-"] and name in paths["+"] else sign for sign in "-+" for name in paths[sign]}
    lines = [f"{signs[name]} {name}" for name in sorted(signs)]
    more = [f"… and {len(lines) - MOST_SHOWN} more"] if len(lines) > MOST_SHOWN else []
    return "\n".join([f"--- {b.path}", f"+++ {b.backup}", *lines[:MOST_SHOWN], *more]) + "\n"


def _path(line: str) -> str:
    """Return the path of a line of a manifest."""
    kind, _, rest = line.partition(" ")
    name = rest.split(" ", {"p": 3, "s": 1}.get(kind, 0))[-1]
    return name.partition(" > ")[0] if kind == "l" else name
