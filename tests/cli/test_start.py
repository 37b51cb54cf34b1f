from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from runbook import __version__
from runbook.cli.completion import COMMON, OPTIONS, SHELLS, TAKES, candidates, script
from runbook.cli.main import COMMANDS, root
from tests.cli.conftest import Call

WATCH = """
import json, sys
sys.argv = ["runbook", *json.loads(sys.argv[1])]
from runbook.__main__ import main
code = main()
loaded = [name for name in ("click", "msgspec", "rich", "yaml", "platformdirs") if name in sys.modules]
print(json.dumps([code, loaded]), file=sys.stderr)
"""


def watched(*words: str) -> tuple[str, int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps(words)], capture_output=True, text=True, check=True, timeout=60
    )
    code, loaded = json.loads(done.stderr.splitlines()[-1])
    return done.stdout, code, loaded


@pytest.mark.parametrize("words", [("--version",), ("-V",), ("completion", "bash"), ("__complete", "playbooks")])
def test_what_is_asked_at_every_prompt_loads_no_library(words: tuple[str, ...]) -> None:
    out, code, loaded = watched(*words)

    assert (code, loaded) == (0, [])
    assert out


ENDING = """
import atexit, sys, threading
sys.argv = ["runbook", "nonsense"]
from runbook import __main__
answer = __main__._answer

def answering():
    atexit.register(lambda: print("cleaned up"))
    threading.Thread(target=lambda: (threading.Event().wait(0.05), print("worked"))).start()
    sys.stdout.write("said ")
    return answer()

__main__._answer = answering
sys.exit(__main__.main())
"""


def test_the_process_ends_when_all_is_written_worked_off_and_cleaned_up() -> None:
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=False, timeout=60)

    assert (done.stdout, done.returncode) == ("said worked\ncleaned up\n", 2)


def test_the_version_is_told() -> None:
    assert watched("--version")[0] == f"runbook {__version__}\n"


def test_no_command_loads_rich_or_a_screen() -> None:
    script = "import sys, runbook.cli.main; print([m for m in ('rich', 'textual', 'paramiko') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def leaves(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found[f"{prefix}{name}"] = command
        if isinstance(command, click.Group):
            found |= leaves(command, f"{prefix}{name} ")
    return found


def test_completion_knows_the_commands_and_their_options() -> None:
    assert isinstance(root, click.Group)
    actual = {
        name: {long for p in command.params if isinstance(p, click.Option) for long in p.opts if long.startswith("--")}
        for name, command in leaves(root).items()
    }

    assert {name: set(options) | set(COMMON) - {"--help"} for name, options in OPTIONS.items()} == actual


def test_every_command_of_the_table_exists_and_says_what_it_does() -> None:
    assert isinstance(root, click.Group)
    for name, command in leaves(root).items():
        assert command.help, name


def test_what_is_not_in_this_version_does_not_exist_as_a_command_that_does_nothing() -> None:
    absent = {"approve"}

    assert absent & set(COMMANDS) == set()


def test_the_bash_script_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "completion"
    file.write_text(script("bash"))

    done = subprocess.run(["bash", "-n", str(file)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def completed(words: list[str], place: Path) -> list[str]:
    """Return what bash offers for the last word."""
    quoted = " ".join(f'"{word}"' for word in words)
    program = f"""
runbook() {{ "{sys.executable}" -m runbook "$@"; }}
source completion
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}
_runbook
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    (place / "completion").write_text(script("bash"))
    done = subprocess.run(["bash", "-c", program], cwd=place, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["runbook", "reh"], ["rehearse"]),
        (["runbook", "audit", "v"], ["verify"]),
        (["runbook", "run", "touch"], ["touch-file"]),
        (["runbook", "replay", "touch-file", "--appr"], ["--approve"]),
        (["runbook", "replay", "touch-file", "--on-failure", "s"], ["stop"]),
        (["runbook", "audit", "list", "--op"], ["--open"]),
        (["runbook", "list", "--output", "nd"], ["ndjson"]),
        (["runbook", "completion", "f"], ["fish"]),
        (["runbook", "replay", "touch-file", "--set", ""], ["file="]),
        (["runbook", "run", "playbooks/touch-file.yaml", "--set", "f"], ["file="]),
        (["runbook", "replay", "service-restart", "--approve", ""], ["in-order"]),
        (["runbook", "replay", "nowhere", "--approve", ""], []),
        (["runbook", "decide", "touch-file", "--set", "f"], []),
    ],
)
def test_bash_completes_a_word(words: list[str], offered: list[str], place: Path) -> None:
    assert completed(words, place) == offered


def test_words_of_a_run_are_those_of_its_playbook(call: Call, place: Path) -> None:
    run = call("replay", "touch-file", "--output", "json").json["id"]

    assert completed(["runbook", "replay", run, "--set", ""], place) == ["file="]
    assert completed(["runbook", "resume", run, "--approve", ""], place) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_each_shell_names_every_command(shell: str) -> None:
    text = script(shell)

    assert [name for name in COMMANDS if name not in text] == []


def test_the_playbooks_of_this_folder_are_candidates(place: Path) -> None:
    assert "touch-file" in list(candidates("playbooks"))


def test_a_file_with_a_hostile_name_is_no_candidate(place: Path) -> None:
    (place / "playbooks/$(reboot).yaml").touch()

    assert [word for word in candidates("playbooks") if "reboot" in word] == []


def test_runs_are_candidates_newest_first(call: Callable[..., Any]) -> None:
    runs = [call("replay", "touch-file", "--output", "json").json["id"] for _ in range(2)]

    assert list(candidates("runs")) == list(reversed(runs))


def test_what_completion_lists_is_known() -> None:
    assert {kind for kinds in TAKES.values() for kind in kinds.split()} == {"playbooks", "runs"}
