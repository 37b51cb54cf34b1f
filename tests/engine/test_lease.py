"""Leases: one run changes a target at a time, and the second is told who the first is."""

from __future__ import annotations

import textwrap
import threading

import pytest
from msgspec.structs import replace

from runbook.engine.run import IDLE
from runbook.events import fact as f
from runbook.model.host import LOCAL, Host
from runbook.ports.cancel import Cancel
from runbook.ports.target import Lease, LeaseHeld, LeaseTaken
from runbook.session.control import Control
from runbook.session.record import JournalRecorder
from runbook.session.result import Result
from runbook.session.run import reopen
from runbook.transports.local import LocalTarget, LocalTransport
from tests.engine.desk import Desk, Ear, touch, until

HOLDS = """  - id: hold
    shell: touch DIR/holding; while ! [ -e DIR/free ]; do sleep 0.05; done
    effect: change
    verify: [{command: [test, -e, DIR/free]}]
    undo: {none: "a test"}
"""


def test_a_second_run_is_refused_and_told_of_the_first(desk: Desk) -> None:
    first: list[Result] = []
    control = Control()
    thread = threading.Thread(target=lambda: first.append(desk.start("steps:\n" + HOLDS, control=control)))
    thread.start()
    until(desk.path("holding").exists)
    try:
        second = desk.start("steps:\n" + touch("mine"))
        assert second.status == "refused"
        assert f"held by run {control.run}" in second.why
        assert second.held is not None
        assert second.held.run == control.run
        assert not desk.path("mine").exists()
        takeover = desk.start("steps:\n" + touch("mine"), take_over="in a hurry")
        assert takeover.status == "refused"
        assert not desk.path("mine").exists()
    finally:
        desk.path("free").touch()
        thread.join(20)

    assert first[0].status == "succeeded"
    assert desk.start("steps:\n" + touch("mine")).status == "succeeded"


def test_reads_need_no_lease(desk: Desk) -> None:
    thread = threading.Thread(target=lambda: desk.start("steps:\n" + HOLDS))
    thread.start()
    until(desk.path("holding").exists)
    try:
        result = desk.start('steps:\n  - {id: look, command: ["true"], effect: read}\n')
        assert result.status == "succeeded"
        assert not any(isinstance(fact, f.LeaseClaimed) for fact in desk.facts(result.run))
    finally:
        desk.path("free").touch()
        thread.join(20)


def paused(desk: Desk) -> str:
    """Return a run that rests paused after its first change, and so keeps its lease."""
    control = Control()

    def heard(event: object) -> None:
        if isinstance(event, f.AttemptStarted):
            control.pause("a moment")

    result = desk.start("steps:\n" + touch("one") + touch("two"), ear=Ear(heard), control=control)
    assert result.status == "paused"
    return result.run


def test_a_resting_run_is_taken_over_with_a_reason_and_must_claim_again(desk: Desk) -> None:
    run = paused(desk)
    assert desk.start("steps:\n" + touch("mine")).status == "refused"

    other = desk.start("steps:\n" + touch("mine"), take_over="the first one went home")

    assert other.status == "succeeded"
    claimed = [fact for fact in desk.facts(other.run) if isinstance(fact, f.LeaseClaimed)]
    assert [(fact.over, fact.reason) for fact in claimed] == [(run, "the first one went home")]
    assert desk.resume(run).status == "succeeded"
    assert desk.lines("log") == ["one", "mine", "two"]


def test_a_resumed_run_whose_target_is_held_by_another_changes_nothing(desk: Desk) -> None:
    run = paused(desk)
    thread = threading.Thread(target=lambda: desk.start("steps:\n" + HOLDS, take_over="urgent"))
    thread.start()
    until(desk.path("holding").exists)
    try:
        resumed = desk.resume(run)
        assert resumed.status == "failed"
        assert "is held by run" in resumed.why
        assert desk.lines("log") == ["one"]
    finally:
        desk.path("free").touch()
        thread.join(20)


def test_the_first_copy_of_a_run_that_was_adopted_goes_on_with_a_reason_only(desk: Desk) -> None:
    run = paused(desk)
    adopted = Lease(run, "piet@desk", "", copy="adopted")
    here = LocalTransport().target(Host(LOCAL, "local"), Cancel())
    assert isinstance(here.take_lease(adopted, over=run), LeaseTaken)

    refused = desk.resume(run)

    assert refused.status == "failed"
    assert "local is held by piet@desk since" in refused.why
    assert "who has taken this run over" in refused.why
    kept = here.take_lease(adopted)
    assert isinstance(kept, LeaseTaken)
    assert kept.kept
    assert desk.lines("log") == ["one"]
    assert desk.resume(run, take_over="Piet has left it").status == "succeeded"
    assert desk.lines("log") == ["one", "two"]


