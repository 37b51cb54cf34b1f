"""The doubles behave like what they stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.actions.capture import Keep
from runbook.errors import ActionError, DispatchRefused, TransportError
from runbook.model.question import Answer, Choice, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, JobFinished, Lease, LeaseHeld, LeaseTaken, NoJob, OpKey
from runbook.testing import Bench, Crash, Faulty, MemoryWork, ScriptedApprover, tree

ECHO = Cmd(("echo", "x"))


def test_a_receipt_that_is_on_record_is_returned_and_the_body_is_not_called() -> None:
    work = MemoryWork(Bench())
    first = work.op("one", {"a": 1}, lambda _key: {"n": 0.5})

    def body(key: OpKey) -> dict[str, object]:
        raise AssertionError

    assert work.op("one", {}, body) == first == {"n": 0.5}  # type: ignore[arg-type]


def test_a_crash_is_no_error_that_an_action_could_catch() -> None:
    def careless() -> None:
        try:
            MemoryWork(Bench(), crash=("before", "one")).run("one", ECHO)
        except Exception:  # noqa: BLE001 - what a careless action does
            pytest.fail("caught")

    with pytest.raises(Crash):
        careless()


@pytest.mark.parametrize(("point", "is_dispatched"), [("before", False), ("after", True)])
def test_a_crash_leaves_an_intent_without_receipt(point: str, is_dispatched: bool) -> None:
    target = Bench()
    work = MemoryWork(target, crash=(point, "one"))  # type: ignore[arg-type]
    with pytest.raises(Crash):
        work.run("one", ECHO)

    (o,) = work.open()
    assert target.job(o.key) == (JobFinished(0) if is_dispatched else NoJob())
    assert work.receipts == {}


def test_the_next_process_tries_under_another_name() -> None:
    target = Bench()
    work = MemoryWork(target, crash=("after", "one"))
    with pytest.raises(Crash):
        work.run("one", ECHO)

    after = work.restarted()
    after.run("one", ECHO)

    assert after.intents["one"].key.name == "one~2"


def test_the_operations_of_an_undo_have_names_of_their_own_and_see_the_receipts_of_apply() -> None:
    work = MemoryWork(Bench(), undo=True, receipts={"one": {"exit": 0}})
    work.run("one", ECHO)

    assert work.intents["one"].key.name == "undo-one"
    assert work.receipts == {"one": {"exit": 0}}


def test_a_failed_command_has_a_receipt_and_an_error() -> None:
    work = MemoryWork(Bench())
    with pytest.raises(ActionError):
        work.run("one", Cmd(("false",)))

    assert work.receipts["one"]["exit"] == 1


def test_an_operation_is_claimed_once() -> None:
    target, key, sink = Bench(), OpKey("r", "s", "local", 1, "one"), Keep()
    target.change(ECHO, key, sink)

    with pytest.raises(DispatchRefused):
        target.change(ECHO, key, sink)
    again = Keep()
    target.job_output(key, again)
    assert again.data("out") == b"x\n"


def test_faults_happen_once_and_what_was_dispatched_is_counted() -> None:
    target = Faulty(Bench(), {"one": "lost", "two": "refused"})
    with pytest.raises(TransportError):
        MemoryWork(target).run("one", ECHO)
    with pytest.raises(DispatchRefused):
        MemoryWork(target).run("two", ECHO)
    MemoryWork(target).run("one", ECHO)

    assert target.dispatched == {"one": 2}


def test_a_lease_is_for_one_run() -> None:
    target, mine, theirs = Bench(), Lease("1", "olga", ""), Lease("2", "piet", "")

    assert target.take_lease(mine) == LeaseTaken(mine)
    assert target.take_lease(mine) == LeaseTaken(mine, kept=True)
    assert target.take_lease(theirs) == LeaseHeld(mine, ())
    assert target.take_lease(theirs, over="1") == LeaseTaken(theirs)
    target.release_lease("1")
    assert target.take_lease(mine) == LeaseHeld(theirs, ())


def test_the_script_answers_by_kind_in_order_and_the_last_reply_stays() -> None:
    choices = (Choice("retry", ""), Choice("abort", ""))
    question = Question(id="q", kind="failure", title="?", choices=choices)
    approver = ScriptedApprover({"failure": ["retry", Answer(choice="abort", reason="late")]})

    answers = [approver.ask(question, Cancel()) for _ in range(3)]

    abort = Answer(choice="abort", reason="late")
    assert answers == [Answer(choice="retry"), abort, abort]
    assert approver.asked == [question] * 3


def test_no_reply_and_a_set_token_are_no_answer() -> None:
    question = Question(id="q", kind="doubt", title="?")
    cancel = Cancel()
    cancel.set("enough")

    assert ScriptedApprover().ask(question, Cancel()) == NoAnswer("the script has no reply to doubt")
    assert ScriptedApprover({"doubt": "retry"}).ask(question, cancel) == NoAnswer("enough")


def test_a_reply_that_is_not_offered_is_a_fault_of_the_test() -> None:
    question = Question(id="q", kind="doubt", title="?", choices=(Choice("look", ""),))

    with pytest.raises(AssertionError):
        ScriptedApprover({"doubt": "retry"}).ask(question, Cancel())


def test_a_tree_tells_content_mode_and_links_and_not_the_time(tmp_path: Path) -> None:
    (tmp_path / "a.runbook-20261122T083320Z").write_text("x")
    (tmp_path / "link").symlink_to("a")

    seen = tree(tmp_path)

    assert sorted(seen) == ["a.runbook-TIME", "link"]
    assert seen["link"][0] == "link a"
    (tmp_path / "a.runbook-20261122T083320Z").chmod(0o600)
    assert tree(tmp_path) != seen
