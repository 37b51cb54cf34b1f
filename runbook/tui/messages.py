"""What the screens tell the application: wishes that lead to another screen, or to a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from runbook.model.question import Answer
from runbook.session.order import Order
from runbook.tui.bridge import Asked

if TYPE_CHECKING:
    from runbook.session.library import OpenLoop
    from runbook.session.result import Held


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


class DemoWanted(Message):
    """Stage an incident in a shop of our own, and open its playbook."""

    def __init__(self, incident: str = "") -> None:
        super().__init__()
        self.incident = incident


class BeginWanted(Message):
    """Open the run of this order; nothing is executed by it alone."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order


class ResumeWanted(Message):
    """Go on with a run from its journal; with a reason, targets are taken over that another run holds."""

    def __init__(self, run: str, take_over: str = "") -> None:
        super().__init__()
        self.run = run
        self.take_over = take_over


class HolderWanted(Message):
    """Ask what to do about a target that another run holds."""

    def __init__(self, run: str, held: Held) -> None:
        super().__init__()
        self.run = run
        self.held = held


class UndoWanted(Message):
    """Walk a resting run back, all of it or one step."""

    def __init__(self, run: str, step: str = "", target: str = "") -> None:
        super().__init__()
        self.run = run
        self.step = step
        self.target = target


class HandoverWanted(Message):
    """Hand a resting run over to somebody else."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class HandedOver(Message):
    """A run goes on elsewhere from here on."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class ReviewWanted(Message):
    """Show the record of a run."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run


class QuestionAnswered(Message):
    """A question that the run screen put was answered there."""

    def __init__(self, asked: Asked, answer: Answer) -> None:
        super().__init__()
        self.asked = asked
        self.answer = answer


class QuestionWanted(Message):
    """Open the question that was put aside."""


class StopWanted(Message):
    """Stop the running step, and look whether it did; wanted twice, leave at once."""


class NoteWanted(Message):
    """Put a note on record."""

    def __init__(self, run: str, text: str, step: str = "") -> None:
        super().__init__()
        self.run = run
        self.text = text
        self.step = step


class UsualWanted(Message):
    """Look what the steps of a playbook took in earlier runs."""

    def __init__(self, playbook: str, run: str) -> None:
        super().__init__()
        self.playbook = playbook
        self.run = run


class HealthWanted(Message):
    """Look how the hosts of the run are."""


class PagerWanted(Message):
    """Show the whole output of a step in one place in a pager."""

    def __init__(self, run: str, step: str, target: str) -> None:
        super().__init__()
        self.run = run
        self.step = step
        self.target = target


class Woken(Message):
    """Something came over the bridge; many of them are one."""

    def can_replace(self, message: Message) -> bool:
        """Let one stand for all that wait."""
        return isinstance(message, Woken)


class CarrierEnded(Message):
    """The carried session came to a rest, or could not go on."""
