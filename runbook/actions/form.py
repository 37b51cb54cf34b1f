"""What the `with:` of several actions share: their base, paths, and the text of commands.

Paths are absolute here: what a relative one means differs between a login over SSH and this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from runbook.errors import ActionError
from runbook.model.scalar import Json, Seconds, Template
from runbook.text import one_line, shell_words

C_LOCALE = {"LC_ALL": "C"}

PathText = Annotated[Template, Meta(description="Absolute path of a file on the target")]
Timeout = Annotated[Seconds, Meta(description="Limit of every command of this step, enforced on the target")]
Sudo = Annotated[bool, Meta(description="Look and change as root through sudo")]


class With(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename=lambda name: name.rstrip("_")):
    """The arguments of an action or probe; keys are the field names without a closing underscore."""


def absolute(path: str, word: str) -> str:
    """Return the path if it can be used as it is. Raises ActionError, naming the argument `word`, if not."""
    if "\0" in path:
        raise ActionError("a path holds a NUL character", where=word)
    if not path.startswith("/"):
        raise ActionError(f"{one_line(path)!r} is no absolute path", where=word, remedy="write it from / on")
    return path if path == "/" else path.rstrip("/")


def folder_of(path: str) -> str:
    """Return the folder that an absolute path lies in."""
    return path.rpartition("/")[0] or "/"


def inside(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return f"{folder.rstrip('/')}/{name}"


def script(text: str, *words: str) -> tuple[str, ...]:
    """Return the argv of a POSIX shell script with its positional arguments."""
    # A script that begins with - or + would be taken for options of the shell.
    return ("sh", "-c", f"\n{text}" if text[:1] in {"-", "+"} else text, "sh", *words)


def typed(argv: Sequence[str], *, sudo: bool = False) -> str:
    """Return a command as an operator would type it; to be read, not run."""
    return shell_words(["sudo", *argv] if sudo else argv)


def text_of(value: Json) -> str:
    """Return a value of a receipt that must be text; empty if it is not."""
    return value if isinstance(value, str) else ""
