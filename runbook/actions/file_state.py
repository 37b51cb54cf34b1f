"""Looking at a file of a target, by one POSIX script in one round trip, for all actions on files.

Needs `sh`, `date`, `df`, `stat` (GNU, busybox or BSD) and `sha256sum` or `shasum` on the target. Content is read
through stdin of the tools, so that no file name is ever an option or an escaped line.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Literal

from msgspec import Struct

from runbook.actions.capture import Captured, Keep, answer, lacks
from runbook.actions.form import folder_of, script
from runbook.errors import ActionError, DeadlineError
from runbook.ports.target import Cmd, Reader

SUM = r"""
LC_ALL=C; export LC_ALL
sum() {
  if command -v sha256sum >/dev/null 2>&1; then h=$(sha256sum); else h=$(shasum -a 256); fi || return
  printf '%s' "${h%% *}"
}
"""
"""Shell function: SHA-256 of stdin as hexadecimal text."""

CLOCK = r"""
stamp() {
  now=$(date -u +%Y%m%dT%H%M%SZ) tries=0
  [ "$2" ] || return 0
  while set -- "$1" "$2" "$2/${1##*/}.runbook-$now"*; [ -e "$3" ] || [ -L "$3" ]; do
    tries=$((tries + 1))
    [ $tries -lt 5 ] || return 0
    sleep 1
    now=$(date -u +%Y%m%dT%H%M%SZ)
  done
}
"""
"""Shell function: sets `now` to a time by which no copy of the file $1 is named in the folder $2, if one is given.

A program, its configuration and its logs often have one name, and are kept in one folder within one second.
"""

_LOOK = (
    SUM
    + CLOCK
    + r"""
f=$1 d=$2
stamp "$f" "$3"
echo "now $now"
if [ ! -d "$d" ]; then echo 'folder missing'
elif [ ! -w "$d" ] || [ ! -x "$d" ]; then echo 'folder denied'
else echo 'folder writable'; echo "room $(df -Pk "$d" 2>/dev/null | tail -n 1)"; fi
if [ -L "$f" ]; then echo 'link yes'; fi
if [ -d "$f" ]; then echo 'kind folder'
elif [ -f "$f" ]; then
  if [ -r "$f" ]; then
    echo 'kind file'
    echo "stat $(stat -L -c '%a %u %g %s' -- "$f" 2>/dev/null || stat -L -f '%Mp%Lp %u %g %z' -- "$f")"
    echo "sha256 $(sum < "$f")"
  else echo 'kind denied'; fi
elif [ -e "$f" ]; then echo 'kind other'
else
  up=${f%/*}
  while [ -n "$up" ] && [ ! -e "$up" ]; do up=${up%/*}; done
  if [ -x "${up:-/}" ]; then echo 'kind missing'; else echo 'kind denied'; fi
fi
"""
)

_FACT = re.compile(r"(now|folder|room|link|kind|stat|sha256) (.*)")
ROOM = re.compile(r"\s\d+\s+\d+\s+(-?\d+)\s+(?:\d+%|-)\s")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Kind = Literal["file", "folder", "other", "missing", "denied"]
Place = Literal["writable", "missing", "denied"]
_PLACES: dict[str, Place] = {"writable": "writable", "missing": "missing", "denied": "denied"}


class FileState(Struct, frozen=True):
    """A file as it was seen; all but `kind` and `link` are empty if it is no readable regular file."""

    kind: Kind
    """`missing` is certain: every folder above could be searched. `denied` is not known."""
    sha256: str = ""
    size: int = 0
    mode: int = 0
    """Permission bits, such as 0o644."""
    uid: int = -1
    gid: int = -1
    link: bool = False
    """The path itself is a symbolic link; all else is told of what it points to."""


class Look(Struct, frozen=True):
    """A file and the folder where a copy of it would go."""

    file: FileState
    folder: Place
    room: int | None
    """Bytes free in the folder; None if it could not be found out."""
    stamp: str
    """The clock of the target, UTC: 20261101T030000Z."""


def look(t: Reader, path: str, *, sudo: bool, timeout: float, folder: str = "", copy: bool = False) -> Look:
    """See what is at an absolute path. `folder`: where the room is asked for; by default the file's own.

    With `copy`, the clock tells a time by which no copy of the file is named there yet.

    Raises ActionError if the target lacks the tools, TransportError if it does not answer.
    """
    there = folder or folder_of(path)
    argv = script(_LOOK, path, there, there if copy else "")
    got = answer(t, Cmd(argv, timeout=timeout, sudo=sudo, files=True))
    facts = {match[1]: match[2] for line in got.out.splitlines() if (match := _FACT.fullmatch(line))}
    state = _state(facts)
    stamp, place = facts.get("now", ""), _PLACES.get(facts.get("folder", ""))
    if got.exit != 0 or state is None or not stamp or place is None:
        raise _useless(t, path, got)
    room = ROOM.search(facts.get("room", "") + " ")
    return Look(state, place, int(room[1]) * 1024 if room else None, stamp)


def read_file(t: Reader, path: str, size: int, *, sudo: bool, timeout: float) -> bytes:
    """Return the content of a file of at most `size` bytes, as a sequence of bytes exactly as stored.

    Raises ActionError if it cannot be read or is longer, TransportError if the target does not answer.
    """
    keep = Keep(size)
    finished = t.read(Cmd(("cat", "--", path), timeout=timeout, sudo=sudo, files=True), keep)
    if finished.ended != "exit" or finished.exit is None:
        raise DeadlineError(f"{path} was not read to its end", where=t.host.name)
    if finished.exit != 0:
        raise ActionError(f"cannot read {path}: {keep.captured(finished).why}", where=t.host.name)
    if keep.truncated:
        raise ActionError(f"{path} grows while it is read", where=t.host.name)
    return keep.data("out")


def read_known(t: Reader, path: str, known: FileState, *, sudo: bool, timeout: float) -> bytes:
    """Return the content of a file that was looked at before.

    Raises ActionError if it is not the same content as then.
    """
    data = read_file(t, path, known.size, sudo=sudo, timeout=timeout)
    if sha256(data).hexdigest() != known.sha256:
        raise ActionError(f"{path} changed after it was looked at", where=t.host.name, remedy="look again")
    return data


def _state(facts: dict[str, str]) -> FileState | None:
    kind, link = facts.get("kind", ""), "link" in facts
    match kind:
        case "file":
            numbers = facts.get("stat", "").split()
            if len(numbers) != 4 or not _SHA256.fullmatch(facts.get("sha256", "")):
                return None
            mode, uid, gid, size = int(numbers[0], 8), *map(int, numbers[1:])
            return FileState("file", facts["sha256"], size, mode, uid, gid, link)
        case "folder" | "other" | "missing" | "denied":
            return FileState(kind, link=link)
        case _:
            return None


def _useless(t: Reader, path: str, got: Captured) -> ActionError:
    return ActionError(
        f"cannot look at {path}: {got.why.removeprefix(f'{path}: ')}",
        where=t.host.name,
        remedy=lacks(got, "sh, date, stat and sha256sum or shasum"),
    )
