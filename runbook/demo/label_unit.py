"""The unit of the label service, and what the playbooks have to know about it."""

from __future__ import annotations

import sys

from runbook.demo.label_number import RATE
from runbook.demo.layout import LABELS, Layout, Ports
from runbook.demo.library import CACHE, CONFIG, RIGHT, SONAME
from runbook.demo.unit import Unit, write_unit

TRIES = 3
"""Starts after a crash, until the supervisor gives the service up."""


def write_labels(layout: Layout, ports: Ports) -> None:
    """Write the unit of the label service."""
    options = ("--port", str(ports.labels), "--cache", str(layout.library / CACHE), "--library", SONAME)
    argv = (sys.executable, "-P", "-m", "runbook.demo.label", *options, "--rate", f"{RATE:g}")
    unit = Unit(argv=argv, cwd=str(layout.home), autostart=False, restart_delay=0.2, start_limit=TRIES)
    write_unit(layout.unit(LABELS), unit)


def label_parameters(layout: Layout, ports: Ports) -> dict[str, str]:
    """Give what the playbook on the library has to know, by parameter name."""
    return {
        "folder": str(layout.library / RIGHT),
        "library": SONAME,
        "config": str(layout.library / CONFIG),
        "cache": str(layout.library / CACHE),
        "labels": LABELS,
        "labels_health_url": f"http://127.0.0.1:{ports.labels}/health",
    }
