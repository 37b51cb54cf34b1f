"""How far the run is: the line under the now line, and how much time is left."""

from __future__ import annotations

from msgspec import Struct

from runbook.events.state import RunState
from runbook.events.status import BAD, SETTLED
from runbook.model.plan import Plan
from runbook.tui.presenter.place import places

_OVER = (*SETTLED, *BAD, "undo_failed")


class Progress(Struct, frozen=True):
    """Places of steps that are over, that run, and all of them."""

    over: int = 0
    active: int = 0
    bad: int = 0
    of: int = 0

    def cells(self, room: int) -> tuple[int, int, int]:
        """Return how many cells are over, bad and active.

        What runs has one at least, and half of its share: a line is full when all is over, and not before.
        """
        if not self.of:
            return 0, 0, 0
        most = room if self.over == self.of else max(room - 1, 0)
        bad = min(-(-self.bad * room // self.of), most)
        active = min(-(-self.active * room // (2 * self.of)), most - bad)
        over = min((self.over - self.bad) * room // self.of, most - bad - active)
        return max(over, 0), bad, active


def progress(plan: Plan, state: RunState) -> Progress:
    """Count the places of all steps."""
    over = active = bad = of = 0
    for unit in plan.units:
        for step in unit.steps:
            for place in places(unit, step):
                status = state.at(step.id, place).status
                of += 1
                over += status in _OVER
                bad += status in BAD or status == "undo_failed"
                active += status in ("running", "verifying", "undoing", "waiting", "in_doubt")
    return Progress(over, active, bad, of)


def left(done: int, total: int, elapsed: float) -> float | None:
    """Return the seconds that are left if it goes on as it went; None while that is a guess.

    The first twentieth and the first five seconds tell too little.
    """
    if elapsed < 5 or total <= 0 or done * 20 < total or done > total:
        return None
    return elapsed * (total - done) / done
