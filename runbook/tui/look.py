"""How words become content: marks with their tone, labels, keys; and what the terminal can draw.

The one border between text and style. Text is never markup here: it is styled as a whole, so brackets stay brackets,
and text of targets and playbooks has been sanitised by `line` or by `runbook.text` before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct
from textual.content import Content

from runbook.text import one_line
from runbook.text.mark import Mark, mark_of, status_word
from runbook.tui.theme import DARK, LIGHT, SIXTEEN

_ASCII = str.maketrans(
    {"▌": "|", "━": "=", "─": "-", "│": "|", "·": "-", "›": ">", "…": ".", "×": "x", "→": ">", "←": "<", "↑": "^"}
    | {"↓": "v", "°": " ", "–": "-", "—": "-", "✓": "+", "►": ">", "✗": "x", "◦": ".", "⊘": "/", "↷": "-"}
    | {"↶": "<", "◆": "*", "•": "-", "⏎": "/"}
)


class Look(Struct, frozen=True):
    """What this terminal can draw."""

    unicode: bool = True

    def symbol(self, mark: Mark) -> str:
        """Return the symbol, or its stand-in."""
        return mark.symbol if self.unicode else mark.ascii

    def own(self, text: str) -> str:
        """Return our own words, with stand-ins for what the terminal cannot draw."""
        return text if self.unicode else text.replace("↵", "Enter").translate(_ASCII)

    def row(self, words: Iterable[tuple[str, str]]) -> Content:
        """Return a row of a presenter."""
        return Content.assemble(*((self.own(text), style) for text, style in words))

    def mark(self, status: str) -> Content:
        """Return the mark of a status in its colour."""
        mark = mark_of(status)
        return Content.styled(self.symbol(mark), f"${mark.tone}")

    def status(self, status: str, *, loud: bool = False, says: str = "") -> Content:
        """Return mark and word of a status in its colour; `says` stands for the word where another one fits."""
        mark = mark_of(status)
        said = says or status_word(status)
        style = f"bold ${mark.tone}" if loud else f"${mark.tone}"
        return Content.styled(f"{self.symbol(mark)} {said.upper() if loud else said}", style)


def line(text: str, most: int = 400) -> str:
    """Return untrusted text as one clean line."""
    return one_line(text, most)


def muted(text: str) -> Content:
    """Return a label, a unit, something past."""
    return Content.styled(text, "$muted")


def bold(text: str) -> Content:
    """Return what counts in a line."""
    return Content.styled(text, "bold")


def key(name: str, does: str) -> Content:
    """Return a key and what it does, as the footer shows them."""
    return Content.assemble((name, "bold $accent"), " ", does)


def look_of(environment: Mapping[str, str] = os.environ, symbols: str = "auto") -> Look:
    """Find out what the terminal can draw: Unicode only where the locale says UTF-8, never on the Linux console.

    `symbols` is the user's word: unicode, ascii, or auto.
    """
    if symbols != "auto":
        return Look(unicode=symbols == "unicode")
    given = "LC_CTYPE" if _was_given("LC_CTYPE", environment) else ""
    locale = environment.get("LC_ALL") or environment.get(given) or environment.get("LANG") or ""
    if not locale:
        # Nobody has said anything about it, and Python has chosen.
        locale = environment.get("LC_CTYPE", "")
    utf8 = "utf-8" in locale.lower() or "utf8" in locale.lower()
    return Look(unicode=utf8 and environment.get("TERM", "") != "linux" and not environment.get("RUNBOOK_ASCII"))


def _was_given(name: str, environment: Mapping[str, str]) -> bool:
    """Tell whether a variable was given to this process, and not set by Python itself in place of the C locale.

    See PEP 538, "Coercing the legacy C locale". Where the system does not tell, it was given.
    """
    if environment is not os.environ:
        return name in environment
    try:
        given = Path("/proc/self/environ").read_bytes()
    except OSError:
        return name in environment
    return any(each.startswith(name.encode() + b"=") for each in given.split(b"\0"))


def theme_now(wanted: str = "auto", environment: Mapping[str, str] = os.environ) -> str:
    """Choose the theme as `theme_of` does, and ask the terminal itself where nobody else has a word.

    `wanted` is the user's preference: dark, light, 16 or auto.
    """
    if wanted != "auto":
        return theme_of({**environment, "RUNBOOK_THEME": wanted})
    found = theme_of(environment)
    if found != DARK.name or environment.get("RUNBOOK_THEME") or environment.get("COLORFGBG"):
        return found
    from runbook.tui.terminal import is_light

    return LIGHT.name if is_light(environment) else found


def theme_of(environment: Mapping[str, str] = os.environ) -> str:
    """Choose the theme: the user's word, else by the colours and the background that the terminal tells of.

    Without colour (NO_COLOR) there is one that tells things apart by other means, whatever the user's word is.

    `COLORFGBG` is set by rxvt, Konsole and others: its last field is the colour number of the background.
    """
    wanted = environment.get("RUNBOOK_THEME", "")
    named = {"dark": DARK, "light": LIGHT, "16": SIXTEEN}
    if environment.get("NO_COLOR"):
        return SIXTEEN.name
    if wanted in named:
        return named[wanted].name
    term = environment.get("TERM", "")
    rich = environment.get("COLORTERM", "") in ("truecolor", "24bit") or "256" in term or "direct" in term
    if not rich:
        return SIXTEEN.name
    background = environment.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT.name if background in ("7", "15") else DARK.name
