"""How decisions change the state: the part of the fold that follows people's answers."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from runbook.events.fact import DecisionMade, UndoFinished
from runbook.events.state import RunState, StepState
from runbook.events.status import Status


def decided(state: RunState, fact: DecisionMade) -> RunState:
    """Return the state after a decision; it closes its question."""
    question = state.questions.get(fact.question)
    still_open = {key: q for key, q in state.questions.items() if key != fact.question}
    state = replace(
        state,
        questions=still_open,
        decisions=(*state.decisions, fact),
        status="running" if not still_open else state.status,
        taken_up=state.taken_up and (fact.choice == "pause" or fact.source == "policy"),
    )
    if fact.choice == "pause":
        return replace(state, steering="pause")
    if fact.choice == "abort" or (fact.choice == "stop" and fact.kind != "choose"):
        return replace(state, stopped=True, aborted=state.aborted or fact.choice == "abort")
    if fact.choice in ("undo", "undo_all") and fact.kind in ("failure", "doubt"):
        return replace(state, going_back=fact)
    if fact.choice in ("undo", "undo_all") and fact.kind == "proceed":
        # What was planned was seen with the change in its place.
        return replace(_agreed(state, fact, question.covers if question is not None else {}), going_back=fact)
    if fact.choice == "edit" and fact.kind in ("proceed", "confirm"):
        return _edited(_agreed(state, fact, question.covers if question is not None else {}), fact)
    match fact.kind:
        case "proceed" | "approve" | "confirm":
            covers = question.covers if question is not None else {}
            return _agreed(state, fact, covers)
        case "manual" | "form" | "choose":
            return _answered(state, fact)
        case "failure":
            return _failure(state, fact)
        case "doubt":
            return _doubt(state, fact)
        case "drift":
            return _drift(state, fact)
        case "undo":
            return _stuck(state, fact)
        case _:
            return state


def _agreed(state: RunState, fact: DecisionMade, covers: dict[str, str]) -> RunState:
    if fact.choice == "skip":
        return _mark(state, fact, "skipped", by_hand=True)
    places = {place.rpartition("@")[::2]: digest for place, digest in covers.items()}
    # A wait for a person may be long: everything that was looked at before it is looked at again.
    waited = {
        place: replace(step, stale=True, status=_waited(step))
        for place, step in state.steps.items()
        if place in places or (place[0] == fact.step and place[1] in fact.places)
    }
    state = replace(state, steps=state.steps | waited)
    if fact.choice not in ("run", "run_on", "approve", "confirm"):
        return state
    if fact.kind == "confirm":
        state = replace(state, confirmed=state.confirmed | places)
    return replace(state, agreed=state.agreed | places, run_on=fact.choice == "run_on")


def _edited(state: RunState, fact: DecisionMade) -> RunState:
    """Take other arguments: wherever the step has yet to run it is planned anew, and nobody has agreed to it."""
    edited = state.edits.get(fact.step, {}) | fact.values
    anew = {
        place: replace(step, stale=True)
        for place, step in state.steps.items()
        if place[0] == fact.step and step.status in ("pending", "waiting")
    }
    return replace(
        state,
        deviated=True,
        edits=state.edits | {fact.step: edited},
        steps=state.steps | anew,
        agreed={place: digest for place, digest in state.agreed.items() if place[0] != fact.step},
        confirmed={place: digest for place, digest in state.confirmed.items() if place[0] != fact.step},
    )


def _waited(step: StepState) -> Status:
    return "pending" if step.status == "waiting" else step.status


def _answered(state: RunState, fact: DecisionMade) -> RunState:
    if fact.choice == "skip" and fact.kind != "choose":
        return _mark(state, fact, "skipped", by_hand=True)
    return state


def _failure(state: RunState, fact: DecisionMade) -> RunState:
    match fact.choice:
        case "retry" | "retry_failed" | "edit":
            state = _mark(state, fact, "pending")
            return _edited(state, fact) if fact.choice == "edit" else state
        case "skip":
            return replace(_mark(state, fact, "skipped", by_hand=True), deviated=True)
        case "continue":
            return _each(state, fact, lambda step: replace(step, by_hand=True))
        case "done":
            return replace(_mark(state, fact, "succeeded", by_hand=True), deviated=True)
        case "exclude":
            return replace(state, excluded=state.excluded | set(fact.places), deviated=True)
        case "include":
            return replace(state, excluded=state.excluded - set(fact.places))
        case _:
            return state


def _doubt(state: RunState, fact: DecisionMade) -> RunState:
    match fact.choice:
        case "look":
            return _each(state, fact, lambda step: replace(step, orphan=True))
        case "again":
            return replace(_mark(state, fact, "pending"), deviated=True)
        case "done":
            return replace(_mark(state, fact, "succeeded", by_hand=True), deviated=True)
        case "failed":
            return replace(_mark(state, fact, "failed", by_hand=False), deviated=True)
        case _:
            return state


def looked_again(step: StepState) -> StepState:
    """Return the step as if no undo of it had come to a bad end: the next look decides anew."""
    bad = ("drifted", "undo_failed", "in_doubt", "unreachable")
    attempts = tuple(
        replace(a, undone=None) if a.undone is not None and a.undone.status in bad else a for a in step.attempts
    )
    return replace(step, attempts=attempts)


def _drift(state: RunState, fact: DecisionMade) -> RunState:
    if fact.choice == "look":
        return _each(state, fact, looked_again)
    if fact.choice != "leave":
        return state
    gone = {(fact.step, place) for place in fact.places}
    return replace(state, undo_left=tuple(e for e in state.undo_left if e[:2] not in gone), deviated=True)


def _stuck(state: RunState, fact: DecisionMade) -> RunState:
    """A way back that came to no good end is tried anew, or a person has led the step back."""
    match fact.choice:
        case "look" | "undo":
            return replace(_each(state, fact, looked_again), undo_bad=False)
        case "leave":
            gone = {(fact.step, place) for place in fact.places}
            left = tuple(entry for entry in state.undo_left if entry[:2] not in gone)
            state = _each(state, fact, lambda step: _led_back(step, fact))
            return replace(state, undo_left=left, undo_bad=False, deviated=True)
        case _:
            return state


def _led_back(step: StepState, fact: DecisionMade) -> StepState:
    """Return the step as undone by hand, in all its attempts that stood."""
    attempts = tuple(
        replace(a, undo_open=False, undone=UndoFinished(step=fact.step, target="", attempt=a.number, status="undone"))
        if a.may_have_changed and (a.undone is None or a.undone.status not in ("undone", "none"))
        else a
        for a in step.attempts
    )
    return replace(looked_again(replace(step, attempts=attempts)), status="undone", by_hand=True, error="", evidence=())


def _mark(state: RunState, fact: DecisionMade, status: Status, *, by_hand: bool = False) -> RunState:
    return _each(
        state,
        fact,
        lambda step: replace(step, status=status, by_hand=by_hand, orphan=False, stale=True, verified=False),
    )


def _each(state: RunState, fact: DecisionMade, change: Callable[[StepState], StepState]) -> RunState:
    places = {(fact.step, target): change(state.at(fact.step, target)) for target in fact.places}
    return replace(state, steps=state.steps | places)
