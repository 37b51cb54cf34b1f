"""`runtime.switch`: another version of a runtime becomes the one in use, by one rename of a symbolic link.

Owns the switch, its proof and its way back. Programs that run keep the version they were started with: restarting
them is left to the service actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from runbook.actions.capture import change, require_exit
from runbook.actions.file_operation import still_open
from runbook.actions.form import folder_of, inside, script, typed
from runbook.actions.runtime_look import LinkState, Place, RuntimeWith, look, place_of, says
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Json, Template
from runbook.ports.action import (
    Already,
    Done,
    Inspection,
    NotDone,
    OpenOp,
    Proceed,
    Refuse,
    Settlement,
    StepPlan,
    Unknown,
    Verdict,
    Work,
)
from runbook.ports.target import Cmd, OpKey, Reader
from runbook.text import one_line

_SWITCH = r"""
LC_ALL=C; export LC_ALL
link=$1 want=$2 from=$3 owner=$4 whole=$5 part=$1.runbook-new
if [ -L "$part" ]; then rm -f -- "$part" || exit; fi
now=$(readlink -n -- "$link"; echo .); now=${now%.}
if [ "$now" = "$want" ]; then exit 0; fi
if [ ! -L "$link" ] || [ "$now" != "$from" ]; then
  echo "$link was changed by somebody else and is not switched: it leads to $now" >&2; exit 65
