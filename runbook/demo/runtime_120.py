"""The shop's runtime, version 1.20: background work of a service, and its main routine.

A shop has a copy of this file as `shop_runtime` in the folder of the version; services import it from there, by the
link `current`. It knows nothing of Runbook.

GOTRACEBACK=system, as in Go's runtime, makes a fatal error show the stacks of all threads.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Callable

VERSION = "1.20.11"


class FatalError(RuntimeError):
    """The scheduler cannot go on."""


class Scheduler:
    """Runs the background work of a service on threads, and its main routine until it ends."""

    def spawn(self, work: Callable[[], object], name: str) -> None:
        """Begin some background work; it ends with the service."""
        threading.Thread(target=work, name=name, daemon=True).start()

    def run(self, main: Callable[[], object]) -> None:
        """Run the main routine on this thread."""
        try:
            main()
        except FatalError:
            if os.environ.get("GOTRACEBACK") == "system":
                faulthandler.dump_traceback(sys.stderr, all_threads=True)
            raise


if __name__ == "__main__":
    sys.stdout.write(f"shop-runtime {VERSION}\n")
