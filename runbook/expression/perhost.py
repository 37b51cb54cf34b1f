"""Values that exist once per host."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from runbook.expression.fault import Fault


class PerHost(Struct, frozen=True):
    """What one name stands for on each host."""

    values: Mapping[str, object]
    """Host name to value; null for a host that skipped the step."""
    here: str | None = None
    """The host for which the expression is evaluated; None if it is for all at once."""

    def at(self, host: str | None, name: str = "the value") -> object:
        """Return the value on one host, `here` if none is given; `name` is what messages call it.

        The value of a single host (`pick: one`, a step on `local`) is meant by every host that refers to it.
        Raises Fault if the value depends on a host and none is given, or the given one has no value.
        """
        wanted = host if host is not None else self.here
        if wanted is not None and wanted in self.values:
            return self.values[wanted]
        if len(self.values) <= 1:
            return next(iter(self.values.values()), None)
        if wanted is None:
            raise Fault(f"{name} differs per host", remedy="use any(), all() or one()")
        raise Fault(f"{name} has no value for host {wanted}", remedy="use any(), all() or one()")
