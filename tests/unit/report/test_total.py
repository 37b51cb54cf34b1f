"""Whatever a journal holds, there is a report: half of it, in the wrong order, full of hostile text."""

import re
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from runbook.events import fact as f
from runbook.events.timed import Timed
from runbook.report import markdown_report, outcome_sentence, rows
from runbook.report.story import read_story
from tests.builders import HOSTS, approval, asked, broken, decided, ended, opened, rollback, timed, undoing

NOW = "2023-11-14T04:00:00Z"
PARSER = MarkdownIt("commonmark").enable("table").enable("strikethrough")


def whole() -> list[f.Fact]:
    """A run in which nearly everything happened."""
    gate, failure = approval(["order-1"]), asked("failure", "restart", ["order-1"])
    return [
        *rollback(),
        opened("resume"),
        *broken("restart", "order-1", 2, status="in_doubt"),
        failure,
        decided(failure, "edit", values={"timeout": "5m"}, reason="slow"),
        f.LeaseClaimed(target="order-1", over="another run", reason="its laptop is lost"),
        f.SteeringAsked(what="pause", reason="a call", actor="olga"),
        f.StepSkipped(step="soak", target="*", why="operator", reason="no metrics"),
        gate,
        decided(gate, "break-glass", reason="alone"),
        asked("doubt", "restart", ["order-1"]),
        f.JournalRepaired(size=3, sha256="ab" * 32, offset=9),
        f.ListenerFailed(listener="Printer", error="closed pipe"),
        f.SecretFound(file="output/x"),
        *undoing(),
        f.UndoFinished(step="restore", target="order-1", attempt=1, status="drifted", error="by olga", evidence=["x"]),
        f.UndoStarted(step="restart", target="order-3", attempt=1),
        opened("handover", options={"reason": "shift"}),
        f.SessionClosed(status="paused", next_session="bundle"),
    ]


def tokens(page: str) -> list[Token]:
    """Return all tokens of a page, those inside of lines too."""
    return [inner for token in PARSER.parse(page) for inner in (token, *(token.children or ()))]


def headings(found: list[Token], tag: str) -> list[str]:
    return [after.content for token, after in pairwise(found) if token.tag == tag and token.nesting == 1]


def all_three(known: list[Timed]) -> str:
    rows(known)
    outcome_sentence(read_story("01JF2K", known).state)
    return markdown_report("01JF2K", known, now=NOW)


@given(st.lists(st.booleans(), min_size=len(whole()), max_size=len(whole())))
def test_any_part_of_a_journal_gives_a_report(kept: list[bool]) -> None:
    page = all_three([each for each, keep in zip(timed(whole()), kept, strict=True) if keep])

    assert page.endswith("\n")
    assert page.count("\n## ") == 5


@given(st.permutations(timed(whole())), st.integers(0, len(whole())))
def test_any_order_of_facts_gives_a_report(shuffled: list[Timed], length: int) -> None:
    assert all_three(shuffled[:length]).startswith("# ")


STEPS = st.sampled_from(["restore", "restart"])
PLACES = st.sampled_from([HOSTS[0], "*", "#1"])
NUMBERS = st.integers(0, 2)


def at(kind: Any, **more: Any) -> st.SearchStrategy[f.Fact]:
    return st.builds(kind, step=STEPS, target=PLACES, attempt=NUMBERS, **{k: st.just(v) for k, v in more.items()})


STRANGE: st.SearchStrategy[f.Fact] = st.one_of(
    at(f.AttemptStarted, effect="read"),
    at(f.AttemptStarted, effect="change"),
    at(f.ReadStarted),
    at(f.OperationIntended, operation="swap"),
    at(f.OperationDone, operation="swap"),
    at(f.VerifyFinished, state="good"),
    at(f.StepFinished, status="succeeded", changed=True),
    at(f.StepFinished, status="in_doubt", effect="change"),
    at(f.UndoStarted),
    at(f.UndoFinished, status="drifted"),
    at(f.UndoFinished, status="none"),
    at(f.StepPlanned, answer="proceed", words="", digest="", form=""),
    st.sampled_from([opened(), opened("note"), opened("adopt"), *ended("failed")]),
    st.builds(
        f.DecisionMade,
        question=st.just("q"),
        kind=st.sampled_from(["failure", "doubt", "drift", "proceed", "manual"]),
        step=STEPS,
        places=st.lists(PLACES, max_size=2),
        choice=st.sampled_from(["edit", "done", "skip", "undo", "look", "leave", "again", "pause"]),
        source=st.just("operator"),
    ),
    st.builds(f.UndoAsked, steps=st.lists(st.tuples(STEPS, PLACES).map(list), max_size=2)),
)


