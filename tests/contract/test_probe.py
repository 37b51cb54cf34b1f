"""Every built-in probe answers over every target that runs here, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook.actions import catalogue
from runbook.ports.action import Bad, Good, NoData
from runbook.ports.target import Reader
from runbook.testing import tree
from runbook.testing.work import Silent
from tests.contract.test_action import TARGETS


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name of the standard library
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def listening() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(params=list(TARGETS))
def target(request: pytest.FixtureRequest, home: Path) -> Iterator[Reader]:
    yield from TARGETS[request.param](request)


Given = Callable[[Path, int], dict[str, Any]]


def _runtime(path: Path, exit_status: int) -> dict[str, Any]:
    program = path.parent / "1.20" / "run"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 1.20\nexit {exit_status}\n")
    program.chmod(0o755)
    link = path.parent / "current"
    link.symlink_to("1.20")
    return {"link": str(link), "binary": "run"}


GOOD: dict[str, Given] = {
    "command": lambda path, _: {"argv": ["cat", "--", str(path)]},
    "shell": lambda path, _: {"script": 'test -f "$F"', "env": {"F": str(path)}},
    "file.checksum": lambda path, _: {"path": str(path)},
    "file.whole": lambda path, _: {"path": str(path), "sha256": sha256(b"content").hexdigest()},
    "http": lambda _, port: {"url": f"http://127.0.0.1:{port}/"},
    "tcp": lambda _, port: {"port": port},
    "process": lambda _, __: {"pid": os.getppid()},
    "runtime.status": lambda path, _: _runtime(path, 0),
}
BAD: dict[str, Given] = {
    "command": lambda path, _: {"argv": ["cat", "--", f"{path}.not"]},
    "shell": lambda _, __: {"script": "exit 3"},
    "file.checksum": lambda path, _: {"path": str(path), "sha256": "0" * 64},
    "file.whole": lambda path, _: {"path": str(path), "sha256": "0" * 64},
    "tcp": lambda _, port: {"port": port},
    "process": lambda _, __: {"name": "no-such-program"},
    "runtime.status": lambda path, _: _runtime(path, 1),
}


def observe(target: Reader, name: str, given: dict[str, Any]) -> object:
    probe, info = catalogue().probe(name), catalogue().info(name)
    assert info is not None
    return probe.observe(msgspec.convert(given, info.model), target, Silent())


def is_not_there(target: Reader, name: str) -> bool:
    """A mounted root has no processes and no network: what runs and answers is this machine, whatever it looks like."""
    return target.host.transport == "chroot" and name in {"http", "tcp", "process"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "-a b\n"
    path.write_text("content")
    return path


@pytest.mark.parametrize("name", list(GOOD))
def test_what_holds_is_good_and_nothing_is_left_behind(
    name: str, target: Reader, file: Path, listening: int, home: Path
) -> None:
    given = GOOD[name](file, listening)
    start = tree(home), tree(file.parent)

    assert isinstance(observe(target, name, given), NoData if is_not_there(target, name) else Good)
    assert (tree(home), tree(file.parent)) == start


@pytest.mark.parametrize("name", list(BAD))
def test_what_does_not_hold_is_bad(name: str, target: Reader, file: Path, closed: int) -> None:
    wanted = NoData if is_not_there(target, name) else Bad
    assert isinstance(observe(target, name, BAD[name](file, closed)), wanted)


@pytest.mark.parametrize("name", ["command", "shell"])
def test_what_does_not_end_is_no_data(name: str, target: Reader) -> None:
    given = {"argv": ["sleep", "30"]} if name == "command" else {"script": "sleep 30"}

    assert isinstance(observe(target, name, {**given, "timeout": 0.3}), NoData)


def test_every_built_in_probe_that_is_not_tested_elsewhere_is_here() -> None:
    elsewhere = {"git.diff", "ldconfig.inspect", "metric.query", "queue.inspect", "service.status"}
    probes = {name for name in catalogue().names() if name not in elsewhere and _is_probe(name)}

    assert set(GOOD) >= probes


def _is_probe(name: str) -> bool:
    if name.startswith("service."):
        return False
    info = catalogue().info(name)
    return info is not None and info.is_probe
