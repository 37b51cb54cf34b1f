"""Inspecting: look at a target and put on record what a step will do there, or why it cannot. Only reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from runbook.engine.bind import Bound, bind, digest_of, form_of, written
from runbook.engine.context import StepContext, border
from runbook.engine.survey import survey_notes
from runbook.engine.words import filled
from runbook.errors import ActionError, ExpressionError, RunbookError, TransportError
from runbook.events import fact as f
from runbook.events.plain import freeze_object
from runbook.events.state import NO_WAY_BACK
from runbook.events.status import Status
from runbook.expression import render_tree
from runbook.model.plan import PlannedAct
from runbook.model.playbook import UndoNone
from runbook.model.scalar import Json
from runbook.ports.action import Already, Proceed, Refuse, StepPlan
from runbook.text import duration_text, shell_words


def inspect(context: StepContext, *, early: bool = False) -> None:
    """Look at the target and record what will happen; a refusal is an outcome unless it is not the step's turn."""
    began = context.services.monotonic()
    context.phase("inspecting")
    try:
        with border(context.step.uses):
            planned = _planned(context)
    except RunbookError as failed:
        if context.cancel.is_set():
            # What the target said or did not say is no news of it: it was not let finish.
            _not_begun(context, "cancelled", context.cancel.reason, began)
        elif isinstance(failed, TransportError):
            _not_begun(context, "unreachable", str(failed), began)
        elif early:
            why = failed.message if isinstance(failed, ExpressionError) else str(failed)
            context.record(_later(context, why))
        else:
            _not_begun(context, "failed", str(failed), began)
        return
    if planned.answer == "refuse":
        if early:
            context.record(_later(context, planned.words))
            return
        context.record(planned)
        _not_begun(context, "refused", planned.words, began)
        return
    context.record(planned)


def _planned(context: StepContext) -> f.StepPlanned:
    step = context.step
    raw = written(step, context.state)
    if step.kind in ("wait", "notify"):
        return _planned_once(context, raw)
    bound = bind(context.services, context.info(), raw, context.names, is_literal=step.is_literal)
    form = form_of(step, raw, context.place)
    _refuse_masked(context, bound)
    if step.kind != "action":
        words = filled(step.source.title, context.names) or step.id
        commands = _commands(bound)
        digest = digest_of(step, bound.arguments, context.place, [words, *commands])
        return f.StepPlanned(
            step=context.step.id,
            target=context.place,
            answer="proceed",
            words=words,
            commands=commands if _is_typed(bound) else [],
            notes=[] if _is_typed(bound) else commands,
            digest=digest,
            form=form,
            arguments=bound.arguments,
        )
    return _planned_change(context, bound, form)


def _planned_once(context: StepContext, raw: Mapping[str, Json]) -> f.StepPlanned:
    """Plan what no action stands behind: a wait, or a message and the program that takes it."""
    step = context.step
    text = str(render_tree(raw.get("message", ""), context.names))
    words = f"Tell: {text}" if step.kind == "notify" else f"Wait {duration_text(step.source.wait or 0.0)}"
    argv = raw.get("command")
    commands = [shell_words([str(word) for word in argv])] if isinstance(argv, list) and argv else []
    return f.StepPlanned(
        step=step.id,
        target=context.place,
        answer="proceed",
        words=words,
        commands=commands,
        digest=digest_of(step, raw, context.place, [words, *commands]),
        form=form_of(step, raw, context.place),
    )


def _planned_change(context: StepContext, bound: Bound, form: str) -> f.StepPlanned:
    step = context.step
    action = context.services.catalogue.action(step.uses)
    seen = action.inspect(bound.model, context.target)
    match seen:
        case Refuse(why=why, remedy=remedy):
            words = f"{why}; {remedy}" if remedy else why
            return f.StepPlanned(
                step=context.step.id, target=context.place, answer="refuse", words=words, digest="", form=form
            )
        case Already(before=before, why=why):
            plan = StepPlan(why)
            answer: Literal["proceed", "already"] = "already"
        case Proceed(before=before):
            plan = action.plan(bound.model, before)
            answer = "proceed"
    digest = digest_of(step, bound.arguments, context.place, [plan.words, *plan.commands, plan.diff])
    return f.StepPlanned(
        step=context.step.id,
        target=context.place,
        answer=answer,
        words=plan.words,
        commands=list(plan.commands),
        diff=plan.diff,
        notes=[*plan.notes, *_whereabouts(context)],
        undo=_undo_words(context, plan.undo),
        digest=digest,
        form=form,
        arguments=bound.arguments,
        before=freeze_object(before),
    )


def _whereabouts(context: StepContext) -> list[str]:
    """Say what the paths and commands of a plan mean on a host that is no machine of its own, or what it lacks."""
    host = context.target.host
    root = [f"In the root that is mounted at {host.root}"] if host.transport == "chroot" else []
    if context.step.effect == "read":
        return root
    unchecked = context.step.source.unchecked
    alone = [] if unchecked is None else [f"Nothing checks it: {unchecked}"]
    return [*alone, *root, *survey_notes(context.target.survey())]


def _refuse_masked(context: StepContext, bound: Bound) -> None:
    """Raise ActionError if the record of the arguments would differ from what is run.

    The plan is run from its record, and a secret that stands in it as plain text is not in the record.
    """
    if context.services.masker.mask_tree(bound.arguments) != bound.arguments:
        raise ActionError(
            "the value of a declared secret stands among the arguments",
            where=context.step.id,
            remedy="pass it as that secret, by env or stdin, or take a secret that is no ordinary word",
        )


def _is_typed(bound: Bound) -> bool:
    """Tell whether the arguments are a command; those of other probes are no line that anybody could type."""
    return "argv" in bound.arguments or "script" in bound.arguments


def _commands(bound: Bound) -> list[str]:
    argv = bound.arguments.get("argv")
    if isinstance(argv, list):
        return [shell_words([str(word) for word in argv])]
    script = bound.arguments.get("script")
    if isinstance(script, str):
        return [script]
    return [f"{key}: {value}" for key, value in bound.arguments.items() if isinstance(value, (str, int))]


def _undo_words(context: StepContext, brought: str) -> str:
    """Say how the step is led back: as its action brings it, then as the playbook writes; or why it is not."""
    undo = context.step.undo
    if isinstance(undo, UndoNone):
        return f"{NO_WAY_BACK} {undo.none}"
    acts = "; ".join(filled(act.title, context.names) or _act_words(act, context.names) for act in undo or ())
    return "; then ".join(words for words in (brought, acts) if words)


def _act_words(act: PlannedAct, names: Mapping[str, object]) -> str:
    argv = act.with_.get("argv")
    return shell_words([filled(str(word), names) for word in argv]) if isinstance(argv, list) else act.uses


def _later(context: StepContext, why: str) -> f.StepPlanned:
    form = form_of(context.step, written(context.step, context.state), context.place)
    title = filled(context.step.source.title, context.names) or context.step.id
    words = f"{title}: known when it is its turn ({why})"
    return f.StepPlanned(
        step=context.step.id, target=context.place, answer="later", words=words, digest=form, form=form
    )


def _not_begun(context: StepContext, status: Status, error: str, began: float) -> None:
    """Record an outcome of a step that provably sent nothing; `began` is when it was first looked at."""
    context.record(
        f.StepFinished(
            step=context.step.id,
            target=context.place,
            attempt=context.at.next_attempt,
            status=status,
            effect=context.step.effect,
            error=error,
            dispatched=False,
            ms=int((context.services.monotonic() - began) * 1000),
        )
    )
