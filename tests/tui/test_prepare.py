"""Preparing a run as an operator does: values, hosts, what would change; and nothing begins before all is good."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.app import App
from textual.content import Content
from textual.pilot import Pilot

from runbook.config import settings
from runbook.engine.rehearsal import Rehearsed
from runbook.session.order import Order
from runbook.tui import messages as msg
from runbook.tui.look import Look
from runbook.tui.presenter import radius, rehearsal
from runbook.tui.presenter.filling import Filling
from runbook.tui.screens import prepare as screen
from runbook.tui.screens.prepare import PrepareScreen
from runbook.tui.theme import THEMES
from runbook.tui.widgets.begin import Begin
from runbook.tui.widgets.field_row import FieldInput, FieldRow
from runbook.tui.widgets.now_line import NowLine
from runbook.tui.widgets.pile import Pile
from tests.tui.canned import Canned, holds, plain

PLAYBOOK = """\
schema: runbook/v1
id: back
title: Roll back [/dev/sda1]
severity: sev1
params:
  pause: {type: duration, default: 30s, help: wait between waves}
  good_ref: {type: git_ref, required: true, help: last known good tag}
  mode: {type: choice, choices: [auto, systemd, supervised], default: auto}
  db_pass: {type: secret, from: "env:DB_PASS"}
targets:
  app: {hosts: "group:order"}
steps:
  - id: freeze
    manual: Stop it.
  - stage: roll-back
    on: app
    approve: operator
    rollout: {waves: [1, 100%], max_unavailable: 1}
    steps:
      - id: drop
        command: [rm, -rf, /nowhere]
        effect: destructive
        verify: [{command: [test, "!", -e, /nowhere]}]
        undo: {none: the service rebuilds it}
"""

INVENTORY = """\
hosts:
  order-1: {transport: local}
  order-2: {transport: local}
groups:
  order: {hosts: [order-1, order-2]}
"""

DIFF = """--- a/db.yaml
+++ b/db.yaml
@@ -2,3 +2,3 @@
   engine: mariadb
