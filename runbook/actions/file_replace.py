"""Replacing text in a file: literal pieces or whole lines, and only if they occur as often as expected.

Works on bytes, so that what is not replaced stays as it is, whatever its encoding and its ends of lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from runbook.actions.form import With
from runbook.errors import ActionError
from runbook.expression.fault import Fault
from runbook.expression.pattern import Pattern, compile_pattern
from runbook.model.scalar import Template
from runbook.text import one_line


class Replacement(With, frozen=True, kw_only=True):
    """One thing to replace; either `match` or `line`."""

    match: Annotated[Template, Meta(description="Text to replace, taken as it is written; may span lines")] = ""
    line: Annotated[
        Template, Meta(description="Regular expression that a whole line must match; the line is replaced")
    ] = ""
    with_: Annotated[Template, Meta(description="What stands there afterwards, taken as it is written")]
    count: Annotated[int, Meta(description="How often it must occur; otherwise nothing is changed", ge=1)] = 1

    def __post_init__(self) -> None:
        """Refuse a replacement that does not say what."""
        if bool(self.match) == bool(self.line):
            raise ValueError("say what to replace: by `match` or by `line`")

    @property
    def wanted(self) -> str:
        """Return what is looked for, for a message."""
        return f"the text {one_line(self.match, 80)!r}" if self.match else f"a line like {one_line(self.line, 80)!r}"


def replaced(data: bytes, rules: Sequence[Replacement]) -> bytes:
    """Return the content after all replacements, one after the other.

    What is in place already counts as replaced, so that the same edit can be asked for twice. Raises ActionError if
    something does not occur as often as expected, or a pattern is none.
    """
    for number, rule in enumerate(rules):
        try:
            data = _literal(data, rule) if rule.match else _lines(data, rule)
        except Fault as fault:
            raise ActionError(fault.message, where=f"replace[{number}].line", remedy=fault.remedy) from fault
    return data


def _literal(data: bytes, rule: Replacement) -> bytes:
    old, new = rule.match.encode(), rule.with_.encode()
    found = data.count(old)
    # Where the new text holds the old one, only what stands outside of it is still to be replaced.
    outside = sum(part.count(old) for part in data.split(new)) if old in new else found
    if outside == 0 and new and data.count(new) == rule.count:
        return data
    if found != rule.count:
        raise _miscounted(rule, found)
    return data.replace(old, new)


def _lines(data: bytes, rule: Replacement) -> bytes:
    pattern = compile_pattern(rf"\A(?:{rule.line})\Z")
    lines = data.split(b"\n")
    if lines[-1] == b"":
        # What stands behind the last end of a line is no line.
        lines.pop()
    bare = [line.removesuffix(b"\r") for line in lines]
    hits = [number for number, line in enumerate(bare) if _matches(pattern, line)]
    new = rule.with_.encode()
    if not hits and bare.count(new) == rule.count:
        return data
    if len(hits) != rule.count:
        raise _miscounted(rule, len(hits))
    for number in hits:
        lines[number] = new + lines[number][len(bare[number]) :]
    return b"\n".join(lines) + (b"\n" if data.endswith(b"\n") else b"")


def _matches(pattern: Pattern, line: bytes) -> bool:
    return pattern.occurs_in(line.decode("utf-8", "surrogateescape"))


def _miscounted(rule: Replacement, found: int) -> ActionError:
    times = {0: "is not in the file", 1: "occurs once"}.get(found, f"occurs {found} times")
    return ActionError(
        f"{rule.wanted} {times}, expected {rule.count}",
        remedy="look at the file, then write what to replace or `count` anew",
    )
