"""What a look at a file means: reasons to refuse, and verdicts on content."""

from __future__ import annotations

from runbook.actions.file_state import FileState
from runbook.ports.action import Refuse, Verdict
from runbook.text import size_text

SPARE = 1024 * 1024
"""Bytes that stay free beside what a copy needs."""

STAMP = "20261101T030000Z"
BACKUP = "-backup"
"""Kind of a copy that was asked for: others are removed again by the undo of the step that kept them."""
MOST_NAME = 255
"""Bytes in a name, on nearly every file system."""


def describe(state: FileState) -> str:
    """Say in a few words what is there."""
    if state.kind != "file":
        return {"missing": "no file", "folder": "a folder", "denied": "not readable"}.get(state.kind, "no regular file")
    return f"{state.size} bytes, mode {state.mode:04o}, SHA-256 {state.sha256[:12]}…"


def backup_name(path: str, stamp: str, kind: str = "") -> str:
    """Return the name of a copy that was made at this time; `kind` keeps two copies of one second apart."""
    return f"{path.rpartition('/')[2]}.runbook-{stamp}{kind}"


def refuse_file(path: str, state: FileState) -> Refuse:
    """Say why something cannot serve as a source."""
    match state.kind:
        case "missing":
            return Refuse(f"there is no file {path}")
        case "denied":
            return Refuse(f"{path} cannot be read", "say `sudo: true`, or give the login the right to read it")
        case _:
            return Refuse(f"{path} is {describe(state)}", "name one regular file")


def refuse_name(path: str) -> Refuse | None:
    """Refuse a file whose name leaves no room for that of a copy; None if it does."""
    if len(f"{backup_name(path, STAMP, BACKUP)}.part".encode()) > MOST_NAME:
        return Refuse("the name of the file is too long for a copy with a time in its name", "give it a shorter name")
    return None


def refuse_folder(folder: str, state: str, room: int | None, need: int) -> Refuse | None:
    """Say why nothing of `need` bytes can be written in a folder; None if it can."""
    if state == "missing":
        return Refuse(f"there is no folder {folder}", "create it, or name another one")
    if state == "denied":
        return Refuse(f"nothing can be written in {folder}", "say `sudo: true`, or name another folder")
    if room is not None and room < need + SPARE:
        return Refuse(
            f"no room in {folder}: {size_text(need)} are needed, {size_text(room)} are free",
            "make room, or name another folder",
        )
    return None


def same(path: str, now: FileState, sha256: str) -> Verdict:
    """Return good if the file has this content, bad if not, no data if it cannot be read."""
    if now.kind == "denied":
        return Verdict("no data", (f"{path} cannot be read",))
    if now.kind == "file" and now.sha256 == sha256:
        return Verdict("good", (f"{path}: SHA-256 {sha256}",))
    return Verdict("bad", (f"{path}: {describe(now)}, expected SHA-256 {sha256[:12]}…",))


def same_owner(path: str, now: FileState, sha256: str, before: FileState | None) -> Verdict:
    """Return good if the content is this one, and mode and owner are those of before, where there was a file."""
    verdict = same(path, now, sha256)
    if verdict.state != "good" or before is None:
        return verdict
    if (now.mode, now.uid, now.gid) == (before.mode, before.uid, before.gid):
        return verdict
    wanted, found = (f"mode {s.mode:04o}, owner {s.uid}:{s.gid}" for s in (before, now))
    return Verdict("bad", (f"{path}: {found}, expected {wanted}",))


def gone(path: str, now: FileState) -> Verdict:
    """Return good if there is certainly no such file."""
    match now.kind:
        case "missing":
            return Verdict("good", (f"there is no {path}",))
        case "denied":
            return Verdict("no data", (f"it cannot be seen whether {path} is there",))
        case _:
            return Verdict("bad", (f"{path} is there: {describe(now)}",))
