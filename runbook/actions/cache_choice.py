"""Choosing the driver of a switch: a file on the target, an HTTP endpoint, or a Redis key."""

from __future__ import annotations

from runbook.actions.cache_file import FileSwitch
from runbook.actions.cache_form import CacheWith, checked
from runbook.actions.cache_http import HttpSwitch
from runbook.actions.cache_redis import RedisSwitch
from runbook.actions.cache_switch import Switch


def switch_of(w: CacheWith) -> Switch:
    """Return the driver of the switch. Raises ActionError if the arguments do not go together."""
    checked(w)
    if w.switch == "http":
        return HttpSwitch(w)
    return RedisSwitch(w) if w.switch == "redis" else FileSwitch(w)
