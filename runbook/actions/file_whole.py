"""`file.whole`: whether a program or library is what its maker shipped, and not cut off.

Three witnesses are heard: a SHA-256 that the playbook gives, the checksums that the package manager keeps of what it
has unpacked (`dpkg` only, and no configuration files: those are meant to be changed), and, for a program, what the file
itself says of its length. The file is read and never run.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from runbook.actions.capture import answer
from runbook.actions.elf import NotElf, extent
from runbook.actions.file_part import parts
from runbook.actions.file_state import FileState, look
from runbook.actions.file_verdict import describe
from runbook.actions.form import PathText, Sudo, Timeout, With, absolute, script
from runbook.errors import ActionError
from runbook.model.scalar import Effect, Template
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.target import Cmd, Reader, Sink
from runbook.text import one_line

MAGIC = b"\x7fELF"

# The names come without the slash before them, as the lists have them.
_LISTED = r"""
LC_ALL=C; export LC_ALL
f=$1
cd -- "$2" 2>/dev/null || exit 0
grep -HF -e "  $3" -e "  $4" -e "  $5" ./*.md5sums 2>/dev/null || exit 0
if command -v md5sum >/dev/null 2>&1; then echo "md5 $(md5sum < "$f")"; else echo "md5 $(md5 -q < "$f")"; fi
"""
_LINE = re.compile(r"\./(?P<package>.+)\.md5sums:(?P<sum>[0-9a-f]{32})  (?P<name>.*)")
_MD5 = re.compile(r"md5 ([0-9a-f]{32})\b.*")


class WholeWith(With, frozen=True, kw_only=True):
    """Which file, and who can tell what it should be."""

    path: PathText
    sha256: Annotated[Template, Meta(description="SHA-256 that the file must have, if it is known")] = ""
    lists: Annotated[Template, Meta(description="Folder with the checksums of packages")] = "/var/lib/dpkg/info"
    sudo: Sudo = False
    timeout: Timeout = 60.0


class WholeResult(Struct, frozen=True):
    """What the file is, and what each witness says."""

    whole: bool = False
    sha256: str = ""
    size: int = 0
    package: str = ""
    """The package that has the file in its list; empty if none has."""
    listed: Literal["same", "other", "none"] = "none"
    elf: Literal["whole", "cut off", "none"] = "none"
    """`none`: it is no program or library of the system."""


class FileWhole:
    """Tells whether a file is whole, by all that can tell; without anybody who can, it says that it does not know."""

    name: ClassVar[str] = "file.whole"
    summary: ClassVar[str] = "Look whether a program or library is whole: by checksum, package list and its own length"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = WholeWith
    result = WholeResult

    def observe(self, w: WholeWith, t: Reader, sink: Sink) -> Observation[WholeResult]:
        """Look once: bad if any witness speaks against it, good if a checksum speaks for it, else no data."""
        try:
            path, lists = absolute(w.path, "path"), absolute(w.lists, "lists")
            seen = look(t, path, sudo=w.sudo, timeout=w.timeout).file
            if seen.kind == "denied":
                return NoData((f"{path} cannot be read",))
            if seen.kind != "file":
                return Bad(WholeResult(), (f"{path}: {describe(seen)}",))
            package, listed = _listed(w, t, path, lists)
            elf, why = _length(w, t, path, seen)
        except ActionError as error:
            return NoData((str(error),))
        wanted = w.sha256.strip().lower()
        against = [f"{path}: SHA-256 {seen.sha256}, expected {wanted}"] if wanted and wanted != seen.sha256 else []
        against += [f"{path}: {why}"] if elf == "cut off" else []
        told = f"the checksum of package {package}"
        # A sum that was given says what is wanted: a repaired program need not be that of the package.
        against += [f"{path}: not {told}"] if listed == "other" and not wanted else []
        found = WholeResult(
            not against and bool(wanted or listed == "same"), seen.sha256, seen.size, package, listed, elf
        )
        evidence = [f"{path}: SHA-256 {seen.sha256}, {seen.size} bytes"]
        evidence += [f"{'not ' if listed == 'other' else ''}{told}"] if package else ["no package lists it"]
        evidence += [why] if elf == "whole" else []
        if against:
            return Bad(found, tuple(against))
        if not found.whole:
            return NoData((*evidence, "nothing tells what it should be: give its sha256"))
        return Good(found, tuple(evidence))


def _listed(w: WholeWith, t: Reader, path: str, lists: str) -> tuple[str, Literal["same", "other", "none"]]:
    """Return the package that lists a file, and whether the file has the sum that stands there."""
    name = path.lstrip("/")
    # Where /bin is a link to /usr/bin, a list may have either name.
    names = (name, name.removeprefix("usr/"), f"usr/{name}")
    argv = script(_LISTED, path, lists, *names)
    got = answer(t, Cmd(argv, timeout=w.timeout, sudo=w.sudo, files=True))
    if got.exit != 0:
        raise ActionError(f"cannot look {path} up in {lists}: {got.why}", where=t.host.name)
    lines = got.out.splitlines()
    has = next((match[1] for line in lines if (match := _MD5.fullmatch(line))), "")
    rows = [match for line in lines if (match := _LINE.fullmatch(line)) and match["name"] in names]
    if not rows or not has:
        return "", "none"
    same = [row for row in rows if row["sum"] == has]
    return one_line((same or rows)[0]["package"], 200), "same" if same else "other"


def _length(
    w: WholeWith, t: Reader, path: str, seen: FileState
) -> tuple[Literal["whole", "cut off", "none"], str]:  # fmt: skip
    """Tell whether a program is as long as it says itself."""
    fetch = parts(t, path, sudo=w.sudo, timeout=w.timeout)
    try:
        if fetch(0, len(MAGIC)) != MAGIC:
            return "none", ""
        need = extent(fetch)
    except NotElf as error:
        return "cut off", f"a program that is damaged: {error}"
    if need > seen.size:
        return "cut off", f"a program that is cut off: {seen.size} bytes of at least {need}"
    return "whole", f"a program that has its length: {seen.size} bytes, {need} needed"
