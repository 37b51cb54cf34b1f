"""How labels stop: the driver of a printer brings an old library along, and its folder comes first in the search path.

Owns this one way to break the shop. The label service runs only where it is staged: the other incidents do without.
"""

from __future__ import annotations

from contextlib import suppress

from runbook.demo.label_number import prints
from runbook.demo.label_unit import write_labels
from runbook.demo.layout import LABELS
from runbook.demo.library import install_printer, make_libraries
from runbook.demo.number import Numbers, is_healthy
from runbook.demo.shop import Shop
from runbook.errors import RunbookError

_WITHIN = 30.0


def start_with_labels(shop: Shop) -> Numbers:
    """Start the shop, and the label service with it; return the numbers as soon as they are healthy.

    Raises:
        RunbookError: they are not in time, or this machine cannot have the library.
    """
    make_libraries(shop.layout.library)
    write_labels(shop.layout, shop.ports)
    shop.start()
    shop.control("start", LABELS)
    return shop.wait(labels_are_printed, "healthy, with its labels", within=_WITHIN)


def break_labels(shop: Shop) -> Numbers:
    """Install the driver, restart the labels, and return the numbers when the supervisor has given them up.

    Raises:
        RunbookError: it has not in time.
    """
    install_printer(shop.layout.library)
    with suppress(RunbookError):
        # It may have crashed before the supervisor could tell that it is up.
        shop.control("restart", LABELS)

    def is_given_up(numbers: Numbers) -> bool:
        return numbers.labels is None and "Result=start-limit-hit\n" in shop.control("show", LABELS)

    return shop.wait(is_given_up, "without labels", within=_WITHIN)


def labels_are_printed(numbers: Numbers) -> bool:
    """Tell whether orders are healthy, and labels are printed."""
    return is_healthy(numbers) and prints(numbers.labels)
