from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.cli.border import guarded
from runbook.cli.front import Front
from tests.cli.conftest import Call


def test_nothing_said_is_answered_with_help_on_stderr(call: Call) -> None:
    said = call()

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("Usage: runbook ")
    assert "config" not in said.err


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("replay", "--help"), ("audit", "--help")])
def test_help_that_was_asked_for_is_data(command: Call, words: tuple[str, ...]) -> None:
    said = command(*words)

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Usage: ")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("lst",), "runbook: there is no command lst, did you mean list?; `runbook --help` shows what is possible"),
        (("approve", "x"), "runbook: there is no command approve; `runbook --help` shows what is possible"),
        (
            ("replay",),
            "runbook: missing argument 'P_OR_RUN'; `runbook replay --help` shows what is possible",
        ),
        (
            ("replay", "touch-file", "--set", "file"),
            "runbook: --set file has no value; write --set NAME=VALUE",
        ),
        (("replay", "tuch-file"), "runbook: there is no playbook tuch-file; did you mean touch-file?"),
        (
            ("exec", "ls", "-la"),
            "runbook: no such option '-l'; options of the command itself stand behind --",
        ),
        (("undo", "01zzz"), "runbook: there is no run '01zzz'; `runbook audit list` shows the runs"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(call: Call, words: tuple[str, ...], line: str) -> None:
    said = call(*words)

    assert (said.code, said.out, said.err) == (2, "", f"{line}\n")


@pytest.mark.parametrize("option", ["--nonsense", "--on-failur=stop"])
def test_a_wrong_option_is_a_usage_error(call: Call, option: str) -> None:
    said = call("replay", "touch-file", option)

    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("runbook: no such option")


def test_an_error_is_an_object_where_objects_are_wanted(call: Call) -> None:
    said = call("replay", "nowhere", "--output", "json")

    assert said.json["outcome"] == "usage"
    assert said.json["exit"] == said.code == 2
    assert "there is no playbook nowhere" in said.json["error"]


def test_an_unexpected_error_is_one_line_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise ZeroDivisionError("one\x1b[31m\ntwo")

    assert guarded(Front(), fails) == 1
    assert capsys.readouterr().err == (
        "runbook: unexpected: ZeroDivisionError: one ⏎ two; RUNBOOK_DEBUG=1 shows where, report it with that\n"
    )


def test_a_traceback_is_shown_to_who_asks_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_DEBUG", "1")

    guarded(Front(), lambda: 1 // 0)

    assert "Traceback" in capsys.readouterr().err


def test_a_reader_who_leaves_is_no_error(place: Path) -> None:
    for number in range(200):
        text = (place / "playbooks/touch-file.yaml").read_text().replace("touch-file", f"touch-{number}")
        (place / f"playbooks/touch-{number}.yaml").write_text(text)
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [sys.executable, "-m", "runbook", "list"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_data_that_cannot_be_written_is_told(place: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "runbook", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (done.returncode, done.stderr) == (
        1,
        "runbook: the output cannot be written: No space left on device\n",
    )


def test_closed_streams_do_not_end_a_run(place: Path) -> None:
    done = subprocess.run(["sh", "-c", '"$0" -m runbook replay touch-file >&- 2>&-', sys.executable], check=False)

    assert (done.returncode, (place / "made").exists()) == (0, True)


def test_an_encoding_without_our_marks_gets_stand_ins(command: Call) -> None:
    said = command("replay", "touch-file", env={"PYTHONIOENCODING": "ascii"})

    assert said.code == 0
    assert said.out.startswith("+ SUCCEEDED  Touch a file - run ")
    assert said.err.isascii()


def test_a_playbook_in_a_folder_that_cannot_be_read_is_a_matter_of_configuration(call: Call) -> None:
    # Root may read everything; a name that no file system takes is refused in the same way.
    said = call("replay", f"{'x' * 300}/mine.yaml")

    assert said.code == 3
    assert said.err.endswith("mine.yaml: cannot be read: File name too long\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--output", "json", "replay", "--nonsense"),
        ("replay", "touch-file", "--nonsense", "--output=json"),
        ("--output", "json", "nonsense"),
    ],
)
def test_an_error_in_the_words_is_an_object_wherever_objects_are_asked_for(call: Call, words: tuple[str, ...]) -> None:
    said = call(*words)

    assert (said.code, said.json["outcome"], said.json["exit"]) == (2, "usage", 2)
