"""The dashboard of the demo's shop in a terminal: one line per number, with its course.

A terminal that can write over lines shows one frame that lives; a pipe gets a frame now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

import msgspec

from runbook.cli.front import Front
from runbook.cli.style import Style, Tone
from runbook.text import one_line

if TYPE_CHECKING:
    from runbook.demo.dashboard import Frame, Panel

LIVE, PIPED = 1.0, 5.0
"""Seconds between two frames."""
MOST = 60
"""Columns of a course: one a second."""

_STATUS = {"good": "succeeded", "bad": "failed", "unknown": "in_doubt"}
_WORD = {"good": "ok", "bad": "BAD", "unknown": "unknown"}
_TONE: dict[str, Tone] = {"good": "plain", "bad": "bad", "unknown": "doubt"}


def show(front: Front, look: Callable[[], Frame], *, once: bool, over: Event | None = None) -> None:
    """Show frames until the shop is gone, nobody reads, or `over` is set."""
    over, lines = over or Event(), 0
    while True:
        frame = look()
        if front.is_text:
            drawn = draw(frame, front.out.style)
            front.out.frame(drawn, lines)
            lines = len(drawn)
        else:
            front.end(msgspec.to_builtins(frame))
        if not frame.is_there and not once:
            front.say("the shop is gone")
        if once or not frame.is_there or front.out.gone or over.wait(LIVE if front.out.style.live else PIPED):
            return


def draw(frame: Frame, style: Style) -> list[str]:
    """Return a frame as lines that fit the width."""
    clock = time.strftime("%H:%M:%S", time.gmtime(frame.time))
    name = one_line(frame.shop, 60) or "shop"
    head = f"{name} at {clock} UTC, the last minute" if frame.is_there else f"{name} at {clock} UTC: it does not answer"
    return [style.bold(head), *(_line(panel, style) for panel in frame.panels)]


def _line(panel: Panel, style: Style) -> str:
    from runbook.demo.dashboard import spark

    mark, word = style.mark(_STATUS[panel.state]), style.paint(f"{_WORD[panel.state]:<7}", _TONE[panel.state])
    text = f"{panel.name:<17}  {panel.text:>14}"
    room = min(MOST, style.width - len(f"? {'':<7} {text}  "))
    course = spark(panel.course, room, unicode=style.unicode)
    return f"{mark} {word} {text}  {style.paint(course, 'live')}" if course.strip() else f"{mark} {word} {text}"
