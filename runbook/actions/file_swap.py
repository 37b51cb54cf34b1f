"""Swap the content of a file for that of another on the same target, as one operation."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from runbook.actions.file_operation import Spot
from runbook.actions.file_state import look
from runbook.actions.file_verdict import describe
from runbook.errors import ActionError, DeadlineError, DispatchRefused
from runbook.model.scalar import Json
from runbook.ports.action import Work
from runbook.ports.target import Cmd, OpKey, Reader, Stream

IN_MEMORY = 1024 * 1024


def swap_content(work: Work, name: str, source: Spot, path: str, expected: str) -> None:
    """Put the content of `source` under `path` with one rename; owner and mode of `path` stay.

    Does nothing if that content is there already. Raises ActionError, with the file untouched, if `path` has not the
    content `expected` (a SHA-256), the source is damaged, or the target refuses.
    """

    def body(key: OpKey) -> Mapping[str, Json]:
        if not _differs(work.target, path, expected, source):
            return {"sha256": source.sha256}
        with SpooledTemporaryFile(IN_MEMORY) as content:
            _read(work.target, source, content)
            # A second look: reading a large source takes its time.
            _differs(work.target, path, expected, source)
            try:
                digest = work.target.put(cast("BinaryIO", content), path, key, sudo=source.sudo)
            except DispatchRefused as refused:
                _differs(work.target, path, expected, source)
                raise ActionError(refused.message, where=path, remedy=refused.remedy) from refused
        if digest.sha256 != source.sha256:
            raise ActionError(f"{path} did not receive what was sent", where=key.target, remedy="look at the file")
        return {"sha256": digest.sha256}

    intent: dict[str, Json] = {"do": "swap", "path": path, "from": source.path, "sha256": source.sha256}
    work.op(name, {**intent, "instead_of": expected}, body)


class _Spool:
    """A sink that writes stdout to a file and remembers what went wrong, because sinks never raise."""

    def __init__(self, file: SpooledTemporaryFile[bytes]) -> None:
        self._file = file
        self.sum = sha256()
        self.error: OSError | None = None

    def write(self, stream: Stream, data: bytes) -> None:
        """Take some bytes."""
        if stream == "out" and self.error is None:
            self.sum.update(data)
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error


def _read(t: Reader, source: Spot, content: SpooledTemporaryFile[bytes]) -> None:
    """Fill the file with the source. Raises ActionError unless it is whole."""
    spool = _Spool(content)
    finished = t.read(Cmd(("cat", "--", source.path), timeout=source.timeout, sudo=source.sudo, files=True), spool)
    if spool.error is not None:
        raise ActionError(f"no room here for the content of {source.path}: {spool.error}")
    if finished.ended != "exit":
        raise DeadlineError(f"{source.path} was not read to its end", where=t.host.name)
    if finished.exit != 0 or spool.sum.hexdigest() != source.sha256:
        raise ActionError(f"{source.path} is missing or damaged; nothing was changed", where=t.host.name)
    content.seek(0)


def _differs(t: Reader, path: str, expected: str, source: Spot) -> bool:
    """Return whether the file has yet to be changed. Raises ActionError if it is neither as expected nor as wanted."""
    now = look(t, path, sudo=source.sudo, timeout=source.timeout).file
    if now.kind == "file" and now.sha256 in {expected, source.sha256}:
        return now.sha256 == expected
    raise ActionError(
        f"{path} was changed by somebody else and is not overwritten: {describe(now)}",
        where=t.host.name,
        remedy="look at it, then inspect again",
    )
