"""The colours: dark, light, and one for terminals with the sixteen colours of their owner.

Every colour is a token; style sheets and `look` name tokens, never values. Contrast is tested, see WCAG 2.1,
success criterion 1.4.3 (https://www.w3.org/TR/WCAG21/#contrast-minimum).
"""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="runbook-dark",
    dark=True,
    primary="#74b9f5",
    accent="#74b9f5",
    foreground="#dde4ec",
    background="#0f1419",
    surface="#161c23",
    panel="#1f2730",
    success="#84cf8f",
    warning="#f0c05a",
    error="#ff8a80",
    variables={
        "selection": "#263340",
        "well": "#0a0e12",
        "rule": "#33404d",
        "muted": "#97a4b2",
        "pending": "#97a4b2",
        "live": "#5fd0e0",
        "good": "#84cf8f",
        "bad": "#ff8a80",
        "doubt": "#dda6f5",
        "skipped": "#b9ab92",
        "back": "#a5b4f7",
        "wait": "#f0c05a",
        "input-cursor-background": "#74b9f5",
        "input-cursor-foreground": "#0f1419",
        "input-selection-background": "#74b9f5 30%",
    },
)

LIGHT = Theme(
    name="runbook-light",
    dark=False,
    primary="#0a559c",
    accent="#0a559c",
    foreground="#1c2228",
    background="#f8f6f1",
    surface="#f0ede6",
    panel="#e5e1d8",
    success="#1d6332",
    warning="#7d4a00",
    error="#a8201a",
    variables={
        "selection": "#d9e4ee",
        "well": "#ffffff",
        "rule": "#c3bdb1",
        "muted": "#525c66",
        "pending": "#525c66",
        "live": "#00606b",
        "good": "#1d6332",
        "bad": "#a8201a",
        "doubt": "#7a2b9e",
        "skipped": "#645433",
        "back": "#3a4fa8",
        "wait": "#7d4a00",
        "input-cursor-background": "#0a559c",
        "input-cursor-foreground": "#f8f6f1",
        "input-selection-background": "#0a559c 30%",
    },
)

SIXTEEN = Theme(
    name="runbook-16",
    dark=True,
    ansi=True,
    primary="ansi_default",
    accent="ansi_bright_blue",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_bright_red",
    variables={
        "selection": "ansi_default",
        "well": "ansi_default",
        "rule": "ansi_default",
        "muted": "ansi_default",
        "pending": "ansi_default",
        "live": "ansi_cyan",
        "good": "ansi_green",
        "bad": "ansi_bright_red",
        "doubt": "ansi_bright_magenta",
        "skipped": "ansi_default",
        "back": "ansi_bright_blue",
        "wait": "ansi_yellow",
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border-blurred": "ansi_default",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "input-selection-background": "ansi_bright_blue",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_bright_blue",
        "screen-selection-foreground": "ansi_black",
    },
)
"""Surfaces vanish; what they say is said by reverse video, see `global.tcss` under `:ansi`."""

THEMES = (DARK, LIGHT, SIXTEEN)
