"""`ldconfig.refresh`: put a folder into the search path of the dynamic loader, and build its cache anew.

Owns when that is needed, what proves it, and the way back: configuration and cache byte for byte. Links in the folder
are made as ldconfig would; those of other folders are left alone. ldconfig also rewrites its own notebook of file
times in /var/cache/ldconfig when root runs it; that is checked against the files at every use and not taken back.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from runbook.actions.file_content import put_back, write_file
from runbook.actions.file_operation import Spot, copy_file, remove_file, settle_present, settle_removed
from runbook.actions.file_state import FileState, look, read_known
from runbook.actions.file_verdict import backup_name, gone, same_owner
from runbook.actions.form import folder_of, inside, text_of, typed
from runbook.actions.ldconfig_before import RefreshBefore, RefreshWith, View, gather, see
from runbook.actions.ldconfig_config import with_folder
from runbook.actions.ldconfig_operation import (
    build_argv,
    build_cache,
    link_now,
    set_link,
    settle_build,
    settle_link,
)
from runbook.actions.ldconfig_view import cached
from runbook.errors import ActionError
from runbook.model.scalar import Effect
from runbook.ports.action import Inspection, OpenOp, Refuse, Settlement, StepPlan, Verdict, Work
from runbook.ports.target import Reader

MOST_SHOWN = 20


class RefreshResult(Struct, frozen=True):
    """What was written, and what the libraries of the folder lead to."""

    cache_sha256: str
    file: str = ""
    """The file of the configuration that was written; empty if it was right already."""
    resolves: dict[str, str] = {}
    """Each soname of the folder, and the file that programs get for it."""


class LdconfigRefresh:
    """Puts a folder into the search path and builds the cache, so that programs find the right library files."""

    name: ClassVar[str] = "ldconfig.refresh"
    summary: ClassVar[str] = "Put a folder into the search path of the loader and build its cache anew"
    effect: ClassVar[Effect] = "change"
    once: ClassVar[bool] = False
    brings_verify: ClassVar[bool] = True
    brings_undo: ClassVar[bool] = True
    model = RefreshWith
    before = RefreshBefore
    result = RefreshResult

    def inspect(self, w: RefreshWith, t: Reader) -> Inspection[RefreshBefore]:
        """Refuse what would not put the folder where it should be; work out what every soname would lead to."""
        try:
            return gather(w, t)
        except ActionError as error:
            return Refuse(f"{error.where}: {error.message}" if error.where else error.message, error.remedy)

    def plan(self, w: RefreshWith, b: RefreshBefore) -> StepPlan:
        """Say it with a symbol for the time, so that looking again does not make another plan of it."""
        commands, words = [], []
        for path, kept in ((b.file, b.config_kept), (w.cache, b.cache_kept)):
            if kept:
                shown = inside(folder_of(kept), backup_name(path, "TIME"))
                commands.append(typed(("cp", "-p", "--", path, shown), sudo=w.sudo))
        if b.config_sha256:
            words.append(f"name {b.path} in {b.file}")
            new = inside(folder_of(b.file), f".{b.file.rpartition('/')[2]}.new")
            commands.append(typed(("mv", "--", new, b.file), sudo=w.sudo))
        if b.links:
            words.append("make links" if len(b.links) > 1 else "make a link")
            commands += [typed(("ln", "-sfn", "--", k.target[1:], k.path), sudo=w.sudo) for k in b.links[:MOST_SHOWN]]
        sentence = ", ".join([*words, f"build {w.cache} anew"])
        return StepPlan(
            words=sentence[0].upper() + sentence[1:],
            commands=(*commands, typed(build_argv(w), sudo=w.sudo)),
            diff=b.diff,
            notes=_notes(b),
            undo="Put configuration and cache back, byte for byte, unless somebody changed them since",
        )

    def apply(self, w: RefreshWith, b: RefreshBefore, work: Work) -> RefreshResult:
        """Keep both files, write the configuration, make links, build the cache: each one operation."""
        if b.config is not None and b.config_sha256:
            copy_file(work, "keep-config", b.file, Spot(b.config_kept, b.config.sha256, w.sudo, w.timeout))
        if b.cache is not None:
            copy_file(work, "keep-cache", w.cache, Spot(b.cache_kept, b.cache.sha256, w.sudo, w.timeout))
        if b.config_sha256:
            self._write(w, b, work)
        for number, link in enumerate(b.links):
            set_link(work, f"link-{number}", w, link)
        digest = build_cache(work, "build", w, b.cache)
        return RefreshResult(digest, b.file if b.config_sha256 else "", _resolves(see(w, work.target), b.path))

    def settle(self, w: RefreshWith, b: RefreshBefore, o: OpenOp, t: Reader) -> Settlement:
        """Tell by the contents of both files and by the links."""
        spot = Spot(text_of(o.intent.get("path")), text_of(o.intent.get("sha256")), w.sudo, w.timeout)
        match o.intent.get("do"):
            case "copy":
                kept = Spot(text_of(o.intent.get("to")), spot.sha256, w.sudo, w.timeout)
                return settle_present(kept, None, o, t)
            case "write":
                return settle_present(spot, b.config, o, t)
            case "put back":
                return settle_present(spot, FileState("file", text_of(o.intent.get("instead_of"))), o, t)
            case "remove":
                return settle_removed(spot, o, t)
            case "link":
                return settle_link(w, next(link for link in b.links if link.path == spot.path), o, t)
            case "build":
                return settle_build(w, b.cache, lambda: see(w, t).is_current, o, t)
            case other:
                raise ActionError(f"{self.name} knows no operation {other!r}")

    def verify(self, w: RefreshWith, b: RefreshBefore, r: RefreshResult | None, t: Reader) -> Verdict:
        """Look whether the folder stands where it should, and the cache leads programs to what it should."""
        view = see(w, t)
        wrong = view.faults(w)
        if wrong:
            return Verdict("bad", wrong)
        found = _resolves(view, b.path)
        lines = [f"{soname} => {path}" for soname, path in list(found.items())[:MOST_SHOWN]]
        return Verdict("good", (f"{w.cache} is what {w.config} gives", *lines))

    def drift(self, w: RefreshWith, b: RefreshBefore, r: RefreshResult | None, t: Reader) -> Verdict:
        """Look whether configuration, links and cache are as this step left them."""
        allowed = (r.cache_sha256,) if r is not None else ()
        foreign = _foreign(w, b, t, allowed, is_whole=r is not None)
        if foreign:
            return Verdict("bad", tuple(foreign))
        return Verdict("good", ("configuration and cache are as this step left them",))

    def undo(self, w: RefreshWith, b: RefreshBefore, r: RefreshResult | None, work: Work) -> None:
        """Put configuration, links and cache back, then remove the copies; nothing if one of them is not ours."""
        digest = r.cache_sha256 if r is not None else text_of(work.receipts.get("build", {}).get("sha256"))
        old = b.cache.sha256 if b.cache else ""
        foreign = _foreign(w, b, work.target, (digest, old) if digest else (old,), is_whole=False)
        if foreign:
            raise ActionError("; ".join(foreign), where=work.target.host.name, remedy="look at it, then undo by hand")
        if b.config_sha256:
            _back(work, "config", w, b.file, b.config, b.config_kept, b.config_sha256)
        for number, link in enumerate(b.links):
            set_link(work, f"link-{number}", w, link, back=True)
        if digest:
            _back(work, "cache", w, w.cache, b.cache, b.cache_kept, digest)
        for name, state, kept in (("config", b.config, b.config_kept), ("cache", b.cache, b.cache_kept)):
            if state is not None and kept:
                remove_file(work, f"tidy-{name}", Spot(kept, state.sha256, w.sudo, w.timeout))

    def undone(self, w: RefreshWith, b: RefreshBefore, r: RefreshResult | None, t: Reader) -> Verdict:
        """Look whether both files have their bytes, mode and owner again, and the links lead where they led."""
        verdicts = [_is_back(w, w.cache, b.cache, t)]
        if b.config_sha256:
            verdicts.append(_is_back(w, b.file, b.config, t))
        bad = next((verdict for verdict in verdicts if verdict.state != "good"), None)
        if bad is not None:
            return bad
        wrong = [link.path for link in b.links if link_now(t, w, link) != link.was]
        if wrong:
            return Verdict("bad", tuple(f"{path} does not lead where it led" for path in wrong))
        return Verdict("good", tuple(line for verdict in verdicts for line in verdict.evidence))

    def _write(self, w: RefreshWith, b: RefreshBefore, work: Work) -> None:
        def content() -> bytes:
            t = work.target
            old = read_known(t, b.file, b.config, sudo=w.sudo, timeout=w.timeout) if b.config else b""
            return with_folder(old, b.path, w.order)

        expected = b.config.sha256 if b.config else ""
        write_file(work, "write", Spot(b.file, b.config_sha256, w.sudo, w.timeout), expected, content, mode=0o644)


def _back(work: Work, name: str, w: RefreshWith, path: str, was: FileState | None, kept: str, now: str) -> None:
    """Put one file back, or remove it where there was none."""
    if was is None:
        remove_file(work, f"remove-{name}", Spot(path, now, w.sudo, w.timeout))
    else:
        put_back(work, f"put-back-{name}", path, Spot(kept, was.sha256, w.sudo, w.timeout), now)


def _is_back(w: RefreshWith, path: str, was: FileState | None, t: Reader) -> Verdict:
    now = look(t, path, sudo=w.sudo, timeout=w.timeout).file
    return same_owner(path, now, was.sha256, was) if was is not None else gone(path, now)


def _foreign(w: RefreshWith, b: RefreshBefore, t: Reader, caches: tuple[str, ...], *, is_whole: bool) -> list[str]:
    """Return what this step did not leave as it is.

    `caches` are the contents that the cache may have, empty text for none; if there are none, it may be as before or
    what the configuration gives. `is_whole`: apply came to its end, so nothing may be as it was before.
    """
    wrong = []
    if b.config_sha256:
        now = look(t, b.file, sudo=w.sudo, timeout=w.timeout).file
        old = b.config.sha256 if b.config else ""
        if now.sha256 not in ({b.config_sha256} if is_whole else {b.config_sha256, old}) or now.kind == "denied":
            wrong.append(f"{b.file} was changed by somebody else")
    wrong += [
        f"{link.path} was changed by somebody else"
        for link in b.links
        if link_now(t, w, link) not in ({link.target} if is_whole else {link.target, link.was})
    ]
    now = look(t, w.cache, sudo=w.sudo, timeout=w.timeout).file
    is_ours = now.sha256 in caches
    if not caches:
        is_ours = now.sha256 == (b.cache.sha256 if b.cache else "") or see(w, t).is_current
    if not is_ours or now.kind == "denied":
        wrong.append(f"{w.cache} was written by somebody else since")
    return wrong


def _resolves(view: View, path: str) -> dict[str, str]:
    """Return what the sonames of the folder lead to; without a folder, nothing."""
    folder = next((folder for folder in view.order.folders if folder.path == path), None)
    if folder is None:
        return {}
    winners = cached(view.cache, view.kinds)
    return {soname: path for (soname, _), path in sorted(winners.items()) if soname in folder.libraries}


def _notes(b: RefreshBefore) -> tuple[str, ...]:
    notes = (
        "Running programs keep the libraries that they have loaded: restart what needs the new ones",
        "" if b.diff else "No program gets another file: only what lies behind the first choice changes",
        "TIME is the clock of the target in UTC" if b.cache_kept or b.config_kept else "",
        f"{len(b.links)} links in all" if len(b.links) > MOST_SHOWN else "",
    )
    return tuple(note for note in notes if note)
