"""The way of every command that executes: listeners, approver and signals are put together, and the end is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from runbook.cli.border import unfinished
from runbook.cli.ending import add_output, ending_of, left_behind, result_lines, result_object
from runbook.cli.exit_codes import Exit, of_run
from runbook.cli.front import Front
from runbook.cli.interrupt import Interrupts
from runbook.cli.ndjson import NdjsonPrinter
from runbook.cli.printer import Printer
from runbook.cli.witness import Witness
from runbook.model.question import Answer, NoAnswer, Question
from runbook.model.scalar import Json
from runbook.ports.approver import Approver
from runbook.ports.cancel import Cancel
from runbook.ports.recorder import Listener
from runbook.session.control import Control
from runbook.session.result import Result
from runbook.session.unattended import Unattended

T = TypeVar("T")

Act: TypeAlias = Callable[[Approver, tuple[Listener, ...], Control], Result]
"""A use case of the session that still lacks its front end."""


class Conduct:
    """One run as the command line carries it."""

    def __init__(
        self, front: Front, *, asks: bool, output_is_data: bool = False, asks_for_secrets: bool = False
    ) -> None:
        """Prepare to carry a run.

        Args:
            front: the streams and the format.
            asks: questions go to the person at the terminal.
            asks_for_secrets: those for a passphrase or a password do, even where others do not.
            output_is_data: what the command writes goes to stdout, and the end of the run to stderr.
        """
        self._front = front
        self._asks = asks
        self._asks_for_secrets = asks_for_secrets
        self._output_is_data = output_is_data
        self.control = Control()
        self._witness = Witness(front, keep_output=output_is_data and not front.is_text)
        output = front.out if output_is_data and front.is_text else None
        self._printer = Printer(front.err, output=output, run=lambda: self.control.run, asked=True)
        self._lines = NdjsonPrinter(front.out) if front.format == "ndjson" else None
        self._interrupts = Interrupts(self.control, front, self._left_behind, self._last_object)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Everybody who hears the run."""
        both: tuple[Listener, ...] = (self._witness, self._printer)
        return both if self._lines is None else (*both, self._lines)

    def approver(self, approvals: tuple[str, ...] = (), answers: Mapping[str, Json] | None = None) -> Approver:
        """Return who is asked: the person at the terminal, or what was given beforehand."""
        if not (self._asks or self._asks_for_secrets):
            return Unattended(approvals, answers)
        from runbook.cli.guided import Guided

        person = Guided(self._front.err, self._witness.arguments, steps=lambda: self.control.steps)
        return person if self._asks else Keyholder(person)

    def around(self, act: Callable[[Approver, tuple[Listener, ...], Control], T], approver: Approver) -> T:
        """Carry a run to its rest under the watch of signals; the end is told by `tell`."""
        try:
            with self._interrupts.watched():
                return act(approver, self.listeners, self.control)
        except BaseException:
            self._front.begun = self._begun()
            raise
        finally:
            self._printer.close()

    def _begun(self) -> dict[str, str]:
        control = self.control
        if not control.started:
            return {}
        return {"id": control.run, "playbook": control.playbook, "started": control.started}

    def _left_behind(self) -> tuple[Exit, str]:
        return left_behind(self.control.run, self._witness.open_changes(), effect=self._front.effect)

    def _last_object(self, code: Exit, words: str) -> None:
        self._front.begun = self._begun()
        self._front.end(unfinished(self._front, code) | {"why": words})
        self._front.finish()

    def tell(self, result: Result, *, is_over: bool = False, **more: Any) -> None:
        """Tell how the run ended, with more keys for its object, and set the exit code.

        `is_over` says that nothing can follow, because what it ran on is gone.
        """
        front = self._front
        ending = ending_of(result, terminated=front.terminated)
        front.code = of_run(ending)
        if front.is_text:
            stream = front.err if self._output_is_data else front.out
            stream.lines(result_lines(result, ending, stream.style, is_over=is_over))
            return
        row = result_object(result, ending, self._witness.finished) | more
        if self._output_is_data:
            add_output(row, self._witness.output)
        front.end({"type": "result"} | row if front.format == "ndjson" else row)


class Keyholder(Unattended):
    """Has a person open keys and logins, and answers nothing else: as ssh does for a command."""

    def __init__(self, person: Approver) -> None:
        super().__init__()
        self._person = person

    def ask(self, question: Question, cancel: Cancel) -> Answer | NoAnswer:
        """Hand on what asks for a secret."""
        return self._person.ask(question, cancel) if question.kind == "secret" else super().ask(question, cancel)


def conduct(
    front: Front,
    act: Act,
    *,
    asks: bool,
    approvals: tuple[str, ...] = (),
    answers: Mapping[str, Json] | None = None,
    output_is_data: bool = False,
    asks_for_secrets: bool = False,
) -> None:
    """Carry a run and tell its end."""
    way = Conduct(front, asks=asks, output_is_data=output_is_data, asks_for_secrets=asks_for_secrets)
    way.tell(way.around(act, way.approver(approvals, answers)))
