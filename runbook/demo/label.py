"""The label service: prints parcel labels whose check numbers come from a shared library.

Owns the printing. At its start it looks the library up in the shop's own cache and loads exactly that file; the
dynamic loader itself would read only the system's cache. Without the library, or without the function in it, it ends
with the reason, as a program does that was linked against it. Each label is read back by a scanner that counts by
other means, so that a wrong library would show.

    GET /health     200 while labels are printed
    GET /metrics    the numbers, as Prometheus text
"""

from __future__ import annotations

import argparse
import binascii
import ctypes
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from runbook.demo.library import FUNCTION, LibraryError, look_up
from runbook.demo.metric import Registry
from runbook.demo.process import Handler, WebServer, say, settle_in

WINDOW = 3.0

Check = Callable[[bytes], int]
"""Gives the check number of a text."""


def load(cache: Path, soname: str) -> Check:
    """Load the library that the cache gives for the soname, and return its function.

    Raises:
        LibraryError: the cache cannot be read.
        OSError: the library is not found or cannot be loaded.
        AttributeError: the library lacks the function.
    """
    file = look_up(soname, cache)
    if not file:
        raise OSError(f"{soname}: cannot open shared object file: it is not in {cache}")
    say(f"{soname} is {file}")
    function = getattr(ctypes.CDLL(file), FUNCTION)
    function.argtypes = [ctypes.c_ulong, ctypes.c_char_p, ctypes.c_size_t]
    function.restype = ctypes.c_ulong
    return lambda text: int(function(0, text, len(text)))


class Printer:
    """Prints labels at a steady rate."""

    def __init__(self, check: Check, rate: float) -> None:
        self._check = check
        self._rate = rate
        self._printed: deque[float] = deque(maxlen=int(4 * WINDOW * rate))
        self._lock = threading.Lock()
        self.registry = Registry()
        self.registry.counter("labels_printed_total", "Labels printed.")
        self.registry.counter("labels_misread_total", "Labels that the scanner could not confirm.")
        self.registry.gauge("labels_per_second", f"Labels printed, last {WINDOW:g} s.", self.per_second)

    def per_second(self) -> float:
        """Return the labels per second of the last few seconds."""
        since = time.monotonic() - WINDOW
        with self._lock:
            return sum(moment > since for moment in self._printed) / WINDOW

    def print_one(self, number: int) -> None:
        """Print a label and have it scanned."""
        parcel = f"parcel {number:08d}".encode()
        if self._check(parcel) != binascii.crc32(parcel):
            self.registry.count("labels_misread_total")
        self.registry.count("labels_printed_total")
        with self._lock:
            self._printed.append(time.monotonic())

    def work(self) -> None:
        """Print for ever, evenly spaced."""
        due, number = time.monotonic(), 0
        while True:
            number += 1
            self.print_one(number)
            due = max(due + 1 / self._rate, time.monotonic() - 1.0)
            time.sleep(max(0.0, due - time.monotonic()))


class LabelHandler(Handler):
    """Tells how printing goes."""

    printer: Printer

    def do_GET(self) -> None:  # noqa: N802 (the name that http.server calls)
        printer = type(self).printer
        if self.path == "/metrics":
            self.answer(200, printer.registry.render(), "text/plain; version=0.0.4")
        elif self.path == "/health":
            rate = printer.per_second()
            self.answer(200 if rate > 0 else 503, f'{{"labels_per_second": {rate:.1f}}}')
        else:
            self.answer(404, '{"error": "no such page"}')


def main() -> None:
    """Print and serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True, help="own port")
    parser.add_argument("--cache", type=Path, required=True, help="cache in which the library is looked up")
    parser.add_argument("--library", required=True, help="soname of the library")
    parser.add_argument("--rate", type=float, required=True, help="labels per second")
    options = parser.parse_args()
    settle_in()
    try:
        check = load(options.cache, options.library)
    except (LibraryError, OSError, AttributeError) as error:
        say(f"labels cannot be printed: {error}")
        sys.exit(127)
    LabelHandler.printer = printer = Printer(check, options.rate)
    with WebServer(options.port, LabelHandler) as server:
        threading.Thread(target=printer.work, name="printer", daemon=True).start()
        say(f"{options.rate:g} labels a second are printed")
        server.serve_forever(poll_interval=5.0)


if __name__ == "__main__":
    main()
