"""`git.restore`: check one file out of a ref, and keep all that was in its place, committed or not.

HEAD does not move and nothing else in the checkout is touched. What git would lose is kept first, in two ways: a copy
of the live file in the git folder, and a ref to a stash of index and tracked files (or to HEAD if nothing is
uncommitted). A file that goes through a filter program is refused: comparing or restoring it would run that program.
Conversions that git does by itself (ends of lines, encoding, ident) are honoured. The stash may run the filters of
other files, as any `git stash` does.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from runbook.actions import diff
from runbook.actions.file_state import FileState, read_known
from runbook.actions.file_verdict import describe
from runbook.actions.form import Sudo, Timeout, With, text_of, typed
from runbook.actions.git_diff import FileText, RefText, RepoText, mode_differs
from runbook.actions.git_operation import NONE, Sides, Step, check_out, keep, put_back, set_index
from runbook.actions.git_place import Content, Place, Version, locate, read_version, resolve
from runbook.actions.git_settle import End, has, settle_between, settle_keep
from runbook.actions.git_state import Checkout, Now, examine, now, shown
from runbook.errors import ActionError
from runbook.model.scalar import Effect
from runbook.ports.action import (
    Already,
    Inspection,
    OpenOp,
    Proceed,
    Refuse,
    Settlement,
    StepPlan,
    Unknown,
    Verdict,
    Work,
)
from runbook.ports.target import Reader
from runbook.text import one_line


class RestoreWith(With, frozen=True, kw_only=True):
    """Which file of which checkout, and the version that it gets."""

    repo: RepoText
    path: FileText
    ref: RefText
    sudo: Sudo = False
    timeout: Timeout = 60.0


class RestoreBefore(Struct, frozen=True):
    """The checkout as it was, the version that is wanted, and how they differ."""

    place: Place
    version: Version
    sha256: str
    """Of what a checkout of the version writes."""
    checkout: Checkout
    mode: int
    """The mode that the file gets; -1: there is no file, git chooses."""
    diff: str = ""


class RestoreResult(Struct, frozen=True):
    """What was restored, and where what was there is kept."""

    path: str
    commit: str
    sha256: str
    copy: str = ""
    """The live file as it was; empty if there was none."""
    ref: str = ""
    """Keeps index and uncommitted work: `git stash apply REF` brings them back."""


class GitRestore:
    """Puts one file of a checkout back to the version of a ref, as `git checkout REF -- PATH` does."""

    name: ClassVar[str] = "git.restore"
    summary: ClassVar[str] = "Restore one file from a git ref; what was there is kept, uncommitted work included"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = RestoreWith
    before = RestoreBefore
    result = RestoreResult

    def inspect(self, w: RestoreWith, t: Reader) -> Inspection[RestoreBefore]:
        """Refuse what is not there, not ours or busy; compare the live file and the index with the ref."""
        try:
            place = locate(t, w.repo, w.path, sudo=w.sudo, timeout=w.timeout)
            version = resolve(t, place, w.ref, sudo=w.sudo, timeout=w.timeout)
            checkout = examine(t, place, sudo=w.sudo, timeout=w.timeout)
            if isinstance(checkout, Refuse):
                return checkout
            good = read_version(t, place, version, sudo=w.sudo, timeout=w.timeout)
            text = _difference(w, t, place, good, checkout.file)
        except ActionError as error:
            return Refuse(error.message, error.remedy)
        before = RestoreBefore(place, version, good.sha256, checkout, _mode(version, checkout.file), text)
        if _is_as_wanted(before, checkout.file, checkout.index) and not mode_differs(version, checkout.file):
            return Already(before, f"{place.path} is as in {one_line(w.ref)}, on disk and in the index")
        return Proceed(before)

    def plan(self, w: RestoreWith, b: RestoreBefore) -> StepPlan:
        """Say it with symbols for run and step, so that looking again does not make another plan of it."""
        kept = f"{b.place.git_dir}/runbook/RUN/STEP"
        is_there = b.checkout.file.kind == "file"
        copy = (typed(("cp", "-p", "--", b.place.file, kept), sudo=w.sudo),) if is_there else ()
        stash = typed(("git", "-C", w.repo, "update-ref", "refs/runbook/RUN/STEP", "STASH"), sudo=w.sudo)
        checkout = typed(("git", "-C", w.repo, "checkout", w.ref, "--", b.place.path), sudo=w.sudo)
        back = f"Put back {b.place.path}" if is_there else f"Remove {b.place.path}"
        return StepPlan(
            words=f"Restore {b.place.path} from {w.ref} (commit {b.version.commit[:12]}) in {b.place.top}",
            commands=(*copy, stash, checkout),
            diff=b.diff,
            notes=_notes(b),
            undo=f"{back} and its index entry as they were, unless somebody changed them since; HEAD stays",
        )

    def apply(self, w: RestoreWith, b: RestoreBefore, work: Work) -> RestoreResult:
        """Keep what is there, then check out: two operations."""
        step, sides, file = _step(w, b), _sides(b), b.checkout.file
        kept = keep(work, "backup", step, sides.before)
        owner = f"{file.uid}:{file.gid}" if file.kind == "file" and b.checkout.keeps_owner else ""
        check_out(work, "restore", step, sides, b.version.commit, b.mode, owner)
        return RestoreResult(b.place.path, b.version.commit, b.sha256, text_of(kept["copy"]), text_of(kept["ref"]))

    def settle(self, w: RestoreWith, b: RestoreBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by file, index and ref."""
        step, old, new = _step(w, b), _old(b), _new(b)
        match o.intent.get("do"):
            case "keep":
                return settle_keep(step, _sides(b).before, o, t)
            case "checkout":
                return settle_between(step, old, new, {"sha256": b.sha256, "index": new.index}, o, t)
            case "put back":
                receipt = {"sha256": _sides(b).before}
                ends = (End(new.sha256, new.mode), End(old.sha256, old.mode))
                return settle_between(step, *ends, dict(receipt), o, t)
            case "index":
                ends = (End(index=new.index, file_counts=False), End(index=old.index, file_counts=False))
                return settle_between(step, *ends, {"index": _sides(b).index_before}, o, t)
            case other:
                return Unknown((f"{self.name} knows no operation {other!r}",))

    def verify(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look for the bytes of the ref on disk, its blob in the index, and the mode that the file had."""
        seen = now(t, b.place, sudo=w.sudo, timeout=w.timeout)
        return _verdict(b, seen, (_new(b),), "as in the ref")

    def drift(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look whether file and index are as this step left them, and no commit has touched the file since."""
        seen = now(t, b.place, sudo=w.sudo, timeout=w.timeout)
        if seen.committed != b.checkout.committed:
            return Verdict("bad", (f"HEAD has another {b.place.path} since", f"last commit: {seen.last}"))
        # An apply that did not come to its end may have left either state, or the file of one and the index of the
        # other; all of these are its own doing.
        half = (_old(b), _new(b))
        mixed = tuple(End(file.sha256, -1, index.index) for file in half for index in half)
        return _verdict(b, seen, (_new(b),) if r is not None else mixed, "as this step left it")

    def undo(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, work: Work) -> None:
        """Put back the file, then its index entry: two operations. Copy and ref stay, for whoever wants to look."""
        kept = work.receipts.get("backup")
        if r is None and kept is None:
            return
        copy = r.copy if r is not None else text_of((kept or {}).get("copy"))
        step, sides = _step(w, b), _sides(b)
        put_back(work, "put-back", step, sides, copy, b.checkout.made)
        set_index(work, "index", step, sides)

    def undone(self, w: RestoreWith, b: RestoreBefore, r: RestoreResult | None, t: Reader) -> Verdict:
        """Look whether the file has its bytes and mode again, and the index its entry."""
        seen = now(t, b.place, sudo=w.sudo, timeout=w.timeout)
        return _verdict(b, seen, (_old(b),), "as before")


def _step(w: RestoreWith, b: RestoreBefore) -> Step:
    return Step(b.place, w.sudo, w.timeout)


def _index(b: RestoreBefore) -> str:
    return f"{b.version.mode} {b.version.blob}"


def _sides(b: RestoreBefore) -> Sides:
    return Sides(b.checkout.file.sha256 or NONE, b.sha256, b.checkout.index or NONE, _index(b))


def _old(b: RestoreBefore) -> End:
    return End(b.checkout.file.sha256, b.checkout.file.mode, b.checkout.index)


def _new(b: RestoreBefore) -> End:
    return End(b.sha256, b.mode, _index(b))


def _mode(version: Version, file: FileState) -> int:
    """Return the mode after the restore: that of before, executable as the ref says (for all who may read it)."""
    if file.kind != "file":
        return -1
    if not version.counts_mode:
        return file.mode
    return file.mode | (file.mode & 0o444) >> 2 if version.mode == "100755" else file.mode & ~0o111


def _is_as_wanted(b: RestoreBefore, file: FileState, index: str) -> bool:
    return has(End(b.sha256), file) and index == _index(b)


def _verdict(b: RestoreBefore, seen: Now, ends: tuple[End, ...], what: str) -> Verdict:
    """Return good if file and index are at one of the states."""
    if seen.file.kind == "denied":
        return Verdict("no data", (f"{b.place.file} cannot be read",))
    words = f"{b.place.path}: {shown(seen.file, seen.index)}"
    if any(has(end, seen.file) and seen.index == end.index for end in ends):
        return Verdict("good", (f"{words}: {what}",))
    wanted = " or ".join(f"SHA-256 {end.sha256[:12] or '-'}…, index {(end.index or '-')[:19]}…" for end in ends[-1:])
    return Verdict("bad", (words, f"expected {wanted}", f"last commit: {seen.last}"))


def _difference(w: RestoreWith, t: Reader, place: Place, good: Content, live: FileState) -> str:
    """Return what the checkout changes on disk: a diff of two texts, else sizes and hashes; empty if nothing."""
    if live.sha256 == good.sha256:
        return ""
    labels = (f"{one_line(place.path)} (now)", f"{one_line(place.path)} ({one_line(w.ref)})")
    if good.data is not None and live.size <= diff.MOST_BYTES:
        is_there = live.kind == "file"
        data = read_known(t, place.file, live, sudo=w.sudo, timeout=w.timeout) if is_there else b""
        lines = diff.unified(place.path, data, good.data, labels=labels)
        if lines:
            return lines
    size = f"{good.size} bytes, SHA-256 {good.sha256[:12]}…"
    return f"--- {labels[0]}: {describe(live)}\n+++ {labels[1]}: {size}\n"


def _notes(b: RestoreBefore) -> tuple[str, ...]:
    """Return what the operator should know of this checkout."""
    kept = "it is kept in the copy and the ref"
    status = {
        "": "",
        "??": f"{b.place.path} is not tracked on this branch; {kept}",
        "!!": f"{b.place.path} is ignored by git; {kept}",
    }.get(b.checkout.status, f"{b.place.path} has work that is in no commit ({b.checkout.status.strip()}); {kept}")
    if b.checkout.file.kind == "missing":
        status = "There is no file: mode and owner are those of a new one"
    where = f"branch {one_line(b.checkout.branch)}" if b.checkout.branch else "a detached HEAD"
    notes = (
        f"The restored version is staged on {where}, not committed: what deploys this checkout may overwrite it",
        status,
        "" if b.checkout.keeps_owner else "The file becomes the login's own: git writes a new one in its place",
        "Root works in a repository of somebody else: what git writes there belongs to root" * b.checkout.foreign,
        "RUN and STEP name this attempt; STASH is `git stash create`, or HEAD if it is empty",
        "git runs without hooks and network",
    )
    return tuple(note for note in notes if note)
