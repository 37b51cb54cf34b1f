"""The contract of an action, as checks that run over any target and need no test framework.

    @pytest.mark.parametrize("check", CHECKS)
    def test_my_action_keeps_the_contract(check, tmp_path):
        check(lambda: make_a_case(tmp_path))

Every check makes as many cases as it needs; each must bring a world of its own that starts in the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from runbook.errors import ActionError, TransportError
from runbook.events.plain import freeze, thaw
from runbook.model.scalar import Json
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
    done = _applied(case)
    assert case.world() != start, "apply changed nothing that the world shows"
    _undo(case, done)
    _equal(case.world(), start, "undo did not lead back")


def undo_spares_the_work_of_others(make: Make) -> None:
    """What somebody else changed is seen as drift, and undo leaves it alone."""
    case = make()
    if not case.action.brings_undo or case.meddle is None:
        return
    done = _applied(case)
    case.meddle()
    theirs = case.world()
    verdict = case.action.drift(case.arguments, done.before, done.result, case.target)
    assert verdict.state != "good", "drift does not see a foreign change"
    try:
        case.action.undo(case.arguments, done.before, done.result, done.work_back(case.target))
    except ActionError:
        pass
    else:
        raise AssertionError("undo did not stop at a foreign change")
    _equal(case.world(), theirs, "undo changed what somebody else had changed")


def a_crash_in_apply_is_settled(make: Make) -> None:
    """Wherever the process dies, settle tells what became of the operation, and apply goes on from there."""
    reference = make()
    for name in _applied(reference).receipts:
        for at in _points(name):
            case = make()
            start = case.world()
            target = Faulty(case.target)
            before, after = _torn(case, target, at)
            done = Applied(before, _journalled(case.action.apply(case.arguments, before, after)), after.receipts)
            _equal(case.world(), reference.world(), f"apply after a crash {at} came to another end")
            _equal(target.dispatched[name], 1, f"{name} was carried out again after a crash {at}")
            if case.action.brings_undo:
                _undo(case, done)
                _equal(case.world(), start, f"undo after a crash {at} did not lead back")


def a_torn_apply_can_be_undone(make: Make) -> None:
    """Wherever the process dies, undo leads back from there, without the result that apply did not give."""
    reference = make()
    if not reference.action.brings_undo:
        return
    for name in _applied(reference).receipts:
        for at in _points(name):
            case = make()
            start = case.world()
            before, after = _torn(case, case.target, at)
            verdict = case.action.drift(case.arguments, before, None, case.target)
            _equal(verdict.state, "good", f"drift after a crash {at}, nobody else was there: {verdict.evidence}")
            _undo(case, Applied(before, None, after.receipts))
            _equal(case.world(), start, f"undo after a crash {at} in apply did not lead back")


def a_crash_in_undo_is_settled(make: Make) -> None:
    """Wherever the process dies on the way back, undo goes on from there."""
    reference = make()
    if not reference.action.brings_undo:
        return
    start = reference.world()
    for name in _undo(reference, _applied(reference)):
        for at in _points(name):
            case = make()
            done = _applied(case)
            target = Faulty(case.target)
            torn = done.work_back(target, crash=at)
            _dies(case.action.undo, case, done.before, done.result, torn)
            case.action.undo(case.arguments, done.before, done.result, _settled(case, done.before, torn, at[0]))
            _equal(case.world(), start, f"undo after a crash {at}")
            _equal(target.dispatched[f"undo-{name}"], 1, f"undo-{name} was carried out again after a crash {at}")


def a_lost_answer_is_doubt(make: Make) -> None:
    """If the answer to an operation is lost, apply says so, writes no receipt, and settle finds out."""
    reference = make()
    for name in _applied(reference).receipts:
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
    a_torn_apply_can_be_undone,
    a_crash_in_undo_is_settled,
    a_lost_answer_is_doubt,
)
"""All checks; each takes a function that makes a fresh case, and raises AssertionError."""


class Applied(Struct):
    """What is known of a change that was made, or begun."""

    before: Any
    result: Any
    """None if apply did not come to its end."""
    receipts: Mapping[str, dict[str, Json]]

    def work_back(self, target: Target, crash: tuple[Point, str] | None = None) -> MemoryWork:
        """Return the work for undo."""
        return MemoryWork(target, undo=True, receipts=self.receipts, crash=crash)


def _applied(case: Case) -> Applied:
    before, work = _before(case), MemoryWork(case.target)
    result = case.action.apply(case.arguments, before, work)
    return Applied(_journalled(before), _journalled(result), work.receipts)


def _points(name: str) -> tuple[tuple[Point, str], ...]:
    return ("before", name), ("after", name)


def _torn(case: Case, target: Target, at: tuple[Point, str]) -> tuple[Any, MemoryWork]:
    """Let apply die at a point, and settle; return the state before and the work of the next process."""
    before = _before(case)
    torn = MemoryWork(target, crash=at)
    _dies(case.action.apply, case, before, torn)
    return _journalled(before), _settled(case, before, torn, at[0])


def _settled(case: Case, before: Struct, torn: MemoryWork, point: Point) -> MemoryWork:
    """Settle what is open, in a new process; the answer must be the truth."""
    wanted: type = Done if point == "after" else NotDone
    for o in torn.open():
        settled = case.action.settle(case.arguments, _journalled(before), o, case.target)
        assert isinstance(settled, wanted), f"settle of {o.key.name} says {settled}, the truth is {wanted.__name__}"
        if isinstance(settled, Done):
            torn.settled(o, settled.receipt)
    return torn.restarted()


def _undo(case: Case, done: Applied) -> Iterable[str]:
    """Undo, and look whether it is; return the names of the operations."""
    work = done.work_back(case.target)
    case.action.undo(case.arguments, done.before, done.result, work)
    verdict = case.action.undone(case.arguments, done.before, done.result, case.target)
    _equal(verdict.state, "good", f"undone after undo: {verdict.evidence}")
    return work.done


def _dies(act: Callable[..., object], case: Case, *given: object) -> None:
    try:
        act(case.arguments, *given)
    except Crash:
        return
    raise AssertionError("it did not come to the point where the process was to die")


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
