"""Starting, stopping and restarting real supervised processes, crash loops among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from runbook.actions.service import (
    RunWith,
    ServiceBefore,
    ServiceRestart,
    ServiceResult,
    ServiceStart,
    ServiceStatus,
    ServiceStop,
    StatusWith,
    StopWith,
)
from runbook.actions.service_health import Stability
from runbook.errors import ActionError, RunbookError
from runbook.model.host import Host
from runbook.ports.action import Already, Bad, Done, Good, NoData, NotDone, Proceed, Refuse, Unknown
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, Finished, Sink
from runbook.testing import CHECKS, Bench, Case, Crash, Faulty, MemoryWork
from runbook.testing.work import Silent
from runbook.transports.local import LocalTarget, LocalTransport
from tests.demo.conftest import Supervised, until

SLEEP = ("/bin/sleep", "600")
LOOP = ("/bin/sh", "-c", "echo cannot reach the database; sleep 0.1; exit 7")
QUICK = Stability(stable_for=0.2, within=5.0)
HASTY = Stability(stable_for=0.8, within=1.5)
NUMBERS = count(1)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervised]:
    """A supervisor for all tests that leave it alive."""
    home = Supervised(tmp_path_factory.mktemp("house") / "shop")
    home.start()
    try:
        yield home
    finally:
        home.end()


@pytest.fixture
def shop(house: Supervised) -> Supervised:
    """The supervisor with a service that is up."""
    house.add("order-service", *SLEEP)
    house.ctl("start", "order-service")
    return house


@pytest.fixture
def looping(shop: Supervised) -> Iterator[Supervised]:
    """The same with a unit that crashes again and again."""
    shop.add("loop", *LOOP, restart_delay=0.05)
    shop.ctl("start", "loop")
    yield shop
    shop.ctl("stop", "loop")


@pytest.fixture
def quick_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a service that runs be believed after a moment."""
    monkeypatch.setattr("runbook.actions.service.GLANCE", QUICK.stable_for)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Supervised]:
    """A supervisor that a test may end."""
    home = Supervised(tmp_path / "shop")
    home.add("order-service", *SLEEP)
    home.start()
    until(lambda: home.show("order-service")["ActiveState"] == "active")
    try:
        yield home
    finally:
        home.end()


@pytest.fixture
def target() -> LocalTarget:
    return LocalTransport().target(Host("web1", "local"), Cancel())


def run_with(shop: Supervised, unit: str = "order-service", verify: Stability = QUICK) -> RunWith:
    return RunWith(unit=unit, control=str(shop.layout.control), verify=verify)


def stop_with(shop: Supervised, unit: str = "order-service") -> StopWith:
    return StopWith(unit=unit, control=str(shop.layout.control))


def before(action: Any, w: Any, target: LocalTarget) -> ServiceBefore:
    found = action.inspect(w, target)
    assert isinstance(found, Proceed), found
    state = found.before
    assert isinstance(state, ServiceBefore)
    return state


def apply(action: Any, w: Any, target: LocalTarget) -> tuple[ServiceBefore, ServiceResult, MemoryWork]:
    b, work = before(action, w, target), MemoryWork(target)
    return b, action.apply(w, b, work), work


def test_a_restart_brings_another_process_and_is_verified(shop: Supervised, target: LocalTarget) -> None:
    w, action = run_with(shop), ServiceRestart()
    b, result, _ = apply(action, w, target)

    assert result.was == b.state.invocation
    assert result.invocation != result.was
    assert action.verify(w, b, result, target).state == "good"
    assert action.drift(w, b, result, target).state == "good"


def test_a_restart_that_did_not_happen_is_not_verified(shop: Supervised, target: LocalTarget) -> None:
    w, action = run_with(shop), ServiceRestart()
    b = before(action, w, target)

    verdict = action.verify(w, b, None, target)

    assert verdict.state == "bad"
    assert verdict.evidence[1] == "it is still the process of before"


