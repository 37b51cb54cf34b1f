"""Markdown of playbooks as plain blocks of styled runs: what a summary, a guide or a note is drawn from.

Knows the part of CommonMark (https://spec.commonmark.org/0.31.2/) that operators write: paragraphs, headings, lists,
code, emphasis. Links show their text and their address; nothing here can be clicked, and no text becomes markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

from msgspec import Struct

from runbook.text import sanitise

Style: TypeAlias = Literal["", "strong", "emphasis", "code", "heading", "muted"]

_SPAN = re.compile(
    r"\*\*(?P<strong>[^*\n]+)\*\*|__(?P<strong2>[^_\n]+)__|`(?P<code>[^`\n]+)`"
    r"|(?<![\w*])\*(?P<emphasis>[^*\s][^*\n]*)\*(?!\w)|(?<!\w)_(?P<emphasis2>[^_\s][^_\n]*)_(?!\w)"
    r"|\[(?P<link>[^\]\n]+)\]\((?P<address>[^)\s]+)\)"
)
_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*$")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$")
_FENCE = re.compile(r"\s*(```+|~~~+)")


class Run(Struct, frozen=True):
    """Words in one style."""

    text: str
    style: Style = ""


class Block(Struct, frozen=True):
    """A paragraph, a heading, an item of a list, or lines of code that are never wrapped."""

    runs: tuple[Run, ...] = ()
    kind: Literal["paragraph", "heading", "item", "code"] = "paragraph"
    lead: str = ""
    """What stands before the first line of an item: its bullet or number, with its indent."""
    close: bool = False
    """Follows the block before without an empty line."""


def blocks(markdown: str) -> tuple[Block, ...]:
    """Return the blocks of a text; lines of one paragraph flow together, as in any Markdown."""
    return tuple(_gather(sanitise(markdown).split("\n")))


def _gather(lines: list[str]) -> Iterator[Block]:
    flowing: list[str] = []
    lead, before, fence = "", "", ""
    code: list[str] = []

    def flow() -> Iterator[Block]:
        nonlocal lead, before
        if flowing:
            kind: Literal["item", "paragraph"] = "item" if lead else "paragraph"
            yield Block(spans(" ".join(flowing)), kind, lead, close=kind == before == "item")
            before = kind
        flowing.clear()
        lead = ""

    for line in lines:
        opened = _FENCE.match(line)
        if fence:
            if opened is not None and opened[1].startswith(fence):
                yield Block((Run("\n".join(code), "code"),), "code")
                fence, before = "", "code"
            else:
                code.append(line)
        elif opened is not None:
            yield from flow()
            fence, code = opened[1], []
        elif not line.strip():
            yield from flow()
        elif heading := _HEADING.match(line):
            yield from flow()
            yield Block((Run(heading[1], "heading"),), "heading")
            before = "heading"
        elif item := _ITEM.match(line):
            yield from flow()
            sign = item[2] if item[2][0].isdigit() else "·"
            lead = f"{' ' * min(len(item[1]), 6)}{sign} "
            flowing.append(item[3].strip())
        else:
            flowing.append(line.strip())
    yield from flow()
    if fence and code:
        yield Block((Run("\n".join(code), "code"),), "code")


def spans(text: str) -> tuple[Run, ...]:
    """Return the words of one paragraph with their emphasis."""
    found: list[Run] = []
    at = 0
    for match in _SPAN.finditer(text):
        if match.start() > at:
            found.append(Run(text[at : match.start()]))
        at = match.end()
        if match["link"]:
            found += [Run(match["link"], "emphasis"), Run(f" ({match['address']})", "muted")]
        else:
            kind = str(match.lastgroup).rstrip("2")
            style: Style = "strong" if kind == "strong" else "code" if kind == "code" else "emphasis"
            found.append(Run(match[match.lastgroup or 0], style))
    if at < len(text):
        found.append(Run(text[at:]))
    return tuple(found)