@given(st.lists(STRANGE, max_size=12))
def test_facts_that_never_follow_each_other_give_a_report(facts: list[f.Fact]) -> None:
    assert all_three(list(timed(facts))).startswith("# ")


HOSTILE = [
    "# heading",
    "two\n## Undo\n\nlines",
    "a | b | c",
    "```\n# out\n```",
    "~~~\n# out",
    "`code` ``x``",
    "**bold** _it_ ~~no~~",
    "[link](http://a.example) ![image](http://a.example) <http://a.example>",
    "<script>alert(1)</script><!-- x -->",
    "&lt;b&gt;",
    "\x1b[31mred\x1b]8;;http://a.example\x1b\\ \u202ecod\x07",
    "\r\n- item\r\n",
    "\ud800",
    "",
    " ",
    "\\",
    "|",
    "- ",
]

KEPT = {"kind", "choice", "mode", "status", "effect", "answer", "state", "held_before", "what", "why"}
"""Fields with a closed set of words; a journal with others cannot be read at all."""


def poisoned(value: Any, text: str) -> Any:
    """Put the text before every string of a value, and before keys of open objects too; names stay distinct."""
    match value:
        case str():
            return f"{text}{value}"
        case list() | tuple():
            return [poisoned(item, text) for item in value]
        case dict():
            return {(key if key in KNOWN else f"{text}{key}"): poisoned(item, text) for key, item in value.items()}
        case _:
            return value


KNOWN = {"user", "host", "id", "title", "sha256", "includes", "incident", "reason", "secret", "name", "text"}


def poison(fact: f.Fact, text: str) -> f.Fact:
    built = msgspec.to_builtins(fact)
    fields = {
        name: value if name in KEPT or isinstance(fact, f.QuestionAsked) else poisoned(value, text)
        for name, value in built.items()
    }
    if isinstance(fact, f.QuestionAsked):
        asked_for = built["question"].items()
        fields["question"] = {n: v if n in ("kind", "choices") else poisoned(v, text) for n, v in asked_for}
    if isinstance(fact, f.SessionOpened):
        fields["host_params"] = {text: {text: text}}
    if isinstance(fact, f.StepFinished) and fact.output is not None:
        fields["output"] = {"file": text, "sha256": text, "size": 1, "trouble": text}
    if isinstance(fact, f.RunFinished):
        fields["why"] = text
    found: f.Fact = msgspec.convert(fields, type(fact))
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_outside_becomes_markup(text: str) -> None:
    clean, dirty = whole(), [poison(fact, text) for fact in whole()]
    page = markdown_report(text, timed(dirty), verification=text, now=text)
    found = tokens(page)

    assert not [t for t in found if t.type in ("html_block", "html_inline", "link_open", "image", "s_open", "hr")]
    assert headings(found, "h2") == headings(tokens(markdown_report("r", timed(clean), now=NOW)), "h2")
    assert len(headings(found, "h1")) == 1
    assert headings(found, "h4") == []
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", page)


@pytest.mark.parametrize("text", HOSTILE)
def test_every_row_of_a_table_keeps_its_columns(text: str) -> None:
    page = markdown_report("r", timed([poison(fact, text) for fact in whole()]), now=NOW)
    found = PARSER.parse(page)
    widths: list[int] = []
    for token in found:
        if token.type == "tr_open":
            widths.append(0)
        elif token.type in ("th_open", "td_open"):
            widths[-1] += 1
    lines = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| ---")]

    assert min(widths) >= 5
    assert all(len(re.findall(r"(?<!\\)\|", line)) == width + 1 for line, width in zip(lines, widths, strict=True))
