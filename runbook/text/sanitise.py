"""Untrusted text becomes display text here, and nowhere else.

Owns the two ways to treat control characters: `sanitise` drops them (output, names, banners, messages), `reveal`
makes them visible (whatever a person is asked to approve). Markup of a front end and quoting are not its business.
"""

import codecs
import re

from runbook.text.control import dropped, open_at, suspicious, unseen

KEEP = "\n\t"
"""The only control characters that may ever stay."""

_ONE_LINE_INPUT = 65536  # what a title is made of; more would only be cut off again
_SURROGATE = re.compile("[\ud800-\udfff]")  # what no encoding can write
_SPACE = re.compile(r"[\t ]+")


def sanitise(text: str, *, keep: str = KEEP) -> str:
    r"""Drop all terminal control from `text`; the result may be drawn as it is.

    Gone are whole escape sequences (7-bit and 8-bit), C0, DEL and C1 controls, carriage returns, bidirectional and
    zero-width characters, tags and noncharacters. U+2028 and U+2029 become newlines, surrogates U+FFFD.

    Args:
        text: anything; doing it twice changes nothing more.
        keep: which of newline and tab stay.

    Raises:
        ValueError: `keep` asks for another control character.
    """
    return _sanitised(text, keep)[0]


def _sanitised(text: str, keep: str) -> tuple[str, int]:
    """Return the text without terminal control, and how many controls it had; carriage returns of lines are none."""
    if keep != KEEP:
        _check(keep)
    gone = 0
    if suspicious(text):
        returns = text.count("\r\n")
        text, gone = dropped(text).subn("", text)
        gone = max(gone - returns, 0)
        if not text.isascii():
            text = _SURROGATE.sub("\ufffd", text.replace("\u2028", "\n").replace("\u2029", "\n"))
    return (text if keep == KEEP else _without(text, keep)), gone


def _check(keep: str) -> None:
    if not set(keep) <= set(KEEP):
        raise ValueError(f"only newline and tab can be kept, not {keep!r}")


def _without(text: str, keep: str) -> str:
    for character in KEEP:
        if character not in keep:
            text = text.replace(character, "")
    return text


class StreamSanitiser:
    """Sanitises bytes as they come; the joined results equal `sanitise` of the whole, however the bytes were cut.

    Invalid UTF-8 becomes U+FFFD. Only an unfinished character or sequence is held back, a bounded amount. Not for
    use by several threads at once.
    """

    def __init__(self, *, keep: str = KEEP) -> None:
        _check(keep)
        self._keep = keep
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._gone = 0

    def feed(self, data: bytes) -> str:
        """Take the next bytes and return the text that is certain by now."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        if not suspicious(text):
            return text if self._keep == KEEP else _without(text, self._keep)
        cut = open_at(text)
        self._held = text[cut:]
        return self._clean(text[:cut])

    def _clean(self, text: str) -> str:
        text, gone = _sanitised(text, self._keep)
        self._gone += gone
        return text

    def taken(self) -> int:
        """Return how many controls were dropped since the last call, those of one run as one."""
        gone, self._gone = self._gone, 0
        return gone

    def flush(self) -> str:
        """Return what is left at the end of the stream; the next `feed` begins a new one."""
        text = self._held + self._decoder.decode(b"", True)
        self._held = ""
        self._decoder.reset()
        return self._clean(text)


def reveal(text: str, *, keep: str = KEEP) -> str:
    r"""Make every control and every unseen character of `text` visible, for a person who decides about it.

    C0 and DEL become their pictures (ESC is `␛`), all others their number (`<U+202E>`), unusual spaces among them.

    Args:
        text: anything; doing it twice changes nothing more.
        keep: which of newline and tab stay as they are.

    Raises:
        ValueError: `keep` asks for another control character.
    """
    _check(keep)
    if text.isascii() and text.isprintable():
        return text
    shown = unseen().sub(_picture, text)
    for character in KEEP:
        if character not in keep:
            shown = shown.replace(character, chr(0x2400 + ord(character)))
    return shown


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"<U+{code:04X}>"


def one_line(text: str, limit: int = 120, *, mark: str = " ⏎ ") -> str:
    """Return `text` sanitised and on one line, for titles and tables.

    Args:
        text: anything.
        limit: characters that the result may have; a longer text ends in an ellipsis.
        mark: stands for a line break inside the text; empty lines and spaces at both ends are dropped.

    Raises:
        ValueError: `limit` leaves no room.
    """
    if limit < 1:
        raise ValueError(f"a line of {limit} characters has no room; ask for at least 1")
    lines = (_SPACE.sub(" ", line).strip() for line in sanitise(text[:_ONE_LINE_INPUT]).strip().split("\n"))
    line = mark.join(line for line in lines if line)
    if len(line) <= limit and len(text) <= _ONE_LINE_INPUT:
        return line
    return line[: limit - 1].rstrip() + "…"
