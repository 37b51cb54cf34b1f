"""The rate of a replay is changed while it runs: on record first, then obeyed, and never above the playbook."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from runbook.cli.main import run as command
from runbook.errors import UsageError
from runbook.events import fact as f
from runbook.events.signal import Progressed
from runbook.journal import holder
from runbook.session import review
from runbook.session.control import Control
from runbook.session.result import Result
from runbook.session.steer import set_rate
from tests.engine.desk import PATIENCE, Desk, Ear, touch, until
from tests.unit.actions.queues import DEAD, LIVE, Queues


@pytest.fixture
def queues(desk: Desk) -> Iterator[Queues]:
    made = Queues(desk.folder)
    made.fill(30)
    yield made
    made.store.close()


def body(queues: Queues, rate: float) -> str:
    return (
        f"steps:\n  - id: replay\n    uses: queue.replay\n    with:\n      control: {queues.control}\n"
        f"      source: {DEAD}\n      destination: {LIVE}\n      idempotent_consumers: true\n"
        f"      rate: {rate}\n      pause_on: {{consumers: 0}}\n    undo: {{none: a test}}\n"
    )


def moved(ear: Ear) -> list[Progressed]:
    return [event for event in ear.events if isinstance(event, Progressed)]


def test_a_running_replay_is_slowed_down_and_let_go_again(desk: Desk, queues: Queues) -> None:
    ear, control, results = Ear(), Control(), list[Result]()
    steps = body(queues, 10)
    thread = threading.Thread(target=lambda: results.append(desk.start(steps, ear=ear, control=control)))
    thread.start()
    until(lambda: any(told.done for told in moved(ear)))
    run = control.run

    said = set_rate(desk.settings, run, "replay", 5, reason="the service is slow")
    until(lambda: any(told.rate == 5 for told in moved(ear)))
    with pytest.raises(UsageError, match="20 a second is more than the playbook allows, which is 10 a second"):
        set_rate(desk.settings, run, "replay", 20, target="local")
    with pytest.raises(UsageError, match="no limit is more than the playbook allows"):
        set_rate(desk.settings, run, "replay", 0)
    set_rate(desk.settings, run, "replay", 10)
    thread.join(PATIENCE)

    assert said == ("replay@local: 5 a second, sent to the live run",)
    assert results[0].status == "succeeded"
    facts = [fact for fact in desk.facts(run) if isinstance(fact, f.PaceSet)]
    assert [(fact.target, fact.rate, fact.reason) for fact in facts] == [
        ("local", 5, "the service is slow"),
        ("local", 10, ""),
    ]
    # What was set is on record before anything obeys it.
    known = [event for event in ear.events if isinstance(event, f.PaceSet) or getattr(event, "rate", None) == 5]
    assert isinstance(known[0], f.PaceSet)
    assert queues.held(LIVE) == [f"cb-{n:06}" for n in range(30)]
    assert "set its rate to 5 a second" in review.report(desk.settings, run)
    assert desk.holds()


def test_a_resting_replay_goes_on_at_the_rate_that_was_set_meanwhile(
    desk: Desk, queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    control = Control()
    ear = Ear(lambda event: control.cancel("slower") if isinstance(event, Progressed) and event.done else None)
    run = desk.start(body(queues, 25), ear=ear, control=control).run

    assert holder(desk.layout, run) is None
    assert desk.statuses(run) == {"replay": "cancelled"}
    assert command(["rate", run, "replay", "30"]) == 2
    assert command(["rate", run, "replay", "20", "--reason", "night"]) == 0
    assert desk.resume(run, guided=False).status == "failed"
    assert command(["decide", run, "replay", "retry"]) == 0
    again = Ear()
    status = desk.resume(run, listeners=(again,)).status

    out, err = capsys.readouterr()
    assert "30 a second is more than the playbook allows, which is 25 a second" in err
    assert "replay@local: 20 a second, on record" in out
    assert status == "succeeded"
    assert {told.rate for told in moved(again)} == {20.0}
    assert queues.held(LIVE) == [f"cb-{n:06}" for n in range(30)]


def test_what_has_no_rate_and_what_is_over_cannot_be_set(desk: Desk, queues: Queues) -> None:
    run = desk.start(body(queues, 0) + touch("one")).run

    with pytest.raises(UsageError, match=f"run {run} is over: succeeded"):
        set_rate(desk.settings, run, "replay", 5)

    queues.store.db.execute("DELETE FROM message")
    failed = desk.start("steps:\n" + touch("one").replace("[test, -e, DIR/one]", "['false']")).run
    with pytest.raises(UsageError, match="command has no rate"):
        set_rate(desk.settings, failed, "one", 5)
    with pytest.raises(UsageError, match="no step two"):
        set_rate(desk.settings, failed, "two", 5)
