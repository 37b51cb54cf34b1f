"""The border of the command line: whatever is raised becomes one clear line and an exit code.

No error of ours shows a traceback. An unexpected one is told in a line too; RUNBOOK_DEBUG=1 shows where it came from.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import click

from runbook.cli.exit_codes import Exit, of_error, of_interrupt, word
from runbook.cli.front import Front, encode
from runbook.errors import RunbookError, UsageError
from runbook.text import one_line

LIMIT = 2000


def guarded(front: Front, work: Callable[[], object]) -> int:
    """Do the work and return the exit code of the process."""
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
        return of_interrupt(effect=front.effect, terminated=front.terminated)
    except OSError as error:
        return _told(front, RunbookError(error.strerror or str(error), where=str(error.filename or "")))
    except Exception as error:  # noqa: BLE001  the border: nothing unexpected shows a traceback to an operator
        return _unexpected(front, error)
    return front.code


def _of_click(wrong: click.ClickException) -> UsageError:
    context = getattr(wrong, "ctx", None)
    command = context.command_path if context is not None else "runbook"
    message = wrong.format_message().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], remedy=f"`{command} --help` shows what is possible")


def _told(front: Front, error: RunbookError) -> int:
    code = of_error(error, effect=front.effect)
    front.err.live("")
    front.say(f"runbook: {one_line(str(error), LIMIT)}")
    if not front.is_text:
        told = {"outcome": word(code), "exit": int(code), "error": error.message}
        told |= {"where": error.where, "remedy": error.remedy}
        front.out.raw(encode(told, indent=front.format == "json"))
    return code


def _unexpected(front: Front, error: Exception) -> int:
    front.err.live("")
    if os.environ.get("RUNBOOK_DEBUG"):
        import traceback

        front.err.raw("".join(traceback.format_exception(error)))
    what = one_line(f"{type(error).__name__}: {error}", 300)
    front.say(f"runbook: unexpected: {what}; RUNBOOK_DEBUG=1 shows where, report it with that")
    if not front.is_text:
        told = {"outcome": word(Exit.FAILED), "exit": int(Exit.FAILED), "error": what}
        front.out.raw(encode(told, indent=front.format == "json"))
    return Exit.FAILED
