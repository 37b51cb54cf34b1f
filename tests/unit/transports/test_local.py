"""What only the local transport does, and how transports are found by name."""

import hashlib
import io
import os
import sys
from pathlib import Path

import pytest

from runbook.errors import DispatchRefused
from runbook.model.host import Host
from runbook.ports.cancel import Cancel
from runbook.ports.target import Cmd, OpKey, Stream
from runbook.transports import transports
from runbook.transports.local import LocalTarget, LocalTransport

OP = OpKey("run1", "step", "web1", 1, "main")


class Nothing:
    def write(self, stream: Stream, data: bytes) -> None:
        pass


@pytest.fixture
def target() -> LocalTarget:
    return LocalTransport().target(Host("web1", "local"), Cancel())


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a sudo on the path that changes nobody, since the tests may have none."""
    fake = tmp_path / "bin" / "sudo"
    fake.parent.mkdir()
    fake.write_text(
        f"#!{sys.executable}\nimport os, sys\nrest = sys.argv[sys.argv.index('--') + 1:]\nos.execvp(rest[0], rest)\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")


def test_through_sudo_a_file_is_replaced_and_keeps_its_mode(target: LocalTarget, sudo: None, tmp_path: Path) -> None:
    file = tmp_path / "conf" / "a file"
    file.parent.mkdir()
    file.write_text("old")
    file.chmod(0o604)
    data = os.urandom(400_000)

    digest = target.put(io.BytesIO(data), str(file), OP, sudo=True)

    assert digest.sha256 == hashlib.sha256(data).hexdigest()
    assert file.read_bytes() == data
    assert file.stat().st_mode & 0o777 == 0o604
    assert list(file.parent.iterdir()) == [file]


def test_through_sudo_a_new_file_gets_the_mode_asked_for(target: LocalTarget, sudo: None, tmp_path: Path) -> None:
    target.put(io.BytesIO(b"new"), str(tmp_path / "new"), OP, mode=0o640, sudo=True)

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_through_sudo_a_symbolic_link_is_refused(target: LocalTarget, sudo: None, tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("old")
    (tmp_path / "link").symlink_to(file)

    with pytest.raises(DispatchRefused) as caught:
        target.put(io.BytesIO(b"new"), str(tmp_path / "link"), OP, sudo=True)

    assert "symbolic link" in caught.value.message
    assert file.read_text() == "old"


def test_a_cancelled_file_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("old")
    cancel = Cancel()

    class Cancelling(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            cancel.set("the operator said so")
            return super().read(size)

    with pytest.raises(DispatchRefused):
        LocalTransport().target(Host("web1", "local"), cancel).put(Cancelling(b"new"), str(file), OP)

    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_job_folders_show_command_lines_masked(home: Path) -> None:
    masking = LocalTransport(lambda line: line.replace("hunter2", "***"))

    masking.target(Host("web1", "local"), Cancel()).change(Cmd(("echo", "hunter2")), OP, Nothing())

    intent = (home / ".local/state/runbook/jobs" / OP.text() / "intent").read_text()
    assert "hunter2" not in intent
    assert "echo ***" in intent


def test_a_transport_is_built_once() -> None:
    known = transports()

    assert list(known) == sorted(known)
    assert known["local"] is known["local"]


def test_an_unknown_transport_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        transports()["pigeon"]


def test_descriptors_are_given_back(target: LocalTarget) -> None:
    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    target.read(Cmd(("true",)), Nothing())
    before = held()
    for n in range(5):
        target.read(Cmd(("cat",), stdin=b"x"), Nothing())
        target.read(Cmd(("no-such-command",)), Nothing())
        target.change(Cmd(("true",)), OpKey("run1", "step", "web1", n, "main"), Nothing())

    assert held() == before
