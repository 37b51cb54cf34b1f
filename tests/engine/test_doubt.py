"""Doubt: a change of which nobody knows the end is asked about, never run again by itself."""

from __future__ import annotations

import re
import shutil

import psutil
import pytest
from msgspec.structs import replace

from runbook.errors import UsageError
from runbook.events import fact as f
from runbook.model.question import Answer
from runbook.session.outlived import end_jobs
from runbook.session.record import JournalRecorder
from runbook.session.run import reopen
from runbook.session.steer import decide
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, change, touch, until

LOST = """  - id: lost
    shell: echo $$ > DIR/pid; echo x >> DIR/counter; [ -e DIR/calm ] || kill -9 "$PPID"; MORE
    effect: change
    verify: [{command: [test, -e, DIR/done-by-hand]}]
    undo: [{shell: echo undone >> DIR/counter}]
"""
BUSY = LOST.replace("MORE", "while [ ! -e DIR/free ]; do sleep 0.05; done")
LOST = LOST.replace("; MORE", "")
AGAIN = Answer(choice="again", values={"typed": "lost"})


@pytest.fixture
def run(desk: Desk) -> str:
    """A run whose step has lost the wrapper that would have told of its end."""
    result = desk.start("steps:\n" + LOST + touch("after"))
    assert result.status == "in_doubt"
    assert result.state.at("lost", "local").evidence or result.state.at("lost", "local").error
    assert desk.lines("counter") == ["x"]
    until(lambda: not psutil.pid_exists(int(desk.text("pid"))))
    return result.run


def test_unattended_it_stays_in_doubt_however_often_it_is_resumed(desk: Desk, run: str) -> None:
    for _ in range(2):
        assert desk.resume(run).status == "in_doubt"
    assert desk.lines("counter") == ["x"]
    assert desk.lines("log") == []
    assert desk.holds()


def test_a_job_folder_that_went_with_the_claim_is_no_proof_that_nothing_was_started(desk: Desk, run: str) -> None:
    """The state folder is gone with both, as after a restart that forgets it, or with another login."""
    for place in ("jobs", "leases"):
        shutil.rmtree(desk.settings.state / place)

    for _ in range(2):
        result = desk.resume(run, ScriptedApprover({"doubt": ["look", "pause"]}))
        assert result.state.at("lost", "local").status == "in_doubt"

    assert desk.lines("counter") == ["x"]


def test_looking_again_finds_what_was_true_all_along(desk: Desk, run: str) -> None:
    """The check was bad before the change and holds now, and nothing of the job lives."""
    desk.path("done-by-hand").touch()

    result = desk.resume(run, ScriptedApprover({"doubt": ["look", "pause"]}))

    assert result.status == "succeeded"
    assert desk.lines("counter") == ["x"]
    finished = [x for x in desk.facts(run) if isinstance(x, f.StepFinished) and x.step == "lost"][-1]
    assert (finished.status, finished.adopted, finished.verified) == ("succeeded", True, True)


def test_a_person_can_say_that_it_is_done_or_failed(desk: Desk, run: str) -> None:
    failed = Answer(choice="failed", reason="the graph says so")
    skipped = Answer(choice="skip", reason="not needed")
    result = desk.resume(run, ScriptedApprover({"doubt": failed, "failure": skipped}))

    assert result.status == "succeeded"
    assert result.state.deviated
    assert desk.lines("counter") == ["x"]


def test_again_runs_it_again_if_it_was_typed(desk: Desk, run: str) -> None:
    desk.path("calm").touch()
    untyped = desk.resume(run, ScriptedApprover({"doubt": "again"}))
    assert untyped.status == "in_doubt"
    assert desk.lines("counter") == ["x"]

    def types(_question: object) -> Answer:
        desk.path("done-by-hand").touch()
        return AGAIN

    typed = desk.resume(run, ScriptedApprover({"doubt": types}))
    assert typed.status == "succeeded"
    assert desk.lines("counter") == ["x", "x"]


def test_again_does_not_run_beside_what_still_lives(desk: Desk) -> None:
    first = desk.start("steps:\n" + BUSY)
    assert first.status == "in_doubt"
    try:
        result = desk.resume(first.run, ScriptedApprover({"doubt": AGAIN, "failure": "pause"}))
        at = result.state.at("lost", "local")
        assert (at.status, desk.lines("counter")) == ("refused", ["x"])
        assert "still runs (pid " in at.evidence[0]
    finally:
        desk.path("free").touch()
    until(lambda: not psutil.pid_exists(int(desk.text("pid"))))
    desk.path("calm").touch()
    desk.path("done-by-hand").touch()

    assert desk.resume(first.run, ScriptedApprover({"failure": "retry"})).status == "succeeded"
    assert desk.lines("counter") == ["x", "x"]


