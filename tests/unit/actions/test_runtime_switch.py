"""`runtime.switch` and `runtime.status`: what they refuse, what they tell, and that nobody ever sees no link."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from runbook.actions.runtime_look import RuntimeWith
from runbook.actions.runtime_status import RuntimeStatus, StatusResult
from runbook.actions.runtime_switch import RuntimeSwitch, SwitchBefore, SwitchWith
from runbook.errors import ActionError
from runbook.ports.action import Already, Bad, Good, NoData, Proceed, Refuse
from runbook.testing import Bench, MemoryWork, tree
from runbook.testing.work import Silent

ACTION = RuntimeSwitch()


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A folder with three versions, of which one does not run, and 1.20 in use."""
    for version, code in {"1.9": 0, "1.20": 0, "1.21": 0, "1.22": 1}.items():
        make(tmp_path, version, f"echo go version {version}; exit {code}")
    (tmp_path / "notes").mkdir()
    (tmp_path / "current").symlink_to("1.20")
    return tmp_path


def make(folder: Path, version: str, body: str) -> None:
    program = folder / version / "bin" / "go"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def given(go: Path, to: str = "1.21", **more: object) -> SwitchWith:
    return SwitchWith(link=str(go / "current"), binary="bin/go", to=to, **more)  # type: ignore[arg-type]


def before(w: SwitchWith) -> SwitchBefore:
    found = ACTION.inspect(w, Bench())
    assert isinstance(found, Proceed)
    return found.before


def status(go: Path) -> Good[StatusResult] | Bad[StatusResult] | NoData:
    return RuntimeStatus().observe(RuntimeWith(link=str(go / "current"), binary="bin/go"), Bench(), Silent())


def test_the_plan_names_both_versions_and_lists_what_is_side_by_side(go: Path) -> None:
    plan = ACTION.plan(given(go), before(given(go)))

    assert plan.words == f"Switch {go}/current from 1.20 to 1.21"
    assert plan.commands == (
        f"ln -s -- 1.21 {go}/current.runbook-new",
        f"mv -T -- {go}/current.runbook-new {go}/current",
    )
    assert "1.21 says: go version 1.21" in plan.notes
    assert "side by side: 1.9, 1.20 (in use), 1.21, 1.22" in plan.notes


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("1.23", "there is no version 1.23 with bin/go"),
        ("notes", "there is no version notes with bin/go"),
        ("1.22", "does not run: exit 1"),
        ("../1.21", "is no name of a version"),
        ("..", "is no name of a version"),
        ("", "no version is named"),
    ],
)
def test_a_version_that_is_missing_or_does_not_run_is_refused(go: Path, to: str, why: str) -> None:
    start = tree(go)

    found = ACTION.inspect(given(go, to), Bench())

    assert isinstance(found, Refuse)
    assert why in found.why
    assert found.remedy
    assert tree(go) == start


def test_a_misspelt_version_gets_a_suggestion(go: Path) -> None:
    found = ACTION.inspect(given(go, "l.9"), Bench())

    assert isinstance(found, Refuse)
    assert found.remedy.startswith("did you mean 1.9? there is 1.9, 1.20, 1.21, 1.22")


def test_a_program_that_hangs_is_refused(go: Path) -> None:
    make(go, "1.30", "sleep 600")

    found = ACTION.inspect(given(go, "1.30", timeout=0.3), Bench())

    assert isinstance(found, Refuse)
    assert "did not say its version" in found.why


@pytest.mark.parametrize("kind", ["nothing", "folder", "file"])
def test_what_is_no_link_is_refused(go: Path, kind: str) -> None:
    link = go / "current"
    link.unlink()
    if kind == "folder":
        link.mkdir()
    if kind == "file":
        link.write_text("1.20")

    found = ACTION.inspect(given(go), Bench())

    assert isinstance(found, Refuse)
    assert "link" in found.why


