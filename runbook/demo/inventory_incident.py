"""How deductions time out: the order service takes every connection of the database that both of them need.

Owns this one way to break the shop: the bad configuration push, seen from the inventory. What ends it is the rollback
of that push; until then the inventory can answer from its cache, and has to go back to the database afterwards.
"""

from __future__ import annotations

from runbook.demo.inventory_number import is_in_step, sells, times_out
from runbook.demo.number import Numbers, is_healthy
from runbook.demo.shop import Shop

_WITHIN = 30.0


def break_inventory(shop: Shop) -> Numbers:
    """Push the bad configuration, and return the numbers that show what it does to deductions.

    Raises:
        RunbookError: the inventory was not well before, or the numbers show no damage in time.
    """
    shop.wait(lambda numbers: is_in_step(numbers.stock), "in step with its stock", within=_WITHIN)
    shop.break_config()
    return shop.wait(lambda numbers: times_out(numbers.stock), "out of stock connections", within=_WITHIN)


def sells_again(numbers: Numbers) -> bool:
    """Tell whether deductions succeed, be it from the cache."""
    return sells(numbers.stock)


def is_restored(numbers: Numbers) -> bool:
    """Tell whether orders are healthy, and deductions succeed from the database with numbers that agree."""
    return is_healthy(numbers) and is_in_step(numbers.stock)
