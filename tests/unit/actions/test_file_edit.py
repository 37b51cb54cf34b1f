"""`file.edit`: what counts as expected, what it leaves alone, and how it leads back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.actions.file_edit import EditBefore, EditWith, FileEdit
from runbook.actions.file_replace import Replacement, replaced
from runbook.errors import ActionError
from runbook.model.convert import convert
from runbook.ports.action import Already, Proceed, Refuse
from runbook.testing import Bench, MemoryWork, tree

ACTION = FileEdit()
TEXT = b"pool:\n  size: 5000\n  host: db\n  size: 5000\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "db.yaml"
    file.write_bytes(TEXT)
    return file


def edit(path: Path, *rules: Replacement, **more: Any) -> EditWith:
    return EditWith(path=str(path), replace=rules, **more)


def literal(match: str, with_: str, count: int = 1) -> Replacement:
    return Replacement(match=match, with_=with_, count=count)


def line(pattern: str, with_: str, count: int = 1) -> Replacement:
    return Replacement(line=pattern, with_=with_, count=count)


def before(w: EditWith) -> EditBefore:
    found = ACTION.inspect(w, Bench())
    assert isinstance(found, Proceed)
    return found.before


def refusal(w: EditWith) -> str:
    found = ACTION.inspect(w, Bench())
    assert isinstance(found, Refuse)
    return found.why


def test_the_plan_shows_the_real_diff_and_the_way_back(path: Path) -> None:
    w = edit(path, literal("host: db", "host: db2"))

    plan = ACTION.plan(w, before(w))

    assert plan.diff == (
        f"--- {path} (now)\n+++ {path} (edited)\n"
        "@@ -1,4 +1,4 @@\n pool:\n   size: 5000\n-  host: db\n+  host: db2\n   size: 5000\n"
    )
    assert plan.words == f"Edit {path}, and keep what is there as {path}.runbook-TIME"
    assert plan.undo.startswith("Put back what was in")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (literal("5000", "500"), "the text '5000' occurs 2 times, expected 1"),
        (literal("5000", "500", 3), "the text '5000' occurs 2 times, expected 3"),
        (literal("nowhere", "x"), "the text 'nowhere' is not in the file, expected 1"),
        (literal("nowhere", ""), "the text 'nowhere' is not in the file, expected 1"),
        (line(r"\s*size: \d+", "size: 1"), r"a line like '\\s*size: \\d+' occurs 2 times, expected 1"),
        (line("size", "x"), "a line like 'size' is not in the file, expected 1"),
        (line("(", "x"), "replace[0].line: "),
    ],
)
def test_what_does_not_occur_as_often_as_expected_is_refused_and_nothing_is_changed(
    path: Path, rule: Replacement, why: str
) -> None:
    assert refusal(edit(path, literal("host", "name"), rule)).startswith(why.replace("[0]", "[1]"))
    assert path.read_bytes() == TEXT


def test_replacements_follow_one_another(path: Path) -> None:
    w = edit(path, literal("host: db", "host: first"), literal("first", "second"), line(r" +size: \d+", "  size: 1", 2))

    ACTION.apply(w, before(w), MemoryWork(Bench()))

    assert path.read_text() == "pool:\n  size: 1\n  host: second\n  size: 1\n"


@pytest.mark.parametrize(
    "rule",
    [
        literal("5000", "500", 2),
        literal("host", "hostname"),
        line(r"  size: \d+", "  size: 5", 2),
        line(r"  size: 5000", "  width: 5", 2),
    ],
)
def test_an_edit_that_is_in_place_is_not_made_again(path: Path, rule: Replacement) -> None:
    w = edit(path, rule)
    ACTION.apply(w, before(w), MemoryWork(Bench()))
    start = tree(path.parent)

    assert isinstance(ACTION.inspect(w, Bench()), Already)
    assert tree(path.parent) == start


@pytest.mark.skipif(os.getuid() != 0, reason="giving a file away needs root")
def test_mode_and_owner_stay_and_undo_brings_back_every_byte(path: Path) -> None:
    path.write_bytes(b"\xff\xfe size: 5000\r\nx")
    os.chown(path, 12345, 54321)
    path.chmod(0o640)
    start = tree(path.parent)
    w = edit(path, literal("5000", "500"))
    b = before(w)
    work = MemoryWork(Bench())

    result = ACTION.apply(w, b, work)

    seen = path.stat()
    assert (path.read_bytes(), seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) == (
        b"\xff\xfe size: 500\r\nx",
        0o640,
        12345,
        54321,
    )
    ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))
    assert tree(path.parent) == start


def test_a_file_that_changed_after_the_plan_is_not_overwritten(path: Path) -> None:
    w = edit(path, literal("host: db", "host: db2"))
    b = before(w)
    path.write_bytes(TEXT + b"more: 1\n")

    with pytest.raises(ActionError):
        ACTION.apply(w, b, MemoryWork(Bench()))
    assert path.read_bytes() == TEXT + b"more: 1\n"


def test_a_file_is_made_only_if_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "new.conf"

    assert refusal(EditWith(path=str(path), content="x")) == f"there is no file {path}"
    w = EditWith(path=str(path), content="x\n", create=True, mode="0640")
    b = before(w)
    plan = ACTION.plan(w, b)
    work = MemoryWork(Bench())
    result = ACTION.apply(w, b, work)
    assert (path.read_text(), path.stat().st_mode & 0o7777) == ("x\n", 0o640)
    ACTION.undo(w, b, result, MemoryWork(Bench(), undo=True, receipts=work.receipts))
    assert list(tmp_path.iterdir()) == []
    assert plan.diff == f"--- {path} (now)\n+++ {path} (edited)\n@@ -0,0 +1 @@\n+x\n"


def test_what_is_no_regular_file_is_refused(path: Path) -> None:
    link = path.parent / "link"
    link.symlink_to(path)

    assert refusal(EditWith(path=str(link), content="x")) == f"{link} is a symbolic link"
    assert "a folder" in refusal(EditWith(path=str(path.parent), content="x"))
    assert "no absolute path" in refusal(EditWith(path="db.yaml", content="x"))
    assert refusal(EditWith(path=str(path), content="x", mode="rw")).startswith("mode: 'rw' is no mode")


@pytest.mark.parametrize(
    "given",
    [
        {"path": "/x"},
        {"path": "/x", "content": "a", "replace": [{"match": "a", "with": "b"}]},
        {"path": "/x", "replace": [{"match": "a", "line": "a", "with": "b"}]},
        {"path": "/x", "replace": [{"with": "b"}]},
        {"path": "/x", "replace": [{"match": "a"}]},
        {"path": "/x", "replace": [{"match": "a", "with": "b", "count": 0}]},
        {"path": "/x", "replace": [{"match": "a", "with": "b"}], "create": True},
    ],
)
def test_arguments_that_say_nothing_or_two_things_are_faults(given: dict[str, Any]) -> None:
    assert convert(given, EditWith)[1] != ()


@given(st.binary(max_size=60), st.binary(max_size=60), st.text(min_size=1, max_size=5))
def test_a_literal_piece_is_replaced_and_all_else_stays(head: bytes, tail: bytes, new: str) -> None:
    mark = "\x01mark\x01"
    clean = (head + tail).count(mark.encode()) == 0 and (head + b"|" + tail).count(new.encode()) != 1

    if clean:
        assert replaced(head + mark.encode() + tail, (literal(mark, new),)) == head + new.encode() + tail


@given(st.lists(st.binary(max_size=8).filter(lambda b: b"\n" not in b and b"\r" not in b), max_size=6), st.booleans())
def test_a_line_is_replaced_and_every_other_byte_stays(lines: list[bytes], ended: bool) -> None:
    end = b"\n" if ended else b""
    data = b"\r\n".join([*lines, b"size: 5000", *lines]) + end

    found = replaced(data, (line("size: [0-9]+", "size: 5"),))

    assert found == b"\r\n".join([*lines, b"size: 5", *lines]) + end
