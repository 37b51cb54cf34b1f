"""Torn last lines: what a crash or a full disk leaves behind, and how it is taken away without loss.

Owns setting the bytes aside. Leaves the judgement that a line is torn to `chain` and `ledger`, and the record about
it to whoever appends next.
"""

import os
from pathlib import Path

import msgspec

from runbook.journal.disk import Disk, create, write_all
from runbook.journal.record import digest


class Repair(msgspec.Struct, frozen=True):
    """An unfinished last line that was set aside; belongs into the next record."""

    size: int
    """Bytes set aside."""
    sha256: str
    offset: int
    """Where in the journal they stood."""
    file: str
    """Name of the file, in the journal's folder, that keeps them."""


def set_aside(path: Path, offset: int, torn: bytes, disk: Disk) -> Repair:
    """Copy the bytes to `torn-<offset>` beside the journal and cut them off it.

    The copy is durable before the cut, so that no byte of evidence is lost at any moment. Raises OSError.
    """
    copy = path.with_name(f"torn-{offset}")
    number = 1
    while copy.exists() and copy.read_bytes() != torn:
        # An earlier tear at the same place, whose repair was itself cut off before its record.
        number += 1
        copy = path.with_name(f"torn-{offset}-{number}")
    if not copy.exists():
        descriptor = create(copy)
        try:
            write_all(disk, descriptor, torn)
            disk.sync(descriptor)
        finally:
            os.close(descriptor)
        disk.sync_folder(copy.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        os.ftruncate(descriptor, offset)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    return Repair(len(torn), digest(torn), offset, copy.name)
