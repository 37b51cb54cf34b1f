"""`file.restore`: what a bad backup is, what is kept, and how it says so."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook.actions.file_restore import FileRestore, RestoreBefore, RestoreWith
from runbook.errors import ActionError
from runbook.ports.action import Already, Proceed, Refuse
from runbook.testing import Bench, MemoryWork
from runbook.testing.faulty import Faulty

ACTION = FileRestore()
GOOD = b"pool:\n  size: 500\n  host: db\n"
BAD = b"pool:\n  size: 5000\n  host: db\n"


@pytest.fixture
def w(tmp_path: Path) -> RestoreWith:
    (tmp_path / "db.yaml").write_bytes(BAD)
    (tmp_path / "backup").write_bytes(GOOD)
    return RestoreWith(path=f"{tmp_path}/db.yaml", backup=f"{tmp_path}/backup", sha256=sha256(GOOD).hexdigest())


def before(w: RestoreWith) -> RestoreBefore:
    found = ACTION.inspect(w, Bench())
    assert isinstance(found, Proceed)
    return found.before


def refusal(w: RestoreWith) -> str:
    found = ACTION.inspect(w, Bench())
    assert isinstance(found, Refuse)
    return found.why


def test_the_plan_shows_a_real_diff_and_the_way_back(w: RestoreWith) -> None:
    plan = ACTION.plan(w, before(w))

    assert plan.diff == (
        f"--- {w.path} (now)\n+++ {w.path} (restored)\n"
        "@@ -1,3 +1,3 @@\n pool:\n-  size: 5000\n+  size: 500\n   host: db\n"
    )
    assert plan.words == f"Replace {w.path} by {w.backup}, and keep what is there as {w.path}.runbook-TIME"
    assert plan.commands[0] == f"cp -p -- {w.path} {w.path}.runbook-TIME"
    assert plan.undo.startswith("Put back what was in")


def test_contents_that_are_no_text_are_told_by_size_and_hash(w: RestoreWith) -> None:
    Path(w.path).write_bytes(b"\0\xff")

    lines = ACTION.plan(w, before(w)).diff.splitlines()

    short = sha256(b"\0\xff").hexdigest()[:12]
    assert lines[0] == f"--- {w.path} (now): 2 bytes, mode 0644, SHA-256 {short}…"
    assert lines[1].startswith(f"+++ {w.path} (restored): {len(GOOD)} bytes")


def test_what_was_there_is_kept_and_mode_and_owner_stay(w: RestoreWith) -> None:
    Path(w.path).chmod(0o604)
    Path(w.backup).chmod(0o777)

    result = ACTION.apply(w, before(w), MemoryWork(Bench()))

    assert Path(w.path).read_bytes() == GOOD
    assert Path(w.path).stat().st_mode & 0o7777 == 0o604
    assert Path(result.kept).read_bytes() == BAD


@pytest.mark.skipif(os.getuid() != 0, reason="giving a file away needs root")
def test_undo_brings_back_bytes_mode_and_owner(w: RestoreWith) -> None:
    os.chown(w.path, 12345, 54321)
    Path(w.path).chmod(0o640)
    b = before(w)
    result = ACTION.apply(w, b, MemoryWork(Bench()))

    ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True))

    state = Path(w.path).stat()
    assert Path(w.path).read_bytes() == BAD
    assert (state.st_mode & 0o7777, state.st_uid, state.st_gid) == (0o640, 12345, 54321)
    assert not Path(result.kept).exists()
    assert ACTION.undone(w, b, result, Bench()).state == "good"


def test_a_second_attempt_within_the_same_second_keeps_its_own_copy(w: RestoreWith) -> None:
    first = before(w).kept
    Path(first).write_bytes(b"what the first attempt kept")

    assert not Path(before(w).kept).exists()


def test_another_mode_than_before_is_not_verified(w: RestoreWith) -> None:
    b = before(w)
    result = ACTION.apply(w, b, MemoryWork(Bench()))
    Path(w.path).chmod(0o600)

    verdict = ACTION.verify(w, b, result, Bench())

    assert verdict.state == "bad"
    assert "mode 0600" in verdict.evidence[0]


def test_the_same_content_is_already_there(w: RestoreWith) -> None:
    Path(w.path).write_bytes(GOOD)

    assert isinstance(ACTION.inspect(w, Bench()), Already)


def test_a_bad_backup_is_refused(w: RestoreWith) -> None:
    import msgspec

    Path(w.backup).write_bytes(GOOD[:-1])
    assert "the backup is bad" in refusal(w)
    assert sha256(GOOD).hexdigest() in refusal(w)

    Path(w.backup).write_bytes(b"")
    assert "is empty" in refusal(msgspec.structs.replace(w, sha256=""))

    Path(w.backup).unlink()
    assert refusal(w) == f"the backup is bad: there is no file {w.backup}"

    Path(w.backup).mkdir()
    assert refusal(w) == f"the backup is bad: {w.backup} is a folder"


def test_without_a_checksum_the_plan_says_what_is_not_known(w: RestoreWith) -> None:
    import msgspec

    loose = msgspec.structs.replace(w, sha256="")

    assert "No sha256 is given: whether the backup is whole cannot be told" in ACTION.plan(loose, before(loose)).notes


def test_a_link_is_refused_because_the_swap_would_replace_it(w: RestoreWith, tmp_path: Path) -> None:
    Path(w.path).rename(tmp_path / "real")
    Path(w.path).symlink_to("real")

    assert refusal(w) == f"{w.path} is a symbolic link"


def test_a_file_that_changed_after_the_look_is_not_overwritten(w: RestoreWith) -> None:
    b = before(w)
    Path(w.path).write_bytes(b"theirs")

    with pytest.raises(ActionError, match="changed after it was looked at"):
        ACTION.apply(w, b, MemoryWork(Bench()))
    assert Path(w.path).read_bytes() == b"theirs"


def test_a_backup_that_is_damaged_after_the_look_is_not_restored(w: RestoreWith) -> None:
    b = before(w)
    Path(w.backup).write_bytes(b"damaged")

    with pytest.raises(ActionError, match="missing or damaged"):
        ACTION.apply(w, b, MemoryWork(Bench()))
    assert Path(w.path).read_bytes() == BAD


def test_a_swap_that_the_target_refuses_is_a_failure_and_not_a_doubt(w: RestoreWith) -> None:
    with pytest.raises(ActionError, match="refused as the test wants it"):
        ACTION.apply(w, before(w), MemoryWork(Faulty(Bench(), {"swap": "refused"})))
    assert Path(w.path).read_bytes() == BAD


def test_undo_by_hand_is_accepted(w: RestoreWith) -> None:
    b = before(w)
    result = ACTION.apply(w, b, MemoryWork(Bench()))
    Path(w.path).write_bytes(BAD)

    ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True))

    assert ACTION.undone(w, b, result, Bench()).state == "good"


def test_a_before_copy_that_was_changed_is_not_put_back_and_not_removed(w: RestoreWith) -> None:
    b = before(w)
    result = ACTION.apply(w, b, MemoryWork(Bench()))
    Path(result.kept).write_bytes(b"changed")

    with pytest.raises(ActionError, match="missing or damaged"):
        ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True))
    assert Path(w.path).read_bytes() == GOOD
    assert Path(result.kept).read_bytes() == b"changed"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=st.binary(min_size=1, max_size=2000), new=st.binary(min_size=1, max_size=2000))
def test_any_content_comes_back_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes) -> None:
    folder = tmp_path_factory.mktemp("restore")
    (folder / "x").write_bytes(old)
    (folder / "backup").write_bytes(new)
    w = RestoreWith(path=f"{folder}/x", backup=f"{folder}/backup")
    if old == new:
        assert isinstance(ACTION.inspect(w, Bench()), Already)
        return
    b = before(w)
    result = ACTION.apply(w, b, MemoryWork(Bench()))
    assert (folder / "x").read_bytes() == new

    ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True))

    assert (folder / "x").read_bytes() == old
    assert sorted(p.name for p in folder.iterdir()) == ["backup", "x"]
