"""One SSH connection as paramiko has it, with what paramiko leaves out.

Adds to `paramiko.Transport`: an algorithm list without the weak ones, a keepalive that wants a reply and waits for
none, an exec request that is sent without waiting, and the name of the signal that ended a command.
"""

from __future__ import annotations

import signal
import threading
from typing import Any, ClassVar, cast

from paramiko.auth_handler import AuthHandler
from paramiko.channel import Channel
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_REQUEST, cMSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST
from paramiko.message import Message
from paramiko.packet import Packetizer
from paramiko.ssh_exception import SSHException
from paramiko.transport import Transport

from runbook.transports.ssh.algorithm import CIPHERS, KEX, MACS
from runbook.transports.ssh.wire import GREETING, Wire

_LISTS = {
    "ciphers": ("ciphers", "_cipher_info"),
    "macs": ("digests", "_mac_info"),
    "kexalgorithms": ("kex", "_kex_info"),
    "hostkeyalgorithms": ("key_types", "_key_info"),
}
"""The lists of ssh_config(5), as paramiko names what is offered and all that it knows."""


class Link(Transport):
    """A connection to one host."""

    breaks: ClassVar[tuple[type[Exception], ...]] = (SSHException, EOFError, OSError)
    """What sending raises over a connection that breaks."""

    def __init__(self, wire: Wire) -> None:
        """Wrap a connected wire; nothing is sent yet."""
        super().__init__(cast("Any", wire))
        self.local_version = GREETING.decode().strip()
        self.wire = wire
        self.dead = ""
        """Why it was given up; empty while it was not."""
        self.silent = False
        """It was given up because the host fell silent."""
        self.banner_timeout = 15
        self.handshake_timeout = 15
        self.auth_timeout = 15
        options = self.get_security_options()
        options.ciphers = _of(CIPHERS, options.ciphers)
        options.digests = _of(MACS, options.digests)
        options.kex = _of(KEX, options.kex)
        table: dict[int, Any] = Transport._channel_handler_table  # type: ignore[attr-defined]  # noqa: SLF001
        self._channel_handler_table = {
            **table, MSG_CHANNEL_REQUEST: _request, MSG_CHANNEL_CLOSE: self._end_channel,
        }  # fmt: skip
        self.channel_events = _Waiting()
        self._packets = cast("Any", self.packetizer)
        self._packets.complete_handshake = self._end_handshake

    def ask_alive(self) -> None:
        """Send what a server must answer (RFC 4254, 4), and go on."""
        message = Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        self._send_user_message(message)  # type: ignore[attr-defined]

    def execute(self, channel: Channel, command: str) -> bool:
        """Ask for a command (RFC 4254, 6.5) without waiting for the answer, which costs a round trip.

        `channel.event_ready` says later whether it was granted. False: the connection broke, and is given up.
        """
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string("exec")
        message.add_boolean(True)
        message.add_string(command)
        channel.event.clear()
        channel.event_ready = False
        try:
            self._send_user_message(message)  # type: ignore[attr-defined]
            self.wire.take_its_time()
        except self.breaks as error:
            self.dead = self.dead or str(error) or "the connection broke while a command was sent"
            self.close()
            self.wire.close()
            return False
        return True

    def prefer_key_types(self, kinds: tuple[str, ...]) -> None:
        """Offer these kinds of host keys, in this order."""
        self.get_security_options().key_types = kinds

    def key_types(self) -> tuple[str, ...]:
        """Return the kinds of host keys that are offered."""
        return tuple(self.get_security_options().key_types)

    def offered(self, keyword: str) -> tuple[str, ...]:
        """Return what is offered for a list of ssh_config(5)."""
        return tuple(getattr(self.get_security_options(), _LISTS[keyword][0]))

    def known(self, keyword: str) -> tuple[str, ...]:
        """Return all that could be offered for it."""
        return tuple(getattr(self, _LISTS[keyword][1]))

    def offer(self, keyword: str, names: tuple[str, ...]) -> None:
        """Offer these for it, the best first."""
        setattr(self.get_security_options(), _LISTS[keyword][0], names)

    def _end_channel(self, channel: Channel, message: Message) -> None:
        # paramiko answers with an end of input and a close of its own.
        with self.wire.together():
            channel._handle_close(message)  # type: ignore[attr-defined]  # noqa: SLF001 - the entry that this replaces

    def _end_handshake(self) -> None:
        """End the time limit of the handshake, once: paramiko does so after each message, a tenth of its work."""
        self._packets.complete_handshake = _nothing
        Packetizer.complete_handshake(self._packets)

    def negotiate(self, event: threading.Event) -> None:
        """Begin the handshake; the event is set at its end, good or bad."""
        self.start_client(event=event)

    def auth_none_later(self, user: str, done: threading.Event) -> None:
        """Ask which ways of logging in there are (RFC 4252, 5.2)."""
        self.auth_handler = AuthHandler(self)
        self.auth_handler.auth_none(user, done)

    def auth_interactive_later(self, user: str, word: str, done: threading.Event) -> None:
        """Answer the one hidden question of the host with a password (RFC 4256)."""

        def answer(_title: str, _instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
            return [word if not shown else "" for _prompt, shown in prompts]

        self.auth_handler = AuthHandler(self)
        self.auth_handler.auth_interactive(user, answer, done)

    @property
    def negotiated(self) -> bool:
        """Tell whether the handshake came to its end."""
        return bool(self.is_active() and self.initial_kex_done)


class _Waiting(dict[int, threading.Event]):
    """Who waits for a channel: the thread of a connection that ends goes through it while others still come."""

    def values(self) -> Any:
        return list(super().values())


def _nothing() -> None:
    """Do nothing."""


def _of(wanted: tuple[str, ...], there: Any) -> tuple[str, ...]:
    return tuple(name for name in wanted if name in there)


def _request(channel: Channel, message: Message) -> None:
    """Take a request of the server; paramiko drops the name of the signal that ended a command."""
    place = message.packet.tell()
    if message.get_text() == "exit-signal":
        message.get_boolean()
        number = getattr(signal, f"SIG{message.get_text()}", None)
        channel.exit_status = 128 + number if number is not None else -1
        channel.status_event.set()
    message.packet.seek(place)
    channel._handle_request(message)  # type: ignore[attr-defined]  # noqa: SLF001 - the entry that this one replaces
