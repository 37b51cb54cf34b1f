"""Steering a live run from another process: answers, notes, and what makes no sense."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from runbook.events import fact as f
from runbook.model.question import Answer, NoAnswer, Question
from runbook.ports.cancel import Cancel
from runbook.ports.recorder import Mail
from runbook.session.control import Control
from runbook.session.inbox import FileInbox, post
from runbook.session.result import Result
from tests.engine.desk import PATIENCE, Desk, Ear, touch, until


class Absent:
    """A terminal at which nobody sits: it waits until the question is taken back."""

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        assert cancel.wait(PATIENCE)
        return NoAnswer(cancel.reason)


class Live:
    """A guided run that waits in a thread of its own."""

    def __init__(self, desk: Desk, body: str) -> None:
        self.desk, self.ear, self.control = desk, Ear(), Control()
        self.results: list[Result] = []
        self._body = body
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.results.append(self.desk.guided(self._body, Absent(), ear=self.ear, control=self.control))

    def asked(self) -> list[Question]:
        return [event.question for event in self.ear.events if isinstance(event, f.QuestionAsked)]

    def notes(self) -> list[str]:
        return [event.text for event in self.ear.events if isinstance(event, f.NoteWritten)]

    def mail(self, kind: str, **more: Any) -> None:
        post(self.desk.layout, self.control.run, Mail(kind, actor="second@there", **more))

    def ends(self) -> Result:
        self.thread.join(PATIENCE)
        return self.results[0]


@contextmanager
def live(desk: Desk, body: str) -> Iterator[Live]:
    run = Live(desk, body)
    run.thread.start()
    until(lambda: bool(run.asked()))
    try:
        yield run
    finally:
        run.control.cancel("the test is over")
        run.thread.join(PATIENCE)


def test_an_answer_from_outside_is_taken_and_told_whose_it_is(desk: Desk) -> None:
    with live(desk, "steps:\n" + touch("one")) as run:
        run.mail("decide", step="one", choice="run")
        assert run.ends().status == "succeeded"

    made = [x for x in desk.facts(run.control.run) if isinstance(x, f.DecisionMade)]
    assert [(x.choice, x.source, x.actor) for x in made] == [("run", "inbox", "second@there")]
    assert desk.lines("log") == ["one"]


@pytest.mark.parametrize(
    ("mail", "word"),
    [
        ({"step": "one", "choice": "dance"}, "dance is no answer"),
        ({"step": "one", "choice": "skip"}, "skip needs a reason"),
        ({"step": "two", "choice": "run"}, "no open question"),
        ({"step": "one", "target": "elsewhere", "choice": "run"}, "no open question"),
    ],
)
def test_an_answer_that_cannot_be_taken_is_noted_and_the_question_stays(
    desk: Desk, mail: dict[str, str], word: str
) -> None:
    with live(desk, "steps:\n" + touch("one")) as run:
        run.mail("decide", **mail)
        until(lambda: any(word in note for note in run.notes()))
        assert desk.lines("log") == []
        run.mail("decide", step="one", choice="run")
        assert run.ends().status == "succeeded"


def test_notes_and_unknown_mail_go_on_record(desk: Desk) -> None:
    with live(desk, "steps:\n" + touch("one")) as run:
        run.mail("note", reason="the dashboard is back", step="one")
        run.mail("dance")
        until(lambda: len(run.notes()) == 2)

    assert run.notes() == ["the dashboard is back", "mail of an unknown kind was dropped: dance"]


@pytest.mark.parametrize(("kind", "status"), [("pause", "paused"), ("cancel", "interrupted")])
def test_a_waiting_question_is_taken_back(desk: Desk, kind: str, status: str) -> None:
    with live(desk, "steps:\n" + touch("one")) as run:
        run.mail(kind, reason="not now")
        assert run.ends().status == status

    assert desk.lines("log") == []
    assert desk.state(run.control.run).at("one", "local").status == "waiting"


def test_a_cancel_that_comes_in_the_middle_of_a_turn_is_no_mere_silence(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, take, cancelled = Control(), FileInbox.take, threading.Event()

    def late(inbox: FileInbox) -> tuple[Mail, ...]:
        came = take(inbox)
        asking = [thread for thread in threading.enumerate() if thread.name == "asking"]
        if asking and not cancelled.is_set():
            cancelled.set()
            control.cancel("SIGTERM")
            # The question is over before the turn that has already seen no mail goes on.
            for thread in asking:
                thread.join(PATIENCE)
        return came

    monkeypatch.setattr(FileInbox, "take", late)
    result = desk.guided("steps:\n" + touch("one"), Absent(), control=control)

    assert cancelled.is_set()
    assert result.status == "interrupted"
