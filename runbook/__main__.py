"""The entry of the command `runbook`: answers at once what needs no command line, and hands on all else.

Owns only this peek at the arguments: click alone costs more than the interpreter, so neither `--version` nor the
completion of a word waits for it. From its first line a Ctrl-C is answered (`early`). And it leaves out what would take
a fifth of a short command: looking for cycles, as nearly all that a start makes stays until the end, and taking all of
that apart, as it goes with the process.
"""

from runbook.cli import early

early.answer_at_once()

import atexit  # noqa: E402  only now, as a Ctrl-C may come between any two lines
import gc  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

_THRESHOLD = 100_000
"""New containers before a look for cycles among them; Python's own is 700."""


def main() -> int:
    """Run the command line and return the exit code."""
    gc.set_threshold(_THRESHOLD)
    codes: list[int] = []
    # Before whatever else a command registers, and so called after it, when all threads have ended.
    atexit.register(_leave, codes)
    try:
        code = _answer()
    except KeyboardInterrupt:
        # It came outside of what tells it in the wanted format.
        sys.stderr.write("runbook: interrupted\n")
        code = early.INTERRUPTED
    early.answer_with(code)
    codes.append(code)
    return code


def _leave(codes: list[int]) -> None:
    """End the process with its code; what cannot be written out is left to Python to tell."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return
    if codes:
        os._exit(codes[0])


def _answer() -> int:
    match sys.argv[1:]:
        case ["--version" | "-V"]:
            from runbook import __version__

            return _say(f"runbook {__version__}\n")
        case ["completion", "bash" | "zsh" | "fish" as shell]:
            from runbook.cli.completion import script

            return _say(script(shell))
        case ["__complete", kind]:
            from runbook.cli.completion import candidates

            return _say("".join(f"{word}\n" for word in candidates(kind)))
        case ["__complete", "params" | "gates" as kind, name]:
            from runbook.cli.candidate import words_of

            return _say("".join(f"{word}\n" for word in words_of(kind, name)))
        case arguments:
            from runbook.cli.main import run

            return run(arguments)


def _say(text: str) -> int:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        # The reader is gone, or the disk is full: there is nobody left to tell.
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
