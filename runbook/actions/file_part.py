"""Reading parts of a large file of a target, each block at most once."""

from __future__ import annotations

from runbook.actions.capture import Keep
from runbook.actions.elf import Fetch, NotElf
from runbook.actions.form import script
from runbook.errors import DeadlineError
from runbook.ports.target import Cmd, Reader

BLOCK = 64 * 1024
MOST_BLOCKS = 64
"""Blocks that are read of one file."""


def parts(t: Reader, path: str, *, sudo: bool, timeout: float) -> Fetch:
    """Return a function that reads parts of a file.

    It raises NotElf if the file cannot be read, or its parts are too far apart; DeadlineError or TransportError if the
    target does not answer.
    """
    known: dict[int, bytes] = {}

    def block(number: int) -> bytes:
        if number not in known:
            if len(known) >= MOST_BLOCKS:
                raise NotElf("its parts are too far apart")
            keep = Keep(BLOCK)
            argv = script('exec dd if="$1" bs="$2" skip="$3" count=1', path, str(BLOCK), str(number))
            finished = t.read(Cmd(argv, timeout=timeout, sudo=sudo, files=True), keep)
            if finished.ended != "exit" or finished.exit is None:
                raise DeadlineError(f"{path} was not read", where=t.host.name)
            if finished.exit != 0:
                raise NotElf("it cannot be read")
            known[number] = keep.data("out")
        return known[number]

    def fetch(offset: int, size: int) -> bytes:
        data, at = b"", offset
        while size > len(data):
            part = block(at // BLOCK)[at % BLOCK :][: size - len(data)]
            if not part:
                break
            data += part
            at += len(part)
        return data

    return fetch
