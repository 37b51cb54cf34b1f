"""Masking: known secrets and patterns of a playbook are taken out of text before anybody keeps or shows it.

`Masker` knows what to hide and masks whole values; `MaskStream` does the same for output as it comes. Masking goes
before sanitising, because it also looks through terminal control. A fixed marker stands for whatever was there, so
that not even the length of a secret shows.
"""

import codecs
import re
import threading
from typing import Any, BinaryIO

from runbook.secret.stream import MARKER, MaskStream, Rules, body, lines, shown
from runbook.secret.table import Table
from runbook.secret.value import Secret
from runbook.secret.variant import leaves, patterns

_BLOCK = 1 << 20  # bytes read at once by a scan


class Masker:
    """All secrets of a run; may be added to from any thread while others mask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules = Rules(Table(), ())
        self._unmasked: dict[str, None] = {}

    def __bool__(self) -> bool:
        """Tell whether there is anything to mask."""
        return bool(self._rules)

    @property
    def unmasked(self) -> tuple[str, ...]:
        """The names of secrets, or of leaves of structured ones, that are too short to mask; callers warn."""
        with self._lock:
            return tuple(self._unmasked)

    def add(self, secret: Secret | str, name: str) -> None:
        """Hide a secret from now on, in every common encoding; if it is a JSON document, each of its leaves, too.

        Args:
            secret: the value; below 6 characters it is not masked, because it would mangle ordinary output.
            name: tells it apart in `unmasked`; a leaf gets its path behind it.
        """
        value = secret.unmask() if isinstance(secret, Secret) else secret
        found = patterns(value)
        short = [] if found or not value else [name]
        for path, leaf in leaves(value):
            of_leaf = patterns(leaf)
            found |= of_leaf
            if path and leaf and not of_leaf:
                short.append(f"{name}{path}")
        with self._lock:
            self._unmasked |= dict.fromkeys(short)
            known = self._rules.table.patterns
            if not found <= known:
                self._rules = Rules(Table(known | found), self._rules.redactions)

    def redact(self, pattern: str) -> None:
        """Hide whatever matches a regular expression, from now on and line by line.

        Raises:
            ValueError: the expression cannot be read; the message says where.
        """
        try:
            expression = re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}. Write one as for Python's re.") from error
        with self._lock:
            self._rules = Rules(self._rules.table, (*self._rules.redactions, expression))

    def mask(self, text: str) -> str:
        """Return `text` with a marker in place of each secret."""
        rules = self._rules
        if not rules or not text:
            return text
        spans, _ = rules.table.look(text, final=True)
        if spans:
            text = shown(text, spans, 0, len(text))
        if rules.redactions:
            text = "".join(_redacted(line, rules) for line in lines(text))
        return text

    def mask_tree(self, node: Any) -> Any:
        """Return a copy of `node` with every text in its dicts (keys, too), lists, tuples and sets masked.

        A number that reads like a secret and a `Secret` become markers; keys that become the same get a number.
        """
        match node:
            case str():
                return self.mask(node)
            case Secret():
                return MARKER
            case bytes():
                return self.mask(node.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
            case dict():
                return self._mask_dict(node)
            case list():
                return [self.mask_tree(item) for item in node]
            case tuple():
                return tuple(self.mask_tree(item) for item in node)
            case set() | frozenset():
                return type(node)(self.mask_tree(item) for item in node)
            case int() | float() if not isinstance(node, bool):
                return node if self.mask(str(node)) == str(node) else MARKER
            case _:
                return node

    def _mask_dict(self, node: dict[Any, Any]) -> dict[Any, Any]:
        masked: dict[Any, Any] = {}
        for key, value in node.items():
            new = base = self.mask_tree(key)
            count = 1
            while new in masked:
                count += 1
                new = f"{base}~{count}"
            masked[new] = self.mask_tree(value)
        return masked

    def finds(self, data: bytes | str) -> bool:
        """Tell whether a known secret stands in `data`, in any encoding: the canary scan. Expressions do not count."""
        text = data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")
        return bool(self._rules.table.look(text, final=False)[0])

    def finds_in(self, source: BinaryIO) -> bool:
        """Do what `finds` does for a file of any size, from its present position to the end."""
        table = self._rules.table
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        held = ""
        while block := source.read(_BLOCK):
            text = held + decoder.decode(block)
            spans, certain = table.look(text, final=False)
            if spans:
                return True
            held = text[certain:]
        return False

    def stream(self) -> MaskStream:
        """Return a stream that masks bytes as they come, with all that is known at the time of each piece."""
        return MaskStream(lambda: self._rules)


def _redacted(line: str, rules: Rules) -> str:
    return shown(line, rules.redacted(line[: body(line)]), 0, len(line))
