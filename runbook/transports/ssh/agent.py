"""The keys that an agent holds for the operator: it is asked to sign here, and never lent to a host."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from paramiko.agent import AgentKey, AgentSSH
from paramiko.message import Message
from paramiko.pkey import PublicBlob
from paramiko.ssh_exception import SSHException


class Agent(AgentSSH):
    """The agent at a socket."""

    def open_at(self, path: str, seconds: float) -> None:
        """Connect and read which keys there are; each answer may take so long. Raises OSError, SSHException."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(seconds)
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            raise
        self._connect(connection)  # type: ignore[attr-defined]

    def keys(self, failed: Callable[[str], None]) -> list[HeldKey]:
        """Return the keys; `failed` is told why one could not sign."""
        return [HeldKey(self, key.blob, key.comment, failed) for key in self.get_keys()]

    def close(self) -> None:
        """End the connection."""
        self._close()  # type: ignore[attr-defined]


class HeldKey(AgentKey):
    """A key in an agent, one that may not be willing to sign."""

    def __init__(self, agent: AgentSSH, blob: bytes, comment: str, failed: Callable[[str], None]) -> None:
        super().__init__(agent, blob, comment)
        self._failed = failed
        if "-cert-" in self.name:
            # paramiko would show the host the bare key of an RSA certificate, under the name of the certificate.
            self.public_blob = PublicBlob(self.name, blob, comment)  # type: ignore[assignment]

    def __copy__(self) -> HeldKey:
        return HeldKey(self.agent, self.blob, self.comment, self._failed)

    def sign_ssh_data(self, data: Any, algorithm: str | None = None) -> Any:
        """Sign; what the agent refuses gets a signature that is none.

        The host then refuses this key alone, and the next one can be tried; paramiko would end the connection.
        """
        try:
            return super().sign_ssh_data(data, algorithm)
        except (OSError, SSHException) as error:
            self._failed(str(error))
            signature = Message()
            signature.add_string(algorithm or self.get_name())
            signature.add_string(bytes(64))
            return signature.asbytes()
