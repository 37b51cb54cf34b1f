"""A command that reads as one line for a login shell of any kind."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.errors import DispatchRefused
from runbook.ports.target import Cmd
from runbook.transports.wrapper import read_line

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'!\\"), max_size=20)


@settings(max_examples=20)
@given(st.lists(PRINTABLE, max_size=4), st.booleans())
def test_the_words_arrive_as_they_were_given(words: list[str], posix: bool) -> None:
    program = 'for word; do printf "%s@" "$word"; done'
    line = read_line(Cmd(("sh", "-c", program, "sh", *words)), "mark", posix=posix)

    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)

    assert done.stdout.decode() == "".join(f"{word}@" for word in words)


def test_the_command_bears_the_mark_and_has_no_input() -> None:
    line = read_line(Cmd(("sh", "-c", "cat; printenv RUNBOOK_JOB")), "runbook-7")

    done = subprocess.run(["sh", "-c", line], input=b"not for it", capture_output=True, check=True)

    assert done.stdout == b"runbook-7/\n"


@pytest.mark.parametrize(
    "cmd",
    [
        Cmd(("echo", "it's")),
        Cmd(("echo", "a\nb")),
        Cmd(("echo", "a\\b")),
        Cmd(("echo", "oh!")),
        Cmd(("echo", "é")),
        Cmd(("A=b", "c")),
        Cmd(("true", "x" * 40_000)),
        Cmd(("true",), env={"A": "b"}),
        Cmd(("true",), cwd="/"),
        Cmd(("true",), stdin=b"x"),
        Cmd(("true",), sudo=True),
    ],
)
def test_what_shells_read_in_different_ways_has_no_such_line(cmd: Cmd) -> None:
    assert read_line(cmd, "mark") == ""


def test_what_is_no_command_is_refused() -> None:
    with pytest.raises(DispatchRefused):
        read_line(Cmd(("-x",)), "mark")
