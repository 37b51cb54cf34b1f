"""A terminal that becomes tiny and large again: each screen is whole afterwards."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from tests.tui.gallery import MOMENTS, Room, until
from tests.tui.test_picture import still

__all__ = ["still"]

SIZES = ((20, 5), (1, 1), (300, 4))
STEADY = 15
"""Looks that must show the same."""


def rows(room: Room) -> list[str]:
    """Return what stands on the whole terminal; each row must fit, and hold nothing that a terminal obeys."""
    found = [strip.text for strip in room.screen._compositor.render_strips()]
    width, height = room.size
    assert len(found) == height
    for row in found:
        assert cell_len(row) == width, row
        obeyed = {c for c in row if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
        assert obeyed == set(), row
    return found


def layout(found: list[str]) -> list[str]:
    """Return what must stand where it stood: all but how far something is scrolled."""
    return [re.sub(r"[▁▂▃▄▅▆▇█]|\d+ more lines?", "", row).rstrip() for row in found]


async def steady(room: Room, pilot: Pilot[int]) -> list[str]:
    """Wait until nothing moves any more; a layout may take several turns."""
    found, same = layout(rows(room)), 0
    while same < STEADY:
        await pilot.pause(0.02)
        now = layout(rows(room))
        found, same = now, same + 1 if now == found else 0
    return found


async def outlives(room: Room, pilot: Pilot[int], sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
    """Go through sizes; in the end all stands where it stood."""
    await pilot.pause()
    before = await steady(room, pilot)
    for columns, lines in (*sizes, (80, 24)):
        await pilot.resize_terminal(columns, lines)
        await until(pilot, lambda columns=columns, lines=lines: room.screen.size == (columns, lines))  # type: ignore[misc]
        await pilot.pause()
        rows(room)
    assert await steady(room, pilot) == before


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_screen_outlives_a_tiny_terminal(moment: str, tmp_path: Path) -> None:
    shown = MOMENTS[moment]
    room = shown.room(tmp_path)
    async with room.run_test(size=(80, 24)) as pilot:
        await shown.reach(room, pilot)
        await outlives(room, pilot)
