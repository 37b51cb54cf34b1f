"""The health of hosts: load, memory and disk with what is normal for them, and since when it is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from runbook.model.host import LOCAL
from runbook.ports.health import Health
from runbook.session.health import Seen
from runbook.text import counted, duration_text, one_line, size_text
from runbook.tui.presenter.instrument import NAME, Instrument
from runbook.tui.presenter.words import Row, Word, bold, fit, muted, plain, said, shortened

_NAME = 12


def health_rows(seen: Mapping[str, Seen], active: Iterable[str], now: float, most: int) -> list[Row]:
    """Return a row per host under a head, those first that want a look; what finds no room is counted.

    Args:
        seen: what is known of each host.
        active: the hosts on which something is done.
        now: on the clock of what was seen, in seconds.
        most: rows for hosts.
    """
    if not seen:
        return []
    rows: list[Row] = [(muted(f"{'HOSTS':<{_NAME}}{'load of cores':<14}{'memory free':>12}{'disk free':>12}"),)]
    names = in_order(seen, active, now)
    kept = names if len(names) <= most else names[: max(most - 1, 0)]
    rows += [(plain(fit(called(name), _NAME)), *_row(seen[name], now)) for name in kept]
    if len(kept) < len(names):
        rows.append((muted(f"and {counted(len(names) - len(kept), 'more host')}"),))
    return rows


def shifted(seen: Mapping[str, Seen], by: float) -> dict[str, Seen]:
    """Return what was seen on a clock that is so many seconds ahead."""
    return {name: replace(one, at=one.at + by, until=one.until + by) for name, one in seen.items()}


def in_order(seen: Mapping[str, Seen], active: Iterable[str], now: float) -> tuple[str, ...]:
    """Return the hosts: those that fell silent or are short of something, those at work, the others, the unseen."""
    working = frozenset(active)

    def rank(name: str) -> int:
        one = seen[name]
        if one.health is not None and (now > one.until or _is_short(one.health)):
            return 0
        return 1 if name in working else 2 if one.health is not None else 3

    return tuple(sorted(seen, key=rank))


def _row(one: Seen, now: float) -> Row:
    health = one.health
    if health is None:
        return (muted("    no word yet"),)
    if now > one.until:
        return (plain("  "), ("? unknown", "$wait"), muted(f"  last seen {duration_text(now - one.at)} ago"))
    return (
        (f"{health.load:>5.2f}", "bold $wait" if health.load > health.cores else "bold"),
        muted(f" of {health.cores:<3}  "),
        _free(health.memory_free, health.memory, 12),
        plain("  "),
        _free(health.disk_free, health.disk, 10),
    )


def host_instruments(
    seen: Mapping[str, Seen], loads: Mapping[str, Iterable[float]], active: Iterable[str], now: float, most: int
) -> tuple[Instrument, ...]:
    """Return hosts as instruments, with their loads as bars, for where they have no room of their own.

    The last one tells how many more there are.
    """
    names = in_order(seen, active, now)
    shown = [_instrument(name, seen[name], tuple(loads.get(name, ())), now) for name in names[: max(most, 0)]]
    if shown and len(names) > len(shown):
        tail = f" +{len(names) - len(shown)} more"
        shown[-1] = replace(shown[-1], name=fit(shown[-1].name, NAME - len(tail)).rstrip() + tail)
    return tuple(shown)


def host_row(seen: Mapping[str, Seen], active: Iterable[str], now: float, cells: int) -> Row:
    """Return the host that wants a look first in one narrow row, with how many there are besides.

    A host that never told is left out.
    """
    known = {name: one for name, one in seen.items() if one.health is not None}
    if not known:
        return ()
    first, *others = in_order(known, active, now)
    one, tail = known[first], f" +{len(others)} more" if others else ""
    head: Row = (muted(fit("HOST", 7)), plain(fit(fit(called(first), NAME - len(tail)).rstrip() + tail, NAME)))
    health = one.health
    assert health is not None
    if now > one.until:
        return (*head, ("? unknown", "$wait"), muted(f"  last seen {duration_text(now - one.at)} ago"))
    busy, short = health.load > health.cores, _is_short(health)
    return shortened(
        (
            *head,
            ("! ", "bold $wait") if short else ("✓ ", said("succeeded")[1]),
            muted("load "), (f"{health.load:.2f}", "bold $wait" if busy else "bold"), muted(f" of {health.cores}"),
            muted(" · memory "), _share(health.memory_free, health.memory),
            muted(", disk "), _share(health.disk_free, health.disk), muted(" free"),
        ),
        cells,
    )  # fmt: skip


def called(name: str) -> str:
    """Return the name of a host, as people call it."""
    return "this machine" if name == LOCAL else one_line(name, 60)


def _share(free: int, total: int) -> Word:
    text = f"{free * 100 // total} %" if total else "unknown"
    return (text, "bold $wait") if total and free * 10 < total else bold(text)


def _instrument(name: str, one: Seen, loads: tuple[float, ...], now: float) -> Instrument:
    health, shown = one.health, called(name)
    if health is None:
        return Instrument("HOST", shown, (muted("no word yet"),), "", (), (), ())
    if now > one.until:
        since = (muted(f"last seen {duration_text(now - one.at)} ago"),)
        return Instrument("HOST", shown, (("? unknown", "$wait"),), "", (), since, loads)
    want = "! busy" if health.load > health.cores else "! short" if _is_short(health) else ""
    state: Word = (want, "bold $wait") if want else said("succeeded", "ok")
    free = (
        muted("memory "), _free(health.memory_free, health.memory), muted(", disk "),
        _free(health.disk_free, health.disk), muted(" free"),
    )  # fmt: skip
    limit = (muted("load, "), plain(counted(health.cores, "core")))
    return Instrument("HOST", shown, (state,), f"{health.load:.2f}", limit, free, loads, full=float(health.cores))


def _is_short(health: Health) -> bool:
    return health.load > health.cores or any(
        total and free * 10 < total
        for free, total in ((health.memory_free, health.memory), (health.disk_free, health.disk))
    )


def _free(free: int, total: int, cells: int = 0) -> Word:
    text = f"{size_text(free):>{cells}}"
    return (text, "bold $wait") if total and free * 10 < total else bold(text)
