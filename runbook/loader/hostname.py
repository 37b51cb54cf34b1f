"""How hosts, addresses and logins are written in an inventory, whatever its form."""

from __future__ import annotations

import re

HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+(%\w+)?")
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.@\\-]{0,63}")

DECLARED_LOCAL = "localhost"
"""The address of `local` where an inventory declares it, so that `all` means it too."""
