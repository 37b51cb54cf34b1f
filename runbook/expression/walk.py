"""The walk over the nodes: names become values, and operators and functions are applied to them.

Owns what absence means. A value that is needed and absent raises NoValue; `and` and `or` look further, because
a part that is known can decide the whole (three-valued logic after S. C. Kleene, "Introduction to Metamathematics",
1952, section 64). Absence alone never makes anything hold.
"""

from __future__ import annotations

from collections.abc import Mapping

from runbook.expression.fault import UNPLACED, Fault, NoValue, UnknownName
from runbook.expression.function import FUNCTIONS
from runbook.expression.name import did_you_mean, spell
from runbook.expression.node import (
    Binary,
    Call,
    Choice,
    Compare,
    Const,
    Item,
    Logic,
    Node,
    Path,
    Ref,
    Sequence,
    Unary,
    references,
)
from runbook.expression.operator import calculate, compare
from runbook.expression.perhost import PerHost
from runbook.expression.value import kind_of, number, refuse_secret, truth


class Walk:
    """One evaluation against one set of names."""

    def __init__(self, names: Mapping[str, object], *, lenient: bool = False) -> None:
        self._names = names
        self._lenient = lenient
        """A name that does not exist is an absent value, and null alone is not false but unknown."""
        self._host: str | None = None
        """The host whose turn it is inside any(), all() and one()."""

    def value(self, node: Node) -> object:
        """Return the value of a node; raises Fault, placed at the part that is to blame."""
        try:
            return self._value(node)
        except Fault as fault:
            if fault.at == UNPLACED:
                fault.at = node.at
            raise

    def holds(self, node: Node) -> bool:
        """Tell whether the value of a node counts as true."""
        value = self.value(node)
        try:
            if value is None and self._lenient:
                raise self._absent(node)
            return truth(value)
        except Fault as fault:
            if fault.at == UNPLACED:
                fault.at = node.at
            raise

    def _value(self, node: Node) -> object:
        match node:
            case Const():
                return node.value
            case Ref():
                return self._here(self._look_up(node.path, node.at), spell(node.path))
            case Item():
                return self._here(self._part(self.value(node.base), node.key, node))
            case Unary():
                return self._unary(node)
            case Binary():
                return calculate(node.op, self._present(node.left), self._present(node.right))
            case Compare():
                return self._compare(node)
            case Logic():
                return self._logic(node)
            case Choice():
                return self.value(node.then if self.holds(node.test) else node.other)
            case Sequence():
                return [self.value(item) for item in node.items]
            case Call():
                return self._call(node)

    # Names

    def _here(self, found: object, name: str = "the value") -> object:
        return found.at(self._host, name) if isinstance(found, PerHost) else found

    def _look_up(self, path: Path, at: int, *, across: dict[str, None] | None = None) -> object:
        """Return what a name stands for; a per-host value on the way is taken for the present host.

        With `across`, end at the first per-host value and add its hosts.
        """
        found: object = self._names
        for depth, part in enumerate(path):
            if isinstance(found, PerHost) and across is not None:
                break
            found = self._here(found, spell(path[:depth]) if depth else "")
            if found is None:
                return None  # a part of null is null: a skipped step has no parts either
            if not isinstance(found, Mapping):
                message = f"{spell(path[:depth])} is {kind_of(found)} and has no part {part[:64]}"
                raise (NoValue if self._lenient else Fault)(message, at=at)
            if part not in found:
                raise self._unknown(path[: depth + 1], found, at)
            found = found[part]
        if isinstance(found, PerHost) and across is not None:
            across.update(dict.fromkeys(found.values))
        return found

    def _unknown(self, path: Path, known: Mapping[str, object], at: int) -> Fault:
        if self._lenient:
            return NoValue(f"no value: {spell(path)} is not there", at=at)
        candidates = [str(name) for name in known]
        hint = did_you_mean(path[-1], candidates, path[:-1])
        if not hint and 0 < len(candidates) <= 12:
            hint = f"known here: {', '.join(sorted(candidates))}"
        return UnknownName(f"unknown name {spell(path)}", at=at, remedy=hint, is_root=len(path) == 1)

    def _part(self, whole: object, key: str | int, node: Item) -> object:
        refuse_secret(whole)
        if whole is None:
            return None
        if isinstance(whole, Mapping):
            if key in whole:
                return whole[key]
            raise NoValue(f"no value: there is no part {str(key)[:64]}", at=node.at)
        if isinstance(key, int) and isinstance(whole, list | tuple):
            if -len(whole) <= key < len(whole):
                return whole[key]
            raise NoValue(f"no value: the list has {len(whole)} elements, none at [{key}]", at=node.at)
        raise Fault(f"{kind_of(whole)} has no part {str(key)[:64]}", at=node.at)

    # Operators

    def _present(self, node: Node) -> object:
        """Return a value that must be there; raises NoValue that says which one is not."""
        value = self.value(node)
        if value is None and not isinstance(node, Const):
            raise self._absent(node)
        return value

    def _absent(self, node: Node) -> NoValue:
        return NoValue(f"no value: {absence(node)}", at=node.at)

    def _unary(self, node: Unary) -> object:
        if node.op == "not":
            # Not even here does absence make something hold.
            return not truth(self._present(node.operand))
        operand = number(self._present(node.operand))
        return -operand if node.op == "-" else operand

    def _compare(self, node: Compare) -> bool:
        left_node, left = node.first, self.value(node.first)
        for op, right_node in node.rest:
            right = self.value(right_node)
            null_is_meant = _is_null(left_node) or _is_null(right_node)
            if not null_is_meant or op not in {"==", "!="}:
                for side, value in ((left_node, left), (right_node, right)):
                    if value is None:
                        raise self._absent(side)
            if not compare(op, left, right, null_is_meant=null_is_meant):
                return False
            left_node, left = right_node, right
        return True

    def _logic(self, node: Logic) -> object:
        decides = node.op == "or"
        value: object = None
        unknown: NoValue | None = None
        for part in node.parts:
            try:
                value = self.value(part)
                if value is None and self._lenient:
                    raise self._absent(part)
                if truth(value) is decides:
                    return value
            except NoValue as fault:
                unknown = unknown or fault
        if unknown is not None:
            raise unknown
        return value

    # Functions

    def _call(self, node: Call) -> object:
        match node.name:
            case "any" | "all" | "one":
                return self._across(node)
            case "default":
                value = self._optional(node.args[0])
                return self.value(node.args[1]) if value is None else value
            case "has":
                return self._has(self._optional(node.args[0]), self._present(node.args[1]))
            case _:
                body = FUNCTIONS[node.name].body
                assert body is not None
                return body(*(self._present(arg) for arg in node.args))

    def _optional(self, node: Node) -> object:
        """Return a value, null if there is none; a misspelt first part of a name is no absent value."""
        try:
            return self.value(node)
        except NoValue:
            return None
        except UnknownName as fault:
            if fault.is_root:
                raise
            return None

    def _has(self, whole: object, key: object) -> bool:
        refuse_secret(whole)
        if whole is None:
            return False
        if not isinstance(whole, Mapping | list | tuple):
            raise Fault(f"{kind_of(whole)} has no parts to look for", remedy="has(x, key) takes a mapping or a list")
        return compare("in", key, whole, null_is_meant=False)

    def _across(self, node: Call) -> object:
        values, hosts = self._on_all_hosts(node.args[0])
        if node.name == "one":
            return _shared(values, hosts) if hosts else self.value(node.args[0])
        present = [value for value in values if value is not None]
        if not present and self._lenient:
            raise NoValue(
                f"no value: {absence(node.args[0])} on every host" if hosts else "no value: the list is empty"
            )
        if node.name == "any":
            return any(truth(value) for value in present)
        return bool(present) and all(truth(value) for value in present)

    def _on_all_hosts(self, node: Node) -> tuple[list[object], tuple[str, ...]]:
        """Return the value on each host and the hosts; the elements of a list and no hosts if none is involved."""
        hosts: dict[str, None] = {}
        involved = False
        for ref in references(node):
            involved |= isinstance(self._try_look_up(ref, hosts), PerHost)
        if not involved:
            value = self.value(node)
            return (list(value) if isinstance(value, list | tuple) else [value]), ()
        values: list[object] = []
        try:
            for self._host in hosts:
                try:
                    values.append(self.value(node))
                except NoValue:
                    values.append(None)
        finally:
            self._host = None
        return values, tuple(hosts)

    def _try_look_up(self, ref: Ref, hosts: dict[str, None]) -> object:
        try:
            return self._look_up(ref.path, ref.at, across=hosts)
        except Fault:
            return None  # the evaluation itself says what is wrong, or default() provides


def _shared(values: list[object], hosts: tuple[str, ...]) -> object:
    """Return the value that all hosts have which have one; raises Fault if there are several."""
    shared: object = None
    holder = ""
    for host, value in zip(hosts, values, strict=True):
        if value is None:
            continue
        refuse_secret(value)
        if holder and (value != shared or isinstance(value, bool) is not isinstance(shared, bool)):
            raise Fault(f"the value differs between hosts, for example {holder} and {host}", remedy="run it per host")
        shared, holder = value, host
    return shared


def absence(node: Node) -> str:
    """Say in words that the value of a node is absent."""
    if not isinstance(node, Ref):
        return "null where a value is needed"
    name = spell(node.path)
    if node.path[0] == "steps" and len(node.path) > 1:
        return f"{name} is null because step {node.path[1]} was skipped or gave no value"
    return f"{name} is null"


def _is_null(node: Node) -> bool:
    return isinstance(node, Const) and node.value is None
