"""The health of hosts: load, memory and disk with what is normal for them, as far as it is known."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from runbook.text import one_line, size_text
from runbook.tui.presenter.words import Row, bold, fit, muted, plain


class Health(Struct, frozen=True):
    """What was seen of a host."""

    load: float
    """Average of the last minute."""
    cores: int
    memory_free: int
    memory: int
    """Bytes."""
    disk_free: int
    disk: int
    """Bytes of the file system of `/`."""


def health_rows(seen: Mapping[str, Health]) -> list[Row]:
    """Return a row per host; hosts of which nothing is known are not listed."""
    if not seen:
        return []
    rows: list[Row] = [(muted(fit("HOSTS", 12)), muted("load of cores   memory free   disk free"))]
    for host, health in seen.items():
        busy = health.load > health.cores
        rows.append(
            (
                plain(fit(one_line(host, 40), 12)),
                (f"{health.load:>5.2f}", "bold $wait" if busy else "bold"),
                muted(f" of {health.cores:<3}  "),
                _free(health.memory_free, health.memory, 12),
                plain("  "),
                _free(health.disk_free, health.disk, 10),
            )
        )
    return [tuple(row) for row in rows]


def _free(free: int, total: int, cells: int) -> tuple[str, str]:
    text = f"{size_text(free):>{cells}}"
    return (text, "bold $wait") if total and free * 10 < total else bold(text)
