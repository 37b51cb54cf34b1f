"""`ldconfig.refresh` keeps the contract of actions, with a private search path and the real ldconfig."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from runbook.actions.ldconfig_before import RefreshWith
from runbook.actions.ldconfig_refresh import LdconfigRefresh
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.ports.target import Target
from runbook.testing import CHECKS, Bench, Case
from runbook.transports.local import LocalTransport
from tests.ldconfig_world import World, program


def put_first(world: World, target: Target) -> Case:
    """A new file of the configuration, a link, and a cache that was there."""
    world.cache.chmod(0o640)
    w = RefreshWith(path=str(world.new), **world.tool)
    return Case(LdconfigRefresh(), w, target, world.seen, lambda: world.cache.write_bytes(b"somebody else\n"))


def add_last(world: World, target: Target) -> Case:
    """A file of the configuration that is there, and no cache yet."""
    world.cache.unlink()
    world.conf("old.conf").chmod(0o600)
    w = RefreshWith(path=str(world.new), order="last", name="old.conf", **world.tool)
    return Case(LdconfigRefresh(), w, target, world.seen, lambda: world.conf("old.conf").write_text("# mine\n"))


def index(world: World, target: Target) -> Case:
    """A folder that is configured and was never indexed."""
    world.add(world.new, "1.2.13")
    world.conf("new.conf").write_text(f"{world.new}\n")
    return Case(LdconfigRefresh(), RefreshWith(**world.tool), target, world.seen, world.cache.unlink)


CASES = {"put first": put_first, "add last": add_last, "index": index}


def bench() -> Iterator[Target]:
    yield Bench()


def local() -> Iterator[Target]:
    transport = LocalTransport()
    yield transport.target(Host("local", "local"), Cancel())
    transport.close()


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    yield from {"bench": bench, "local": local}[request.param]()


# All of it for the way with the most operations, and over the real transport; the rest where it differs.
LAST = ("apply_is_verified", "undo_leads_back", "undo_spares_the_work_of_others", "a_torn_apply_can_be_undone")
RUNS = [
    *(("put first", "bench", check) for check in CHECKS),
    *(("index", "local", check) for check in CHECKS),
    *(("add last", "bench", check) for check in CHECKS if check.__name__ in LAST),
]


@pytest.mark.parametrize(
    ("name", "target", "check"),
    [pytest.param(*run, id=f"{run[0]}-{run[1]}-{run[2].__name__}") for run in RUNS],
    indirect=["target"],
)
def test_a_refresh_keeps_the_contract(
    name: str, check: Callable[[Callable[[], Case]], None], target: Target, tmp_path: Path
) -> None:
    numbers = count(1)
    ldconfig = program(tmp_path)

    def make() -> Case:
        return CASES[name](World(tmp_path / f"world {next(numbers)}", ldconfig), target)

    check(make)
