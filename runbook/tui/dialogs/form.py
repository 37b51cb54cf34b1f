"""Prompts for values: the fields of a form, secrets, the arguments of an edit before a retry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from textual import on
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from runbook.errors import UsageError
from runbook.events.plain import thaw
from runbook.events.state import RunState
from runbook.loader import SecretRef, value_from_text
from runbook.model.playbook import Param
from runbook.model.question import Question
from runbook.model.scalar import Json
from runbook.text import one_line, reveal
from runbook.tui.dialogs.prompt import PromptSheet
from runbook.tui.look import Look, muted

Values = dict[str, Json]

MOST = 10_000
"""Characters of an argument that can be edited on one line; each key moves all of them."""


def _plain(value: Json | SecretRef) -> Json:
    return value.text() if isinstance(value, SecretRef) else value


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class FormPrompt(PromptSheet[Values]):
    """Asks for the fields of a form, each checked as it is typed."""

    def __init__(self, title: str, look: Look, fields: Mapping[str, Param]) -> None:
        """Prepare for these fields."""
        super().__init__(title, look)
        self._fields = fields

    def fields(self) -> Iterable[Widget]:
        """One row per field."""
        with VerticalScroll(can_focus=False):
            for name, param in self._fields.items():
                start = "" if param.default is None else _text(param.default)
                yield Horizontal(
                    Label(Content(one_line(name, 30)), classes="label"),
                    Input(start, placeholder=one_line(param.help or param.type, 100), id=f"field-{name}"),
                    classes="field",
                )

    @on(Input.Changed)
    def _changed(self) -> None:
        wrong = self._wrong()
        self.say(Content.styled(wrong[1], "$wait") if wrong else muted("all values are good"))

    def _wrong(self) -> tuple[str, str] | None:
        """Return the first field whose value is not good, and what to write."""
        for name, param in self._fields.items():
            typed = self.query_one(f"#field-{name}", Input).value
            if param.choices and typed not in param.choices:
                return name, f"{name}: one of {one_line(', '.join(param.choices), 200)}"
            try:
                self._value(name)
            except UsageError as wrong:
                return name, one_line(f"{name}: {wrong.message}" + (f" {wrong.remedy}" if typed else ""), 300)
        return None

    def action_accept(self) -> None:
        """Take all values, or go to the first that is not good."""
        wrong = self._wrong()
        if wrong is not None:
            self.say(Content.styled(wrong[1], "$bad"))
            self.query_one(f"#field-{wrong[0]}", Input).focus()
            return
        self.dismiss({name: self._value(name) for name in self._fields})

    def _value(self, name: str) -> Json:
        """Return the value of a field; an empty one takes its default. Raises UsageError."""
        param, typed = self._fields[name], self.query_one(f"#field-{name}", Input).value
        if typed == "" and param.default is not None:
            return param.default
        return _plain(value_from_text(name, param, typed))


class SecretPrompt(PromptSheet[Values]):
    """Asks for secrets, without an echo; they are held in memory alone."""

    def __init__(self, title: str, look: Look, names: Iterable[str]) -> None:
        """Prepare for secrets of these names."""
        super().__init__(title, look)
        self._names = tuple(names)

    def fields(self) -> Iterable[Widget]:
        """One hidden row per secret."""
        for name in self._names:
            yield Horizontal(
                Label(Content(one_line(name, 30)), classes="label"),
                Input(password=True, id=f"field-{name}"),
                classes="field",
            )

    def on_mount(self) -> None:
        """Say where it goes."""
        super().on_mount()
        self.say(muted("kept in memory for this session, never written down"))

    def action_accept(self) -> None:
        """Take all of them; an empty one is none."""
        values: Values = {name: self.query_one(f"#field-{name}", Input).value for name in self._names}
        empty = next((name for name in self._names if not values[name]), None)
        if empty is not None:
            self.query_one(f"#field-{empty}", Input).focus()
            self.say(Content.styled(f"{empty} is empty", "$wait"))
            return
        self.dismiss(values)


class EditPrompt(PromptSheet[Values]):
    """Asks for other arguments of a step, and shows what is changed as a diff."""

    def __init__(self, step: str, look: Look, arguments: Mapping[str, Json], *, then: str = "") -> None:
        """Prepare with the arguments of the latest plan; secrets are shown by name and cannot be changed.

        `then` says what follows, if it is more than the question put anew.
        """
        super().__init__(f"Edit {one_line(step, 100)} once{f', {then}' if then else ''}", look)
        self._arguments = editable(arguments)
        self._long = {name: _size(arguments[name]) for name in too_long(arguments)}
        self._step = one_line(step, 100)

    def fields(self) -> Iterable[Widget]:
        """One row per argument, and the diff."""
        with VerticalScroll(can_focus=False):
            for number, (name, value) in enumerate(self._arguments.items()):
                yield Horizontal(
                    Label(Content(one_line(name, 30)), classes="label"),
                    Input(_written(value), id=f"field-{number}", max_length=MOST),
                    classes="field",
                )
            for name, size in self._long.items():
                said = f"{size} characters: too long for this line, and left as it is"
                yield Horizontal(
                    Label(Content(one_line(name, 30)), classes="label"), Static(muted(said)), classes="field"
                )
        if self._long:
            name = one_line(next(iter(self._long)), 30)
            other = f"To change it: runbook decide RUN {self._step} edit --set {name}=…, from another terminal."
            yield Static(muted(other), classes="hint")
        yield Static(id="diff", classes="well")

    def changes(self) -> Values:
        """Return the arguments that differ, in the type of the old value: text stays text, all else is JSON."""
        found: Values = {}
        for number, (name, old) in enumerate(self._arguments.items()):
            typed = self.query_one(f"#field-{number}", Input).value
            if typed != _written(old):
                found[name] = _read(typed, old)
        return found

    def _wrong(self) -> str:
        """Return the first text of more than one line that is not written as it has to be."""
        for number, (name, old) in enumerate(self._arguments.items()):
            typed = self.query_one(f"#field-{number}", Input).value
            if _is_quoted(old) and not _is_text(typed):
                return f"{one_line(name, 30)}: write it in quotes, as it stood there: \\n ends a line."
        return ""

    @on(Input.Changed)
    def _changed(self) -> None:
        rows: list[Content] = []
        for name, value in self.changes().items():
            before, after = differing(_written(self._arguments[name]), _written(value))
            rows.append(Content.styled(f"- {name} = {reveal(before)}", "$bad"))
            rows.append(Content.styled(f"+ {name} = {reveal(after)}", "$good"))
        self.query_one("#diff", Static).update(Content("\n").join(rows) if rows else muted("nothing is changed yet"))
        wrong = self._wrong()
        void = "approvals of this step are void then; the run is marked as deviated"
        self.say(Content.styled(wrong, "$wait") if wrong else muted(void))

    def action_accept(self) -> None:
        """Take the changes; without one there is nothing to take."""
        changes, wrong = self.changes(), self._wrong()
        if wrong:
            self.say(Content.styled(wrong, "$wait"))
        elif changes:
            self.dismiss(changes)
        else:
            self.say(Content.styled("Nothing is changed yet. Esc leaves it as it is.", "$wait"))


def editable(arguments: Mapping[str, Json]) -> dict[str, Json]:
    """Return the arguments that can be written anew on a line: no secrets, and nothing that is too long for it."""
    return {name: value for name, value in arguments.items() if not _is_secret(value) and _size(value) <= MOST}


def too_long(arguments: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the arguments that are only too long to be edited."""
    return tuple(name for name, value in arguments.items() if not _is_secret(value) and _size(value) > MOST)


