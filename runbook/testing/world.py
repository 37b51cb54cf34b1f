"""What a change leaves behind in a folder, in a form that can be compared."""

from __future__ import annotations

import re
from pathlib import Path

_TIME = re.compile(r"\d{8}T\d{6}Z")


def tree(folder: Path) -> dict[str, tuple[str, int, int, int]]:
    """Return everything below a folder: path to content, mode, owner and group.

    Times in names are replaced by TIME, so that two runs compare equal.
    """
    seen = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        if path.is_symlink():
            content = f"link {path.readlink()}"
        else:
            content = repr(path.read_bytes()) if path.is_file() else "folder"
        name = _TIME.sub("TIME", str(path.relative_to(folder)))
        seen[name] = (content, state.st_mode, state.st_uid, state.st_gid)
    return seen
