"""The border of the command line: whatever is raised becomes one clear line and an exit code.

No error of ours shows a traceback. An unexpected one is told in a line too; RUNBOOK_DEBUG=1 shows where it came from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import click

from runbook.cli.early import answer_in_order
from runbook.cli.exit_codes import Exit, of_error, of_interrupt, word
from runbook.cli.front import Front
from runbook.errors import RunbookError, UsageError
from runbook.text import one_line

LIMIT = 2000


def guarded(front: Front, work: Callable[[], object]) -> int:
    """Do the work and return the exit code of the process."""
    answer_in_order()
    code = _guarded(front, work)
    try:
        front.finish()
    except RunbookError as error:
        return _told(front, error)
    return code


def _guarded(front: Front, work: Callable[[], object]) -> int:
    try:
        work()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as shown:
        front.say(shown.ctx.get_help())
        return Exit.USAGE
    except click.ClickException as wrong:
        return _told(front, _of_click(wrong))
    except RunbookError as error:
        return _told(front, error)
    except (KeyboardInterrupt, click.Abort):
        front.err.live("")
        front.say("runbook: interrupted")
        return _end(front, of_interrupt(effect=front.effect, terminated=front.terminated), {})
    except OSError as error:
        return _told(front, RunbookError(error.strerror or str(error), where=str(error.filename or "")))
    except Exception as error:  # noqa: BLE001  the border: nothing unexpected shows a traceback to an operator
        return _unexpected(front, error)
    return front.code


def _of_click(wrong: click.ClickException) -> UsageError:
    context = getattr(wrong, "ctx", None)
    command = context.command_path if context is not None else "runbook"
    message = wrong.format_message().rstrip(".")
    if isinstance(wrong, click.NoSuchOption) and context is not None and context.command.name == "exec":
        return UsageError(message[:1].lower() + message[1:], remedy="options of the command itself stand behind --")
    return UsageError(message[:1].lower() + message[1:], remedy=f"`{command} --help` shows what is possible")


def _told(front: Front, error: RunbookError) -> int:
    front.err.live("")
    front.say(f"runbook: {one_line(str(error), LIMIT)}")
    told = {"error": error.message, "where": error.where, "remedy": error.remedy}
    return _end(front, of_error(error, effect=front.effect), told)


def _unexpected(front: Front, error: Exception) -> int:
    front.err.live("")
    if os.environ.get("RUNBOOK_DEBUG"):
        import traceback

        front.err.raw("".join(traceback.format_exception(error)))
    what = one_line(f"{type(error).__name__}: {error}", 300)
    front.say(f"runbook: unexpected: {what}; RUNBOOK_DEBUG=1 shows where, report it with that")
    return _end(front, Exit.FAILED, {"error": what})


def _end(front: Front, code: Exit, told: Mapping[str, str]) -> int:
    """Tell programs the end, and people what is left behind of a run that did not come to a rest."""
    if front.begun:
        front.say(f"runbook: run {front.begun['id']} is left behind; next: runbook resume {front.begun['id']}")
    front.end({**unfinished(front, code), **told})
    return code


def unfinished(front: Front, code: Exit) -> dict[str, Any]:
    """Return the beginning of the object of a command that came to no rest.

    A run that could not go on after a change is interrupted, like one whose process was killed: `resume` goes on.
    """
    if not front.begun:
        return {"outcome": word(code), "exit": int(code)}
    outcome = "interrupted" if code == Exit.FAILED else word(code)
    begin = {"type": "result"} if front.format == "ndjson" else {}
    kept = front.begun
    return begin | {
        "id": kept["id"],
        "playbook": kept["playbook"],
        "outcome": outcome,
        "exit": int(code),
        "started": kept["started"],
    }
