"""How payment callbacks back up: the order service is down, the consumer rejects what comes, the dead letters stay.

Owns this one way to break the shop. When it is done the cause is over and what it left behind is not, as after a
rollback.
"""

from __future__ import annotations

from runbook.demo.callback import write_gateway
from runbook.demo.layout import GATEWAY, ORDER
from runbook.demo.number import Numbers, Payments, is_healthy
from runbook.demo.shop import Shop

BACKLOG = 100_000
"""Callbacks that lie in the dead-letter queue in the end."""
_WITHIN = 90.0


def break_payments(shop: Shop, backlog: int = BACKLOG) -> Numbers:
    """Let callbacks back up while the order service is down; return the numbers when it is up and they are left.

    Raises:
        RunbookError: the numbers do not show it in time.
    """
    shop.control("stop", ORDER)
    while (lacks := backlog - _payments(shop).dead) > 0:
        _send(shop, lacks)
    shop.control("start", ORDER)
    return shop.wait(_is_backed_up, "healthy again, with its backlog", within=_WITHIN)


def _is_backed_up(numbers: Numbers) -> bool:
    return is_healthy(numbers) and numbers.payments is not None and numbers.payments.dead > 0


def _payments(shop: Shop) -> Payments:
    """Return the numbers of the callbacks; a busy machine may let one look go by without an answer."""
    found = shop.wait(lambda numbers: numbers.payments is not None, "telling of its payments", within=_WITHIN).payments
    assert found is not None
    return found


def _send(shop: Shop, count: int) -> None:
    """Have the gateway send callbacks, and wait until none of them is in the live queue any more."""
    wanted = _payments(shop).sent + count

    def is_over(numbers: Numbers) -> bool:
        found = numbers.payments
        return found is not None and found.sent >= wanted and found.waiting == 0

    write_gateway(shop.layout, count)
    shop.control("start", GATEWAY)
    shop.wait(is_over, f"done with {count} callbacks", within=_WITHIN)
