"""Cards: what a job folder keeps of its run, so that who has nothing but the hosts can tell, resume and undo it.

A card holds the facts that stand behind one operation, as they are on record: without secrets. The first one that a
session leaves on a host also says what run this is. Reading cards is left to the session.
"""

from __future__ import annotations

import base64
import time
import zlib

import msgspec
from msgspec.structs import replace

from runbook.engine.mask import mask_fact
from runbook.engine.services import Services
from runbook.events import fact as f
from runbook.events.state import Attempt, RunState


def card(services: Services, state: RunState, attempt: Attempt, intended: f.OperationIntended) -> str:
    """Return the card of an operation that is about to be sent, as one word."""
    step, target, number = intended.step, intended.target, intended.attempt
    facts: list[f.Fact] = []
    opened = state.opened
    if intended.target not in services.introduced and opened is not None:
        facts.append(_of_host(opened, intended.target))
    if attempt.planned is not None:
        facts += [
            attempt.planned,
            f.AttemptStarted(
                step=step, target=target, attempt=number, effect=attempt.effect, plan_digest=attempt.planned.digest,
                held_before=attempt.held_before,  # type: ignore[arg-type]
            ),
        ]  # fmt: skip
    if intended.undo:
        facts.append(f.UndoStarted(step=step, target=target, attempt=number))
    facts.append(mask_fact(services.masker, intended))
    told = {"at": time.time_ns(), "facts": [[fact.type, msgspec.to_builtins(fact)] for fact in facts]}
    text = msgspec.json.encode(told)
    return base64.b64encode(zlib.compress(text)).decode()


def _of_host(opened: f.SessionOpened, host: str) -> f.SessionOpened:
    """Return how the run began, without what other hosts have to do with it."""
    return replace(
        opened,
        hosts=[each for each in opened.hosts if isinstance(each, dict) and each.get("name") == host],
        host_params={name: values for name, values in opened.host_params.items() if name == host},
    )
