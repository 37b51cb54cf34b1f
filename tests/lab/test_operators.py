"""Several operators and one host: two runs at once, a machine that is gone in the middle, what is told of it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook.cli.front import Front
from runbook.cli.main import run as run_command
from runbook.cli.stream import Stream
from runbook.cli.style import Style
from tests.lab.host import Host
from tests.lab.lab import Lab, inventory

pytestmark = [pytest.mark.lab, pytest.mark.fault]

PATIENCE = 60.0

PLAYBOOK = """\
schema: runbook/v1
id: shift
title: A step that counts
targets:
  app: {hosts: "group:lab", min: 1}
steps:
  - id: conf
    uses: file.edit
    with: {path: /var/tmp/count.conf, replace: [{match: "5000", with: "500"}]}
  - id: act
    command: [sh, -c, 'echo x >>/var/tmp/count; while [ ! -e /var/tmp/count.gate ]; do sleep 0.1; done; : >/var/tmp/count.done']
    effect: change
    timeout: 2m
    verify: [{command: [test, -e, /var/tmp/count.done]}]
    undo: [{command: [sh, -c, 'echo x >>/var/tmp/count.back; rm -f /var/tmp/count.done']}]
    on_failure: stop
"""  # noqa: E501


class Operator:
    """Somebody with a machine of their own: a home, and nothing of anybody else's in it."""

    def __init__(self, folder: Path, lab: Lab, host: Host, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = patch
        folder.mkdir(mode=0o700)
        (folder / "home").mkdir(mode=0o700)
        lab.know(folder / "home")
        (folder / "hosts.yaml").write_text(inventory("lab", {host.name: host.address}, lab.identity))
        (folder / "shift.yaml").write_text(PLAYBOOK)

    def sits_down(self) -> None:
        """From here on commands are theirs."""
        home = self.folder / "home"
        self._patch.setenv("HOME", str(home))
        for name, below in (("CONFIG", ".config"), ("STATE", ".local/state"), ("DATA", ".data"), ("CACHE", ".cache")):
            self._patch.setenv(f"XDG_{name}_HOME", str(home / below))
        self._patch.chdir(self.folder)

    def says(self, *words: str) -> tuple[int, Any, str]:
        """Return the exit code of a command, its answer, and what it told besides."""
        self.sits_down()
        out, err = io.StringIO(), io.StringIO()
        code = run_command(
            [*words, "--output", "json"], Front((Stream(out, Style()), Stream(err, Style(), narration=True)))
        )
        return code, json.loads(out.getvalue() or "null"), err.getvalue()

    def begins(self, *words: str) -> subprocess.Popen[bytes]:
        """Begin a command, or else the run, in a process of its own."""
        self.sits_down()
        argv = [sys.executable, "-m", "runbook", *(words or ("replay", "shift.yaml", "--inventory", "hosts.yaml"))]
        with (self.folder / "told").open("wb") as told:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=told, stderr=told)

    def burns(self) -> None:
        """Lose the machine with all that was on it."""
        shutil.rmtree(self.folder)

    def is_cut_off(self) -> None:
        """Lose the machine, as far as anybody knows."""
        self.folder.rename(self.folder.with_suffix(".away"))

    def is_back(self) -> None:
        """Have it again as it was."""
        self.folder.with_suffix(".away").rename(self.folder)


