"""One field of a form: its name, where it is typed, what is thought of it, and below it what to write."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import ClassVar

from rich.highlighter import Highlighter
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

from runbook.tui.look import Look, line
from runbook.tui.presenter.filling import is_reference
from runbook.tui.presenter.words import Row
from runbook.tui.widgets.line_input import LineInput, give
from runbook.tui.widgets.picker import Picker


class _Stars(Highlighter):
    """Hides what is typed, unless it only says where a secret is."""

    def highlight(self, text: Text) -> None:
        """Put stars in the place of the text."""
        if not is_reference(text.plain):
            text.plain = "*" * len(text.plain)


class _Paths(Suggester):
    """Completes the path of a file on this machine."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the first file or folder that begins as the value does."""
        folder, _, begun = value.rpartition("/")
        place = f"{folder}/" if "/" in value else "."
        return await asyncio.to_thread(_first, place, value[: len(value) - len(begun)], begun)


def _first(place: str, before: str, begun: str) -> str | None:
    try:
        with os.scandir(Path(place).expanduser()) as entries:
            found = sorted((e.name, e.is_dir()) for e in entries if e.name.startswith(begun))
    except OSError:
        return None
    for name, is_folder in found:
        if (begun or not name.startswith(".")) and name.isprintable():
            return f"{before}{name}{'/' if is_folder else ''}"
    return None


class FieldInput(LineInput):
    """Where a value is typed; it can be put back as it was found."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "next to fix", id="field.next", tooltip="The next value to fix, then begin"),
        Binding("up", "leave(-1)", "field above", show=False, id="field.up", tooltip="The field above"),
        Binding("down", "leave(1)", "field below", show=False, id="field.down", tooltip="The field below"),
        Binding("ctrl+y", "put_back", "put back", show=False, id="field.back", tooltip="The value as it was found"),
    ]

    def __init__(self, value: str, placeholder: str, *, secret: bool, path: bool) -> None:
        super().__init__(
            value,
            placeholder,
            highlighter=_Stars() if secret else None,
            suggester=_Paths() if path else None,
            compact=True,
            select_on_focus=False,
        )
        self._found = value

    def pass_on(self, target: Widget, in_sight: bool) -> int:
        """Give what is held to where the focus is; return how many pastes have no place there.

        `in_sight` is whether that stood on the screen already when Enter was pressed.
        """
        lost = 0
        for event in self.take_held():
            if isinstance(event, events.Paste):
                if not (in_sight and isinstance(target, FieldInput)):
                    lost += 1
                    continue
            elif event.is_printable and not isinstance(target, FieldInput):
                # Text is no key: what has the focus would act on it.
                continue
            give(event, target)
        return lost

    def action_put_back(self) -> None:
        """Show again what was found."""
        self.value = self._found


class FieldRow(Vertical):
    """A field; what is typed is told at once."""

    class Edited(Message):
        """The value of a field is another one."""

        def __init__(self, name: str, text: str) -> None:
            super().__init__()
            self.name = name
            self.text = text

    class Done(Message):
        """Enter was pressed in a field."""

    def __init__(
        self,
        name: str,
        value: str,
        look: Look,
        *,
        words: tuple[str, ...] = (),
        placeholder: str = "",
        secret: bool = False,
        path: bool = False,
    ) -> None:
        """Build a field.

        Args:
            name: what it is told by; a colon at its beginning is not shown.
            value: what stands in it.
            look: what the terminal can draw.
            words: the accepted words, if there are only a few.
            placeholder: shown while it is empty.
            secret: what is typed is hidden.
            path: it names a file on this machine, which is completed.
        """
        super().__init__(classes="field")
        self.field = name
        self._look = look
        self._words = words
        self._value = value
        self._placeholder = placeholder
        self._secret = secret
        self._path = path
        self._message: Row = ()

    def compose(self) -> ComposeResult:
        """Build the row and what is told below it."""
        editor = (
            Picker(self._words, self._value)
            if self._words
            else FieldInput(self._value, line(self._placeholder, 80), secret=self._secret, path=self._path)
        )
        yield Horizontal(
            Static(line(self.field.removeprefix(":"), 40), classes="name", markup=False),
            editor,
            Static(classes="verdict"),
            classes="row",
        )
        yield Static(classes="message")

    @property
    def editor(self) -> Input | Picker:
        """Where it is typed."""
        return self.query_one(Picker) if self._words else self.query_one(FieldInput)

    def pass_on(self, target: Widget, in_sight: bool) -> int:
        """Give what was typed behind Enter to where the focus is; return how many pastes have no place there."""
        return sum(field.pass_on(target, in_sight) for field in self.query(FieldInput))

    def tell(self, verdict: Row, message: Row, *, wrong: bool) -> None:
        """Show what is thought of the value; what is wrong always, what it is for only while it has the focus."""
        self.query_one(".verdict", Static).update(self._look.row(verdict))
        self.query_one(".message", Static).update(self._look.row(message))
        self.set_class(bool(message), "-told")
        self.set_class(wrong, "-wrong")

    def align(self, room: int) -> None:
        """Leave so many columns for the name, so that all fields of a form begin below each other."""
        self.query_one(".name", Static).styles.width = room
        self.query_one(".message", Static).styles.margin = (0, 0, 0, room)

    def put(self, value: str) -> None:
        """Show another value, without telling that it was typed."""
        editor = self.editor
        if editor.value != value:
            with editor.prevent(Input.Changed, Picker.Changed):
                editor.value = value

    @on(Input.Changed)
    @on(Picker.Changed)
    def _changed(self, event: Input.Changed | Picker.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self.field, event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Done())
