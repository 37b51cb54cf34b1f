"""Markdown as content: the blocks of `presenter.prose`, wrapped to a width, in our styles."""

from __future__ import annotations

from textual.content import Content

from runbook.tui.look import Look
from runbook.tui.presenter.prose import Block, blocks

_STYLES = {
    "": "",
    "strong": "bold",
    "emphasis": "italic",
    "code": "$accent",
    "heading": "bold",
    "muted": "$muted",
}


def prose(markdown: str, width: int, look: Look) -> Content:
    """Return Markdown wrapped to `width` columns; items hang under their first word, code keeps its lines."""
    lines: list[Content] = []
    for block in blocks(markdown):
        if lines and not block.close:
            lines.append(Content(""))
        lines += _lines(block, max(width, 8), look)
    return Content("\n").join(lines)


def _lines(block: Block, width: int, look: Look) -> list[Content]:
    text = Content.assemble(*((run.text, _STYLES[run.style]) for run in block.runs))
    if block.kind == "code":
        return [Content.assemble("  ", line) for line in text.split("\n")]
    lead = look.own(block.lead)
    room = max(width - len(lead), 4)
    wrapped = [part.rstrip() for part in text.wrap(room)]
    return [Content.assemble((lead if not n else " " * len(lead), "$muted"), part) for n, part in enumerate(wrapped)]
