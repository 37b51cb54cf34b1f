"""The commands that steer a run from outside: decide, pause, cancel, note, rate, watch."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from runbook.cli.command import Command, pass_front
from runbook.cli.exit_codes import Ending, Exit, of_run, outcome
from runbook.cli.front import Front
from runbook.cli.order import pairs, step_and_target
from runbook.config import Settings
from runbook.errors import UsageError
from runbook.text import one_line


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.argument("step", metavar="STEP[@HOST]")
@click.argument("choice")
@click.option("--reason", default="", help="Why; some choices need one.")
@click.option("--set", "values", metavar="NAME=VALUE", multiple=True, help="A value of a form, or a changed argument.")
@click.option("--typed", metavar="TEXT", default="", help="What a destructive choice wants typed.")
@pass_front
def decide(front: Front, run_id: str, step: str, choice: str, reason: str, values: tuple[str, ...], typed: str) -> None:
    """Answer the open question of a run: a gate, a failure, a doubt.

    A live run takes it at once. A resting one has it on record, and goes on with it when it is resumed.
    """
    from runbook.session import review, steer

    settings = front.settings()
    found = review.find(settings, run_id)
    only, target = step_and_target(step)
    given = dict(pairs(values)) | ({"typed": typed} if typed else {})
    done = steer.decide(settings, found, only, target, choice, reason=reason, values={**given})
    _done(front, found, done)


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="", help="Why; it goes on record.")
@pass_front
def pause(front: Front, run_id: str, reason: str) -> None:
    """Let what runs come to its end, then leave the run paused."""
    from runbook.session import review, steer

    settings = front.settings()
    found = review.find(settings, run_id)
    _done(front, found, steer.pause(settings, found, reason))


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="", help="Why; it goes on record.")
@pass_front
def cancel(front: Front, run_id: str, reason: str) -> None:
    """Stop the running step of a live run, and look whether it did; a resting run is closed as aborted.

    If the end of a change is unknown, what still lives of it on the targets is ended first, and `resume` settles the
    step. It is in doubt (8) where that end could not be confirmed.
    """
    from runbook.cli.conduct import Conduct
    from runbook.session import review, steer
    from runbook.session.outlived import end_jobs

    settings = front.settings()
    found = review.find(settings, run_id)
    person = Conduct(front, asks=False, asks_for_secrets=front.is_interactive).approver()
    ended = end_jobs(settings, found, reason, person)
    if ended is not None:
        follows = f"`runbook resume {found}` finds out what became of it"
        _done(front, found, "\n".join((*ended.lines, follows)))
        front.code = Exit.SUCCEEDED if ended.are_dead else Exit.IN_DOUBT
        return
    _done(front, found, steer.cancel(settings, found, reason))


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.argument("text", nargs=-1, required=True)
@click.option("--step", default="", help="The step that it is about.")
@pass_front
def note(front: Front, run_id: str, text: tuple[str, ...], step: str) -> None:
    """Write a note into the journal of a run."""
    from runbook.session import review, steer

    words = " ".join(text).strip()
    if not words:
        raise UsageError("the note is empty", remedy="write what there is to note")
    settings = front.settings()
    found = review.find(settings, run_id)
    _done(front, found, steer.note(settings, found, words, step))


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.argument("step", metavar="STEP[@HOST]")
@click.argument("rate", metavar="PER_SECOND", type=float)
@click.option("--reason", default="", help="Why; it goes on record.")
@pass_front
def rate(front: Front, run_id: str, step: str, rate: float, reason: str) -> None:
    """Set how fast a step may go, such as a queue replay: messages a second, 0 for no limit.

    A live run takes it at once, a resting one when it is resumed. What the playbook says is the most.
    """
    from runbook.session import review, steer

    settings = front.settings()
    found = review.find(settings, run_id)
    only, target = step_and_target(step)
    _done(front, found, "\n".join(steer.set_rate(settings, found, only, rate, target=target, reason=reason)))


def _done(front: Front, run: str, words: str) -> None:
    front.value({"id": run, "done": words}, lambda: [one_line(line, 1000) for line in words.split("\n")])


class _AtRest:
    """Ends following when no process writes the run any more, or nobody reads."""

    def __init__(self, front: Front, run: str) -> None:
        self._front = front
        self._run = run

    def wait(self, timeout: float) -> bool:
        """Wait so long; return whether to stop."""
        from runbook.session import review

        time.sleep(timeout)
        return self._front.out.gone or not review.is_live(self._front.settings(), self._run)


def _only_live(settings: Settings) -> str:
    """Return the one run that is live. Raises UsageError if there is none, or more than one."""
    from runbook.session import review

    live = [run.id for run in review.runs(settings) if run.live]
    if not live:
        raise UsageError("no run is live", remedy="name one; `runbook audit list` shows all")
    if len(live) > 1:
        raise UsageError(f"{len(live)} runs are live: {', '.join(live)}", remedy="name one of them")
    return live[0]


def _ago(time: str) -> float:
    """Return the seconds since a moment, by the clock of the day; 0 if it cannot be read, or is to come."""
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


@click.command(cls=Command)
@click.argument("run_id", metavar="[RUN]", required=False, default="")
@pass_front
def watch(front: Front, run_id: str) -> None:
    """Follow a live run, read-only, until it comes to a rest; a past one is told from its journal.

    Without RUN it is the one that is live. The exit code is that of the run, as far as it is known.
    """
    from runbook.cli.ndjson import NdjsonPrinter
    from runbook.cli.printer import Printer
    from runbook.events.fold import fold
    from runbook.events.state import RunState
    from runbook.session import review

    settings = front.settings()
    found = review.find(settings, run_id) if run_id else _only_live(settings)
    printer = Printer(front.out, run=lambda: found) if front.is_text else NdjsonPrinter(front.out)
    state = RunState()
    try:
        for timed in review.follow(settings, found, _AtRest(front, found)):
            state = fold(state, timed.fact)
            if isinstance(printer, Printer):
                printer.recall(timed.fact, _ago(timed.time))
            elif front.format != "json":
                printer.hear(timed.fact)
            if front.out.gone:
                return
    finally:
        printer.close()
    summary = review.summary(settings, found)
    ending = Ending(
        status=summary.outcome,
        in_doubt=any(at.status == "in_doubt" for at in state.steps.values()),
        pending_undo=summary.pending_undo,
        going_back=state.undo_asked,
        effect=bool(state.changes),
    )
    front.code = of_run(ending)
    if front.is_text:
        front.say(f"{front.err.style.status(outcome(ending))}  run {found}")
        return
    from runbook.cli.audit import summary_object
    from runbook.cli.front import encode

    row = {"type": "result", "exit": int(front.code)} | summary_object(summary)
    front.out.raw(encode(row, indent=front.format == "json"))
