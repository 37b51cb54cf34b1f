"""The end of a run: its outcome, what is verified, what is still open, and the command that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from runbook.cli.crowd import MANY, all_names, on_hosts
from runbook.cli.exit_codes import Ending, Exit, of_leaving, of_run, outcome
from runbook.cli.style import Style, place
from runbook.events.degradation import still_open
from runbook.events.fact import RunFinished
from runbook.events.outcome import outcome_word
from runbook.events.state import RunState
from runbook.events.status import BAD
from runbook.session.result import Result, standing
from runbook.text import one_line
from runbook.text.hostlist import told
from runbook.text.mark import status_word

LINE = 400

_OPEN = frozenset({*BAD, "in_doubt", "undo_failed"})


def ending_of(result: Result, *, terminated: bool = False) -> Ending:
    """Return what the exit code of a result depends on."""
    state = result.state
    return Ending(
        status=result.status,
        in_doubt=result.status == "in_doubt" or any(at.status == "in_doubt" for at in state.steps.values()),
        pending_undo=result.pending_undo,
        going_back=state.undo_asked,
        effect=bool(state.changes),
        terminated=terminated,
    )


def result_object(result: Result, ending: Ending, finished: RunFinished | None) -> dict[str, Any]:
    """Return a run as one object; `id`, `playbook`, `outcome`, `exit` and `started` are always there."""
    state = result.state
    return {
        "id": result.run,
        "playbook": result.playbook,
        "outcome": outcome(ending),
        "exit": int(of_run(ending)),
        "started": result.started,
        "verified": finished.verified if finished is not None else False,
        "deviated": state.deviated,
        "unverified": state.unverified,
        "pending_undo": result.pending_undo,
        "why": result.why,
        "missing": [{"step": m.step, "what": m.what, "words": m.words, "remedy": m.remedy} for m in result.missing],
        "questions": questions(state),
        "degraded": [
            {"step": d.step, "target": d.target, "what": d.what, "until": d.until, "at_expiry": d.at_expiry}
            for d in still_open(state)
        ],
        "steps": steps(state),
    }


def questions(state: RunState) -> list[dict[str, Any]]:
    """Return the open questions with the words that answer them."""
    return [
        {"step": q.step, "kind": q.kind, "title": q.title, "choices": [choice.id for choice in q.choices]}
        for q in state.questions.values()
    ]


def steps(state: RunState) -> list[dict[str, Any]]:
    """Return every step in every place with what became of it."""
    found = []
    for (step, target), at in state.steps.items():
        last = at.attempt.finished if at.attempt is not None else None
        row = {"step": step, "target": target, "status": at.status, "verified": at.verified, "by_hand": at.by_hand}
        row |= {"attempts": len(at.attempts), "exit": last.exit if last is not None else None, "error": at.error}
        found.append(row)
    return found


def left_behind(run: str, open_changes: list[tuple[str, str]], *, effect: bool) -> tuple[Exit, str]:
    """Return the code and the last line of a process that leaves at once, without a look at what it leaves."""
    code = of_leaving(in_doubt=bool(open_changes), effect=effect)
    if not run:
        return code, "left at once; nothing was changed"
    if open_changes:
        names = ", ".join(f"{step}{place(target)}" for step, target in open_changes[:3])
        more = f" and {len(open_changes) - 3} more" if len(open_changes) > 3 else ""
        what = f"{names}{more} {'is' if len(open_changes) == 1 else 'are'} in doubt, it may still run"
    else:
        what = "no change was running" if effect else "nothing was changed"
    return code, f"left at once; {what} · run {run} · next: runbook resume {run}"


def result_lines(result: Result, ending: Ending, style: Style, *, is_over: bool = False) -> list[str]:
    """Return the end of a run for people: the outcome first, the next command last.

    `is_over` says that neither resume nor undo can follow.
    """
    state = result.state
    status = "aborted" if ending.status == "aborted" and not ending.in_doubt else outcome(ending)
    said = outcome_word(state, status=status) if status == "undone" else status_word(status)
    head = style.status(status).replace(status_word(status), said.upper(), 1)
    if status == "aborted" and result.pending_undo:
        head += f", {standing(result.pending_undo)}"
    lines = [f"{head}  {one_line(result.plan.title or result.playbook, LINE)} · run {result.run}"]
    told_below = [at.error for at in state.steps.values() if at.status in (*BAD, "in_doubt", "undo_failed")]
    if result.why and status != "succeeded" and result.why not in told_below:
        lines.append(f"  {one_line(result.why, LINE)}")
    lines.append(f"  {verified_words(state)}{'; deviated from the playbook' if state.deviated else ''}")
    lines.extend(f"  {line}" for line in _missing(result))
    lines.extend(f"  {line}" for line in open_lines(state, 0 if is_over else result.pending_undo, result.run))
    # Where all was well but for targets that were left out there is nothing to retry.
    well = status == "partial" and state.left_out and not any(at.status in BAD for at in state.steps.values())
    after = (
        f"runbook audit report {result.run}"
        if is_over or well
        else next_command(result.run, ending, missing=bool(result.missing), adhoc=result.playbook == "exec")
    )
    return [*lines, f"  Next: {after}"] if after else lines


def verified_words(state: RunState) -> str:
    """Return in words how many changes stand and how many of them are known to be good."""
    count = len({(step, target) for step, target, _ in state.standing})
    if not count:
        undone, every = state.undone_of
        if undone < every:
            return f"{every - undone} of {changes(every)} {'stands' if every - undone == 1 else 'stand'}: no way back"
        return "every change is undone" if every else "nothing was changed"
    good = count - state.unverified
    return f"{changes(count)}: {good} verified, {state.unverified} left unverified"


def changes(count: int) -> str:
    """Return a number of changes in words."""
    return f"{count} change{'' if count == 1 else 's'}"


def _missing(result: Result) -> list[str]:
    if not result.missing:
        return []
    rows = [f"  {m.step}: {m.what}: {one_line(m.words, 120)}; give {m.remedy}" for m in result.missing]
    return ["Nothing was executed. What it lacks:", *rows]


def open_lines(state: RunState, pending_undo: int, run: str = "") -> list[str]:
    """Return what is still open: bad steps, open questions, what is degraded, changes that could be undone.

    With a `run` a failure or a doubt is told with the command that answers it without a terminal.
    """
    lines = _bad(state)
    if state.left_out:
        lines.append(f"Open: {told(state.left_out)} left out: nothing of this run is known to be done there")
    for q in state.questions.values():
        how = f": runbook decide {run} {q.step} CHOICE" if run and q.kind in ("failure", "doubt") else ""
        lines.append(f"Open: {one_line(q.title, LINE)} ({', '.join(c.id for c in q.choices)}){how}")
    now = datetime.now(UTC)
    lines.extend(f"Open: {one_line(d.words(now), LINE)}{place(d.target)}" for d in still_open(state))
    if pending_undo:
        lines.append(f"Open: {changes(pending_undo)} can be undone")
    return lines


def _bad(state: RunState) -> list[str]:
    """Return what came to a bad end: where it is the same on several hosts, or too much to read, as one line."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for (step, target), at in state.steps.items():
        if at.status in _OPEN:
            found.setdefault((step, at.status), {}).setdefault(at.error, []).append(target)
    lines: list[str] = []
    for (step, status), errors in found.items():
        told = errors
        if len(errors) > MANY:
            everyone = [target for targets in errors.values() for target in targets]
            told = {f"{next(iter(errors))} (and others)": everyone}
        for error, targets in told.items():
            why = f": {one_line(error, LINE)}" if error else ""
            # Once a run was given up or taken back, a failure in it waits for nobody.
            head = "" if status in BAD and state.status in ("aborted", "undone") else "Open: "
            lines.append(f"{head}{step}{on_hosts(targets)} {status_word(status)}{why}")
            lines.extend(all_names(targets))
    return lines


