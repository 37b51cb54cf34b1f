"""The forms in which a secret may turn up in output: its parts, and every common encoding of them.

Pure functions from strings to strings. What counts as found, and what is done then, belongs to `table` and `mask`.
"""

import base64
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote_from_bytes

from runbook.secret.value import raw
from runbook.text.control import dropped

LEAST = 6
"""Characters that a pattern must have. Shorter ones are ordinary words and would mangle the whole output."""

_NOT_WORD = re.compile(r"([^A-Za-z0-9_])")
_HEX_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_URL_SAFE = str.maketrans("+/", "-_")
_WRAPS = (64, 76)  # the line lengths of PEM and MIME, so of `openssl base64` and `base64`
_HEX_WRAP = 60  # of `xxd -p`
_COLON_WRAP = 15  # bytes in a line of `openssl x509 -text`


class _Number(str):
    """A number of a JSON document, as it is written there."""

    __slots__ = ()


def leaves(value: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each string and each long number if `value` is a JSON document."""
    if value.lstrip()[:1] not in ("{", "[", '"'):
        return
    import json

    try:
        tree = json.loads(value, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
        yield from _walk(tree, "")
    except (ValueError, RecursionError):
        return


def _walk(node: object, path: str) -> Iterator[tuple[str, str]]:
    match node:
        case _Number() if len(node) < LEAST:
            return  # a port, a count: hardly ever secret, and not worth a warning
        case str():
            yield path, node
        case dict():
            for key, child in node.items():
                yield from _walk(child, f"{path}.{key}")
        case list():
            for index, child in enumerate(node):
                yield from _walk(child, f"{path}[{index}]")
        case _:
            return


def patterns(value: str) -> set[str]:
    """Return all that must not be shown if `value` must not: its parts in every encoding, none below `LEAST`.

    Empty if the value without the space around it is too short; its JSON leaves are values of their own.
    """
    if len(value.strip()) < LEAST:
        return set()
    parts = {value, value.strip()}
    for line in value.splitlines():
        parts |= {line, line.strip()}
    parts |= {dropped(part).sub("", part) for part in parts}
    found: set[str] = set()
    for part in parts:
        if len(part.strip()) >= LEAST:
            found |= {part, *_base64(part), *_hex(part), *_url(part), *_quoted(part), *_shell(part), *_html(part)}
    return {form for form in found if len(form.strip()) >= LEAST}


def _base64(text: str) -> Iterator[str]:
    """Yield what base64 makes of `text` wherever it stands in the encoded data.

    Three bytes become four characters, so the position modulo 3 decides. A character that mixes bits of `text` with
    its neighbour's is known only at the end of the data, where padding follows; both cases are covered.
    """
    data = raw(text)
    found: set[str] = set()
    for offset, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * offset + data).decode()
        found |= {encoded[first : (offset + len(data)) * 8 // 6], encoded[first:], encoded[first:].rstrip("=")}
    for ended in (data, data + b"\n", data + b"\r\n"):
        encoded = base64.b64encode(ended).decode()
        found.add(encoded)
        for width in _WRAPS:
            if len(encoded) > width:
                found |= {encoded[at : at + width].rstrip("=") for at in range(0, len(encoded), width)}
    for form in found:
        yield form
        yield form.translate(_URL_SAFE)


def _hex(text: str) -> Iterator[str]:
    digits = raw(text).hex()
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    forms = [digits, *(digits[at : at + _HEX_WRAP] for at in range(0, len(digits), _HEX_WRAP))]
    forms += [":".join(pairs), *(":".join(pairs[at : at + _COLON_WRAP]) for at in range(0, len(pairs), _COLON_WRAP))]
    for form in forms:
        yield form
        yield form.upper()


def _url(text: str) -> Iterator[str]:
    data = raw(text)
    strict, path = quote_from_bytes(data, safe=""), quote_from_bytes(data, safe="/")
    for form in (strict, path, strict.replace("%20", "+"), path.replace("%20", "+")):
        yield form
        yield _HEX_ESCAPE.sub(lambda match: match.group().lower(), form)


def _quoted(text: str) -> Iterator[str]:
    """Yield the inside of `text` as a string literal of JSON (nested once, too) and of Python."""
    import json

    for ascii_only in (True, False):
        once = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield once.replace("/", "\\/")
        # Encoders that guard against HTML write these three as numbers.
        yield once.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    yield repr(text)[1:-1]
    yield ascii(text)[1:-1]
    yield repr(raw(text))[2:-1]


def _shell(text: str) -> Iterator[str]:
    yield shlex.quote(text)
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
    yield re.sub(r'([$`"\\!])', r"\\\1", text)
    yield re.sub(r'([$`"\\])', r"\\\1", text)
    yield _NOT_WORD.sub(r"\\\1", text)
    yield text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t")


def _html(text: str) -> Iterator[str]:
    # `html` itself would bring its table of all entities along.
    bare = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield bare
    for double in ("&quot;", "&#34;", '"'):
        for single in ("&#x27;", "&#39;", "&apos;", "'"):
            yield bare.replace('"', double).replace("'", single)
