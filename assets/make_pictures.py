"""Make the pictures of the screens and the recorded walk: the real demo, driven by keys, in a folder of its own.

    make pictures              six moments at two sizes in two themes (SVG; PNG where a chromium is), walk.cast

Nothing is fetched: the pictures name fonts of the machine that shows them. Where the machine lets us, all of it
happens in a mount namespace of its own, in which the shop has a short path that reads well.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ASSETS = Path(__file__).parent
sys.path.insert(0, str(ASSETS.parent))

SIZES = ((80, 24), (120, 36))
THEMES = ("dark", "light")
FONTS = "'Fira Code','DejaVu Sans Mono','Noto Sans Mono',monospace"
INCIDENT = "config-rollback"
WITHIN = 120.0
BREATH = 1.2
"""Seconds between keys of the recorded walk, for the eyes of who watches."""
IDLE = 2.0
"""Seconds that a player waits at most between two events."""
PNG = (("library", "80x24"), ("approval", "80x24"), ("failure", "80x24"), ("run", "120x36"), ("review", "120x36"))
"""The pictures that are made as PNG, too."""
PLACE = Path("/srv")
"""What lies here is hidden behind a file system of our own, in a namespace of our own."""
INSIDE = "RUNBOOK_PICTURES_INSIDE"


# --- pictures ---------------------------------------------------------------------------------------------------


class Photographer:
    """Takes the same moment at every size and in every theme."""

    def __init__(self, app, pilot, folder: Path, sizes=SIZES, themes=THEMES) -> None:  # type: ignore[no-untyped-def]
        self.app, self.pilot, self.folder, self.sizes, self.themes = app, pilot, folder, sizes, themes

    async def take(self, name: str) -> None:
        """Take a moment."""
        for columns, rows in self.sizes:
            await self.pilot.resize_terminal(columns, rows)
            for theme in self.themes:
                self.app.theme = f"runbook-{theme}"
                await self.settle()
                svg = local(self.app.export_screenshot(title="runbook", simplify=True))
                (self.folder / f"{name}-{columns}x{rows}-{theme}.svg").write_text(svg)
        await self.pilot.resize_terminal(*self.sizes[0])
        self.app.theme = f"runbook-{self.themes[0]}"
        await self.settle()

    async def settle(self) -> None:
        """Let what came be drawn."""
        for _ in range(3):
            await self.pilot.pause(0.15)

    def shown(self) -> str:
        """Return what stands on the screen."""
        screen = self.app.screen
        return "\n".join("".join(segment.text for segment in strip) for strip in screen._compositor.render_strips())

    async def until(self, *words: str) -> None:
        """Wait until words stand on the screen."""
        deadline = time.monotonic() + WITHIN
        while not any(word in self.shown() for word in words):
            if time.monotonic() > deadline:
                raise SystemExit(f"{words} did not come:\n{self.shown()}")
            await self.pilot.pause(0.1)

    async def press(self, key: str, *words: str) -> None:
        """Press a key until it had its effect: a fresh question takes none in its first moment."""
        deadline = time.monotonic() + WITHIN
        while not any(word in self.shown() for word in words):
            if time.monotonic() > deadline:
                raise SystemExit(f"{key} did not lead to {words}:\n{self.shown()}")
            await self.pilot.press(key)
            for _ in range(10):
                await self.pilot.pause(0.1)
                if any(word in self.shown() for word in words):
                    break


def local(svg: str) -> str:
    """Return the picture without the fonts that a browser would fetch."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]*;", f"font-family: {FONTS};", svg).replace("Fira Code, monospace", FONTS)


async def photograph(stage, folder: Path, sizes=SIZES, themes=THEMES) -> None:  # type: ignore[no-untyped-def]
    """Walk through the incident, and take its moments."""
    from runbook.demo.layout import ORDER
    from runbook.demo.unit import read_unit, write_unit
    from runbook.tui.app import RunbookApp
    from runbook.tui.backend import SessionBackend
    from runbook.tui.look import Look

    app = RunbookApp(SessionBackend(stage.settings), Look(), "runbook-dark")
    order = stage.order(stage.staging.cures[0], guided=True)
    async with app.run_test(size=sizes[0]) as pilot:
        shot = Photographer(app, pilot, folder, sizes, themes)
        await shot.until("never run", "succeeded")
        await pilot.press(*"pool exhausted")
        await shot.until("Roll back")
        await shot.take("library")
        await app._prepare(order)
        await shot.until("READY")
        await shot.take("prepare")
        await shot.press("enter", "WAITING", "BY HAND")
        await shot.press("d", "Evidence")
        await shot.press("enter", "compare")
        await shot.press("enter", "APPROV", "approve")
        await shot.take("approval")
        unit = stage.shop.layout.unit(ORDER)
        good = read_unit(unit)
        write_unit(unit, type(good)(argv=("false",)))
        await shot.press("y", "RUNNING")
        await shot.take("run")
        await shot.until("FAILED")
        await shot.take("failure")
        write_unit(unit, good)
        await shot.press("r", "RUNNING", "WAITING")
        while "SUCCEEDED" not in shot.shown():
            await pilot.press("enter")
            await pilot.pause(0.6)
        await shot.press("enter", "Timeline")
        await shot.take("review")
        app.exit()