def next_command(run: str, ending: Ending, *, missing: bool = False, adhoc: bool = False) -> str:
    """Return the command that goes on from here; empty if nothing is left to do."""
    match of_run(ending):
        case Exit.SUCCEEDED if ending.pending_undo:
            return f"runbook undo {run}, or runbook audit report {run}"
        case Exit.SUCCEEDED:
            return f"runbook audit report {run}"
        case Exit.WAITING if missing and adhoc:
            return f"runbook resume {run}, on a terminal: it shows the command and asks"
        case Exit.WAITING if missing:
            return "give what it lacks, and replay again"
        case Exit.WAITING:
            return f"runbook resume {run}"
        case Exit.IN_DOUBT:
            return f"runbook resume {run}   (on a terminal: it shows the evidence and asks)"
        case Exit.PARTIAL:
            return f"runbook resume {run} --failed-hosts"
        case Exit.UNDO_INCOMPLETE:
            return f"runbook undo {run}"
        case Exit.FAILED if ending.status == "aborted":
            return f"runbook audit report {run}"
        case Exit.FAILED if ending.pending_undo:
            return f"runbook resume {run}, or runbook undo {run}"
        case Exit.ABORTED:
            return f"runbook audit report {run}"
        case _:
            return f"runbook resume {run}"


def add_output(row: dict[str, Any], output: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """Return the object of an ad-hoc command with the output of each host."""
    for step in row["steps"]:
        step["stdout"] = output.get((step["target"], "out"), "")
        step["stderr"] = output.get((step["target"], "err"), "")
    return row
