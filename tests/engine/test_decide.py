"""What is decided while a run rests is carried out when it is taken up again, or ends it at once."""

from __future__ import annotations

import pytest

from runbook.errors import RefusedError, UsageError
from runbook.events import fact as f
from runbook.session.record import JournalRecorder
from runbook.session.run import reopen
from runbook.session.steer import cancel, decide
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, change, touch

BODY = "steps:\n" + touch("one") + change("bad", '["false"]', "[test, -e, DIR/bad]")
CHOICE = "  - {id: way, choose: {question: Which?, options: [{id: a, title: This}, {id: b, title: That}]}}\n"


def leases(desk: Desk) -> list[str]:
    return [path.name for path in desk.files() if path.parent.name == "leases"]


def test_a_run_that_is_aborted_while_it_rests_is_over_and_gives_its_targets_back(desk: Desk) -> None:
    rested = desk.guided("steps:\n" + touch("one") + CHOICE, ScriptedApprover({"proceed": "run"}))
    held = leases(desk)

    told = decide(desk.settings, rested.run, "way", "", "abort")

    assert (rested.status, held) == ("waiting", ["host-local"])
    assert (desk.state(rested.run).status, leases(desk)) == ("aborted", [])
    assert told == f"on record; the run is aborted; 1 change stands, `runbook undo {rested.run}` takes it back"
    with pytest.raises(RefusedError, match="is over: aborted"):
        desk.resume(rested.run)
    assert desk.undo(rested.run).status == "undone"
    assert desk.holds()


@pytest.mark.parametrize(
    ("choice", "status", "log"), [("undo_all", "aborted", ["one", "un-one"]), ("retry", "failed", ["one"])]
)
def test_what_is_decided_while_a_run_rests_is_carried_out_before_anything_is_asked(
    desk: Desk, choice: str, status: str, log: list[str]
) -> None:
    run = desk.start(BODY).run
    decide(desk.settings, run, "bad", "", choice)
    before = len(desk.facts(run))

    after = desk.resume(run)

    facts = desk.facts(run)[before:]
    first = next(fact for fact in facts if isinstance(fact, (f.QuestionAsked, f.UndoAsked, f.AttemptStarted)))
    assert not isinstance(first, f.QuestionAsked)
    assert after.status == status
    assert desk.lines("log") == log


def test_a_killed_run_with_an_open_change_is_not_ended_before_it_is_settled(desk: Desk) -> None:
    run = desk.guided("steps:\n" + touch("one"), ScriptedApprover({"proceed": "pause"})).run
    writer, _ = reopen(desk.layout, run)
    with writer:
        recorder = JournalRecorder(writer)
        recorder.record(f.SessionOpened(mode="resume", actor={}, boot_id="", versions={}))
        recorder.record(f.AttemptStarted(step="one", target="local", attempt=1, effect="change", plan_digest="x"))

    with pytest.raises(UsageError, match="its outcome is unknown"):
        cancel(desk.settings, run, "enough")
