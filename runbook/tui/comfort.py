"""What every screen offers besides its own: help, palette, the user's keys, colours and bell.

The base of the application. Knows bindings and preferences; leaves runs and screens to `app`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

from textual.actions import ActionParseResult
from textual.app import App
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import Screen

from runbook.errors import ConfigError
from runbook.model.fault import did_you_mean
from runbook.session.preference import Preferences
from runbook.tui.commands import Command, Do, of_keys
from runbook.tui.dialogs.help import HelpSheet
from runbook.tui.dialogs.modal import Modal
from runbook.tui.dialogs.palette import PaletteSheet
from runbook.tui.look import Look
from runbook.tui.presenter.keys import Key
from runbook.tui.screens.base import Frame
from runbook.tui.theme import DARK, LIGHT, SIXTEEN

COLOURS = {"dark": DARK.name, "light": LIGHT.name, "16": SIXTEEN.name}
"""Themes by the words of the preferences."""

_MOVES = ("list.", "scroll.", "alert.", "field.", "picker.", "views.", "palette.", "help.")
"""Bindings that only move: they are in the help, and not in the palette."""

ROOMS = (
    *("screens.prepare", "screens.run", "dialogs.question", "screens.review"),
    *("dialogs.quit", "dialogs.handover", "dialogs.undo_loop", "dialogs.whole_diff"),
)
"""Modules of screens and sheets that are loaded after the first paint."""


class Comfort(App[int]):
    """An application with help and palette."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", id="help", tooltip="The keys of where you are"),
        Binding("f1", "help", "help", id="help.f1", tooltip="The keys of where you are"),
        Binding("ctrl+p", "command_palette", "palette", id="palette", tooltip="Everything by its name"),
    ]
    look: Look
    preferences = Preferences()

    def prefer(self, preferences: Preferences) -> None:
        """Take what the user wants. Raises ConfigError for an id of a key that there is not."""
        if preferences.keymap:
            # The keys of a screen are known once it is loaded.
            self._warm_up()
        known = sorted(binding_ids())
        for name in preferences.keymap:
            if name not in known:
                remedy = did_you_mean(name, known) or "help (`?`) shows the keys; ids are like prepare.rehearse"
                raise ConfigError(f"keymap: there is no key named {name}", where=preferences.path, remedy=remedy)
        self.preferences = preferences
        self.set_keymap(preferences.keymap)
        if preferences.theme in COLOURS:
            self.wear(COLOURS[preferences.theme])

    def _warm_up(self) -> None:
        """Load what the first paint can do without."""
        for room in ROOMS:
            import_module(f"runbook.tui.{room}")

    def bell(self) -> None:
        """Ring, unless the user wants quiet."""
        if self.preferences.bell:
            super().bell()

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key says, unless it is for a sheet that is not there yet, or for what others lie over by now."""
        around = default_namespace.ancestors_with_self if default_namespace is not None else ()
        if any(isinstance(place, Screen) and place is not self.screen for place in around):
            return True
        if any(isinstance(place, Modal) and not place.is_ready for place in around):
            return True
        return await super().run_action(action, default_namespace, namespaces)

    # --- help ---------------------------------------------------------------------------------------------------

    def _keys(self) -> Iterator[tuple[Key, Do]]:
        """Yield the keys that act now, those of the focus first."""
        for key, active in self.screen.active_bindings.items():
            binding = active.binding
            if not binding.tooltip or not active.enabled:
                continue
            where = "" if isinstance(active.node, App) else _name(active.node)
            found = Key(key, binding.action, binding.description, binding.tooltip, where)
            yield found, partial(self.run_action, binding.action, active.node)

    def action_help(self) -> None:
        """Show the keys of where one is."""
        if isinstance(self.screen, HelpSheet | PaletteSheet):
            return
        known = tuple(key for key, _ in self._keys())
        path = self.preferences.path or "tui.yaml, in your configuration folder"
        self.push_screen(HelpSheet(self.look, _name(self.screen), known, path))

    # --- palette ------------------------------------------------------------------------------------------------

    def offers(self) -> Iterable[Command]:
        """Return what the palette offers besides keys and colours."""
        return ()

    def action_command_palette(self) -> None:
        """Find everything by its name."""
        if isinstance(self.screen, HelpSheet | PaletteSheet):
            return
        keys = [(key, do) for key, do in self._keys() if not self._only_moves(key.key)]
        commands = (*self.offers(), *of_keys(keys), *self._colours())
        self.push_screen(PaletteSheet(self.look, commands), self._do)

    def _only_moves(self, key: str) -> bool:
        binding = self.screen.active_bindings[key].binding
        return (binding.id or "").startswith(_MOVES) or binding.action in ("help", "command_palette")

    def _colours(self) -> Iterator[Command]:
        for word, name in COLOURS.items() if not self.no_color else ():
            yield Command(
                "colours", f"{word} colours", "in use" if self.theme == name else "", partial(self.wear, name)
            )

    def wear(self, theme: str) -> None:
        """Change the colours; without any, only the theme that tells things apart by other means is good."""
        self.theme = SIXTEEN.name if self.no_color else theme

    async def _do(self, command: Command | None) -> None:
        if command is not None:
            done = command.do()
            if inspect.isawaitable(done):
                await done


def _name(node: DOMNode) -> str:
    """Return the name of a part of the screen, in words."""
    if isinstance(node, Frame):
        return node.MODE
    if isinstance(node, Screen):
        return "this dialog"
    if node.id in _PARTS:
        return _PARTS[node.id]
    return _PARTS.get(type(node).__name__, "the part in focus")


_PARTS = {
    "list": "the list",
    "runs": "the list of runs",
    "hosts": "the hosts",
    "filter": "the alert's text",
    "preview": "the preview",
    "rail": "the steps",
    "well": "the output",
    "spoken-well": "the output",
    "past-runs": "the list of runs",
    "run-filter": "the text to find",
    "find": "the text to find",
    "time-rows": "the timeline",
    "decisions": "the decisions",
    "records-list": "the records",
    "record": "the record",
    "radius": "the blast radius",
    "rehearsal": "the rehearsal",
    "FieldInput": "the field",
    "Picker": "the choice",
    "ChoiceMenu": "the choices",
    "Input": "the field",
    "ViewBar": "the views",
    "Begin": "begin",
    "LoopLine": "what is open",
}


def binding_ids() -> frozenset[str]:
    """Return the ids of all bindings of the interface."""
    found: set[str] = set()
    for kind in _kinds(DOMNode):
        written: Any = kind.__dict__.get("BINDINGS", ())
        found.update(each.id for each in written if isinstance(each, Binding) and each.id)
    return frozenset(found)


def _kinds(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for below in kind.__subclasses__():
        if below.__module__.startswith("runbook."):
            yield below
        yield from _kinds(below)