@pytest.fixture
def olga(lab: Lab, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(tmp_path / "olga", lab, host, monkeypatch)


@pytest.fixture
def piet(lab: Lab, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(tmp_path / "piet", lab, host, monkeypatch)


@pytest.fixture
def begun(olga: Operator, host: Host) -> Iterator[subprocess.Popen[bytes]]:
    """A run of Olga's whose second step is under way."""
    host.counter()
    host.write("/var/tmp/count.conf", "size: 5000\n")
    host.check("chown", "deploy:deploy", "/var/tmp/count.conf")
    process = olga.begins()
    try:
        Host.wait(lambda: host.read("/var/tmp/count") == "x\n" or process.poll() is not None, "it goes on", PATIENCE)
        assert process.poll() is None, (olga.folder / "told").read_text()
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        host.write("/var/tmp/count.gate", "")


def test_the_second_of_two_runs_is_refused_and_told_who_was_first(
    lab: Lab, olga: Operator, piet: Operator, host: Host, begun: subprocess.Popen[bytes]
) -> None:
    (first,) = (entry["id"] for entry in olga.says("audit", "list")[1])

    code, answer, _ = piet.says("replay", "shift.yaml", "--inventory", "hosts.yaml")

    assert (code, answer["outcome"]) == (5, "refused")
    assert f"{host.name} is held by run {first} of " in str(answer)
    (piet.folder / "hosts.yaml").write_text(inventory("lab", {"other": host.address}, lab.identity))
    code, answer, _ = piet.says("replay", "shift.yaml", "--inventory", "hosts.yaml")
    assert (code, answer["outcome"]) == (5, "refused")
    assert f"other is held as {host.name} by run {first} of " in str(answer)
    host.write("/var/tmp/count.gate", "")
    assert begun.wait(PATIENCE) == 0
    assert host.read("/var/tmp/count") == "x\n"


def test_who_has_the_hosts_alone_tells_resumes_and_undoes_and_the_first_one_is_told_so(
    olga: Operator, piet: Operator, host: Host, begun: subprocess.Popen[bytes]
) -> None:
    begun.kill()
    begun.wait(PATIENCE)
    (run,) = (entry["id"] for entry in olga.says("audit", "list")[1])
    olga.is_cut_off()
    where = ("--on", "all", "--inventory", "hosts.yaml")

    (found,) = piet.says("adopt", *where)[1]
    assert (found["id"], found["playbook"]) == (run, "shift")
    assert {(job["step"], job["status"]) for job in found["jobs"]} == {("act", "no outcome"), ("conf", "0 exit")}
    assert piet.says("adopt", run, *where)[0] == 2
    (piet.folder / "shift.yaml").rename(piet.folder / "mine")
    assert piet.says("adopt", run, *where, "--reason", "it burned")[0] == 2
    (piet.folder / "mine").rename(piet.folder / "shift.yaml")
    assert piet.says("adopt", run, *where, "--reason", "it burned", "--playbook", "./shift.yaml")[0] == 0
    assert piet.says("audit", "verify")[0] == 0
    resumed = piet.begins("resume", run)
    lease = f"/home/deploy/.local/state/runbook/leases/host-{host.name}"
    Host.wait(lambda: '"copy":""' not in host.read(lease), "the run is taken over", PATIENCE)
    olga.is_back()
    code, answer, told = olga.says("resume", run)
    assert (code, "who has taken this run over" in answer["why"]) == (8, True), (answer, told)
    host.write("/var/tmp/count.gate", "")
    assert resumed.wait(PATIENCE) == 0, (piet.folder / "told").read_text()
    assert (host.read("/var/tmp/count"), host.read("/var/tmp/count.conf")) == ("x\n", "size: 500\n")
    assert piet.says("undo", run)[0] == 0
    code, answer, told = olga.says("undo", run)
    assert (code, "somebody else has gone on with this run" in answer["why"]) == (8, True), (answer, told)

    assert (host.read("/var/tmp/count.back"), host.read("/var/tmp/count.conf")) == ("x\n", "size: 5000\n")
    assert host.run("test", "-e", "/var/tmp/count.done").exit == 1


def test_who_has_the_bundle_alone_tells_resumes_and_undoes(
    olga: Operator, piet: Operator, host: Host, begun: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    begun.kill()
    begun.wait(PATIENCE)
    (run,) = (entry["id"] for entry in olga.says("audit", "list")[1])
    bundle = str(tmp_path / "shift.bundle")
    assert olga.says("handover", run, "--to", bundle, "--reason", "end of shift")[0] == 0
    olga.burns()

    assert piet.says("adopt", bundle)[0] == 0
    assert piet.says("audit", "verify")[0] == 0
    host.unplug()
    code, answer, _ = piet.says("resume", run)
    assert (code, answer["outcome"]) == (8, "in_doubt")
    host.plug()
    host.write("/var/tmp/count.gate", "")
    code, answer, _ = piet.says("resume", run)
    assert (code, answer["outcome"]) == (0, "succeeded")
    assert (host.read("/var/tmp/count"), host.read("/var/tmp/count.conf")) == ("x\n", "size: 500\n")
    assert piet.says("undo", run)[0] == 0

    assert (host.read("/var/tmp/count.back"), host.read("/var/tmp/count.conf")) == ("x\n", "size: 5000\n")
    assert host.run("test", "-e", "/var/tmp/count.done").exit == 1
