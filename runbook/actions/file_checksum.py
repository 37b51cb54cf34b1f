"""`file.checksum`: whether a file is there, and whether it holds what it should."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.file_state import look
from runbook.actions.file_verdict import describe
from runbook.actions.form import PathText, Sudo, Timeout, With, absolute
from runbook.model.scalar import Effect, Template
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.target import Reader, Sink


class ChecksumWith(With, frozen=True, kw_only=True):
    """Which file, and what it should hold."""

    path: PathText
    sha256: Annotated[Template, Meta(description="The expected SHA-256; without it, the file only has to be there")] = (
        ""
    )
    sudo: Sudo = False
    timeout: Timeout = 60.0


class ChecksumResult(Struct, frozen=True):
    """What the file holds; empty and 0 if there is none."""

    sha256: str = ""
    size: int = 0


class FileChecksum:
    """Reads a file to its end and tells its SHA-256 and size."""

    name: ClassVar[str] = "file.checksum"
    summary: ClassVar[str] = "Read the SHA-256 and size of a file, and compare it with the expected one"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = ChecksumWith
    result = ChecksumResult

    def observe(self, w: ChecksumWith, t: Reader, sink: Sink) -> Observation[ChecksumResult]:
        """Look once: bad if there is no such file or it holds something else, no data if it cannot be read."""
        path = absolute(w.path, "path")
        seen = look(t, path, sudo=w.sudo, timeout=w.timeout).file
        if seen.kind == "denied":
            return NoData((f"{path} cannot be read",))
        if seen.kind != "file":
            return Bad(ChecksumResult(), (f"{path}: {describe(seen)}",))
        found = ChecksumResult(seen.sha256, seen.size)
        if w.sha256 and w.sha256.strip().lower() != seen.sha256:
            return Bad(found, (f"{path}: SHA-256 {seen.sha256}, expected {w.sha256}",))
        return Good(found, (f"{path}: SHA-256 {seen.sha256}, {seen.size} bytes",))