def test_a_change_that_was_left_open_stays_in_doubt_while_another_run_holds_its_target(desk: Desk) -> None:
    run = paused(desk)
    writer, state = reopen(desk.layout, run)
    with writer:
        record = JournalRecorder(writer).record
        record(f.SessionOpened(mode="resume", actor={}, boot_id="", versions={}))
        record(state.at("one", "local").planned or f.NoteWritten(text=""))
        record(f.AttemptStarted(step="two", target="local", attempt=1, effect="change"))
    thread = threading.Thread(target=lambda: desk.start("steps:\n" + HOLDS, take_over="urgent"))
    thread.start()
    until(desk.path("holding").exists)
    try:
        resumed = desk.resume(run)
        assert resumed.status == "in_doubt"
        assert "is held by run" in resumed.why
    finally:
        desk.path("free").touch()
        thread.join(20)


def test_a_run_that_is_over_gives_its_leases_back(desk: Desk) -> None:
    for body in (touch("one"), '  - {id: bad, command: ["false"], effect: read}\n' + touch("two")):
        result = desk.start("steps:\n" + body)
        assert result.state.leases == frozenset()


def test_all_targets_are_claimed_or_none(desk: Desk) -> None:
    inventory = desk.inventory("a", "b")
    body = "targets: {{app: {{hosts: {hosts}}}}}\nsteps:\n"
    thread = threading.Thread(target=lambda: desk.start(body.format(hosts="b") + HOLDS, inventory=inventory))
    thread.start()
    until(desk.path("holding").exists)
    try:
        both = desk.start(body.format(hosts="all") + touch("mine"), inventory=inventory)
        assert both.status == "refused"
        assert both.state.leases == frozenset()
        alone = desk.start(body.format(hosts="a") + touch("mine"), inventory=inventory)
        assert alone.status == "succeeded"
    finally:
        desk.path("free").touch()
        thread.join(20)


def test_nothing_is_changed_on_one_target_while_another_is_still_being_claimed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = LocalTransport().target(Host("b", "local"), Cancel())
    assert isinstance(here.take_lease(Lease("another", "olga@desk", "")), LeaseTaken)
    begun = threading.Event()
    take = LocalTarget.take_lease

    def slowly(self: LocalTarget, lease: Lease, *, over: str = "") -> LeaseTaken | LeaseHeld:
        if self.host.name == "b":
            # As long as several turns of the scheduler take.
            begun.wait(5 * IDLE)
        return take(self, lease, over=over)

    def heard(event: object) -> None:
        if isinstance(event, f.AttemptStarted):
            begun.set()

    monkeypatch.setattr(LocalTarget, "take_lease", slowly)
    waves = "  - stage: all\n    on: app\n    rollout: {waves: [1, 2]}\n    steps:\n"
    body = "targets: {app: {hosts: all}}\nsteps:\n" + waves + textwrap.indent(touch("mine"), "    ")
    refused = desk.start(body, inventory=desk.inventory("a", "b"), ear=Ear(heard))

    assert (refused.status, refused.state.leases, refused.state.changes) == ("refused", frozenset(), ())
    assert not desk.path("mine").exists()


def test_a_session_that_still_runs_when_its_run_is_taken_over_begins_no_further_change(desk: Desk) -> None:
    adopted = Lease("", "piet@desk", "", copy="adopted")
    control = Control()

    def heard(event: object) -> None:
        if isinstance(event, f.StepFinished) and event.step == "one":
            here = LocalTransport().target(Host(LOCAL, "local"), Cancel())
            assert isinstance(here.take_lease(replace(adopted, run=control.run), over=control.run), LeaseTaken)

    first = desk.start("steps:\n" + touch("one") + touch("two"), ear=Ear(heard), control=control)

    assert (first.status, first.state.at("two", LOCAL).status) == ("failed", "refused")
    assert "piet@desk has taken this run over" in first.state.at("two", LOCAL).error
    assert desk.lines("log") == ["one"]
    kept = LocalTransport().target(Host(LOCAL, "local"), Cancel()).take_lease(replace(adopted, run=first.run))
    assert isinstance(kept, LeaseTaken)
    assert kept.kept
