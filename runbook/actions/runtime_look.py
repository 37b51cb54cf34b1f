"""Looking at the versions of a runtime that lie side by side, and at the link that says which one is used.

Owns one POSIX script that looks in one round trip, and the trial run of a version's program; switching is left to
`runtime_switch`. Needs `sh`, `readlink`, `stat` and `date` on the target (GNU, busybox or BSD).
"""

from __future__ import annotations

import posixpath
import re
from typing import Annotated

from msgspec import Meta, Struct

from runbook.actions.capture import answer, capture, lacks
from runbook.actions.form import PathText, Sudo, Timeout, With, absolute, folder_of, inside, script
from runbook.errors import ActionError
from runbook.model.scalar import Template
from runbook.ports.target import Cmd, Reader
from runbook.text import one_line

TRIAL = 10.0
"""Seconds in which a program has to say its version."""

MOST_LISTED = 100

_LOOK = r"""
LC_ALL=C; export LC_ALL
link=$1 versions=$2 binary=$3
echo "now $(date -u +%s)"
above=${link%/*}; above=${above:-/}
if [ -w "$above" ] && [ -x "$above" ]; then echo 'folder writable'; fi
if [ -L "$link" ]; then
  echo 'kind link'
  text=$(readlink -n -- "$link"; echo .); text=${text%.}
  case $text in *"
"*) echo 'kind odd' ;; *) printf 'text %s\n' "$text" ;; esac
  echo "stat $(stat -c '%u %g %Y' -- "$link" 2>/dev/null || stat -f '%u %g %m' -- "$link")"
  if [ -d "$link" ]; then echo 'whole yes'; fi
elif [ -e "$link" ]; then echo 'kind other'
else echo 'kind missing'; fi
for one in "$versions"/*/; do
  one=${one%/}
  if [ -L "$one" ] || [ ! -f "$one/$binary" ]; then continue; fi
  case $one in *"
"*) continue ;; esac
  printf 'version %s\n' "${one##*/}"
done
"""

_FACT = re.compile(r"(now|folder|kind|text|stat|whole|version) (.*)")


class RuntimeWith(With, frozen=True, kw_only=True):
    """Where the versions lie, and which link names the one in use."""

    link: Annotated[PathText, Meta(description="Absolute path of the symbolic link that names the version in use")]
    binary: Annotated[
        Template,
        Meta(description="Program of the runtime inside each version, such as bin/go; it must tell its version"),
    ]
    versions: Annotated[
        Template, Meta(description="Folder in which the versions lie side by side; without it, that of the link")
    ] = ""
    args: Annotated[
        tuple[Template, ...], Meta(description="What makes the program tell its version and do nothing else")
    ] = ("--version",)
    sudo: Sudo = False
    timeout: Timeout = 60.0


class LinkState(Struct, frozen=True):
    """The link, and what lies beside it."""

    kind: str
    """`link`, `odd` (a link to a name with a line break), `other`, `missing`."""
    text: str = ""
    """What the link holds, byte for byte."""
    owner: str = ""
    """`UID:GID` of the link itself."""
    since: int = 0
    """When the link was made, Unix time by the clock of the target."""
    now: int = 0
    """The clock of the target."""
    whole: bool = False
    """It leads to a folder."""
    writable: bool = False
    versions: tuple[str, ...] = ()
    """The folders that hold the program, sorted as version numbers are."""


class Place(Struct, frozen=True):
    """The checked paths of a step."""

    link: str
    versions: str
    binary: str

    def program(self, version: str) -> str:
        """Return the path of the program of a version."""
        return inside(inside(self.versions, version), self.binary)

    def leads_to(self, text: str) -> str:
        """Return the path that a link with this text leads to."""
        return posixpath.normpath(posixpath.join(folder_of(self.link), text))

    def version_of(self, text: str) -> str:
        """Return the version that a link with this text names; its whole path if it leads elsewhere."""
        path = self.leads_to(text)
        folder, _, name = path.rpartition("/")
        return name if (folder or "/") == self.versions else path

    def text_for(self, version: str, present: str) -> str:
        """Return what the link has to hold: relative if it is so now and can be, else absolute."""
        is_beside = self.versions == posixpath.normpath(folder_of(self.link))
        return version if is_beside and not present.startswith("/") else inside(self.versions, version)


def place_of(w: RuntimeWith) -> Place:
    """Return the paths of a step. Raises ActionError if they make no sense."""
    link = absolute(w.link, "link")
    versions = posixpath.normpath(absolute(w.versions, "versions") if w.versions else folder_of(link))
    parts = w.binary.split("/")
    if not w.binary or "\0" in w.binary or any(part in {"", ".", ".."} for part in parts):
        raise ActionError(
            f"{one_line(w.binary)!r} is no path inside a version",
            where="binary",
            remedy="write it as bin/go is written",
        )
    return Place(link, versions, w.binary)


def look(t: Reader, place: Place, *, sudo: bool, timeout: float) -> LinkState:
    """See the link and the versions.

    Raises ActionError if the target lacks the tools, TransportError if it does not answer.
    """
    argv = script(_LOOK, place.link, place.versions, place.binary)
    got = answer(t, Cmd(argv, timeout=timeout, sudo=sudo))
    pairs = [(match[1], match[2]) for line in got.out.split("\n") if (match := _FACT.fullmatch(line))]
    facts = dict(pairs)
    stat = facts.get("stat", "").split()
    if got.exit != 0 or "kind" not in facts or (facts["kind"] == "link" and (len(stat) != 3 or "text" not in facts)):
        raise ActionError(
            f"cannot look at {place.link}: {got.why}",
            where=t.host.name,
            remedy=lacks(got, "sh, date, readlink and stat"),
        )
    versions = sorted((name for key, name in pairs if key == "version"), key=_order)
    return LinkState(
        kind=facts["kind"],
        text=facts.get("text", ""),
        owner=":".join(stat[:2]),
        since=_number(stat[2]) if len(stat) == 3 else 0,
        now=_number(facts.get("now", "")),
        whole="whole" in facts,
        writable="folder" in facts,
        versions=tuple(versions[:MOST_LISTED]),
    )


def says(t: Reader, w: RuntimeWith, program: str) -> str:
    """Return the first line that a program says of itself.

    It runs as the login, without sudo: what only tells its version needs no more. Raises ActionError if it does not
    run, TransportError if the target does not answer.
    """
    got = capture(t, Cmd((program, *w.args), timeout=min(TRIAL, w.timeout)), 64 * 1024)
    if got.finished.ended == "timeout":
        raise ActionError(f"{program} did not say its version in {min(TRIAL, w.timeout):g} s", where=t.host.name)
    if got.finished.ended != "exit" or got.exit is None:
        raise ActionError(f"the end of {program} was not heard of", where=t.host.name)
    if got.exit != 0:
        raise ActionError(f"{program} does not run: {got.why}", where=t.host.name)
    # Some write it to stderr, as java(1) does.
    lines = [line.strip() for line in f"{got.out}\n{got.err}".split("\n") if line.strip()]
    return one_line(lines[0], 200) if lines else "says nothing"


def _order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that puts 1.9 before 1.10."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
