"""Between the threads of a run and the screens."""

from __future__ import annotations

from runbook.model.plan import Plan
from runbook.model.question import NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.tui.bridge import Bridge


def no_plan(_: object) -> Plan:
    raise AssertionError("no run begins here")


def test_a_question_that_is_taken_back_before_anybody_saw_it_never_comes_up() -> None:
    bridge = Bridge(no_plan, lambda: "", lambda: None)
    cancel = Cancel()
    cancel.set("answered from outside")

    answer = bridge.ask(Question(id="q", kind="failure", title="It failed", safe="pause"), cancel)

    assert isinstance(answer, NoAnswer)
    batch = bridge.drain()
    assert (batch.asked, batch.withdrawn) == ((), ())
