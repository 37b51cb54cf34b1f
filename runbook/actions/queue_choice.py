"""Which driver a step on a queue means, and what its `with:` says of the queue."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from runbook.actions.form import Sudo, Timeout, With, absolute
from runbook.actions.queue_driver import Driver
from runbook.actions.queue_embedded import Embedded
from runbook.errors import ActionError
from runbook.model.scalar import Template
from runbook.text import one_line

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,254}")


class QueueWith(With, frozen=True, kw_only=True):
    """Who keeps the queue, and how it is reached."""

    driver: Annotated[Literal["embedded"], Meta(description="Who keeps the queue")] = "embedded"
    control: Annotated[Template, Meta(description="Absolute path of the control program of an embedded queue")] = ""
    sudo: Sudo = False
    timeout: Timeout = 60.0


def driver_of(w: QueueWith, *queues: str) -> Driver:
    """Return the driver of a step. Raises ActionError, with the remedy, if the step makes no sense."""
    for queue in queues:
        if not _NAME.fullmatch(queue):
            raise ActionError(f"{one_line(queue)!r} is no name of a queue", where="with", remedy="name one queue")
    return Embedded(absolute(w.control, "control"), sudo=w.sudo, timeout=w.timeout)
