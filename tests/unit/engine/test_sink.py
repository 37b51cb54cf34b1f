"""The way of output from a target to those who listen."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from runbook.engine.sink import OutputSink
from runbook.events.fact import Output
from runbook.events.signal import OutputReceived, Signal
from runbook.secret import Masker


class Kept:
    """Keeps what a side file would."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, stream: Literal["out", "err"], data: bytes, at_ms: int) -> None:
        self.data += data

    def close(self) -> Output | None:
        return None


@given(st.lists(st.one_of(st.binary(max_size=8), st.sampled_from([b"\x1b[2J", b"\x1b]0;t\x07", b"\xc2\x9b31m"]))))
def test_what_is_told_controls_no_terminal_and_what_is_kept_is_as_it_came(parts: list[bytes]) -> None:
    told: list[Signal] = []
    kept = Kept()
    sink = OutputSink(Masker(), kept, told.append, lambda: 0.0, ("s", "h", 1))

    for part in parts:
        sink.write("out", part)
    sink.close()

    text = "".join(event.text for event in told if isinstance(event, OutputReceived))
    assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in text)
    assert kept.data == b"".join(parts)
