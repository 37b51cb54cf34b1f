"""The screens under load: a flood of output, and how soon the first picture stands.

`python bench/tui.py flood` feeds 100,000 lines over the real bridge from a thread, while keys are pressed, and tells
the lag of the event loop, the answer to keys, memory, and whether the last line is shown. `python bench/tui.py paint`
compares the first paint with that of a bare Textual application, each in a terminal of its own.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pty
import resource
import select
import signal
import statistics
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path

LINES = 100_000
BURST = 500
"""Lines in one piece of output: what a busy command writes between two reads."""

BARE = "from textual.app import App; App().run()"
OURS = "from runbook.__main__ import main; main()"


def flood(lines: int = LINES) -> dict[str, float]:
    """Feed so many lines and return what was measured, in milliseconds and MiB."""
    return asyncio.run(_flood(lines))


async def _flood(lines: int) -> dict[str, float]:
    from runbook.events import fact as f
    from runbook.events.signal import OutputReceived
    from runbook.model.host import Host
    from runbook.model.plan import Plan, PlannedStep, Unit
    from runbook.model.playbook import Step
    from runbook.session.control import Control
    from runbook.tui.app import RunbookApp
    from runbook.tui.bridge import Bridge
    from runbook.tui.look import Look
    from runbook.tui.scene import Scene
    from runbook.tui.widgets.output import OutputView

    step = PlannedStep(
        id="flood",
        kind="action",
        uses="command",
        with_={},
        effect="change",
        hosts=("local",),
        once=False,
        timeout=60.0,
        on_failure="ask",
        parallel=1,
        source=Step(id="flood"),
    )
    unit = Unit(
        id="flood",
        title="Flood",
        is_stage=False,
        hosts=("local",),
        waves=(("local",),),
        when="",
        approve="none",
        on_failure="ask",
        parallel=1,
        steps=(step,),
    )
    plan = Plan(playbook="flood", title="Flood", units=(unit,), hosts={"local": Host("local", "local")})
    app = RunbookApp(_Nothing(), look=Look(), theme="runbook-dark")  # type: ignore[arg-type]
    lags: list[float] = []
    keys: list[float] = []
    busy: list[float] = []
    async with app.run_test(size=(120, 36)) as pilot:
        scene = Scene()
        bridge = Bridge(lambda _: plan, lambda: "flood", app._wake)  # noqa: SLF001
        app.scene, app._bridge = scene, bridge  # noqa: SLF001
        app.run_screen.open(scene, Control())
        await app.switch_mode("run")
        await pilot.pause()
        bridge.hear(f.SessionOpened(mode="run", actor={}, boot_id="", versions={}, playbook={"id": "flood"}))
        bridge.hear(f.AttemptStarted(step="flood", target="local", attempt=1, effect="change"))
        # The start of a step opens its output by itself; a key before that would be undone by it.
        await _until(lambda: app.run_screen.board.desk.view == "output")
        # The first picture of the screen is no answer to a key.
        await pilot.pause(0.5)
        gc.freeze()
        before = _resident()
        done = threading.Event()

        def feed() -> None:
            for at in range(0, lines, BURST):
                text = "".join(
                    f"{n:>8} a line of some length, as services write them: ok=true took=12ms\n"
                    for n in range(at, min(at + BURST, lines))
                )
                bridge.hear(OutputReceived("flood", "local", 1, "out", text, at))
            done.set()

        watching = asyncio.create_task(_lag(lags, busy))
        threading.Thread(target=feed, name="feed").start()
        began = time.perf_counter()
        well = app.run_screen.query_one(OutputView)
        while not done.is_set() or well.lines < lines:
            pressed = time.perf_counter()
            # Two views of the step, turn by turn: each answer draws the whole right side.
            wanted = "plan" if app.run_screen.board.desk.view != "plan" else "output"
            app.simulate_key("2" if wanted == "plan" else "3")
            await _until(lambda wanted=wanted: app.run_screen.board.desk.view == wanted)  # type: ignore[misc]
            keys.append(time.perf_counter() - pressed)
            await asyncio.sleep(0.06)
            if time.perf_counter() - began > 60:
                break
        took = time.perf_counter() - began
        watching.cancel()
        app.run_screen.board.view(3)
        await pilot.pause()
        last = well.visible_text().rpartition("\n")[2]
        memory = _resident()
    return {
        "lines": float(well.lines),
        "last line is shown": float(last.startswith(f"{lines - 1:>8} ")),
        "seconds until all is shown": took,
        "lag p50 ms": _percentile(lags, 50) * 1000,
        "lag p99 ms": _percentile(lags, 99) * 1000,
        "lag most ms": max(lags) * 1000,
        "own work p99 ms": _percentile(busy, 99) * 1000,
        "own work most ms": max(busy) * 1000,
        "key p50 ms": _percentile(keys, 50) * 1000,
        "key most ms": max(keys) * 1000,
        "keys": float(len(keys)),
        "memory MiB": memory,
        "memory for the lines MiB": memory - before,
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def _lag(lags: list[float], busy: list[float]) -> None:
    """Measure by how much the loop is late, and how much of that is its own work (CPU time of its thread)."""
    while True:
        began, worked = time.perf_counter(), time.thread_time()
        await asyncio.sleep(0.002)
        lags.append(time.perf_counter() - began - 0.002)
        busy.append(time.thread_time() - worked)


async def _until(holds: Callable[[], bool]) -> None:
    """Wait for something that the loop will bring about."""
    for _ in range(30_000):
        if holds():
            return
        await asyncio.sleep(0.001)


class _Nothing:
    """A session without anything in it."""

    def __getattr__(self, name: str) -> object:
        return lambda *_args, **_more: ()


def _percentile(values: list[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) * share // 100, len(ordered) - 1)]


def _resident() -> float:
    """Return the resident memory of this process in MiB (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def paint(code: str, home: Path) -> float:
    """Start a program in a terminal of its own; return the seconds until it has drawn its first full picture."""
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        environment["COLORTERM"] = "truecolor"
        os.execve(sys.executable, [sys.executable, "-c", f"import sys; sys.argv = ['runbook']; {code}"], environment)  # noqa: S606
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    began = time.perf_counter()
    drawn, answered = b"", False
    try:
        while time.perf_counter() - began < 30:
            if not select.select([terminal], [], [], 0.05)[0]:
                continue
            drawn += os.read(terminal, 65536)
            if not answered and b"\x1b[c" in drawn:
                # Every terminal says what it is when it is asked (DA1).
                os.write(terminal, b"\x1b[?62;22c")
                answered = True
            # The first picture holds the last row of the screen; what comes before sets modes of the terminal.
            if b"\x1b[24;" in drawn or drawn.count(b"\n") >= 23 or len(drawn) > 4000:
                return time.perf_counter() - began
    except OSError:
        pass
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    raise RuntimeError(f"nothing was drawn: {drawn[-400:]!r}")


def main() -> None:
    """Measure what is named: flood, paint, or both."""
    wanted = sys.argv[1:] or ["flood", "paint"]
    if "flood" in wanted:
        for name, value in flood().items():
            print(f"{name:<28} {value:10.1f}")
    if "paint" in wanted:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            bare, ours = [], []
            for _ in range(7):
                bare.append(paint(BARE, Path(folder)))
                ours.append(paint(OURS, Path(folder)))
        one, other = statistics.median(bare), statistics.median(ours)
        print(f"{'bare first paint s':<28} {one:10.2f}\n{'our first paint s':<28} {other:10.2f}")
        print(f"{'ratio':<28} {other / one:10.2f}")


if __name__ == "__main__":
    main()
