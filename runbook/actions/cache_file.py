"""A file as the switch: what it says, or whether it is there, tells the service to run degraded.

The file is replaced by one rename, and what was there is kept beside it, so that undo brings it back byte for byte.
"""

from __future__ import annotations

from datetime import UTC, datetime

from runbook.actions.cache_ask import STAMP
from runbook.actions.cache_form import CacheWith, digest_of, matches
from runbook.actions.cache_switch import TURN, Noted, Position, Shown, Turn, with_note
from runbook.actions.file_content import write_file
from runbook.actions.file_operation import Spot, copy_file, remove_file, settle_present, settle_removed
from runbook.actions.file_state import FileState, look, read_known
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
from runbook.actions.form import absolute, folder_of, inside, text_of, typed
from runbook.errors import ActionError
from runbook.model.scalar import Json
from runbook.ports.action import OpenOp, Refuse, Settlement, Verdict, Work
from runbook.ports.target import Reader

MOST = 64 * 1024
"""Bytes of a file that can be a switch."""


class FileSwitch:
    """A switch file."""

    def __init__(self, w: CacheWith) -> None:
        self._w = w
        self._path = absolute(w.path, "path")
        self._keep = absolute(w.keep_in, "keep_in") if w.keep_in else folder_of(self._path)

    @property
    def what(self) -> str:
        """The switch in words."""
        return f"file {self._path}"

    def look(self, t: Reader) -> Position:
        """Read the file."""
        now = look(t, self._path, sudo=self._w.sudo, timeout=self._w.timeout)
        at = datetime.strptime(now.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).strftime(STAMP)
        file = now.file
        if file.link:
            raise ActionError(f"{self._path} is a symbolic link", where="path", remedy="name the file it points to")
        if file.kind == "missing":
            return Position("other" if self._w.normal else "normal", at)
        if file.kind != "file" or file.size > MOST:
            no = refuse_file(self._path, file)
            raise ActionError(no.why if file.kind != "file" else f"{self._path} is no switch: {describe(file)}")
        kept = inside(self._keep, backup_name(self._path, now.stamp))
        data = read_known(t, self._path, file, sudo=self._w.sudo, timeout=self._w.timeout)
        text = data.decode("utf-8", "replace")
        if matches(self._w.degraded, text):
            return Position("degraded", at, "", file, kept)
        return Position("normal" if self._w.normal and text == self._w.normal else "other", at, "", file, kept)

    def refuse(self, position: Position, t: Reader) -> Refuse | None:
        """Refuse a place where nothing can be written."""
        size = position.file.size if position.file else 0
        now = look(t, self._path, sudo=self._w.sudo, timeout=self._w.timeout)
        no = refuse_name(self._path) or refuse_folder(folder_of(self._path), now.folder, now.room, size + MOST)
        if no or not self._w.keep_in:
            return no
        keep = look(t, self._path, sudo=self._w.sudo, timeout=self._w.timeout, folder=self._keep)
        return refuse_folder(self._keep, keep.folder, keep.room, size)

    def shown(self, position: Position, text: str) -> Shown:
        """Say it in the commands of a shell."""
        commands: list[tuple[str, ...]] = []
        notes: tuple[str, ...] = ()
        if position.file is not None:
            kept = inside(self._keep, backup_name(self._path, "TIME"))
            commands.append(("cp", "-p", "--", self._path, kept))
            notes = ("TIME is the clock of the target in UTC",)
        new = inside(folder_of(self._path), f".{self._path.rpartition('/')[2]}.new")
        commands.append(("mv", "--", new, self._path) if text else ("rm", "--", self._path))
        return Shown(tuple(typed(command, sudo=self._w.sudo) for command in commands), notes)

    def turn(self, position: Position, turn: Turn, work: Work) -> dict[str, Json]:
        """Keep a copy of what is there, then write or remove the file."""
        was = position.file
        if was is not None:
            copy_file(work, "keep", self._path, self._kept(position, was))
        noted = Noted(work, {**turn.note, "text_sha256": digest_of(turn.text) if turn.text else ""})
        if turn.text:
            spot = self._spot(digest_of(turn.text))
            write_file(noted, TURN, spot, was.sha256 if was else "", turn.text.encode)
        elif was is not None:
            remove_file(noted, TURN, self._spot(was.sha256))
        return work.receipts.get(TURN, {})

    def holds(self, position: Position, digest: str | None, t: Reader) -> Verdict:
        """Look at the content; an apply that broke off has left what was there, or a position of its own."""
        now = self._now(t)
        if digest is not None:
            return gone(self._path, now) if digest == "" else same(self._path, now, digest)
        if self.is_back(position, t).state == "good":
            return Verdict("good", (f"{self._path} is as it was before",))
        found = self.look(t)
        is_ours = found.state in ("normal", "degraded") and found.state != position.state
        return Verdict("good" if is_ours else "bad", (f"{self._path}: {describe(now)}, {found.state}",))

    def turn_back(self, position: Position, digest: str | None, work: Work) -> None:
        """Put back what was there, byte for byte, and remove the copy; where there was no file, remove it."""
        was = position.file
        if was is None:
            if digest:
                remove_file(work, "remove", self._spot(digest))
            return
        kept = self._kept(position, was)
        if self.is_back(position, work.target).state == "good":
            remove_file(work, "tidy", kept)
            return
        if digest == "":
            copy_file(work, "put-back", kept.path, self._spot(was.sha256))
        else:
            swap_content(work, "put-back", kept, self._path, digest or was.sha256)
        remove_file(work, "tidy", kept)

    def is_back(self, position: Position, t: Reader) -> Verdict:
        """Compare content, mode and owner."""
        was, now = position.file, self._now(t)
        return gone(self._path, now) if was is None else same_owner(self._path, now, was.sha256, was)

    def settle(self, position: Position, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the contents: each operation leads from one known content to another."""
        was, sha256 = position.file, text_of(o.intent.get("sha256"))
        kept = self._kept(position, was) if was is not None else None
        match text_of(o.intent.get("do")):
            case "copy" if kept is not None and o.intent.get("to") == kept.path:
                return settle_present(kept, None, o, t)
            case "copy":
                return settle_present(self._spot(sha256), None, o, t)
            case "remove" if kept is not None and o.intent.get("path") == kept.path:
                return settle_removed(kept, o, t)
            case "remove":
                return with_note(settle_removed(self._spot(sha256), o, t), o)
            case "write":
                return with_note(settle_present(self._spot(sha256), was, o, t), o)
            case "swap":
                left = FileState("file", text_of(o.intent.get("instead_of")))
                return settle_present(self._spot(sha256), left, o, t)
            case other:
                raise ActionError(f"a file switch knows no operation {other!r}")

    def _now(self, t: Reader) -> FileState:
        return look(t, self._path, sudo=self._w.sudo, timeout=self._w.timeout).file

    def _is_as_before(self, position: Position, now: FileState) -> bool:
        was = position.file
        if was is None:
            return now.kind == "missing"
        return (now.kind, now.sha256) == ("file", was.sha256)

    def _spot(self, sha256: str) -> Spot:
        return Spot(self._path, sha256, self._w.sudo, self._w.timeout)

    def _kept(self, position: Position, was: FileState) -> Spot:
        return Spot(position.kept, was.sha256, self._w.sudo, self._w.timeout)
