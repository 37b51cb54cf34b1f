"""The canary scan: at the end of a run every file of it is searched for the declared secrets."""

from __future__ import annotations

import os
from pathlib import Path

from runbook.secret import Masker

LIMIT = 512 * 1024 * 1024
"""Bytes of all files together that are searched; more would keep the operator waiting."""


def leaked(masker: Masker, folder: Path) -> tuple[str, ...]:
    """Return the files of a run, relative to its folder, in which a secret was found."""
    if not masker:
        return ()
    found: list[str] = []
    budget = LIMIT
    for root, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(root) / name
            try:
                budget -= path.stat().st_size
                if budget < 0:
                    return tuple(found)
                with path.open("rb") as file:
                    if masker.finds_in(file):
                        found.append(str(path.relative_to(folder)))
            except OSError:
                continue
    return tuple(found)
