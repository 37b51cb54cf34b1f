"""A model of the engine: runs are started, broken off, cancelled, resumed and undone, and the target is as they say.

A crash here is a recorder that takes no more facts from some moment on: nothing after it is on record, as when the
process had ended. Real processes are killed in `tests/fault/test_kill.py`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runbook.events import fact as f
from runbook.events.signal import Signal
from runbook.events.status import BAD
from runbook.journal import Writer, list_runs
from runbook.session import carry
from runbook.session.control import Control
from runbook.session.record import JournalRecorder
from runbook.session.result import Result
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, Ear

BODY = """
steps:
  - id: one
    shell: echo do one >> DIR/log
    effect: change
    verify: [{command: [grep, -q, "one", DIR/log]}]
    undo: [{shell: echo un one >> DIR/log}]
  - id: file
    uses: file.restore
    with: {path: DIR/config, backup: DIR/config.good}
  - id: healthy
    command: [test, -e, DIR/healthy]
    effect: read
  - id: two
    shell: echo do two >> DIR/log
    effect: change
    verify: [{command: [grep, -q, "two", DIR/log]}]
    undo: [{shell: echo un two >> DIR/log}]
"""
OVER = {"undone", "aborted"}
MOMENT = st.integers(0, 30)
"""After how many facts something happens; a whole run has some thirty."""


class Crash(BaseException):
    """The end of a process, as far as one process can tell."""


@contextmanager
def crash_after(count: int | None) -> Iterator[None]:
    """Let every recorder take so many facts and no more."""

    class Mortal(JournalRecorder):
        def __init__(self, writer: Writer) -> None:
            super().__init__(writer)
            self._left = count

        def put(self, *facts: f.Fact) -> int:
            if self._left is not None:
                if self._left <= 0:
                    raise Crash
                self._left -= 1
            return super().put(*facts)

    with mock.patch.object(carry, "JournalRecorder", Mortal):
        yield


class Engine(RuleBasedStateMachine):
    """One run at a time on this machine; every new one in a folder of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.root.chmod(0o700)
        self.before = dict(os.environ)
        os.environ |= {"HOME": str(self.root), "XDG_STATE_HOME": str(self.root / "state")}
        self.number = itertools.count(1)
        self.run = ""
        self.desk = Desk(self.root)

    def teardown(self) -> None:
        os.environ.clear()
        os.environ |= self.before
        shutil.rmtree(self.root)

    @precondition(lambda self: not self.run)
    @rule(crash=st.none() | MOMENT, cancel=st.none() | MOMENT, healthy=st.booleans())
    def start(self, crash: int | None, cancel: int | None, healthy: bool) -> None:
        folder = self.root / str(next(self.number))
        folder.mkdir()
        (folder / "config").write_text("bad\n")
        (folder / "config.good").write_text("good\n")
        self.desk = Desk(folder)
        if healthy:
            self.desk.path("healthy").touch()
        known = set(list_runs(self.desk.layout))
        control, ear = self._cancelling(cancel)
        with crash_after(crash):
            self._carry(lambda: self.desk.start(BODY, ear=ear, control=control))
        new = set(list_runs(self.desk.layout)) - known
        # A run without a first record never was: nothing of it can have happened.
        self.run = next((run for run in new if self.desk.facts(run)), "")

    @precondition(lambda self: self.run and self._status() not in {"succeeded", *OVER})
    @rule(crash=st.none() | MOMENT, cancel=st.none() | MOMENT, heal=st.booleans())
    def resume(self, crash: int | None, cancel: int | None, heal: bool) -> None:
        if heal:
            self.desk.path("healthy").touch()
        control, ear = self._cancelling(cancel)
        with crash_after(crash):
            self._carry(lambda: self.desk.resume(self.run, listeners=(ear,), control=control))

    @precondition(lambda self: self.run and self._status() not in OVER and self.desk.state(self.run).standing)
    @rule(crash=st.none() | MOMENT)
    def undo(self, crash: int | None) -> None:
        with crash_after(crash):
            self._carry(lambda: self.desk.undo(self.run, ScriptedApprover({"drift": "pause"})))

    @precondition(lambda self: self.run and (self._status() in OVER or self._status() == "succeeded"))
    @rule()
    def forget(self) -> None:
        """Leave the run as it is, so that another one can be started."""
        self.run = ""

    @invariant()
    def the_journal_holds(self) -> None:
        assert self.desk.holds()

    @invariant()
    def nothing_is_done_twice_in_a_row(self) -> None:
        for step in ("one", "two"):
            acts = [line.split()[0] for line in self.desk.lines("log") if line.endswith(step)]
            assert acts == ["do", "un"] * (len(acts) // 2) + ["do"] * (len(acts) % 2)

    @invariant()
    def the_target_is_as_the_state_says(self) -> None:
        if not self.run:
            return
        state = self.desk.state(self.run)
        for step in ("one", "file", "two"):
            at = state.at(step, "local")
            if self._is_open(step):
                continue
            assert self._is_done(step) == (at.status == "succeeded"), (step, at.status)

    @invariant()
    def what_changed_can_be_led_back(self) -> None:
        if self.run:
            standing = {step for step, _, _ in self.desk.state(self.run).standing}
            assert {step for step in ("one", "file", "two") if self._is_done(step)} <= standing

    def _status(self) -> str:
        return self.desk.state(self.run).status

    def _is_open(self, step: str) -> bool:
        """Whether the record says itself that it does not know, or that the change or its undo may be half done."""
        at = self.desk.state(self.run).at(step, "local")
        last = at.attempt
        if last is None:
            return False
        half = at.status == "undo_failed" or (at.status in BAD and last.may_have_changed)
        return half or at.status == "in_doubt" or last.is_open or last.undo_open

    def _is_done(self, step: str) -> bool:
        if step == "file":
            return self.desk.text("config") == "good\n"
        acts = [line for line in self.desk.lines("log") if line.endswith(step)]
        return len(acts) % 2 == 1

    def _cancelling(self, moment: int | None) -> tuple[Control, Ear]:
        control = Control()
        seen = itertools.count(1)

        def heard(event: f.Fact | Signal) -> None:
            if next(seen) == moment:
                control.cancel("the model wants it")

        return control, Ear(heard)

    def _carry(self, act: object) -> None:
        assert callable(act)
        try:
            result = act()
        except Crash:
            return
        assert isinstance(result, Result)
        assert result.status != "running"
        assert result.state.sessions


Engine.TestCase.settings = settings(
    max_examples=10 if settings().max_examples <= 50 else 150,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestEngine = Engine.TestCase
