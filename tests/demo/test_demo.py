"""The demo as a whole: the shipped playbook heals the real shop, the way back is a real one, and nothing is left."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runbook.config import Settings, settings
from runbook.demo import tree
from runbook.demo.incident import find_incident
from runbook.demo.layout import ORDER, SHOP_MARK, Layout
from runbook.demo.number import Numbers, is_broken, is_healthy, read_numbers
from runbook.demo.repository import BAD_CONNECTIONS, GOOD_CONNECTIONS
from runbook.demo.shop import Shop, open_shop
from runbook.demo.state import State, read_state
from runbook.events import fact as f
from runbook.events.signal import Signal
from runbook.journal import Layout as Journal
from runbook.session import staging
from runbook.session.control import Control
from runbook.session.demo import INCIDENT, DemoResult, demo, demo_stop, tell_kept
from runbook.session.draft import draft
from runbook.session.order import Order
from runbook.session.record import state_of
from runbook.session.result import Result
from runbook.session.run import start, undo
from runbook.session.stage import Stage
from runbook.session.unattended import Unattended
from runbook.testing import ScriptedApprover
from tests.demo.conftest import crew, until

pytestmark = pytest.mark.slow

NOBODY = Unattended()


class Show:
    """One demo in a folder of its own: what it told, and what of its shop is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder)
        self.control = Control()
        self.settings: Settings = settings(folder.parent)
        self.lines: list[str] = []
        self.stop_at = ""
        self.raise_at = ""
        self.state: State | None = None

    def tell(self, line: str) -> None:
        self.lines.append(line)
        if self.state is None and self.folder.exists():
            self.state = read_state(self.folder)
        if self.raise_at and line.startswith(self.raise_at):
            raise KeyboardInterrupt
        if self.stop_at and line.startswith(self.stop_at):
            self.control.cancel("Ctrl-C")

    def run(self, *listeners: "StopAt", approver: ScriptedApprover | None = None, keep: bool = False) -> DemoResult:
        return demo(
            self.settings,
            approver or NOBODY,
            listeners,
            self.control,
            guided=approver is not None,
            keep=keep,
            folder=self.folder,
            tell=self.tell,
        )

    @property
    def numbers(self) -> Numbers:
        assert self.state is not None
        return read_numbers(self.state.ports)

    @property
    def left(self) -> tuple[int, bool]:
        """How many processes of the shop live, and whether its folder is there."""
        assert self.state is not None
        return len(tree.members((SHOP_MARK, self.state.token))), self.folder.exists()


class StopAt:
    """Asks for the end of the run when it hears of an operation."""

    def __init__(self, control: Control, operation: str) -> None:
        self._control = control
        self._operation = operation

    def hear(self, event: f.Fact | Signal) -> None:
        if isinstance(event, f.OperationIntended) and event.operation == self._operation:
            # As a signal does it: from a thread that is not the run's.
            threading.Thread(target=self._control.cancel, args=("Ctrl-C",)).start()


