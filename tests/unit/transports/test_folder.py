"""Job folders as they are found on a disk: whole, half written, old, long-named, open to others."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.errors import DispatchRefused
from runbook.ports.target import JobFinished, JobLost, JobUnknown, OpKey
from runbook.transports.folder import Intent, JobFolder, Jobs, Status, folder_name, state_root

INTENT = Intent("run1", "step", "web1", 1, "main", "true")


def op(name: str = "main", run: str = "run1") -> OpKey:
    return OpKey(run, "step", "web1", 1, name)


def aged(folder: JobFolder, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(folder.path / "status", (then, then))


def test_a_claim_without_a_command_is_lost() -> None:
    jobs = Jobs()

    jobs.claim(op(), INTENT)

    assert isinstance(jobs.state(op()), JobLost)


@pytest.mark.parametrize("line", ["", "open           \n", "0 ex", "x exit\n"])
def test_a_status_counts_only_as_a_whole(line: str) -> None:
    folder = Jobs().claim(op(), INTENT)

    (folder.path / "status").write_text(line)

    assert folder.status() is None


def test_a_job_of_runbook_itself_tells_its_end() -> None:
    folder = Jobs().claim(op(), INTENT)
    folder.begin()

    folder.finish(Status(0, "exit"))

    assert folder.state() == JobFinished(0)


def test_why_a_job_is_over_is_decided_once() -> None:
    folder = Jobs().claim(op(), INTENT)

    assert [folder.decide("cancel"), folder.decide("exit")] == [True, False]
    assert folder.text("over") == "cancel\n"


def test_old_folders_are_purged_but_never_one_without_an_outcome() -> None:
    jobs = Jobs()
    for name in ("old", "young", "open"):
        jobs.claim(op(name), INTENT)
    for name in ("old", "young"):
        found = jobs.find(op(name))
        assert found is not None
        found.finish(Status(0, "exit"))
    for name, days in (("old", 8.0), ("young", 6.0), ("open", 800.0)):
        found = jobs.find(op(name))
        assert found is not None
        aged(found, days)

    assert jobs.purge() == (op("old").text(),)
    left = sorted(path.name for path in (state_root() / "jobs").glob("[!.]*"))
    assert left == [op("open").text(), op("young").text()]
    assert jobs.state(op("old")) == JobFinished(0)


def test_only_open_jobs_of_the_run_on_the_host_count_as_unfinished() -> None:
    jobs = Jobs()
    jobs.claim(op(), INTENT)
    jobs.claim(OpKey("run1", "step", "web2", 1, "main"), Intent("run1", "step", "web2", 1, "main", "true"))
    jobs.claim(op(run="run10"), Intent("run10", "step", "web1", 1, "main", "true"))
    jobs.claim(op("done"), INTENT).finish(Status(0, "exit"))

    assert jobs.unfinished("run1", "web1") == (op().text(),)


def test_a_folder_open_to_others_proves_nothing() -> None:
    jobs = Jobs()
    jobs.claim(op(), INTENT).finish(Status(0, "exit"))
    state_root().chmod(0o777)

    assert isinstance(jobs.state(op()), JobUnknown)
    with pytest.raises(DispatchRefused):
        jobs.claim(op("next"), INTENT)


def test_where_the_disk_takes_nothing_the_next_place_serves(tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    (tmp_path / "memory").mkdir(mode=0o700)
    jobs = Jobs((tmp_path / "full", tmp_path / "memory"))

    folder = jobs.claim(op(), INTENT)

    assert folder.path.is_relative_to(tmp_path / "memory")
    with pytest.raises(DispatchRefused):
        jobs.claim(op(), INTENT)


def test_without_any_place_nothing_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "full").touch()

    with pytest.raises(DispatchRefused) as caught:
        Jobs((tmp_path / "full",)).claim(op(), INTENT)

    assert "no place" in caught.value.message


@given(step=st.text(max_size=400), name=st.text(max_size=400), attempt=st.integers(0, 10**6))
def test_the_name_of_a_folder_is_one_safe_component(step: str, name: str, attempt: int) -> None:
    one = folder_name(OpKey("run1", step, "web1", attempt, name))

    assert len(os.fsencode(one)) <= 255
    assert "/" not in one
    assert "\0" not in one
    assert one.startswith("run1.")


def test_long_names_that_differ_at_the_end_stay_apart() -> None:
    assert folder_name(op("x" * 400 + "a")) != folder_name(op("x" * 400 + "b"))