def can_edit(question: Question, state: RunState) -> bool:
    """Tell whether the step of a question has anything that can be edited, or be told how."""
    known = latest_arguments(question, state)
    return bool(editable(known) or too_long(known))


def _size(value: Json) -> int:
    return len(value) if isinstance(value, str) and len(value) > MOST else len(_written(value))


def _is_secret(value: Json) -> bool:
    return isinstance(value, dict) and set(value) == {"secret"}


def _is_quoted(value: Json) -> bool:
    """Tell whether a text has to be written in quotes: it has lines, or other signs that no line can show."""
    return isinstance(value, str) and not value.isprintable()


def _written(value: Json) -> str:
    """Return a value as it stands in its field."""
    return json.dumps(value, ensure_ascii=False) if _is_quoted(value) else _text(value)


def _read(typed: str, old: Json) -> Json:
    """Return the value that was written: in the type of the old one, text stays text."""
    return typed if isinstance(old, str) and not _is_quoted(old) else _json(typed)


AROUND = 60
"""Characters that a diff shows before and behind what differs."""


def differing(before: str, after: str) -> tuple[str, str]:
    """Return both texts with what is the same at either end left out, as far as it is long."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return _around(before, start, end), _around(after, start, end)


def _around(text: str, start: int, end: int) -> str:
    first, last = max(start - AROUND, 0), len(text) - max(end - AROUND, 0)
    return ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")


def latest_arguments(question: Question, state: RunState) -> Mapping[str, Json]:
    """Return the arguments of what was planned last for a question, those of its first place, and edits since then."""
    edited = state.edits.get(question.step, {})
    for place in question.places:
        planned = state.at(question.step, place).planned
        if planned is not None:
            return {name: thaw(value) for name, value in (planned.arguments | edited).items()}
    return {name: thaw(value) for name, value in edited.items()}


def _is_text(typed: str) -> bool:
    try:
        return isinstance(json.loads(typed), str)
    except ValueError:
        return False


def _json(typed: str) -> Json:
    try:
        found: Json = json.loads(typed)
    except ValueError:
        return typed
    return found
