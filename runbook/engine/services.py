"""What a run stands on: the ports, bound together by the session."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct, field

from runbook.model.plan import Plan
from runbook.ports.action import Catalogue
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.ports.recorder import Inbox, Listener, OutputStore, Recorder
from runbook.ports.target import OpKey, Transport
from runbook.secret import Masker, Secret


def no_failpoint(name: str) -> None:
    """Do nothing; tests put a function here that ends the process at a named point."""


class Services(Struct, frozen=True, kw_only=True):
    """The ports of one session of a run."""

    run_id: str
    owner: str
    """User and machine, for leases."""
    plan: Plan
    recorder: Recorder
    outputs: OutputStore
    catalogue: Catalogue
    transports: Mapping[str, Transport]
    """By the name that a host's `transport` says."""
    approver: Approver
    inbox: Inbox
    masker: Masker
    cancel: Cancel
    """Stops running steps; set by the first Ctrl-C, SIGTERM and `cancel`."""
    params: Mapping[str, object]
    """Values for what runs once; secrets are `Secret`."""
    host_params: Mapping[str, Mapping[str, object]] = {}
    """Values that differ on a host."""
    include_params: Mapping[str, Mapping[str, object]] = {}
    """Written parameter values of includes by scope, templates over `params`."""
    secrets: Mapping[str, Secret] = {}
    listeners: tuple[Listener, ...] = ()
    controller: Path | None = None
    guided: bool = False
    on_failure: str = ""
    """What `ask` is answered with when nobody asks: stop or undo."""
    takeover: str = ""
    """Reason to take over leases of other runs."""
    monotonic: Callable[[], float] = time.monotonic
    failpoint: Callable[[str], None] = no_failpoint
    forgotten: set[OpKey] = field(default_factory=set)
    """Jobs whose output was removed in this session; each worker adds its own."""
    met: dict[str, object] = field(default_factory=dict)
    """Targets that have proven who they are in this session; who puts the name in has recorded it."""
    introduced: set[str] = field(default_factory=set)
    """Targets on which a job folder of this session says what run this is."""