def test_a_restart_brings_a_failed_unit_up(shop: Supervised, target: LocalTarget) -> None:
    shop.add("fails", "/bin/sh", "-c", "echo broken for good; exit 3", restart="no")
    with suppress(RunbookError):
        shop.ctl("start", "fails")
    until(lambda: shop.show("fails")["ActiveState"] == "failed")
    shop.add("fails", *SLEEP)
    w, action = run_with(shop, "fails"), ServiceRestart()

    b, result, work = apply(action, w, target)

    assert action.verify(w, b, result, target).state == "good"
    assert action.plan(w, b).undo == "Stop fails again"
    action.undo(w, b, result, MemoryWork(target, undo=True, receipts=work.receipts))
    assert action.undone(w, b, result, target).state == "good"
    assert shop.show("fails")["ActiveState"] == "inactive"


def test_the_undo_of_a_restart_leaves_a_unit_that_was_up(shop: Supervised, target: LocalTarget) -> None:
    w, action = run_with(shop), ServiceRestart()
    b, result, work = apply(action, w, target)
    back = MemoryWork(target, undo=True, receipts=work.receipts)

    action.undo(w, b, result, back)

    assert action.plan(w, b).undo == "The process is new; nothing to take back"
    assert back.intents == {}
    assert action.undone(w, b, result, target).state == "good"
    assert shop.show("order-service")["InvocationID"] == result.invocation


def test_a_crash_loop_is_never_called_healthy(looping: Supervised, target: LocalTarget) -> None:
    w, action = run_with(looping, "loop", HASTY), ServiceRestart()
    b, result, _ = apply(action, w, target)

    verdict = action.verify(w, b, result, target)

    assert verdict.state == "bad"
    assert any(line.startswith("it was not up for 0.8 s without a break in 1.5 s") for line in verdict.evidence)
    assert "cannot reach the database" in verdict.evidence


def test_a_crash_loop_is_not_left_alone_by_start(looping: Supervised, target: LocalTarget) -> None:
    assert isinstance(ServiceStart().inspect(run_with(looping, "loop"), target), Proceed)


def test_a_unit_that_stops_crashing_becomes_healthy_within_the_time(looping: Supervised, target: LocalTarget) -> None:
    mark = looping.layout.home / "database is back"
    looping.add(
        "loop", "/bin/sh", "-c", f"test -e '{mark}' && exec sleep 600; touch '{mark}'; exit 7", restart_delay=0.3
    )
    w, action = run_with(looping, "loop"), ServiceRestart()
    looping.ctl("stop", "loop")
    mark.unlink(missing_ok=True)
    b, result, _ = apply(action, w, target)

    assert action.verify(w, b, result, target).state == "good"
    assert mark.exists()


def test_a_unit_that_died_for_good_is_bad_at_once_with_its_log(shop: Supervised, target: LocalTarget) -> None:
    shop.add("fails", "/bin/sh", "-c", "sleep 0.3; echo broken for good; exit 3", restart="no")
    w, action = run_with(shop, "fails", Stability(stable_for=5.0, within=3600.0)), ServiceRestart()
    b, result, _ = apply(action, w, target)

    verdict = action.verify(w, b, result, target)

    assert verdict.state == "bad"
    assert "result exit-code, exit status 3" in verdict.evidence[0]
    assert verdict.evidence[-1] == "broken for good"


def test_a_unit_that_cannot_be_started_fails_with_the_words_of_its_manager(
    shop: Supervised, target: LocalTarget
) -> None:
    shop.add("nowhere", "/nowhere/program")
    w, action = run_with(shop, "nowhere"), ServiceStart()
    b, work = before(action, w, target), MemoryWork(target)

    with pytest.raises(ActionError, match="nowhere cannot be started"):
        action.apply(w, b, work)
    assert [o.key.name for o in work.open()] == ["start"]


def test_an_unknown_unit_is_refused_by_name_and_host(shop: Supervised, target: LocalTarget) -> None:
    run, stop = run_with(shop, "oder-service"), stop_with(shop, "oder-service")

    found = (
        ServiceStart().inspect(run, target), ServiceStop().inspect(stop, target), ServiceRestart().inspect(run, target)
    )  # fmt: skip

    assert found == (Refuse("unit oder-service not found on web1", f"`{shop.layout.control} list`"),) * 3


