"""`cache.degrade` and `cache.restore` keep the contract of actions: a switch file over every target that runs here,
and an HTTP endpoint as far as the checks do not count jobs on the target, which it has none of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from runbook.actions.cache_degrade import CacheDegrade, DegradeWith
from runbook.actions.cache_form import Asked
from runbook.actions.cache_restore import CacheRestore, RestoreWith
from runbook.ports.target import Target
from runbook.testing import CHECKS, Bench, Case, contract, tree
from tests.contract.test_action import TARGETS
from tests.unit.actions.cache_service import Service, status_of

TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
OLD = '{"degraded": true, "until": "2026-11-01T03:00:00Z", "at_expiry": "alarm"}\n'
NAME = "-s  wïtch\n'now'.json"


def world(folder: Path) -> Callable[[], object]:
    def seen() -> object:
        return {name: (TIMES.sub("TIME", state[0]), *state[1:]) for name, state in tree(folder).items()}

    return seen


def degrade_without_a_file(folder: Path, target: Target, service: Service) -> Case:
    path = folder / NAME
    w = DegradeWith(switch="file", path=str(path), expires=600.0)
    return Case(CacheDegrade(), w, target, world(folder), lambda: path.write_bytes(b"{}\n"))


def degrade_with_a_file(folder: Path, target: Target, service: Service) -> Case:
    path, keep = folder / NAME, folder / "kept"
    keep.mkdir()
    path.write_bytes(b"mode=database\n")
    path.chmod(0o640)
    w = DegradeWith(
        switch="file",
        path=str(path),
        expires=600.0,
        degraded="mode=cache until=$UNTIL\n",
        normal="mode=database\n",
        keep_in=str(keep),
        check=Asked(url=service.url, expect="json.agree"),
    )
    return Case(CacheDegrade(), w, target, world(folder), lambda: path.write_bytes(b"mode=theirs\n"))


def restore_by_removal(folder: Path, target: Target, service: Service) -> Case:
    path = folder / NAME
    path.write_text(OLD)
    path.chmod(0o604)
    w = RestoreWith(switch="file", path=str(path), check=Asked(url=service.url, expect="json.agree"))
    return Case(CacheRestore(), w, target, world(folder), lambda: path.write_bytes(b"{}\n"))


def restore_by_text(folder: Path, target: Target, service: Service) -> Case:
    path = folder / NAME
    path.write_text(OLD)
    w = RestoreWith(switch="file", path=str(path), normal="{}\n", check=Asked(url=service.url, expect="json.agree"))
    return Case(CacheRestore(), w, target, world(folder), lambda: path.write_bytes(b"theirs\n"))


def http_world(service: Service) -> Callable[[], object]:
    return lambda: TIMES.sub("TIME", str(service.mode))


def degrade_by_http(folder: Path, target: Target, service: Service) -> Case:
    service.mode = {"degraded": False}
    w = DegradeWith(
        switch="http", url=service.url, normal='{"degraded": false}', expires=600.0, status=status_of(service)
    )
    return Case(CacheDegrade(), w, target, http_world(service), lambda: service.degrade("2031-01-01T00:00:00Z"))


def restore_by_http(folder: Path, target: Target, service: Service) -> Case:
    service.degrade("2030-01-01T00:00:00Z")
    w = RestoreWith(
        switch="http",
        url=service.url,
        normal='{"degraded": false}',
        status=status_of(service),
        check=Asked(url=service.url, expect="json.agree"),
    )
    return Case(CacheRestore(), w, target, http_world(service), lambda: service.degrade("2031-01-01T00:00:00Z"))


FILES: dict[str, Callable[[Path, Target, Service], Case]] = {
    "cache.degrade": degrade_without_a_file,
    "cache.degrade, a file is there": degrade_with_a_file,
    "cache.restore": restore_by_removal,
    "cache.restore, by text": restore_by_text,
}
ENDPOINTS = {"cache.degrade by http": degrade_by_http, "cache.restore by http": restore_by_http}
COUNTING = (contract.a_crash_in_apply_is_settled, contract.a_crash_in_undo_is_settled, contract.a_lost_answer_is_doubt)
"""Checks that look at what was sent to the target as a job."""


# What a switch file asks of a host is what `file.restore` asks of it, which is tried on all of them.
PAIRS = [(name, place) for name in FILES for place in ("bench", "local") if place == "bench" or "," not in name]


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    yield from TARGETS[request.param](request)


def cases(tmp_path: Path, make: Callable[[Path], Case]) -> Callable[[], Case]:
    numbers = count(1)

    def fresh() -> Case:
        folder = tmp_path / f"world {next(numbers)}"
        folder.mkdir()
        return make(folder)

    return fresh


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("name", "target"),
    PAIRS,
    indirect=["target"],
)
def test_a_switch_file_keeps_the_contract(
    name: str, check: Callable[[Callable[[], Case]], None], target: Target, service: Service, tmp_path: Path
) -> None:
    check(cases(tmp_path, lambda folder: FILES[name](folder, target, service)))


@pytest.mark.parametrize("check", [c for c in CHECKS if c not in COUNTING], ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_http_endpoint_keeps_the_contract(
    name: str, check: Callable[[Callable[[], Case]], None], service: Service, tmp_path: Path
) -> None:
    check(cases(tmp_path, lambda folder: ENDPOINTS[name](folder, Bench(), service)))
