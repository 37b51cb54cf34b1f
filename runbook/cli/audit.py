"""The commands of the review: audit list, show, verify, report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from runbook.cli.command import Command, Entry, Group, pass_front
from runbook.cli.exit_codes import Exit, word
from runbook.cli.front import Front, encode
from runbook.cli.order import FILE
from runbook.cli.style import Style, table
from runbook.errors import JournalError, UsageError
from runbook.text import one_line

if TYPE_CHECKING:
    from runbook.events.timed import Timed
    from runbook.journal import Report
    from runbook.session.review import RunSummary

COMMANDS = {
    "list": Entry("runbook.cli.audit", "list_runs", "All runs, newest first"),
    "show": Entry("runbook.cli.audit", "show", "What happened in a run, fact by fact"),
    "verify": Entry("runbook.cli.audit", "verify", "Prove that runs are as they were written"),
    "report": Entry("runbook.cli.audit", "report", "The report of a run in Markdown"),
}


@click.command(cls=Group, table=COMMANDS, no_args_is_help=True)
def audit() -> None:
    """Review after the incident."""


@click.command("list", cls=Command)
@click.option("--open", "only_open", is_flag=True, help="Only runs that have left something to do.")
@pass_front
def list_runs(front: Front, only_open: bool) -> None:
    """List all runs, newest first."""
    from runbook.session import library, review

    settings = front.settings()
    runs = front.working("reading journals", lambda: review.runs(settings))
    if only_open:
        left = {loop.run for loop in library.open_loops(settings)}
        runs = tuple(run for run in runs if run.id in left)
    front.rows([summary_object(run) for run in runs], lambda: table([_row(run, front.out.style) for run in runs]))
    if not runs and front.is_text:
        front.say("there is no open run" if only_open else "there is no run yet")


def summary_object(run: RunSummary) -> dict[str, Any]:
    """Return one run of a list as an object."""
    row: dict[str, Any] = msgspec.to_builtins(run)
    return row


def _row(run: RunSummary, style: Style) -> list[str]:
    if run.error:
        return [run.id, "!", "", "", one_line(run.error, 200)]
    state = "running" if run.live and run.outcome != "waiting" else run.outcome
    from runbook.session.result import standing

    notes = [f"handed over as {run.handed_over}"] if run.handed_over else []
    notes += [f"{run.unverified} unverified"] if run.unverified else []
    notes += [standing(run.pending_undo)] if run.pending_undo else []
    notes += ["deviated"] if run.deviated else []
    mark = Style(unicode=style.unicode).status(state)
    mark = mark.replace("undone", run.word) if run.outcome == "undone" else mark
    return [run.id, mark, local_time(run.started), run.playbook, ", ".join([run.actor, *notes])]


def local_time(text: str) -> str:
    """Return a time of the journal as the clock here shows it, with its offset."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return text


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--with-output", is_flag=True, help="The kept output of steps too.")
@pass_front
def show(front: Front, run_id: str, with_output: bool) -> None:
    """Show what happened in a run, fact by fact, in the order of its journal."""
    from runbook.session import review

    settings = front.settings()
    run = _known(front, run_id)
    holds = _proved(front, run)
    try:
        if front.is_text:
            for timed in review.facts(settings, run):
                front.text(_fact_lines(timed, front.out.style))
                if with_output:
                    front.text(_kept_output(front, run, timed))
            return
        objects = (_fact_object(timed) for timed in review.facts(settings, run))
        if front.format == "json":
            front.out.raw(encode(list(objects), indent=True))
            return
        for found in objects:
            front.out.raw(encode(found))
    except (JournalError, UsageError):
        # What can be read is shown; where it ends was said already.
        if holds:
            raise
        _refused(front, run)


def _fact_object(timed: Timed) -> dict[str, Any]:
    from runbook.cli.ndjson import fact_object

    return {"seq": timed.seq, "time": timed.time} | fact_object(timed.fact)


def _fact_lines(timed: Timed, style: Style) -> Iterator[str]:
    from runbook.cli.record import fact_words

    yield f"{style.paint(f'{timed.seq:>5} {clock(timed.time)}', 'muted')}  {fact_words(timed.fact, style)}"


