"""One record of the journal for the eye: its head, and its JSON in rows that hide nothing and obey nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from runbook.events.timed import Timed
from runbook.session.review import KeptRecord
from runbook.text import duration_text, reveal
from runbook.tui.presenter.record import record_words
from runbook.tui.presenter.words import Row, bold, fit, muted, plain, shortened, wrapped

MOST = 4000
"""Rows of one record that are shown; the playbook's text can be longer."""


def head_rows(timed: Timed, at: float, kept: KeptRecord | None, cells: int, trouble: str = "") -> list[Row]:
    """Return what the record is, and its place in the chain."""
    what, about = record_words(timed.fact)
    rows: list[Row] = [
        shortened(
            (bold(f"record {timed.seq}"), muted(" · "), plain(timed.fact.type), muted(f" · {timed.fact.code}")), cells
        ),
        shortened((muted(f"{duration_text(at)} · {timed.time}"),), cells),
        shortened((plain(what), muted(f"  {about}" if about else "")), cells),
    ]
    if kept is not None:
        rows += [
            shortened((muted("sha256 "), plain(_grouped(kept.sha256, cells - 7))), cells),
            shortened((muted("prev   "), muted(_grouped(kept.prev, cells - 7))), cells),
        ]
    elif trouble:
        rows += wrapped((("! ", "$wait"), plain(trouble)), cells)
    return rows


def _grouped(digest: str, cells: int) -> str:
    """Return a digest, or as much of both its ends as there is room for."""
    if len(digest) <= cells:
        return digest
    part = max((cells - 3) // 2, 4)
    return f"{digest[:part]} … {digest[-part:]}"


def json_rows(line: str, cells: int) -> list[Row]:
    """Return a raw line as pretty JSON; long values go on in the next row, so that all of it can be read."""
    try:
        pretty = json.dumps(json.loads(line), indent=2, ensure_ascii=False)
    except ValueError:
        pretty = line
    rows: list[Row] = []
    for text in pretty.split("\n"):
        rows += _broken(reveal(text), cells)
        if len(rows) > MOST:
            return [*rows[:MOST], (muted("… the rest stands in the journal"),)]
    return rows


def _broken(text: str, cells: int) -> Iterator[Row]:
    indent = len(text) - len(text.lstrip())
    name, colon, value = text.partition('": ')
    row: Row = (muted(name + colon), plain(value)) if colon and name.lstrip().startswith('"') else (plain(text),)
    room = max(cells, 20)
    if sum(len(word) for word, _ in row) <= room // 2:
        yield row
        return
    yield from _chopped(row, room, min(indent + 2, room // 2))


def _chopped(row: Row, room: int, indent: int) -> Iterator[Row]:
    """Break a row anywhere: JSON may have no blank in a thousand characters."""
    from rich.cells import cell_len, chop_cells

    now: list[tuple[str, str]] = []
    left = room
    for text, style in row:
        rest = text
        while rest:
            if cell_len(rest) <= left:
                now.append((rest, style))
                left -= cell_len(rest)
                break
            piece = chop_cells(rest, left)[0] if left > 1 else ""
            if piece:
                now.append((piece, style))
            yield tuple(now)
            rest = rest[len(piece) :]
            now, left = [plain(" " * indent)], room - indent
    yield tuple(now)


def record_line(timed: Timed, at: float, cells: int) -> Row:
    """Return one record in a list."""
    what, about = record_words(timed.fact)
    return shortened((muted(f"{timed.seq:>4} {duration_text(at):>6} "), plain(fit(what, 9)), muted(f" {about}")), cells)