def take_pictures(folder: Path, shop: Path, sizes=SIZES, themes=THEMES) -> None:  # type: ignore[no-untyped-def]
    """Stage the incident in a new folder and take all pictures."""
    from runbook.config import settings
    from runbook.session.control import Control
    from runbook.session.stage import staged

    with staged(settings(), Control(), name=INCIDENT, folder=shop, tell=print) as stage:
        asyncio.run(photograph(stage, folder, sizes, themes))


def to_png(svg: Path) -> bool:
    """Make a PNG beside a picture; False where no chromium is there."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return False
    text = svg.read_text()
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert size is not None
    width, height = (int(float(part) + 0.99) for part in size.groups())
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        style = f"*{{margin:0}}svg{{display:block;width:{width}px;height:{height}px}}"
        page.write_text(f"<meta charset=utf-8><style>{style}</style>{text}")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}/profile"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        command += [f"--window-size={width},{height}", f"--screenshot={svg.with_suffix('.png')}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return done.returncode == 0


# --- the recorded walk ------------------------------------------------------------------------------------------


class Recording:
    """An asciicast of version 3 (https://docs.asciinema.org/manual/asciicast/v3/): intervals, not moments."""

    def __init__(self, path: Path, columns: int, rows: int) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._last = time.monotonic()
        head = {"version": 3, "term": {"cols": columns, "rows": rows, "type": "xterm-256color"}}
        head |= {"title": "runbook demo", "command": f"runbook demo {INCIDENT}", "idle_time_limit": IDLE}
        self._file.write(json.dumps(head) + "\n")

    def hear(self, data: bytes) -> None:
        """Record what was written to the terminal."""
        now, last = time.monotonic(), self._last
        text = self._decode(data)
        if text:
            self._last = now
            self._file.write(json.dumps([round(now - last, 3), "o", text], ensure_ascii=False) + "\n")

    def close(self, code: int) -> None:
        """Record the end."""
        self._file.write(json.dumps([0.0, "x", str(code)]) + "\n")
        self._file.close()


def record_walk(path: Path) -> None:
    """Heal the shop in a real terminal, at the pace of a reader."""
    from tests.tui.test_walk import answer, is_review, now_line, steady
    from tests.tui.tty import Tty

    tty = Tty([sys.executable, "-P", "-m", "runbook", "demo", INCIDENT], columns=80, rows=24)
    recording = Recording(path, 80, 24)
    tty.heard = recording.hear
    try:
        tty.until(lambda text: "✓ READY" in now_line(text), WITHIN)
        deadline = time.monotonic() + WITHIN
        while "SUCCEEDED" not in now_line(tty.text) and time.monotonic() < deadline:
            tty.comes(lambda _: False, BREATH)
            before = steady(tty.text)
            answer(tty, INCIDENT)
            tty.comes(lambda text, before=before: steady(text) != before, BREATH)  # type: ignore[misc]
        for key in ("enter", "down", "down"):
            tty.comes(lambda _: False, BREATH)
            tty.press(key)
        tty.until(is_review)
        tty.comes(lambda _: False, 2 * BREATH)
        tty.press("q")
        recording.close(tty.end())
    finally:
        tty.close()


# --- where it happens -------------------------------------------------------------------------------------------


def step_inside() -> None:
    """Go on in a mount namespace of our own with an empty `PLACE`, if the machine lets us; else return."""
    unshare = shutil.which("unshare")
    if os.environ.get(INSIDE) or unshare is None or not PLACE.is_dir() or ASSETS.resolve().is_relative_to(PLACE):
        return
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    room = [unshare, "--mount", *user, "sh", "-c", f'mount -t tmpfs -o mode=755 tmpfs {PLACE} && exec "$@"', "sh"]
    if subprocess.run([*room, "true"], capture_output=True, check=False).returncode == 0:
        done = subprocess.run([*room, sys.executable, *sys.argv], env=os.environ | {INSIDE: "1"}, check=False)
        raise SystemExit(done.returncode)


@contextmanager
def place() -> Iterator[Path]:
    """Give an empty folder, for the time that it takes."""
    if os.environ.pop(INSIDE, ""):
        yield PLACE
        return
    with tempfile.TemporaryDirectory(prefix="runbook-") as folder:
        yield Path(folder)


def main() -> None:
    """Make them all, in a home that is thrown away."""
    step_inside()
    with place() as folder:
        home = folder / "olga"
        home.mkdir(mode=0o700)
        os.environ.update(LC_ALL="C.UTF-8", TZ="UTC", TEXTUAL_ANIMATIONS="none", LOGNAME="olga", USER="olga")
        os.environ.update(HOME=str(home), TMPDIR=str(folder))
        for name in [name for name in os.environ if name.startswith("XDG_")]:
            del os.environ[name]
        os.chdir(home)
        if "--walk" not in sys.argv:
            take_pictures(ASSETS, folder / "shop")
            made = [to_png(ASSETS / f"{name}-{size}-dark.svg") for name, size in PNG]
            print("PNG made" if all(made) else "no PNG: chromium is not here", file=sys.stderr)
        if "--still" not in sys.argv:
            record_walk(ASSETS / "walk.cast")


if __name__ == "__main__":
    main()
