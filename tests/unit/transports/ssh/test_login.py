"""What a login shell says before a command is no part of the command's output."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.ports.target import Cmd
from runbook.transports.ssh.login import Login, Opening
from runbook.transports.ssh.output import Gathered
from runbook.transports.wrapper import read_line, read_text

WORD = "runbook-abc1"


def opened(*pieces: bytes) -> tuple[Gathered, Opening]:
    gathered = Gathered(most=1 << 24)
    opening = Opening(gathered, WORD)
    for piece in pieces:
        opening.write("out", piece)
    return gathered, opening


@given(st.binary(max_size=60), st.binary(max_size=60), st.sets(st.integers(1, 150)))
def test_only_what_comes_after_the_word_is_passed_on_however_it_is_cut(
    noise: bytes, output: bytes, cuts: set[int]
) -> None:
    whole = noise + b"runbook-abc1 /bin/bash\n" + output
    at = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]

    gathered, opening = opened(*(whole[start:end] for start, end in pairwise(at)))

    assert gathered.out == output
    assert opening.login == Login("/bin/bash", is_quiet=not noise)


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_without_the_word_nothing_is_lost(pieces: list[bytes]) -> None:
    gathered, opening = opened(*pieces)
    opening.close()

    assert gathered.out == b"".join(pieces)
    assert opening.login is None


def test_a_flood_before_the_word_is_not_held_for_ever() -> None:
    gathered, _ = opened(*[b"x" * 65536] * 20)

    assert len(gathered.out) == 20 * 65536


def test_errors_come_at_once() -> None:
    gathered, opening = opened(b"held")
    opening.write("err", b"said")

    assert (gathered.out, gathered.err) == (b"", b"said")


@pytest.mark.parametrize(
    ("shell", "posix"),
    [("/bin/bash", True), ("/usr/bin/zsh", True), ("/bin/tcsh", False), ("/usr/bin/fish", False), ("", False)],
)
def test_only_shells_that_are_known_read_as_sh_does(shell: str, posix: bool) -> None:
    assert Login(shell, is_quiet=True).is_posix is posix


@pytest.mark.parametrize("posix", [False, True])
def test_the_line_tells_the_shell_first_and_the_command_bears_the_mark(posix: bool) -> None:
    line = read_line(Cmd(("printenv", "RUNBOOK_JOB")), WORD, posix=posix, tells=True)

    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True, env={"SHELL": "/bin/zsh"})

    assert done.stdout == b"runbook-abc1 /bin/zsh\nrunbook-abc1/\n"


def test_the_text_tells_the_shell_first() -> None:
    text = read_text(Cmd(("cat",), stdin=b"given"), WORD, tells=True)

    done = subprocess.run(["sh", "-s"], input=text, capture_output=True, check=True, env={"SHELL": "/bin/zsh"})

    assert done.stdout == b"runbook-abc1 /bin/zsh\ngiven"
