"""The value of a query at a moment: a number, or a number per series. Pure, over a history.

A counter that became smaller was begun anew. Rates are extrapolated to the ends of their range as Prometheus does, see
`extrapolatedRate` in its source (promql/functions.go).
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable

import msgspec

from runbook.demo.metric_expression import Aggregate, BadQuery, Binary, Call, Node, Number, Selector
from runbook.demo.metric_history import History, Labels, Point


class Row(msgspec.Struct, frozen=True):
    """One series of an answer."""

    labels: Labels
    value: float


Value = float | list[Row]


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left)


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
}
_COMPARISON: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_PUT_TOGETHER: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "avg": lambda values: sum(values) / len(values),
    "count": lambda values: float(len(values)),
}


def evaluate(node: Node, history: History, time: float) -> Value:
    """Return the value at a time, in seconds since 1970. Raises BadQuery for what has no value."""
    match node:
        case Number():
            return node.value
        case Selector():
            if node.range:
                raise BadQuery("a range alone has no value: put it into rate(…)")
            return _instant(node, history, time)
        case Call():
            return _call(node, history, time)
        case Aggregate():
            return _aggregate(node, evaluate(node.of, history, time))
        case Binary():
            return _binary(node, evaluate(node.left, history, time), evaluate(node.right, history, time))


def _instant(node: Selector, history: History, time: float) -> list[Row]:
    found = ((series.labels, series.at(time)) for series in history.select(node.name, _fits(node)))
    return [Row(labels, value) for labels, value in found if value is not None]


def _fits(node: Selector) -> Callable[[Labels], bool]:
    return lambda labels: all(matcher.fits(labels) for matcher in node.matchers)


def _call(node: Call, history: History, time: float) -> list[Row]:
    start = time - node.of.range
    rows = []
    for series in history.select(node.of.name, _fits(node.of)):
        points = series.between(start, time)
        value = _of_range(node.function, points, start, time)
        if value is not None:
            rows.append(Row(_without_name(series.labels), value))
    return rows


def _of_range(function: str, points: list[Point], start: float, end: float) -> float | None:
    values = [value for _, value in points]
    match function:
        case "rate" | "increase":
            grown = increase(points, start, end)
            return grown if grown is None or function == "increase" else grown / (end - start)
        case "avg_over_time":
            return sum(values) / len(values) if values else None
        case "max_over_time":
            return max(values, default=None)
        case _:
            return min(values, default=None)


def increase(points: list[Point], start: float, end: float) -> float | None:
    """Return by how much a counter grew between two times; None with fewer than two samples."""
    if len(points) < 2:
        return None
    grown = 0.0
    for (_, before), (_, after) in itertools.pairwise(points):
        grown += after - before if after >= before else after
    (first, value), (last, _) = points[0], points[-1]
    sampled = last - first
    average = sampled / (len(points) - 1)
    limit = average * 1.1
    ahead, behind = first - start, end - last
    ahead = average / 2 if ahead >= limit else ahead
    behind = average / 2 if behind >= limit else behind
    if grown > 0 and value >= 0:
        # A counter is never below zero, so it did not grow before the moment at which it would have been.
        ahead = min(ahead, sampled * value / grown)
    return grown * (sampled + ahead + behind) / sampled


def _without_name(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != "__name__"}


def _aggregate(node: Aggregate, value: Value) -> list[Row]:
    if isinstance(value, float):
        raise BadQuery(f"{node.function} wants series, not a number")
    groups: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for row in value:
        kept = tuple((name, row.labels[name]) for name in sorted(node.by) if name in row.labels)
        groups.setdefault(kept, []).append(row.value)
    return [Row(dict(kept), _PUT_TOGETHER[node.function](values)) for kept, values in groups.items()]


def _binary(node: Binary, left: Value, right: Value) -> Value:
    if isinstance(left, float) and isinstance(right, float):
        if node.operator in _COMPARISON and not node.is_bool:
            raise BadQuery("a comparison of two numbers wants bool")
        return _result(node, left, right)
    if isinstance(left, float):
        assert isinstance(right, list)
        return _rows(node, [(row, left, row.value, row.value) for row in right])
    if isinstance(right, float):
        return _rows(node, [(row, row.value, right, row.value) for row in left])
    others = {_key(row): row for row in right}
    if len(others) < len(right) or len({_key(row) for row in left}) < len(left):
        raise BadQuery("several series of one side have the same labels: put them together with sum")
    pairs = [(row, others[_key(row)]) for row in left if _key(row) in others]
    return _rows(node, [(row, row.value, other.value, row.value) for row, other in pairs])


def _rows(node: Binary, pairs: list[tuple[Row, float, float, float]]) -> list[Row]:
    if node.operator in _COMPARISON and not node.is_bool:
        return [Row(row.labels, kept) for row, left, right, kept in pairs if _COMPARISON[node.operator](left, right)]
    return [Row(_without_name(row.labels), _result(node, left, right)) for row, left, right, _ in pairs]


def _result(node: Binary, left: float, right: float) -> float:
    if node.operator in _COMPARISON:
        return float(_COMPARISON[node.operator](left, right))
    return _ARITHMETIC[node.operator](left, right)


def _key(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(_without_name(row.labels).items()))
