"""The way back: order, activators, drift, written steps, and what stands in the end."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from runbook.actions import file_restore
from runbook.actions.file_restore import FileRestore, RestoreBefore, RestoreWith
from runbook.errors import RefusedError, TransportError
from runbook.events import fact as f
from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.action import Already, Inspection, Proceed, Verdict
from runbook.ports.cancel import Cancel
from runbook.ports.target import Reader
from runbook.session import review
from runbook.session.steer import decide
from runbook.testing import ScriptedApprover
from tests.engine.desk import Desk, change, touch

FAILS = '  - id: broken\n    command: ["false"]\n    effect: read\n'


def restore(desk: Desk, present: str = "bad\n", good: str = "good\n") -> str:
    """Return a step that restores a file from its backup."""
    desk.path("config").write_text(present)
    desk.path("config.good").write_text(good)
    return "  - id: file\n    uses: file.restore\n    with: {path: DIR/config, backup: DIR/config.good}\n"


def undo_facts(desk: Desk, run: str) -> list[tuple[str, str]]:
    return [(x.step, x.status) for x in desk.facts(run) if isinstance(x, f.UndoFinished)]


def causes(desk: Desk, run: str) -> list[tuple[str, str]]:
    return [(x.status, x.cause) for x in desk.facts(run) if isinstance(x, f.UndoFinished)]


def test_a_failure_undoes_everything_backwards_and_ends_the_run_as_aborted(desk: Desk) -> None:
    result = desk.start("steps:\n" + touch("one") + touch("two") + FAILS + "    on_failure: undo\n")

    assert result.status == "aborted"
    assert desk.lines("log") == ["one", "two", "un-two", "un-one"]
    assert result.state.standing == ()
    assert not desk.path("one").exists()


def test_the_command_line_answers_ask_with_undo(desk: Desk) -> None:
    result = desk.start("steps:\n" + touch("one") + FAILS, on_failure="undo")

    assert result.status == "aborted"
    assert desk.lines("log") == ["one", "un-one"]


def test_what_has_no_way_back_is_left_and_the_rest_is_undone(desk: Desk) -> None:
    lasting = change("lasting", "[touch, DIR/lasting]", "[test, -e, DIR/lasting]")
    result = desk.start("steps:\n" + touch("one") + lasting + FAILS, on_failure="undo")

    assert result.status == "aborted"
    assert undo_facts(desk, result.run) == [("lasting", "none"), ("one", "undone")]
    assert desk.path("lasting").exists()


def test_an_activator_goes_first_and_runs_again_after_what_it_activates(desk: Desk) -> None:
    activate = change(
        "activate",
        "[sh, -c, 'echo \"on $(cat DIR/config)\" >> DIR/log']",
        "[test, -s, DIR/log]",
        "[sh, -c, 'echo off >> DIR/log']",
        "    activates: [file]\n",
    )
    done = desk.start("steps:\n" + restore(desk) + activate)
    assert done.status == "succeeded"

    result = desk.undo(done.run)

    assert result.status == "undone"
    assert desk.lines("log") == ["on good", "off", "on bad"]
    assert undo_facts(desk, done.run) == [("activate", "undone"), ("file", "undone"), ("activate", "undone")]
    assert desk.text("config") == "bad\n"
    assert result.state.standing == ()


def test_what_somebody_else_changed_since_is_not_overwritten(desk: Desk) -> None:
    done = desk.start("steps:\n" + touch("one") + restore(desk))
    desk.path("config").write_text("hands off\n")

    result = desk.undo(done.run)

    assert result.status == "undo_incomplete"
    assert desk.text("config") == "hands off\n"
    assert undo_facts(desk, done.run) == [("file", "drifted")]
    assert causes(desk, done.run) == [("drifted", "bad")]
    assert desk.path("one").exists()
    assert not [path for path in desk.files() if path.parent.name == "leases"]


def test_where_nobody_can_tell_whether_it_was_changed_nothing_is_touched(desk: Desk) -> None:
    desk.path("seen").write_text('{"ok": true}')
    verify = "[cat, DIR/seen], expect: json.ok"
    done = desk.start("steps:\n" + change("one", "[touch, DIR/one]", verify, "[rm, DIR/one]"))
    desk.path("seen").write_text('{"ok": null}')

    result = desk.undo(done.run)

    assert (result.status, causes(desk, done.run)) == ("undo_incomplete", [("drifted", "no data")])
    assert "it cannot be told whether it was changed since" in result.why
    assert desk.path("one").exists()
    assert result.state.unverified == 1

    told = decide(desk.settings, done.run, "one", "", "leave", reason="seen")
    assert told == "on record; the run is over: 0 of 1 change undone"
    (listed,) = review.runs(desk.settings)
    assert (listed.word, listed.partly_undone) == ("nothing undone", False)


def test_a_drifted_step_can_be_left_with_a_reason_and_the_rest_undone(desk: Desk) -> None:
    done = desk.start("steps:\n" + touch("one") + restore(desk))
    desk.path("config").write_text("hands off\n")
    leave = Answer(choice="leave", reason="their edit is right")

    result = desk.undo(done.run, ScriptedApprover({"drift": leave}))

    assert desk.text("config") == "hands off\n"
    assert desk.lines("log") == ["one", "un-one"]
    assert result.status == "undone"


def test_a_drifted_step_is_looked_at_again_after_a_repair(desk: Desk) -> None:
    done = desk.start("steps:\n" + restore(desk))
    desk.path("config").write_text("hands off\n")

    class Repairer(ScriptedApprover):
        def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
            desk.path("config").write_text("good\n")
            return super().ask(question, cancel)

    result = desk.undo(done.run, Repairer({"drift": "look"}))

    assert result.status == "undone"
    assert desk.text("config") == "bad\n"


def test_one_step_alone_can_be_undone(desk: Desk) -> None:
    done = desk.start("steps:\n" + touch("one") + touch("two"))

    result = desk.undo(done.run, step="one")

    assert result.status == "undone"
    assert desk.lines("log") == ["one", "two", "un-one"]
    assert [entry[0] for entry in result.state.standing] == ["two"]
    assert desk.undo(done.run).status == "undone"
    assert desk.lines("log")[-1] == "un-two"
    with pytest.raises(RefusedError, match="nothing"):
        desk.undo(done.run)


def test_an_undo_that_fails_stops_the_walk_and_can_be_taken_up_again(desk: Desk) -> None:
    stubborn = change("stubborn", "[touch, DIR/x]", "[test, -e, DIR/x]", "[test, -e, DIR/free]")
    done = desk.start("steps:\n" + touch("one") + stubborn)

    first = desk.undo(done.run)

    assert first.status == "undo_incomplete"
    assert desk.lines("log") == ["one"]
    desk.path("free").touch()
    second = desk.undo(done.run)
    assert second.status == "undone"
    assert desk.lines("log") == ["one", "un-one"]


STUBBORN = change("stubborn", "[touch, DIR/x]", "[test, -e, DIR/x]", "[test, -e, DIR/free]")


def test_a_failed_undo_is_asked_about_and_looked_at_again(desk: Desk) -> None:
    done = desk.start("steps:\n" + touch("one") + STUBBORN)

    def look(question: Question) -> Answer:
        assert [choice.id for choice in question.choices] == ["look", "leave", "pause"]
        assert "The way back of stubborn on local failed" in question.title
        desk.path("free").touch()
        return Answer(choice="look")

    assert desk.undo(done.run, ScriptedApprover({"undo": look})).status == "undone"
    assert desk.lines("log") == ["one", "un-one"]


def test_a_failed_undo_can_be_marked_as_led_back_by_hand(desk: Desk) -> None:
    done = desk.start("steps:\n" + touch("one") + STUBBORN)

    result = desk.undo(done.run, ScriptedApprover({"undo": Answer(choice="leave", reason="I took it away")}))

    assert (result.status, result.state.standing, result.state.deviated) == ("undone", (), True)
    assert desk.lines("log") == ["one", "un-one"]
    assert desk.statuses(done.run) == {"one": "undone", "stubborn": "undone"}


def test_a_failed_undo_that_is_paused_is_gone_on_with_as_an_undo(desk: Desk) -> None:
    done = desk.start("steps:\n" + touch("one") + STUBBORN)
    assert desk.undo(done.run, ScriptedApprover({"undo": "pause"})).status == "paused"
    desk.path("free").touch()

    assert desk.resume(done.run).status == "undone"
    assert desk.lines("log") == ["one", "un-one"]


def test_a_decision_from_outside_ends_a_failed_undo(desk: Desk) -> None:
    done = desk.start("steps:\n" + STUBBORN)
    assert desk.undo(done.run).status == "undo_incomplete"

    told = decide(desk.settings, done.run, "stubborn", "", "leave", reason="taken away by hand")

    assert told == "on record; the run is undone"
    assert (desk.state(done.run).status, desk.state(done.run).leases) == ("undone", frozenset())
    assert [made.source for made in desk.state(done.run).decisions] == ["inbox"]
    assert desk.holds()


def test_a_resumed_undo_does_not_pass_over_what_failed(desk: Desk) -> None:
    stubborn = change("stubborn", "[touch, DIR/x]", "[test, -e, DIR/x]", "[test, -e, DIR/free]")
    first = desk.start("steps:\n" + touch("one") + stubborn + FAILS, on_failure="undo")
    assert first.status == "undo_incomplete"

    assert desk.resume(first.run).status == "undo_incomplete"
    assert desk.lines("log") == ["one"]
    desk.path("free").touch()
    assert desk.resume(first.run).status == "aborted"
    assert desk.lines("log") == ["one", "un-one"]


def test_written_undo_steps_run_in_their_order_behind_the_one_that_the_action_brings(desk: Desk) -> None:
    body = restore(desk) + (
        "    undo:\n"
        "      - {command: [sh, -c, 'echo \"after $(cat DIR/config)\" >> DIR/log']}\n"
        "      - {shell: 'echo \"$WORD\" >> DIR/log', env: {WORD: last}}\n"
    )
    done = desk.start("steps:\n" + body)

    assert desk.undo(done.run).status == "undone"
    assert desk.lines("log") == ["after bad", "last"]


def test_a_written_way_back_of_a_retried_change_is_gone_once(desk: Desk) -> None:
    twice = change(
        "twice",
        "[sh, -c, 'echo do >> DIR/log; [ \"$(grep -c do DIR/log)\" -ge 2 ]']",
        "[test, -e, DIR/log]",
        "[sh, -c, 'echo undo >> DIR/log']",
        "    idempotent: true\n    retry: {limit: 2, delay: 10ms, on: ['exit:1']}\n",
    )
    done = desk.start("steps:\n" + twice)
    assert done.status == "succeeded"
    assert [(made.choice, made.actor) for made in done.state.decisions] == [("retry", "the playbook")]

    result = desk.undo(done.run)

    assert result.status == "undone"
    assert desk.lines("log") == ["do", "do", "undo"]
    ends = [x for x in desk.facts(done.run) if isinstance(x, f.UndoFinished)]
    assert [(x.attempt, x.status, x.covered_by) for x in ends] == [(2, "undone", 0), (1, "undone", 2)]
    assert result.state.standing == ()


def test_behind_what_an_action_brings_back_of_each_attempt_the_written_steps_run_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspected = FileRestore.inspect

    def eager(self: FileRestore, w: RestoreWith, t: Reader) -> Inspection[RestoreBefore]:
        seen = inspected(self, w, t)
        return Proceed(seen.before) if isinstance(seen, Already) else seen

    copies = itertools.count(1)
    monkeypatch.setattr(FileRestore, "inspect", eager)
    monkeypatch.setattr(file_restore, "backup_name", lambda *_: f"kept-{next(copies)}")
    body = restore(desk) + (
        "    verify: [{command: [test, -e, DIR/ok]}]\n    undo: [{command: [sh, -c, 'cat DIR/config >> DIR/log']}]\n"
    )

    def retry(question: Question) -> Answer:
        desk.path("ok").touch()
        return Answer(choice="retry")

    done = desk.start("steps:\n" + body, ScriptedApprover({"failure": retry}))
    assert (done.status, len(done.state.standing)) == ("succeeded", 2)

    assert desk.undo(done.run).status == "undone"
    assert desk.text("config") == "bad\n"
    assert desk.lines("log") == ["bad"]


def test_a_later_undo_of_an_aborted_run_ends_as_undone(desk: Desk) -> None:
    approver = ScriptedApprover({"proceed": ["run", "abort"]})
    first = desk.guided("steps:\n" + touch("one") + touch("two"), approver)
    assert first.status == "aborted"

    assert desk.undo(first.run).status == "undone"
    assert desk.lines("log") == ["one", "un-one"]


def test_an_aborted_run_is_over(desk: Desk) -> None:
    first = desk.guided("steps:\n" + touch("one") + touch("two"), ScriptedApprover({"proceed": ["run", "abort"]}))

    with pytest.raises(RefusedError, match="is over: aborted"):
        desk.resume(first.run)
    assert desk.lines("log") == ["one"]


def test_a_failed_change_of_which_a_part_was_done_is_undone_as_well(desk: Desk) -> None:
    half = change("half", "[sh, -c, 'touch DIR/half; exit 3']", '["true"]', "[rm, -f, DIR/half]")
    result = desk.start("steps:\n" + half, on_failure="undo")

    assert result.status == "aborted"
    assert not desk.path("half").exists()


def test_the_way_back_goes_over_all_hosts(desk: Desk, tmp_path: Path) -> None:
    done = desk.start(
        "targets: {app: {hosts: all}}\nsteps:\n"
        + change(
            "mark",
            '[touch, "DIR/mark-{{ host.name }}"]',
            '[test, -e, "DIR/mark-{{ host.name }}"]',
            '[rm, "DIR/mark-{{ host.name }}"]',
        ),
        inventory=desk.inventory("a", "b", "c"),
    )
    made = sorted(path.name for path in tmp_path.glob("mark-*"))
    assert {"mark-a", "mark-b", "mark-c"} <= set(made)

    assert desk.undo(done.run).status == "undone"
    assert list(tmp_path.glob("mark-*")) == []


def test_a_step_that_waits_offers_no_way_back_before_anything_was_changed(desk: Desk) -> None:
    approver = ScriptedApprover({"proceed": ["run", "pause"]})
    desk.guided("steps:\n" + touch("one") + touch("two"), approver)

    offered = [{c.id for c in question.choices} for question in approver.asked]

    assert [ids & {"undo", "undo_all"} for ids in offered] == [set(), {"undo", "undo_all"}]


@pytest.mark.parametrize(("values", "gone"), [({}, "two"), ({"step": "one"}, "one")])
def test_one_step_is_walked_back_while_the_next_one_waits_and_then_asked_about(
    desk: Desk, values: dict[str, str], gone: str
) -> None:
    undo = Answer(choice="undo", values=dict(values))
    approver = ScriptedApprover({"proceed": ["run", "run", undo, "run", "run"], "failure": "retry"})

    result = desk.guided("steps:\n" + touch("one") + touch("two") + touch("three"), approver)

    assert result.status == "succeeded"
    assert [x.step for x in desk.facts(result.run) if isinstance(x, f.UndoFinished)] == [gone]
    (menu,) = [q for q in approver.asked if q.kind == "failure"]
    assert menu.title == f"{gone} was undone. Nothing runs now"
    assert desk.lines("log") == ["one", "two", f"un-{gone}", gone, "three"]


def test_all_is_walked_back_while_a_step_waits_and_the_run_is_over(desk: Desk) -> None:
    approver = ScriptedApprover({"proceed": ["run", "run", "undo_all"]})

    result = desk.guided("steps:\n" + touch("one") + touch("two") + touch("three"), approver)

    assert (result.status, result.state.standing) == ("aborted", ())
    assert desk.lines("log") == ["one", "two", "un-two", "un-one"]


def test_where_nobody_answers_behind_a_way_back_it_was_gone_and_is_not_told_as_out_of_reach(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = desk.start("steps:\n" + restore(desk)).run

    def undone(*_: object) -> Verdict:
        raise TransportError("nobody answers", where="local")

    with monkeypatch.context() as patch:
        patch.setattr(FileRestore, "undone", undone)
        first = desk.undo(run)

    assert first.status == "undo_incomplete"
    assert undo_facts(desk, run) == [("file", "undo_failed")]
    assert desk.text("config") == "bad\n"
    assert desk.undo(run).status == "undone"
