"""The units of the inventory: its service, and the checkout that deducts from it."""

from __future__ import annotations

import sys

from runbook.demo.inventory_number import RATE
from runbook.demo.layout import CHECKOUT, INVENTORY, Layout, Ports
from runbook.demo.unit import Unit, write_unit


def write_inventory(layout: Layout, ports: Ports) -> None:
    """Write the unit files, and make the folder of the switch and the cache."""
    layout.inventory.mkdir(mode=0o700, exist_ok=True)
    service = ("--port", str(ports.inventory), "--database", str(ports.database), "--folder", str(layout.inventory))
    checkout = ("--port", str(ports.checkout), "--inventory", str(ports.inventory), "--rate", f"{RATE:g}")
    for name, module, options in ((INVENTORY, "inventory", service), (CHECKOUT, "inventory_load", checkout)):
        argv = (sys.executable, "-P", "-m", f"runbook.demo.{module}", *options)
        write_unit(layout.unit(name), Unit(argv=argv, cwd=str(layout.home)))


def inventory_parameters(layout: Layout, ports: Ports) -> dict[str, str]:
    """Give what the playbook on the cache has to know, by parameter name."""
    return {
        "switch_file": str(layout.inventory_switch),
        "status_url": f"http://127.0.0.1:{ports.inventory}/status",
        "stock_health_url": f"http://127.0.0.1:{ports.inventory}/health",
    }
