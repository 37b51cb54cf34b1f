"""Moments of every screen, with canned facts at a fixed time: what pictures are taken of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from runbook.config import settings
from runbook.engine.question import ABORT, PAUSE, SKIP
from runbook.engine.rehearsal import Rehearsed
from runbook.model.question import Choice, Preview, Question
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.tui.bridge import Asked
from runbook.tui.comfort import Comfort
from runbook.tui.dialogs.question import sheet_for
from runbook.tui.look import Look
from runbook.tui.scene import Scene
from runbook.tui.screens import library
from runbook.tui.screens.library import LibraryScreen
from runbook.tui.screens.prepare import PrepareScreen
from runbook.tui.screens.review import ReviewScreen
from runbook.tui.screens.run import RunScreen
from runbook.tui.theme import THEMES
from runbook.tui.widgets.field_row import FieldInput
from runbook.tui.widgets.preview import Preview as Page
from tests import builders as b
from tests.tui import scenes
from tests.tui.canned import NOW, Canned, holds, plain
from tests.tui.recorded import RUN, Recorded

CONFIG = Path(__file__).parents[2] / "playbooks/config-rollback.yaml"
STYLES = Path(library.__file__).parents[1] / "global.tcss"

DIFF = """--- db-config.yaml
+++ db-config.yaml (release/stable-20231020)
@@ -11,4 +11,4 @@
 pool:
   engine: mariadb
-  max_connections: 5000
+  max_connections: 500
"""

INVENTORY = """\
hosts:
  order-1: {transport: local}
  order-2: {transport: local}
  order-3: {transport: local}
groups:
  order: {hosts: [order-1, order-2, order-3]}
