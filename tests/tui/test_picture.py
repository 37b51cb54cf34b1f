"""What the screens look like: pictures to compare with, of canned moments at a fixed time.

After a wanted change: `--snapshot-update`, and a look at every picture that is another one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension, normalize_svg  # type: ignore[import-untyped]
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from runbook.tui import rehearser
from runbook.tui.screens import library, looking, review
from tests.tui.gallery import MOMENTS, Room, Still

WITHIN = 60.0
"""Seconds that a picture has to become what it shall be, on a busy machine."""

DARK = (("80x24", "dark"), ("120x36", "light"), ("200x50", "dark"))
ALL = tuple((size, theme) for size in ("80x24", "120x36", "200x50") for theme in ("dark", "light"))
PICTURES = {
    "library": (*DARK, ("80x24", "16")),
    "prepare": DARK,
    "run-waiting": DARK[:2],
    "run-running": (*DARK, ("80x24", "16")),
    "failure": (*DARK[:2], ("80x24", "16")),
    "approval": DARK[:2],
    "review": ALL,
}


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Stop the clocks, and let local times be the same on every machine."""
    for module in (library, looking, review, rehearser):
        monkeypatch.setattr(module, "datetime", Still)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("moment", PICTURES)
async def test_a_moment_looks_as_it_was_approved(
    moment: str, tmp_path: Path, snapshot: SnapshotAssertion, request: pytest.FixtureRequest
) -> None:
    is_wanted = not request.config.option.update_snapshots
    shown = MOMENTS[moment]
    room = shown.room(tmp_path)
    other = []
    async with room.run_test(size=(80, 24)) as pilot:
        await shown.reach(room, pilot)
        for size, theme in PICTURES[moment]:
            columns, rows = map(int, size.split("x"))
            room.theme = f"runbook-{theme}"
            await pilot.resize_terminal(columns, rows)
            approved = snapshot(name=f"{size}-{theme}", extension_class=SVGImageExtension)
            picture = await _picture(room, pilot, _kept(approved, f"{size}-{theme}") if is_wanted else None)
            if picture != approved:
                other.append(f"{moment} {size} {theme}")

    assert other == []


async def _picture(room: Room, pilot: Pilot[Any], wanted: str | None) -> str:
    """Return the picture once it is the wanted one; else when nothing changes any more."""
    deadline = time.monotonic() + (WITHIN if wanted is not None else 5.0)
    last, same = "", 0
    while time.monotonic() < deadline:
        await pilot.pause()
        picture = room.export_screenshot(title="runbook", simplify=True)
        if wanted is not None and normalize_svg(picture) == wanted:
            return picture
        same = same + 1 if picture == last else 0
        if wanted is None and same >= 5:
            return picture
        last = picture
        await asyncio.sleep(0.05)
    return last


def _kept(approved: SnapshotAssertion, name: str) -> str | None:
    path = Path(approved.extension.get_location(test_location=approved.test_location, index=name))
    return normalize_svg(path.read_text()) if path.exists() else None
