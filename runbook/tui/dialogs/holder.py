"""A target that another run holds: leave it to them, look at that run, or take over with a reason."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from runbook.session.result import Held
from runbook.tui.dialogs.menu import MenuSheet
from runbook.tui.look import Look, line
from runbook.tui.presenter.sheet import Offer

LOOK, TAKE = "look", "take"


class HolderSheet(MenuSheet):
    """Gives `look`, `take`, or nothing to leave it to them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "leave it", id="holder.leave", tooltip="Leave the target to the other run")
    ]

    def __init__(self, look: Look, held: Held, *, known: bool, live: bool) -> None:
        """Prepare.

        Args:
            look: what the terminal can draw.
            held: who holds the target.
            known: the record of that run lies here.
            live: it goes on.
        """
        super().__init__(look, "Another run holds the target", f"{line(held.told)}.", holder_offers(held, known, live))


def holder_offers(held: Held, known: bool, live: bool) -> tuple[Offer, ...]:
    """Return what can be done about a target that another run holds; the first changes nothing."""
    found = [Offer("", "l", "leave it to them", "this run can be resumed any time")]
    if known:
        found.append(Offer(LOOK, "w", "look at that run", "follows it, read only" if live else "its record"))
    if held.free:
        price = "with a reason, on record; that run changes nothing more there"
        found.append(Offer(TAKE, "T", "take over", price))
    return tuple(found)
