"""The questions of a run: their words, choices and digests. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from msgspec.structs import replace

from runbook.engine.move import Fail
from runbook.engine.words import filled
from runbook.events.state import RunState, StepState
from runbook.events.status import RunStatus
from runbook.events.way_back import is_back_by_itself, was_untellable
from runbook.expression import is_template, render
from runbook.model.plan import PlannedStep, Unit
from runbook.model.question import Choice, Preview, Question
from runbook.text import counted
from runbook.text.hostlist import collapsed, told

__all__ = ["Question", "RunStatus", "WithoutAnswer"]

WithoutAnswer: TypeAlias = Literal["waiting", "in_doubt"]
"""How a run rests if nobody answers."""

NamesAt = Callable[[RunState, PlannedStep, str], Mapping[str, object]]

PAUSE = Choice("pause", "pause: leave the run here, to be resumed", key="p")
SKIP = Choice("skip", "skip: with a reason; stays unverified", key="s", reason=True)
ABORT = Choice("abort", "abort: end the run; what was changed stays until you undo it", key="A")
EDIT = Choice("edit", "edit once: shown as a diff, marked as a deviation, asked again", key="e")


def untellable(step: PlannedStep, place: str, attempt: int, condition: str, why: str) -> Fail:
    """Return the failure of a step whose condition cannot be told."""
    return Fail(step.id, place, attempt, f"its condition cannot be told ({condition}): {why}")


def previews(step: PlannedStep, places: tuple[str, ...], state: RunState) -> tuple[Preview, ...]:
    """Return what will happen in these places, as far as it is known."""
    found: list[Preview] = []
    for place in places:
        planned = state.at(step.id, place).planned
        if planned is None:
            continue
        notes = tuple(planned.notes) + ((f"Way back: {planned.undo}",) if planned.undo else ())
        found.append(Preview(place, planned.words, tuple(planned.commands), planned.diff, notes))
    return tuple(found)


def _conditional(preview: Preview, condition: str) -> Preview:
    return replace(preview, notes=(f"Only if: {condition}", *preview.notes)) if condition else preview


def _covers(pairs: tuple[tuple[PlannedStep, str], ...], state: RunState) -> dict[str, str]:
    covers: dict[str, str] = {}
    for step, place in pairs:
        planned = state.at(step.id, place).planned
        if planned is not None and planned.answer in ("proceed", "later", "already"):
            covers[f"{step.id}@{place}"] = planned.form if planned.answer == "later" else planned.digest
    return covers


def _digest(covers: Mapping[str, str], *more: str) -> str:
    text = "\n".join([*more, *(f"{key} {value}" for key, value in sorted(covers.items()))])
    return hashlib.sha256(text.encode()).hexdigest()


def _title(step: PlannedStep, places: tuple[str, ...], state: RunState, names: NamesAt) -> str:
    return _words(step.source.title, step, places, state, names) or step.id


def _guide(step: PlannedStep, places: tuple[str, ...], state: RunState, names: NamesAt) -> str:
    return _words(step.source.guide, step, places, state, names)


def _words(text: str, step: PlannedStep, places: tuple[str, ...], state: RunState, names: NamesAt) -> str:
    """Return words of the playbook filled in; where hosts differ, what each of them gives."""
    if not is_template(text):
        return text
    return " / ".join(dict.fromkeys(filled(text, names(state, step, place)) for place in places))


def proceed(step: PlannedStep, places: tuple[str, ...], state: RunState, names: NamesAt) -> Question:
    """Ask the guided operator whether to run this step now."""
    covers = _covers(tuple((step, p) for p in places), state)
    digest = _digest(covers, step.id)
    return Question(
        id=f"proceed/{step.id}/{digest[:12]}",
        kind="proceed",
        title=_title(step, places, state, names),
        step=step.id,
        places=places,
        body=_guide(step, places, state, names),
        previews=previews(step, places, state),
        choices=(
            Choice("run", "run this step", key="r"),
            Choice("run_on", "run on: go on without asking until the next change", key="c"),
            SKIP,
            PAUSE,
            ABORT,
            *_edit(step, places, state),
            *_back(state),
        ),
        safe="pause",
        digest=digest,
        covers=covers,
    )


def _edit(step: PlannedStep, places: tuple[str, ...], state: RunState) -> tuple[Choice, ...]:
    """Offer other arguments where there are some that can be shown."""
    plans = (state.at(step.id, place).planned for place in places)
    known = any(planned is not None and planned.arguments for planned in plans)
    return (EDIT,) if known and step.kind in ("action", "probe") else ()


def _back(state: RunState) -> tuple[Choice, ...]:
    """Offer the way back while a step waits: one step, or all that was changed."""
    last = latest_change(state)
    if not last:
        return ()
    return (
        Choice("undo", f"undo {last}, the latest change: then you are asked about it", key="u"),
        Choice("undo_all", "undo all that this run changed, and end it", key="U"),
    )


def latest_change(state: RunState) -> str:
    """Return the step that changed something last of all that stands and has a way back; empty if there is none."""
    return next((step for step, _, _ in reversed(state.with_way_back)), "")


def approve(
    unit: Unit,
    covered: tuple[tuple[PlannedStep, str], ...],
    state: RunState,
    names: NamesAt,
    only_if: Mapping[tuple[str, str], str] = {},
) -> Question:
    """Ask for the approval of a whole unit, for all its waves; `only_if` has the open conditions of what may run."""
    covers = _covers(covered, state)
    digest = _digest(covers, unit.id)
    steps = tuple(dict.fromkeys(step.id for step, _ in covered))
    shown = tuple(
        _conditional(p, only_if.get((step.id, place), ""))
        for step, place in covered
        for p in previews(step, (place,), state)
    )
    places = tuple(dict.fromkeys(place for _, place in covered))
    hosts = len(places)
    title = _words(unit.title, covered[0][0], places, state, names)
    return Question(
        id=f"approve/{unit.id}/{digest[:12]}",
        kind="approve",
        title=f"Approve {title}: {len(steps)} changing step{_s(len(steps))} on {hosts} target{_s(hosts)}",
        step=covered[0][0].id if not unit.is_stage else unit.id,
        places=places,
        previews=shown,
        choices=(Choice("approve", "approve exactly what is shown", key="y"), PAUSE, ABORT),
        safe="pause",
        digest=digest,
        covers=covers,
    )


def confirm(step: PlannedStep, places: tuple[str, ...], state: RunState, names: NamesAt) -> Question:
    """Ask for a destructive step; target and host count have to be typed."""
    covers = _covers(tuple((step, p) for p in places), state)
    digest = _digest(covers, step.id, "destructive")
    title = _title(step, places, state, names)
    return Question(
        id=f"confirm/{step.id}/{digest[:12]}",
        kind="confirm",
        title=f"{title} is destructive. To run it, type the target and the number of hosts",
        step=step.id,
        places=places,
        body=_guide(step, places, state, names),
        previews=previews(step, places, state),
        choices=(
            Choice("confirm", "run it", typed=confirmation(step, state.excluded)),
            SKIP,
            PAUSE,
            ABORT,
            *_edit(step, places, state),
        ),
        safe="pause",
        digest=digest,
        covers=covers,
    )


def confirmation(step: PlannedStep, excluded: frozenset[str] = frozenset()) -> str:
    """Return what has to be typed for a destructive step: its target and the number of its hosts, in all waves."""
    hosts = [host for host in step.hosts if host not in excluded]
    return f"{step.source.on or (hosts[0] if len(hosts) == 1 else 'all')} {len(hosts)}"


def person(step: PlannedStep, place: str, state: RunState, names: NamesAt) -> Question:
    """Return the question of a manual step, a form or a decision."""
    source = step.source
    number = state.at(step.id, place).next_attempt
    seen = names(state, step, place)

    def text(template: str) -> str:
        return str(render(template, seen)) if is_template(template) else template

    name = f"{step.id}@{place}#{number}"
    guide = text(source.guide)
    if source.manual is not None:
        body = text(source.manual)
        return Question(
            id=f"manual/{name}",
            kind="manual",
            title=text(source.title) or "To be done by hand",
            step=step.id,
            places=(place,),
            body=f"{body}\n\n{guide}" if guide else body,
            choices=(
                Choice("done", "done: it is as the text says", key="d"),
                SKIP,
                PAUSE,
                ABORT,
            ),
            safe="pause",
        )
    if source.ask is not None:
        return Question(
            id=f"form/{name}",
            kind="form",
            title=text(source.title) or step.id,
            step=step.id,
            places=(place,),
            body=guide,
            fields=source.ask,
            choices=(Choice("answer", "go on with these values", key="a"), PAUSE, ABORT),
            safe="pause",
        )
    assert source.choose is not None
    options = tuple(Choice(o.id, text(o.title) + (f" ({o.help})" if o.help else "")) for o in source.choose.options)
    return Question(
        id=f"choose/{name}",
        kind="choose",
        title=text(source.choose.question),
        step=step.id,
        places=(place,),
        body=guide,
        choices=(*options, PAUSE, ABORT),
        safe="pause",
    )


def _tries(step: str, places: tuple[str, ...], state: RunState) -> str:
    numbers = [state.at(step, p).attempts[-1].number if state.at(step, p).attempts else 0 for p in places]
    looks = sum(1 for d in state.decisions if d.step == step and d.choice in ("look", "undo"))
    return f"{step}@{','.join(places)}#{sum(numbers)}.{looks}"


def failure(
    step: PlannedStep, bad: tuple[str, ...], places: tuple[str, ...], state: RunState, names: NamesAt
) -> Question:
    """Return the failure menu."""
    untouched = tuple(p for p in places if state.at(step.id, p).status in ("pending", "waiting"))
    fine = tuple(p for p in places if state.at(step.id, p).status == "succeeded")
    lines = _ends(step, bad, state)
    if fine:
        lines.append(f"{told(map(_where, fine))} succeeded")
    if untouched:
        lines.append(f"{told(map(_where, untouched))} {'is' if len(untouched) == 1 else 'are'} untouched")
    changed = any(_may_have_changed(state.at(step.id, p)) for p in bad)
    how = _how([state.at(step.id, p) for p in bad])
    many = len(places) > 1
    choices = [
        Choice("retry", "retry: run the step again where it failed", key="r"),
        *([Choice("retry_failed", "retry failed hosts only", key="f")] if many else []),
        Choice("edit", "edit once and retry: shown as a diff, marked as a deviation", key="e"),
        SKIP,
        *(
            [Choice("exclude", "exclude the failed hosts from the rest of the run", key="x", reason=True)]
            if many
            else []
        ),
        Choice("done", "mark done by hand: with a reason", key="m", reason=True),
        *_undo_one(state, step.id, bad, changed=changed),
        *([Choice("undo_all", "undo all that this run changed, and end it", key="U")] if latest_change(state) else []),
        PAUSE,
        ABORT,
    ]
    return Question(
        id=f"failure/{_tries(step.id, bad, state)}",
        kind="failure",
        title=f"{_title(step, bad, state, names)} {how}. Nothing runs now",
        step=step.id,
        places=bad,
        body=_guide(step, bad, state, names),
        evidence=tuple(lines),
        choices=tuple(choices),
        safe="pause",
    )


def _how(places: list[StepState]) -> str:
    if all(is_back_by_itself(at) for at in places):
        return "needed no way back"
    return "was undone" if all(at.status == "undone" for at in places) else "failed"


def _undo_one(state: RunState, step: str, places: tuple[str, ...], *, changed: bool) -> tuple[Choice, ...]:
    """Offer the way back of the step that failed; if it has changed nothing, that of the latest change before it."""
    if changed:
        undo = Choice("undo", "undo this step where it may have changed something", key="u")
        return (undo,) if _has_way_back(state, step, places) else ()
    last = latest_change(state)
    return (Choice("undo", f"undo {last}: the latest change; then you decide", key="u"),) if last else ()


def _has_way_back(state: RunState, step: str, places: tuple[str, ...]) -> bool:
    """Tell whether what a step may have changed can be led back in one of these places."""
    return any(name == step and place in places for name, place, _ in state.with_way_back)


def is_walked_back(state: RunState) -> bool:
    """Tell whether the run goes back for good: one that was undone does not go forward again."""
    return any(session.mode == "undo" for session in state.sessions)


def doubt(step: PlannedStep, places: tuple[str, ...], state: RunState, names: NamesAt) -> Question:
    """Ask what to hold of an attempt whose outcome is unknown."""
    lines: list[str] = []
    for place in places:
        at = state.at(step.id, place)
        lines.append(f"{_where(place)}: {at.error or 'the outcome is unknown'}")
        # What the job folder tells, the look at it may tell once more, word for word.
        lines.extend(f"    {line}" for line in dict.fromkeys(at.evidence))
    looks = sum(1 for made in state.decisions if made.step == step.id and made.choice == "look")
    if looks:
        lines.append(f"looked again {counted(looks, 'time')}: this is what is seen now")
    return Question(
        id=f"doubt/{_tries(step.id, places, state)}",
        kind="doubt",
        title=f"{_title(step, places, state, names)} is in doubt. It may have finished, or not. "
        "Nothing is run again until you decide",
        step=step.id,
        places=places,
        evidence=tuple(lines),
        choices=(
            Choice("look", "look again: read the target once more", key="l"),
            Choice("done", "mark done: with a reason", key="m", reason=True),
            Choice("failed", "mark failed: with a reason", key="F", reason=True),
            *([Choice("undo", "undo this step", key="u")] if _has_way_back(state, step.id, places) else []),
            *([] if is_walked_back(state) else [Choice("again", "run it again", key="R", typed=step.id)]),
            PAUSE,
        ),
        safe="look",
    )


def drift(step: str, target: str, state: RunState) -> Question:
    """Ask what to do where somebody else has changed the target since, or where that cannot be told."""
    at = state.at(step, target)
    changed = "was changed by somebody else since. Nothing was overwritten"
    unknown = "is not led back: it cannot be told whether it was changed since. Nothing was touched"
    return Question(
        id=f"drift/{_tries(step, (target,), state)}",
        kind="drift",
        title=f"{step} on {_where(target)} {unknown if was_untellable(at) else changed}",
        step=step,
        places=(target,),
        evidence=(at.error, *at.evidence),
        choices=(
            Choice("look", "look again", key="l"),
            Choice("leave", "leave it as it is now: with a reason", key="s", reason=True),
            PAUSE,
        ),
        safe="look",
    )


def stuck(step: str, target: str, state: RunState) -> Question:
    """Ask what to do where the way back came to no good end."""
    at = state.at(step, target)
    unknown = at.status == "in_doubt"
    how = "is in doubt: it is not known what stands there" if unknown else "failed"
    anyway = Choice("undo", "run the way back all the same", key="u", typed=step)
    return Question(
        id=f"undo/{_tries(step, (target,), state)}",
        kind="undo",
        title=f"The way back of {step} on {_where(target)} {how}. Nothing runs now",
        step=step,
        places=(target,),
        evidence=(at.error, *at.evidence),
        choices=(
            Choice("look", "look again, and go on with the way back if nothing is in its way", key="l"),
            *((anyway,) if unknown else ()),
            Choice("leave", "mark it as back: it was led back by hand, with a reason", key="m", reason=True),
            PAUSE,
        ),
        safe="pause",
    )


def _may_have_changed(at: StepState) -> bool:
    return any(a.may_have_changed and a.undone is None for a in at.attempts)


def _ends(step: PlannedStep, bad: tuple[str, ...], state: RunState) -> list[str]:
    """Return how a step ended where it failed, with what was seen there; what is the same on many is told once."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for place in bad:
        at = state.at(step.id, place)
        end = f"{at.status.replace('_', ' ')}: {at.error}" if at.error else at.status.replace("_", " ")
        # The error is often the last line that was seen, word for word.
        seen = (f"    {line}" for line in at.evidence if not at.error.endswith(line.strip() or "\n"))
        alike.setdefault((end, *seen), []).append(_where(place))
    return [line for (end, *seen), where in alike.items() for line in (f"{collapsed(where)}: {end}", *seen)]


def _where(place: str) -> str:
    if place == "*":
        return "this run"
    return f"wave {place[1:]}" if place.startswith("*") else place


def _s(count: int) -> str:
    return "" if count == 1 else "s"
