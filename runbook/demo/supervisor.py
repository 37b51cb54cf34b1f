"""The supervisor: keeps the processes of one shop running, and lets none outlive it.

Owns the services, the control socket and the end of everything. One thread and one loop, because the kernel's
parent-death signal (which ends the services should the supervisor be killed) comes when the forking thread ends.

It ends itself, and all services with it, on SIGTERM, SIGINT or SIGHUP, on `ctl shutdown`, and when whoever opened the
shop is gone: its standard input is a pipe from there, and it watches who its parent is. `ctl detach` ends that watch.
If the opener vanished without a word, it removes the shop's folder, too, which nobody else would.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import socket
import sys
from pathlib import Path

from runbook.demo.layout import Layout
from runbook.demo.process import say
from runbook.demo.service import Service
from runbook.demo.state import remove_folder
from runbook.demo.unit import is_unit_name, read_unit
from runbook.errors import ConfigError

_LOOK_AT_PARENT = 1.0
_REQUEST = 4096
_LOG_TAIL = 256 * 1024
_NOT_FOUND = 5

Answer = tuple[int, str]
"""Exit status for `ctl`, and the text it prints."""

_NOT_UNDERSTOOD: Answer = (2, "ctl: not understood\n")


class Supervisor:
    """Runs the services of one shop until told to end."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._services: dict[str, Service] = {}
        self._selector = selectors.DefaultSelector()
        self._waiting: list[tuple[socket.socket, Service, str]] = []
        self._ending = ""
        self._opener: int | None = os.getppid()
        self.was_abandoned = False
        """Whether it ended because the opener was gone."""
        # The services hold the reading end as their standard input; the writing end dies with this process.
        self._lifeline, self._keeper = os.pipe()

    def run(self) -> None:
        """Start the services, answer until the end is asked for, and return when all services are proven dead."""
        # Whoever sees the socket may signal at once.
        self._watch_signals()
        listener = self._listen()
        self._selector.register(0, selectors.EVENT_READ, self._opener_spoke)
        for file in sorted(self._layout.services.glob("*.json")):
            service = self._service(file.stem)
            if service is not None and _starts_by_itself(service, file):
                service.start()
        say(f"supervisor runs {', '.join(self._services)}")
        while not self._ending:
            self._turn()
        say(f"supervisor ends: {self._ending}")
        self._selector.unregister(listener)
        listener.close()
        for service in self._services.values():
            service.stop()
        while not all(service.is_down or service.is_stuck for service in self._services.values()):
            self._turn()

    def _turn(self) -> None:
        wishes = [wish for service in self._services.values() if (wish := service.wake_in()) is not None]
        for key, _ in self._selector.select(min([_LOOK_AT_PARENT, *wishes])):
            key.data(key.fileobj)
        if self._opener is not None and os.getppid() != self._opener:
            self._abandon()
        for service in self._services.values():
            service.move_on()
        self._answer_waiting()

    def _service(self, name: str) -> Service | None:
        """Find a service; a unit file that came later is found, too."""
        if name not in self._services and is_unit_name(name) and self._layout.unit(name).is_file():
            self._services[name] = Service(name, self._layout.unit(name), self._layout.log(name), self._lifeline)
        return self._services.get(name)

    def _listen(self) -> socket.socket:
        os.chdir(self._layout.run)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Under its name it answers from the first moment on: a socket that is only bound refuses.
        fresh = Path(f".{self._layout.socket.name}")
        fresh.unlink(missing_ok=True)
        listener.bind(str(fresh))
        listener.listen(64)
        fresh.rename(self._layout.socket.name)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        return listener

    def _watch_signals(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._selector.register(reading, selectors.EVENT_READ, lambda _: os.read(reading, 512))
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end_by_signal)

    def _end_by_signal(self, number: int, _frame: object) -> None:
        self._ending = self._ending or signal.Signals(number).name

    def _opener_spoke(self, _fileobj: object) -> None:
        if os.read(0, 64) == b"":
            self._selector.unregister(0)
            if self._opener is not None:
                self._abandon()

    def _abandon(self) -> None:
        self.was_abandoned, self._opener = True, None
        self._ending = self._ending or "whoever opened the shop is gone"

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.settimeout(1.0)
        self._selector.register(client, selectors.EVENT_READ, self._read_request)

    def _read_request(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        try:
            words = client.recv(_REQUEST).decode("utf-8", "replace").split()
        except OSError:
            words = []
        answer = self._obey(client, words)
        if answer is not None:
            _reply(client, *answer)

    def _obey(self, client: socket.socket, words: list[str]) -> Answer | None:
        """Do what a request says; None if the answer comes later."""
        match words:
            case ["list"]:
                return 0, "".join(f"{name}\n" for name in sorted(self._services))
            case ["detach"]:
                self._opener = None
                return 0, ""
            case ["shutdown"]:
                self._ending = self._ending or "ctl shutdown"
                return 0, ""
            case [verb, name, *rest]:
                service = self._service(name)
                if service is not None:
                    return self._obey_for(client, service, verb, rest)
                if verb == "show":
                    return 0, f"Id={name}\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n"
                return _NOT_FOUND, f"ctl: no unit {name}\n"
            case _:
                return _NOT_UNDERSTOOD

    def _obey_for(self, client: socket.socket, service: Service, verb: str, rest: list[str]) -> Answer | None:
        match verb, rest:
            case "show", []:
                return 0, service.show()
            case "logs", [number] if number.isdecimal():
                return 0, _tail(self._layout.log(service.name), int(number))
            case "start", []:
                service.start()
            case "stop", []:
                service.stop()
            case "restart", []:
                service.restart()
            case _:
                return _NOT_UNDERSTOOD
        self._waiting.append((client, service, verb))
        return None

    def _answer_waiting(self) -> None:
        still: list[tuple[socket.socket, Service, str]] = []
        for client, service, verb in self._waiting:
            wants_up = verb != "stop"
            if service.is_up if wants_up else service.is_down:
                _reply(client, 0, "")
            elif service.is_stuck or (wants_up and service.is_down):
                _reply(client, 1, f"ctl: {service.error or f'{service.name} was stopped meanwhile'}\n")
            else:
                still.append((client, service, verb))
        self._waiting = still


def _starts_by_itself(service: Service, file: Path) -> bool:
    try:
        return read_unit(file).autostart
    except ConfigError as error:
        say(f"{service.name}: {error}")
        return False


def _reply(client: socket.socket, code: int, text: str) -> None:
    try:
        client.sendall(f"{code}\n{text}".encode())
    except OSError:
        # Whoever asked is gone; what was asked for is done all the same.
        pass
    finally:
        client.close()


def _tail(log: Path, lines: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""


def main() -> int:
    """Supervise the shop in the folder given."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    layout = Layout(parser.parse_args().home.resolve())
    supervisor = Supervisor(layout)
    supervisor.run()
    layout.socket.unlink(missing_ok=True)
    if supervisor.was_abandoned:
        remove_folder(layout.home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
