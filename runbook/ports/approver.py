"""The port for asking: every question of the product goes through it, and no answer always means no."""

from __future__ import annotations

from typing import Protocol

from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.cancel import Cancel


class Approver(Protocol):
    """Somebody who can be asked: a terminal interface, plain lines, or nobody."""

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        """Put the question and wait for the answer; returns NoAnswer when the token is set or nobody is there."""
