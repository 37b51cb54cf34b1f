"""The contract of an action, as checks that run over any target and need no test framework.

    @pytest.mark.parametrize("check", CHECKS)
    def test_my_action_keeps_the_contract(check, tmp_path):
        check(lambda: make_a_case(tmp_path))

Every check makes as many cases as it needs; each must bring a world of its own that starts in the same state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from runbook.errors import ActionError, TransportError
from runbook.events.plain import freeze, thaw
from runbook.ports.action import Action, Done, NotDone, Proceed
from runbook.ports.target import Target
from runbook.testing.faulty import Faulty
from runbook.testing.work import Crash, MemoryWork, Point


class Case(Struct):
    """An action, its arguments and a world that it can change."""

    action: Action[Any, Any, Any]
    arguments: Struct
    target: Target
    world: Callable[[], object]
    """What of the world the action may change, in a form that compares equal between two cases."""
    meddle: Callable[[], object] | None = None
    """Somebody else changes what the action has changed; None if the action brings no undo."""


Make: TypeAlias = Callable[[], Case]


def inspect_changes_nothing(make: Make) -> None:
    """Looking twice leaves the world alone and leads to the same plan, or an approval would not hold."""
    case = make()
    start = case.world()
    plans = [_plan(case) for _ in range(2)]
    _equal(case.world(), start, "inspect changed the world")
    _equal(plans[0], plans[1], "inspecting again leads to another plan")


def plan_is_pure(make: Make) -> None:
    """A plan says something, says it again, and says the same from the state that the journal gives back."""
    case = make()
    before = _before(case)
    start = case.world()
    plan = case.action.plan(case.arguments, before)
    assert plan.words.strip(), "the plan has no words"
    assert plan.undo.strip() or not case.action.brings_undo, "the plan does not say the way back"
    _equal(case.action.plan(case.arguments, _journalled(before)), plan, "the plan depends on more than the state")
    _equal(case.world(), start, "plan changed the world")


def apply_is_verified(make: Make) -> None:
    """After apply the built-in check is good and nobody has changed anything since; before it, it was not good."""
    case = make()
    before = _before(case)
    action, w = case.action, case.arguments
    if action.brings_verify:
        state = action.verify(w, before, None, case.target).state
        assert state != "good", "verify is good before apply: it checks nothing"
    work = MemoryWork(case.target)
    result = _journalled(action.apply(w, before, work))
    assert work.receipts, "apply changed something outside of an operation"
    _equal(work.open(), [], "an operation was left open")
    if action.brings_verify:
        verdict = action.verify(w, before, result, case.target)
        _equal(verdict.state, "good", f"verify after apply: {verdict.evidence}")
    if action.brings_undo:
        verdict = action.drift(w, before, result, case.target)
        _equal(verdict.state, "good", f"drift after apply: {verdict.evidence}")


def undo_leads_back(make: Make) -> None:
    """After undo the world is as it was, and the action sees that."""
    case = make()
    if not case.action.brings_undo:
        return
    start = case.world()
    before = _before(case)
    result = case.action.apply(case.arguments, before, MemoryWork(case.target))
    assert case.world() != start, "apply changed nothing that the world shows"
    _undo(case, before, _journalled(result))
    _equal(case.world(), start, "undo did not lead back")


def undo_spares_the_work_of_others(make: Make) -> None:
    """What somebody else changed is seen as drift, and undo leaves it alone."""
    case = make()
    if not case.action.brings_undo or case.meddle is None:
        return
    before = _before(case)
    result = case.action.apply(case.arguments, before, MemoryWork(case.target))
    case.meddle()
    theirs = case.world()
    verdict = case.action.drift(case.arguments, before, result, case.target)
    assert verdict.state != "good", "drift does not see a foreign change"
    try:
        case.action.undo(case.arguments, before, result, MemoryWork(case.target, undo=True))
    except ActionError:
        pass
    else:
        raise AssertionError("undo did not stop at a foreign change")
    _equal(case.world(), theirs, "undo changed what somebody else had changed")


def a_crash_in_apply_is_settled(make: Make) -> None:
    """Wherever the process dies, settle tells what became of the operation, and apply goes on from there."""
    reference = make()
    work = MemoryWork(reference.target)
    reference.action.apply(reference.arguments, _before(reference), work)
    for name in work.receipts:
        _crash(make(), ("before", name), reference.world())
        _crash(make(), ("after", name), reference.world())


def a_crash_in_undo_is_settled(make: Make) -> None:
    """The same on the way back."""
    first = make()
    if not first.action.brings_undo:
        return
    start = first.world()
    before = _before(first)
    result = first.action.apply(first.arguments, before, MemoryWork(first.target))
    work = MemoryWork(first.target, undo=True)
    first.action.undo(first.arguments, before, result, work)
    points: tuple[Point, ...] = ("before", "after")
    for name in work.receipts:
        for point in points:
            case = make()
            before = _before(case)
            result = case.action.apply(case.arguments, before, MemoryWork(case.target))
            target = Faulty(case.target)
            torn = MemoryWork(target, undo=True, crash=(point, name))
            _dies(lambda: case.action.undo(case.arguments, before, result, torn), (point, name))  # noqa: B023
            case.action.undo(case.arguments, before, result, _settled(case, before, torn, point))
            _equal(case.world(), start, f"undo after a crash {point} {name}")
            _equal(target.dispatched[f"undo-{name}"], 1, f"undo-{name} was carried out again")


def a_lost_answer_is_doubt(make: Make) -> None:
    """If the answer to an operation is lost, apply says so, writes no receipt, and settle finds out."""
    reference = make()
    work = MemoryWork(reference.target)
    reference.action.apply(reference.arguments, _before(reference), work)
    for name in work.receipts:
        case = make()
        before = _before(case)
        torn = MemoryWork(Faulty(case.target, {name: "lost"}))
        try:
            case.action.apply(case.arguments, before, torn)
        except TransportError:
            pass
        else:
            raise AssertionError(f"apply went on although the answer to {name} was lost")
        assert name not in torn.receipts, f"{name} has a receipt although nobody knows its end"
        case.action.apply(case.arguments, before, _settled(case, before, torn, "after"))
        _equal(case.world(), reference.world(), f"apply after a lost answer to {name}")


CHECKS: tuple[Callable[[Make], None], ...] = (
    inspect_changes_nothing,
    plan_is_pure,
    apply_is_verified,
    undo_leads_back,
    undo_spares_the_work_of_others,
    a_crash_in_apply_is_settled,
    a_crash_in_undo_is_settled,
    a_lost_answer_is_doubt,
)
"""All checks; each takes a function that makes a fresh case, and raises AssertionError."""


def _crash(case: Case, at: tuple[Point, str], expected: object) -> None:
    start = case.world()
    before = _before(case)
    target = Faulty(case.target)
    torn = MemoryWork(target, crash=at)
    _dies(lambda: case.action.apply(case.arguments, before, torn), at)
    after = _settled(case, before, torn, at[0])
    result = case.action.apply(case.arguments, _journalled(before), after)
    told = f"after a crash {at[0]} {at[1]}"
    _equal(case.world(), expected, f"apply {told} came to another end")
    _equal(target.dispatched[at[1]], 1, f"{at[1]} was carried out again {told}")
    if case.action.brings_undo:
        _undo(case, before, result)
        _equal(case.world(), start, f"undo {told} did not lead back")


def _settled(case: Case, before: Struct, torn: MemoryWork, point: Point) -> MemoryWork:
    """Settle what is open, in a new process; the answer must be the truth."""
    wanted: type = Done if point == "after" else NotDone
    for o in torn.open():
        settled = case.action.settle(case.arguments, _journalled(before), o, case.target)
        assert isinstance(settled, wanted), f"settle of {o.key.name} says {settled}, the truth is {wanted.__name__}"
        if isinstance(settled, Done):
            torn.settled(o, settled.receipt)
    return torn.restarted()


def _undo(case: Case, before: Struct, result: Struct) -> None:
    case.action.undo(case.arguments, before, result, MemoryWork(case.target, undo=True))
    verdict = case.action.undone(case.arguments, before, result, case.target)
    _equal(verdict.state, "good", f"undone after undo: {verdict.evidence}")


def _dies(act: Callable[[], object], at: tuple[Point, str]) -> None:
    try:
        act()
    except Crash:
        return
    raise AssertionError(f"there was no operation {at[1]} to crash {at[0]}")


def _before(case: Case) -> Any:
    found = case.action.inspect(case.arguments, case.target)
    assert isinstance(found, Proceed), f"inspect says {found}"
    return found.before


def _plan(case: Case) -> object:
    plan = case.action.plan(case.arguments, _before(case))
    return plan.words, plan.commands, plan.diff


def _journalled(value: Any) -> Any:
    """Return a state or a result as it comes back from the journal."""
    return msgspec.convert(thaw(msgspec.json.decode(msgspec.json.encode(freeze(value)))), type(value))


def _equal(actual: object, expected: object, what: str) -> None:
    assert actual == expected, f"{what}:\nis        {actual!r}\nshould be {expected!r}"
