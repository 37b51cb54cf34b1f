"""The loading of paramiko, as late as possible and without what is not used.

Its reader of ssh_config, which nobody here asks, brings `invoke` with it if that is installed: a third of the time that
loading takes. paramiko does without it where it is missing.
"""

from __future__ import annotations

import logging
import sys
from threading import Lock

_UNUSED = "invoke"
_loading = Lock()


def load() -> None:
    """Load paramiko unless it is there; called before anything else of this package needs it."""
    if "paramiko.transport" in sys.modules:
        return
    with _loading:
        if _UNUSED in sys.modules or "paramiko" in sys.modules:
            return
        sys.modules[_UNUSED] = None  # type: ignore[assignment]  # how an import is told that there is no such module
        try:
            import paramiko  # noqa: F401
        finally:
            del sys.modules[_UNUSED]
        # What it logs by itself holds words of the other side and traces, and would pass every border to the terminal.
        logger = logging.getLogger("paramiko")
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