@pytest.mark.parametrize("unit", ["*", "order-*", "-h", "--root=/x", "", "a b", "/etc/passwd", "a\nb"])
def test_what_names_no_single_unit_is_refused(shop: Supervised, target: LocalTarget, unit: str) -> None:
    found = ServiceRestart().inspect(run_with(shop, unit), target)

    assert isinstance(found, Refuse)
    assert "is no name of a unit" in found.why


def test_start_leaves_alone_what_runs_and_stop_what_is_down(
    shop: Supervised, target: LocalTarget, quick_glance: None
) -> None:
    assert isinstance(ServiceStart().inspect(run_with(shop), target), Already)
    shop.ctl("stop", "order-service")
    assert isinstance(ServiceStop().inspect(stop_with(shop), target), Already)


def test_start_and_its_undo(shop: Supervised, target: LocalTarget) -> None:
    shop.ctl("stop", "order-service")
    w, action = run_with(shop), ServiceStart()

    b, result, work = apply(action, w, target)
    assert action.verify(w, b, result, target).state == "good"
    action.undo(w, b, result, MemoryWork(target, undo=True, receipts=work.receipts))

    assert shop.show("order-service")["ActiveState"] == "inactive"
    assert action.undone(w, b, result, target).state == "good"


def test_stop_and_its_undo(shop: Supervised, target: LocalTarget, quick_glance: None) -> None:
    w, action = stop_with(shop), ServiceStop()

    b, result, work = apply(action, w, target)
    assert action.verify(w, b, result, target).state == "good"
    action.undo(w, b, result, MemoryWork(target, undo=True, receipts=work.receipts))

    assert shop.show("order-service")["ActiveState"] == "active"
    assert action.undone(w, b, result, target).state == "good"


def test_a_stop_that_did_not_happen_is_not_verified(shop: Supervised, target: LocalTarget) -> None:
    w, action = stop_with(shop), ServiceStop()

    assert action.verify(w, before(action, w, target), None, target).state == "bad"


def test_the_plan_is_the_command_as_typed_and_the_same_at_every_look(shop: Supervised, target: LocalTarget) -> None:
    w, action = run_with(shop), ServiceRestart()
    first = action.plan(w, before(action, w, target))
    shop.ctl("restart", "order-service")

    assert first.commands == (f"{shop.layout.control} restart order-service",)
    assert action.plan(w, before(action, w, target)) == first


def test_a_manager_that_does_not_answer_is_refused_before_and_no_data_after(
    mortal: Supervised, target: LocalTarget
) -> None:
    w, action = run_with(mortal, verify=HASTY), ServiceRestart()
    b = before(action, w, target)
    mortal.end()

    assert isinstance(action.inspect(w, target), Refuse)
    assert action.verify(w, b, None, target).state == "no data"
    assert action.drift(w, b, None, target).state == "good"
    status = StatusWith(unit="order-service", control=str(mortal.layout.control))
    assert isinstance(ServiceStatus().observe(status, target, Silent()), NoData)


def test_status_tells_up_down_unknown_and_looping(looping: Supervised, target: LocalTarget) -> None:
    def observe(unit: str, stable_for: float = 0.0) -> object:
        w = StatusWith(unit=unit, control=str(looping.layout.control), stable_for=stable_for)
        return ServiceStatus().observe(w, target, Silent())

    up = observe("order-service", 0.3)
    assert isinstance(up, Good)
    assert (up.value.active, up.value.sub, up.value.restarts) == ("active", "running", 0)
    looping.ctl("stop", "order-service")
    down = observe("order-service")
    assert isinstance(down, Bad)
    assert (down.value.up, down.value.active) == (False, "inactive")
    unknown = observe("oder-service")
    assert isinstance(unknown, Bad)
    assert unknown.evidence == ("unit oder-service not found on web1",)
    assert isinstance(observe("loop", 1.0), Bad)


