"""What a session gives to its transports: whom to ask, what to mask, which configuration to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.cancel import Cancel


def nobody(question: Question, _cancel: Cancel) -> NoAnswer:
    """Answer for nobody, which means no."""
    return NoAnswer(f"nobody can be asked: {question.title}")


class Given(Struct, frozen=True, kw_only=True):
    """What the transports of one session have in common."""

    ask: Callable[[Question, Cancel], Answer | NoAnswer] = nobody
    """For unknown host keys, passphrases and passwords."""
    mask: Callable[[str], str] = str
    """For the command lines that job folders show."""
    ssh_config: Path | None = None
    """Stands for `ssh -F FILE`."""
    keys: Mapping[str, str] = {}
    """Kind and fingerprint of the host key with which the run changed a host, by its name."""
