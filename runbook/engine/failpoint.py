"""Failpoints: named places at which a fault test ends the process, as a crash would.

Set `RUNBOOK_FAILPOINT=NAME` or `NAME:COUNT` to die by SIGKILL when the point is reached for the COUNT-th time. Without
the variable a call costs one comparison.
"""

from __future__ import annotations

import itertools
import os
import signal

_wanted, _, _count = os.environ.get("RUNBOOK_FAILPOINT", "").partition(":")
_left = int(_count) if _count.isdigit() else 1
_hits = itertools.count(1)


def crash(name: str) -> None:
    """End this process if the named point is the wanted one."""
    if name == _wanted and next(_hits) == _left:
        os.kill(os.getpid(), signal.SIGKILL)
