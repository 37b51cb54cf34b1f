"""Replacing a file on this machine: at once, durably, and with the owner and the mode that it had.

Owns the writing beside the file and the exchange. Whether the file should be replaced, and what it was, is known to
the action; what became of an interrupted exchange is told by the checksum of the file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from runbook.errors import DispatchRefused, TransportError
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Digest, Stream
from runbook.transports import child

_BLOCK = 1 << 18
_NEW = 0o644  # for a file that was not there, if nobody says anything else

# As root, `cp -p` takes over owner, mode and access lists of the file that is there; a link is refused before and after
# the writing; a stream that was cut off has another size. Arguments: path, mode or nothing, size.
_AS_ROOT = r"""
set -u
path=$1 mode=$2 size=$3
no_link() { if [ -L "$path" ]; then echo 'it is a symbolic link' >&2; exit 65; fi; }
no_link
if [ -e "$path" ] && [ ! -f "$path" ]; then echo 'it is no regular file' >&2; exit 65; fi
umask 077
new=$(mktemp "$(dirname -- "$path")/.runbook-XXXXXXXX") || exit 66
trap 'rm -f -- "$new"' EXIT
trap 'exit 67' HUP INT TERM
if [ -e "$path" ]; then cp -p -- "$path" "$new" || exit 66; else chmod 644 "$new" || exit 66; fi
cat >"$new" || exit 66
if [ "$mode" ]; then chmod "$mode" "$new" || exit 66; fi
[ "$(wc -c <"$new")" -eq "$size" ] || { echo 'the stream was cut off' >&2; exit 66; }
sync "$new" 2>/dev/null || sync
no_link
mv -f -- "$new" "$path" || exit 66
sync "$(dirname -- "$path")" 2>/dev/null || sync
"""


def replace(src: BinaryIO, path: str, cancel: Cancel, *, mode: int | None = None) -> Digest:
    """Replace a file, or make it. Raises DispatchRefused if it is as it was, TransportError if that is not known."""
    place = Path(path)
    with _folder(place) as folder:
        before = _before(folder, place)
        name = f".{place.name[:100]}.runbook-{os.urandom(8).hex()}"
        try:
            digest = _write(src, folder, name, before, mode, cancel)
            _before(folder, place)
            os.replace(name, place.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
            raise _refusal(path, error) from error
        except DispatchRefused:
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
            raise
        try:
            os.fsync(folder)
        except OSError as error:
            raise TransportError(
                f"replaced, but it may not outlive a power loss: {error.strerror}", where=path
            ) from error
        return digest


def replace_as_root(src: BinaryIO, path: str, cancel: Cancel, *, mode: int | None, timeout: float) -> Digest:
    """Do the same through sudo, with the same errors; `src` is read twice, so it must be seekable."""
    digest = hashlib.sha256()
    start = src.tell()
    size = 0
    while block := src.read(_BLOCK):
        digest.update(block)
        size += len(block)
    src.seek(start)
    words = ("sh", "-c", _AS_ROOT, "runbook-put", path, f"{mode:o}" if mode is not None else "", str(size))
    said = _Said()
    finished = child.run(Cmd(words, timeout=timeout, sudo=True), said, cancel, stdin=src)
    if finished.exit == 0:
        return Digest(digest.hexdigest(), size)
    why = said.text() or "; ".join(finished.evidence) or f"exit status {finished.exit}"
    # Whatever ends before the exchange leaves the file alone; a killed one may just have made it.
    if finished.ended == "exit" and finished.exit is not None and finished.exit < 128:
        raise DispatchRefused(f"the file was not replaced: {why}", where=path)
    raise TransportError(f"it is not known whether the file was replaced: {why}", where=path)


class _Said:
    """The first words of a command, for a message."""

    def __init__(self) -> None:
        self._data = b""

    def write(self, stream: Stream, data: bytes) -> None:
        self._data = (self._data + data)[:500]

    def text(self) -> str:
        return self._data.decode("utf-8", "replace").strip()


@contextmanager
def _folder(place: Path) -> Iterator[int]:
    """Hold the folder open, so that its name cannot be given to another one meanwhile."""
    try:
        descriptor = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _refusal(str(place), error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _before(folder: int, place: Path) -> os.stat_result | None:
    if not place.name:
        raise DispatchRefused("it is no name of a file", where=str(place))
    try:
        known = os.stat(place.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refusal(str(place), error) from error
    if stat.S_ISLNK(known.st_mode):
        raise DispatchRefused("it is a symbolic link", where=str(place), remedy="name the file that it leads to")
    if not stat.S_ISREG(known.st_mode):
        raise DispatchRefused("it is no regular file", where=str(place))
    return known


def _write(
    src: BinaryIO, folder: int, name: str, before: os.stat_result | None, mode: int | None, cancel: Cancel
) -> Digest:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    digest = hashlib.sha256()
    size = 0
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "wb", buffering=0) as file:
        while block := src.read(_BLOCK):
            if cancel.is_set():
                raise DispatchRefused(f"cancelled before the file was replaced: {cancel.reason}", where=name)
            digest.update(block)
            size += len(block)
            rest = memoryview(block)
            while rest:
                rest = rest[file.write(rest) :]
        _dress(file.fileno(), before, mode)
        os.fsync(file.fileno())
    return Digest(digest.hexdigest(), size)


def _dress(descriptor: int, before: os.stat_result | None, mode: int | None) -> None:
    """Give a new file the owner and the mode of the one that it replaces."""
    if before is not None:
        own = os.fstat(descriptor)
        if (own.st_uid, own.st_gid) != (before.st_uid, before.st_gid):
            os.fchown(descriptor, before.st_uid, before.st_gid)
    # After the owner: a change of the owner takes the setuid bit away.
    kept = stat.S_IMODE(before.st_mode) if before is not None else _NEW
    os.fchmod(descriptor, kept if mode is None else mode)


def _refusal(path: str, error: OSError) -> DispatchRefused:
    remedy = "use sudo, or another login" if error.errno in {errno.EPERM, errno.EACCES} else ""
    return DispatchRefused(f"the file was not replaced: {error.strerror}", where=path, remedy=remedy)
