"""The now line of a run: status, what, where, how long silent, when it gives up, how much is left."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from runbook.events.outcome import outcome_word
from runbook.events.state import RunState
from runbook.model.plan import Plan
from runbook.model.question import Question
from runbook.text import counted, duration_text, one_line
from runbook.text.mark import mark_of, status_word
from runbook.tui.carrier import Ended
from runbook.tui.presenter.effect import effect_words
from runbook.tui.presenter.left import time_left
from runbook.tui.presenter.place import limit_of, places, present, running, unit_of, wave_at, where
from runbook.tui.presenter.progress import left
from runbook.tui.presenter.words import Row, bold, muted, plain
from runbook.tui.scene import Beat, Scene

SILENT = 10.0
"""Seconds without a word after which silence is told."""

LONG_SILENT = 30.0
"""Seconds after which it is told in the colour of a warning."""


class Rest(Struct, frozen=True):
    """How a session of the run ended, in words."""

    error: str = ""
    """What went wrong, if it could not be carried."""
    remedy: str = ""
    why: str = ""
    pending_undo: int = 0
    resumable: bool = False
    goes_on: bool = False
    """The next playbook of the incident is prepared."""
    held: bool = False
    """Another run holds a target."""
    told: bool = False
    """What went wrong stands elsewhere, in full."""


def rest_of(ended: Ended, state: RunState, *, resumable: bool, goes_on: bool) -> Rest:
    """Return in words how a session of a run ended; `goes_on` says that the next playbook is prepared."""
    why = ended.held.told if ended.held is not None else ended.result.why if ended.result is not None else ""
    left = state.undo_open if state.status == "undone" else state.pending_undo
    return Rest(
        error=getattr(ended.error, "message", "") or ended.words,
        remedy=getattr(ended.error, "remedy", ""),
        why="handed over: it goes on elsewhere" if state.handed_over else why,
        pending_undo=0 if state.handed_over else left,
        resumable=resumable,
        held=ended.held is not None,
        goes_on=goes_on,
    )


class NowWords(Struct, frozen=True):
    """The two rows, with a left and a right part each."""

    tone: str
    first: Row
    first_right: Row = ()
    second: Row = ()
    second_right: Row = ()
    title: str = ""
    """The same in a few words, for the title of the terminal."""


def now_words(
    scene: Scene,
    now: float,
    *,
    asked: Question | None = None,
    rest: Rest | None = None,
    wide: bool = False,
    shown: bool = True,
) -> NowWords:
    """Return the now line of a run.

    Args:
        scene: the run.
        now: on the clock of the scene, in seconds.
        asked: the question that waits here.
        rest: how it ended, once it is at rest.
        wide: there is room for more words.
        shown: the step that waits is looked at, with its plan.
    """
    state, plan = scene.state, scene.plan
    if rest is not None:
        return _resting(scene, rest, now)
    if plan is None:
        if not state.sessions:
            return NowWords("rule", (muted("no run is open"),), second=(muted("F2 library: choose a playbook"),))
        return NowWords("live", (*_loud(state.status),))
    if state.sessions and not state.live and state.status != "running":
        # Its end is on record before all that belongs to it, such as connections, is given back.
        return _closing(scene, now)
    question = asked or next(iter(state.questions.values()), None)
    if question is not None and not _active(state):
        return _waiting(scene, question, now, shown)
    step, active = running(plan, state)
    if not step:
        said = "stopping" if state.steering else "looks at what comes next"
        here = present(plan, state)
        return NowWords(
            "live", (*_loud("running"), bold(here)), _where(scene, here), (muted(said),), _clock(scene, now)
        )
    return _running(scene, plan, step, active, now, wide)


def _active(state: RunState) -> bool:
    return any(at.status in ("running", "verifying", "undoing") for at in state.steps.values())


def _loud(status: str, says: str = "") -> Row:
    found = mark_of(status)
    return ((f"{found.symbol} {(says or status_word(status)).upper()}", f"bold ${found.tone}"), plain("  "))


def _waiting(scene: Scene, question: Question, now: float, shown: bool) -> NowWords:
    title = one_line(question.title, 200)
    for said in (". Nothing runs now", ". It may have finished, or not"):
        # The row below says the one, the sheet the other.
        title = title.partition(said)[0]
    doubt = question.kind == "doubt"
    status = "in_doubt" if doubt else "waiting"
    hosts = [where(p) for p in question.places if where(p)]
    names = ", ".join(hosts) if len(hosts) <= 4 else counted(len(hosts), "host")
    on: Row = (muted(" on "), bold(names)) if names else ()
    nothing = muted("nothing runs now")
    enter = plain("↵ runs this step" if shown else "↵ shows its plan")
    second = (enter, muted(" · "), nothing) if question.kind == "proceed" else (nothing,)
    tone = mark_of(status).tone
    words = f"{mark_of(status).symbol} {status_word(status)}: {title}"
    return NowWords(
        tone, (*_loud(status), bold(title), *on), _where(scene, question.step), second, _clock(scene, now), words
    )


def _running(scene: Scene, plan: Plan, step: str, active: tuple[str, ...], now: float, wide: bool) -> NowWords:
    state = scene.state
    statuses = {state.at(step, p).status for p in active}
    status = next(s for s in ("undoing", "running", "verifying", "in_doubt", "waiting") if s in statuses)
    quiet = min(active, key=lambda p: scene.beats.get((step, p), _NOW).heard)
    named = [where(p) for p in active if where(p)]
    names = ", ".join(named) if len(named) <= 3 else counted(len(named), "host")
    what: Row = (bold(step), *((bold(" on "), bold(names)) if names else ()))
    mark = mark_of(status)
    title = f"{mark.symbol} {status_word(status)}: {step}{' on ' if names else ''}{names}"
    second = _pulse(scene, plan, step, quiet, now, wide, many=len(active) > 1)
    return NowWords(mark.tone, (*_loud(status), *what), _where(scene, step), second, _clock(scene, now), title)


_NOW = Beat(heard=float("inf"))


def _pulse(scene: Scene, plan: Plan, step: str, place: str, now: float, wide: bool, *, many: bool) -> Row:
    """Say how long a step has been silent, and when it gives up."""
    beat = scene.beats.get((step, place))
    if beat is None:
        return ()
    parts: list[Row] = []
    silent = now - beat.heard
    on = f"{where(place)} " if many and where(place) else ""
    if silent >= SILENT:
        style = "bold $wait" if silent >= LONG_SILENT else ""
        parts.append(((f"{on}silent for {_span(silent)}", style),))
    elif beat.phase == "sampling":
        parts.append((plain(f"saw {one_line(beat.words, 200)}" if beat.words else beat.phase),))
    elif beat.phase and beat.phase != "applying":
        parts.append((plain(one_line(beat.words, 200) or beat.phase),))
    if beat.progress is not None and beat.progress.total:
        ends = left(beat.progress.done, beat.progress.total, now - beat.began)
        done = f"{beat.progress.done} of {beat.progress.total} {one_line(beat.progress.unit, 20)}"
        parts.append((plain(done), *((muted(f", about {_about(ends)}"),) if ends is not None else ())))
    found = unit_of(plan, step)
    limit = beat.limit or (limit_of(found[1]) if found is not None else 0.0)
    if beat.phase == "sampling" and limit:
        # What it saw may be long, and is cut where there is no room.
        parts.insert(0, _sampled(limit, now - beat.began))
    elif limit and beat.phase in ("", "applying", "undoing"):
        parts.append(_deadline(limit, now - beat.began, wide))
    row: list[tuple[str, str]] = []
    for part in parts:
        if row:
            row.append(muted(" · "))
        row.extend(part)
    return tuple(row)


def _sampled(limit: float, elapsed: float) -> Row:
    left = limit - elapsed
    return (muted(f"gives up in {duration_text(left)}" if left > 0 else "takes its last look"),)


def _deadline(timeout: float, elapsed: float, wide: bool) -> Row:
    if elapsed >= timeout:
        return (muted("over its time: it is stopped and checked"),)
    if wide:
        return (muted(f"{duration_text(elapsed)} of {duration_text(timeout)}, then it is stopped and checked"),)
    return (muted(f"gives up in {duration_text(timeout - elapsed)}"),)


def _span(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < 100 else duration_text(seconds)


def _where(scene: Scene, step: str) -> Row:
    """Say which step and which wave of how many."""
    plan = scene.plan
    if plan is None:
        return ()
    steps = [s.id for unit in plan.units for s in unit.steps]
    row: list[tuple[str, str]] = []
    if step in steps:
        row += [muted("step "), bold(str(steps.index(step) + 1)), muted(f" of {len(steps)}")]
    unit = next((u for u in plan.units if u.id == step or any(s.id == step for s in u.steps)), None)
    if unit is not None and unit.is_stage and len(unit.waves) > 1:
        row += [muted("   wave "), bold(str(wave_at(unit, scene.state) + 1)), muted(f" of {len(unit.waves)}")]
    return tuple(row)


def _clock(scene: Scene, now: float, *, rests: bool = False) -> Row:
    """Say how long the run goes on, and how much time is left of it by what earlier runs took."""
    row: list[tuple[str, str]] = [muted("run "), plain(duration_text(scene.elapsed(now)))]
    if rests or scene.rested or scene.usual is None or scene.plan is None:
        return tuple(row)
    ends = time_left(scene, now)
    if ends is None:
        return (*row, muted("   time left unknown"))
    about = "at least" if ends.at_least else "about"
    return (*row, muted(f"   {about} "), plain(_about(ends.seconds)), muted(" left"))


def _about(seconds: float) -> str:
    return f"{max(round(seconds), 1)} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _resting(scene: Scene, rest: Rest, now: float) -> NowWords:
    state = scene.state
    if rest.error and not scene.run:
        return NowWords(
            "bad",
            (*_loud("refused", "not started"), plain(rest.error)),
            second=(plain(rest.remedy or "nothing was run"),),
        )
    # Who could not write its end to the journal was interrupted.
    cut = bool(rest.error) and state.status in ("running", "waiting")
    status = "interrupted" if cut else state.status
    mark = mark_of(status)
    said = status_word(status) if cut else "handed over" if state.handed_over else outcome_word(state)
    outcome = _succeeded(state, effect_words(scene)) if status == "succeeded" else _stopped(state)
    first = (*_loud(status, said), *outcome)
    why = "" if rest.told else rest.error or rest.why
    second: list[tuple[str, str]] = [plain(one_line(why, 300))] if why else []
    for words in _next(rest):
        second += ([muted(" · ")] if second else []) + [words]
    title = f"{mark.symbol} {said}"
    return NowWords(mark.tone, first, _clock(scene, now, rests=True), tuple(second), (), title)


def _closing(scene: Scene, now: float) -> NowWords:
    words = _resting(scene, Rest(told=True), now)
    return msgspec.structs.replace(words, second=(muted("nothing runs now · the session is closed"),))


def _next(rest: Rest) -> list[tuple[str, str]]:
    ways = ["↵ resume" if rest.resumable else "↵ review"]
    if rest.held:
        ways.append("T who holds it")
    if rest.goes_on:
        ways.append("F3 the next playbook of this incident")
    if rest.pending_undo:
        ways.append("u undo")
    return [muted(way) for way in ways]


def _succeeded(state: RunState, effect: str) -> Row:
    changed = len({key[:2] for key in state.standing})
    parts = [
        counted(changed, "change"),
        f"{counted(state.unverified, 'change') if state.unverified else '0'} left unverified",
    ]
    row: Row = (plain(", ".join(parts)),)
    if effect:
        # The number first: it is what the run was for.
        row = (bold(effect), muted(" · "), *row)
    return (*row, muted("; it went another way than written")) if state.deviated else row


def _stopped(state: RunState) -> Row:
    stands = len({key[:2] for key in state.standing})
    if not stands:
        undone, every = state.undone_of
        if undone < every:
            return (plain(f"{counted(every - undone, 'change')} without a way back"),)
        return (plain("all changes are undone"),) if every else (plain("nothing changed"),)
    pending = state.pending_undo
    # What was handed over is undone by who took it.
    way = f", {pending} can be undone" if pending and not state.handed_over else ""
    return (plain(f"{counted(stands, 'change')} stand{'s' if stands == 1 else ''}{way}"),)


def untouched(scene: Scene, step: str) -> tuple[str, ...]:
    """Return the places of a step that nothing was done to."""
    found = unit_of(scene.plan, step) if scene.plan is not None else None
    if found is None:
        return ()
    return tuple(p for p in places(*found) if scene.state.at(step, p).status in ("pending", "waiting"))