fi
above=${link%/*}; cd "${above:-/}" || exit
if [ -n "$whole" ] && [ ! -d "$want" ]; then echo "$want is not there any more; nothing was switched" >&2; exit 66; fi
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
trap 'rm -f -- "$part"' EXIT
ln -s -- "$want" "$part" || exit
if [ "$(id -u)" = 0 ]; then chown -h "$owner" "$part" || exit; fi
if ! said=$(mv -fT -- "$part" "$link" 2>&1); then
  mv -fh -- "$part" "$link" 2>/dev/null || { printf '%s\n' "$said" >&2; exit 1; }
fi
sync "${above:-/}" 2>/dev/null || sync
"""
# A plain `mv` would move the new link into the folder that the old one leads to: GNU and busybox need -T, BSD -h.


class SwitchWith(RuntimeWith, frozen=True, kw_only=True):
    """Which version is to be in use."""

    to: Annotated[Template, Meta(description="Name of the version: a folder beside the others, such as 1.20")]


class SwitchBefore(Struct, frozen=True):
    """The link as it was, and what it is to hold."""

    link: str
    was: str
    """What the link holds, byte for byte."""
    want: str
    owner: str
    whole: bool
    """The link leads to a folder, as it should again after an undo."""
    version: str
    """The version in use before."""
    says: str
    """What the program of the wanted version says of itself."""
    versions: tuple[str, ...] = ()


class SwitchResult(Struct, frozen=True):
    """The versions before and after, and what the new one says of itself."""

    was: str
    version: str
    says: str


class RuntimeSwitch:
    """Makes another version the one in use, after it has proved that it runs."""

    name: ClassVar[str] = "runtime.switch"
    summary: ClassVar[str] = "Switch a runtime to another of the versions side by side, and back"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = SwitchWith
    before = SwitchBefore
    result = SwitchResult

    def inspect(self, w: SwitchWith, t: Reader) -> Inspection[SwitchBefore]:
        """Refuse a version that is missing or whose program does not run; list those that are there."""
        try:
            place = place_of(w)
            if w.to in {".", ".."} or any(c in w.to for c in "/\n\0"):
                return Refuse(f"{one_line(w.to)!r} is no name of a version", "name one folder, no path")
            now = look(t, place, sudo=w.sudo, timeout=w.timeout)
            no = _refuse(place, now, w.to)
            if no:
                return no
            told = says(t, w, place.program(w.to))
        except ActionError as error:
            return Refuse(error.message, error.remedy or "look at that version, or name another one")
        want = place.text_for(w.to, now.text)
        before = SwitchBefore(
            place.link, now.text, want, now.owner, now.whole, place.version_of(now.text), told, now.versions
        )
        if place.leads_to(now.text) == place.leads_to(want):
            return Already(before, f"{place.link} leads to {w.to} already")
        if not now.writable and not w.sudo:
            return Refuse(f"nothing can be written in {folder_of(place.link)}", "say `sudo: true`")
        return Proceed(before)

    def plan(self, w: SwitchWith, b: SwitchBefore) -> StepPlan:
        """Say both versions, and that nothing running is touched."""
        new = f"{b.link}.runbook-new"
        commands = (("ln", "-s", "--", b.want, new), ("mv", "-T", "--", new, b.link))
        side = ", ".join(f"{name} (in use)" if name == b.version else name for name in b.versions)
        notes = [f"{w.to} says: {b.says}", f"side by side: {side}", "What runs keeps its version until it is restarted"]
        if not b.whole:
            notes.append(f"The link leads nowhere now: {b.was} is not there")
        return StepPlan(
            words=f"Switch {b.link} from {b.version} to {w.to}",
            commands=tuple(typed(command, sudo=w.sudo) for command in commands),
            notes=tuple(notes),
            undo=f"Switch back to {b.version}, unless somebody switched it since",
        )

    def apply(self, w: SwitchWith, b: SwitchBefore, work: Work) -> SwitchResult:
        """Switch, in one operation."""
        _switch(w, b, work, "switch", b.want, b.was)
        return SwitchResult(b.version, w.to, b.says)

    def settle(self, w: SwitchWith, b: SwitchBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the link: a rename happens or does not."""
        pending = still_open(o, t)
        now = self._look(w, t)
        want, other = (b.want, b.was) if o.intent.get("to") == b.want else (b.was, b.want)
        told = (_told(b, now),)
        if now.kind == "link" and now.text == want:
            return Done({"link": want}, told)
        if pending is not None:
            return pending
        return NotDone(told) if now.kind == "link" and now.text == other else Unknown(told)

    def verify(self, w: SwitchWith, b: SwitchBefore, r: SwitchResult | None, t: Reader) -> Verdict:
        """Read the link, and let the program say its version through it."""
        now = self._look(w, t)
        if now.kind != "link" or now.text != b.want:
            return Verdict("bad", (_told(b, now), f"expected {b.want}"))
        try:
            told = says(t, w, inside(b.link, w.binary))
        except ActionError as error:
            return Verdict("bad", (_told(b, now), str(error)))
        return Verdict("good" if told == b.says else "bad", (_told(b, now), f"it says: {told}"))

    def drift(self, w: SwitchWith, b: SwitchBefore, r: SwitchResult | None, t: Reader) -> Verdict:
        """Look whether the link is as this step left it; if apply broke off it may be as it was."""
        now = self._look(w, t)
        ours = {b.want} if r is not None else {b.want, b.was}
        if now.kind == "link" and now.text in ours:
            return Verdict("good", (_told(b, now),))
        return Verdict("bad", (_told(b, now), f"this step left {b.want}"))

    def undo(self, w: SwitchWith, b: SwitchBefore, r: SwitchResult | None, work: Work) -> None:
        """Let the link hold what it held, in one operation."""
        _switch(w, b, work, "switch-back", b.was, b.want)

    def undone(self, w: SwitchWith, b: SwitchBefore, r: SwitchResult | None, t: Reader) -> Verdict:
        """Look whether the link holds what it held, byte for byte."""
        now = self._look(w, t)
        is_back = (now.kind, now.text, now.owner) == ("link", b.was, b.owner)
        return Verdict("good" if is_back else "bad", (_told(b, now),))

    def _look(self, w: SwitchWith, t: Reader) -> LinkState:
        return look(t, place_of(w), sudo=w.sudo, timeout=w.timeout)


def _switch(w: SwitchWith, b: SwitchBefore, work: Work, name: str, want: str, other: str) -> None:
    """Rename a new link over the one that is there, as one operation.

    Raises ActionError, with the link untouched, if somebody else has changed it or the version is gone.
    """
    whole = "yes" if want == b.want or b.whole else ""

    def body(key: OpKey) -> Mapping[str, Json]:
        argv = script(_SWITCH, b.link, want, other, b.owner, whole)
        got = change(work, key, Cmd(argv, timeout=w.timeout, sudo=w.sudo))
        require_exit(got, f"switching {b.link} to {want}", where=key.target)
        return {"link": want}

    work.op(name, {"do": "switch", "link": b.link, "to": want, "from": other}, body)


def _refuse(place: Place, now: LinkState, to: str) -> Refuse | None:
    match now.kind:
        case "missing":
            return Refuse(f"there is no link {place.link}", "name the link by which the runtime is used")
        case "other":
            return Refuse(f"{place.link} is no symbolic link", "the versions must be used through one")
        case "odd":
            return Refuse(f"{place.link} leads to a name with a line break", "look at it, and make it anew by hand")
        case _ if to not in now.versions:
            near = get_close_matches(to, now.versions, n=1)
            there = f"there is {', '.join(now.versions)}" if now.versions else "there is none at all"
            if not to:
                return Refuse("no version is named to switch to", there)
            hint = f"did you mean {near[0]}? " if near else ""
            return Refuse(f"there is no version {to} with {place.binary} in {place.versions}", f"{hint}{there}")
        case _:
            return None


def _told(b: SwitchBefore, now: LinkState) -> str:
    return f"{b.link} -> {one_line(now.text, 300)}" if now.kind == "link" else f"{b.link} is no link ({now.kind})"
