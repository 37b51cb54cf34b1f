"""Output in memory: no line is lost, torn or mixed up, however its text was cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runbook.events.signal import OutputReceived
from runbook.tui import spool as module
from runbook.tui.presenter.crop import Ruler, window
from runbook.tui.spool import Spool


def said(text: str, target: str = "a", stream: str = "out", step: str = "s") -> OutputReceived:
    return OutputReceived(step, target, 1, stream, text, 0)  # type: ignore[arg-type]


def texts(spool: Spool) -> list[str]:
    return [line.text for line in spool]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text("xy\n", max_size=6)), max_size=30))
def test_lines_of_a_host_are_the_same_however_its_text_was_cut_and_whoever_spoke_between(
    pieces: list[tuple[str, str]],
) -> None:
    spool = Spool()
    for target, text in pieces:
        spool.add(said(text, target))

    for target in "ab":
        whole = "".join(text for who, text in pieces if who == target)
        numbers = spool.numbers("s", target)
        actual = [spool.line(numbers[at]).text for at in range(len(numbers))]
        assert actual == (whole.removesuffix("\n").split("\n") if whole else [])


def test_what_is_over_the_bound_is_forgotten_from_the_front_and_counted() -> None:
    spool = Spool(most=10_000)
    for number in range(100):
        spool.add(said(f"{number}\n", "ab"[number % 2]))

    assert spool.dropped > 0
    assert spool.end == 100
    assert spool[-1].text == "99"
    assert spool.line(spool.dropped).text == str(spool.dropped)
    assert len(spool.numbers("s")) == len(spool)
    assert len(spool.numbers("s", "a")) + len(spool.numbers("s", "b")) == len(spool)


def test_a_line_that_never_ends_goes_on_in_the_next_with_nothing_lost() -> None:
    spool = Spool()
    for _ in range(5):
        spool.add(said("x" * (module.MOST_LINE // 2 + 1)))

    assert max(map(len, texts(spool))) <= module.MOST_LINE
    assert sum(map(len, texts(spool))) == 5 * (module.MOST_LINE // 2 + 1)


def test_an_open_line_can_be_read_while_it_grows() -> None:
    spool = Spool()
    spool.add(said("one"))
    assert texts(spool) == ["one"]
    spool.add(said(" two"))
    assert texts(spool) == ["one two"]
    spool.add(said(" three\n"))
    assert texts(spool) == ["one two three"]


@given(st.text("aé接\u0301", max_size=40), st.integers(0, 50), st.integers(1, 20))
def test_a_window_is_never_wider_than_it_may_be_and_windows_join_to_the_text(text: str, start: int, cells: int) -> None:
    from rich.cells import cell_len

    ruler = Ruler(text)
    assert ruler.cells == cell_len(text)
    shown = ruler.window(start, cells)
    assert cell_len(shown) == max(0, min(cells, ruler.cells - start))


def test_marks_without_a_width_cannot_pile_up_on_one_cell() -> None:
    assert len(window("a" + "\u0301" * 500 + "b", 0, 10)) <= 6


def test_the_end_of_a_line_of_a_million_characters_can_be_seen() -> None:
    line = "接" * 500_000 + "end"
    assert window(line, 1_000_000, 80) == "end"
