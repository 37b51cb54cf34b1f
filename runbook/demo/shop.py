"""The shop as a whole: opened, started, broken, measured, stopped.

Owns the life of one shop. It starts nothing but the supervisor, and talks to it only through the control program, as a
playbook does. Whatever becomes of the process that opened the shop, the shop ends with it, unless it is kept.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from runbook.demo import control, tree
from runbook.demo.callback import write_callbacks
from runbook.demo.inventory_number import sells
from runbook.demo.inventory_unit import inventory_parameters, write_inventory
from runbook.demo.label_unit import label_parameters
from runbook.demo.layout import (
    CALLBACKS,
    DATABASE,
    DEAD_CALLBACKS,
    GATEWAY,
    GOOD_TAG,
    LABELS,
    LOAD,
    METRICS,
    ORDER,
    PAYMENT,
    SHOP_MARK,
    Layout,
    choose_ports,
)
from runbook.demo.metric_unit import knows_enough, write_metrics
from runbook.demo.number import RATE, Numbers, is_broken, is_healthy, read_numbers
from runbook.demo.repository import commit_bad_tuning, make_repository
from runbook.demo.runtime import GOOD_VERSION, LINK, PROGRAM, make_runtimes
from runbook.demo.state import PREFIX, State, find_states, new_state, read_state, remove_folder, write_state
from runbook.demo.unit import Unit, write_unit
from runbook.errors import RunbookError, UsageError

DATABASE_LIMIT = 100
"""Connections that the database allows."""

_START_WITHIN = 20.0
_BREAK_WITHIN = 20.0
_STOP_WITHIN = 10.0
_LOOK_EVERY = 0.1
_CONTROL_WITHIN = 30.0
_MARGIN = 1.0
# Enough for an interpreter to find itself and its packages; secrets of the opener's environment stay with it.
_PASSED_ON = ("HOME", "PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")


class Kept(msgspec.Struct, frozen=True):
    """A shop that was left up, or that was left behind."""

    folder: Path
    created: int
    """Unix time in seconds."""
    is_alive: bool


class Shop:
    """A small shop of real processes in a private folder."""

    def __init__(self, state: State, *, keep: bool = False) -> None:
        self.folder = Path(state.folder)
        self.layout = Layout(self.folder)
        self.ports = state.ports
        self.keep = keep
        """Whether `stop` leaves the shop up."""
        self.before_look: Callable[[], None] = lambda: None
        """Called before each look of `wait`; what it raises ends the waiting."""
        self._state = state
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._healthy_at = time.time()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Numbers:
        """Start all processes and return the shop's own numbers as soon as they are healthy.

        Raises:
            RunbookError: they are not within 20 seconds; the error holds what the logs say.
        """
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment[SHOP_MARK] = self._state.token
        with self.layout.log("supervisor").open("ab") as log:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-P", "-m", "runbook.demo.supervisor", str(self.folder)],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        numbers = self.wait(
            lambda n: is_healthy(n) and sells(n.stock) and knows_enough(self.ports), "healthy", within=_START_WITHIN
        )
        # A moment before: whatever breaks the shop next must not be in what is normal.
        self._healthy_at = time.time() - _MARGIN
        return numbers

    def break_config(self) -> Numbers:
        """Push the bad configuration as the release automation does, and return the numbers that show the damage.

        Raises:
            RunbookError: the numbers show no damage within 20 seconds.
        """
        commit_bad_tuning(self.layout.config)
        self.control("restart", ORDER)
        return self.wait(is_broken, "broken", within=_BREAK_WITHIN)

    def numbers(self) -> Numbers:
        """Read the shop's own numbers."""
        return read_numbers(self.ports)

    def healthy(self, numbers: Numbers) -> bool:
        """Tell whether the numbers are healthy; the thresholds stand in `runbook.demo.number`."""
        return is_healthy(numbers)

    def wait(self, holds: Callable[[Numbers], bool], word: str, *, within: float) -> Numbers:
        """Return the first numbers for which `holds` is true.

        Raises:
            RunbookError: there were none within that many seconds; `word` says what was waited for.
        """
        deadline = time.monotonic() + within
        self.before_look()
        while not holds(numbers := self.numbers()):
            if self._supervisor is not None and self._supervisor.poll() is not None:
                raise self._failure("the supervisor ended")
            if time.monotonic() >= deadline:
                raise self._failure(f"the shop is not {word} after {within:g} s: {numbers}")
            time.sleep(_LOOK_EVERY)
            self.before_look()
        return numbers

    def parameters(self) -> dict[str, str]:
        """Give what a playbook has to know about this shop, by parameter name."""
        return {
            "repo": str(self.layout.config),
            "file": str(self.layout.config_file),
            "good_ref": GOOD_TAG,
            "service": ORDER,
            "health_url": f"http://127.0.0.1:{self.ports.order}/health",
            "order_page": f"http://127.0.0.1:{self.ports.order}/metrics",
            "metrics_url": f"http://127.0.0.1:{self.ports.metrics}",
            "normal_at": datetime.fromtimestamp(self._healthy_at, UTC).isoformat(timespec="milliseconds"),
            "traffic_url": f"http://127.0.0.1:{self.ports.load}/metrics",
            "control": str(self.layout.control),
            "needs": DATABASE,
            "runtime_link": str(self.layout.runtime / LINK),
            "runtime_binary": PROGRAM,
            "good_version": GOOD_VERSION,
            "start_by_hand": str(self.layout.start_by_hand),
            "queue_control": str(self.layout.queue_control),
            "source": DEAD_CALLBACKS,
            "destination": CALLBACKS,
            "payments_url": f"http://127.0.0.1:{self.ports.payment}/metrics",
        } | (inventory_parameters(self.layout, self.ports) | label_parameters(self.layout, self.ports))

    @property
    def inventory_vars(self) -> dict[str, str]:
        """Variables of the host on which the shop runs: what drives its services, and by which program."""
        return {"service_driver": "supervised", "service_control": str(self.layout.control)} | {
            "queue_control": str(self.layout.queue_control)
        }

    def control(self, *words: str) -> str:
        """Run the shop's control program and return what it prints.

        Raises:
            RunbookError: it failed; the error holds its own words.
        """
        return _control(self.layout, *words)

    def stop(self) -> None:
        """End the shop, prove that all its processes are dead, and remove its folder; a kept shop is let go instead.

        Raises:
            RunbookError: a process is still alive, or the folder cannot be removed.
        """
        if self.keep and self._supervisor is not None and self._supervisor.poll() is None:
            self.detach()
            self._let_go()
            return
        if self._supervisor is not None and self._supervisor.poll() is None:
            self._supervisor.terminate()
            _wait_for(self._supervisor, _STOP_WITHIN)
        self._let_go()
        _prove_dead(self._state)
        if self.folder.exists():
            remove_folder(self.folder)

    def detach(self) -> None:
        """Let the shop outlive whoever opened it, even one that is killed; `stop` still ends one not to be kept."""
        write_state(msgspec.structs.replace(self._state, is_kept=True))
        self.control("detach")

    def _let_go(self) -> None:
        if self._supervisor is not None and self._supervisor.stdin is not None:
            self._supervisor.stdin.close()
        if self._supervisor is not None and self.keep:
            # It lives on with another parent; nobody here will ever wait for it.
            self._supervisor.returncode = 0
        self._supervisor = None

    def _failure(self, text: str) -> RunbookError:
        logs = []
        for unit in ("supervisor", DATABASE, ORDER, LOAD, PAYMENT, GATEWAY, LABELS, METRICS):
            log = self.layout.log(unit)
            lines = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
            logs += [f"{unit}: {line}" for line in lines]
        return RunbookError(text, where="demo", remedy="the logs say: " + " | ".join(logs or ["nothing"]))


