"""Two operations that give a file a content: write one that was worked out here, and put a kept copy back.

What a copy has besides its content (mode, owner, times) comes back with it. Whether the file should be changed is
known to the action; what became of an interrupted operation is told by `file_operation.settle_present`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO

from runbook.actions.capture import change, require_exit
from runbook.actions.file_operation import Spot
from runbook.actions.file_state import SUM, look
from runbook.actions.file_verdict import describe
from runbook.actions.form import script
from runbook.errors import ActionError, DispatchRefused
from runbook.model.scalar import Json
from runbook.ports.action import Work
from runbook.ports.target import Cmd, OpKey, Reader

_PUT_BACK = (
    SUM
    + r"""
settle() { sync "$1" 2>/dev/null || sync; }
f=$1 copy=$2 before=$3 after=$4
if [ -L "$f" ]; then echo "$f is a symbolic link" >&2; exit 65; fi
have=none
if [ -f "$f" ]; then have=$(sum < "$f") || exit; elif [ -e "$f" ]; then have=other; fi
# Without a copy nothing was begun: a copy is complete before anything else is.
if [ "$have" = "$before" ] && [ ! -e "$copy" ]; then exit 0; fi
case $have in
  "$before" | "$after") ;;
  *) echo "$f was changed by somebody else and is not overwritten" >&2; exit 65 ;;
esac
umask 077
part=${f%/*}/.${f##*/}.runbook
rm -f -- "$part/copy"; rmdir -- "$part" 2>/dev/null
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
mkdir -- "$part" || exit
trap 'rm -f -- "$part/copy"; rmdir -- "$part"' EXIT
cp -p -- "$copy" "$part/copy" || exit
if [ "$(sum < "$part/copy")" != "$before" ]; then
  echo "$copy is damaged; nothing was changed" >&2; exit 65
fi
settle "$part/copy"
mv -f -- "$part/copy" "$f" || exit
settle "${f%/*}/"
"""
)
# A folder of our own, made by mkdir, keeps others from planting a link under the name of the part.


def write_file(
    work: Work, name: str, spot: Spot, expected: str, content: Callable[[], bytes], *, mode: int | None = None
) -> None:
    """Give the file at the spot its content as one operation, with one rename; owner and mode of a file stay.

    `expected` is the SHA-256 of what is there, empty if there is no file; `mode` is that of a new one. `content` is
    asked for only if something is to be written. Raises ActionError, with the file untouched, if something else is
    there, the content has not the SHA-256 of the spot, or the target refuses.
    """

    def body(key: OpKey) -> Mapping[str, Json]:
        if not _differs(work.target, spot, expected):
            return {"sha256": spot.sha256}
        data = content()
        if sha256(data).hexdigest() != spot.sha256:
            raise ActionError("what is to be written is not what was planned", where=spot.path, remedy="look again")
        _differs(work.target, spot, expected)
        try:
            digest = work.target.put(BytesIO(data), spot.path, key, mode=mode, sudo=spot.sudo)
        except DispatchRefused as refused:
            raise ActionError(refused.message, where=spot.path, remedy=refused.remedy) from refused
        if digest.sha256 != spot.sha256:
            raise ActionError(f"{spot.path} did not receive what was sent", where=key.target, remedy="look at the file")
        return {"sha256": digest.sha256}

    intent: dict[str, Json] = {"do": "write", "path": spot.path, "sha256": spot.sha256, "instead_of": expected}
    work.op(name, intent, body)


def put_back(work: Work, name: str, path: str, kept: Spot, after: str) -> None:
    """Put a kept copy in the place of a file as one operation, with its mode, owner and times.

    `after` is the SHA-256 that the file may have now. Raises ActionError, with the file untouched, if it has neither
    that content nor the kept one, or the copy is damaged.
    """

    def body(key: OpKey) -> Mapping[str, Json]:
        argv = script(_PUT_BACK, path, kept.path, kept.sha256, after)
        got = change(work, key, Cmd(argv, timeout=kept.timeout, sudo=kept.sudo, files=True))
        require_exit(got, f"putting {path} back", where=key.target)
        return {"sha256": kept.sha256}

    intent: dict[str, Json] = {"do": "put back", "path": path, "from": kept.path, "sha256": kept.sha256}
    work.op(name, {**intent, "instead_of": after}, body)


def _differs(t: Reader, spot: Spot, expected: str) -> bool:
    """Return whether the file has yet to be written. Raises ActionError if it is neither as expected nor as wanted."""
    now = look(t, spot.path, sudo=spot.sudo, timeout=spot.timeout).file
    if now.kind == "file" and now.sha256 == spot.sha256 and not now.link:
        return False
    if not now.link and (now.kind == "missing" if not expected else now.sha256 == expected):
        return True
    raise ActionError(
        f"{spot.path} was changed by somebody else and is not overwritten: {describe(now)}",
        where=t.host.name,
        remedy="look at it, then inspect again",
    )
