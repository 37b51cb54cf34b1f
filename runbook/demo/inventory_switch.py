"""The switch of the inventory service: what it says, and what the service makes of it. Owns no process and no network.

The switch is a file. It is obeyed within a tenth of a second, outlives every process, and carries its own end:

    {"degraded": true, "until": "2026-11-01T03:30:00Z", "at_expiry": "restore_if_check"}

No file, or `"degraded": false`, is normal operation. At `until` the service goes back to the database by itself if
`at_expiry` is `restore_if_check` and its numbers agree; as long as they do not, it stays on the cache and says so.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

RESTORE = "restore_if_check"


class Wish(msgspec.Struct, frozen=True):
    """What the switch says."""

    degraded: bool = False
    until: datetime | None = None
    at_expiry: Literal["restore_if_check", "alarm"] = "alarm"


class Mode(msgspec.Struct, frozen=True):
    """How the service runs."""

    degraded: bool = False
    overdue: bool = False
    """The time of the degradation is up, and it is still on."""
    ended: datetime | None = None
    """The expiry at which the service restored itself: the same switch does not degrade it again."""


def read_wish(path: Path, last: Wish) -> Wish:
    """Return what the switch says; the last wish if it cannot be read."""
    try:
        wish = msgspec.json.decode(path.read_bytes(), type=Wish)
    except FileNotFoundError:
        return Wish()
    except (OSError, msgspec.MsgspecError):
        return last
    if wish.until is not None and wish.until.tzinfo is None:
        return msgspec.structs.replace(wish, until=wish.until.replace(tzinfo=UTC))
    return wish


def write_wish(path: Path, text: bytes) -> None:
    """Turn the switch. Raises msgspec.MsgspecError if the text is no position of it."""
    msgspec.json.decode(text, type=Wish)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def next_mode(mode: Mode, wish: Wish, now: datetime, *, agrees: bool) -> Mode:
    """Return how the service runs from now on."""
    if not wish.degraded:
        return Mode()
    if wish.until is None or now < wish.until:
        return Mode(degraded=True)
    if wish.at_expiry == RESTORE and (agrees or mode.ended == wish.until):
        return Mode(ended=wish.until)
    return Mode(degraded=True, overdue=True)
