"""Scenes of one run as they would come over the bridge: waiting at a step, running, at rest, and on a hundred hosts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runbook.events import fact as f
from runbook.events.plain import freeze
from runbook.events.signal import OutputReceived
from runbook.model.host import Host
from runbook.model.plan import Plan, PlannedStep, Unit
from runbook.model.playbook import Baseline, Guard, Step
from runbook.model.question import Choice, Question
from runbook.tui.scene import Began, Scene
from tests import builders as b

GUIDE = """Restart makes the service read the old limits; open orders **drain** first.

Stop if it does not answer within 3 minutes, or if `order-1` turns bad."""

CHOICES = (
    Choice("run", "run this step", key="r"),
    Choice("run_on", "run on: go on without asking until the next change", key="c"),
    Choice("skip", "skip: with a reason; stays unverified", key="s", reason=True),
    Choice("pause", "pause: leave the run here, to be resumed", key="p"),
    Choice("abort", "abort: end the run; what was changed stays until you undo it", key="A"),
)


def step(name: str, uses: str = "service.restart", hosts: tuple[str, ...] = b.HOSTS, **more: Any) -> PlannedStep:
    """Return a changing step, or whatever `more` says."""
    written = {key: more.pop(key) for key in ("title", "guide", "manual") if key in more}
    given: dict[str, Any] = {"kind": "action", "effect": "change", "once": False, "timeout": 90.0}
    return PlannedStep(
        id=name,
        uses=uses,
        with_={},
        hosts=hosts,
        on_failure="ask",
        parallel=20,
        source=Step(id=name, **written),
        **(given | more),
    )


def unit(*steps: PlannedStep, name: str = "", waves: Iterable[tuple[str, ...]] = (), **more: Any) -> Unit:
    """Return a stage if it has a name, else the unit of one step."""
    hosts = steps[0].hosts
    given: dict[str, Any] = {"approve": "none", "when": "", "on_failure": "ask", "parallel": 20}
    return Unit(
        id=name or steps[0].id,
        title=name or steps[0].id,
        is_stage=bool(name),
        hosts=hosts,
        waves=tuple(waves) or (hosts,),
        steps=steps,
        **(given | more),
    )


def plan(hosts: tuple[str, ...] = b.HOSTS, waves: tuple[tuple[str, ...], ...] | None = None) -> Plan:
    """Return the plan of the config rollback."""
    stage = unit(
        step("restore", "git.restore", hosts),
        step("restart", hosts=hosts, title="Restart order-service", guide=GUIDE),
        step("answers", "http", hosts, kind="probe", effect="read"),
        name="roll-back",
        waves=waves or tuple((host,) for host in hosts),
        approve="operator",
        max_unavailable=1,
    )
    return Plan(
        playbook="config-rollback",
        title="Roll back a bad configuration",
        hosts={host: Host(host) for host in hosts},
        units=(
            unit(step("freeze", "manual", hosts, kind="manual", effect="read", once=True, manual="Stop it")),
            unit(step("compare", "git.diff", hosts, kind="probe", effect="read")),
            stage,
            unit(step("drop-cache", hosts=hosts, effect="destructive")),
            unit(step("soak", "metric.query", hosts, kind="probe", effect="read", once=True)),
        ),
        baseline=(Baseline(id="connections", uses="metric.query"),),
        guards=(
            Guard(id="error-rate", uses="metric.query", fail_when="value > 0.8", threshold=3, arm_after="restore"),
        ),
    )


def _until(step_id: str, target: str) -> list[f.Fact]:
    facts = b.rollback()
    begun = (f.AttemptStarted, f.ReadStarted)
    cut = next(n for n, x in enumerate(facts) if isinstance(x, begun) and (x.step, x.target) == (step_id, target))
    return facts[:cut]


def take(scene: Scene, now: float, facts: Iterable[f.Fact]) -> None:
    """Let facts come at one moment."""
    scene.take_all(b.timed(facts), now)


def asking(now: float = 1000.0) -> tuple[Scene, Question]:
    """A guided run that waits before the restart of the second host."""
    scene = Scene()
    scene.take(Began("20231114-kim", plan()), now)
    take(scene, now - 100, _until("restart", "order-2"))
    question = Question(
        id="proceed/restart/1",
        kind="proceed",
        title="Restart order-service",
        step="restart",
        places=("order-2",),
        body=GUIDE,
        choices=CHOICES,
        safe="pause",
        digest=b.digest("restart"),
    )
    take(scene, now, [f.QuestionAsked(question=question)])
    return scene, question


def running(now: float = 1000.0) -> Scene:
    """The restart of the second host, silent for 42 seconds; output of two hosts, and a guard that has seen better."""
    scene = Scene()
    scene.take(Began("20231114-kim", plan()), now)
    take(scene, now - 448, _until("restart", "order-2"))
    take(scene, now - 400, [f.BaselineTaken(baseline="connections", state="good", value=412)])
    for value in (98, 97, 98, 96, 90, 72, 40, 20, 8, 3, 1.2, 0.8, 0.6, 0.6):
        take(scene, now - 60, [f.GuardSampled(guard="error-rate", state="good", value=freeze(value))])
    take(scene, now - 60, b.read("answers", "order-1", "200 in 84 ms"))
    take(scene, now - 58, [f.AttemptStarted(step="restart", target="order-2", attempt=1, effect="change")])
    say(scene, now - 57, "restart", "order-2", 1_000, "order-service: shutting down", "draining 212 connections")
    say(scene, now - 56, "restart", "order-1", 2_000, "health 200 in 84 ms")
    say(scene, now - 54, "restart", "order-2", 4_000, "pool: active 131, waiting 1846")
    text = "WARN aborted [/dev/sda1] [@click=app.exit]x[/]\n"
    scene.take(OutputReceived("restart", "order-2", 1, "err", text, 9_000), now - 49)
    say(scene, now - 42, "restart", "order-2", 16_000, "pool: active 64, waiting 0 接続 done")
    return scene


def say(scene: Scene, now: float, step_id: str, target: str, at_ms: int, *lines: str) -> None:
    """Let a host write some lines."""
    scene.take(OutputReceived(step_id, target, 1, "out", "".join(f"{line}\n" for line in lines), at_ms), now)


def at_rest(now: float = 1000.0, **more: Any) -> Scene:
    """The whole rollback."""
    scene = Scene()
    scene.take(Began("20231114-kim", plan()), now - 700)
    facts = b.rollback()
    take(scene, now - 700, facts[:-2])
    take(scene, now, b.ended(**more) if more else facts[-2:])
    return scene


def fleet(now: float = 1000.0, count: int = 100) -> Scene:
    """A restart that goes through many hosts; one has failed, three run."""
    hosts = tuple(f"web-{number:03}" for number in range(1, count + 1))
    scene = Scene()
    scene.take(Began("20231114-kim", plan(hosts, (hosts[:1], hosts[1:10], hosts[10:50], hosts[50:]))), now)
    facts: list[f.Fact] = [b.opened(hosts=[]), f.StepFinished(step="freeze", target="*", attempt=1, status="succeeded")]
    facts += [fact for host in hosts for fact in b.read("compare", host)]
    facts += [fact for host in hosts[:40] for fact in b.changed("restore", host)]
    facts += [fact for host in hosts[:12] for fact in b.changed("restart", host)]
    facts += b.broken("restart", hosts[12])
    facts += [fact for host in hosts[13:16] for fact in b.began("restart", host)]
    take(scene, now - 20, facts)
    for host in hosts[13:16]:
        say(scene, now - 3, "restart", host, 3_000, *(f"line {number} of {host}" for number in range(20)))
    return scene
