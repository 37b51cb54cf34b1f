"""The metrics process of the shop: how it is started, and whether it knows enough to compare with."""

from __future__ import annotations

import sys

from runbook.demo.layout import CHECKOUT, INVENTORY, LABELS, LOAD, METRICS, ORDER, PAYMENT, Layout, Ports
from runbook.demo.metric import scrape
from runbook.demo.unit import Unit, write_unit

ENOUGH = 4
"""Looks at a page from which a rate over a few seconds can be told."""


def write_metrics(layout: Layout, ports: Ports) -> None:
    """Write the unit file."""
    pages = {
        ORDER: ports.order,
        LOAD: ports.load,
        PAYMENT: ports.payment,
        INVENTORY: ports.inventory,
        CHECKOUT: ports.checkout,
        LABELS: ports.labels,
    }
    words = [word for job, port in pages.items() for word in ("--page", f"{job}={port}")]
    argv = (sys.executable, "-P", "-m", "runbook.demo.metric_api", "--port", str(ports.metrics), *words)
    write_unit(layout.unit(METRICS), Unit(argv=argv, cwd=str(layout.home)))


def knows_enough(ports: Ports) -> bool:
    """Tell whether the numbers of the shoppers were read often enough."""
    return (scrape(ports.metrics) or {}).get(f'metrics_pages_total{{job="{LOAD}"}}', 0) >= ENOUGH
