from __future__ import annotations

import io
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.cli.guided import Guided
from runbook.cli.keyboard import Keyboard
from runbook.cli.stream import Stream
from runbook.cli.style import Style
from runbook.model.question import Choice, Question
from runbook.ports.cancel import Cancel
from tests.cli.conftest import Call, Terminal, steady

Open = Callable[..., Terminal]

PEOPLE = """\
schema: runbook/v1
id: people
title: For people
params:
  db_pass: {type: secret, from: ask}
steps:
  - id: ready
    manual: Stop the release automation.
  - id: form
    title: How many
    ask:
      count: {type: int, default: 3, min: 1, help: Number of nodes}
      size: {type: choice, choices: [small, large], required: true}
  - id: way
    choose:
      question: Which way
      options:
        - {id: short, title: The short way, goto: end}
        - {id: long, title: The long way}
  - id: wipe
    command: [touch, "HERE/wiped"]
    env: {PASS: "{{ params.db_pass }}"}
    effect: destructive
    verify: [{command: [test, -e, "HERE/wiped"]}]
    undo: {none: nothing is lost}
"""

FAILING = """\
schema: runbook/v1
id: failing
title: It fails
steps:
  - id: fail
    title: Look for the gate
    command: [test, -e, "HERE/gate"]
    effect: read
"""


def write(place: Path, name: str, text: str) -> None:
    (place / f"playbooks/{name}.yaml").write_text(text.replace("HERE", str(place)))


def test_a_step_is_shown_whole_before_it_runs(terminal: Open, place: Path) -> None:
    screen = terminal("run", "touch-file")
    screen.until("  > ")
    screen.enter("1")
    shown = steady(screen.until("  > "), place)
    screen.enter("1")

    assert screen.end() == 0
    assert shown[shown.index("◆ Make the file") :] == (
        "◆ Make the file\n  on local, step 2 of 2\n\n  Look closely.\n\n  Run touch HERE/made\n".replace(
            "  Run", "  local: Run"
        )
        + "    $ touch HERE/made\n    Way back: rm HERE/made\n"
        + f"  digest {shown.split('digest ')[1][:16]}\n"
        "\n"
        "  1  run this step\n"
        "  2  run on: go on without asking until the next change\n"
        "  3  skip: with a reason; stays unverified\n"
        "  4  pause: leave the run here, to be resumed  (Enter)\n"
        "  5  abort: end the run; what was changed stays until you undo it\n"
        "  6  edit once: shown as a diff, marked as a deviation, asked again\n"
        "  > "
    )
    assert (place / "made").exists()


def test_enter_alone_takes_the_safe_choice_and_changes_nothing(terminal: Open, place: Path) -> None:
    screen = terminal("run", "touch-file")
    screen.until("  > ")
    screen.enter()

    assert (screen.end(), (place / "made").exists()) == (6, False)
    assert "◆ PAUSED" in screen.text


def test_what_was_typed_before_the_question_is_no_answer(terminal: Open, place: Path) -> None:
    screen = terminal("run", "touch-file")
    screen.enter("1")
    screen.enter("1")
    screen.until("  > ")
    screen.enter("pause")

    assert (screen.end(), (place / "made").exists()) == (6, False)


class Fingers(Keyboard):
    """A keyboard that notes what stood on the screen when it forgot what was typed ahead."""

    def __init__(self, screen: io.StringIO) -> None:
        super().__init__(-1)
        self._screen = screen
        self.dropped: list[str] = []

    def drop_typed_ahead(self) -> None:
        self.dropped.append(self._screen.getvalue())

    def line(self, cancel: Cancel) -> str:
        return ""


def test_what_is_typed_while_a_question_is_written_is_no_answer() -> None:
    screen = io.StringIO()
    fingers = Fingers(screen)
    question = Question(
        id="q",
        kind="proceed",
        title="Sure",
        step="s",
        choices=(Choice("run", "run"), Choice("pause", "wait")),
        safe="pause",
    )

    Guided(Stream(screen, Style()), lambda _: {}, fingers).ask(question, Cancel())

    (seen,) = fingers.dropped
    assert seen.endswith("  2  wait  (Enter)\n")


def test_the_end_of_input_is_no_answer(terminal: Open, place: Path) -> None:
    screen = terminal("run", "touch-file")
    screen.until("  > ")
    screen.type("\x04")

    assert (screen.end(), (place / "made").exists()) == (6, False)
    assert "no answer: end of input" in screen.text


def test_a_skip_wants_a_reason(terminal: Open, call: Call, place: Path) -> None:
    screen = terminal("run", "touch-file")
    screen.until("  > ")
    screen.enter("skip")
    screen.until("Reason: ")
    screen.enter()
    screen.until("Without a reason nothing is done.")
    screen.until("  > ")
    screen.enter("skip")
    screen.until("Reason: ")
    screen.enter("it is known")
    screen.until("  > ")
    screen.enter("1")

    assert screen.end() == 0
    facts = call("audit", "show", newest(call), "--output", "json").json
    assert [f["reason"] for f in facts if f["type"] == "decision.made" and f["choice"] == "skip"] == ["it is known"]


