"""Hosts that are away: they hold up nobody, count as what they are, and are met again when they are back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from runbook.errors import ConnectError
from runbook.events import fact as f
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.ports.target import Lease
from runbook.session.library import open_loops
from runbook.session.order import Order
from runbook.session.record import JournalRecorder
from runbook.session.rehearse import rehearse
from runbook.session.review import report
from runbook.session.run import reopen, replay_run
from runbook.session.steer import decide
from runbook.session.unattended import Unattended
from runbook.transports.local import LocalTarget, LocalTransport
from tests.engine.desk import Desk
from tests.engine.test_fleet import ALL, HOSTS, mark, stage, start
from tests.sshd import free_port


def partly(desk: Desk, *down: str) -> Path:
    """Return an inventory of hosts that are this machine, but for those where nothing answers."""
    port = free_port()
    ways = dict.fromkeys(down, f"{{address: 127.0.0.1, port: {port}, user: nobody}}")
    path = desk.folder / "hosts.yaml"
    path.write_text("hosts:\n" + "".join(f"  {h}: {ways.get(h, '{transport: local}')}\n" for h in HOSTS))
    return path


@contextmanager
def out_of_reach(name: str, tried: list[str] | None = None) -> Iterator[None]:
    """Let nobody come to a host that is this machine; `tried` gets its name for each attempt."""
    reached = LocalTransport.target

    def target(self: LocalTransport, host: Host, cancel: Cancel) -> LocalTarget:
        if host.name == name:
            (tried if tried is not None else []).append(name)
            raise ConnectError("nobody answers", where=name)
        return reached(self, host, cancel)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTransport, "target", target)
        yield


def test_hosts_that_are_down_count_as_unreachable_and_the_others_are_changed(desk: Desk) -> None:
    """Down before the run began, they use up nothing of what may become unavailable."""
    body = ALL + stage(mark("one", fails_on="c") + mark("two"), "    rollout: {waves: [2, 100%], max_unavailable: 1}\n")

    result = desk.start(body, inventory=partly(desk, "b", "d"))

    told = desk.statuses(result.run)
    expected = {"a": "succeeded", "b": "unreachable", "c": "failed", "d": "unreachable"}
    assert {host: told[f"one@{host}"] for host in HOSTS} == expected
    assert sorted(desk.lines("log")) == ["one a", "one c", "two a"]
    assert result.status == "partial"
    assert result.state.leases == frozenset()


def test_a_host_that_is_down_keeps_no_other_from_a_step_outside_of_a_stage(desk: Desk) -> None:
    body = ALL + "steps:\n" + mark("one", more="    on_failure: stop\n") + mark("two")

    result = desk.start(body, inventory=partly(desk, "b"))

    assert sorted(desk.lines("log")) == ["one a", "one c", "one d"]
    assert desk.statuses(result.run)["one@b"] == "unreachable"
    assert (result.status, result.pending_undo) == ("partial", 3)


def test_a_host_that_cannot_be_claimed_any_more_holds_up_nobody(desk: Desk) -> None:
    taken = LocalTarget.take_lease

    def take_lease(self: LocalTarget, lease: Lease, *, over: str = "") -> Any:
        if self.host.name == "b":
            raise ConnectError("nobody answers", where="b")
        return taken(self, lease, over=over)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTarget, "take_lease", take_lease)
        result = start(desk, stage(mark("one"), "    rollout: {max_unavailable: 1}\n"))
    assert desk.statuses(result.run)["one@b"] == "unreachable"
    assert sorted(desk.lines("log")) == ["one a", "one c", "one d"]
    assert result.status == "partial"

    assert desk.resume(result.run, failed_hosts=True).status == "succeeded"
    assert sorted(desk.lines("log")) == ["one a", "one b", "one c", "one d"]


def test_the_newest_wave_goes_back_first_and_what_activates_runs_again_in_each(desk: Desk) -> None:
    body = mark("one") + mark("restart", more="    activates: [one]\n")
    done = start(desk, stage(body, "    rollout: {waves: [1, 2, 100%]}\n"))
    before = len(desk.lines("log"))

    assert desk.undo(done.run).status == "undone"
    back = desk.lines("log")[before:]
    order = ("un-restart", "un-one", "restart")
    assert [set(back[at : at + 2]) for at in (0, 2, 4)] == [{f"{what} c", f"{what} d"} for what in order]
    assert back[6:] == [f"{what} {host}" for host in ("b", "a") for what in order]


def test_a_host_that_is_away_while_the_others_go_back_is_led_back_later(desk: Desk) -> None:
    done = start(desk, stage(mark("one") + mark("two"), "    rollout: {waves: [2, 100%]}\n"))
    before = len(desk.lines("log"))

    with out_of_reach("c"):
        first = desk.undo(done.run)
    assert (first.status, first.pending_undo) == ("undo_incomplete", 2)
    assert first.why.startswith("c cannot be reached")
    assert sorted(desk.lines("log")[before:]) == [f"un-{what} {host}" for what in ("one", "two") for host in "abd"]
    assert first.state.leases == frozenset()
    [loop] = open_loops(desk.settings)
    assert (loop.run, loop.at, loop.next) == (done.run, "two on c", f"runbook undo {done.run}")
    assert "it could not be reached; undo it when it is back" in report(desk.settings, done.run)

    assert desk.undo(done.run).status == "undone"
    assert desk.lines("log")[before + 6 :] == ["un-two c", "un-one c"]
    assert open_loops(desk.settings) == ()


def test_a_host_that_was_not_reached_is_not_waited_for_at_every_step(desk: Desk) -> None:
    tried: list[str] = []
    looks = "".join(f"  - {{id: look{n}, command: ['true'], effect: read, on_failure: continue}}\n" for n in range(3))
    with out_of_reach("b", tried):
        result = start(desk, "steps:\n" + looks)

    told = desk.statuses(result.run)
    assert {told[f"look{n}@b"] for n in range(3)} == {"unreachable"}
    assert {told[f"look{n}@a"] for n in range(3)} == {"succeeded"}
    assert tried == ["b"]
    assert result.status == "partial"
    assert desk.resume(result.run, failed_hosts=True).status == "succeeded"


@pytest.mark.parametrize("where", ["look", "claim"])
def test_how_long_a_host_was_waited_for_is_told_once(desk: Desk, where: str) -> None:
    reached, taken = LocalTransport.target, LocalTarget.take_lease

    def silent(name: str) -> None:
        if name == "b":
            Event().wait(0.05)
            raise ConnectError("nobody answers", where=name)

    def target(self: LocalTransport, host: Host, cancel: Cancel) -> LocalTarget:
        silent(host.name if where == "look" else "")
        return reached(self, host, cancel)

    def take_lease(self: LocalTarget, lease: Lease, *, over: str = "") -> Any:
        silent(self.host.name)
        return taken(self, lease, over=over)

    body = "steps:\n" + "".join(mark(name, more="    on_failure: continue\n") for name in ("one", "two"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalTransport, "target", target)
        patch.setattr(LocalTarget, "take_lease", take_lease)
        result = start(desk, body)

    ends = [fact for fact in desk.facts(result.run) if isinstance(fact, f.StepFinished) and fact.target == "b"]
    assert [(end.step, end.status, end.ms >= 50) for end in ends] == [
        ("one", "unreachable", True),
        ("two", "unreachable", False),
    ]


def test_a_rehearsal_looks_at_hosts_side_by_side_and_waits_once_for_one_that_is_away(desk: Desk) -> None:
    tried: list[str] = []
    playbook = desk.playbook(ALL + "steps:\n" + mark("one") + mark("two"))
    with out_of_reach("b", tried):
        order = Order(playbook=str(playbook), inventory=desk.inventory(*HOSTS))
        found = rehearse(desk.settings, order, Unattended())

    seen = [(step.step, step.target, step.state) for step in found.steps]
    assert seen == [
        (step, host, "unreachable" if host == "b" else "known") for step in ("one", "two") for host in HOSTS
    ]
    assert tried == ["b"]
    assert (found.unreachable, found.refused) == (True, False)


@pytest.mark.parametrize("pattern", ["all:!all[-1]", "all,!d", "all[0:2]", "~[abc]"])
def test_what_a_pattern_meant_at_first_is_what_a_run_goes_on_with(desk: Desk, pattern: str) -> None:
    body = f"targets: {{app: {{hosts: '{pattern}'}}}}\nsteps:\n" + mark("one", fails_on="b") + mark("two")
    first = desk.start(body, inventory=desk.inventory(*HOSTS))
    assert first.status == "failed"
    desk.path("healed").touch()

    done = desk.resume(first.run, failed_hosts=True)
    assert (done.status, list(done.plan.hosts)) == ("succeeded", ["a", "b", "c"])
    assert sorted(line for line in desk.lines("log") if line.startswith("two")) == ["two a", "two b", "two c"]
    assert desk.undo(first.run).status == "undone"
    assert sorted(line for line in desk.lines("log") if line.startswith("un-two")) == [
        "un-two a",
        "un-two b",
        "un-two c",
    ]


def test_an_order_narrows_how_many_hosts_run_at_once_and_a_resume_keeps_to_it(desk: Desk) -> None:
    body = "steps:\n" + mark("one") + mark("two", fails_on="d", more="    parallel: 3\n")
    first = start(desk, body, parallel=2)
    assert {step.parallel for unit in first.plan.units for step in unit.steps} == {2}
    desk.path("healed").touch()

    done = desk.resume(first.run, failed_hosts=True)
    assert done.status == "succeeded"
    assert {step.parallel for unit in done.plan.units for step in unit.steps} == {2}
    assert [step.parallel for unit in start(desk, body, parallel=9).plan.units for step in unit.steps] == [9, 3]


def test_a_replay_of_a_run_on_few_hosts_stays_on_them(desk: Desk) -> None:
    body = ALL + "steps:\n" + mark("one")
    first = desk.start(body, inventory=desk.inventory(*HOSTS), limit="a,b")
    again = replay_run(desk.settings, first.run, Order(playbook=""), Unattended())
    assert list(again.plan.hosts) == ["a", "b"]


def test_a_run_whose_open_change_is_on_a_host_that_is_away_rests_in_doubt_and_settles_the_others(desk: Desk) -> None:
    stop = "steps:\n" + mark("one") + mark("two", fails_on="a")
    run = start(desk, stop).run
    writer, _ = reopen(desk.layout, run)
    with writer:
        record = JournalRecorder(writer).record
        record(f.SessionOpened(mode="resume", actor={}, boot_id="", versions={}))
        for host in ("b", "c"):
            record(f.AttemptStarted(step="two", target=host, attempt=2, effect="change"))
    before = desk.lines("log")

    with out_of_reach("c"):
        first = desk.resume(run)
    assert first.status == "in_doubt"
    assert first.state.at("two", "b").status == "succeeded"
    left = first.state.at("two", "c")
    assert (left.status, "nobody answers" in left.error, left.attempts[-1].may_have_changed) == ("in_doubt", True, True)
    assert desk.lines("log") == [*before, "two b"]  # of which nothing had been sent

    assert decide(desk.settings, run, "two", "c", "failed", reason="it burned").startswith("on record")
    with out_of_reach("c"):
        gone_on = desk.resume(run)
    assert (gone_on.status, gone_on.state.at("two", "c").status) == ("failed", "failed")
