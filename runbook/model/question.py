"""Questions to people and their answers.

Every question of the product has this one form, so that any front end can put it: words, what it is about,
the choices with their price, and a digest that binds the answer to exactly what was shown.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from runbook.model.playbook import Param
from runbook.model.scalar import Json

QuestionKind: TypeAlias = Literal[
    "proceed",
    "approve",
    "confirm",
    "manual",
    "form",
    "choose",
    "failure",
    "doubt",
    "drift",
    "undo",
    "secret",
    "host_key",
    "paused",
]


class Choice(Struct, frozen=True):
    """One possible answer."""

    id: str
    """The word on the command line, in answers files and in the journal."""
    title: str
    """A verb with its price: "skip: with a reason; stays unverified"."""
    key: str = ""
    """The single key of the terminal interfaces."""
    reason: bool = False
    """A reason has to be given."""
    typed: str = ""
    """What has to be typed to confirm; empty if a key is enough."""


class Preview(Struct, frozen=True):
    """What will happen on one host, in words, commands and a diff."""

    target: str
    words: str
    commands: tuple[str, ...] = ()
    diff: str = ""
    notes: tuple[str, ...] = ()


class Question(Struct, frozen=True, kw_only=True):
    """Something that only a person can answer."""

    id: str
    """Stable over restarts: the same question of the same run has the same id."""
    kind: QuestionKind
    title: str
    step: str = ""
    places: tuple[str, ...] = ()
    body: str = ""
    """Markdown of the playbook's author; never words of a target."""
    previews: tuple[Preview, ...] = ()
    evidence: tuple[str, ...] = ()
    """Lines of facts, of host output too: untrusted text."""
    choices: tuple[Choice, ...] = ()
    fields: dict[str, Param] = {}
    """The form of `form` and `secret`."""
    safe: str = ""
    """The id of the choice that has the focus: it never changes a target."""
    digest: str = ""
    """SHA-256 of what was shown; an answer holds for this alone."""
    covers: dict[str, str] = {}
    """What an agreement holds for: `STEP@PLACE` to the digest of its plan (or of its form, if values come later)."""
    peers: int = 0
    """How many second people must agree; 0 if the operator is enough."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a person, an answers file or a policy said."""

    choice: str
    values: dict[str, Json] = {}
    reason: str = ""
    source: Literal["operator", "command-line", "answers", "policy", "inbox", "peer"] = "operator"
    actor: str = ""


class NoAnswer(Struct, frozen=True):
    """Nobody answered; it always means no."""

    why: str
