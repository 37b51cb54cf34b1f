"""Which sheet puts which question, and the sheet whose choices want values."""

from __future__ import annotations

from msgspec.structs import replace

from runbook.events.state import RunState
from runbook.model.question import Answer, Choice, Question
from runbook.model.scalar import Json
from runbook.text import one_line
from runbook.tui.dialogs.form import EditPrompt, FormPrompt, SecretPrompt, Values, can_edit, latest_arguments
from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.dialogs.reason import ReasonSheet
from runbook.tui.dialogs.sheet import DEAF, Sheet
from runbook.tui.look import Look


class ValueSheet(Sheet):
    """A question some of whose choices want values."""

    def complete(self, choice: Choice, values: dict[str, Json], reason: str) -> None:
        """Ask for the values that the choice needs, then give the whole answer."""
        prompt = self._prompt(choice)
        if prompt is None:
            super().complete(choice, values, reason)
            return

        def done(more: Values | str | None) -> None:
            if more is None:
                return
            said: Values = ({"evidence": more} if more else {}) if isinstance(more, str) else more
            self.dismiss(Answer(choice=choice.id, values=values | said, reason=reason))

        self.app.push_screen(prompt, done)

    def _prompt(self, choice: Choice) -> PromptSheet[Values] | PromptSheet[str] | None:
        question = self.question
        match question.kind, choice.id:
            case "form", "answer":
                return FormPrompt(one_line(question.title, 200), self.look, question.fields)
            case "secret", "answer":
                return SecretPrompt(one_line(question.title, 200), self.look, question.fields)
            case "failure", "edit":
                return EditPrompt(question.step, self.look, latest_arguments(question, self.state), then="then retry")
            case "confirm", "edit":
                return EditPrompt(question.step, self.look, latest_arguments(question, self.state))
            case "manual", "done":
                return ReasonSheet("Evidence, if there is some", self.look, optional=True)
            case _:
                return None


def sheet_for(question: Question, look: Look, state: RunState, deaf: float = DEAF) -> Sheet:
    """Return the sheet that puts this question."""
    if question.kind == "secret" and not question.choices:
        question = replace(question, choices=(Choice("answer", "give it: it stays in memory"),))
    if not can_edit(question, state):
        question = replace(question, choices=tuple(c for c in question.choices if c.id != "edit"))
    return ValueSheet(question, look, state, deaf)
