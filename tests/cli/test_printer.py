from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runbook.cli.clock import Clock
from runbook.cli.front import encode
from runbook.cli.printer import LONG, Printer
from runbook.cli.stream import CLEAR, Stream
from runbook.cli.style import Style, cells, table
from runbook.events import fact as f
from runbook.events.signal import OutputReceived, Progressed
from runbook.text import sanitise


def heard(*events: object, hosts: int = 1, style: Style | None = None) -> str:
    out = io.StringIO()
    printer = Printer(Stream(out, style or Style(), narration=True))
    printer.hear(
        f.SessionOpened(
            mode="replay",
            actor={},
            boot_id="",
            versions={},
            playbook={"id": "p", "title": "P"},
            hosts=[{"name": f"order-{n + 1}"} for n in range(hosts)],
        )
    )
    for event in events:
        printer.hear(event)  # type: ignore[arg-type]
    printer.close()
    return out.getvalue().partition("\n")[2]


def output(text: str, stream: str = "out", target: str = "order-1") -> OutputReceived:
    return OutputReceived("s", target, 1, stream, text, 0)  # type: ignore[arg-type]


def finished(**more: object) -> f.StepFinished:
    return f.StepFinished(**({"step": "s", "target": "order-1", "attempt": 1, "status": "succeeded"} | more))  # type: ignore[arg-type]


def test_a_line_that_comes_in_parts_is_shown_once() -> None:
    assert heard(output("one\ntw"), output("o\nthree"), finished(ms=61_000)) == (
        "  | one\n  | two\n  | three\n✓ succeeded   s on order-1  1:01\n"
    )


