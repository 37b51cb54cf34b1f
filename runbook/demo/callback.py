"""The payment callbacks of the shop: their consumer, their gateway, and the control program of their queues.

Owns how these are started; what they do is in `payment`, `gateway` and `queue`.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from runbook.demo import queue_control
from runbook.demo.layout import GATEWAY, PAYMENT, Layout, Ports
from runbook.demo.unit import Unit, write_unit


def write_callbacks(layout: Layout, ports: Ports, count: int) -> None:
    """Write the units of consumer and gateway, which sends `count` callbacks when it is started, and `queue-ctl`."""
    options = ("--port", str(ports.payment), "--shop", str(ports.order), "--queue", str(layout.queue))
    argv = (sys.executable, "-P", "-m", "runbook.demo.payment", *options)
    write_unit(layout.unit(PAYMENT), Unit(argv=argv, cwd=str(layout.home)))
    write_gateway(layout, count)
    write_queue_control(layout.queue_control, layout.queue)


def write_gateway(layout: Layout, count: int) -> None:
    """Write the unit of the gateway: started by hand, it sends `count` callbacks and ends."""
    options = ("--queue", str(layout.queue), "--count", str(count))
    argv = (sys.executable, "-P", "-m", "runbook.demo.gateway", *options)
    write_unit(layout.unit(GATEWAY), Unit(argv=argv, cwd=str(layout.home), restart="no", autostart=False))


def write_queue_control(file: Path, queue: Path) -> None:
    """Write the control program of the queues in the folder `queue`; it runs without site packages, to start fast."""
    root = Path(queue_control.__file__).parents[2]
    words = (sys.executable, "-S", "-s", "-P", "-m", "runbook.demo.queue_control", str(queue.absolute()))
    file.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(root))} exec {shlex.join(words)} "$@"\n')
    file.chmod(0o700)
