"""What the network probes share: from where they look, and a deadline for everything that they wait for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, Queue
from threading import Thread
from typing import Annotated, Literal, TypeVar

from msgspec import Meta

from runbook.ports.action import NoData
from runbook.ports.target import Address, Reader

From = Annotated[
    Literal["tunnel", "controller"],
    Meta(description="`tunnel`: as the target sees the address; `controller`: as this machine does"),
]

T = TypeVar("T")


def no_network(t: Reader, from_: str) -> NoData | None:
    """Say that a target has no network to look from; None if it has one.

    What answers on the localhost of a mounted root is this machine, and would be taken for the service.
    """
    if from_ != "tunnel" or t.host.transport != "chroot":
        return None
    return NoData(("a mounted root has no network of its own; `from: controller` asks from this machine",))


def reach(t: Reader, from_: str, address: Address) -> AbstractContextManager[Address]:
    """Give the address to connect to on this machine. Raises TransportError if no tunnel can be had."""
    return t.tunnel(address) if from_ == "tunnel" else nullcontext(address)


def bounded(seconds: float, ask: Callable[[], T]) -> T:
    """Return what `ask` returns, or raise what it raises. Raises TimeoutError when the time is over.

    Resolving a name has no time limit of its own, and an answer may come byte by byte; so it runs on a thread that
    is left behind when it takes too long.
    """
    answers: Queue[tuple[T | None, BaseException | None]] = Queue(1)

    def work() -> None:
        try:
            answers.put((ask(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            answers.put((None, error))

    Thread(target=work, name="runbook-network-probe", daemon=True).start()
    try:
        value, error = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]
