"""Gates: what has to be agreed to before a step runs, and the question that asks for it."""

from __future__ import annotations

from runbook.engine import question as ask
from runbook.engine.condition import Foresight
from runbook.engine.move import Ask, Inspect, Move, Rest
from runbook.engine.place import places_in
from runbook.events.state import RunState, StepState
from runbook.model.plan import PlannedStep, Unit
from runbook.model.question import Question


def needs_agreement(unit: Unit, step: PlannedStep, state: RunState, guided: bool) -> bool:
    """Tell whether a person has to agree before the step runs."""
    if step.kind in ("wait", "notify", "probe"):
        return guided and not state.run_on
    return guided or unit.approve != "none" or step.effect == "destructive"


def gate(
    unit: Unit,
    wave: int,
    step: PlannedStep,
    pending: tuple[str, ...],
    state: RunState,
    guided: bool,
    unanswered: frozenset[str],
    names: ask.NamesAt,
) -> tuple[Move, ...] | None:
    """Return the question or the inspections that an agreement still lacks; None if all is agreed."""
    open_places = tuple(p for p in pending if _changes(state.at(step.id, p)))
    # Who takes a run up again has to see the next change first, whatever was agreed to before the rest.
    is_fresh = guided and state.taken_up and step.kind == "action" and step.effect != "read"
    if not open_places and step.kind == "action":
        return None
    if unit.approve != "none" and step.kind == "action":
        if not all(_agreed(state, step, p) for p in open_places):
            return _approval(unit, wave, step, state, unanswered, names)
        if not guided and step.effect != "destructive":
            return None
    if step.effect == "destructive":
        if all(_confirmed(state, step, p) for p in open_places) and not is_fresh:
            return None
        return put(ask.confirm(step, open_places, state, names), state, unanswered, "waiting")
    if guided and (is_fresh or not all(_agreed(state, step, p) for p in open_places or pending)):
        return put(ask.proceed(step, pending, state, names), state, unanswered, "waiting")
    return None


def put(
    question: Question, state: RunState, unanswered: frozenset[str], without: ask.WithoutAnswer
) -> tuple[Move, ...]:
    """Return what puts a question: nothing while it is open, a rest if nobody answered it in this session."""
    if question.id in unanswered:
        return (Rest(without, question.title),)
    if question.id in state.questions:
        return ()
    return (Ask(question),)


def _approval(
    unit: Unit, wave: int, step: PlannedStep, state: RunState, unanswered: frozenset[str], names: ask.NamesAt
) -> tuple[Move, ...]:
    """Ask once for the whole unit; steps whose turn has not come are looked at early.

    What is known not to run is not asked about.
    """
    later: list[Move] = []
    covered: list[tuple[PlannedStep, str]] = []
    foresight = Foresight(unit, state, names)
    begun = False
    for number in range(len(unit.waves)):
        for each in unit.steps:
            begun = begun or (number == wave and each.id == step.id)
            if each.kind != "action" or not begun:
                continue
            for place in places_in(unit, each, number):
                at = state.at(each.id, place)
                if at.status not in ("pending", "waiting") or place in state.excluded:
                    continue
                covered.append((each, place))
                if (at.planned is None or at.stale) and foresight.of(each, place)[0]:
                    later.append(Inspect(each.id, place, early=not (number == wave and each.id == step.id)))
                    if len(later) == unit.parallel:
                        return tuple(later)
    if later:
        return tuple(later)
    seen = [(each, place, *foresight.of(each, place)) for each, place in covered]
    shown = tuple((each, place) for each, place, may_run, _ in seen if may_run)
    only_if = {(each.id, place): condition for each, place, _, condition in seen if condition}
    return put(ask.approve(unit, shown, state, names, only_if), state, unanswered, "waiting")


def _changes(at: StepState) -> bool:
    return at.planned is not None and at.planned.answer in ("proceed", "later")


def _agreed(state: RunState, step: PlannedStep, place: str) -> bool:
    return _covers(state.agreed.get((step.id, place)), state.at(step.id, place))


def _confirmed(state: RunState, step: PlannedStep, place: str) -> bool:
    return _covers(state.confirmed.get((step.id, place)), state.at(step.id, place))


def _covers(digest: str | None, at: StepState) -> bool:
    return digest is not None and at.planned is not None and digest in (at.planned.digest, at.planned.form)
