"""Lists of facts as a run leaves them, for tests of whatever reads facts: reports, screens, printers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook.events import fact as f
from runbook.events.timed import Timed
from runbook.model.question import Choice, Question, QuestionKind

HOSTS = ("order-1", "order-2", "order-3")
START = datetime(2023, 11, 14, 3, 15, 22, tzinfo=UTC)
FILE = "/opt/config/db-config.yaml"
DIFF = f"""\
--- {FILE}
+++ {FILE} (release/stable-20231020)
@@ -1,2 +1,2 @@
-max_connections: 5000
+max_connections: 500
 pool: 64
"""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def timed(facts: Iterable[f.Fact], *, seconds: float = 2.0, start: datetime = START) -> tuple[Timed, ...]:
    """Put facts into a journal: one every so many seconds."""
    return tuple(
        Timed(
            seq,
            (start + timedelta(seconds=seq * seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            int((1000 + seq * seconds) * 1e9),
            fact,
        )
        for seq, fact in enumerate(facts)
    )


def opened(mode: f.Mode = "run", *, user: str = "kim", **more: Any) -> f.SessionOpened:
    given: dict[str, Any] = {
        "actor": {"user": user, "uid": 1000, "login_uid": 1000, "tty": "/dev/pts/3", "host": "laptop"},
        "boot_id": "8d4bd5a1",
        "versions": {"runbook": "0.1.0", "python": "3.11.9"},
        "playbook": {
            "id": "config-rollback",
            "title": "Roll back a bad configuration",
            "path": "playbooks/config-rollback.yaml",
            "sha256": digest("playbook"),
            "git_commit": "4f0c9d2",
            "git_dirty": False,
            "text": "schema: runbook/v1\nid: config-rollback\n",
            "includes": {"tell": {"path": "playbooks/tell.yaml", "sha256": digest("tell"), "text": "id: tell\n"}},
        },
        "hosts": [
            {"name": host, "transport": "ssh", "address": f"192.0.2.{n}", "user": "ops", "fingerprint": f"SHA256:{n}"}
            for n, host in enumerate(HOSTS, 11)
        ],
        "params": {"service": "order-service", "file": FILE, "db_pass": {"secret": "env:DB_PASS"}},
        "options": {"guided": True, "incident": "INC-2041"},
        "plan_digest": digest("plan"),
    }
    return f.SessionOpened(mode=mode, **(given | more))


def planned(step: str, target: str, **more: Any) -> f.StepPlanned:
    given: dict[str, Any] = {
        "answer": "proceed",
        "words": f"{step} order-service",
        "commands": [f"systemctl {step} order-service"],
        "undo": f"{step} the other way round",
        "digest": digest(f"{step}@{target}"),
        "form": digest(f"form {step}@{target}"),
        "arguments": {"unit": "order-service", "timeout": "60s"},
        "before": {"active": True},
    }
    return f.StepPlanned(step=step, target=target, **(given | more))


def restore_planned(target: str) -> f.StepPlanned:
    return planned(
        "restore",
        target,
        words=f"put {FILE} back to release/stable-20231020",
        commands=[f"git -C /opt/config checkout release/stable-20231020 -- {FILE}"],
        diff=DIFF,
        undo="the kept copy is put back",
    )


def asked(kind: QuestionKind, step: str, places: Iterable[str], **more: Any) -> f.QuestionAsked:
    given: dict[str, Any] = {
        "id": f"{kind}/{step}",
        "title": f"{step}: what now",
        "digest": digest(f"{kind}/{step}"),
        "choices": (Choice("run", "run this step"), Choice("pause", "pause: leave the run here, to be resumed")),
    }
    return f.QuestionAsked(question=Question(kind=kind, step=step, places=tuple(places), **(given | more)))


def decided(question: f.QuestionAsked, choice: str, **more: Any) -> f.DecisionMade:
    about = question.question
    given: dict[str, Any] = {"source": "operator", "digest": about.digest}
    return f.DecisionMade(
        question=about.id, kind=about.kind, step=about.step, places=list(about.places), choice=choice, **(given | more)
    )


def began(step: str, target: str, attempt: int = 1) -> list[f.Fact]:
    """The intent of a change and of its one operation."""
    return [
        f.AttemptStarted(step=step, target=target, attempt=attempt, effect="change", held_before="bad"),
        f.OperationIntended(step=step, target=target, attempt=attempt, operation="swap", intent={"path": FILE}),
    ]


def changed(step: str, target: str, attempt: int = 1, *, ms: int = 6_000, verified: bool = True) -> list[f.Fact]:
    """A change that came to its end; verified by its check, or without any."""
    receipt = f.OperationDone(
        step=step,
        target=target,
        attempt=attempt,
        operation="swap",
        receipt={"sha256": digest(target), "job": {"step": step}},
    )
    checked = f.VerifyFinished(step=step, target=target, attempt=attempt, state="good", evidence=["unit is active"])
    finished = f.StepFinished(
        step=step,
        target=target,
        attempt=attempt,
        status="succeeded",
        effect="change",
        changed=True,
        verified=verified,
        evidence=["unit is active"] if verified else [],
        exit=0,
        ms=ms,
        output=f.Output(f"output/{step}@{target}.1", digest("output"), 2048),
    )
    return [*began(step, target, attempt), receipt, *([checked] if verified else []), finished]


def broken(step: str, target: str, attempt: int = 1, **more: Any) -> list[f.Fact]:
    """A change that ended badly."""
    given: dict[str, Any] = {
        "status": "failed",
        "error": "order-service did not come back: exit 1 after 1:30",
        "evidence": ["Job for order-service.service failed: timeout", "bind 0.0.0.0:8080: address already in use"],
        "exit": 1,
        "ms": 90_000,
    }
    finished = f.StepFinished(
        step=step, target=target, attempt=attempt, effect="change", changed=True, **(given | more)
    )
    return [*began(step, target, attempt), finished]


def read(step: str, target: str, *evidence: str, ms: int = 1_000, **more: Any) -> list[f.Fact]:
    """A probe that held."""
    return [
        f.ReadStarted(step=step, target=target, attempt=1),
        f.StepFinished(step=step, target=target, attempt=1, status="succeeded", evidence=[*evidence], ms=ms, **more),
    ]


def ended(status: Any = "succeeded", **more: Any) -> list[f.Fact]:
    return [f.RunFinished(status=status, **more), f.SessionClosed(status=status)]


def approval(hosts: Iterable[str] = HOSTS) -> f.QuestionAsked:
    covers = {f"{step}@{host}": digest(f"{step}@{host}") for host in hosts for step in ("restore", "restart")}
    return asked("approve", "roll-back", hosts, title="Approve Roll back", covers=covers)


def rollback() -> list[f.Fact]:
    """The config rollback of the incident: a step by hand, an approval, a failure that is tried again, a reading."""
    freeze = asked("manual", "freeze", ["*"], title="Stop the release automation")
    approve = approval()
    failure = asked("failure", "restart", ["order-2"], title="restart failed. Nothing runs now")
    return [
        opened(),
        freeze,
        decided(freeze, "done"),
        f.StepFinished(step="freeze", target="*", attempt=1, status="succeeded", values={"choice": "done"}),
        *(fact for host in HOSTS for fact in read("compare", host, "differs from release/stable-20231020")),
        *(restore_planned(host) for host in HOSTS),
        *(planned("restart", host) for host in HOSTS),
        approve,
        decided(approve, "approve"),
        *(f.LeaseClaimed(target=host) for host in HOSTS),
        *changed("restore", "order-1"),
        *changed("restart", "order-1", ms=31_000),
        *changed("restore", "order-2"),
        *broken("restart", "order-2"),
        failure,
        decided(failure, "retry_failed", reason="old pid held port 8080, killed it, port is free"),
        planned("restart", "order-2"),
        *changed("restart", "order-2", 2, ms=31_000),
        f.NoteWritten(text="pool order-db: active 64, waiting 0", step="restart", actor="olga"),
        *changed("restore", "order-3"),
        *changed("restart", "order-3", ms=29_000),
        *read("soak", "*", "error rate 98 % to 0.4 %", ms=120_000, values={"rate": {"float": "0.4"}}),
        *(f.LeaseReturned(target=host) for host in HOSTS),
        *ended(verified=True),
    ]


def undone(step: str, target: str, attempt: int = 1) -> list[f.Fact]:
    """An undo that came to its end."""
    at: dict[str, Any] = {"step": step, "target": target, "attempt": attempt}
    return [
        f.UndoStarted(**at),
        f.OperationIntended(**at, operation="put-back", intent={"path": FILE}, undo=True),
        f.OperationDone(**at, operation="put-back", receipt={"sha256": digest("before")}, undo=True),
        f.UndoFinished(**at, status="undone", evidence=["the state before is back"], ms=4_000),
    ]


def undoing() -> list[f.Fact]:
    """The way back of `rollback`: backwards through all, then the restarts that make it take effect."""
    back = [(step, host) for host in reversed(HOSTS) for step in ("restart", "restore")]
    steps = [*(list(place) for place in back), *(["restart", host, "again"] for host in HOSTS)]
    tried = ("restart", "order-2")
    return [
        opened("undo", user="olga"),
        f.UndoAsked(steps=steps, reason="the old release was not the cause"),
        *(fact for place in back for n in ([2, 1] if place == tried else [1]) for fact in undone(*place, n)),
        *(fact for host in HOSTS for fact in undone("restart", host, 3 if host == tried[1] else 2)),
        *ended("undone"),
    ]
