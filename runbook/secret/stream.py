"""Masking of output as it comes: what is certain goes out at once, what may still become a secret waits.

Two stages, one behind the other. The first looks for known secrets and holds back no more than the beginning of one.
The second applies the expressions of a playbook; these need whole lines, so it holds a line until its end.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from runbook.secret.table import Span, Table, View, merged
from runbook.text.control import suspicious

MARKER = "***"
"""Stands for each secret."""

LINE_CAP = 65536
"""Characters of one line that an expression sees at once; of a longer line, the first half goes out then."""

Redaction = re.Pattern[str]


class Rules(NamedTuple):
    """What to hide: replaced as a whole when something is added, so that no thread sees half of it."""

    table: Table
    redactions: tuple[Redaction, ...]

    def __bool__(self) -> bool:
        return bool(self.table) or bool(self.redactions)

    def redacted(self, line: str) -> list[Span]:
        """Return the merged spans of `line` that match an expression, as written or without terminal control."""
        spans = [match.span() for expression in self.redactions for match in expression.finditer(line) if match.group()]
        if suspicious(line):
            view = View(line)
            inside = (match.span() for expr in self.redactions for match in expr.finditer(view.text) if match.group())
            spans = [view.widened(span) for span in (*spans, *view.spans(inside))]
        return merged(spans)


def shown(text: str, spans: Sequence[Span], start: int, end: int) -> str:
    """Return `text[start:end]` with markers; a span that begins before `start` has had its marker."""
    pieces: list[str] = []
    for first, last in spans:
        if first >= end:
            break
        if first >= start:
            pieces += (text[start:first], MARKER)
        start = max(start, last)
    pieces.append(text[start:end])
    return "".join(pieces)


def lines(text: str) -> list[str]:
    """Return the lines of `text` with their ends; only a newline ends one, because that is what a screen keeps."""
    *whole, last = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([last] if last else [])]


def body(line: str) -> int:
    """Return the length of `line` without its end."""
    return len(line.rstrip("\r\n"))


class MaskStream:
    """Masks bytes; the joined results equal the mask of the whole, however the bytes were cut.

    This holds exactly for lines below `LINE_CAP`. Bytes that are no UTF-8 pass as they are. Not for use by several
    threads at once.
    """

    def __init__(self, rules: Callable[[], Rules]) -> None:
        self._rules = rules
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._secrets = _SecretStage()
        self._lines = _LineStage()
        self._busy = False

    @property
    def count(self) -> int:
        """How many known secrets were masked so far."""
        return self._secrets.count

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes and return those that are certain by now."""
        rules = self._rules()
        if not rules and not self._busy:
            return data
        self._busy = True
        return self._advance(self._decoder.decode(data), rules, final=False)

    def idle(self) -> bytes:
        """Return what waits only for the end of its line; for readers that heard nothing for a while.

        Prompts have no newline. What may be the beginning of a known secret stays.
        """
        return self._lines.release(self._rules()).encode("utf-8", "surrogateescape")

    def flush(self) -> bytes:
        """Return what is left at the end of the stream; the next `feed` begins a new one."""
        if not self._busy:
            return b""
        rest = self._advance(self._decoder.decode(b"", True), self._rules(), final=True)
        self._decoder.reset()
        self._busy = False
        return rest

    def _advance(self, text: str, rules: Rules, *, final: bool) -> bytes:
        certain = self._secrets.advance(text, rules.table, final=final)
        return self._lines.advance(certain, rules, final=final).encode("utf-8", "surrogateescape")


class _SecretStage:
    """Takes known secrets out; holds what may be the beginning of one."""

    def __init__(self) -> None:
        self.count = 0
        self._held = ""
        self._covered = 0  # characters of what is held for which a marker went out already

    def advance(self, text: str, table: Table, *, final: bool) -> str:
        text = self._held + text
        covered = self._covered
        spans, certain = table.look(text, final=final)
        past = [span for span in spans if span[0] < certain]
        self.count += sum(span[0] >= covered for span in past)
        self._held = text[certain:]
        reach = max(covered, past[-1][1] if past else 0)
        self._covered = max(0, reach - certain)
        return shown(text, spans, covered, certain)


class _LineStage:
    """Applies expressions to whole lines; holds the last line until it ends."""

    def __init__(self) -> None:
        self._line = ""
        self._sent = 0  # characters of the line that went out, or were covered by a marker

    def advance(self, text: str, rules: Rules, *, final: bool) -> str:
        if not rules.redactions and not self._line:
            return text
        pieces = [self._extend(part, rules) for part in lines(text)]
        if final:
            pieces.append(self.release(rules))
            self._line, self._sent = "", 0
        return "".join(pieces)

    def release(self, rules: Rules) -> str:
        """Let all of the line go that is there; it stays as the context of what follows."""
        return self._send(rules, len(self._line))

    def _extend(self, part: str, rules: Rules) -> str:
        pieces: list[str] = []
        # Fixed steps, so that the result does not depend on how a long line was cut.
        while len(self._line) + len(part) > LINE_CAP:
            room = LINE_CAP - len(self._line)
            self._line += part[:room]
            part = part[room:]
            pieces.append(self._send(rules, LINE_CAP // 2))
            self._line = self._line[LINE_CAP // 2 :]
            self._sent = max(0, self._sent - LINE_CAP // 2)
        self._line += part
        if part.endswith("\n"):
            pieces.append(self.release(rules))
            self._line, self._sent = "", 0
        return "".join(pieces)

    def _send(self, rules: Rules, end: int) -> str:
        """Return what has not gone out of the line up to `end`."""
        spans = rules.redacted(self._line[: body(self._line)])
        text = shown(self._line, spans, self._sent, end) if end > self._sent else ""
        self._sent = max([self._sent, end, *(span[1] for span in spans if span[0] < end)])
        return text
