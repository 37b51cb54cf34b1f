"""The state file of a shop: what its folder is and what runs in it, so that a shop that was kept can be found again.

Owns `shop.json` and the removal of shop folders, which trusts nothing but that file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from runbook.demo.layout import Layout, Ports
from runbook.errors import RunbookError

PREFIX = "runbook-shop-"


class State(msgspec.Struct, frozen=True):
    """What a shop's folder tells about itself."""

    folder: str
    """The folder itself: a copy elsewhere is not a shop."""
    token: str
    """Value of the mark in the environment of all its processes."""
    created: int
    """Unix time in seconds."""
    ports: Ports
    is_kept: bool = False
    """Whether it was left up on purpose, by an opener that is gone."""


def new_state(home: Path, ports: Ports) -> State:
    """Make the state of a new shop."""
    return State(folder=str(home), token=os.urandom(16).hex(), created=int(time.time()), ports=ports)


def write_state(state: State) -> None:
    """Write the state file; a reader sees all of it or nothing."""
    path = Layout(Path(state.folder)).state
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(state) + b"\n")
    os.replace(fresh, path)


def read_state(home: Path) -> State:
    """Read the state of the shop in `home`.

    Raises:
        RunbookError: this is not the folder of a shop of this user.
    """
    path = Layout(home).state
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
        is_ours = home.stat().st_uid == os.getuid() and not home.is_symlink() and Path(state.folder) == home.resolve()
    except (OSError, msgspec.MsgspecError) as error:
        raise RunbookError(f"not a demo shop: {error}", where=str(home), remedy="name the folder of a shop") from error
    if not is_ours:
        raise RunbookError("not a demo shop of yours", where=str(home), remedy="name the folder of a shop")
    return state


def find_states(under: Path | None = None) -> tuple[State, ...]:
    """Find the shops whose folders lie in `under` (default: the temporary folder), oldest first."""
    parent = under or Path(tempfile.gettempdir())
    states = []
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            states.append(read_state(folder))
        except RunbookError:
            continue
    return tuple(sorted(states, key=lambda state: state.created))


def remove_folder(home: Path) -> None:
    """Remove the folder of a shop with all that is in it.

    Raises:
        RunbookError: the folder is not that of a shop, or cannot be removed.
    """
    read_state(home)
    state = Layout(home).state
    try:
        # The state file goes last: a folder half removed is still known for what it is.
        for entry in home.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != state:
                entry.unlink()
        state.unlink()
        home.rmdir()
    except OSError as error:
        raise RunbookError(f"cannot be removed: {error}", where=str(home), remedy="remove it by hand") from error
