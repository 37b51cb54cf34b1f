"""Colours: every token can be read on every surface, in both themes."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import Theme

from runbook.events.status import RUN_STATUSES, STATUSES
from runbook.text.mark import mark_of
from runbook.tui.theme import DARK, LIGHT, SIXTEEN, THEMES

AA = 4.5
"""WCAG 2.1, success criterion 1.4.3: normal text."""

SURFACES = ("background", "surface", "panel", "selection", "well")
TEXTS = ("foreground", "muted", "accent", "pending", "live", "good", "bad", "doubt", "skipped", "back", "wait")


def colour(theme: Theme, token: str) -> Color:
    return Color.parse(theme.variables.get(token) or getattr(theme, token))


def contrast(one: Color, other: Color) -> float:
    """Return the ratio of WCAG 2.1, "contrast ratio"."""
    lights = sorted((luminance(one), luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour: Color) -> float:
    """Return "relative luminance" of WCAG 2.1."""
    parts = [part / 255 for part in colour.rgb]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("surface", SURFACES)
def test_every_text_is_readable_on_every_surface(theme: Theme, surface: str) -> None:
    found = {token: contrast(colour(theme, token), colour(theme, surface)) for token in TEXTS}

    assert {token: round(ratio, 1) for token, ratio in found.items() if ratio < AA} == {}


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_surfaces_differ(theme: Theme) -> None:
    colours = [colour(theme, surface).hex for surface in SURFACES]

    assert len(set(colours)) == len(SURFACES)


def test_black_on_white_has_the_contrast_that_the_guideline_says() -> None:
    assert contrast(Color.parse("#000000"), Color.parse("#ffffff")) == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_status_has_a_colour_in_every_theme(theme: Theme) -> None:
    tones = {mark_of(status).tone for status in (*STATUSES, *RUN_STATUSES)}

    assert tones <= set(theme.variables)


def test_sixteen_colours_are_those_of_the_terminal() -> None:
    own = ("foreground", "background", "surface", "panel", "accent", "primary", "success", "warning", "error")
    named = {*(getattr(SIXTEEN, token) for token in own), *SIXTEEN.variables.values()}

    assert {name for name in named if not name.startswith("ansi_")} == set()


def test_a_word_and_a_symbol_stand_beside_each_colour() -> None:
    marks = {status: mark_of(status) for status in (*STATUSES, *RUN_STATUSES)}

    assert [status for status, mark in marks.items() if not mark.symbol.strip() or not mark.ascii.isascii()] == []
