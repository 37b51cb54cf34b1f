import subprocess
import sys
from pathlib import Path

import pytest

from runbook.demo import control


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["show", "order-service"], "show order-service"),
        (["restart", "a"], "restart a"),
        (["logs", "a"], "logs a 50"),
        (["logs", "a", "-n", "3"], "logs a 3"),
        (["logs", "-n", "3", "a"], "logs a 3"),
        (["list"], "list"),
    ],
)
def test_arguments_become_one_request_line(words: list[str], line: str) -> None:
    assert control.request(words) == line


@pytest.mark.parametrize(
    "words",
    [[], ["show"], ["show", "a", "b"], ["kill", "a"], ["show", "a\nshutdown"], ["stop", ""], ["logs", "a", "-n", "-1"]],
)
def test_arguments_that_make_no_sense_are_no_request(words: list[str]) -> None:
    assert control.request(words) is None


def ctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", control.__file__, *words], capture_output=True, text=True, check=False
    )


def test_it_runs_isolated_and_says_in_one_line_that_nobody_answers(tmp_path: Path) -> None:
    done = ctl(str(tmp_path), "show", "a")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ctl: the supervisor does not answer")
    assert done.stderr.count("\n") == 1


def test_wrong_usage_has_its_own_exit_status(tmp_path: Path) -> None:
    done = ctl(str(tmp_path), "explode")
    assert (done.returncode, done.stdout, done.stderr.startswith("usage: ctl")) == (2, "", True)
