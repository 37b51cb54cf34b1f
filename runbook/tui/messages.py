"""What the screens tell the application: wishes that lead to another screen, or to a run."""

from __future__ import annotations

from textual.message import Message

from runbook.session.library import OpenLoop
from runbook.session.order import Order


class PlaybookChosen(Message):
    """Prepare this playbook."""

    def __init__(self, playbook: str) -> None:
        """Tell; `playbook` is an id or a path."""
        super().__init__()
        self.playbook = playbook


class LoopChosen(Message):
    """Take up what an earlier run left open."""

    def __init__(self, loop: OpenLoop) -> None:
        super().__init__()
        self.loop = loop


class BeginWanted(Message):
    """Open the run of this order; nothing is executed by it alone."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order


class ResumeWanted(Message):
    """Go on with a run from its journal."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class UndoWanted(Message):
    """Walk a resting run back, all of it or one step."""

    def __init__(self, run: str, step: str = "", target: str = "") -> None:
        super().__init__()
        self.run = run
        self.step = step
        self.target = target


class ReviewWanted(Message):
    """Show the record of a run."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class Woken(Message):
    """Something came over the bridge; many of them are one."""

    def can_replace(self, message: Message) -> bool:
        """Let one stand for all that wait."""
        return isinstance(message, Woken)


class CarrierEnded(Message):
    """The carried session came to a rest, or could not go on."""
