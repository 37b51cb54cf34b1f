"""The grammar of terminal control: which characters and sequences never reach a screen.

Owns the character classes and the regular expressions made of them. What is done with a match (drop it, show it)
belongs to `sanitise`. The grammar follows ECMA-48 and the parser of DEC terminals as xterm documents it
(https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), with two deliberate limits: a newline ends every sequence,
and none is longer than its cap, so that a sequence without an end cannot hide the rest of the output.

ESC and each C1 control start afresh in every state. That makes them safe places to cut a stream, as `open_at` does.
"""

import re
from collections.abc import Iterable
from functools import cache

STRING_CAP = 8192
"""Characters that an OSC, DCS, APC, PM or SOS may hold; graphics protocols send chunks of a little over 4096."""

CSI_CAP = 256
"""Parameter and intermediate characters of one CSI."""

_INTRODUCERS = "\x1b\x90\x98\x9b\x9d\x9e\x9f"  # ESC, DCS, SOS, CSI, OSC, PM, APC: what more of a sequence may follow

Range = tuple[int, int]

_C0: tuple[Range, ...] = ((0x00, 0x08), (0x0B, 0x1A), (0x1C, 0x1F), (0x7F, 0x7F))
_C1_AND_ESC: tuple[Range, ...] = ((0x1B, 0x1B), (0x80, 0x9F))
_INVISIBLE: tuple[Range, ...] = (
    *((0x061C, 0x061C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069)),  # bidirectional controls
    *((0x180E, 0x180E), (0x200B, 0x200D), (0x2060, 0x2064), (0xFEFF, 0xFEFF)),  # zero width, invisible operators
    *((0x206A, 0x206F), (0xFFF9, 0xFFFB)),  # deprecated formatting, interlinear annotation
    (0xE0000, 0xE00FF),  # tag characters and the unassigned ones beside them
    (0xFDD0, 0xFDEF),  # noncharacters, with the last two of each plane
    *((plane << 16 | 0xFFFE, plane << 16 | 0xFFFF) for plane in range(17)),
)
_BREAKS: tuple[Range, ...] = ((0x2028, 0x2029),)
_SURROGATES: tuple[Range, ...] = ((0xD800, 0xDFFF),)
_ODD_SPACES: tuple[Range, ...] = (
    *((0xA0, 0xA0), (0xAD, 0xAD), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F)),
    *((0x205F, 0x205F), (0x3000, 0x3000)),
)


def _class(*groups: Iterable[Range]) -> str:
    """Return a character class of all ranges, written as the negation of what lies between them.

    The engine tries the parts of a class in turn, and most text is plain: it is in the first part of the complement,
    but would have to be compared with every range of the class itself. Over plain text this form is 10 times faster.
    """
    gaps: list[str] = []
    start = 0
    for first, last in sorted(span for group in groups for span in group):
        if start < first:
            gaps.append(f"\\U{start:08x}-\\U{first - 1:08x}")
        start = last + 1
    if start <= 0x10FFFF:
        gaps.append(f"\\U{start:08x}-\\U0010ffff")
    return f"[^{''.join(gaps)}]"


# Controls that a terminal carries out or ignores in the middle of a sequence without leaving it. Not among them:
# \t and \n (kept), CAN and SUB (abort), ESC (starts afresh).
_INSIDE = r"\x00-\x08\x0b-\x17\x19\x1c-\x1f\x7f"
_CSI_BODY = rf"[{_INSIDE}\x20-\x3f]{{0,{CSI_CAP}}}"
_STRING_BODY = rf"[^\x07\x18\x1a\x1b\x80-\x9f\n]{{0,{STRING_CAP}}}"
_SHORT_BODY = rf"[{_INSIDE}\x20-\x2f]{{0,64}}"
# The finals of a short escape are all but those that introduce a CSI or a string.
_FINAL = r"[\x30-\x4f\x51-\x57\x59\x5a\x5c\x60-\x7e]"


def _sequence(end: str) -> str:
    """Return the grammar of what follows ESC or a C1 introducer, with the final part required ("") or not ("?")."""
    # ST as ESC \ needs no mention: ESC ends the string, and ESC \ is a short escape.
    csi = rf"{_CSI_BODY}[\x40-\x7e]{end}"
    string = rf"{_STRING_BODY}[\x07\x9c]{end}"
    escape = rf"[{_INSIDE}]{{0,64}}(?:\[{csi}|[\]PX^_]{string}|{_SHORT_BODY}{_FINAL}{end})"
    return rf"(?<=\x1b){escape}|(?<=\x9b){csi}|(?<=[\x90\x98\x9d-\x9f]){string}"


def _dropped(start: str, single: str) -> re.Pattern[str]:
    # It begins with a class, and branches by looking back, because only then the engine skips plain text quickly.
    return re.compile(f"{start}(?:{_sequence('?')}|(?<={single}){single}*)?")


_PLAIN = b"\t\n" + bytes(range(0x20, 0x7F))


# Compiling one takes up to 10 ms, and most commands never meet such text.
@cache
def _closed() -> re.Pattern[str]:
    return re.compile(rf"[\x1b\x80-\x9f](?:{_sequence('')})")


@cache
def _dropped_ascii() -> re.Pattern[str]:
    return _dropped(r"[\x00-\x08\x0b-\x1f\x7f]", r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]")


@cache
def _dropped_wide() -> re.Pattern[str]:
    return _dropped(_class(_C0, _C1_AND_ESC, _INVISIBLE), _class(_C0, _INVISIBLE))


@cache
def unseen() -> re.Pattern[str]:
    """Return the pattern of each character that an eye misses or takes for a plain space."""
    return re.compile(_class(_C0, _C1_AND_ESC, _INVISIBLE, _BREAKS, _SURROGATES, _ODD_SPACES))


@cache
def misleading() -> re.Pattern[str]:
    """Return the pattern of each character that a terminal obeys or an eye misses, and of line breaks of Unicode."""
    return re.compile(_class(_C0, _C1_AND_ESC, _INVISIBLE, _BREAKS))


def suspicious(text: str) -> bool:
    """Tell whether `text` may hold anything forbidden; cheap, because nearly all output holds nothing.

    All that is forbidden is "not printable" in the sense of Python (categories C and Z but the space); what is only
    rare, such as a no-break space or a private character, is suspicious too and left to the closer look.
    """
    if text.isascii():
        return bool(text.encode("ascii").translate(None, _PLAIN))
    return not text.replace("\n", " ").replace("\t", " ").isprintable()


def dropped(text: str) -> re.Pattern[str]:
    """Return the pattern whose matches, from left to right, are all that is taken away from `text`.

    A match is a whole sequence, then it begins with ESC or a C1 control, or a run of single characters.
    """
    return _dropped_ascii() if text.isascii() else _dropped_wide()


def open_at(text: str) -> int:
    """Return where the sequence begins that the end of `text` leaves unfinished, or `len(text)` if there is none."""
    start = max(text.rfind(introducer) for introducer in _INTRODUCERS)
    if start < 0:
        return len(text)
    match = dropped(text).match(text, start)
    if match is None or match.end() < len(text) or _closed().fullmatch(text, start):
        return len(text)
    return start
