"""Plans from the text of a playbook, and states from facts: all that deciding needs, on paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from runbook.actions import catalogue
from runbook.engine import move as m
from runbook.engine.decide import Rules, decide
from runbook.engine.names import Names
from runbook.engine.plan import Planner
from runbook.events import fact as f
from runbook.events.fold import fold_all
from runbook.events.state import RunState
from runbook.events.status import Status
from runbook.loader import Source, load_playbook, match
from runbook.model.host import Host, Inventory
from runbook.model.plan import Plan
from runbook.model.playbook import Playbook
from runbook.model.question import Question

Answer = Literal["proceed", "already", "refuse", "later"]
HEAD = "schema: runbook/v1\nid: paper\ntitle: On paper\n"
BACK = '\n    verify: [{command: ["true"]}]\n    undo: [{command: ["true"]}]\n'


def plan_of(text: str, *hosts: str, includes: Mapping[str, str] | None = None, limit: str = "") -> Plan:
    """Return the plan of a playbook for these hosts; without any, on this machine."""
    parts = {name: HEAD + inner for name, inner in (includes or {}).items()}
    actions = catalogue()
    loaded = load_playbook(Source(HEAD + text, "paper.yaml"), actions, lambda name, _: Source(parts[name], name))

    def included(name: str, scope: str) -> Playbook:
        return loaded.includes[name].playbook

    inventory = Inventory(hosts=tuple(Host(name, "local") for name in hosts) or (Host("local", "local"),))
    return Planner(actions, inventory, match, included).plan(loaded.playbook, limit=limit)


def read(name: str, more: str = "") -> str:
    return f'  - id: {name}\n    command: ["true"]\n    effect: read\n{more}'


def act(name: str, more: str = "", effect: str = "change") -> str:
    return f'  - id: {name}\n    command: ["true"]\n    effect: {effect}{BACK}{more}'


def stage(name: str, body: str, more: str = "") -> str:
    inner = "".join(f"    {line}\n" for line in body.splitlines())
    return f"  - stage: {name}\n{more}    steps:\n{inner}"


class Paper:
    """A plan with a state that grows by facts, and what would come next."""

    def __init__(self, plan: Plan, *, guided: bool = False, on_failure: str = "", params: Mapping[str, object] = {}):
        self.plan = plan
        self.state = RunState()
        self.unanswered: frozenset[str] = frozenset()
        self.away: Mapping[str, m.Away] = {}
        self._guided = guided
        self._on_failure = on_failure
        self._names = Names(plan, "run", params, {}, {})
        self.tell(opened("run"))

    def tell(self, *facts: f.Fact) -> None:
        self.state = fold_all(facts, self.state)

    def next(self) -> tuple[m.Move, ...]:
        rules = Rules(
            names=self._names.at, guided=self._guided, on_failure=self._on_failure, unanswered=self.unanswered,
            away=self.away,
        )  # fmt: skip
        return decide(self.plan, self.state, rules)

    def asks(self) -> Question:
        """Return the one question that comes next, and put it."""
        (move,) = self.next()
        assert isinstance(move, m.Ask), move
        self.tell(f.QuestionAsked(question=move.question))
        assert self.next() == ()
        return move.question

    def answers(self, choice: str, reason: str = "why not", **values: str) -> None:
        """Answer the question that comes next."""
        question = self.asks()
        assert choice in {c.id for c in question.choices}
        self.tell(
            f.DecisionMade(
                question=question.id,
                kind=question.kind,
                step=question.step,
                places=list(question.places),
                choice=choice,
                reason=reason,
                values=dict(values),
                source="operator",
                digest=question.digest,
            )
        )

    def rests(self) -> str:
        (move,) = self.next()
        assert isinstance(move, m.Rest), move
        return move.status

    def inspects(self, digest: str = "d1") -> None:
        """Carry out the inspections that come next."""
        moves = self.next()
        assert moves
        for move in moves:
            assert isinstance(move, m.Inspect), move
            self.tell(planned(move.step, move.target, digest))

    def claims(self) -> None:
        (move,) = self.next()
        assert isinstance(move, m.Claim), move
        self.tell(*(f.LeaseClaimed(target=name) for name in move.targets))

    def begins(self) -> list[tuple[str, str, int]]:
        moves = self.next()
        assert all(isinstance(move, m.Begin) for move in moves), moves
        return [(move.step, move.target, move.attempt) for move in moves if isinstance(move, m.Begin)]


def opened(mode: f.Mode) -> f.SessionOpened:
    return f.SessionOpened(mode=mode, actor={}, boot_id="", versions={})


def planned(
    step: str, target: str, digest: str = "d1", *, answer: Answer = "proceed", form: str = "form"
) -> f.StepPlanned:
    return f.StepPlanned(
        step=step,
        target=target,
        answer=answer,
        words=f"Do {step}",
        digest=digest,
        form=form,
    )


def ended(step: str, target: str, status: Status = "succeeded", attempt: int = 1, **more: Any) -> tuple[f.Fact, ...]:
    """Return a reading attempt and its outcome."""
    return (
        f.ReadStarted(step=step, target=target, attempt=attempt),
        f.StepFinished(step=step, target=target, attempt=attempt, status=status, **more),
    )


def changed(
    step: str, target: str, status: Status = "succeeded", attempt: int = 1, **more: object
) -> tuple[f.Fact, ...]:
    """Return a changing attempt, its one operation and its outcome."""
    place: dict[str, Any] = {"step": step, "target": target, "attempt": attempt}
    given: dict[str, Any] = {"effect": "change", "changed": True, "status": status, **place, **more}
    return (
        planned(step, target),
        f.AttemptStarted(effect="change", plan_digest="d1", **place),
        f.OperationIntended(operation="run", intent={}, **place),
        f.OperationDone(operation="run", receipt={"exit": 0}, **place),
        f.StepFinished(**given),
    )
