"""Doing one small thing on many hosts at the same time, with a bound: claims, releases, what is left to be removed.

Steps of a playbook do not go this way: the scheduler sends them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 16
"""Hosts at the same time: a connection is made or used for each."""


def spread(names: Iterable[str], work: Callable[[str], T], at_once: int = AT_ONCE) -> dict[str, T]:
    """Do some work for every name and return what it gave, in the order of the names.

    All is done even if some of it fails; then the first failure, in this order, is raised.
    """
    wanted = tuple(dict.fromkeys(names))
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in wanted:
        waiting.put(name)
    found: dict[str, T] = {}
    failed: dict[str, BaseException] = {}

    def carry_out() -> None:
        with suppress(queue.Empty):
            while True:
                name = waiting.get_nowait()
                try:
                    found[name] = work(name)
                except BaseException as error:  # noqa: BLE001
                    # The border of a thread: whoever asked gets it.
                    failed[name] = error

    others = [threading.Thread(target=carry_out, name=f"spread_{n}") for n in range(min(at_once, len(wanted)) - 1)]
    for thread in others:
        thread.start()
    carry_out()
    for thread in others:
        thread.join()
    for name in wanted:
        if name in failed:
            raise failed[name]
    return {name: found[name] for name in wanted}
