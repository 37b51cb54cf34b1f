"""Expressions: `when`, `expect`, `capture` and the `fail_when` of guards.

Owns compiling and the three ways to ask: for a value, for a condition, for a verdict. Rendering text belongs to
`template`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar

from msgspec import Struct

from runbook.errors import ExpressionError
from runbook.expression.fault import Fault, NoValue
from runbook.expression.node import Node, Path, paths
from runbook.expression.walk import Walk

T = TypeVar("T")


class Expression(Struct, frozen=True):
    """An expression that has been read and can be evaluated as often as wanted."""

    source: str
    root: Node
    names: frozenset[Path]
    """The dotted names that it refers to."""

    def evaluate(self, names: Mapping[str, object]) -> object:
        """Return the value; null if it is a name that stands for null.

        Raises ExpressionError for an unknown name, kinds that do not go together, and a value that is needed
        and absent.
        """
        return self._run(lambda: Walk(names).value(self.root))

    def holds(self, names: Mapping[str, object]) -> bool:
        """Tell whether the condition holds.

        Numbers, texts, lists and mappings count as in Python. Null by itself does not hold; `not null`, and
        null compared or calculated with, raise ExpressionError, so that absence never makes a condition hold.
        To ask for absence, write `x == null` or `default(x, false)`.
        """
        return self._run(lambda: Walk(names).holds(self.root))

    def verdict(self, names: Mapping[str, object]) -> bool | None:
        """Tell whether the condition holds, or None if there is no data to tell.

        No data is a missing name or key, null, NaN, a text that is not the number it should be, a division by
        zero. What is known still decides where it can: `x > 5 or y > 5` holds if y is 6 and x is absent.
        Raises ExpressionError for kinds that do not go together: that is a fault of the playbook.
        """

        def ask() -> bool | None:
            try:
                return Walk(names, lenient=True).holds(self.root)
            except NoValue:
                return None

        return self._run(ask)

    def depends_on(self, unknown: Callable[[Path], bool]) -> bool:
        """Tell whether any of its names is one that is not known yet; `unknown` decides for each name."""
        return any(unknown(path) for path in self.names)

    def _run(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except Fault as fault:
            raise fault.placed(self.source) from None
        except RecursionError:
            raise ExpressionError("a value is nested too deeply") from None


@lru_cache(maxsize=512)
def compile_expression(source: str) -> Expression:
    """Return an expression ready to be evaluated; raises ExpressionError with the place of the fault."""
    from runbook.expression.parse import parse  # brings `ast`, 13 ms that a run without conditions need not pay

    try:
        root = parse(source)
    except Fault as fault:
        raise fault.placed(source) from None
    return Expression(source, root, paths(root))
