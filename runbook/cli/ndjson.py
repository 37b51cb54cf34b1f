"""The narrator for programs: one fact per line on stdout, as it comes; the result is the last line.

A line is the fact as the journal has it, with `type` and `code`; output comes as lines of type `output.received`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from runbook.cli.front import encode
from runbook.cli.stream import Stream
from runbook.events import fact as f
from runbook.events.signal import OutputReceived, Signal


class NdjsonPrinter:
    """Listens to one run and writes its facts."""

    def __init__(self, stream: Stream) -> None:
        self._to = stream

    def close(self) -> None:
        """Do nothing: every line is out already."""

    def hear(self, event: f.Fact | Signal) -> None:
        """Write one fact, or the output of a step."""
        match event:
            case f.Base():
                self._to.raw(encode(fact_object(event)))
            case OutputReceived():
                self._to.raw(encode({"type": "output.received"} | msgspec.to_builtins(event)))
            case _:
                pass


def fact_object(fact: f.Fact) -> dict[str, Any]:
    """Return a fact as an object."""
    data: dict[str, Any] = msgspec.to_builtins(fact)
    return {"type": fact.type, "code": fact.code} | data
