"""How pytest comes to the lab: the first test that needs it starts it, in whichever worker that is.

Loaded by `tests/conftest.py`, so that tests in all folders can use it. A test with the mark `lab` runs inside the
lab's network, from before its first fixture to after its last; see `inside` for what that means. With
`lab(inside=False)` the lab is up and the test stays outside. Without a lab such tests are skipped, and one line at
the end says so; with RUNBOOK_REQUIRE_LAB=1 they fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.lab.fleet import Fleet
from tests.lab.host import Host
from tests.lab.lab import Lab, join, wait_until_down
from tests.lab.lock import is_held
from tests.lab.place import LabMissing, cgroups, this_place
from tests.lab.proxy import Proxy, proxy

REQUIRE = "RUNBOOK_REQUIRE_LAB"
NO_LAB = "no lab: "

Take = Callable[[int], list[Host]]


class Access:
    """What one pytest process knows of the lab: not yet asked, joined, or missing."""

    def __init__(self) -> None:
        self.lab: Lab | None = None
        self.missing = ""
        self.left: list[str] = []
        """What the lab left behind at its end."""
        self._inside: AbstractContextManager[None] | None = None

    def joined(self) -> Lab:
        """Return the lab; skips the test if there is none, or fails it where a lab is required."""
        if self.lab is None and not self.missing:
            try:
                self.lab = join()
            except (LabMissing, TimeoutError) as error:
                self.missing = str(error)
        if self.lab is None:
            reason = f"{NO_LAB}{self.missing}"
            if os.environ.get(REQUIRE) == "1":
                pytest.fail(f"{reason} ({REQUIRE} is set)", pytrace=False)
            pytest.skip(reason)
        return self.lab

    def enter(self) -> None:
        self._inside = self.joined().inside()
        self._inside.__enter__()

    def leave(self) -> None:
        if self._inside is not None:
            self._inside.__exit__(None, None, None)
            self._inside = None

    def end(self, *, is_worker: bool) -> None:
        """Use the lab no more; whoever is not a mere worker sees it out."""
        self.leave()  # an interrupted test was not torn down
        if self.lab is not None:
            self.lab.leave()
        if is_worker:
            return
        place = this_place()
        if self.lab is not None or is_held(place.lock("keeper")):
            self.left = wait_until_down(place)


ACCESS = pytest.StashKey[Access]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ACCESS] = Access()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    mark = item.get_closest_marker("lab")
    if mark is None:
        return
    if mark.kwargs.get("inside", True):
        item.config.stash[ACCESS].enter()
    else:
        item.config.stash[ACCESS].joined()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    try:
        return (yield)
    finally:
        item.config.stash[ACCESS].leave()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    access = session.config.stash[ACCESS]
    access.end(is_worker=hasattr(session.config, "workerinput"))
    if access.left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = [report for report in terminalreporter.getreports("skipped") if NO_LAB in str(report.longrepr)]
    if skipped:
        told = str(skipped[0].longrepr[2] if isinstance(skipped[0].longrepr, tuple) else skipped[0].longrepr)
        reason = told.partition(NO_LAB)[2]
        line = f"NO LAB: {len(skipped)} tests on real hosts did not run, because {reason}"
        terminalreporter.write_line(line, red=True, bold=True)
    left = config.stash[ACCESS].left
    if left:
        terminalreporter.section("THE LAB IS NOT DOWN (make lab-down)", red=True, bold=True)
        for thing in left:
            terminalreporter.write_line(thing, red=True)


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    """The lab that is up."""
    return pytestconfig.stash[ACCESS].joined()


@pytest.fixture
def host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    """A whole host for this test alone; parametrised indirectly, one with that layout of control groups."""
    cgroup = str(getattr(request, "param", ""))
    if cgroup and cgroup not in cgroups():
        pytest.skip(f"this machine offers no control groups {cgroup}")
    with lab.take(1, cgroup) as (only,):
        yield only


@pytest.fixture
def take_hosts(lab: Lab) -> Iterator[Take]:
    """Take several whole hosts for this test alone: call it once, with their number."""
    with ExitStack() as stack:
        yield lambda count: stack.enter_context(lab.take(count))


@pytest.fixture
def fleet(lab: Lab) -> Iterator[Fleet]:
    """The fleet, for this test alone."""
    with lab.take_fleet() as whole:
        yield whole


@pytest.fixture
def front(host: Host) -> Iterator[Proxy]:
    """A proxy before the host of this test, at the host's `proxy_address`."""
    with proxy(host.proxy_address, host.address) as between:
        yield between
