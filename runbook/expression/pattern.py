"""Regular expressions that cannot hang: matched in one pass over the text, whatever the text is.

The `re` module backtracks while it holds the interpreter, so that one unlucky pattern on the output of a target
would freeze every thread, the one that cancels included. Here all ways through the pattern are followed at
once (K. Thompson, "Regular Expression Search Algorithm", CACM 11(6), 1968) and transitions are remembered.
The syntax is that of `re` without references and lookaround, which this method cannot offer.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from runbook.expression.fault import Fault
from runbook.expression.syntax import Assertion, Loop, Part, Series, Single, Sort, Union, parse_pattern
from runbook.expression.value import MAX_INPUT

_MAX_STATES = 1000
_MAX_EMITTED = 5000
_MAX_WORK = 1_000_000
_MAX_REMEMBERED = 10_000

_MATCH = 0
"""The state in which the pattern has been found."""

_END = ""
"""What follows the last character."""


class _Step(Struct, frozen=True):
    """Where one more character leads."""

    found: bool
    """The pattern ended before the character."""
    behind: frozenset[int]
    visited: int
    """How many states were looked at: the cost."""


class Pattern:
    """A pattern, ready to be looked for."""

    def __init__(self, source: str) -> None:
        self._parts: list[tuple[Single | Assertion | None, tuple[int, ...]]] = [(None, ())]
        self._emitted = 0
        self._start = self._emit(parse_pattern(source), _MATCH)
        self._known: dict[tuple[frozenset[int], str, str, bool], _Step] = {}

    def occurs_in(self, text: str) -> bool:
        """Tell whether the pattern is found anywhere in a text, as `re.search` does; raises Fault for too much work."""
        if len(text) > MAX_INPUT:
            raise Fault(f"the text is longer than {MAX_INPUT // 1024} KiB")
        active: frozenset[int] = frozenset()
        work, before, last = 0, _END, len(text) - 1
        for index in range(len(text) + 1):
            char = text[index] if index <= last else _END
            key = (active, before, char, index >= last)
            step = self._known.get(key)
            if step is None:
                step = self._advance(active, before, char, final=index >= last)
                work += step.visited
                if work > _MAX_WORK:
                    raise Fault("the pattern is too costly for this text", remedy="write it more simply")
                if len(self._known) >= _MAX_REMEMBERED:
                    self._known = {}  # a fresh one: other threads may be reading the old one
                self._known[key] = step
            if step.found:
                return True
            active, before = step.behind, char
        return False

    def _advance(self, active: frozenset[int], before: str, char: str, *, final: bool) -> _Step:
        """Follow all ways through one more character."""
        stack = [self._start, *active]
        seen: set[int] = set()
        behind: set[int] = set()
        while stack:
            state = stack.pop()
            if state in seen:
                continue
            if state == _MATCH:
                return _Step(found=True, behind=frozenset(), visited=len(seen) + 1)
            seen.add(state)
            part, following = self._parts[state]
            if part is None or (isinstance(part, Assertion) and _holds(part.sort, before, char, final=final)):
                stack.extend(following)
            elif isinstance(part, Single) and char and part.accepts(char):
                behind.update(following)
        return _Step(found=False, behind=frozenset(behind), visited=len(seen))

    def _emit(self, part: Part, following: int) -> int:
        """Make the states of a part that lead on to `following`; return the one to begin with."""
        self._emitted += 1
        if self._emitted > _MAX_EMITTED:
            raise Fault("the pattern is too large", remedy="repeat less in it")
        match part:
            case Single() | Assertion():
                return self._add(part, (following,))
            case Series():
                for element in reversed(part.elements):
                    following = self._emit(element, following)
                return following
            case Union():
                return self._add(None, tuple(self._emit(branch, following) for branch in part.branches))
            case Loop():
                return self._emit_loop(part, following)

    def _emit_loop(self, loop: Loop, following: int) -> int:
        if loop.most is None:
            again = self._add(None, ())
            self._parts[again] = (None, (self._emit(loop.body, again), following))
            following = again
        else:
            behind = following
            for _ in range(loop.most - loop.least):
                following = self._add(None, (self._emit(loop.body, following), behind))
        for _ in range(loop.least):
            following = self._emit(loop.body, following)
        return following

    def _add(self, part: Single | Assertion | None, following: tuple[int, ...]) -> int:
        if len(self._parts) >= _MAX_STATES:
            raise Fault("the pattern is too large", remedy="repeat less in it")
        self._parts.append((part, following))
        return len(self._parts) - 1


@lru_cache(maxsize=128)
def compile_pattern(source: str) -> Pattern:
    """Return a pattern ready for use; raises Fault for what is no pattern here."""
    return Pattern(source)


def _holds(sort: Sort, before: str, char: str, *, final: bool) -> bool:
    """Tell whether an assertion holds between two characters; `final`: the second is the last one, or none is left."""
    match sort:
        case "start":
            return before == _END
        case "line start":
            return before in {_END, "\n"}
        case "end":
            return char == _END or (final and char == "\n")
        case "line end":
            return char in {_END, "\n"}
        case "very end":
            return char == _END
        case "border":
            return _is_word(before) != _is_word(char)
        case "no border":
            return _is_word(before) == _is_word(char)


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