def open_shop(folder: Path | None = None, *, keep: bool = False) -> Shop:
    """Prepare a shop: folder, configuration, units and control program; nothing runs yet.

    Args:
        folder: an empty or new folder; default: a new one in the temporary folder.
        keep: `stop` leaves the shop up.

    Raises:
        UsageError: the folder holds something.
        RunbookError: git is missing, or no port is free.
    """
    home = _make_home(folder)
    layout = Layout(home)
    state = new_state(home, choose_ports())
    write_state(state)
    try:
        layout.make_folders()
        make_repository(layout.config, state.ports.database)
        make_runtimes(layout.runtime)
        _write_units(layout, state)
        _write_control(layout)
        write_callbacks(layout, state.ports, 1000)
        write_inventory(layout, state.ports)
        write_metrics(layout, state.ports)
    except BaseException:
        remove_folder(home)
        raise
    return Shop(state, keep=keep)


def find_kept(under: Path | None = None) -> tuple[Kept, ...]:
    """Find the shops that were kept or left behind in `under` (default: the temporary folder), oldest first.

    A shop that runs for an opener who is still there is not among them, unless it was detached.
    """
    found = [(state, bool(tree.members((SHOP_MARK, state.token)))) for state in find_states(under)]
    return tuple(
        Kept(folder=Path(state.folder), created=state.created, is_alive=is_alive)
        for state, is_alive in found
        if state.is_kept or not is_alive
    )