-  max_connections: 5000
+  max_connections: 500\x1b[2J
   min_idle: 50
"""


def seen(step: str, target: str, **more: object) -> Rehearsed:
    """Return what a rehearsal says of a step in a place."""
    told: dict[str, object] = {"title": step, "kind": "action", "effect": "change", "state": "known", **more}
    return Rehearsed(step=step, target=target, **told)  # type: ignore[arg-type]


class Stage(App[None]):
    """Holds the screen alone, and hears what it says."""

    CSS_PATH = Path(screen.__file__).parents[1] / "global.tcss"

    def __init__(self, canned: Canned, order: Order) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = "runbook-dark"
        self.prepare = PrepareScreen(Look(), canned)
        self.prepare.open(order)
        self.begun: list[Order] = []

    def on_mount(self) -> None:
        """Show it."""
        self.push_screen(self.prepare)

    def on_begin_wanted(self, message: msg.BeginWanted) -> None:
        """Hear."""
        self.begun.append(message.order)

    def row(self, name: str) -> FieldRow:
        """One field of the form."""
        return next(row for row in self.prepare.query(FieldRow) if row.field == name)

    def text(self, wanted: str) -> str:
        """What stands in an area, as plain text."""
        return plain(self.prepare.query_one(wanted))

    def told(self, name: str) -> str:
        """What is told below a field."""
        return plain(self.row(name).query_one(".message")).strip()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a playbook and an inventory."""
    monkeypatch.setenv("DB_PASS", "hush")
    (tmp_path / "back.yaml").write_text(PLAYBOOK)
    (tmp_path / "hosts.yaml").write_text(INVENTORY)
    return tmp_path


def canned(place: Path) -> Canned:
    """Return a session that knows the playbook, and what a rehearsal of it finds."""
    found = Canned(settings=settings(), playbook=place / "back.yaml")
    found.rehearsed = tuple(seen("drop", f"order-{n}", diff=DIFF, words="Drop the cache") for n in (1, 2))
    return found


def staged(place: Path, *, inventory: bool = True) -> Stage:
    """Return the screen with the playbook."""
    hosts = place / "hosts.yaml" if inventory else None
    return Stage(canned(place), Order(playbook=str(place / "back.yaml"), inventory=hosts, guided=True))


async def opened(stage: Stage, pilot: Pilot[None]) -> None:
    """Wait until the form stands."""
    await holds(pilot, lambda: len(stage.prepare.query("#fields FieldRow")) == 4 and stage.prepare.focused is not None)
    await pilot.pause()


async def test_enter_goes_to_what_is_to_be_fixed_then_to_begin_and_then_begins(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        assert stage.row("good_ref").has_focus_within
        assert "1 value to fix" in stage.text("NowLine")

        await pilot.press("enter")
        assert stage.begun == []
        await pilot.press(*"v1.2", "enter")
        assert isinstance(stage.prepare.focused, Begin)
        assert stage.begun == []
        # Twice in one burst begins once.
        for _ in range(2):
            stage.post_message(events.Key("enter", None))
        await holds(pilot, lambda: bool(stage.begun))
        await pilot.pause()

        assert [(order.values, order.guided) for order in stage.begun] == [({"good_ref": "v1.2"}, True)]
        assert stage.begun[0].inventory == place / "hosts.yaml"


async def test_a_wrong_value_says_what_to_write_as_it_is_typed(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        stage.row("pause").editor.focus()
        await pilot.press("end", "backspace")
        await pilot.pause()

        assert stage.told("pause") == "30 what? Write 30s or 30m."
        await pilot.press("m")
        await pilot.pause()
        assert stage.told("pause") == "wait between waves"


async def test_a_secret_is_never_shown_and_its_source_is(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        field = stage.row("db_pass")
        assert "env:DB_PASS" in stage.text("#fields")
        assert "hush" not in stage.text("#fields")

        field.editor.focus()
        await pilot.press("ctrl+u", *"pa55word")
        await pilot.pause()

        assert "pa55word" not in stage.text("#fields")
        assert "********" in stage.text("#fields")
        assert "write env:NAME" in stage.told("db_pass")


async def test_a_choice_is_turned_with_the_arrow_keys(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        stage.row("mode").editor.focus()
        await pilot.press("right", "l")
        await pilot.pause()

        assert stage.prepare.order.values == {"mode": "supervised"}


async def test_without_an_inventory_the_form_asks_for_it_and_reads_it_as_it_is_typed(place: Path) -> None:
    stage = staged(place, inventory=False)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        await pilot.press(*"v1", "enter")
        await pilot.pause()
        assert stage.row(":inventory").has_focus_within
        assert "name the inventory file" in stage.told(":inventory")

        stage.row(":inventory").query_one(FieldInput).post_message(events.Paste(str(place / "hosts.yaml") + "\n"))
        await holds(pilot, lambda: stage.prepare._filling.is_ready)
        assert len(stage.prepare.query_one("#hosts", Pile).rows) == 2


async def test_hosts_are_taken_out_and_in_again(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        await pilot.press("ctrl+t", "ctrl+t")
        await holds(pilot, lambda: stage.prepare.order.limit == "order-2")
        await holds(pilot, lambda: stage.prepare._filling.hosts() == (("order-1", False), ("order-2", True)))
        assert "left out" in stage.text("#hosts")

        await pilot.press("ctrl+t")
        await holds(pilot, lambda: stage.prepare.order.limit == "")


async def test_the_rehearsal_begins_by_itself_and_is_out_of_date_after_a_change(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(120, 36)) as pilot:
        await opened(stage, pilot)
        await pilot.press(*"v1")
        await holds(pilot, lambda: stage.prepare._found.state == "done")
        await pilot.pause()
        shown = stage.text("#diffs")
        assert "-3    max_connections: 5000" in shown
        assert "order-1, order-2, +1 -1 lines" in shown
        assert "␛[2J" in shown

        await pilot.press("2")
        await pilot.pause()
        assert "out of date" in stage.text("#diff-heading")

        # The clock goes on while somebody thinks, and what is opened anew does not pass for what stood there before.
        stage.prepare.head.right = Content("")
        await holds(pilot, lambda: "nothing changed so far" in stage.prepare.head.right.plain)
        stage.prepare.open(stage.prepare.order)
        assert stage.prepare.query_one(NowLine).now.first.plain == "Reading the playbook"
        await holds(pilot, lambda: stage.prepare._found.state == "done")


async def test_what_the_rehearsal_refused_stands_in_the_headline_until_a_value_is_corrected(place: Path) -> None:
    stage = staged(place)
    refusal = seen("drop", "order-1", state="refused", words="there is no commit 'v1'")
    stage.prepare._backend.rehearsed = (refusal,)  # type: ignore[attr-defined]
    async with stage.run_test(size=(120, 36)) as pilot:
        await opened(stage, pilot)
        await pilot.press(*"v1")
        await holds(pilot, lambda: stage.prepare._found.state == "done")
        await holds(pilot, lambda: "NOT READY" in stage.text("NowLine"))
        assert "The rehearsal refused drop." in stage.text("NowLine")

        await pilot.press("2")
        await holds(pilot, lambda: "All values are good." in stage.text("NowLine"))
        assert "warning" not in stage.text("NowLine")


async def test_a_rehearsal_can_be_stopped(place: Path) -> None:
    stage = staged(place)
    stage.prepare._backend.held.clear()  # type: ignore[attr-defined]
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        await pilot.press(*"v1", "ctrl+r")
        await holds(pilot, lambda: stage.prepare._found.state == "running")
        await pilot.press("ctrl+r")
        await pilot.pause()

        assert stage.prepare._found.state == "stopped"


async def test_what_was_typed_is_kept_for_the_next_time(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        await pilot.press(*"v1")
        await pilot.pause()
        stage.prepare.open(Order(playbook="other", guided=True))
        stage.prepare.open(Order(playbook=str(place / "back.yaml"), guided=True))
        await opened(stage, pilot)

        assert stage.prepare.order.values == {"good_ref": "v1"}


async def test_what_came_with_an_order_is_kept_when_the_library_opens_the_file_that_it_named(place: Path) -> None:
    stage = staged(place)
    given = Order(playbook="back", values={"good_ref": "v2", "pause": "9s"}, inventory=place / "hosts.yaml")
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        stage.prepare.open(given)
        await holds(pilot, lambda: "9s" in [field.value for field in stage.prepare.query(FieldInput)])
        await holds(pilot, lambda: isinstance(stage.prepare.focused, Begin))
        stage.row("pause").editor.focus()
        await pilot.press("end", "backspace", "m")
        stage.prepare.open(Order(playbook="other", guided=True))
        stage.prepare.open(Order(playbook=str(place / "back.yaml"), guided=True))
        await opened(stage, pilot)

        assert stage.prepare.order.values == {"good_ref": "v2", "pause": "9m"}
        assert stage.prepare.order.inventory == place / "hosts.yaml"


async def test_what_is_typed_ahead_of_the_focus_goes_where_the_focus_goes(place: Path) -> None:
    stage = staged(place, inventory=False)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        for key in ("v", "1", "enter", "paste", *str(place / "hosts.yaml"), "enter", "enter"):
            # What is pasted behind Enter is for no field that was out of sight, nor for the one that was left.
            paste = events.Paste("a\rb") if key == "paste" else None
            stage.post_message(paste or events.Key(key, "\r" if key == "enter" else key))
        await holds(pilot, lambda: bool(stage.row(":inventory").editor.value))
        await holds(pilot, lambda: stage.prepare.order.inventory == place / "hosts.yaml")

        assert stage.prepare.order.values == {"good_ref": "v1"}
        assert ["Paste it again" in note.message for note in stage._notifications] == [True]


async def test_digits_open_the_views_and_leave_text_alone(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        await pilot.press("3")
        assert stage.prepare.order.values == {"good_ref": "3"}
        await pilot.press("enter", "3")
        await pilot.pause()

        assert "2 hosts × 1 changing step" in stage.text("#radius")
        assert "none: the service rebuilds it" in stage.text("#radius")
        assert "Waves 1, 2 hosts · at most 1 down" in stage.text("#radius")


async def test_a_broken_playbook_is_told_with_its_place(place: Path) -> None:
    (place / "back.yaml").write_text(PLAYBOOK.replace("effect: destructive", "effekt: destructive"))
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await holds(pilot, lambda: bool(stage.prepare._trouble))
        await pilot.pause()

        # Where the lines are broken depends on the length of the path.
        assert 'back.yaml:22:9:unknownkey"effekt"' in "".join(stage.text("#broken").split())
        await pilot.press("enter")
        assert stage.begun == []


async def test_nothing_breaks_at_any_size(place: Path) -> None:
    stage = staged(place)
    async with stage.run_test(size=(80, 24)) as pilot:
        await opened(stage, pilot)
        for size in ((20, 5), (200, 50), (120, 36), (1, 1), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.press("tab", "tab", "tab", "tab", "tab", "z", "z")

        assert stage.begun == []


def test_a_limit_names_only_the_hosts_that_are_in(place: Path) -> None:
    filling = Filling(Order(playbook="back", inventory=place / "hosts.yaml"))
    filling.draft = canned(place).draft(filling.asked())

    filling.toggle("order-1")
    assert filling.limit == "order-2"
    filling.draft = canned(place).draft(filling.asked())
    filling.toggle("order-2")
    assert filling.limit == "order-2"


def test_a_diff_has_the_numbers_of_its_lines() -> None:
    rows = ["".join(text for text, _ in row) for row in rehearsal.diff_rows(DIFF)]

    assert rows == [
        "    2    engine: mariadb",
        "   -3    max_connections: 5000",
        "   +3    max_connections: 500␛[2J",
        "    4    min_idle: 50",
    ]


def test_the_radius_fits_its_columns(place: Path) -> None:
    found = canned(place).draft(Order(playbook="back"))

    for cells in (20, 40, 55, 120):
        for row in radius.rows(found, (), cells):
            assert sum(len(text) for text, _ in row) <= max(cells, 40)
