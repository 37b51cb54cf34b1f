"""`git.diff`: whether the live file is the one that a ref has, and who touched it last."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions import diff
from runbook.actions.file_state import FileState, look, read_known
from runbook.actions.file_verdict import describe
from runbook.actions.form import Sudo, Timeout, With
from runbook.actions.git import ask
from runbook.actions.git_place import Content, Place, Version, locate, read_version, resolve
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Template
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.target import Reader, Sink
from runbook.text import one_line

RepoText = Annotated[Template, Meta(description="Absolute path of the checkout, or of a folder in it")]
FileText = Annotated[Template, Meta(description="The file: absolute, or relative to `repo`")]
RefText = Annotated[Template, Meta(description="Tag, branch or commit; it must be there, nothing is fetched")]

_LOG = r"""
cd "$1" && g log -n "$3" --no-mailmap --no-color --no-decorate --encoding=UTF-8 --format='%h %aI %an: %s' -- "$2"
"""
_LOG_SECONDS = 10.0
_COMMITS = 5


class DiffWith(With, frozen=True, kw_only=True):
    """Which file of which checkout, and what to compare it with."""

    repo: RepoText
    path: FileText
    ref: RefText
    sudo: Sudo = False
    timeout: Timeout = 60.0


class DiffResult(Struct, frozen=True):
    """How the live file differs from the ref's."""

    changed: bool | None = None
    """None: they could not be compared."""
    ref_commit: str = ""
    ref_sha256: str = ""
    """Of what a checkout of the ref would write."""
    live_sha256: str = ""
    """Empty: there is no file."""
    diff: str = ""
    """Unified diff from the ref to the live file; empty if they are the same."""


class GitDiff:
    """Compares the file on disk with the version of a ref, byte for byte as a checkout would write it."""

    name: ClassVar[str] = "git.diff"
    summary: ClassVar[str] = "Compare a live file with the version that a git ref has"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = DiffWith
    result = DiffResult

    def observe(self, w: DiffWith, t: Reader, sink: Sink) -> Observation[DiffResult]:
        """Look once: good if the two could be compared, bad if repository, ref or file are not there."""
        version: Version | None = None
        try:
            place = locate(t, w.repo, w.path, sudo=w.sudo, timeout=w.timeout)
            version = resolve(t, place, w.ref, sudo=w.sudo, timeout=w.timeout)
            good = read_version(t, place, version, sudo=w.sudo, timeout=w.timeout)
            live = look(t, place.file, sudo=w.sudo, timeout=w.timeout).file
            if live.kind == "denied":
                return NoData((f"{place.file} cannot be read",))
            if live.link or live.kind in {"folder", "other"}:
                what = "a symbolic link" if live.link else describe(live)
                return Bad(DiffResult(ref_commit=version.commit, ref_sha256=good.sha256), (f"{place.file} is {what}",))
            text = _text(w, t, place, version, good, live)
        except ActionError as error:
            return Bad(DiffResult(ref_commit=version.commit if version else ""), (str(error),))
        found = DiffResult(bool(text), version.commit, good.sha256, live.sha256, text)
        verdict = "differs from" if found.changed else "is as in"
        evidence = (f"{place.path} {verdict} {one_line(w.ref)} ({version.commit[:12]})", *_commits(w, t, place))
        return Good(found, evidence)


def mode_differs(version: Version, live: FileState) -> bool:
    """Tell whether the executable bit is not as the ref has it, where the repository cares."""
    return version.counts_mode and live.kind == "file" and bool(live.mode & 0o100) != (version.mode == "100755")


def _text(w: DiffWith, t: Reader, place: Place, version: Version, good: Content, live: FileState) -> str:
    """Return what differs: modes, and a diff of two texts, else sizes and hashes; empty if nothing does."""
    head = f"old mode {version.mode}\nnew mode 100{live.mode & 0o777:o}\n" if mode_differs(version, live) else ""
    if live.sha256 == good.sha256:
        return head
    labels = (f"{one_line(place.path)} ({one_line(w.ref)})", f"{one_line(place.path)} (live)")
    if good.data is not None and live.size <= diff.MOST_BYTES:
        is_there = live.kind == "file"
        now = read_known(t, place.file, live, sudo=w.sudo, timeout=w.timeout) if is_there else b""
        lines = diff.unified(place.path, good.data, now, labels=labels)
        # An empty file and none differ, too.
        if lines:
            return head + lines
    was = f"{good.size} bytes, SHA-256 {good.sha256[:12]}…"
    return f"{head}--- {labels[0]}: {was}\n+++ {labels[1]}: {describe(live)}\n"


def _commits(w: DiffWith, t: Reader, place: Place) -> tuple[str, ...]:
    """Return who touched the file last; in a long history that may take too long, and is left out."""
    seconds = min(w.timeout, _LOG_SECONDS)
    try:
        got = ask(t, _LOG, place.top, place.path, str(_COMMITS), sudo=w.sudo, timeout=seconds)
    except TimeoutError:
        return ("who touched it last was not found out in time",)
    return tuple(one_line(line, 200) for line in got.out.split("\n") if line) if got.exit == 0 else ()
