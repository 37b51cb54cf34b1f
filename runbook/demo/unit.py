"""The unit file: what the supervisor is told about one process.

Owns the format, its reading and its writing; running the process is the business of `service`. A unit is read anew at
every start, so that an edited file takes effect with the next restart.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

import msgspec

from runbook.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,63}")


class Unit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One supervised process."""

    argv: tuple[str, ...]
    """Program and arguments; the program by its full path."""
    cwd: str = ""
    """Working folder; empty: that of the supervisor."""
    env: dict[str, str] = {}
    """Added to the supervisor's environment."""
    restart: Literal["no", "on-failure", "always"] = "on-failure"
    restart_delay: float = 0.5
    """Seconds between a crash and the next start."""
    start_limit: int = 0
    """Restarts after crashes until it is given up and left failed; 0: never."""
    stop_grace: float = 2.0
    """Seconds between SIGTERM and SIGKILL."""
    autostart: bool = True


def is_unit_name(text: str) -> bool:
    """Tell whether `text` can name a unit (so that it can never be a path)."""
    return _NAME.fullmatch(text) is not None


def read_unit(path: Path) -> Unit:
    """Read a unit file.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigError: the file is not a unit.
    """
    try:
        unit = msgspec.json.decode(path.read_bytes(), type=Unit)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"not a unit file: {error}", where=str(path), remedy="correct the file") from error
    if not unit.argv:
        raise ConfigError("argv is empty", where=str(path), remedy="name the program and its arguments")
    return unit


def write_unit(path: Path, unit: Unit) -> None:
    """Write a unit file; a reader sees the old or the new one, never a half."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(unit), indent=2) + b"\n")
    os.replace(fresh, path)
