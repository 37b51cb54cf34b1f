"""Somebody who answers questions from a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from runbook.model.question import Answer, NoAnswer, Question, QuestionKind
from runbook.ports.cancel import Cancel

Reply: TypeAlias = "str | Answer | NoAnswer | Callable[[Question], Answer | NoAnswer]"
"""The id of a choice, a whole answer, none, or something that looks at the question."""


class ScriptedApprover:
    """Answers each kind of question with the next reply of its list; the last one stays. It keeps what was asked."""

    def __init__(self, replies: Mapping[QuestionKind, Reply | Sequence[Reply]] | None = None) -> None:
        self._replies = {kind: _listed(reply) for kind, reply in (replies or {}).items()}
        self.asked: list[Question] = []

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        """Answer at once; a kind without a reply, and a set token, get no answer.

        Raises AssertionError for a choice that the question does not offer.
        """
        self.asked.append(question)
        replies = self._replies.get(question.kind)
        if cancel.is_set() or not replies:
            return NoAnswer(cancel.reason or f"the script has no reply to {question.kind}")
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, str):
            reply = Answer(choice=reply)
        answer = reply(question) if callable(reply) else reply
        offered = {choice.id for choice in question.choices}
        if isinstance(answer, Answer) and offered and answer.choice not in offered:
            raise AssertionError(f"{question.id} offers {sorted(offered)}, not {answer.choice!r}")
        return answer


def _listed(reply: Reply | Sequence[Reply]) -> list[Reply]:
    if isinstance(reply, Sequence) and not isinstance(reply, str):
        return list(reply)
    return [reply]
