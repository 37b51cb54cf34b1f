"""`ldconfig-refresh` end to end, on a private search path: healed, taken back, rehearsed, killed and resumed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from runbook.config import Settings, settings
from runbook.journal import Layout, list_runs
from runbook.session.order import Order
from runbook.session.rehearse import rehearse
from runbook.session.result import Result
from runbook.session.run import resume, start, undo
from runbook.session.unattended import Unattended
from tests.ldconfig_world import SONAME, World, program
from tests.nursery import nursery

pytestmark = pytest.mark.slow

NOBODY = Unattended(("refresh",))
CHILD = """
import sys
from pathlib import Path
import msgspec
from runbook.config import settings
from runbook.session.order import Order
from runbook.session.run import start
from runbook.session.unattended import Unattended
folder = Path(sys.argv[1])
values = msgspec.json.decode(sys.stdin.read(), type=dict[str, str])
inventory = folder / "inventory.yaml"
order = Order(playbook="ldconfig-refresh", values=values, inventory=inventory, approvals=("refresh",))
start(settings(folder), order, Unattended(("refresh",)))
"""


class Host:
    """One host with the playbook's parameters, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(folder / "world", program(folder))
        self.settings: Settings = settings(folder)
        inventory = folder / "inventory.yaml"
        inventory.write_text("hosts:\n  box: {transport: local}\ngroups:\n  app: {hosts: [box]}\n")
        self.order = Order(
            playbook="ldconfig-refresh",
            values={
                **self.world.tool,
                "folder": str(self.world.new),
                "library": SONAME,
                "binary": str(self.world.add(folder / "program", "0")),
                "sudo": "false",
                "soak": "1s",
            },
            inventory=inventory,
            approvals=("refresh",),
        )

    def start(self, **values: str) -> Result:
        order = msgspec.structs.replace(self.order, values={**self.order.values, **values})
        return start(self.settings, order, NOBODY)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def status(result: Result) -> dict[str, str]:
    return {step: at.status for (step, _), at in result.state.steps.items()}


def test_a_stale_library_is_replaced_and_undo_gives_back_every_byte(host: Host) -> None:
    world = host.world
    start_ = world.seen()
    assert world.first() == f"{world.old}/{SONAME}"

    result = host.start()

    assert (result.status, set(status(result).values())) == ("succeeded", {"succeeded"})
    assert world.first() == f"{world.new}/{SONAME}"
    assert (world.new / SONAME).resolve().name.endswith("1.2.13")
    (look,) = (at for (step, _), at in result.state.steps.items() if step == "look")
    assert (look.values["healthy"], look.values["stale"]) == (False, [SONAME])

    undone = undo(host.settings, result.run, NOBODY)

    assert undone.status == "undone"
    assert world.seen() == start_


def test_a_folder_that_was_never_indexed_is_found_afterwards(host: Host) -> None:
    world = host.world
    world.conf("old.conf").write_text("")
    world.build()
    start_ = world.seen(), world.cache.read_bytes()

    result = host.start(order="last")

    assert result.status == "succeeded"
    assert f"{world.new}/{SONAME}" in world.listed()
    assert undo(host.settings, result.run, NOBODY).status == "undone"
    assert (world.seen(), world.cache.read_bytes()) == start_


def test_a_second_run_changes_nothing(host: Host) -> None:
    host.start()
    start_ = host.world.seen()

    result = host.start()

    assert result.status == "succeeded"
    assert result.state.standing == ()
    assert host.world.seen() == start_


def test_a_rehearsal_shows_both_diffs_and_changes_nothing(host: Host) -> None:
    world = host.world
    start_ = world.seen()

    found = rehearse(host.settings, host.order, NOBODY)

    steps = {step.step: step for step in found.steps}
    assert f"+{world.new}\n" in steps["index"].diff
    assert f"-{SONAME} => {world.old}/{SONAME}\n+{SONAME} => {world.new}/{SONAME}\n" in steps["index"].diff
    assert any("is older than" in line for line in steps["look"].evidence)
    assert world.seen() == start_


def test_undo_stops_at_a_cache_that_somebody_else_has_built(host: Host) -> None:
    result = host.start()
    host.world.add(host.folder / "other", "3")
    host.world.conf("other.conf").write_text(f"{host.folder / 'other'}\n")
    host.world.build()
    theirs = host.world.seen()

    undone = undo(host.settings, result.run, NOBODY)

    assert undone.status == "undo_incomplete"
    assert host.world.seen() == theirs


# The operations of the step: keep the cache, write the configuration, link, build.
@pytest.mark.parametrize("point", ["after-intent:2", "before-receipt:2", "after-intent:4", "before-receipt:4"])
def test_a_run_that_was_killed_in_the_refresh_is_resumed_to_its_end(host: Host, point: str) -> None:
    start_ = host.world.seen()
    words = msgspec.json.encode(host.order.values).decode()
    child = nursery().start(CHILD, str(host.folder), cwd=Path.cwd(), stdin=words, failpoint=point)
    assert child.wait(120) == -9
    (run,) = list_runs(Layout(host.settings.state))

    result = resume(host.settings, run, NOBODY)

    assert (result.status, host.world.first()) == ("succeeded", f"{host.world.new}/{SONAME}")
    assert undo(host.settings, run, NOBODY).status == "undone"
    assert host.world.seen() == start_
