"""The shoppers: a steady stream of orders, and what they see of the shop."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import ClassVar

from runbook.demo.stream import Stream, drive

_CUSTOMERS = 1_000_000
_ITEMS = ("umbrella", "kettle", "lamp", "scarf")


class Shoppers(Stream):
    """Sends orders to the order service."""

    family: ClassVar[str] = "shop"
    noun: ClassVar[str] = "order"
    path: ClassVar[str] = "/orders"
    crowd: ClassVar[int] = 400

    def __init__(self, port: int, rate: float) -> None:
        super().__init__(port, rate)
        self.registry.gauge("shop_rate_wanted", "Orders per second that the shoppers send.", lambda: rate)

    def body(self) -> Mapping[str, object]:
        """Return an order of anybody for anything."""
        return {"customer": random.randrange(_CUSTOMERS), "item": random.choice(_ITEMS), "count": 1}


if __name__ == "__main__":
    drive(Shoppers, "shop")
