"""Many names in few words, and none of them lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.loader.hostrange import expand
from runbook.text.hostlist import collapsed, meant, sorted_names, told


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["web1"], "web1"),
        (["web1", "web2"], "web[1-2]"),
        ([f"web{n:03}" for n in range(1, 99)], "web[001-098]"),
        (["web9", "web10", "web11"], "web[9-11]"),
        (["web09", "web10", "web12"], "web[09-10], web12"),
        (["web01", "web2"], "web01, web2"),
        (["db-1.example.com", "db-2.example.com", "db-3.example.org"], "db-[1-2].example.com, db-3.example.org"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.1, 10.0.0.2"),
        (["a1b", "a2b"], "a[1-2]b"),
        (["a", "a", "b"], "a, b"),
        (["n99999999999", "n100000000000"], "n99999999999, n100000000000"),
    ],
)
def test_numbers_in_a_row_are_one(names: list[str], text: str) -> None:
    assert collapsed(names) == text


def test_names_are_sorted_as_people_count() -> None:
    assert sorted_names(["web10", "web9", "db", "web1"]) == ["db", "web1", "web9", "web10"]


def test_what_does_not_fit_is_counted() -> None:
    assert told([f"h{n}" for n in range(1, 101)]) == "h[1-100]"
    assert told([f"h{n}" for n in range(0, 100, 2)]) == "50 hosts (h0, h2, …)"


@given(st.lists(st.from_regex(r"[a-z]{1,2}[0-9]{0,3}(\.x[0-9])?", fullmatch=True), unique=True, max_size=30))
def test_no_name_is_lost(names: list[str]) -> None:
    parts = collapsed(names).split(", ") if names else []
    assert [name for part in parts for name in expand(part.replace("-", ":"))] == names


@given(st.sets(st.from_regex(r"[a-z]-?[0-9]{0,3}(\.x[0-9])?", fullmatch=True), max_size=30), st.data())
def test_what_is_written_means_those_names_and_no_others(names: set[str], data: st.DataObject) -> None:
    ordered = sorted_names(names)
    some = [name for name in ordered if data.draw(st.booleans())]
    assert meant(collapsed(some), ordered) == some


def test_a_list_may_hold_patterns() -> None:
    names = [f"web-{n:02}" for n in range(1, 31)]
    assert meant("web-[11-20]", names) == names[10:20]
    assert meant("web-0*, web-30, nobody", names) == [*names[:9], "web-30"]
    assert meant("nobody", names) == meant("", names) == []
