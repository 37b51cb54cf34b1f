"""Asking: one question at a time on a thread of its own, answered by a person, by mail, or by nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runbook.engine.services import Services
from runbook.errors import UsageError
from runbook.events import fact as f
from runbook.events.plain import freeze
from runbook.model.question import Answer, Choice, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.ports.recorder import Mail
from runbook.text.quote import shell_words

Ended = Callable[[BaseException | None], None]


class Asking:
    """Puts the questions of a run and records the decisions."""

    def __init__(self, services: Services, record: Callable[..., None]) -> None:
        self._services = services
        self._record = record
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Question, Cancel]] = {}
        self._one_at_a_time = threading.Lock()
        self.unanswered: frozenset[str] = frozenset()

    def ask(self, question: Question, ended: Ended) -> None:
        """Put the question; `ended` is called when a decision is on record or nobody answered."""
        cancel = Cancel()
        with self._lock:
            self._open[question.id] = (question, cancel)
        threading.Thread(target=self._ask, args=(question, cancel, ended), name="asking", daemon=True).start()

    def _ask(self, question: Question, cancel: Cancel, ended: Ended) -> None:
        error: BaseException | None = None
        try:
            self._record(f.QuestionAsked(question=question))
            with self._services.cancel.calling(lambda: cancel.set("stopped")), self._one_at_a_time:
                answer = self._services.approver.ask(question, cancel)
            self._take(question, answer)
        except BaseException as failed:  # noqa: BLE001
            # The border of a front end: the scheduler ends the session and tells.
            error = failed
        ended(error)

    def _take(self, question: Question, answer: Answer | NoAnswer) -> None:
        with self._lock:
            if self._open.pop(question.id, None) is None:
                return
            if isinstance(answer, NoAnswer):
                self.unanswered |= {question.id}
                return
        try:
            checked(question, answer)
        except UsageError as wrong:
            # Asking again could go on for ever: an answer that cannot be taken counts as none.
            with self._lock:
                self.unanswered |= {question.id}
            self._record(f.NoteWritten(text=f"an answer could not be taken: {wrong}", step=question.step))
            return
        self._record(decision(question, answer))

    def answer_from_outside(self, mail: Mail) -> None:
        """Take a decision that came by mail for an open question; mail for no open question is noted."""
        with self._lock:
            found = next(
                (
                    (question, cancel)
                    for question, cancel in self._open.values()
                    if question.step == mail.step and (not mail.target or mail.target in question.places)
                ),
                None,
            )
            if found is not None:
                del self._open[found[0].id]
        if found is None:
            self._record(f.NoteWritten(text=f"a decision came for no open question: {mail.choice}", step=mail.step))
            return
        question, cancel = found
        answer = Answer(choice=mail.choice, values=mail.values, reason=mail.reason, source="inbox", actor=mail.actor)
        try:
            checked(question, answer)
        except UsageError as wrong:
            with self._lock:
                self._open[question.id] = found
            self._record(f.NoteWritten(text=f"a decision could not be taken: {wrong}", step=mail.step))
            return
        self._record(decision(question, answer))
        cancel.set("answered from outside")

    def stop(self) -> None:
        """Take back all open questions."""
        with self._lock:
            waiting = [cancel for _, cancel in self._open.values()]
        for cancel in waiting:
            cancel.set("stopped")


def choice_of(question: Question, choice: str) -> Choice | None:
    """Return the choice with this id, None if the question has none such."""
    return next((c for c in question.choices if c.id == choice), None)


def checked(question: Question, answer: Answer) -> Answer:
    """Return the answer if the question allows it. Raises UsageError with the possible ones."""
    found = choice_of(question, answer.choice)
    if found is None:
        words = ", ".join(c.id for c in question.choices)
        raise UsageError(
            f"{answer.choice} is no answer to this question", where=question.step, remedy=f"one of {words}"
        )
    if found.reason and not answer.reason.strip():
        raise UsageError(f"{answer.choice} needs a reason", where=question.step, remedy="give one with --reason")
    if found.typed and answer.source != "policy" and answer.values.get("typed") != found.typed:
        raise UsageError(
            f"{answer.choice} has to be confirmed", where=question.step,
            remedy=f"give the words with --typed {shell_words((found.typed,))}",
        )  # fmt: skip
    return answer


def decision(question: Question, answer: Answer) -> f.DecisionMade:
    """Return the fact of an answer."""
    values = {name: freeze(value) for name, value in answer.values.items()}
    return f.DecisionMade(
        question=question.id,
        kind=question.kind,
        step=question.step,
        places=list(question.places),
        choice=answer.choice,
        values=values,
        reason=answer.reason,
        source=answer.source,
        actor=answer.actor,
        digest=question.digest,
    )
