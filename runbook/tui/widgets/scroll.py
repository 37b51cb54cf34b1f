"""A scrolling area that answers to the same keys as every list."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll


class Scroll(VerticalScroll):
    """Holds more than is in sight."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "up", show=False, id="scroll.up", tooltip="One line up"),
        Binding("down,j", "scroll_down", "down", show=False, id="scroll.down", tooltip="One line down"),
        Binding("home,g", "scroll_home", "first", show=False, id="scroll.first", tooltip="To the beginning"),
        Binding("end,G", "scroll_end", "last", show=False, id="scroll.last", tooltip="To the end"),
    ]