def find_running(folder: Path | None = None) -> State:
    """Return the state of a shop that runs: the one in a folder, else the youngest of this user.

    Raises:
        UsageError: none runs.
        RunbookError: the folder is not that of a shop.
    """
    states = (read_state(folder.resolve()),) if folder is not None else find_states()
    running = [state for state in states if tree.members((SHOP_MARK, state.token))]
    if not running:
        raise UsageError("no shop runs", where="demo", remedy="open one: runbook demo --keep")
    return running[-1]


def stop_kept(folder: Path) -> None:
    """End a shop that another process opened, prove it dead, and remove its folder.

    Raises:
        RunbookError: this is no shop of this user, or a process is still alive.
    """
    home = folder.resolve()
    state = read_state(home)
    try:
        _control(Layout(home), "shutdown")
    except RunbookError:
        # No supervisor answers; what is left of the shop is found by its mark.
        pass
    else:
        deadline = time.monotonic() + _STOP_WITHIN
        while tree.members((SHOP_MARK, state.token)) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY)
    _prove_dead(state)
    if home.exists():
        remove_folder(home)


def _make_home(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"cannot hold a shop: {error}", where=str(folder), remedy="name an empty folder") from error
    if not is_empty:
        raise UsageError(
            "is not empty", where=str(folder), remedy="name an empty folder, or one that is yet to be made"
        )
    return folder.resolve()


def _write_units(layout: Layout, state: State) -> None:
    ports = state.ports
    programs = {
        DATABASE: ["--port", str(ports.database), "--max-connections", str(DATABASE_LIMIT)],
        ORDER: ["--port", str(ports.order), "--config", str(layout.config_file)],
        LOAD: ["--port", str(ports.load), "--shop", str(ports.order), "--rate", f"{RATE:g}"],
    }
    modules = {DATABASE: "database", ORDER: "order", LOAD: "load"}
    for name, options in programs.items():
        program = (str(layout.runtime / LINK / PROGRAM),) if name == ORDER else (sys.executable, "-P")
        argv = (*program, "-m", f"runbook.demo.{modules[name]}", *options)
        write_unit(layout.unit(name), Unit(argv=argv, cwd=str(layout.home)))
        if name == ORDER:
            _write_program(layout.start_by_hand, argv)


def _write_control(layout: Layout) -> None:
    _write_program(layout.control, (sys.executable, "-I", "-S", control.__file__, str(layout.run)))


def _write_program(path: Path, words: tuple[str, ...]) -> None:
    """Write a program that runs these words and its own arguments."""
    # A shell line, because a `#!` line can hold neither a long path nor one with spaces.
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(0o700)


def _control(layout: Layout, *words: str) -> str:
    try:
        done = subprocess.run(
            [str(layout.control), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CONTROL_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunbookError(f"ctl does not run: {error}", where="demo", remedy="open a new shop") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise RunbookError(f"ctl {' '.join(words)} failed: {said}", where="demo", remedy="see the logs of the shop")
    return done.stdout.decode("utf-8", "replace")


def _wait_for(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _prove_dead(state: State) -> None:
    if alive := tree.end((SHOP_MARK, state.token), within=_STOP_WITHIN):
        raise RunbookError(
            f"processes of the shop are still alive: {', '.join(map(str, alive))}",
            where=state.folder,
            remedy="look at them with ps and end them by hand",
        )