@pytest.fixture
def show(tmp_path: Path) -> Show:
    return Show(tmp_path / "shop")


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch for a second where the demo watches for several."""
    monkeypatch.setitem(staging.SHORT, "stable", "1s")
    monkeypatch.setitem(staging.SHORT, "steady", "1s")
    monkeypatch.setitem(staging.SHORT, "soak", "1s")


@contextmanager
def kept(show: Show) -> Iterator[DemoResult]:
    """A shop that the demo has healed and left up."""
    try:
        yield show.run(keep=True)
    finally:
        if show.folder.exists():
            demo_stop(show.folder)


def pool_sizes(show: Show) -> str:
    return show.layout.config_file.read_text()


@pytest.mark.usefixtures("briefly")
def test_the_shipped_playbook_heals_the_shop_unattended(show: Show) -> None:
    found = show.run()

    assert is_healthy(found.before)
    assert is_broken(found.broken)
    assert found.broken.pool_max == BAD_CONNECTIONS
    assert found.after is not None
    assert is_healthy(found.after)
    assert found.after.pool_max == GOOD_CONNECTIONS
    assert (found.healthy, found.result.status, found.folder) == (True, "succeeded", None)
    assert show.left == (0, False)
    assert [s.source for s in found.result.state.decisions] == ["answers", "command-line"]
    assert state_of(Journal(show.settings.state), found.result.run).status == "succeeded"


@pytest.mark.usefixtures("briefly")
def test_a_guided_demo_asks_before_each_step(show: Show) -> None:
    approver = ScriptedApprover({"manual": "done", "proceed": "run", "approve": "approve"})

    found = show.run(approver=approver)

    assert (found.healthy, found.result.status) == (True, "succeeded")
    assert [(q.kind, q.step) for q in approver.asked] == [
        ("manual", "freeze"),
        ("proceed", "compare"),
        ("approve", "roll-back"),
        ("proceed", "answers"),
        ("proceed", "soak"),
        ("proceed", "normal"),
        ("proceed", "tell"),
    ]
    assert show.left == (0, False)


@pytest.mark.usefixtures("briefly")
def test_undo_gives_the_bad_state_back_while_the_shop_is_up_once_the_edit_of_somebody_else_is_gone(show: Show) -> None:
    with kept(show) as found:
        assert (found.folder, show.left, read_state(show.folder).is_kept) == (
            show.folder,
            (crew(show.folder), True),
            True,
        )
        assert f"runbook undo {found.result.run}" in "\n".join(show.lines)
        bad_commit = (show.layout.config / ".git/refs/heads/main").read_text()
        good = pool_sizes(show)
        edited = good.replace(f"max_connections: {GOOD_CONNECTIONS}", "max_connections: 60")
        show.layout.config_file.write_text(edited)

        result = undo(show.settings, found.result.run, NOBODY)

        assert result.status == "undo_incomplete"
        assert pool_sizes(show) == edited
        (at,) = (at for (step, _), at in result.state.steps.items() if step == "restore")
        assert "changed by somebody else" in at.error
        assert any("db-config.yaml" in line for line in at.evidence)
        assert result.pending_undo > 0
        assert is_healthy(show.numbers)

        show.layout.config_file.write_text(good)

        result = undo(show.settings, found.result.run, NOBODY)

        assert result.status == "undone"
        assert f"max_connections: {BAD_CONNECTIONS}" in pool_sizes(show)
        assert (show.layout.config / ".git/refs/heads/main").read_text() == bad_commit
        until(lambda: is_broken(show.numbers))
        assert show.numbers.pool_max == BAD_CONNECTIONS
        demo_stop(show.folder)
        assert show.left == (0, False)


def test_a_kept_shop_tells_how_the_screens_open_on_it_again(tmp_path: Path) -> None:
    class Place:
        folder = tmp_path
        inventory_vars: ClassVar[dict[str, str]] = {}

        def parameters(self) -> dict[str, str]:
            places = {
                "repo": "/known",
                "file": "/known/file",
                "service": "known",
                "good_ref": "known",
                "normal_at": "1h",
            }
            return places | dict.fromkeys(("health_url", "metrics_url", "order_page", "control"), "http://known")

    show = Show(tmp_path / "shop")
    nothing: Any = None
    stage = Stage(show.settings, Place(), find_incident(INCIDENT), nothing, nothing)  # type: ignore[arg-type]
    tell_kept(stage, None, show.tell)

    (line,) = (line for line in show.lines if line.startswith("  screens: "))
    values = tmp_path / "config-rollback.yaml"
    said = ["runbook", "open", "config-rollback", "--inventory", str(tmp_path / "inventory.yaml")]
    assert line.split()[1:] == [*said, "--vars-file", str(values)]
    order = stage.order(stage.staging.cures[0], guided=True)
    again = draft(stage.settings, Order(playbook=order.playbook, inventory=order.inventory, vars_files=(values,)))
    given = {field.name: field.value for field in again.fields if field.source != "default"}
    assert {name: given[name] for name in order.values} == order.values
    assert again.is_ready


@pytest.mark.parametrize("moment", ["opening", "before", "broken", "the alert"])
def test_nothing_is_left_if_the_end_is_asked_for_before_the_run(show: Show, moment: str) -> None:
    show.stop_at = moment

    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        show.run(keep=True)

    assert show.left == (0, False)
    assert not show.settings.state.exists()


@pytest.mark.usefixtures("briefly")
@pytest.mark.parametrize("operation", ["backup", "restart"])
def test_nothing_but_the_run_is_left_if_the_end_is_asked_for_in_the_middle(tmp_path: Path, operation: str) -> None:
    show = Show(tmp_path / "first")
    found = show.run(StopAt(show.control, operation))

    assert (found.result.status, found.after, found.healthy, found.folder) == ("interrupted", None, False, None)
    assert show.left == (0, False)
    assert state_of(Journal(show.settings.state), found.result.run).status == "interrupted"
    assert "cannot be resumed" in show.lines[-1]
    if operation == "restart":
        # Nor does what is left stand in the way of the next demo.
        assert Show(tmp_path / "second").run().healthy is True


@pytest.mark.usefixtures("briefly")
def test_a_shop_that_is_to_be_kept_stays_for_a_run_that_was_stopped(show: Show) -> None:
    found = show.run(StopAt(show.control, "restart"), keep=True)

    try:
        assert (found.result.status, found.folder) == ("interrupted", show.folder)
        assert f"  resume: runbook resume {found.result.run}" in show.lines
        assert "  screens: runbook; ^o and Enter go on with the run" in show.lines
        assert undo(show.settings, found.result.run, NOBODY).status == "undone"
    finally:
        demo_stop(show.folder)
    assert show.left == (0, False)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.usefixtures("briefly")
def test_nothing_is_left_after_an_error(show: Show, moment: str) -> None:
    show.raise_at = moment

    with pytest.raises(KeyboardInterrupt):
        show.run(keep=True)

    assert show.left == (0, False)


@pytest.mark.parametrize(
    ("number", "line", "code"),
    [
        (signal.SIGINT, "before", 130),
        (signal.SIGTERM, "before", 143),
        (signal.SIGTERM, "✓ succeeded   restore", 1),
        (signal.SIGKILL, "✓ succeeded   restore", -signal.SIGKILL),
    ],
)
def test_nothing_is_left_when_the_command_is_ended_by_a_signal(
    tmp_path: Path, number: signal.Signals, line: str, code: int
) -> None:
    command = [sys.executable, "-m", "runbook", "demo"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any(told.startswith(line) for told in process.stderr)
        (folder,) = tmp_path.glob("runbook-shop-*")
        mark = (SHOP_MARK, read_state(folder).token)
        process.send_signal(number)
        process.stderr.read()
    assert process.returncode == code
    until(lambda: (tree.members(mark), folder.exists()) == ([], False))


def run_playbook(shop: Shop, show: Show) -> Result:
    (cure,) = staging.STAGINGS["config-rollback"].cures
    stage = Stage(show.settings, shop, find_incident("config-rollback"), shop.numbers(), shop.numbers())
    approver = Unattended(("roll-back",), {"freeze": "done"})
    return start(stage.settings, stage.order(cure, guided=False), approver)


def test_a_file_that_is_as_in_the_release_is_told_and_nothing_is_changed(show: Show) -> None:
    with open_shop(show.folder) as shop:
        shop.start()

        result = run_playbook(shop, show)

    assert (result.status, result.state.changes) == ("succeeded", ())
    status = {step: at.status for (step, _), at in result.state.steps.items()}
    assert status["restore"] == status["restart"] == status["soak"] == status["tell"] == "skipped"
    told = str(result.state.at("not-the-file", "*").result["message"])
    assert "is as in release/stable-20231020 on every host: nothing is rolled back" in told


def test_a_sick_service_with_a_good_file_fails_without_a_change(show: Show) -> None:
    with open_shop(show.folder) as shop:
        shop.start()
        shop.control("stop", ORDER)

        result = run_playbook(shop, show)

    assert (result.status, result.state.changes) == ("failed", ())
    status = {step: at.status for (step, _), at in result.state.steps.items()}
    assert status["look-elsewhere"] == "failed"
