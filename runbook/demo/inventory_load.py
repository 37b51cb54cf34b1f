"""The checkout: a steady stream of deductions, and what it sees of the inventory service."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from typing import ClassVar

from runbook.demo.inventory_cache import ITEMS
from runbook.demo.stream import Stream, drive


class Checkout(Stream):
    """Sends deductions to the inventory service."""

    family: ClassVar[str] = "stock"
    noun: ClassVar[str] = "deduction"
    path: ClassVar[str] = "/deduct"
    crowd: ClassVar[int] = 200

    def body(self) -> Mapping[str, object]:
        """Return a deduction under an id of its own."""
        return {"id": secrets.token_hex(8), "item": random.choice(ITEMS), "count": 1}

    def is_open(self) -> bool:
        """Tell whether the service deducts: it listens before it can."""
        return self.send()


if __name__ == "__main__":
    drive(Checkout, "inventory")
