"""`runtime.status`: which version of a runtime is in use, since when, and which others lie beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from msgspec import Struct

from runbook.actions.runtime_look import LinkState, RuntimeWith, look, place_of, says
from runbook.errors import ActionError
from runbook.model.scalar import Effect
from runbook.ports.action import Bad, Good, NoData, Observation
from runbook.ports.target import Reader, Sink
from runbook.text import duration_text, one_line


class StatusResult(Struct, frozen=True):
    """The version in use and its neighbours."""

    version: str = ""
    says: str = ""
    """What its program says of itself; empty if it does not run."""
    since: str = ""
    """When it was put in use: the time of the link, RFC 3339 UTC."""
    minutes: float = 0.0
    """How long ago that was."""
    versions: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


class RuntimeStatus:
    """Looks which version is in use; bad if it does not run."""

    name: ClassVar[str] = "runtime.status"
    summary: ClassVar[str] = "Look which version of a runtime is in use, since when, and what lies beside it"
    effect: ClassVar[Effect] = "read"
    once: ClassVar[bool] = False
    model = RuntimeWith
    result = StatusResult

    def observe(self, w: RuntimeWith, t: Reader, sink: Sink) -> Observation[StatusResult]:
        """Look once: no data if there is no such link."""
        try:
            place = place_of(w)
            now = look(t, place, sudo=w.sudo, timeout=w.timeout)
        except ActionError as error:
            return NoData((str(error),))
        if now.kind != "link":
            return NoData((f"{place.link} is no symbolic link ({now.kind})",))
        version = place.version_of(now.text)
        age = max(0, now.now - now.since)
        since = datetime.fromtimestamp(now.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = f"{place.link} leads to {one_line(version)} since {since}, {duration_text(float(age))} ago"
        beside = tuple(name for name in now.versions if name != version)
        lines = (told, f"beside it: {', '.join(beside) or 'nothing'}")
        try:
            line = says(t, w, f"{place.link}/{place.binary}")
        except ActionError as error:
            return Bad(_found(now, version, "", since, age), (str(error), *lines))
        return Good(_found(now, version, line, since, age), (*lines, f"it says: {line}"))


def _found(now: LinkState, version: str, line: str, since: str, age: int) -> StatusResult:
    others = tuple(name for name in now.versions if name != version)
    return StatusResult(version, line, since, round(age / 60, 1), now.versions, others)