def newest(call: Call) -> str:
    return str(call("audit", "list", "--output", "json").json[0]["id"])


@pytest.mark.parametrize("typed", ["9", "0", "-1", "nonsense", "②", "run this step"])
def test_what_is_no_choice_is_asked_again(terminal: Open, place: Path, typed: str) -> None:
    screen = terminal("run", "touch-file")
    screen.until("  > ")
    screen.enter(typed)
    screen.until("is no choice. Write a number from 1 to 6.")
    screen.until("  > ")
    screen.enter("4")

    assert screen.end() == 6


def test_forms_decisions_and_typed_confirmations(terminal: Open, call: Call, place: Path) -> None:
    write(place, "people", PEOPLE)

    screen = terminal("run", "people")
    screen.until("db_pass (not shown): ")
    screen.enter("hunter2-secret")
    screen.until("Stop the release automation.")
    screen.until("  > ")
    screen.enter("1")
    screen.until("Evidence")
    screen.enter("job 17 is off")
    screen.until("How many")
    screen.until("  > ")
    screen.enter("answer")
    screen.until("count (int) [3]: ")
    screen.enter("none")
    screen.until("write a whole number.")
    screen.until("count (int) [3]: ")
    screen.enter()
    screen.until("size (choice): ")
    screen.enter()
    screen.until("size has no value.")
    screen.until("size (choice): ")
    screen.enter("large")
    screen.until("Which way")
    screen.until("  > ")
    screen.enter("2")
    screen.until("is destructive")
    screen.until("  > ")
    screen.enter("1")
    screen.until("To go on, type: local 1")
    screen.until("  > ")
    screen.enter("local 2")
    screen.until("That is something else. Nothing was done.")
    screen.until("  > ")
    assert not (place / "wiped").exists()
    screen.enter("1")
    screen.until("To go on, type: local 1")
    screen.until("  > ")
    screen.enter("local 1")

    assert (screen.end(), (place / "wiped").exists()) == (0, True)
    assert "hunter2-secret" not in screen.text
    facts = call("audit", "show", newest(call), "--output", "json").json
    assert isinstance(facts, list), facts
    values = {f["step"]: f.get("values") for f in facts if f["type"] == "decision.made"}
    assert values == {
        "ready": {"evidence": "job 17 is off"},
        "form": {"count": 3, "size": "large"},
        "way": None,
        "wipe": {"typed": "local 1"},
    }


def test_a_failure_offers_ways_out_and_retries(terminal: Open, place: Path) -> None:
    write(place, "failing", FAILING)

    screen = terminal("run", "failing")
    screen.until("  > ")
    screen.enter("1")
    screen.until("Look for the gate failed. Nothing runs now")
    screen.until("  > ")
    (place / "gate").touch()
    screen.enter("retry")

    assert screen.end() == 0


def test_hostile_text_is_shown_and_not_obeyed(terminal: Open, place: Path) -> None:
    hostile = "\\e]0;owned\\a\\e[2J\\u202E"
    write(place, "failing", FAILING.replace('"HERE/gate"', f'"HERE/gate{hostile}"'))

    screen = terminal("run", "failing")
    screen.until("  > ")
    screen.enter("1")
    screen.until("failed. Nothing runs now")
    screen.until("  > ")
    screen.enter()
    screen.end()

    assert not set(screen.text) & {"\x1b", "\x07", "\u202e"}


def test_ctrl_c_at_a_question_ends_the_run_before_any_effect(terminal: Open, place: Path) -> None:
    screen = terminal("run", "touch-file")
    screen.until("  > ")
    screen.process.send_signal(signal.SIGINT)

    assert (screen.end(), (place / "made").exists()) == (130, False)
    assert "◆ INTERRUPTED" in screen.text


def test_a_resumed_run_stays_guided(terminal: Open, call: Call, place: Path) -> None:
    first = terminal("run", "touch-file")
    first.until("  > ")
    first.enter()
    first.end()

    screen = terminal("resume", newest(call))
    screen.until("  > ")
    screen.enter("2")
    screen.until("Make the file")
    screen.until("  > ")
    screen.enter("1")

    assert (screen.end(), (place / "made").exists()) == (0, True)


def test_a_smart_terminal_gets_colours_and_no_color_takes_them_away(terminal: Open) -> None:
    coloured = terminal("exec", "--", "true", env={"TERM": "xterm-256color"})
    plain = terminal("exec", "--", "true", env={"TERM": "xterm-256color", "NO_COLOR": "1"})

    assert (coloured.end(), plain.end()) == (0, 0)
    assert "\x1b[32m✓ succeeded" in coloured.text
    assert "\x1b[32m" not in plain.text


def test_an_ad_hoc_change_asks_like_a_step(terminal: Open, place: Path) -> None:
    screen = terminal("exec", "--effect", "change", "--", "touch", str(place / "made"))
    screen.until("  > ")
    assert not (place / "made").exists()
    screen.enter("approve")

    assert (screen.end(), (place / "made").exists()) == (0, True)