def test_undo_leads_back_what_may_have_happened_and_asks_what_next(desk: Desk, run: str) -> None:
    result = desk.resume(run, ScriptedApprover({"doubt": "undo", "failure": "abort"}))

    assert desk.lines("counter") == ["x", "undone"]
    assert result.status == "aborted"
    assert result.state.standing == ()


ANYWAY = Answer(choice="undo", values={"typed": "lost"})


def test_nothing_is_undone_unattended_while_it_is_not_known_what_was_done(desk: Desk, run: str) -> None:
    result = desk.undo(run)

    assert result.status == "undo_incomplete"
    at = result.state.at("lost", "local")
    assert (at.status, at.error) == ("in_doubt", "it is not known whether it was done; nothing was undone")
    assert "its job was started, is gone, and left no status" in at.evidence[0]
    assert desk.lines("counter") == ["x"]


def test_a_person_may_have_the_way_back_run_in_spite_of_the_doubt(desk: Desk, run: str) -> None:
    assert desk.undo(run, ScriptedApprover({"undo": ANYWAY})).status == "undone"
    assert desk.lines("counter") == ["x", "undone"]


def test_a_decision_from_outside_lets_the_next_undo_go_on_in_spite_of_the_doubt(desk: Desk, run: str) -> None:
    """The last one counts: whoever looked again first has seen the doubt twice."""
    desk.undo(run)
    decide(desk.settings, run, "lost", "", "look")
    desk.undo(run)
    assert desk.lines("counter") == ["x"]
    with pytest.raises(UsageError) as caught:
        decide(desk.settings, run, "lost", "", "undo")
    assert caught.value.remedy == "give the words with --typed lost"
    decide(desk.settings, run, "lost", "", "undo", values={"typed": "lost"})

    assert desk.undo(run).status == "undone"
    assert desk.lines("counter") == ["x", "undone"]


def test_an_undo_does_not_go_on_with_what_was_broken_off(desk: Desk) -> None:
    first = desk.start("steps:\n" + touch("one") + touch("two"))
    writer, _ = reopen(desk.layout, first.run)
    with writer:
        recorder = JournalRecorder(writer)
        recorder.record(f.SessionOpened(mode="resume", actor={}, boot_id="", versions={}))
        started = next(x for x in desk.facts(first.run) if isinstance(x, f.AttemptStarted) and x.step == "two")
        recorder.record(replace(started, attempt=2))
    desk.path("log").unlink()

    assert desk.undo(first.run).status == "undone"
    assert desk.lines("log") == ["un-two", "un-one"]


def test_nothing_is_undone_below_a_job_that_still_runs(desk: Desk) -> None:
    first = desk.start("steps:\n" + BUSY)
    assert first.status == "in_doubt"
    try:
        result = desk.undo(first.run)
        assert result.status == "undo_incomplete"
        assert "still runs" in result.why
        assert desk.lines("counter") == ["x"]
    finally:
        desk.path("free").touch()
    until(lambda: not psutil.pid_exists(int(desk.text("pid"))))

    assert desk.undo(first.run, ScriptedApprover({"undo": ANYWAY})).status == "undone"
    assert desk.lines("counter") == ["x", "undone"]


NO_WAY_BACK = LOST.replace("undo: [{shell: echo undone >> DIR/counter}]", "undo: {none: nothing leads back}")


def test_a_doubt_without_a_way_back_outlives_the_undo_and_is_settled_there(desk: Desk) -> None:
    first = desk.start("steps:\n" + touch("before") + NO_WAY_BACK + touch("after"))
    assert first.status == "in_doubt"
    until(lambda: not psutil.pid_exists(int(desk.text("pid"))))

    for result in (desk.undo(first.run), desk.resume(first.run)):
        assert (result.status, result.state.at("lost", "local").status) == ("in_doubt", "in_doubt")
    assert desk.lines("log") == ["before", "un-before"]

    done = Answer(choice="done", reason="the graph says so")
    approver = ScriptedApprover({"doubt": done})
    result = desk.resume(first.run, approver)

    assert (result.status, result.state.at("lost", "local").status) == ("undone", "succeeded")
    assert "again" not in [choice.id for choice in approver.asked[0].choices]
    assert desk.lines("log") == ["before", "un-before"]
    assert desk.lines("counter") == ["x"]
    assert desk.holds()


def test_a_step_that_may_be_run_twice_is_run_again_on_resume(desk: Desk) -> None:
    first = desk.start("steps:\n" + LOST + "    idempotent: true\n")
    assert first.status == "in_doubt"
    until(lambda: not psutil.pid_exists(int(desk.text("pid"))))
    desk.path("calm").touch()
    desk.path("done-by-hand").touch()

    result = desk.resume(first.run, ScriptedApprover({"doubt": "look"}))

    assert result.status == "succeeded"


