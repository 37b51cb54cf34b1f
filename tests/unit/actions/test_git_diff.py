"""`git.diff` on real repositories, through the local transport."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runbook.actions.capture import Captured
from runbook.actions.git import refusal
from runbook.actions.git_diff import DiffResult, DiffWith, GitDiff
from runbook.model.host import Host
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.cancel import Cancel
from runbook.ports.target import Finished
from runbook.testing.work import Silent
from runbook.transports.local import LocalTransport

GOOD = b"max_connections: 500\n"
BAD = b"max_connections: 5000\n"


def git(repo: Path, *argv: str) -> str:
    words = ("git", "--literal-pathspecs", "-C", str(repo), *argv)
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def commit(repo: Path, name: str, data: bytes, subject: str) -> None:
    path = repo / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    git(repo, "add", "--", name)
    git(repo, "commit", "--quiet", "-m", subject)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("git") / "config"
    path.mkdir()
    git(path, "init", "--quiet")
    commit(path, "db-config.yaml", GOOD, "Set the pool")
    git(path, "tag", "release/stable-20231020")
    commit(path, "db-config.yaml", BAD, "Tune the inventory service")
    return path


@pytest.fixture
def repo(template: Path, tmp_path: Path) -> Path:
    """A copy, which takes far less time than to make it; the index gets to know its new files."""
    path = tmp_path / "config"
    shutil.copytree(template, path)
    git(path, "update-index", "--refresh")
    return path


def observe(repo: Path | str, path: str, ref: str) -> Observation[DiffResult]:
    target = LocalTransport().target(Host("local", "local"), Cancel())
    return GitDiff().observe(DiffWith(repo=str(repo), path=path, ref=ref), target, Silent())


def good(seen: Observation[DiffResult]) -> DiffResult:
    assert isinstance(seen, Good), seen
    return seen.value


def why(seen: Observation[DiffResult]) -> str:
    assert isinstance(seen, Bad), seen
    assert seen.value.changed is None
    return seen.evidence[0]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_changed_file_shows_both_sums_the_commit_and_the_lines_that_differ(repo: Path) -> None:
    found = good(observe(repo, "db-config.yaml", "release/stable-20231020"))

    assert found.changed is True
    assert found.ref_commit == git(repo, "rev-parse", "release/stable-20231020^{commit}")
    assert (found.ref_sha256, found.live_sha256) == (sha(GOOD), sha(BAD))
    assert found.diff.splitlines()[3:] == ["-max_connections: 500", "+max_connections: 5000"]


def test_an_unchanged_file_is_good_too_because_the_difference_is_a_value(repo: Path) -> None:
    found = good(observe(repo, "db-config.yaml", "HEAD"))

    assert (found.changed, found.diff, found.live_sha256) == (False, "", sha(BAD))


def test_the_evidence_names_who_touched_the_file_last(repo: Path) -> None:
    seen = observe(repo, "db-config.yaml", "HEAD")

    assert isinstance(seen, Good)
    assert [line.partition(" ")[2].partition(" ")[2] for line in seen.evidence[1:]] == [
        "Olga Operator: Tune the inventory service",
        "Olga Operator: Set the pool",
    ]


def test_the_live_file_counts_and_not_the_index(repo: Path) -> None:
    (repo / "db-config.yaml").write_bytes(GOOD)

    assert good(observe(repo, "db-config.yaml", "release/stable-20231020")).changed is False


def test_a_deleted_file_differs_and_has_no_sum(repo: Path) -> None:
    (repo / "db-config.yaml").unlink()

    found = good(observe(repo, "db-config.yaml", "HEAD"))

    assert (found.changed, found.live_sha256) == (True, "")


def test_a_missing_empty_file_differs(repo: Path) -> None:
    commit(repo, "empty", b"", "Add a mark")
    (repo / "empty").unlink()

    assert good(observe(repo, "empty", "HEAD")).changed is True


def test_the_executable_bit_is_a_difference(repo: Path) -> None:
    (repo / "db-config.yaml").chmod(0o755)

    found = good(observe(repo, "db-config.yaml", "HEAD"))

    assert (found.changed, found.diff) == (True, "old mode 100644\nnew mode 100755\n")


def test_ends_of_lines_are_compared_as_a_checkout_would_write_them(repo: Path) -> None:
    commit(repo, ".gitattributes", b"*.yaml text eol=crlf\n", "Serve Windows")
    (repo / "db-config.yaml").write_bytes(BAD.replace(b"\n", b"\r\n"))

    assert good(observe(repo, "db-config.yaml", "HEAD")).changed is False


def test_binary_content_is_told_by_size_and_sum(repo: Path) -> None:
    commit(repo, "blob", b"\0" * 10, "Add")
    (repo / "blob").write_bytes(b"\0" * 11)

    assert "10 bytes" in good(observe(repo, "blob", "HEAD")).diff


def test_a_content_too_long_to_compare_line_by_line_is_still_compared(repo: Path) -> None:
    commit(repo, "long", b"a line\n" * 100_000, "Add")

    assert good(observe(repo, "long", "HEAD")).changed is False
    (repo / "long").write_bytes(b"a line\n" * 100_001)
    assert good(observe(repo, "long", "HEAD")).changed is True


@pytest.mark.parametrize(
    "name", ["with space.yaml", "ünï/cødé.yaml", "-n", "--output=x", "a*b", ":(top)x", "'q\"$(id)'"]
)
def test_hard_names_stay_names(repo: Path, name: str) -> None:
    commit(repo, name, b"1\n", "Add")
    (repo / name).write_bytes(b"2\n")

    assert good(observe(repo, name, "HEAD")).changed is True
    assert good(observe(repo, str(repo / name), "HEAD")).changed is True


def test_a_path_may_be_written_through_a_link_to_the_repository_or_from_a_folder_in_it(repo: Path) -> None:
    commit(repo, "sub/f", b"1\n", "Add")
    link = repo.parent / "etc"
    link.symlink_to(repo)

    assert good(observe(link, str(link / "sub" / "f"), "HEAD")).changed is False
    assert good(observe(link / "sub", "f", "HEAD")).changed is False
    assert good(observe(f"{repo}/./sub//", str(repo / "sub" / "f"), "HEAD")).changed is False


def test_a_missing_ref_is_bad_and_says_that_nothing_is_fetched(repo: Path) -> None:
    assert why(observe(repo, "db-config.yaml", "v9")).startswith(
        f"local: there is no commit 'v9' in {repo}; Runbook does"
    )


@pytest.mark.parametrize("ref", ["-h", "--output=x", "", "a\nb", "HEAD:db-config.yaml", "release/*"])
def test_what_is_no_ref_is_bad(repo: Path, ref: str) -> None:
    words = why(observe(repo, "db-config.yaml", ref))

    assert "is no ref" in words or "there is no commit" in words


def test_a_path_that_the_ref_has_not_is_bad(repo: Path) -> None:
    (repo / "new").write_text("x")

    assert why(observe(repo, "new", "HEAD")) == "local: there is no new in HEAD"


def test_a_folder_is_bad(repo: Path) -> None:
    commit(repo, "sub/f", b"1\n", "Add")

    assert "sub is a folder in HEAD" in why(observe(repo, "sub", "HEAD"))


@pytest.mark.parametrize("path", ["../x", "a/../../x", ".git/config", "/etc/passwd", "", "/"])
def test_a_path_out_of_the_checkout_is_bad(repo: Path, path: str) -> None:
    assert any(
        words in why(observe(repo, path, "HEAD")) for words in ("leads out of the checkout", "is not in", "is no path")
    )


def test_no_repository_and_no_folder_are_bad_and_told_apart(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()

    assert "plain is not in a git repository" in why(observe(tmp_path / "plain", "f", "HEAD"))
    assert "none: there is no such folder" in why(observe(tmp_path / "none", "f", "HEAD"))


def test_a_bare_repository_is_bad(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "bare")

    assert "has no checked out files" in why(observe(tmp_path / "bare", "f", "HEAD"))


def test_a_file_behind_a_filter_is_bad_and_the_filter_never_runs(repo: Path) -> None:
    trace = repo.parent / "ran"
    git(repo, "config", "filter.spy.smudge", f"touch {trace}; cat")
    git(repo, "config", "filter.spy.clean", f"touch {trace}; cat")
    (repo / ".gitattributes").write_text("*.yaml filter=spy\n")

    assert "goes through the filter spy" in why(observe(repo, "db-config.yaml", "HEAD"))
    assert not trace.exists()


def test_settings_that_run_programs_are_not_heeded(repo: Path) -> None:
    trace = repo.parent / "ran"
    for key in ("diff.external", "core.pager", "core.fsmonitor", "gpg.program"):
        git(repo, "config", key, f"touch {trace}; cat")
    git(repo, "config", "log.showSignature", "true")

    good(observe(repo, "db-config.yaml", "release/stable-20231020"))
    assert not trace.exists()


def test_the_environment_of_a_hook_does_not_name_the_repository(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere/.git")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    monkeypatch.setenv("GIT_ICASE_PATHSPECS", "1")

    assert good(observe(repo, "db-config.yaml", "HEAD")).changed is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_of_somebody_else_is_explained_with_safe_directory(repo: Path) -> None:
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 4711, 4711)

    words = why(observe(repo, "db-config.yaml", "HEAD"))

    assert "belongs to another user" in words
    assert f"git config --global --add safe.directory {repo}" in words


def test_a_link_in_place_of_the_file_is_bad(repo: Path) -> None:
    (repo / "db-config.yaml").unlink()
    (repo / "db-config.yaml").symlink_to("/etc/hostname")

    assert why(observe(repo, "db-config.yaml", "HEAD")).endswith("is a symbolic link")


def test_a_commit_subject_with_terminal_control_is_shown_without(repo: Path) -> None:
    commit(repo, "db-config.yaml", GOOD, "Red \x1b[31malert\x1b]0;title\x07")

    seen = observe(repo, "db-config.yaml", "HEAD")

    assert isinstance(seen, Good)
    assert seen.evidence[1].endswith("Olga Operator: Red alert")


def test_an_unreadable_file_is_no_data_or_bad_but_never_good(repo: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (repo / "db-config.yaml").chmod(0)

    assert isinstance(observe(repo, "db-config.yaml", "HEAD"), NoData)


@pytest.mark.parametrize(
    ("err", "evidence", "lacking"),
    [
        ("sh: 1: exec: sudo: not found", "", "sudo"),
        ("bash: line 1: sudo: command not found", "", "sudo"),
        ("", "sudo: No such file or directory", "sudo"),
        ("sh: 1: git: not found", "", "git"),
    ],
)
def test_what_is_lacking_on_a_target_is_called_by_its_name(err: str, evidence: str, lacking: str) -> None:
    finished = Finished(127, 0.0, "exit", evidence=(evidence,))

    assert (
        refusal(Captured(127, "", err, finished), "/repo", "web-1").message == f"there is no {lacking} on this target"
    )
