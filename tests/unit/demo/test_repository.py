"""The configuration's history, read back with the git program itself."""

import subprocess
from pathlib import Path

import pytest
import yaml

from runbook.demo.layout import CONFIG_FILE, GOOD_TAG
from runbook.demo.repository import BAD_CONNECTIONS, GOOD_CONNECTIONS, commit_bad_tuning, make_repository
from runbook.errors import RunbookError


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout.rstrip(
        "\n"
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "a shop's config"
    folder.mkdir()
    make_repository(folder, 23456)
    return folder


def pool_size(folder: Path) -> int:
    return int(yaml.safe_load((folder / CONFIG_FILE).read_text())["pool"]["max_connections"])


def test_a_new_repository_is_clean_and_holds_the_good_release(config: Path) -> None:
    assert git(config, "status", "--porcelain") == ""
    assert git(config, "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert git(config, "show", f"{GOOD_TAG}:{CONFIG_FILE}") == (config / CONFIG_FILE).read_text().rstrip("\n")
    assert pool_size(config) == GOOD_CONNECTIONS


def test_the_bad_commit_changes_one_line_and_is_by_somebody_else(config: Path) -> None:
    commit_bad_tuning(config)

    assert pool_size(config) == BAD_CONNECTIONS
    assert git(config, "log", "-1", "--format=%an %s") == "release-automation Tune inventory connections"
    assert git(config, "diff", "--numstat", GOOD_TAG, "HEAD", "--", CONFIG_FILE) == f"1\t1\t{CONFIG_FILE}"
    assert git(config, "status", "--porcelain") == ""


def test_checking_the_tag_out_brings_the_good_file_back(config: Path) -> None:
    commit_bad_tuning(config)
    git(config, "checkout", GOOD_TAG, "--", CONFIG_FILE)
    assert pool_size(config) == GOOD_CONNECTIONS


def test_the_same_change_can_be_pushed_again_after_a_rollback(config: Path) -> None:
    commit_bad_tuning(config)
    git(config, "checkout", GOOD_TAG, "--", CONFIG_FILE)
    commit_bad_tuning(config)
    assert pool_size(config) == BAD_CONNECTIONS
    assert git(config, "rev-list", "--count", "HEAD") == "4"


def test_an_uncommitted_edit_of_another_file_is_left_alone(config: Path) -> None:
    (config / "alerts.yaml").write_text("alerts: []\n")
    commit_bad_tuning(config)
    assert git(config, "status", "--porcelain") == " M alerts.yaml"


def test_another_edit_of_the_file_survives_in_the_history(config: Path) -> None:
    file = config / CONFIG_FILE
    file.write_text(file.read_text() + "# Ask Maya before you touch this.\n")
    commit_bad_tuning(config)
    assert "Ask Maya" in git(config, "show", f"HEAD:{CONFIG_FILE}")


def test_a_file_without_a_pool_size_is_refused(config: Path) -> None:
    (config / CONFIG_FILE).write_text("database: {}\n")
    with pytest.raises(RunbookError, match="max_connections"):
        commit_bad_tuning(config)


def test_hooks_settings_and_templates_of_the_user_stay_out(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = home / "hooks"
    (home / "template" / "hooks").mkdir(parents=True)
    hooks.mkdir()
    for hook in (hooks / "pre-commit", home / "template" / "hooks" / "post-commit"):
        hook.write_text(f"#!/bin/sh\ntouch {home}/ran\n")
        hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[core]\nhooksPath = {hooks}\n[init]\ntemplateDir = {home}/template\n[commit]\ngpgSign = true\n"
    )
    monkeypatch.setenv("GIT_DIR", str(home / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(home / "other-index"))
    folder = tmp_path / "config"
    folder.mkdir()

    make_repository(folder, 1)
    commit_bad_tuning(folder)

    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert git(folder, "rev-list", "--count", "HEAD") == "3"
    assert sorted(path.name for path in home.iterdir() if path.name in ("ran", "elsewhere", "other-index")) == []
    assert not (folder / ".git" / "hooks").exists()
