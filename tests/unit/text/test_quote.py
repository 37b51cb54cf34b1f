"""Untrusted text stays text in a command line, a table, a page."""

import csv
import html as stdlib_html
import io
import shlex

import pytest
from markdown_it import MarkdownIt

from runbook.text import csv_cell, fence, html, markdown, shell_words

HOSTILE = [
    "# heading",
    "- item",
    "+ item",
    "1. item",
    "12) item",
    "=====",
    "---",
    "> quote",
    "    code",
    "a | b",
    "`code` ``x``",
    "*a* _b_ **c** ~~d~~",
    "[link](javascript:alert(1)) ![image](http://a.example)",
    "<script>alert(1)</script> <!-- x -->",
    "&lt; &amp; &#x41;",
    "back\\slash \\* \\",
    "[ref]: http://a.example",
    "two\nlines\n# heading",
    "order-1.example.com:8080",
    "-5 degrees",
    ":--- x",
    "$x$ {y}",
    "https://a.example/x_y_z",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_renders_as_the_text_itself(text: str) -> None:
    expected = text.strip().replace("\n", " ⏎ ")
    rendered = MarkdownIt("commonmark").enable("table").enable("strikethrough").render(markdown(text))
    assert rendered.startswith("<p>")
    assert stdlib_html.unescape(rendered.removeprefix("<p>").removesuffix("</p>\n")) == expected
    assert rendered.count("<") == 2


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_stays_in_its_cell_of_a_table(text: str) -> None:
    page = f"| a | b |\n| --- | --- |\n| {markdown(text)} | end |\n"
    rendered = MarkdownIt("commonmark").enable("table").render(page)
    assert rendered.count("<td>") == 2
    assert "<td>end</td>" in rendered


@pytest.mark.parametrize("text", ["plain", "```\ninner\n```", "````", "", "ends\n", "</code><b>x"])
def test_a_fence_cannot_be_closed_from_inside(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{fence(text, 'py')}\n\nafter\n")
    assert tokens[0].type == "fence"
    assert tokens[0].info == "py"
    assert tokens[0].content.removesuffix("\n") == text.removesuffix("\n")
    assert [token.type for token in tokens[1:]] == ["paragraph_open", "inline", "paragraph_close"]


def test_a_fence_takes_no_markup_as_its_language() -> None:
    assert fence("x", "py\n# <b>").splitlines()[0] == "```pyb"


def test_html_is_text_and_attribute_safe() -> None:
    assert html('<a href="x">\'&\x1b[31m\n') == "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;\n"


@pytest.mark.parametrize(
    "formula", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "  =1", "\t=1", "\n=1", "＝1", "|calc", "%x", "\r=1", "\x1b[m=1"]
)
def test_a_spreadsheet_gets_no_formula(formula: str) -> None:
    [[cell]] = csv.reader(io.StringIO(csv_cell(formula)))
    assert cell.startswith("'")


@pytest.mark.parametrize("text", ["plain", "-5", "+1.5", "3", 'say "x", then', "two\nlines", "a;b", ""])
def test_a_csv_reader_gets_the_text_back(text: str) -> None:
    [row] = csv.reader(io.StringIO(f"{csv_cell(text)},end"))
    assert row == [text, "end"]


def test_shell_words_shows_every_word_and_control_on_one_line() -> None:
    shown = shell_words(["sh", "-c", "echo 'a b'\nrm x\x1b[2K\u202e", ""])
    assert "\n" not in shown
    assert shlex.split(shown) == ["sh", "-c", "echo 'a b'␊rm x␛[2K<U+202E>", ""]