"""

FAILED = Question(
    id="failure/restart",
    kind="failure",
    title="Restart order-service failed. Nothing runs now",
    step="restart",
    places=("order-2",),
    evidence=(
        "order-2: failed: order-service did not come back: exit 1 after 1:30",
        "    Job for order-service.service failed: timeout was exceeded",
        "    bind 0.0.0.0:8080: address already in use",
        "order-1 succeeded",
        "order-3 is untouched",
    ),
    choices=(
        Choice("retry", "retry: run", key="r"),
        Choice("retry_failed", "retry failed hosts", key="f"),
        Choice("edit", "edit", key="e"),
        SKIP,
        Choice("exclude", "exclude", key="x", reason=True),
        Choice("done", "mark", key="m", reason=True),
        Choice("undo", "undo", key="u"),
        Choice("undo_all", "undo all", key="U"),
        PAUSE,
        ABORT,
    ),
    safe="pause",
)

DOUBT = Question(
    id="doubt/restart",
    kind="doubt",
    title="restart is in doubt. It may have finished, or not. Nothing is run again until you decide",
    step="restart",
    places=("order-2",),
    evidence=(
        "order-2: the connection broke",
        "    child process: here, pid 51820: gone, same boot",
        "    job folder: claimed 03:21:30, no exit status \x1b[31m",
        "    verify now: no data",
    ),
    choices=(
        Choice("look", "look again: read the target once more", key="l"),
        Choice("done", "mark done: with a reason", key="m", reason=True),
        Choice("failed", "mark failed: with a reason", key="F", reason=True),
        Choice("undo", "undo this step", key="u"),
        Choice("again", "run it again", key="R", typed="restart"),
        PAUSE,
    ),
    safe="look",
)

APPROVE = Question(
    id="approve/roll-back",
    kind="approve",
    title="Approve Roll back: 2 changing steps on 3 targets",
    step="roll-back",
    places=b.HOSTS,
    previews=tuple(
        Preview(host, words, commands, diff, (f"Way back: {back}",))
        for words, commands, diff, back in (
            (
                "puts back /opt/config/db-config.yaml as in release/stable-20231020",
                ("git -C /opt/config show 9f3c2ab:db-config.yaml",),
                DIFF,
                "the file as it was",
            ),
            ("restarts order-service", ("systemctl restart order-service",), "", "it is restarted again"),
        )
        for host in b.HOSTS
    ),
    choices=(Choice("approve", "approve exactly what is shown", key="y"), PAUSE, ABORT),
    safe="pause",
    digest=b.digest("approve"),
)

CONFIRM = Question(
    id="confirm/drop-cache",
    kind="confirm",
    title="drop-cache is destructive. To run it, type the target and the number of hosts",
    step="drop-cache",
    places=b.HOSTS,
    previews=tuple(
        Preview(
            host,
            "Deletes the cache folder of order-service and all in it.",
            ("rm -rf /var/cache/order-service",),
            "",
            ("Way back: none: the service rebuilds its cache",),
        )
        for host in b.HOSTS
    ),
    choices=(Choice("confirm", "run it", typed="app 3"), SKIP, PAUSE, ABORT),
    safe="pause",
    digest=b.digest("confirm"),
)


class Room(Comfort):
    """Shows one screen with what every screen offers, and what lies over it."""

    CSS_PATH = STYLES

    seconds: ClassVar[float] = 1000.0

    def __init__(self, screen: Screen[None], over: Callable[[], Screen[Any]] | None = None) -> None:
        super().__init__()
        self.look = Look()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "runbook-dark"
        self.below = screen
        self._over = over

    def on_mount(self) -> None:
        """Show it."""
        self.push_screen(self.below)

    def lay(self) -> None:
        """Lay the dialog over the screen."""
        if self._over is not None:
            self.push_screen(self._over())

    def text(self, wanted: str) -> str:
        """What stands in an area, as plain text."""
        return plain(self.below.query_one(wanted))


Reach = Callable[[Room, "Pilot[int]"], Awaitable[None]]


class Moment(Struct, frozen=True):
    """A screen, and how it comes to what is pictured."""

    room: Callable[[Path], Room]
    """Builds it; may write files into a folder, which is the current one."""
    reach: Reach


def _paste(room: Room, text: str) -> None:
    assert room.focused is not None
    room.focused.post_message(events.Paste(text))


class Still(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        """Return the time of the incident."""
        return NOW if tz is None else NOW.astimezone(tz)


# --- the screens ------------------------------------------------------------------------------------------------


def _library(_: Path, **more: Any) -> Room:
    return Room(LibraryScreen(Look(), Canned(settings=settings(), playbook=CONFIG, **more)))


async def _alert(room: Room, pilot: Pilot[int]) -> None:
    await holds(pilot, lambda: bool(room.below._is_read))  # type: ignore[attr-defined]
    _paste(room, "pool exhausted")
    await holds(pilot, lambda: "2 change" in plain(room.below.query_one(Page)))


def _prepare(folder: Path) -> Room:
    (folder / "hosts.yaml").write_text(INVENTORY)
    known = Canned(settings=settings(), playbook=CONFIG)
    known.rehearsed = (
        *(_seen("compare", host, effect="read", words="reads the file and its history") for host in b.HOSTS),
        *(_seen("restore", host, diff=DIFF, words="puts back /opt/config/db-config.yaml") for host in b.HOSTS),
        *(_seen("restart", host, state="later", words="known after restore") for host in b.HOSTS),
        _seen("errors", "*", kind="baseline", title="error rate", effect="read", words="0.4 %"),
        _seen("guard", "*", kind="guard", title="error rate", effect="read", words="bad now, 3 in a row pause the run"),
    )
    screen = PrepareScreen(Look(), known)
    screen.open(Order(playbook=str(CONFIG), inventory=Path("hosts.yaml"), guided=True))
    return Room(screen)


def _seen(step: str, target: str, **more: object) -> Rehearsed:
    told: dict[str, object] = {"title": step, "kind": "action", "effect": "change", "state": "known", **more}
    return Rehearsed(step=step, target=target, **told)  # type: ignore[arg-type]


async def _form(room: Room, pilot: Pilot[int]) -> None:
    await holds(pilot, lambda: isinstance(room.below.focused, FieldInput))


async def _filled(room: Room, pilot: Pilot[int]) -> None:
    await _form(room, pilot)
    _paste(room, "release/stable-20231020")
    await holds(pilot, lambda: room.below._found.state == "done")  # type: ignore[attr-defined]
    await pilot.press("enter")


def _run(scene: Callable[[], Scene], over: Question | None = None, look: Look | None = None) -> Room:
    screen = RunScreen(look or Look(), scene(), lambda: Room.seconds)
    screen.open(screen.scene, Control())
    return Room(screen, None if over is None else lambda: sheet_for(over, look or Look(), screen.scene.state, 0))


async def _still(room: Room, pilot: Pilot[int]) -> None:
    await holds(pilot, lambda: bool(room.below.query("Board")))
    room.lay()


async def _asked(room: Room, pilot: Pilot[int]) -> None:
    await _still(room, pilot)
    _, question = scenes.asking(Room.seconds)
    room.below.put(Asked(question, Future()))  # type: ignore[attr-defined]


def _review(_: Path, **more: Any) -> Room:
    return Room(ReviewScreen(Look(), Recorded(**more), lambda: 0.0))


async def _listed(room: Room, pilot: Pilot[int]) -> None:
    await holds(pilot, lambda: len(room.below.query_one("#past-runs").rows) == 4)  # type: ignore[attr-defined]


async def _opened(room: Room, pilot: Pilot[int]) -> None:
    await _listed(room, pilot)
    room.below.open(RUN)  # type: ignore[attr-defined]
    await holds(pilot, lambda: room.below.run == RUN and "chain whole" in room.text("NowLine"))  # type: ignore[attr-defined]
    await pilot.press("t")
    await holds(pilot, lambda: isinstance(room.focused, Input))
    _paste(room, "8:12")
    await pilot.press("enter")
    await holds(pilot, lambda: room.screen is room.below)


MOMENTS: dict[str, Moment] = {
    "library": Moment(_library, _alert),
    "prepare": Moment(_prepare, _filled),
    "run-waiting": Moment(lambda _: _run(lambda: scenes.asking(Room.seconds)[0]), _asked),
    "run-running": Moment(lambda _: _run(lambda: scenes.running(Room.seconds)), _still),
    "failure": Moment(lambda _: _run(lambda: scenes.running(Room.seconds), FAILED), _still),
    "approval": Moment(lambda _: _run(lambda: scenes.asking(Room.seconds)[0], APPROVE), _still),
    "review": Moment(_review, _opened),
}
