"""The pager of the user, in place of the screens until it is left."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from textual.app import App, SuspendNotSupported


def pager_of(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the command of the user's pager; `less` if none is named."""
    try:
        return shlex.split(environment.get("PAGER", "")) or ["less"]
    except ValueError:
        return ["less"]


def show_in_pager(app: App[int], path: Path) -> None:
    """Give the terminal to the pager until it ends; raises nothing, says what went wrong."""
    # LESSSECURE: no shell and no editor out of what a host has written.
    environment = os.environ | {"LESSSECURE": "1"}
    try:
        with app.suspend():
            subprocess.run([*pager_of(), str(path)], env=environment, check=False)
    except (OSError, SuspendNotSupported) as error:
        app.notify(f"The pager cannot be shown: {error}", severity="error", markup=False)
