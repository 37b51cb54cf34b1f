"""The field for the text of an alert: what is pasted into it, however many lines, becomes one."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Input

from runbook.text import one_line

MOST = 2000
"""Characters that are kept of an alert."""


class AlertInput(Input):
    """One line of text, in which the arrow keys up and down lead out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "submit('prepare')", "prepare", id="alert.prepare", tooltip="Values, targets, what would change"
        ),
        Binding("enter", "submit('demo')", "open the demo", id="alert.demo", tooltip="A broken shop on this machine"),
        Binding("enter", "submit('')", "", show=False, id="alert.enter", tooltip="Nothing to open"),
        Binding("down", "leave(1)", "list", id="alert.down", tooltip="To the list of playbooks"),
        Binding("ctrl+q", "app.leave", "leave", id="alert.quit", tooltip="Leave; q is a letter here"),
        Binding("up", "leave(-1)", "open loops", show=False, id="alert.up", tooltip="To what is open"),
    ]

    class Left(Message):
        """The operator wants to go on, upwards (-1) or downwards (1)."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def __init__(self, placeholder: str, id: str) -> None:  # noqa: A002
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=False)
        self._held: list[events.Key | events.Paste] | None = None
        """What was typed since Enter, while nobody has said where that leads; None while nobody has to."""

    leads_to: reactive[str] = reactive("")
    """What Enter opens: `prepare`, `demo`, or nothing."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Call Enter what it is."""
        return parameters[0] == self.leads_to if action == "submit" else True

    def watch_leads_to(self) -> None:
        """Offer what Enter does now."""
        self.refresh_bindings()

    async def action_submit(self, _leads_to: str = "") -> None:
        """Tell; the screen knows which playbook is meant."""
        await super().action_submit()

    async def on_key(self, event: events.Key) -> None:
        """Hold what is typed behind Enter until it is known where that led: it is not a part of the alert."""
        if self._held is not None:
            self._held.append(event)
        elif event.key == "enter":
            self._held = []
            await self.action_submit()
        else:
            return
        event.stop()
        event.prevent_default()

    def go_on(self, here: bool) -> int:
        """Take what was typed behind Enter, if one is still here; return how many pastes have no place."""
        held, self._held = self._held or [], None
        for event in held if here else ():
            event.stop(False)
            event.prevent_default(False)
            self.post_message(event)
        return 0 if here else sum(isinstance(event, events.Paste) for event in held)

    def action_leave(self, by: int) -> None:
        """Tell."""
        self.post_message(self.Left(by))

    def on_paste(self, event: events.Paste) -> None:
        """Take all lines of what was pasted, as one."""
        event.prevent_default()
        event.stop()
        if self._held is not None:
            self._held.append(event)
            return
        # A terminal sends what was pasted with the line ends of a typist.
        text = one_line("\n".join(event.text.splitlines()), MOST, mark=" ")
        if self.selection.is_empty:
            before = self.value[: self.cursor_position]
            self.insert_text_at_cursor(f" {text}" if before and not before.endswith(" ") else text)
        else:
            self.replace(text, *self.selection)