def clock(text: str) -> str:
    """Return the time of day of a journal's time, here."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return text


def _kept_output(front: Front, run: str, timed: Timed) -> Iterator[str]:
    from runbook.session import review
    from runbook.text import sanitise

    kept = getattr(timed.fact, "output", None)
    if kept is None:
        return
    try:
        for chunk in review.output(front.settings(), run, kept):
            sign = "!" if chunk.stream == "err" else "|"
            text = sanitise(chunk.data.decode("utf-8", "replace"))
            yield from (f"        {sign} {line}" for line in text.rstrip("\n").split("\n"))
    except UsageError as gone:
        yield f"        ! {one_line(str(gone), 400)}"


@click.command(cls=Command)
@click.argument("run_id", required=False, metavar="[RUN]")
@pass_front
def verify(front: Front, run_id: str | None) -> None:
    """Prove that runs are as they were written: chain, ledger and output. Exit code 11 if they are not."""
    from runbook.journal import Audit
    from runbook.session import review

    settings = front.settings()
    run = _known(front, run_id) if run_id else ""
    proof = front.working("verifying", lambda: review.verify(settings, run))
    reports = (proof.ledger, *proof.runs) if isinstance(proof, Audit) else (proof,)
    style = front.out.style
    front.rows([_proof_object(each) for each in reports], lambda: [_proof_line(each, style) for each in reports])
    bad = sum(1 for each in reports if not each.holds)
    if bad:
        front.code = Exit.AUDIT
        front.say(f"{bad} of {len(reports)} do not hold: the place is named, nothing was repaired")


def _known(front: Front, run_id: str) -> str:
    """Return the id of a run, one whose folder is gone included: the ledger may know it."""
    from runbook.session import review

    try:
        return review.find(front.settings(), run_id)
    except UsageError:
        return run_id


def _proof_object(report: Report) -> dict[str, Any]:
    place = report.place
    return {
        "run": report.run,
        "what": "run" if report.run else "ledger",
        "status": report.status,
        "holds": report.holds,
        "records": report.records,
        "signed": report.signature is not None,
        "place": msgspec.to_builtins(place) if place is not None else None,
    }


def _proof_line(report: Report, style: Style) -> str:
    words = {
        "ok": "as it was written",
        "open": "holds as far as it goes; it is not closed",
        "torn": "holds; its last line was never finished",
        "broken": "CHANGED",
        "truncated": "CUT",
        "missing": "GONE",
    }
    mark = style.mark("succeeded" if report.holds else "failed")
    signed = "" if report.signature else ", unsigned"
    place = f": {place_words(report)}" if report.place is not None else ""
    name = f"run {report.run}" if report.run else "ledger"
    return f"{mark} {name}: {words[report.status]}, {report.records} records{signed}{place}"


def place_words(report: Report) -> str:
    """Return where a journal does not hold, and what is wrong there."""
    place = report.place
    if place is None:
        return f"run {report.run} is {report.status}"
    where = f"{place.file}:{place.line}" if place.line else place.file
    record = f"record {place.seq}: " if place.seq is not None else ""
    return one_line(f"{where}: {record}{place.what}", 1000)


def _proved(front: Front, run: str) -> bool:
    """Tell whether a run is as it was written; if it is not, say where, and end with the code for that."""
    from runbook.journal import Report
    from runbook.session import review

    report = review.verify(front.settings(), run)
    if not isinstance(report, Report) or report.holds:
        return True
    front.code = Exit.AUDIT
    where = place_words(report)
    front.say(f"runbook: run {run} does not hold: {where}; `runbook audit verify` shows the whole verdict")
    return False


def _refused(front: Front, run: str) -> None:
    """Write the object of an error for a run that cannot be read to its end."""
    if not front.is_text:
        told = {"outcome": word(Exit.AUDIT), "exit": int(Exit.AUDIT), "error": "the run does not hold", "where": run}
        front.out.raw(encode(told, indent=front.format == "json"))


@click.command(cls=Command)
@click.argument("run_id", metavar="RUN")
@click.option("--to", "path", type=FILE, help="Write it to a file.")
@pass_front
def report(front: Front, run_id: str, path: Path | None) -> None:
    """Write the report of a run in Markdown: decisions and deviations first, and what is still open."""
    from runbook.session import review

    settings = front.settings()
    run = _known(front, run_id)
    holds = _proved(front, run)
    try:
        text = review.report(settings, run)
    except (JournalError, UsageError):
        if holds:
            raise
        _refused(front, run)
        return
    if path is None:
        front.value({"id": run, "markdown": text}, lambda: text.rstrip("\n").split("\n"))
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error.strerror}", where=str(path)) from error
    front.value({"id": run, "path": str(path)}, lambda: [one_line(str(path), 4096)])
