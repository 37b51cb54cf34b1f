"""The two operations of a refresh that are its own: build the cache, and lead a soname to its file.

A build goes to a new file that replaces the cache by one rename (ldconfig(8)), with `-X`: without it, ldconfig would
also make and remove links in every folder of the search path, which no undo could follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from runbook.actions.capture import answer, change, require_exit
from runbook.actions.file_operation import still_open
from runbook.actions.file_state import FileState, look
from runbook.actions.file_verdict import describe
from runbook.actions.form import C_LOCALE, script
from runbook.actions.ldconfig_tool import ToolWith
from runbook.errors import ActionError
from runbook.model.scalar import Json
from runbook.ports.action import Done, NotDone, OpenOp, Settlement, Unknown, Work
from runbook.ports.target import Cmd, JobFinished, NoJob, OpKey, Reader

_HAVE = r"""
LC_ALL=C; export LC_ALL
have() {
  if [ -L "$1" ]; then echo "=$(readlink -- "$1")"; elif [ -e "$1" ]; then echo other; else echo none; fi
}
"""
_LINK = (
    _HAVE
    + r"""
f=$1 from=$2 to=$3
case $(have "$f") in
  "$to") exit 0 ;;
  "$from") ;;
  *) echo "$f was changed by somebody else and is left alone" >&2; exit 65 ;;
esac
settle() { sync "${f%/*}/" 2>/dev/null || sync; }
if [ "$to" = none ]; then rm -- "$f" || exit; settle; exit 0; fi
if [ -d "$f" ]; then echo "$f leads to a folder" >&2; exit 65; fi
umask 077
part=${f%/*}/.${f##*/}.runbook
rm -f -- "$part/link"; rmdir -- "$part" 2>/dev/null
mkdir -- "$part" || exit
trap 'rm -f -- "$part/link"; rmdir -- "$part"' EXIT
ln -s -- "${to#=}" "$part/link" && mv -f -- "$part/link" "$f" || exit
settle
"""
)
_LOOK = (
    _HAVE
    + r"""
while IFS= read -r s && IFS= read -r f; do
  if [ "$1/$s" -ef "$1/$f" ]; then echo same; else have "$1/$s"; fi
done
"""
)


class Link(Struct, frozen=True):
    """A link that leads a soname to its file: where it lies, what was there, what is to be there."""

    path: str
    was: str
    """`none`, or `=` and the target."""
    target: str
    """`=` and the target."""


def missing_links(t: Reader, w: ToolWith, folder: str, libraries: Mapping[str, str]) -> tuple[Link, ...]:
    """Return the links in a folder that ldconfig would make or change. Raises ActionError if a file is in the way."""
    wanted = [(soname, file) for soname, file in sorted(libraries.items()) if soname != file]
    data = "".join(f"{soname}\n{file}\n" for soname, file in wanted).encode("utf-8", "surrogateescape")
    got = answer(t, Cmd(script(_LOOK, folder), timeout=w.timeout, stdin=data))
    found = got.out.split("\n")
    if got.exit not in {0, 1} or len(found) != len(wanted) + 1:
        raise ActionError(f"cannot look at the links in {folder}: {got.why}", where=t.host.name)
    links = []
    for (soname, file), have in zip(wanted, found, strict=False):
        if have == "other":
            raise ActionError(
                f"{folder}/{soname} is a file of its own, {file} has the same soname",
                where=t.host.name,
                remedy="remove one of the two",
            )
        if have != "same":
            links.append(Link(f"{folder.rstrip('/')}/{soname}", have, f"={file}"))
    return tuple(links)


def link_now(t: Reader, w: ToolWith, link: Link) -> str:
    """Return what is there: `none`, `other`, or `=` and the target of a link."""
    got = answer(t, Cmd(script(f'{_HAVE}\nhave "$1"', link.path), timeout=w.timeout, sudo=w.sudo))
    return got.out.removesuffix("\n")


def set_link(work: Work, name: str, w: ToolWith, link: Link, *, back: bool = False) -> None:
    """Make or change a link as one operation, or lead it back. Raises ActionError if somebody else changed it."""
    ends = (link.target, link.was) if back else (link.was, link.target)

    def body(key: OpKey) -> Mapping[str, Json]:
        got = change(work, key, Cmd(script(_LINK, link.path, *ends), timeout=w.timeout, sudo=w.sudo))
        require_exit(got, f"linking {link.path}", where=key.target)
        return {"link": ends[1]}

    work.op(name, {"do": "link", "path": link.path, "from": ends[0], "to": ends[1]}, body)


def settle_link(w: ToolWith, link: Link, o: OpenOp, t: Reader) -> Settlement:
    """Tell by the link, which is replaced by one rename."""
    pending = still_open(o, t)
    if pending is not None:
        return pending
    now = link_now(t, w, link)
    if now == o.intent.get("to"):
        return Done({"link": now}, (f"{link.path} is as wanted",))
    if now == o.intent.get("from"):
        return NotDone((f"{link.path} is as it was before",))
    return Unknown((f"{link.path} is neither as before nor as wanted",))


def build_argv(w: ToolWith) -> tuple[str, ...]:
    """Return the command that builds the cache."""
    return w.ldconfig, "-X", "-f", w.config, "-C", w.cache


def build_cache(work: Work, name: str, w: ToolWith, before: FileState | None) -> str:
    """Build the cache as one operation; return its SHA-256.

    Raises ActionError, with the cache untouched, if it is not as it was looked at or ldconfig fails.
    """

    def body(key: OpKey) -> Mapping[str, Json]:
        now = look(work.target, w.cache, sudo=w.sudo, timeout=w.timeout).file
        if now.sha256 != (before.sha256 if before else "") or now.link:
            raise ActionError(
                f"{w.cache} was changed by somebody else: {describe(now)}", where=key.target, remedy="inspect again"
            )
        # Straight, without a shell: sudo may be allowed for this one program alone.
        got = change(work, key, Cmd(build_argv(w), timeout=w.timeout, env={**C_LOCALE}, sudo=w.sudo))
        require_exit(got, w.ldconfig, where=key.target)
        return {"sha256": look(work.target, w.cache, sudo=w.sudo, timeout=w.timeout).file.sha256}

    receipt = work.op(name, {"do": "build", "cache": w.cache, "instead_of": before.sha256 if before else ""}, body)
    return str(receipt["sha256"])


def settle_build(
    w: ToolWith, before: FileState | None, current: Callable[[], bool], o: OpenOp, t: Reader
) -> Settlement:
    """Tell by the job and by the cache; `current` says whether the cache is what the configuration gives."""
    pending = still_open(o, t)
    if pending is not None:
        return pending
    job = t.job(o.key)
    now = look(t, w.cache, sudo=w.sudo, timeout=w.timeout).file
    is_old = now.sha256 == (before.sha256 if before else "")
    if isinstance(job, NoJob):
        return NotDone((f"{w.ldconfig} was not started",))
    if is_old and not (isinstance(job, JobFinished) and job.exit == 0):
        return NotDone((f"{w.cache} is as it was before",))
    if now.kind == "file" and current():
        return Done({"sha256": now.sha256}, (f"{w.cache} is what {w.config} gives",))
    return Unknown((f"{w.cache} is neither as before nor what {w.config} gives",))
