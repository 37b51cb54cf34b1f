"""The upgrade that breaks the order service: a new release of its runtime is put in use, and the service restarted.

Owns what the release automation does. Why the service does not come up with it stands in `runtime_121`.
"""

from __future__ import annotations

from contextlib import suppress

from runbook.demo.layout import ORDER
from runbook.demo.number import Numbers, is_broken
from runbook.demo.runtime import NEW_VERSION, use_version
from runbook.demo.shop import Shop
from runbook.errors import RunbookError

_BREAK_WITHIN = 20.0


def upgrade_runtime(shop: Shop) -> Numbers:
    """Put the new version of the runtime in use, restart the service, and return the numbers that show the damage.

    Raises:
        RunbookError: the numbers show no damage within 20 seconds.
    """
    use_version(shop.layout.runtime, NEW_VERSION)
    with suppress(RunbookError):
        # It may have crashed before the supervisor could tell that it is up.
        shop.control("restart", ORDER)
    return shop.wait(is_broken, "broken", within=_BREAK_WITHIN)
