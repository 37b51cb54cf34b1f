"""Quoting of untrusted text for the places where it is shown: a command, CSV, Markdown, HTML.

Every function sanitises or reveals first. Nothing here prepares text for execution: commands travel as argv.
"""

import re
import shlex
from collections.abc import Iterable

from runbook.text.sanitise import one_line, reveal, sanitise

# What spreadsheets take for a formula, with the full-width forms that some of them fold; numbers stay numbers.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠|%]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?")

_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_TAGS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()!|~$]")
_MARKDOWN_START = re.compile(r"(?:[#+=:-]|[0-9]{1,9}(?=[.)]))")
_BACKTICKS = re.compile(r"`+")


def shell_words(argv: Iterable[str]) -> str:
    """Return a command as one line that shows every word and every control character in it; to be read, not run."""
    return shlex.join(reveal(word, keep="") for word in argv)


def csv_cell(text: str) -> str:
    """Return `text` as one finished cell of a CSV line (RFC 4180), quoted where needed, never a formula.

    What a spreadsheet would calculate gets an apostrophe in front
    (https://owasp.org/www-community/attacks/CSV_Injection); plain numbers keep their sign.
    """
    cell = sanitise(text)
    if cell.startswith(("\t", "\n")) or (_FORMULA.match(cell) and not _NUMBER.fullmatch(cell)):
        cell = f"'{cell}"
    if any(special in cell for special in ',;"\n\t'):
        doubled = cell.replace('"', '""')
        return f'"{doubled}"'
    return cell


def markdown(text: str, limit: int = 4096) -> str:
    """Return `text` as one line of Markdown that renders as itself: in a paragraph, a list, or a cell of a table.

    Line breaks are shown as a mark; `fence` keeps them.
    """
    line = one_line(text, limit)
    line = _MARKDOWN.sub(r"\\\g<0>", line).translate(_TAGS)
    start = _MARKDOWN_START.match(line)
    if start is None:
        return line
    # A number must keep its digits, so the escape goes behind it: 1\. is text, \1. would show the backslash.
    place = start.end() if start.group().isdigit() else 0
    return f"{line[:place]}\\{line[place:]}"


def fence(text: str, info: str = "") -> str:
    """Return `text` as a fenced block of Markdown, with a fence longer than any in it."""
    body = sanitise(text)
    longest = max((len(run) for run in _BACKTICKS.findall(body)), default=0)
    ticks = "`" * max(3, longest + 1)
    word = re.sub(r"[^A-Za-z0-9_.+-]", "", info)
    return f"{ticks}{word}\n{body}{'' if body.endswith(chr(10)) or not body else chr(10)}{ticks}"


def html(text: str) -> str:
    """Return `text` for the content or a quoted attribute of HTML; line breaks stay."""
    return sanitise(text).translate(_HTML)
