"""Leases on this machine: which run may change a target.

Owns the files below `leases/`. A lease is claimed by a hard link, which is atomic and brings its content along; it is
taken away by a rename, which only one of two can do. Its modification time is the heartbeat, by the target's clock.
A lease whose holder is dead still holds: a person takes it over.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from runbook.errors import ClaimLost, TransportError
from runbook.model.built import built
from runbook.ports.target import Lease, LeaseHeld, LeaseTaken, OpKey
from runbook.transports import process
from runbook.transports.folder import Jobs, sync_path


class Leases:
    """The leases of one user on this machine, one for each host name."""

    def __init__(self, root: Path, jobs: Jobs) -> None:
        self._folder = root / "leases"
        self._jobs = jobs

    def take(self, host: str, lease: Lease, over: str) -> LeaseTaken | LeaseHeld:
        """Claim a host; `over` names the run whose lease is taken over. Raises TransportError."""
        place = self._place(host)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A holder that goes away between two looks is no reason to give up; somebody who keeps coming is.
            for _ in range(8):
                held = self._read(place)
                if held is not None and (held.run, held.copy) == (lease.run, lease.copy):
                    os.utime(place)
                    return LeaseTaken(held, kept=True, boot=process.boot_id())
                if held is not None:
                    live = self._jobs.unfinished(held.run, host)
                    if not over or held.run != over or (live and held.run != lease.run):
                        return LeaseHeld(held, live)
                    self._take_away(place, over, held.copy)
                made = self._link(place, lease)
                if made is not None:
                    return LeaseTaken(made, boot=process.boot_id())
        except OSError as error:
            remedy = "make room, or make the folder writable"
            raise TransportError(
                f"the lease cannot be taken: {error.strerror}", where=str(place), remedy=remedy
            ) from error
        raise TransportError("the lease changes hands again and again", where=str(place), remedy="try again")

    def release(self, host: str, run: str, copy: str = "") -> None:
        """Give a host back; does nothing if the lease is not of this run."""
        place = self._place(host)
        held = self._read(place)
        if held is not None and (held.run, held.copy) == (run, copy):
            with suppress(OSError):
                self._take_away(place, run, copy)

    def holds(self, host: str, lease: Lease) -> bool:
        """Tell whether a claim still stands."""
        held = self._read(self._place(host))
        return held is not None and (held.run, held.copy) == (lease.run, lease.copy)

    def holder(self, host: str) -> LeaseHeld | None:
        """Tell who has claimed a host; None if nobody has."""
        held = self._read(self._place(host))
        return LeaseHeld(held, self._jobs.unfinished(held.run, host)) if held is not None else None

    def _place(self, host: str) -> Path:
        # The same folding as in a job folder: one safe path component.
        return self._folder / f"host-{OpKey(host, '', '', 0, '').text().partition('.')[0]}"

    def _read(self, place: Path) -> Lease | None:
        try:
            return msgspec.json.decode(place.read_bytes(), type=built(Lease))
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            return Lease("?", "unknown: the lease cannot be read", "?")

    def _link(self, place: Path, lease: Lease) -> Lease | None:
        """Claim a free place; None if another was faster."""
        own = replace(lease, since=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        draft = self._folder / f".new-{os.urandom(8).hex()}"
        draft.write_bytes(msgspec.json.encode(own) + b"\n")
        try:
            sync_path(draft)
            os.link(draft, place)
            sync_path(self._folder)
        except FileExistsError:
            return None
        finally:
            draft.unlink()
        return own

    def _take_away(self, place: Path, run: str, copy: str) -> None:
        aside = self._folder / f".old-{os.urandom(8).hex()}"
        try:
            place.rename(aside)
        except FileNotFoundError:
            return
        moved = self._read(aside)
        if moved is not None and (moved.run, moved.copy) != (run, copy):
            # Another took it over between our look and the rename: it gets it back.
            with suppress(FileExistsError):
                os.link(aside, place)
        aside.unlink()


def claim_lost(host: str, run: str, held: LeaseHeld | None) -> ClaimLost:
    """Return why a run may not change a host any more, by who holds it."""
    if held is None:
        return ClaimLost(
            f"nothing was sent: the claim of this run on {host} is gone", where=host,
            remedy=f"`runbook resume {run}` claims it anew",
        )  # fmt: skip
    lease = held.lease
    if lease.run == run:
        return ClaimLost(
            f"nothing was sent: {lease.owner} has taken this run over, and holds {host} since {lease.since}",
            where=host, remedy="leave it to them, or take it back with --take-over REASON",
        )  # fmt: skip
    return ClaimLost(
        f"nothing was sent: run {lease.run} of {lease.owner} has taken {host} over, and holds it since {lease.since}",
        where=host, remedy=f"see to that run, then `runbook resume {run}`",
    )  # fmt: skip
