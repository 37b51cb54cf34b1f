"""The field for the text of an alert: what is pasted into it, however many lines, becomes one."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.reactive import reactive

from runbook.tui.widgets.line_input import LineInput, give


class AlertInput(LineInput):
    """The text of an alert; Enter is called what it does with it."""

    most = 2000

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

    def __init__(self, placeholder: str, id: str) -> None:  # noqa: A002
        super().__init__(placeholder=placeholder, id=id, compact=True, select_on_focus=False)

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

    def go_on(self, here: bool) -> int:
        """Take what was typed behind Enter, if one is still here; return how many pastes have no place."""
        held = self.take_held()
        for event in held if here else ():
            give(event, self)
        return 0 if here else sum(isinstance(event, events.Paste) for event in held)

    def insert_pasted(self, text: str) -> None:
        """Insert it as a word of its own."""
        before = self.value[: self.cursor_position]
        super().insert_pasted(f" {text}" if before and not before.endswith(" ") else text)
