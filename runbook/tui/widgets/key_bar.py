"""The last row of every screen: what is possible now."""

from __future__ import annotations

from textual.binding import Binding
from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from runbook.tui.look import Look

_NAMES = {
    "enter": "↵",
    "escape": "Esc",
    "tab": "Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "space": "Space",
    "question_mark": "?",
    "slash": "/",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}
GENERAL = ("find", "help", "command_palette")
"""Actions that stand at the right, on every screen; those behind `help` give way first, then those before it."""


def key_name(key: str, look: Look) -> str:
    """Return a key as people write it: `ctrl+p` is `^p`, a capital letter stays one."""
    first = key.partition(",")[0]
    if first.startswith("ctrl+"):
        return f"^{first[5:]}"
    return look.own(_NAMES.get(first, first if len(first) == 1 else first.upper()))


class KeyBar(Widget):
    """Draws the bindings that act now, most important first; an ellipsis tells that some did not fit."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        # The colours of links would cover those of the keys.
        self.auto_links = False

    def on_mount(self) -> None:
        """Follow what is possible."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def render(self) -> Content:
        """Draw the row."""
        every = (a.binding for a in self.screen.active_bindings.values() if a.binding.show and a.enabled)
        # Of several keys that do the same the first one is enough here; the help has them all.
        shown = list({(binding.action, binding.description): binding for binding in reversed([*every])}.values())[::-1]
        left = [self._item(b) for b in shown if b.action.rpartition(".")[2] not in GENERAL]
        general = {b.action.rpartition(".")[2]: self._item(b) for b in shown}
        right = [general[action] for action in GENERAL if action in general]
        room = self.size.width - 2
        if _length(left, right) > room and "help" in general:
            # There is more than what is shown: the help has it.
            right[right.index(general["help"])] = general["help"] = (
                Content("… " if self._look.unicode else "... ") + general["help"]
            )
        for action in ("command_palette", "find"):
            if action in general and len(right) > 1 and _length(left, right) > room:
                right.remove(general[action])
        while len(left) > 1 and _length(left, right) > room:
            left.pop()
        gap = Content("  ")
        one, other = gap.join(left), gap.join(right)
        return Content.assemble(" ", one, " " * max(room - one.cell_length - other.cell_length, 0), other)

    def _item(self, binding: Binding) -> Content:
        name = self._look.own(binding.key_display) if binding.key_display else key_name(binding.key, self._look)
        click = Style.from_meta({"@click": f"app.simulate_key({binding.key.partition(',')[0]!r})"})
        # A colour in reverse video is a block of that colour: there the bar has one colour alone.
        style = "bold" if self.app.current_theme.ansi else "bold $accent"
        return Content.assemble((name, style), " ", binding.description).stylize(click)


def _length(left: list[Content], right: list[Content]) -> int:
    return sum(item.cell_length + 2 for item in (*left, *right))
