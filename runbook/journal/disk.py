"""The few calls that make bytes durable, and what their failures mean.

Owns the difference between systems (macOS needs F_FULLFSYNC, fcntl(2)) and the words for a disk that refuses. Leaves
what to do about it to the writer. `Disk` is a class so that faults can be put in its place.
"""

import errno
import fcntl
import os
from pathlib import Path

import msgspec

from runbook.errors import JournalFull

FILE_MODE = 0o600
FOLDER_MODE = 0o700
SPACE_ERRORS = (errno.ENOSPC, errno.EDQUOT)


class Room(msgspec.Struct, frozen=True):
    """What a file system has left for this user."""

    size: int
    """Bytes."""
    inodes: int | None
    """None where the file system does not count them."""


class Disk:
    """The system calls of the journal."""

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write once; the number of bytes taken may be smaller than asked, write(2)."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Return when what was written is on the medium, fdatasync(2)."""
        full_sync = getattr(fcntl, "F_FULLFSYNC", None)
        if full_sync is not None:
            try:
                fcntl.fcntl(descriptor, full_sync)
                return
            except OSError as error:
                # Network and FUSE volumes do not know it; fsync is the most they offer.
                if error.errno not in (errno.ENOTSUP, errno.EINVAL, errno.ENOTTY):
                    raise
            os.fsync(descriptor)
            return
        os.fdatasync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable, fsync(2)."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def room(self, folder: Path) -> Room:
        """Ask what is left for an ordinary user, statvfs(3)."""
        state = os.statvfs(folder)
        return Room(state.f_bavail * state.f_frsize, state.f_favail if state.f_files else None)

    def reserve(self, path: Path, size: int) -> None:
        """Make a file of `size` bytes whose blocks are really taken, posix_fallocate(3)."""
        descriptor = create(path)
        try:
            if hasattr(os, "posix_fallocate"):
                try:
                    os.posix_fallocate(descriptor, 0, size)
                    return
                except OSError as error:
                    if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                        raise
            write_all(self, descriptor, b"\xa5" * size)
        finally:
            os.close(descriptor)


def create(path: Path) -> int:
    """Open a new private file for appending; FileExistsError if the name is taken, by a link too."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
    return os.open(path, flags, FILE_MODE)


def write_all(disk: Disk, descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, going on after a short write."""
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, rest) :]


def put(disk: Disk, path: Path, data: bytes) -> None:
    """Put a whole private file in place, atomically and durably: write, sync, rename, sync the folder."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = create(new)
    try:
        write_all(disk, descriptor, data)
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    new.rename(path)
    disk.sync_folder(path.parent)


def unwritable(error: OSError, where: Path) -> JournalFull:
    """Say in the operator's words why the journal cannot be written, and what helps."""
    remedies = {
        errno.ENOSPC: "free space there, or choose another state folder",
        errno.EDQUOT: "free space within your quota, or choose another state folder",
        errno.EROFS: "mount it writable, or choose another state folder",
        errno.EACCES: "give yourself write access, or choose another state folder",
        errno.EPERM: "take off the attribute that protects it, or choose another state folder",
        errno.EIO: "the disk fails; choose a state folder on another one",
        errno.EFBIG: "raise the limit for file sizes (ulimit -f)",
    }
    reason = os.strerror(error.errno) if error.errno else str(error)
    remedy = remedies.get(error.errno or 0, "choose another state folder")
    return JournalFull(f"the journal cannot be written: {reason}", where=str(where), remedy=remedy)
