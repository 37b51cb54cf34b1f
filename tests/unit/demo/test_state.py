from pathlib import Path

import pytest

from runbook.demo.layout import Ports
from runbook.demo.state import PREFIX, State, find_states, new_state, read_state, remove_folder, write_state
from runbook.errors import RunbookError


def make(folder: Path) -> State:
    folder.mkdir()
    state = new_state(folder, Ports(database=1, order=2, load=3))
    write_state(state)
    return state


def test_the_state_is_read_back(tmp_path: Path) -> None:
    state = make(tmp_path / "shop")
    assert read_state(tmp_path / "shop") == state


def test_only_folders_that_are_shops_are_found(tmp_path: Path) -> None:
    state = make(tmp_path / f"{PREFIX}one")
    (tmp_path / f"{PREFIX}empty").mkdir()
    make(tmp_path / "other")
    assert find_states(tmp_path) == (state,)


def test_a_folder_that_is_no_shop_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "keep").write_text("mine")
    with pytest.raises(RunbookError, match="not a demo shop"):
        remove_folder(tmp_path)
    assert (tmp_path / "keep").read_text() == "mine"


def test_the_state_file_of_another_folder_does_not_make_this_one_a_shop(tmp_path: Path) -> None:
    make(tmp_path / "shop")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "shop.json").write_bytes((tmp_path / "shop" / "shop.json").read_bytes())
    with pytest.raises(RunbookError, match="not a demo shop"):
        remove_folder(tmp_path / "precious")


def test_a_link_to_a_shop_is_not_a_shop(tmp_path: Path) -> None:
    make(tmp_path / "shop")
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "shop")
    assert find_states(tmp_path) == ()


def test_removing_a_shop_does_not_follow_links_out_of_it(tmp_path: Path) -> None:
    make(tmp_path / "shop")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    (tmp_path / "shop" / "link").symlink_to(tmp_path / "mine")

    remove_folder(tmp_path / "shop")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
    assert (tmp_path / "mine" / "file").exists()