def test_settle_after_a_crash_before_and_after_the_command(shop: Supervised, target: LocalTarget) -> None:
    w, action = run_with(shop), ServiceRestart()
    for point, truth in (("before", NotDone), ("after", Done)):
        b, work = before(action, w, target), MemoryWork(target, crash=(point, "restart"))  # type: ignore[arg-type]
        with pytest.raises(Crash):
            action.apply(w, b, work)

        assert isinstance(action.settle(w, b, work.open()[0], target), truth)


def test_another_invocation_without_a_command_of_ours_is_not_taken_for_it(
    shop: Supervised, target: LocalTarget
) -> None:
    w, action = run_with(shop), ServiceRestart()
    b, work = before(action, w, target), MemoryWork(target, crash=("before", "restart"))
    with pytest.raises(Crash):
        action.apply(w, b, work)
    shop.ctl("restart", "order-service")

    assert isinstance(action.settle(w, b, work.open()[0], target), NotDone)


class Refusing(Bench):
    """A target whose changing commands are refused, as by sudo."""

    def _run(self, cmd: Cmd, sink: Sink) -> tuple[Finished, bytes, bytes]:
        return super()._run(Cmd(("false",)) if cmd.argv[-2:-1] == ("restart",) else cmd, sink)


def test_a_refused_restart_of_a_process_that_still_runs_is_not_done(shop: Supervised) -> None:
    target, w, action = Refusing(), run_with(shop), ServiceRestart()
    found = action.inspect(w, target)
    assert isinstance(found, Proceed)
    work = MemoryWork(target)
    with pytest.raises(ActionError, match="failed with exit 1"):
        action.apply(w, found.before, work)

    assert isinstance(action.settle(w, found.before, work.open()[0], target), NotDone)


def test_settle_does_not_guess_when_the_manager_cannot_be_asked(mortal: Supervised, target: LocalTarget) -> None:
    w, action = run_with(mortal), ServiceRestart()
    b, work = before(action, w, target), MemoryWork(target, crash=("after", "restart"))
    with pytest.raises(Crash):
        action.apply(w, b, work)
    mortal.end()

    assert isinstance(action.settle(w, b, work.open()[0], target), Unknown)


def test_undo_stops_at_what_somebody_else_did(shop: Supervised, target: LocalTarget) -> None:
    w, action = stop_with(shop), ServiceStop()
    b, result, work = apply(action, w, target)
    shop.ctl("start", "order-service")

    assert action.drift(w, b, result, target).state == "bad"
    with pytest.raises(ActionError, match="not as this step left it"):
        action.undo(w, b, result, MemoryWork(target, undo=True, receipts=work.receipts))


@pytest.fixture
def units(house: Supervised) -> Iterator[list[str]]:
    """Names of units that are stopped when the test is over."""
    names: list[str] = []
    yield names
    for name in names:
        house.ctl("stop", name)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("verb", ["start", "stop", "restart of a failed one"])
def test_the_actions_keep_the_contract(
    house: Supervised,
    units: list[str],
    verb: str,
    check: Callable[[Callable[[], Case]], None],
    quick_glance: None,
) -> None:
    def make() -> Case:
        unit = f"unit{next(NUMBERS)}"
        house.add(unit, *SLEEP)
        units.append(unit)

        def active() -> object:
            return house.show(unit)["ActiveState"] == "active"

        if verb == "stop":
            house.ctl("start", unit)
            w = StopWith(unit=unit, control=str(house.layout.control))
            return Case(ServiceStop(), w, Bench(), active, lambda: house.ctl("start", unit))
        action = ServiceStart() if verb == "start" else ServiceRestart()
        return Case(action, run_with(house, unit), Bench(), active, lambda: house.ctl("stop", unit))

    check(make)


def test_a_lost_answer_leaves_the_operation_open(shop: Supervised) -> None:
    target, w, action = Faulty(Bench(), {"restart": "lost"}), run_with(shop), ServiceRestart()
    found = action.inspect(w, target)
    assert isinstance(found, Proceed)
    work = MemoryWork(target)

    with pytest.raises(Exception, match="the end of a command was not heard of"):
        action.apply(w, found.before, work)
    assert isinstance(action.settle(w, found.before, work.open()[0], target), Done)
