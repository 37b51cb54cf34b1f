"""The shop's runtime, version 1.21: background work of a service, and its main routine.

A shop has a copy of this file as `shop_runtime` in the folder of the version; services import it from there, by the
link `current`. It knows nothing of Runbook.

New in this version: the main routine is locked to one OS thread, because C libraries with state per thread want to be
called from one alone. The lock is taken where the scheduler sets itself up, which is the monitor's thread, and not
where the main routine runs: no service that uses `run` gets past its start. That is the defect of this release.

GOTRACEBACK=system, as in Go's runtime, makes a fatal error show the stacks of all threads.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

VERSION = "1.21.0"


class FatalError(RuntimeError):
    """The scheduler cannot go on."""


class Scheduler:
    """Runs the background work of a service on threads, and its main routine on the one that is locked for it."""

    def __init__(self) -> None:
        self._locked_to = 0
        self._is_set_up = threading.Event()
        self.spawn(self._monitor, "sysmon")
        self._is_set_up.wait()

    def spawn(self, work: Callable[[], object], name: str) -> None:
        """Begin some background work; it ends with the service."""
        threading.Thread(target=work, name=name, daemon=True).start()

    def run(self, main: Callable[[], object]) -> None:
        """Run the main routine on the thread that is locked for it."""
        try:
            self._check_thread("main")
            main()
        except FatalError:
            if os.environ.get("GOTRACEBACK") == "system":
                faulthandler.dump_traceback(sys.stderr, all_threads=True)
            raise

    def _monitor(self) -> None:
        self._lock_os_thread()
        self._is_set_up.set()
        while True:
            time.sleep(1.0)

    def _lock_os_thread(self) -> None:
        self._locked_to = threading.get_native_id()

    def _check_thread(self, routine: str) -> None:
        here = threading.get_native_id()
        if here != self._locked_to:
            raise FatalError(
                f"fatal error: schedule: routine {routine} is locked to OS thread {self._locked_to}, runs on {here}"
            )


if __name__ == "__main__":
    sys.stdout.write(f"shop-runtime {VERSION}\n")
