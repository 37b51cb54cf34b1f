"""The survey of a host: where its job folders will lie, which machine and login it is, how far its clock is off.

Owns the question, a piece of POSIX sh that only reads, and the reading of its answer. What follows from it is left to
who asked. Where a job folder really goes is decided by `wrapper.sh`, which tries; this says beforehand what it finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from runbook.ports.target import Cmd, Survey

LITTLE = 128
"""KiB below which a job folder with its card may find no room."""
_NEAR = 2  # seconds; `date` tells whole ones, and the answer takes its time

# Lines of a word and its value. `wrong` is why the state folder cannot be written, without the room there.
SCRIPT = r"""
case ${XDG_STATE_HOME:-} in
  /*) place=$XDG_STATE_HOME home=$place ;;
  *) home=${HOME:-/nonexistent} place=$home/.local/state ;;
esac
there=$place/runbook/jobs wrong=
until [ -d "$there" ]; do
  if [ -e "$there" ]; then wrong="$there is no folder"
  elif [ -L "$there" ]; then wrong="$there is a link that leads nowhere"
  fi
  there=${there%/*}
  [ "$there" ] || there=/
done
[ "$wrong" ] || { [ -w "$there" ] && [ -x "$there" ]; } || wrong="$there cannot be written"
echo "state $place"
echo "disk $(df -Pk -- "$there" | { read -r _; read -r _ _ _ free _; echo "$free"; }) $there"
[ "$wrong" ] && echo "wrong $wrong"
uid=$(id -u)
memory=/dev/shm/runbook-$uid
if [ -d "$memory" ]; then [ -O "$memory" ] && [ -w "$memory" ] && echo "memory 1"
elif [ -d /dev/shm ] && [ -w /dev/shm ]; then echo "memory 1"
fi
echo "clock $(date +%s)"
[ -r /proc/self/stat ] && echo "proc 1"
boot=
read -r boot </proc/sys/kernel/random/boot_id || boot=$(sysctl -n kern.bootsessionuuid)
node=$(ls -Ldi -- "$home" | { read -r node _; echo "$node"; })
[ "$boot" ] && echo "machine $boot $(readlink /proc/self/ns/pid) $uid $node $place"
"""

COMMAND = Cmd(("sh", "-c", f"exec 2>/dev/null </dev/null\n{SCRIPT}\necho 'end 1'\n"), timeout=20.0)
"""The question by itself."""


def lines_of(text: bytes) -> dict[str, list[str]]:
    """Return what an answer says, by its words."""
    said: dict[str, list[str]] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(" ")
        said.setdefault(name, []).append(value)
    return said


def survey_of(said: Mapping[str, Sequence[str]], begun: datetime) -> Survey:
    """Return what an answer comes to; `begun` is when the question was sent."""
    free, _, place = _first(said, "disk").partition(" ")
    wrong = _first(said, "wrong")
    if not wrong and free.isdigit() and int(free) < LITTLE:
        wrong = f"{free} KiB are free at {place}"
    return Survey(
        machine=_first(said, "machine"),
        store="disk" if not wrong else "memory" if "memory" in said else "none",
        why=wrong,
        has_proc="proc" in said,
        clock_offset=_offset(_first(said, "clock"), begun),
    )


def _first(said: Mapping[str, Sequence[str]], name: str) -> str:
    return said[name][0] if name in said else ""


def _offset(clock: str, begun: datetime) -> int | None:
    """Return the seconds that a clock is ahead of this one; 0 within what the way there takes."""
    if not clock.isdigit():
        return None
    ended = datetime.now(UTC)
    seconds = round(int(clock) + 0.5 - (begun.timestamp() + ended.timestamp()) / 2)
    return seconds if abs(seconds) > _NEAR + (ended - begun).total_seconds() / 2 else 0