@pytest.mark.parametrize("text", ["1.21", "./1.21", "ABSOLUTE/1.21", "1.21/"])
def test_a_link_that_leads_there_already_is_left_alone(go: Path, text: str) -> None:
    (go / "current").unlink()
    (go / "current").symlink_to(text.replace("ABSOLUTE", str(go)))

    assert isinstance(ACTION.inspect(given(go), Bench()), Already)


def test_an_absolute_link_stays_absolute(go: Path) -> None:
    (go / "current").unlink()
    (go / "current").symlink_to(go / "1.20")

    result = ACTION.apply(given(go), before(given(go)), MemoryWork(Bench()))

    assert os.readlink(go / "current") == f"{go}/1.21"
    assert (result.was, result.version, result.says) == ("1.20", "1.21", "go version 1.21")


def test_a_program_started_meanwhile_always_finds_a_version(go: Path) -> None:
    """Another thread reads the link all the time: it must never be missing."""
    seen: set[str] = set()
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                seen.add(os.readlink(go / "current"))
            except OSError as error:
                seen.add(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for to in ("1.21", "1.20", "1.9"):
            ACTION.apply(given(go, to), before(given(go, to)), MemoryWork(Bench()))
    finally:
        over.set()
        reader.join()

    assert seen <= {"1.20", "1.21", "1.9"}
    assert sorted(path.name for path in go.iterdir()) == ["1.20", "1.21", "1.22", "1.9", "current", "notes"]


def test_what_a_killed_switch_left_does_not_stop_the_next(go: Path) -> None:
    (go / "current.runbook-new").symlink_to("1.21")

    ACTION.apply(given(go), before(given(go)), MemoryWork(Bench()))

    assert os.readlink(go / "current") == "1.21"
    assert not (go / "current.runbook-new").is_symlink()


def test_a_link_that_somebody_switched_after_the_look_is_left_alone(go: Path) -> None:
    b = before(given(go))
    (go / "current").unlink()
    (go / "current").symlink_to("1.9")

    with pytest.raises(ActionError, match="changed by somebody else"):
        ACTION.apply(given(go), b, MemoryWork(Bench()))
    assert os.readlink(go / "current") == "1.9"


def test_undo_does_not_lead_to_a_version_that_was_removed_since(go: Path) -> None:
    w, work = given(go), MemoryWork(Bench())
    b = before(w)
    result = ACTION.apply(w, b, work)
    (go / "1.20" / "bin" / "go").unlink()
    (go / "1.20" / "bin").rmdir()
    (go / "1.20").rmdir()

    with pytest.raises(ActionError, match="not there any more"):
        ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))
    assert os.readlink(go / "current") == "1.21"


@pytest.mark.skipif(os.getuid() != 0, reason="giving a link away needs root")
def test_the_new_link_has_the_owner_of_the_old_one(go: Path) -> None:
    os.lchown(go / "current", 12345, 54321)

    ACTION.apply(given(go), before(given(go)), MemoryWork(Bench()))

    state = (go / "current").lstat()
    assert (state.st_uid, state.st_gid) == (12345, 54321)


def test_status_tells_the_version_in_use_and_what_lies_beside_it(go: Path) -> None:
    found = status(go)

    assert isinstance(found, Good)
    assert (found.value.version, found.value.says) == ("1.20", "go version 1.20")
    assert found.value.versions == ("1.9", "1.20", "1.21", "1.22")
    assert found.value.others == ("1.9", "1.21", "1.22")


def test_status_of_a_version_that_does_not_run_is_bad(go: Path) -> None:
    (go / "current").unlink()
    (go / "current").symlink_to("1.22")

    found = status(go)

    assert isinstance(found, Bad)
    assert found.value.version == "1.22"


def test_status_without_a_link_is_no_data(go: Path) -> None:
    (go / "current").unlink()

    assert isinstance(status(go), NoData)


@pytest.mark.parametrize("binary", ["", "/bin/go", "../bin/go", "bin//go", "bin/"])
def test_a_program_outside_of_a_version_is_refused(go: Path, binary: str) -> None:
    w = SwitchWith(link=str(go / "current"), binary=binary, to="1.21")

    assert isinstance(ACTION.inspect(w, Bench()), Refuse)