@given(st.lists(st.text("ab\n", max_size=9), max_size=6))
def test_lines_are_shown_whole_however_they_come_and_cut_where_they_are_long(parts: list[str]) -> None:
    whole = "".join(parts).replace("b", "b" * (LONG // 2))

    shown = heard(*(output(part.replace("b", "b" * (LONG // 2))) for part in parts))

    lines = whole.removesuffix("\n").split("\n") if whole else []
    if any(len(line) > LONG for line in lines):
        # Of a line that is too long the parts that came apart may be shown, each of them cut.
        assert all(len(line) <= LONG + len("  | … cut") for line in shown.split("\n"))
        return
    assert shown == "".join(f"  | {line}\n" for line in lines)


@given(st.lists(st.text("ab\n", max_size=9), max_size=6), st.integers(1, 2))
def test_lines_that_are_data_are_never_cut_however_they_come(parts: list[str], hosts: int) -> None:
    parts = [part.replace("b", "b" * (LONG - 1)) for part in parts]
    out = io.StringIO()
    printer = Printer(Stream(io.StringIO(), Style(), narration=True), output=Stream(out, Style()))
    printer.hear(
        f.SessionOpened(mode="exec", actor={}, boot_id="", versions={}, hosts=[{"name": f"h{n}"} for n in range(hosts)])
    )

    for part in parts:
        printer.hear(output(part, target="h0"))
    printer.close()

    whole = "".join(parts)
    begin = "h0 | " if hosts > 1 else ""
    assert out.getvalue() == "".join(f"{begin}{line}\n" for line in whole.removesuffix("\n").split("\n") if whole)


def test_a_line_of_a_narration_that_is_cut_says_where_all_of_it_is() -> None:
    out = io.StringIO()
    printer = Printer(Stream(out, Style(), narration=True), run=lambda: "0r")

    printer.hear(output("x" * (LONG + 1) + "\n"))

    assert out.getvalue() == f"  | {'x' * LONG}… cut; all of it: runbook audit show 0r --with-output\n"


def test_hosts_are_named_when_there_are_several() -> None:
    assert heard(output("a\n"), output("b\n", "err", "order-2"), hosts=2) == "  order-1 | a\n  order-2 ! b\n"


def test_two_streams_and_hosts_do_not_mix_their_halves() -> None:
    assert heard(output("a"), output("b", "err"), output("c\n"), output("d\n", "err")) == "  | ac\n  ! bd\n"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_no_text_of_a_target_controls_the_terminal(text: str) -> None:
    # Output is clean text when it comes here: the sink of the engine is its border.
    shown = heard(
        output(sanitise(text)), finished(status="failed", error=text, evidence=[text, text]), f.NoteWritten(text=text)
    )

    assert not any((ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 for c in shown)


def test_a_change_that_was_not_verified_says_so() -> None:
    assert heard(finished(effect="change", changed=True)) == "✓ succeeded   s on order-1  0:00  not verified\n"


def test_a_notification_tells_its_message() -> None:
    assert heard(finished(target="*", result={"message": "all is\nwell"})) == "✓ succeeded   s  0:00: all is ⏎ well\n"


def test_a_drifted_undo_says_that_nothing_was_overwritten() -> None:
    shown = heard(f.UndoFinished(step="s", target="order-1", attempt=1, status="drifted", evidence=["sha256 differs"]))

    assert shown == (
        "✗ undo failed s on order-1  0:00: somebody else changed it since, nothing was overwritten\n"
        "  | sha256 differs\n"
    )


def test_an_undo_for_which_nothing_was_done_says_that_no_way_back_was_needed() -> None:
    place: dict[str, Any] = {"step": "s", "target": "order-1", "attempt": 1}
    began, done = f.UndoStarted(**place), f.UndoFinished(**place, status="undone")
    ran = f.OperationIntended(**place, operation="back", intent={}, undo=True)

    assert "undone: no way back" not in heard(began, ran, done)
    assert heard(began, done).endswith("s on order-1  0:00: no way back needed\n")


def test_who_only_watches_hears_of_a_skip_and_its_reason_and_of_an_edit() -> None:
    asked: dict[str, Any] = {"question": "q", "kind": "proceed", "step": "s", "places": ["order-1"]}
    skip = f.DecisionMade(**asked, choice="skip", reason="busy", source="operator", actor="kim")
    edit = f.DecisionMade(**asked, choice="edit", values={"ref": "v1"}, source="operator", actor="kim")
    run = f.DecisionMade(**asked, choice="run", source="operator", actor="kim")

    assert (
        heard(skip, edit, run) == "  skip for s, by operator (kim): busy\n  edit for s (ref: v1), by operator (kim)\n"
    )


def test_a_guard_that_is_good_again_says_so_once() -> None:
    bad = f.GuardSampled(guard="errors", state="bad", value=9)
    good = f.GuardSampled(guard="errors", state="good", value=1)

    assert heard(good, bad, good, good) == "! guard errors: bad, 9\n✓ succeeded   guard errors: good, 1\n"


def test_what_is_recalled_runs_since_it_began() -> None:
    out = io.StringIO()
    printer = Printer(Stream(out, Style(live=True), narration=True))
    printer.recall(f.ReadStarted(step="s", target="*", attempt=1), 54.0)
    clock = printer._clock

    assert "running  s  0:5" in clock.line(dict(clock._active))
    printer.close()


def test_columns_are_aligned_by_what_the_eye_sees() -> None:
    assert table([["日本", "a"], ["ab", "b"]]) == ["日本  a", "ab    b"]
    assert cells("日本") == 4


# --- the line about what runs now -------------------------------------------------------------------------------


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def line(*, width: int = 80, hosts: int = 1, heard_at: float | None = None, at: float = 112.0) -> str:
    time = Time()
    clock = Clock(Stream(io.StringIO(), Style(width=width)), time)
    for host in range(hosts):
        clock.begin("restart", f"order-{host + 1}", "running")
    if heard_at is not None:
        time.now = heard_at
        clock.heard("restart", "order-1")
    time.now = at
    text = clock.line(dict(clock._active))
    clock.close()
    return text


def test_nothing_is_told_of_what_takes_less_than_a_second() -> None:
    assert line(at=100.9) == ""


def test_what_runs_longer_tells_its_time() -> None:
    assert line() == "► running  restart on order-1  0:12"


def test_silence_is_told_after_output() -> None:
    assert line(heard_at=104.0) == "► running  restart on order-1  0:12 · silent for 8 s"


def test_several_hosts_share_the_line() -> None:
    assert line(hosts=3) == "► running  restart on 3 hosts  0:12"


def test_the_line_is_never_wider_than_the_terminal() -> None:
    assert len(line(width=40, heard_at=101.0, hosts=12)) <= 40


def test_progress_is_told() -> None:
    clock = Clock(Stream(io.StringIO(), Style()), Time())
    clock.begin("replay", "*", "running")
    clock.progress(Progressed("replay", "*", 300, 1000, "messages"))
    clock._now.now += 5  # type: ignore[attr-defined]

    assert clock.line(dict(clock._active)) == "► running  replay  0:05 · 300 of 1000 messages"
    clock.close()


def test_rate_and_time_left_are_told_and_what_was_done_before_does_not_count() -> None:
    clock = Clock(Stream(io.StringIO(), Style()), Time())
    clock.begin("replay", "*", "running")
    clock.progress(Progressed("replay", "*", 40_000, 100_000, "messages"))
    clock._now.now += 10  # type: ignore[attr-defined]
    clock.progress(Progressed("replay", "*", 60_000, 100_000, "messages"))

    told = "60000 of 100000 messages, 2000/s, 0:20 left"
    assert clock.line(dict(clock._active)) == f"► running  replay  0:10 · {told}"
    clock.close()


def test_a_line_goes_above_the_live_one() -> None:
    out = io.StringIO()
    stream = Stream(out, Style(live=True))

    stream.live("now")
    stream.line("fact")
    stream.live("")

    assert out.getvalue() == f"now{CLEAR}fact\nnow{CLEAR}"


def test_lines_wait_while_a_question_stands() -> None:
    out = io.StringIO()
    stream = Stream(out, Style())

    with stream.held():
        stream.line("later")
        stream.raw("question? ")

    assert out.getvalue() == "question? later\n"


def test_json_for_programs_is_harmless_on_a_terminal() -> None:
    value = {"text": "\x1b[2J\x7f\x9b31m\u202eé", "rows": ["\u2028"]}

    for indent in (False, True):
        shown = encode(value, indent=indent)

        assert shown.replace("\n", "").isprintable()
        assert json.loads(shown) == value


def test_data_on_the_same_terminal_does_not_stand_behind_the_line_about_what_runs() -> None:
    out, style = io.StringIO(), Style(live=True)
    narration = Stream(out, style, narration=True)
    printer = Printer(narration, output=Stream(out, style))
    narration.live("► applying  exec  0:02")

    printer.hear(output("one\n"))

    assert out.getvalue() == f"► applying  exec  0:02{CLEAR}one\n"
