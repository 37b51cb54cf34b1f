"""`git.restore` on real repositories: uncommitted work is never lost, and nothing else moves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from runbook.actions.git_restore import GitRestore, RestoreBefore, RestoreResult, RestoreWith
from runbook.errors import ActionError
from runbook.model.host import Host
from runbook.ports.action import Already, NotDone, Proceed, Refuse, StepPlan, Unknown
from runbook.ports.cancel import Cancel
from runbook.ports.target import OpKey
from runbook.testing import CHECKS, Bench, Case, Crash, MemoryWork
from runbook.transports.local import LocalTarget, LocalTransport

GOOD = b"max_connections: 500\n"
BAD = b"max_connections: 5000\n"
FILE = "db-config.yaml"
REF = "release/stable-20231020"
ACTION = GitRestore()


def git(repo: Path, *argv: str) -> str:
    words = ("git", "--literal-pathspecs", "-C", str(repo), *argv)
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.rstrip("\n")


def commit(repo: Path, name: str, data: bytes, subject: str) -> None:
    path = repo / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    git(repo, "add", "--", name)
    git(repo, "commit", "--quiet", "-m", subject)


def make_repo(path: Path, name: str = FILE) -> Path:
    path.mkdir()
    git(path, "init", "--quiet")
    commit(path, "other.txt", b"other\n", "Begin")
    commit(path, name, GOOD, "Set the pool")
    git(path, "tag", REF)
    commit(path, name, BAD, "Tune the inventory service")
    return path


def copy_of(template: Path, path: Path) -> Path:
    """Copy a repository, which takes far less time than to make it; the index gets to know its new files."""
    shutil.copytree(template, path)
    git(path, "update-index", "--refresh")
    return path


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repo(tmp_path_factory.mktemp("git") / "config")


@pytest.fixture
def repo(template: Path, tmp_path: Path) -> Path:
    return copy_of(template, tmp_path / "config")


@pytest.fixture
def target() -> LocalTarget:
    return LocalTransport().target(Host("local", "local"), Cancel())


def arguments(repo: Path | str, path: str = FILE, ref: str = REF) -> RestoreWith:
    return RestoreWith(repo=str(repo), path=path, ref=ref)


class Run:
    """One attempt of the step on one checkout."""

    def __init__(self, repo: Path, target: LocalTarget, path: str = FILE, ref: str = REF) -> None:
        self.w = arguments(repo, path, ref)
        self.target = target
        found = ACTION.inspect(self.w, target)
        assert isinstance(found, Proceed), found
        self.before: RestoreBefore = found.before
        self.work = MemoryWork(target, key=OpKey("01RUN", "roll-back/restore", "local", 1, ""))
        self.result: RestoreResult | None = None

    def plan(self) -> StepPlan:
        return ACTION.plan(self.w, self.before)

    def apply(self) -> RestoreResult:
        self.result = ACTION.apply(self.w, self.before, self.work)
        assert ACTION.verify(self.w, self.before, self.result, self.target).state == "good"
        return self.result

    def undo(self) -> None:
        key = OpKey("01RUN", "roll-back/restore", "local", 1, "")
        back = MemoryWork(self.target, undo=True, receipts=self.work.receipts, key=key)
        ACTION.undo(self.w, self.before, self.result, back)

    def undone(self) -> str:
        return ACTION.undone(self.w, self.before, self.result, self.target).state

    def drift(self) -> str:
        return ACTION.drift(self.w, self.before, self.result, self.target).state


def world(repo: Path) -> tuple[object, list[str], str, str, str]:
    """All that a restore may touch, and what it must not: index, HEAD, branch, every file with its mode."""
    files = {
        str(path.relative_to(repo)): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(repo.rglob("*"))
        if ".git" not in path.parts and path.is_file()
    }
    folders = sorted(str(path) for path in repo.rglob("*") if ".git" not in path.parts and path.is_dir())
    head = (repo / ".git" / "HEAD").read_text()
    return files, folders, head, git(repo, "rev-parse", "HEAD"), git(repo, "ls-files", "-s")


def refuse(repo: Path | str, target: LocalTarget, path: str = FILE, ref: str = REF) -> str:
    found = ACTION.inspect(arguments(repo, path, ref), target)
    assert isinstance(found, Refuse), found
    return f"{found.why}; {found.remedy}"


def clean(repo: Path) -> None:
    """HEAD, index and disk agree."""


def dirty(repo: Path) -> None:
    (repo / FILE).write_bytes(b"max_connections: 4000 # by hand\n")


def staged(repo: Path) -> None:
    (repo / FILE).write_bytes(b"max_connections: 3000 # staged\n")
    git(repo, "add", FILE)


def staged_and_dirty(repo: Path) -> None:
    staged(repo)
    dirty(repo)


def detached(repo: Path) -> None:
    git(repo, "checkout", "--quiet", "--detach")


def deleted(repo: Path) -> None:
    (repo / FILE).unlink()


def removed_from_index(repo: Path) -> None:
    git(repo, "rm", "--quiet", "--cached", FILE)


def removed_by_commit(repo: Path) -> None:
    git(repo, "rm", "--quiet", FILE)
    git(repo, "commit", "--quiet", "-m", "Away with it")


def untracked(repo: Path) -> None:
    removed_by_commit(repo)
    (repo / FILE).write_bytes(b"nobody has this\n")


def ignored(repo: Path) -> None:
    untracked(repo)
    (repo / ".gitignore").write_text("*.yaml\n")


def executable(repo: Path) -> None:
    (repo / FILE).chmod(0o755)


def private(repo: Path) -> None:
    (repo / FILE).chmod(0o600)


def empty(repo: Path) -> None:
    (repo / FILE).write_bytes(b"")


def binary(repo: Path) -> None:
    (repo / FILE).write_bytes(bytes(range(256)) * 1000)


def restored_on_disk_only(repo: Path) -> None:
    (repo / FILE).write_bytes(GOOD)


def restored_in_index_only(repo: Path) -> None:
    (repo / FILE).write_bytes(GOOD)
    git(repo, "add", FILE)
    (repo / FILE).write_bytes(BAD)


def others_dirty(repo: Path) -> None:
    (repo / "other.txt").write_text("half a sentence")
    (repo / "new.txt").write_text("untracked")
    commit_index = repo / "third.txt"
    commit_index.write_text("staged")
    git(repo, "add", "third.txt")


def intended_elsewhere(repo: Path) -> None:
    (repo / "new.txt").write_text("new")
    git(repo, "add", "--intent-to-add", "new.txt")
    staged_and_dirty(repo)


def no_commit_yet(repo: Path) -> None:
    git(repo, "checkout", "--quiet", "--orphan", "fresh")


def windows_lines(repo: Path) -> None:
    (repo / ".gitattributes").write_text("*.yaml text eol=crlf\n")


STATES: list[Callable[[Path], None]] = [
    clean, dirty, staged, staged_and_dirty, detached, deleted, removed_from_index, removed_by_commit, untracked,
    ignored, executable, private, empty, binary, restored_on_disk_only, restored_in_index_only, others_dirty,
    intended_elsewhere, windows_lines,
]  # fmt: skip


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_restore_and_its_undo_lead_there_and_back_from_every_state(
    repo: Path, target: LocalTarget, state: Callable[[Path], None]
) -> None:
    state(repo)
    start = world(repo)
    run = Run(repo, target)

    run.apply()

    wanted = GOOD.replace(b"\n", b"\r\n") if state is windows_lines else GOOD
    assert (repo / FILE).read_bytes() == wanted
    assert git(repo, "diff", "--cached", "--name-only", REF, "--", FILE) == ""
    assert git(repo, "diff", "--name-only", "--", FILE) == ""
    assert run.drift() == "good"
    run.undo()
    assert world(repo) == start
    assert run.undone() == "good"


@pytest.mark.parametrize("state", [staged_and_dirty, intended_elsewhere])
def test_live_and_staged_work_survive_the_restore_and_the_collection_of_garbage(
    repo: Path, target: LocalTarget, state: Callable[[Path], None]
) -> None:
    state(repo)
    blob = git(repo, "rev-parse", f":{FILE}")

    result = Run(repo, target).apply()
    git(repo, "-c", "gc.reflogExpire=now", "gc", "--quiet", "--prune=now")

    assert Path(result.copy).read_bytes() == b"max_connections: 4000 # by hand\n"
    assert git(repo, "cat-file", "blob", blob) == "max_connections: 3000 # staged"


def test_the_stash_of_the_backup_ref_brings_everything_back(repo: Path, target: LocalTarget) -> None:
    dirty(repo)
    (repo / "other.txt").write_text("half a sentence")
    result = Run(repo, target).apply()

    git(repo, "reset", "--quiet", "--hard")
    git(repo, "stash", "apply", "--quiet", result.ref)

    assert (repo / FILE).read_bytes() == b"max_connections: 4000 # by hand\n"
    assert (repo / "other.txt").read_text() == "half a sentence"


def test_a_checkout_without_a_commit_on_its_branch_is_restored_and_led_back(repo: Path, target: LocalTarget) -> None:
    no_commit_yet(repo)
    (repo / FILE).write_bytes(b"by hand\n")
    index = git(repo, "ls-files", "-s")
    run = Run(repo, target)

    result = run.apply()
    run.undo()

    assert (repo / FILE).read_bytes() == b"by hand\n"
    assert git(repo, "ls-files", "-s") == index
    assert git(repo, "rev-parse", f"{result.ref}^{{tree}}") == git(repo, "write-tree")


def test_the_backup_stays_after_the_undo(repo: Path, target: LocalTarget) -> None:
    run = Run(repo, target)
    result = run.apply()

    run.undo()

    assert Path(result.copy).read_bytes() == BAD
    assert git(repo, "rev-parse", result.ref) == git(repo, "rev-parse", "HEAD")


def test_a_second_attempt_keeps_the_backup_of_the_first(repo: Path, target: LocalTarget) -> None:
    first = Run(repo, target).apply()
    (repo / FILE).write_bytes(b"again\n")
    run = Run(repo, target)
    run.work = MemoryWork(target, key=OpKey("01RUN", "roll-back/restore", "local", 2, ""))

    second = run.apply()

    assert Path(first.copy).read_bytes() == BAD
    assert Path(second.copy).read_bytes() == b"again\n"
    assert first.ref != second.ref


def test_what_is_restored_already_is_left_alone(repo: Path, target: LocalTarget) -> None:
    git(repo, "checkout", "--quiet", REF, "--", FILE)

    found = ACTION.inspect(arguments(repo), target)

    assert isinstance(found, Already)
    assert found.why == f"{FILE} is as in {REF}, on disk and in the index"


def test_the_plan_says_the_command_as_typed_and_shows_the_lines(repo: Path, target: LocalTarget) -> None:
    plan = Run(repo, target).plan()

    assert plan.words == f"Restore {FILE} from {REF} (commit {git(repo, 'rev-parse', REF)[:12]}) in {repo}"
    assert plan.commands[-1] == f"git -C {repo} checkout {REF} -- {FILE}"
    assert plan.diff.splitlines()[3:] == ["-max_connections: 5000", "+max_connections: 500"]


def test_the_plan_tells_of_uncommitted_work(repo: Path, target: LocalTarget) -> None:
    staged_and_dirty(repo)

    assert any("work that is in no commit (MM)" in note for note in Run(repo, target).plan().notes)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_the_file_keeps_its_mode(repo: Path, target: LocalTarget, mode: int) -> None:
    (repo / FILE).chmod(mode)

    Run(repo, target).apply()

    assert (repo / FILE).stat().st_mode & 0o7777 == mode


def test_the_executable_bit_comes_from_the_ref_for_all_who_may_read(repo: Path, target: LocalTarget) -> None:
    (repo / "run.sh").write_text("#!/bin/sh\n")
    (repo / "run.sh").chmod(0o755)
    git(repo, "add", "run.sh")
    git(repo, "commit", "--quiet", "-m", "Add")
    (repo / "run.sh").chmod(0o640)

    Run(repo, target, "run.sh", "HEAD").apply()

    assert (repo / "run.sh").stat().st_mode & 0o7777 == 0o750


def test_a_repository_that_ignores_modes_is_not_changed_for_a_mode(repo: Path, target: LocalTarget) -> None:
    git(repo, "config", "core.fileMode", "false")
    (repo / FILE).chmod(0o755)

    assert isinstance(ACTION.inspect(arguments(repo, ref="HEAD"), target), Already)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_gives_the_file_its_owner_again(repo: Path, target: LocalTarget) -> None:
    os.chown(repo / FILE, 4711, 4712)
    (repo / FILE).chmod(0o640)
    run = Run(repo, target)

    run.apply()

    state = (repo / FILE).stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (4711, 4712, 0o640)
    run.undo()
    assert ((repo / FILE).stat().st_uid, (repo / FILE).stat().st_gid) == (4711, 4712)


@pytest.mark.parametrize(
    "name", ["with space", "ünï/cødé", "-rf", "--force", "a*b", ":(top)x", "a,b", "line\nbreak", 'it\'s "$(id)"']
)
def test_hard_names_stay_names_and_their_neighbours_stay_as_they_are(
    tmp_path: Path, target: LocalTarget, name: str
) -> None:
    repo = make_repo(tmp_path / "config", name)
    for neighbour in ("axb", "x", "a"):
        commit(repo, neighbour, b"1\n", "Add")
        (repo / neighbour).write_bytes(b"2\n")
    start = world(repo)
    run = Run(repo, target, name)

    run.apply()
    assert (repo / name).read_bytes() == GOOD
    assert [(repo / neighbour).read_bytes() for neighbour in ("axb", "x", "a")] == [b"2\n"] * 3
    run.undo()
    assert world(repo) == start


def test_folders_that_the_restore_made_go_with_the_undo(tmp_path: Path, target: LocalTarget) -> None:
    repo = make_repo(tmp_path / "config", "a/b/c/f")
    git(repo, "rm", "--quiet", "-r", "a/b")
    git(repo, "commit", "--quiet", "-m", "Away")
    (repo / "a").mkdir(exist_ok=True)
    (repo / "a" / "stays").write_text("x")
    start = world(repo)
    run = Run(repo, target, "a/b/c/f")

    run.apply()
    run.undo()

    assert world(repo) == start


def test_an_absolute_path_and_a_folder_within_name_the_same_file(repo: Path, target: LocalTarget) -> None:
    link = repo.parent / "etc"
    link.symlink_to(repo)

    assert Run(link, target, str(link / FILE)).before.place == Run(repo, target).before.place


def test_a_linked_worktree_keeps_its_backup_in_its_own_git_folder(repo: Path, target: LocalTarget) -> None:
    tree = repo.parent / "tree"
    git(repo, "worktree", "add", "--quiet", "--detach", str(tree))
    run = Run(tree, target)

    result = run.apply()

    assert result.copy.startswith(f"{repo}/.git/worktrees/tree/runbook/")
    assert (tree / FILE).read_bytes() == GOOD
    assert (repo / FILE).read_bytes() == BAD


def test_hooks_do_not_run(repo: Path, target: LocalTarget) -> None:
    trace = repo.parent / "ran"
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        hook = repo / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {trace}\n")
        hook.chmod(0o755)
    run = Run(repo, target)

    run.apply()
    run.undo()

    assert not trace.exists()


def test_a_locked_index_is_refused_with_its_age_and_left_locked(repo: Path, target: LocalTarget) -> None:
    lock = repo / ".git" / "index.lock"
    lock.write_bytes(b"")
    os.utime(lock, (0, 0))

    words = refuse(repo, target)

    assert words.startswith(f"the index is locked by {lock}, for ")
    assert f"remove {lock} by hand" in words
    assert lock.exists()


def test_a_lock_that_comes_after_the_look_stops_the_restore_before_any_change(repo: Path, target: LocalTarget) -> None:
    staged_and_dirty(repo)
    run = Run(repo, target)
    start = world(repo)
    (repo / ".git" / "index.lock").write_bytes(b"")

    with pytest.raises(ActionError, match=r"index\.lock"):
        run.apply()

    assert world(repo) == start


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("MERGE_HEAD", "a merge is in progress"),
        ("rebase-merge", "a rebase is in"),
        ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ],
)
def test_unfinished_work_of_git_is_refused(repo: Path, target: LocalTarget, mark: str, words: str) -> None:
    (repo / ".git" / mark).write_text(git(repo, "rev-parse", "HEAD"))

    assert refuse(repo, target).startswith(words)


def test_a_real_merge_with_conflicts_is_refused(repo: Path, target: LocalTarget) -> None:
    git(repo, "checkout", "--quiet", "-b", "side", REF)
    commit(repo, FILE, b"max_connections: 1\n", "Side")
    with pytest.raises(subprocess.CalledProcessError):
        git(repo, "merge", "main")

    assert "in progress" in refuse(repo, target)


def test_a_submodule_and_what_is_in_it_are_refused(repo: Path, target: LocalTarget) -> None:
    make_repo(repo.parent / "inner")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repo.parent / "inner"), "sub")
    git(repo, "commit", "--quiet", "-m", "Add")

    assert "sub is a submodule" in refuse(repo, target, "sub", "HEAD")
    assert "lies below sub, a repository of its own; name that repository" in refuse(
        repo, target, f"sub/{FILE}", "HEAD"
    )
    git(repo, "submodule", "--quiet", "deinit", "--all", "--force")
    assert "lies below sub, a repository of its own" in refuse(repo, target, f"sub/{FILE}", "HEAD")


def test_links_are_refused_live_in_the_ref_and_above(repo: Path, target: LocalTarget) -> None:
    (repo / "link").symlink_to(FILE)
    (repo / "real").mkdir()
    commit(repo, "real/f", b"1\n", "Add")
    git(repo, "add", "link")
    git(repo, "commit", "--quiet", "-m", "Add")
    (repo / "folder").symlink_to("real")

    assert "link is a symbolic link in HEAD" in refuse(repo, target, "link", "HEAD")
    assert "lies below folder, a symbolic link" in refuse(repo, target, "folder/f", "HEAD")
    (repo / FILE).unlink()
    (repo / FILE).symlink_to("/etc/hostname")
    assert f"{FILE} is a symbolic link; name the file" in refuse(repo, target)


def test_a_missing_ref_path_and_repository_are_refused(repo: Path, target: LocalTarget) -> None:
    assert refuse(repo, target, ref="v9").startswith("there is no commit 'v9'")
    assert refuse(repo, target, path="nothing.yaml").startswith(f"there is no nothing.yaml in {REF}")
    assert "is not in a git repository" in refuse(repo.parent, target)


def test_a_folder_in_place_of_the_file_is_refused(repo: Path, target: LocalTarget) -> None:
    (repo / FILE).unlink()
    (repo / FILE).mkdir()

    assert "a folder" in refuse(repo, target)


def test_a_file_behind_a_filter_is_refused_and_the_filter_never_runs(repo: Path, target: LocalTarget) -> None:
    trace = repo.parent / "ran"
    git(repo, "config", "filter.spy.smudge", f"touch {trace}; cat")
    (repo / ".gitattributes").write_text("*.yaml filter=spy\n")

    assert "goes through the filter spy" in refuse(repo, target)
    assert not trace.exists()


@pytest.mark.parametrize("mark", ["skip-worktree", "assume-unchanged"])
def test_marks_of_the_index_that_a_checkout_would_drop_are_refused(repo: Path, target: LocalTarget, mark: str) -> None:
    git(repo, "update-index", f"--{mark}", FILE)

    assert f"git update-index --no-{mark}" in refuse(repo, target)


def test_a_file_that_is_only_intended_to_be_added_is_refused(repo: Path, target: LocalTarget) -> None:
    untracked(repo)
    git(repo, "add", "--intent-to-add", FILE)

    assert "only intended to be added" in refuse(repo, target)


def test_a_concurrent_commit_of_another_file_does_not_matter(repo: Path, target: LocalTarget) -> None:
    run = Run(repo, target)
    commit(repo, "other.txt", b"more\n", "Elsewhere")
    head = git(repo, "rev-parse", "HEAD")

    run.apply()

    assert git(repo, "rev-parse", "HEAD") == head
    assert run.drift() == "good"


@pytest.mark.parametrize("change", ["commit", "stage", "edit", "delete"])
def test_what_somebody_changes_between_look_and_restore_is_not_overwritten(
    repo: Path, target: LocalTarget, change: str
) -> None:
    run = Run(repo, target)
    if change == "delete":
        (repo / FILE).unlink()
    else:
        (repo / FILE).write_bytes(b"theirs\n")
    if change in {"commit", "stage"}:
        git(repo, "add", FILE)
    if change == "commit":
        git(repo, "commit", "--quiet", "-m", "Theirs")
    start = world(repo)

    with pytest.raises(ActionError, match="changed after it was looked at"):
        run.apply()

    assert world(repo) == start


def test_an_index_entry_that_changes_after_the_backup_is_not_overwritten(repo: Path, target: LocalTarget) -> None:
    run = Run(repo, target)
    git(repo, "update-index", "--cacheinfo", f"100644,{git(repo, 'rev-parse', 'HEAD:other.txt')},{FILE}")
    start = world(repo)

    with pytest.raises(ActionError, match="the index entry of"):
        run.apply()

    assert world(repo) == start


@pytest.mark.parametrize("change", ["edit", "stage", "commit", "commit ours", "mode"])
def test_drift_sees_what_others_did_after_the_restore(repo: Path, target: LocalTarget, change: str) -> None:
    run = Run(repo, target)
    run.apply()
    if change in {"edit", "stage", "commit"}:
        (repo / FILE).write_bytes(b"theirs\n")
    if change in {"stage", "commit"}:
        git(repo, "add", FILE)
    if change.startswith("commit"):
        git(repo, "commit", "--quiet", "-m", "Theirs")
    if change == "mode":
        (repo / FILE).chmod(0o600)

    assert run.drift() == "bad"


@pytest.mark.parametrize("change", ["edit", "stage", "delete"])
def test_undo_never_overwrites_what_others_changed_since(repo: Path, target: LocalTarget, change: str) -> None:
    run = Run(repo, target)
    run.apply()
    if change == "delete":
        (repo / FILE).unlink()
    else:
        (repo / FILE).write_bytes(b"theirs\n")
    if change == "stage":
        git(repo, "add", FILE)
    start = world(repo)

    with pytest.raises(ActionError, match="changed by somebody else"):
        run.undo()

    assert world(repo) == start


def test_undo_refuses_a_damaged_copy_and_leaves_the_file(repo: Path, target: LocalTarget) -> None:
    run = Run(repo, target)
    result = run.apply()
    Path(result.copy).write_bytes(b"rotten")

    with pytest.raises(ActionError, match="is damaged; nothing was changed"):
        run.undo()

    assert (repo / FILE).read_bytes() == GOOD
    assert [path.name for path in repo.iterdir() if path.name.endswith(".runbook")] == []


def test_a_crash_between_the_operations_leaves_everything_as_it_was_and_is_no_drift(
    repo: Path, target: LocalTarget
) -> None:
    staged_and_dirty(repo)
    start = world(repo)
    run = Run(repo, target)
    run.work = MemoryWork(target, crash=("before", "restore"))
    with pytest.raises(Crash):
        run.apply()

    settled = ACTION.settle(run.w, run.before, run.work.open()[0], target)

    assert isinstance(settled, NotDone)
    assert run.drift() == "good"
    run.undo()
    assert world(repo) == start
    assert run.undone() == "good"


def test_undo_after_a_crash_before_the_backup_does_nothing(repo: Path, target: LocalTarget) -> None:
    run = Run(repo, target)
    start = world(repo)

    run.undo()

    assert world(repo) == start


def test_a_checkout_killed_halfway_is_unknown_told_and_undone(repo: Path, target: LocalTarget) -> None:
    """git writes the file before the index: a kill between leaves the new bytes, the old entry and the lock."""
    staged_and_dirty(repo)
    start = world(repo)
    run = Run(repo, target)
    run.work = MemoryWork(target, crash=("before", "restore"))
    with pytest.raises(Crash):
        run.apply()
    (repo / FILE).write_bytes(GOOD)

    settled = ACTION.settle(run.w, run.before, run.work.open()[0], target)

    assert isinstance(settled, Unknown)
    assert run.drift() == "good"
    run.undo()
    assert world(repo) == start


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("state", [staged_and_dirty, deleted, restored_on_disk_only])
def test_the_action_keeps_the_contract(
    template: Path, tmp_path: Path, check: Callable[[Callable[[], Case]], None], state: Callable[[Path], None]
) -> None:
    numbers = count(1)

    def make() -> Case:
        repo = tmp_path / f"world {next(numbers)}"
        copy_of(template, repo)
        state(repo)

        def seen() -> object:
            files, folders, head, _, index = world(repo)
            return files, [Path(folder).name for folder in folders], head, index

        def meddle() -> None:
            (repo / FILE).write_bytes(b"somebody else\n")

        return Case(ACTION, arguments(repo), Bench(), seen, meddle)

    check(make)
