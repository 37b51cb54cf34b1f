"""What people read before they agree: titles, guides and ways back with the values of the run in them."""

from __future__ import annotations

import pytest

from runbook.events import fact as f
from runbook.model.question import Answer, Question
from runbook.ports.cancel import Cancel
from runbook.session.control import Control
from runbook.session.order import Order
from runbook.session.rehearse import rehearse
from runbook.session.unattended import Unattended
from tests.engine.desk import Desk

STEP = """params: {name: {type: string, default: x}, file: {type: path, default: DIR/made}}
steps:
  - id: make
    title: Make {{ params.name }}
    guide: Look at {{ params.name }}.
    command: [SHELL, "{{ params.file }}"]
    effect: EFFECT
    verify: [{command: [test, -e, "{{ params.file }}"]}]
    undo: [{command: [rm, "{{ params.file }}"]}]
"""


class Reader:
    """Keeps the questions, and pauses at the first of a kind; runs what comes before it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.asked: list[Question] = []

    def ask(self, question: Question, cancel: Cancel) -> Answer:
        self.asked.append(question)
        return Answer(choice="pause" if question.kind == self._kind else "run")


@pytest.mark.parametrize(
    ("kind", "shell", "effect", "title"),
    [
        ("proceed", "touch", "change", "Make a {{ b }}"),
        ("failure", "rmdir", "change", "Make a {{ b }} failed. Nothing runs now"),
        (
            "confirm",
            "touch",
            "destructive",
            "Make a {{ b }} is destructive. To run it, type the target and the number of hosts",
        ),
    ],
)
def test_a_question_has_the_values_in_its_words_filled_in_once(
    desk: Desk, kind: str, shell: str, effect: str, title: str
) -> None:
    reader = Reader(kind)

    desk.guided(STEP.replace("SHELL", shell).replace("EFFECT", effect), reader, values={"name": "a {{ b }}"})

    last = reader.asked[-1]
    assert (last.kind, last.title, last.body) == (kind, title, "Look at a {{ b }}.")


def test_the_way_back_is_told_as_it_will_be_run(desk: Desk) -> None:
    result = desk.start(STEP.replace("SHELL", "touch").replace("EFFECT", "change"))

    planned = [fact for fact in desk.facts(result.run) if isinstance(fact, f.StepPlanned)]
    assert [fact.undo for fact in planned] == [f"rm {desk.path('made')}"]


def test_the_way_back_of_an_action_is_told_with_what_the_playbook_adds_or_why_it_is_not_gone(desk: Desk) -> None:
    desk.path("good").write_text("good\n")
    step = "  - id: {0}\n    uses: file.restore\n    with: {{path: DIR/{0}, backup: DIR/good}}\n    undo: {1}\n"
    for name in ("more", "never"):
        desk.path(name).write_text("bad\n")
    body = step.format("more", "[{command: [date], title: Reload it}]") + step.format("never", '{none: "it was wrong"}')

    result = desk.start(f"steps:\n{body}")

    more, never = (result.state.at(name, "local").planned for name in ("more", "never"))
    assert more is not None
    assert more.undo.startswith("Put back what was in ")
    assert more.undo.endswith("; then Reload it")
    assert never is not None
    assert never.undo == "none: it was wrong"
    assert result.state.pending_undo == 1


def test_a_rehearsed_message_is_told_as_people_will_get_it(desk: Desk) -> None:
    step = '  - {id: tell, notify: {message: "Hello {{ params.who }}"}}'
    body = f"params: {{who: {{type: string, default: kim}}}}\nsteps:\n{step}\n"
    order = Order(playbook=str(desk.playbook(body)))

    seen = rehearse(desk.settings, order, Unattended(), (), Control())

    assert [step.words for step in seen.steps] == ["Hello kim"]