CHANGED_THEN_FAILING = """\
schema: runbook/v1
id: failing
title: It fails
steps:
  - id: touch
    title: Make the file
    command: [touch, "HERE/made"]
    effect: change
    verify: [{command: [test, -e, "HERE/made"]}]
    undo: [{command: [rm, "HERE/made"]}]
  - id: fail
    title: Look for the gate
    command: [test, -e, "HERE/gate"]
    effect: read
"""


def at_the_failure(terminal: Open, place: Path) -> Terminal:
    write(place, "failing", CHANGED_THEN_FAILING)
    screen = terminal("run", "failing")
    for title in ("Make the file", "Look for the gate"):
        screen.until(f"◆ {title}")
        screen.until("  > ")
        screen.enter("run")
    screen.until("Look for the gate failed. Nothing runs now")
    screen.until("  > ")
    return screen


def test_an_abort_that_leaves_a_change_says_that_it_can_be_undone(terminal: Open, place: Path) -> None:
    screen = at_the_failure(terminal, place)
    screen.enter("abort")

    assert (screen.end(), (place / "made").exists()) == (10, True)
    assert "✗ ABORTED, 1 change stands  It fails" in screen.text
    assert "undo incomplete" not in screen.text.lower()
    assert "Next: runbook undo " in screen.text


def test_an_abort_with_everything_undone_has_its_own_code(terminal: Open, place: Path) -> None:
    screen = at_the_failure(terminal, place)
    screen.enter("undo_all")

    assert (screen.end(), (place / "made").exists()) == (9, False)
    assert "✗ ABORTED" in screen.text


def test_an_edit_is_shown_as_a_diff_and_marked_as_a_deviation(terminal: Open, call: Call, place: Path) -> None:
    screen = at_the_failure(terminal, place)
    screen.enter("edit")
    screen.until("NAME = VALUE; an empty line ends.")
    screen.enter(f'argv = ["test", "-e", "{place}/made"]')
    screen.enter()
    screen.until("+ argv = ")
    screen.until("Type yes: ")
    screen.enter("yes")
    screen.until("◆ Look for the gate")
    screen.until("  > ")
    screen.enter("run")

    assert screen.end() == 0
    assert call("audit", "list", "--output", "json").json[0]["deviated"] is True


def test_a_guide_is_broken_between_words_and_its_bold_is_shown() -> None:
    screen = io.StringIO()
    question = Question(
        id="q",
        kind="proceed",
        title="Sure",
        step="s",
        body="- Look **closely** at the pool before you go on",
        choices=(Choice("pause", "wait"),),
        safe="pause",
    )

    Guided(Stream(screen, Style(width=40)), lambda _: {}, Fingers(screen)).ask(question, Cancel())
    Guided(Stream(screen, Style(colour=True)), lambda _: {}, Fingers(screen)).ask(question, Cancel())

    assert "\n  - Look closely at the pool before\n    you go on\n" in screen.getvalue()
    assert "\n  - Look \x1b[1mclosely\x1b[22m at the pool" in screen.getvalue()


def test_what_is_told_and_asked_is_broken_between_words_and_commands_are_left_whole(
    terminal: Open, place: Path
) -> None:
    words = " ".join(["consequence"] * 30)
    write(
        place,
        "long",
        f"""\
schema: runbook/v1
id: long
title: Long words
steps:
  - id: look
    title: {words}
    command: [sh, -c, "echo {words}; exit 1"]
    effect: read
""",
    )
    screen = terminal("run", "long", columns=80)
    shown = screen.until("  > ")
    screen.enter("1")
    shown += screen.until("  > ")
    screen.enter("abort")
    screen.end()

    lines = shown.splitlines()
    command, *more = (line for line in lines if line.startswith("    $ "))
    assert words in command
    assert more == []
    # What a command prints is shown as it came.
    told = [line for line in lines if "consequence" in line and not line.startswith(("    $ ", "  | "))]
    assert len(told) > 8
    assert max(map(len, told)) <= 80
    assert all(line.split()[-1] in ("consequence", "failed.", "Nothing") for line in told)


def test_a_question_about_a_stage_says_how_far_it_goes() -> None:
    screen = io.StringIO()
    question = Question(
        id="approve/s/1",
        kind="approve",
        title="Roll back",
        step="stage",
        places=("a", "b"),
        choices=(Choice("approve", "approve"),),
        safe="approve",
        covers={"two@a": "d", "three@a": "d", "three@b": "d"},
    )

    guided = Guided(
        Stream(screen, Style()), lambda _: {}, Fingers(screen), steps=lambda: ("one", "two", "three", "four")
    )
    guided.ask(question, Cancel())

    assert "  on a, b, steps 2 to 3 of 4\n" in screen.getvalue()


def test_values_that_are_given_to_open_stand_in_its_form_and_one_for_no_parameter_opens_nothing(
    terminal: Open,
) -> None:
    wide = {"TERM": "xterm-256color"}
    wrong = terminal("open", "touch-file", "--set", "flie=x", env=wide)
    wrong.until("has no parameter flie")
    assert wrong.end() == 2
    screens = terminal("open", "touch-file", "--set", "file=/srv/given", env=wide)
    screens.until("/srv/given")
    screens.type("\x11")
    assert screens.end() == 0
