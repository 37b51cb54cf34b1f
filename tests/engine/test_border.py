"""What stands at the borders of the engine may break: actions of guests, and the journal itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest

from runbook.actions.file_restore import FileRestore
from runbook.errors import JournalError, JournalFull
from runbook.events import fact as f
from runbook.journal import Writer, list_runs
from runbook.session import carry
from runbook.session.record import JournalRecorder
from tests.engine.desk import Desk, touch


def restore(desk: Desk) -> str:
    desk.path("config").write_text("bad\n")
    desk.path("good").write_text("good\n")
    return "steps:\n  - id: file\n    uses: file.restore\n    with: {path: DIR/config, backup: DIR/good}\n"


@pytest.mark.parametrize(
    ("method", "status"), [("inspect", "failed"), ("plan", "failed"), ("apply", "failed"), ("verify", "failed")]
)
def test_an_action_that_breaks_its_contract_is_a_failure_and_not_the_end_of_the_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, method: str, status: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(FileRestore, method, broken)
    result = desk.start(restore(desk))

    assert result.status == status
    assert "KeyError: 'surprise'" in result.why
    assert desk.holds()


@pytest.mark.parametrize("method", ["drift", "undo", "undone"])
def test_a_way_back_that_breaks_its_contract_is_incomplete(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    done = desk.start(restore(desk))

    def broken(*_: object, **__: object) -> None:
        raise KeyError("surprise")

    with monkeypatch.context() as patch:
        patch.setattr(FileRestore, method, broken)
        result = desk.undo(done.run)

    assert result.status == "undo_incomplete"
    assert desk.text("config") == ("bad\n" if method == "undone" else "good\n")


@contextmanager
def full_at(kind: type[f.Base], step: str) -> Iterator[None]:
    """Let the disk be full from this fact on."""

    class Full(JournalRecorder):
        def __init__(self, writer: Writer) -> None:
            super().__init__(writer)
            self._full = False

        def put(self, *facts: f.Fact) -> int:
            self._full = self._full or any(isinstance(x, kind) and getattr(x, "step", "") == step for x in facts)
            if self._full:
                raise JournalFull("the disk is full")
            return super().put(*facts)

    with mock.patch.object(carry, "JournalRecorder", Full):
        yield


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        (f.AttemptStarted, ["one"]),
        (f.OperationIntended, ["one"]),
        (f.OperationDone, ["one", "two"]),
        (f.StepFinished, ["one", "two"]),
    ],
)
def test_without_a_journal_no_further_change_begins_and_the_run_goes_on_later(
    desk: Desk, kind: type[f.Base], done: list[str]
) -> None:
    with full_at(kind, "two"), pytest.raises(JournalError):
        desk.start("steps:\n" + touch("one") + touch("two") + touch("three"))
    assert desk.lines("log") == done

    (run,) = list_runs(desk.layout)
    assert desk.resume(run).status == "succeeded"
    assert desk.lines("log") == ["one", "two", "three"]
    assert desk.holds()


def test_without_a_journal_nothing_runs_at_all(desk: Desk) -> None:
    with full_at(f.SessionOpened, ""), pytest.raises(JournalError):
        desk.start("steps:\n" + touch("one"))

    assert desk.lines("log") == []
