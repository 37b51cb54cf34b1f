r"""JSON that is harmless to look at: `cat` of it moves no cursor and turns no line around.

Owns the escaping of finished JSON. RFC 8259, section 7, asks for an escape of the controls below U+0020 alone; DEL, the
C1 controls, bidirectional and other unseen characters may stand in it raw, where a terminal or an eye would be misled.
Escaped as `\uXXXX` they are the same value to every reader.
"""

import re
from functools import cache

from runbook.text.control import misleading


def harmless_json(data: bytes) -> bytes:
    """Return JSON in UTF-8 with every character escaped that a terminal obeys or an eye misses; the value is the same.

    Outside of strings JSON has no such characters, so all of them stand where an escape may stand.
    """
    if data.isascii() and b"\x7f" not in data:
        return data
    return misleading().sub(_escaped, data.decode()).encode()


@cache
def _number(character: str) -> str:
    # Beyond U+FFFF an escape is a surrogate pair.
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _escaped(match: re.Match[str]) -> str:
    return _number(match.group())
