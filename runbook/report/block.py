"""The blocks of a Markdown page: paragraphs, lists, tables and fences, each with its texts made safe.

Whatever may come from outside passes `runbook.text` here or before. A page is blocks with an empty line between two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from runbook.text import fence, markdown, reveal, shell_words

LONGEST = 300
"""Lines that a fence shows; what is beyond is counted, and stands in the journal."""

_CODE = re.compile(r"[A-Za-z0-9 _./:=@%+,#'-]+")


def item(label: str, text: str) -> str:
    """Return one line of a list: a label of ours and a value from anywhere."""
    return f"- {label}: {markdown(text) or 'nothing'}"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are quoted here, its head is ours. Empty if there are no lines."""
    shown = [f"| {' | '.join(markdown(cell) or ' ' for cell in line)} |" for line in lines]
    if not shown:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *shown])


def fenced(text: str, info: str = "text") -> str:
    """Return text as a block with every control character visible; a very long one is cut, and says so."""
    lines = reveal(text, keep="\n\t").split("\n")
    if len(lines) > LONGEST:
        lines = [*lines[:LONGEST], f"… {len(lines) - LONGEST} more lines; the journal has them all"]
    return fence("\n".join(lines), info)


def code(*argv: str) -> str:
    """Return a command inside a line; as plain text where it could end the code."""
    line = shell_words(argv)
    return f"`{line}`" if _CODE.fullmatch(line) else markdown(line)


def section(title: str, blocks: Iterable[str]) -> list[str]:
    """Return a section; the title is ours. Empty blocks are left out, and so is a section without any."""
    filled = [block for block in blocks if block]
    return [f"## {title}", *filled] if filled else []


def part(title: str, blocks: Iterable[str]) -> list[str]:
    """Return a part of a section; the title may hold names from outside. Nothing if it has no block."""
    filled = [block for block in blocks if block]
    return [f"### {markdown(title)}", *filled] if filled else []
