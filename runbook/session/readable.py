"""The output of a step as a file that any pager may show: whole, and without terminal control."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from runbook.config import Settings
from runbook.errors import UsageError
from runbook.journal import Layout
from runbook.journal.output import output_name
from runbook.text import StreamSanitiser

_BLOCK = 256 * 1024


def readable_output(settings: Settings, run: str, step: str, target: str) -> Path:
    """Write the latest output of a step, harmless to read, into a file that the caller removes.

    A step that still runs gives what is on disk so far. Raises UsageError if there is none.
    """
    folder = Layout(settings.state).output(run)
    stem = output_name(step, target, 1).removesuffix("1.out")
    try:
        found = [p for p in folder.iterdir() if p.name.startswith(stem) and p.suffix == ".out"]
        latest = max(found, key=lambda p: p.stat().st_mtime_ns)
    except (OSError, ValueError):
        raise UsageError(
            f"{step} has written nothing yet", where=run, remedy="the pager shows it once it has"
        ) from None
    handle, name = tempfile.mkstemp(prefix="runbook-", suffix=".txt")
    clean = StreamSanitiser()
    with os.fdopen(handle, "w", encoding="utf-8") as to, latest.open("rb") as source:
        while block := source.read(_BLOCK):
            to.write(clean.feed(block))
        to.write(clean.flush())
    return Path(name)
