"""Asking the terminal for its background, before anything is drawn.

By OSC 11 of xterm ("Operating System Commands", https://invisible-island.net/xterm/ctlseqs/ctlseqs.html), followed by
a request that every terminal answers (DA1): when that answer is there, the other one has come or never will.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Mapping

PATIENCE = 0.1
"""Seconds: a terminal on this machine answers in a few milliseconds, and the first picture shall not wait for one."""

_ASK = b"\x1b]11;?\x1b\\\x1b[c"
_BACKGROUND = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_END = re.compile(rb"\x1b\[\?[0-9;]*c")
ABLE = ("xterm", "tmux", "screen", "alacritty", "foot", "kitty", "wezterm", "konsole", "rxvt", "vte", "ghostty")


def is_light(environment: Mapping[str, str] = os.environ) -> bool | None:
    """Tell whether the background of the terminal is light; None if it does not say.

    Not asked over a plain SSH connection: an answer that comes late would be taken for keys.
    """
    is_far = "SSH_CONNECTION" in environment and "TMUX" not in environment
    if is_far or not environment.get("TERM", "").startswith(ABLE) or not sys.stdin.isatty():
        return None
    try:
        return lightness(_answer())
    except OSError:
        return None


def lightness(answer: bytes) -> bool | None:
    """Read the answer: by relative luminance, as WCAG 2 defines it; None if it holds no colour."""
    found = _BACKGROUND.search(answer)
    if found is None:
        return None
    red, green, blue = (_linear(int(part, 16) / (16 ** len(part) - 1)) for part in found.groups())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _answer() -> bytes:
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    answer = b""
    try:
        tty.setcbreak(fd, termios.TCSANOW)
        os.write(sys.stdout.fileno(), _ASK)
        deadline = time.monotonic() + PATIENCE
        while not _END.search(answer):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                break
            answer += os.read(fd, 1024)
    finally:
        termios.tcsetattr(fd, termios.TCSANOW, before)
    return answer