def test_an_edit_is_shown_as_a_deviation_and_void_for_the_next_run(desk: Desk) -> None:
    body = 'steps:\n  - id: act\n    command: ["false"]\n    effect: change\n'
    body += '    verify: [{command: [test, -e, DIR/made]}]\n    undo: {none: "a test"}\n'
    edit = Answer(choice="edit", values={"argv": ["touch", str(desk.path("made"))]})

    result = desk.guided(body, ScriptedApprover({"proceed": "run", "failure": edit}))

    assert result.status == "succeeded"
    assert result.state.deviated
    assert [x.choice for x in desk.facts(result.run) if isinstance(x, f.DecisionMade)] == ["run", "edit", "run"]
    assert desk.start(body).status == "failed"


def test_a_guided_run_shows_what_it_will_do_and_runs_what_was_agreed_to(desk: Desk) -> None:
    approver = ScriptedApprover({"proceed": "run"})

    result = desk.guided("steps:\n" + touch("one"), approver)

    assert result.status == "succeeded"
    (question,) = approver.asked
    assert question.safe == "pause"
    assert [p.target for p in question.previews] == ["local"]
    assert "touch" in question.previews[0].commands[0]


def test_a_target_that_changed_while_a_person_thought_is_asked_about_again(desk: Desk) -> None:
    desk.path("config").write_text("bad\n")
    desk.path("good").write_text("good\n")
    seen: list[str] = []

    def thinks(question: object) -> Answer:
        diff = question.previews[0].diff  # type: ignore[attr-defined]
        if not seen:
            desk.path("config").write_text("worse\n")
        seen.append(diff)
        return Answer(choice="run")

    body = "steps:\n  - id: file\n    uses: file.restore\n    with: {path: DIR/config, backup: DIR/good}\n"
    result = desk.guided(body, ScriptedApprover({"proceed": thinks}))

    assert result.status == "succeeded"
    assert ["-bad" in diff for diff in seen] == [True, False]
    assert "-worse" in seen[1]
    assert desk.undo(result.run).status == "undone"
    assert desk.text("config") == "worse\n"


def test_an_edit_before_a_step_is_shown_and_agreed_to_before_it_runs(desk: Desk) -> None:
    made, meant = desk.path("made"), desk.path("meant")
    body = change("act", "[touch, DIR/made]", "[test, -e, DIR/meant]", "[rm, DIR/meant]")
    edit = Answer(choice="edit", values={"argv": ["touch", str(meant)]})
    approver = ScriptedApprover({"proceed": [edit, "run"]})

    result = desk.guided("steps:\n" + body, approver)

    assert result.status == "succeeded"
    assert result.state.deviated
    assert (made.exists(), meant.exists()) == (False, True)
    first, second = approver.asked
    assert str(made) in first.previews[0].commands[0]
    assert str(meant) in second.previews[0].commands[0]
    assert first.digest != second.digest


def test_an_edit_voids_the_typed_confirmation_of_a_destructive_step(desk: Desk) -> None:
    body = change("act", "[touch, DIR/made]", "[test, -e, DIR/made]").replace("effect: change", "effect: destructive")
    edit = Answer(choice="edit", values={"argv": ["touch", str(desk.path("made")), str(desk.path("more"))]})
    typed = Answer(choice="confirm", values={"typed": "local 1"})
    approver = ScriptedApprover({"confirm": [edit, typed]})

    result = desk.guided("steps:\n" + body, approver)

    assert (result.status, desk.path("more").exists()) == ("succeeded", True)
    assert [q.kind for q in approver.asked] == ["confirm", "confirm"]


def test_a_job_that_outlived_its_run_is_ended_with_proof_and_the_step_stays_to_be_settled(desk: Desk) -> None:
    run = desk.start("steps:\n" + BUSY).run
    pid = int(desk.text("pid"))
    assert (desk.state(run).status, psutil.pid_exists(pid)) == ("in_doubt", True)

    ended = end_jobs(desk.settings, run, "it holds up the others")

    assert ended is not None
    assert ended.are_dead
    assert ended.lines[0].startswith("lost on local: the end of its job run is confirmed: sent TERM to")
    until(lambda: not psutil.pid_exists(pid))
    assert desk.state(run).status == "in_doubt"
    notes = [fact.text for fact in desk.facts(run) if isinstance(fact, f.NoteWritten)]
    assert notes == list(ended.lines)
    assert desk.resume(run).status == "in_doubt"
    assert desk.lines("counter") == ["x"]
    assert desk.holds()
    assert end_jobs(desk.settings, desk.start("steps:\n" + touch("after")).run, "") is None


def test_command_lines_are_left_out_of_the_proof_where_the_run_hides_something(desk: Desk) -> None:
    run = desk.start("steps:\n" + BUSY + "    redact: [counter]\n").run

    ended = end_jobs(desk.settings, run, "")

    assert ended is not None
    assert re.fullmatch(
        r"lost on local: the end of its job run is confirmed: (sent \w+ to [0-9]+; )+looked again: nothing of it lives",
        ended.lines[0],
    )
